"""What changed since the trace was written, and how it was then.

Whoever changes a row that a page can read marks it first, in the same transaction. The first mark counts: what matters
is how things were when the pages were made, however often they changed since. While there is no trace there is nothing
to compare with, and nothing is marked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from velobuild.model.entries import Collection

ASSET = "asset"
MARK_POST = """
INSERT OR IGNORE INTO dirty (kind, id, before) SELECT 'posts', ?1, (
    SELECT json_object(
        'num', post.num, 'sort_at', post.sort_at, 'path', path, 'slug', permalink.slug, 'value', entry.value,
        'input', hex(input),
        'media', (SELECT json_group_array(url) FROM (SELECT url FROM media_use WHERE media_use.post_id = ?1 ORDER BY 1))
    )
    FROM post JOIN entry ON collection = 'posts' AND entry.id = post.id JOIN body ON body.post_id = post.id
    LEFT JOIN permalink ON permalink.post_id = post.id WHERE post.id = ?1
) WHERE EXISTS (SELECT 1 FROM meta WHERE key = 'trace')
"""
MARK_ASSET = """
INSERT OR IGNORE INTO dirty (kind, id, before) SELECT 'asset', ?1, (SELECT value FROM asset WHERE url = ?1)
WHERE EXISTS (SELECT 1 FROM meta WHERE key = 'trace')
"""
MARK = """
INSERT OR IGNORE INTO dirty (kind, id, before) SELECT ?1, ?2, (
    SELECT value FROM entry WHERE collection = ?1 AND id = ?2
) WHERE EXISTS (SELECT 1 FROM meta WHERE key = 'trace')
"""


def mark(connection: sqlite3.Connection, kind: str, id: str) -> None:
    """Note that an entry, or the file of an address, is about to change. The caller holds a transaction."""
    if kind == Collection.POSTS:
        connection.execute(MARK_POST, (id,))
    elif kind == ASSET:
        connection.execute(MARK_ASSET, (id,))
    else:
        connection.execute(MARK, (str(kind), id))


@dataclass(frozen=True, slots=True)
class PostBefore:
    """A public post as the trace knows it: number, path, the entry's JSON without its body, and the body's input."""

    num: int
    path: str
    slug: str
    sort_at: str
    values: dict[str, Any]
    input: bytes
    media: tuple[str, ...] = ()
    """The addresses of the files that its body used."""


@dataclass(frozen=True, slots=True)
class Dirty:
    """One changed entry. `before` is None where it was not there; for a post, where it was not public."""

    kind: str
    id: str
    before: Any


def marked(connection: sqlite3.Connection) -> Iterator[Dirty]:
    """Everything that changed, in a fixed order."""
    rows = connection.execute("SELECT kind, id, before FROM dirty ORDER BY kind, id").fetchall()
    for kind, id, before in rows:
        if before is None:
            yield Dirty(kind, id, None)
        elif kind == Collection.POSTS:
            yield Dirty(kind, id, _post(json.loads(before)))
        else:
            yield Dirty(kind, id, json.loads(before))


def _post(row: dict[str, Any]) -> PostBefore | None:
    if row["path"] is None:
        return None
    values = json.loads(row["value"])
    place = (row["num"], row["path"], row["slug"], row["sort_at"])
    return PostBefore(*place, values, bytes.fromhex(row["input"]), tuple(row["media"]))
