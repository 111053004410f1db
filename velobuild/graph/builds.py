"""What the last builds changed, kept so that `velobuild explain` can still say it: what was different, what went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from velobuild.content.database import Connection
from velobuild.graph.changes import Cause, Changed

KEPT = 200
"""So many builds are remembered."""
CHANGES_MAX = 100
"""So many of the changes of one build are."""


@dataclass(frozen=True, slots=True)
class PostChange:
    """One post that was different in a build. `fields` are those of `model.reads.Field`; `fate` is a clause."""

    num: int
    title: str
    fields: int
    fate: str


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One list, template, setting … that was different, and the sentence that says why."""

    key: str
    behind: str


@dataclass(frozen=True, slots=True)
class Build:
    """A build that changed something. `at` is a timestamp; `more` counts changes that were not noted."""

    number: int
    at: str
    rendered: int
    posts: tuple[PostChange, ...] = ()
    keys: tuple[KeyChange, ...] = ()
    more: int = 0


def next_number(connection: Connection) -> int:
    """The number of the build that is under way."""
    row = connection.execute("SELECT max(number) FROM build").fetchone()
    return int(row[0] or 0) + 1


def note_build(
    connection: Connection, number: int, at: str, rendered: int, changed: Changed, removed: Mapping[str, Cause]
) -> None:
    """Remember a build. The caller holds a transaction."""
    posts = [
        [num, changed.titles.get(num, ""), fields, changed.fates.get(num, "")]
        for num, fields in sorted(changed.fields.items())
        if fields
    ]
    keys = [[key, behind] for key, behind in sorted(changed.keys.items())]
    more = len(posts[CHANGES_MAX:]) + len(keys[CHANGES_MAX:])
    changes = json.dumps([posts[:CHANGES_MAX], keys[:CHANGES_MAX], more], ensure_ascii=False)
    gone = json.dumps({path: cause.encode() for path, cause in sorted(removed.items())}, ensure_ascii=False)
    connection.execute("INSERT INTO build VALUES (?, ?, ?, ?, ?)", (number, at, rendered, changes, gone))
    connection.execute("DELETE FROM build WHERE number <= ?", (number - KEPT,))


def last_build(connection: Connection) -> Build | None:
    """The last one that rendered or removed anything."""
    return _first(connection.execute("SELECT number, at, rendered, changes FROM build ORDER BY number DESC LIMIT 1"))


def build_of(connection: Connection, number: int) -> Build | None:
    """The build with a number; None if it is not remembered any more."""
    return _first(connection.execute("SELECT number, at, rendered, changes FROM build WHERE number = ?", (number,)))


def removed_by(connection: Connection, number: int) -> dict[str, Cause]:
    """path → why it went, of one build."""
    row = connection.execute("SELECT removed FROM build WHERE number = ?", (number,)).fetchone()
    return {} if row is None else {path: Cause.decode(text) for path, text in json.loads(row[0]).items()}


def removal_of(connection: Connection, path: str) -> tuple[Build, Cause] | None:
    """The last build that removed this path, and why; None if none that is remembered did."""
    row = connection.execute(
        "SELECT number, at, rendered, changes, gone.value FROM build, json_each(removed) AS gone WHERE gone.key = ? "
        "ORDER BY number DESC LIMIT 1",
        (path,),
    ).fetchone()
    return None if row is None else (_build(row), Cause.decode(row[4]))


def _first(rows: Iterable[tuple[int, str, int, str]]) -> Build | None:
    row = next(iter(rows), None)
    return None if row is None else _build(row)


def _build(row: tuple[int, str, int, str, *tuple[str, ...]]) -> Build:
    number, at, rendered, changes = row[:4]
    posts, keys, more = json.loads(changes)
    return Build(
        number, at, rendered, tuple(PostChange(*one) for one in posts), tuple(KeyChange(*one) for one in keys), more
    )
