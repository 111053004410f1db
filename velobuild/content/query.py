"""Queries over public posts as SQL. Public: published, due at `as_of`, and with an address."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, datetime, tzinfo

from velobuild.content.moments import timestamp
from velobuild.model.keys import Query
from velobuild.model.locales import year_of_value

# Before and after every timestamp.
BEGINNING, END = "", "A"
NOTHING = "0"
FROM = {
    "post": "post AS p JOIN permalink AS l ON l.post_id = p.id",
    "tag": "tag AS p JOIN permalink AS l ON l.post_id = p.post_id",
}
PLACE_OF = "SELECT sort_at, title FROM post WHERE id = ?"
DUE_TAGS = (
    "SELECT tag, name, count(*) FROM tag JOIN post ON post.id = post_id WHERE status = 'published' "
    "AND post.sort_at <= ? GROUP BY tag, name ORDER BY tag, name"
)
OF_LOCALE = "EXISTS (SELECT 1 FROM post AS o WHERE o.id = {} AND o.locale = ?)"
NEWEST_OF_A_TAG = 30
SHARING = (
    "SELECT post_id FROM tag WHERE tag IN ({}) AND post_id IN ({}) GROUP BY post_id "
    "ORDER BY count(*) DESC, sort_at DESC, post_id DESC LIMIT ?"
)


def year_bounds(year: int, zone: tzinfo) -> tuple[str, str]:
    """The first moment of the year in the zone and that of the next, as texts that compare with timestamps."""
    return _beginning_of(year, zone), _beginning_of(year + 1, zone)


def _beginning_of(year: int, zone: tzinfo) -> str:
    if year not in range(MINYEAR, MAXYEAR + 1):
        return BEGINNING if year < MINYEAR else END
    try:
        return timestamp(datetime(year, 1, 1, tzinfo=zone))
    except OverflowError:  # East of Greenwich, year 1 begins in a year that has no number.
        return BEGINNING


class PostQueries:
    """Answers queries with ids. `zone` decides where a year begins."""

    def __init__(self, connection: sqlite3.Connection, *, zone: tzinfo) -> None:
        # `permalink` holds exactly the posts that were public when addresses were last settled, so joining it is
        # both the filter for what is due and the proof that every answer can be linked to.
        self._connection = connection
        self._zone = zone

    def ids(self, query: Query) -> tuple[str, ...]:
        """The ids in the query's order, which is total; with `before_id` in its reverse, the nearest first.

        Titles are ordered by code point. An anchor that is no post has nothing before or after it.
        """
        column, sql, bound = self._parts(query)
        descending = (query.order == "newest") != (query.before_id is not None)
        direction = "DESC" if descending else "ASC"
        by = _sorted_by(query)
        limit = -1 if query.limit is None else query.limit
        rows = self._connection.execute(
            f"SELECT {column} {sql} ORDER BY {by} {direction}, {column} {direction} LIMIT ? OFFSET ?",
            (*bound, limit, query.offset),
        )
        return tuple(row[0] for row in rows)

    def sort_at(self, post_id: str) -> str | None:
        """A post's place in time, or None if there is no such post."""
        row = self._connection.execute(PLACE_OF, (post_id,)).fetchone()
        return None if row is None else str(row[0])

    def sharing(self, post_id: str, tags: Sequence[str], limit: int) -> list[str]:
        """Of the newest posts of each tag, those that share the most of the tags with the post, the newer first."""
        newest = {id for tag in tags for id in self.ids(Query(where=(("tag", tag),), limit=NEWEST_OF_A_TAG))}
        near = sorted(newest - {post_id})
        sql = SHARING.format(", ".join("?" * len(tags)), ", ".join("?" * len(near)))
        return [id for (id,) in self._connection.execute(sql, (*tags, *near, limit))]

    def count(self, query: Query) -> int:
        """How many entries match, whatever `limit` and `offset` say."""
        _, sql, bound = self._parts(query)
        return int(self._connection.execute(f"SELECT count(*) {sql}", bound).fetchone()[0])

    def _parts(self, query: Query) -> tuple[str, str, tuple[str, ...]]:
        tags = [value for name, value in query.where if name == "tag"]
        # Tags hold no titles.
        walk_tag = bool(tags) and query.order != "title"
        table, column = ("tag", "p.post_id") if walk_tag else ("post", "p.id")
        conditions = [] if walk_tag else ["p.status = 'published'"]
        bound: list[str] = []
        for number, tag in enumerate(tags):
            if number == 0 and walk_tag:
                conditions.append("p.tag = ?")
            else:
                conditions.append(f"{column} IN (SELECT post_id FROM tag WHERE tag = ?)")  # noqa: S608 - our own names
            bound.append(tag)
        for name, value in query.where:
            locale = value if name == "locale" else ""
            if name == "year":
                locale, year = year_of_value(value)
                low, high = year_bounds(year, self._zone)
                conditions += ["p.sort_at >= ?", "p.sort_at < ?"]
                bound += [low, high]
            elif name == "author":
                conditions.append(f"{column} IN (SELECT id FROM post WHERE author_id = ?)")  # noqa: S608 - our own names
                bound.append(value)
            if locale:
                # That it is not "" lets SQLite use the index, which sites of one language do not pay for.
                conditions.append(OF_LOCALE.format(column) if walk_tag else "p.locale = ? AND p.locale <> ''")
                bound.append(locale)
        for anchor, follows in ((query.after_id, True), (query.before_id, False)):
            if anchor is None:
                continue
            place = self._connection.execute(PLACE_OF, (anchor,)).fetchone()
            if place is None:
                conditions.append(NOTHING)
                continue
            lesser = follows == (query.order == "newest")
            conditions.append(f"({_sorted_by(query)}, {column}) {'<' if lesser else '>'} (?, ?)")
            bound += [place[1] if query.order == "title" else place[0], anchor]
        return column, f"FROM {FROM[table]} WHERE {' AND '.join(conditions) or '1'}", tuple(bound)

    def due_tags(self, as_of: datetime) -> list[tuple[str, str, int]]:
        """The same of every post that is due at `as_of`, whether it has an address by now or not."""
        return list(self._connection.execute(DUE_TAGS, (timestamp(as_of),)))


def _sorted_by(query: Query) -> str:
    return "p.title" if query.order == "title" else "p.sort_at"
