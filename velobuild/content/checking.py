"""Whether the store's rows still agree with each other: every entry was written with fingerprints of what it holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from velobuild.content.codec import decode, encode, sort_time, tag_key
from velobuild.model.entries import Collection, Post
from velobuild.model.keys import fingerprint

ENTRIES = (
    "SELECT collection, id, fingerprint, value, format, body, input FROM entry "
    "LEFT JOIN body ON collection = 'posts' AND post_id = id ORDER BY collection, id"
)
PLACE = "SELECT slug, title, status, sort_at, author_id, cover FROM post WHERE id = ?"
TAGS = "SELECT tag, sort_at FROM tag WHERE post_id = ? ORDER BY tag"


def wrong_entries(connection: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """(collection, id, what is wrong) of every entry that is not as it was written. Reads all bodies, one at a time."""
    for kind, id, stamp, value, format, body, input in connection.execute(ENTRIES):
        wrong = _wrong(connection, Collection(kind), id, bytes(stamp), value, format, body, input)
        if wrong is not None:
            yield kind, id, wrong


def _wrong(
    connection: sqlite3.Connection,
    kind: Collection,
    id: str,
    stamp: bytes,
    value: str,
    format: str | None,
    body: str | None,
    input: bytes | None,
) -> str | None:
    try:
        entry = decode(kind, value, **({} if kind is not Collection.POSTS else {"body": body}))
    except (ValueError, TypeError, KeyError) as error:
        return f"it cannot be read ({type(error).__name__})"
    if kind is Collection.POSTS and (body is None or input is None or fingerprint([format, body]) != bytes(input)):
        return "its body is not the one that was stored"
    if fingerprint(json.loads(encode(entry))) != stamp:
        return "its fields are not those that were stored"
    return _misplaced(connection, entry) if isinstance(entry, Post) else None


def _misplaced(connection: sqlite3.Connection, post: Post) -> str | None:
    at = sort_time(post)
    wanted = (post.slug, post.title, post.status, at, post.author_id, post.cover_media_id)
    if connection.execute(PLACE, (post.id,)).fetchone() != wanted:
        return "the row that lists sort and filter by disagrees with it"
    tags = sorted({(tag_key(tag), at) for tag in post.tags})
    return None if connection.execute(TAGS, (post.id,)).fetchall() == tags else "the rows of its tags disagree with it"
