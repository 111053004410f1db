"""The same content in another database: entries by the way that every synchronisation takes, nothing that was derived.

What pages, memo and trace say of the content stays behind: whoever builds from the copy works it out anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from velobuild.content.codec import decode
from velobuild.content.database import transaction
from velobuild.content.permalinks import former_rows, recall_former
from velobuild.content.store import Store
from velobuild.model.entries import Collection, Delta, Entry

CHUNK = 200
POSTS = (
    "SELECT id, version, value, body FROM entry JOIN body ON post_id = id WHERE collection = 'posts' AND id > ? "
    "ORDER BY id LIMIT ?"
)
OTHERS = "SELECT id, version, value, NULL FROM entry WHERE collection = ? AND id > ? ORDER BY id LIMIT ?"
KEPT_NOTES = ("media_checked_at",)
"""When the media were asked for: a copy need not ask again."""


def copy_content(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Put the committed entries, the addresses that were left and what is known of media files into an
    empty database."""
    store, old = Store(target), Store(source)
    closings = []
    for collection in Collection:
        for upserts, versions in _chunks(source, collection):
            store.stage(Delta(collection, tuple(upserts), versions))
        # Without a cursor: with it a source would believe what it remembers, and a clean build believes nothing.
        closings.append(Delta(collection, versions=old.versions(collection), complete=True))
    store.apply(closings)
    recall_former(target, former_rows(source))
    with transaction(target):
        rows = source.execute("SELECT url, value FROM asset ORDER BY url")
        target.executemany("INSERT INTO asset (url, value) VALUES (?, ?)", rows)
        for name in KEPT_NOTES:
            if (value := old.note(name)) is not None:
                store.note_within(name, value)


def _chunks(source: sqlite3.Connection, collection: Collection) -> Iterator[tuple[list[Entry], dict[str, str]]]:
    """Entries in the order of their ids, never all bodies at once."""
    last = ""
    while True:
        if collection is Collection.POSTS:
            rows = source.execute(POSTS, (last, CHUNK)).fetchall()
        else:
            rows = source.execute(OTHERS, (collection, last, CHUNK)).fetchall()
        if not rows:
            return
        more = [{} if body is None else {"body": body} for *_, body in rows]
        entries = [decode(collection, row[2], **extra) for row, extra in zip(rows, more, strict=True)]
        yield entries, {id: version for id, version, *_ in rows}
        last = rows[-1][0]
