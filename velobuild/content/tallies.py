"""How many public posts there are of each kind, and the tags as readers see them: kept, not counted anew.

To count a tag's posts at every page would cost what the site weighs. So the numbers are rows, and a change of a post
takes its old place out of them and puts the new one in. Without a trace all of them are counted from the posts.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo

from velobuild.content.codec import tag_key
from velobuild.content.locales import locales_of
from velobuild.content.notes import TRACE
from velobuild.content.terms import Term, terms_of
from velobuild.model.locales import Locales, year_of_value, year_value
from velobuild.model.reads import Image

TERM = "term"
BASIS = "counted_by"
"""The note of the time zone and the excluded tags with which the numbers and terms were made."""
PLACE = (
    "SELECT post.sort_at, post.title, post.author_id, post.locale FROM post JOIN permalink ON post_id = post.id "
    "WHERE post.id = ?"
)
TAGS = "SELECT tag, name FROM tag WHERE post_id = ? ORDER BY tag"
CHANGED = "SELECT id, before, counted FROM dirty WHERE kind = 'posts' ORDER BY id"
SPELLINGS = "SELECT tag, name, count(*) FROM tag JOIN permalink USING (post_id) GROUP BY tag, name ORDER BY tag, name"
REMEMBER = (
    "INSERT INTO meta (key, value) VALUES (?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value"
)
ADD = (
    "INSERT INTO {table} ({columns}, posts) VALUES ({marks}, ?) "
    "ON CONFLICT ({columns}) DO UPDATE SET posts = posts + excluded.posts"
)

Names = dict[str, str]
"""Tag key → the post's own spelling."""


def year_of(sort_at: str, zone: tzinfo) -> int:
    """The year of a timestamp in the site's zone."""
    if sort_at[5:7] not in {"01", "12"}:  # no zone is a month away
        return int(sort_at[:4])
    moment = datetime.fromisoformat(sort_at)
    try:
        return moment.astimezone(zone).year
    except OverflowError:  # the first hours of year 1, the last of 9999
        return moment.year


def place_now(connection: sqlite3.Connection, id: str, zone: tzinfo) -> tuple[Image, Names] | None:
    """A public post's place in all lists as it is now; None where it is not public."""
    row = connection.execute(PLACE, (id,)).fetchone()
    if row is None:
        return None
    names: Names = dict(connection.execute(TAGS, (id,)).fetchall())
    return Image(id, row[0], row[1], year_of(row[0], zone), row[2], frozenset(names), row[3]), names


def place_before(id: str, row: dict[str, object], zone: tzinfo, locales: Locales) -> tuple[Image, Names] | None:
    """The same of a row of `dirty`."""
    if row["path"] is None:
        return None
    values = json.loads(str(row["value"]))
    locale = locales.of(values["extra"])
    names: Names = {}
    for name in values["tags"]:
        names.setdefault(locales.tag(tag_key(name), locale), name)
    sort_at = str(row["sort_at"])
    year = year_of(sort_at, zone)
    return Image(id, sort_at, values["title"], year, values["author_id"], frozenset(names), locale), names


def settle(connection: sqlite3.Connection, zone: tzinfo, exclude: frozenset[str]) -> None:
    """Bring all numbers and terms up to date with the posts that are public now. The caller holds a transaction."""
    locales = locales_of(connection)
    basis = json.dumps([str(zone), sorted(exclude), locales.codes])
    if connection.execute("SELECT 1 FROM meta WHERE key = ?", (TRACE,)).fetchone() is None:
        _count_all(connection, zone)
        _store_terms(connection, exclude, traced=False)
        connection.execute(REMEMBER, (BASIS, basis))
        return
    retagged = False
    if connection.execute("SELECT value FROM meta WHERE key = ?", (BASIS,)).fetchone() != (basis,):
        _count_all(connection, zone)
        for id, _, _ in connection.execute(CHANGED).fetchall():
            _note_counted(connection, id, place_now(connection, id, zone))
        _store_terms(connection, exclude, traced=True)
        connection.execute(REMEMBER, (BASIS, basis))
        return
    for id, before, counted in connection.execute(CHANGED).fetchall():
        old = _counted(json.loads(counted)) if counted is not None else None
        if counted is None and before is not None:
            old = place_before(id, json.loads(before), zone, locales)
        new = place_now(connection, id, zone)
        if old != new:
            retagged |= (old[1] if old else {}) != (new[1] if new else {})
            _add(connection, old, -1)
            _add(connection, new, 1)
        if json.dumps(_plain(new)) != counted:
            _note_counted(connection, id, new)
    if retagged:
        connection.execute("DELETE FROM spelling WHERE posts <= 0")
        _store_terms(connection, exclude, traced=True)
    connection.execute("DELETE FROM tally WHERE posts <= 0")


