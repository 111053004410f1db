"""Queries over public posts as SQL. Public: published, due at `as_of`, and with an address."""

from __future__ import annotations

import sqlite3
from datetime import datetime, tzinfo

from velobuild.content.codec import timestamp
from velobuild.model.keys import Query

BEGINNING, END = "", "9999-12-31T23:59:59.999999Z"
FROM = {
    "post": "post AS p JOIN permalink AS l ON l.post_id = p.id",
    "tag": "tag AS p JOIN permalink AS l ON l.post_id = p.post_id",
}
PLACE_OF = "SELECT sort_at FROM post WHERE id = ?"


def year_bounds(year: int, zone: tzinfo) -> tuple[str, str]:
    """The first moment of the year in the zone and that of the next, as timestamps."""
    return (
        timestamp(datetime(year, 1, 1, tzinfo=zone)),
        timestamp(datetime(year + 1, 1, 1, tzinfo=zone)) if year < 9999 else END,
    )


class PostQueries:
    """Answers queries with ids. `zone` decides where a year begins."""

    def __init__(self, connection: sqlite3.Connection, *, zone: tzinfo) -> None:
        # `permalink` holds exactly the posts that were public when addresses were last settled, so joining it is
        # both the filter for what is due and the proof that every answer can be linked to.
        self._connection = connection
        self._zone = zone

    def ids(self, query: Query) -> tuple[str, ...]:
        """The ids in the query's order, which is total."""
        column, sql, bound = self._parts(query)
        descending = (query.order == "newest") != (query.before_id is not None)
        direction = "DESC" if descending else "ASC"
        limit = -1 if query.limit is None else query.limit
        rows = self._connection.execute(
            f"SELECT {column} {sql} ORDER BY p.sort_at {direction}, {column} {direction} LIMIT ? OFFSET ?",
            (*bound, limit, query.offset),
        )
        return tuple(row[0] for row in rows)

    def count(self, query: Query) -> int:
        """How many entries match, whatever `limit` and `offset` say."""
        _, sql, bound = self._parts(query)
        return int(self._connection.execute(f"SELECT count(*) {sql}", bound).fetchone()[0])

    def _parts(self, query: Query) -> tuple[str, str, tuple[str, ...]]:
        tags = [value for name, value in query.where if name == "tag"]
        table, column = ("tag", "p.post_id") if tags else ("post", "p.id")
        conditions = [] if tags else ["p.status = 'published'"]
        bound: list[str] = []
        for number, tag in enumerate(tags):
            if number == 0:
                conditions.append("p.tag = ?")
            else:
                conditions.append("p.post_id IN (SELECT post_id FROM tag WHERE tag = ?)")
            bound.append(tag)
        for name, value in query.where:
            if name == "year":
                low, high = year_bounds(int(value), self._zone)
                conditions += ["p.sort_at >= ?", "p.sort_at < ?"]
                bound += [low, high]
            elif name == "author":
                conditions.append("p.id IN (SELECT id FROM post WHERE author_id = ?)")
                bound.append(value)
        for anchor, follows in ((query.after_id, True), (query.before_id, False)):
            if anchor is None:
                continue
            older = follows == (query.order == "newest")
            conditions.append(f"(p.sort_at, {column}) {'<' if older else '>'} (?, ?)")
            place = self._connection.execute(PLACE_OF, (anchor,)).fetchone()
            bound += [place[0] if place else BEGINNING, anchor]
        return column, f"FROM {FROM[table]} WHERE {' AND '.join(conditions) or '1'}", tuple(bound)

    def tags(self) -> list[tuple[str, str, int]]:
        """(tag key, name, posts) of every tag and spelling of a public post, sorted."""
        return list(
            self._connection.execute(
                "SELECT tag, name, count(*) FROM tag JOIN permalink USING (post_id) "
                "GROUP BY tag, name ORDER BY tag, name"
            )
        )

    def years(self) -> list[tuple[int, int]]:
        """(year, posts), newest first."""
        row = self._connection.execute(
            "SELECT min(sort_at), max(sort_at) FROM post JOIN permalink ON post_id = id"
        ).fetchone()
        if row[0] is None:
            return []
        first, last = (datetime.fromisoformat(at).astimezone(self._zone).year for at in row)
        counted = [(year, self.count(Query(where=(("year", str(year)),)))) for year in range(last, first - 1, -1)]
        return [(year, count) for year, count in counted if count]