def _count_all(connection: sqlite3.Connection, zone: tzinfo) -> None:
    spellings = connection.execute(SPELLINGS).fetchall()
    counts: Counter[str] = Counter()
    placed = connection.execute("SELECT sort_at, author_id, locale FROM post JOIN permalink ON post_id = id")
    for sort_at, author, locale in placed:
        counts[f"year={year_value(year_of(sort_at, zone), locale)}"] += 1
        if locale:
            counts[f"locale={locale}"] += 1
        counts[f"month={sort_at[:7]}"] += 1
        counts[f"day={sort_at[:10]}"] += 1
        counts["post"] += 1
        if author is not None:
            counts[f"author={author}"] += 1
    for tag, _, posts in spellings:
        counts[f"tag={tag}"] += posts
    for table, columns, rows in (
        ("spelling", "key, name, posts", spellings),
        ("tally", "facet, posts", sorted(counts.items())),
    ):
        if connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall() != rows:  # noqa: S608
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            marks = ", ".join("?" * (columns.count(",") + 1))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608


def _note_counted(connection: sqlite3.Connection, id: str, place: tuple[Image, Names] | None) -> None:
    """Remember with which place a changed post stands in the numbers."""
    text = json.dumps(_plain(place))
    connection.execute("UPDATE dirty SET counted = ? WHERE kind = 'posts' AND id = ?", (text, id))


def _add(connection: sqlite3.Connection, place: tuple[Image, Names] | None, step: int) -> None:
    if place is None:
        return
    image, names = place
    tally = ADD.format(table="tally", columns="facet", marks="?")
    connection.executemany(tally, [(facet, step) for facet in sorted(image.facets)])
    spelling = ADD.format(table="spelling", columns="key, name", marks="?, ?")
    connection.executemany(spelling, [(key, name, step) for key, name in sorted(names.items())])


def _store_terms(connection: sqlite3.Connection, exclude: frozenset[str], *, traced: bool) -> None:
    rows: Iterable[tuple[str, str, int]] = connection.execute(
        "SELECT key, name, posts FROM spelling ORDER BY key, name"
    )
    new = {term.key: (term.name, term.slug) for term in terms_of(rows, without=exclude)}
    old = {key: (name, slug) for key, name, slug in connection.execute("SELECT key, name, slug FROM term")}
    for key in sorted({*old, *new}):
        if old.get(key) == new.get(key):
            continue
        if traced:
            before = json.dumps(old[key]) if key in old else None
            connection.execute("INSERT OR IGNORE INTO dirty (kind, id, before) VALUES (?, ?, ?)", (TERM, key, before))
        connection.execute("DELETE FROM term WHERE key = ?", (key,))
        if key in new:
            connection.execute("INSERT INTO term (key, name, slug) VALUES (?, ?, ?)", (key, *new[key]))


def _plain(place: tuple[Image, Names] | None) -> object:
    if place is None:
        return None
    image, names = place
    return [image.id, image.sort_at, image.title, image.year, image.author, names, image.locale]


def _counted(row: list[object] | None) -> tuple[Image, Names] | None:
    if row is None:
        return None
    id, sort_at, title, year, author, names, locale = row
    assert isinstance(names, dict)
    assert isinstance(year, int)
    own = None if author is None else str(author)
    return Image(str(id), str(sort_at), str(title), year, own, frozenset(names), str(locale)), names


class Tallies:
    """Reads the numbers. A facet without posts has 0."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def posts(self, facet: str) -> int:
        row = self._connection.execute("SELECT posts FROM tally WHERE facet = ?", (facet,)).fetchone()
        return 0 if row is None else int(row[0])

    def years(self, locale: str = "") -> list[tuple[int, int]]:
        """(year, posts), newest first, of a locale's posts; of all where the site has one language."""
        rows = self._connection.execute("SELECT facet, posts FROM tally WHERE facet GLOB 'year=*' AND posts > 0")
        found = ((year_of_value(facet.removeprefix("year=")), posts) for facet, posts in rows)
        return sorted(((year, posts) for (own, year), posts in found if own == locale), reverse=True)

    def months(self, one: str = "") -> list[tuple[str, int]]:
        """(`2026-05` in UTC, posts), oldest first; of one month alone if one is named."""
        return self._spans("month=", one)

    def days(self, month: str) -> list[tuple[str, int]]:
        """(`2026-05-17` in UTC, posts) of a month, oldest first."""
        return self._spans("day=", month)

    def _spans(self, kind: str, of: str = "") -> list[tuple[str, int]]:
        sql = "SELECT facet, posts FROM tally WHERE facet >= ?1 AND facet < ?1 || 'A' AND posts > 0 ORDER BY facet"
        rows = self._connection.execute(sql, (kind + of,))
        return [(facet.removeprefix(kind), posts) for facet, posts in rows]

    def terms(self) -> list[Term]:
        """Every term of the site, by key."""
        rows = self._connection.execute(
            "SELECT key, name, slug, posts FROM term JOIN tally ON facet = 'tag=' || key ORDER BY key"
        )
        return [Term(*row) for row in rows]

    def term(self, key: str) -> Term | None:
        row = self._connection.execute(
            "SELECT key, name, slug, posts FROM term JOIN tally ON facet = 'tag=' || key WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else Term(*row)
