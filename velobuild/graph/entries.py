"""Entries as the CMS gave them, out of the site's database."""

from __future__ import annotations

from typing import Any

from velobuild.content.codec import decode
from velobuild.content.database import Connection
from velobuild.model.entries import Collection

ENTRIES = "SELECT value FROM entry WHERE collection = ? ORDER BY id"
ENTRY = "SELECT value FROM entry WHERE collection = ? AND id = ?"


def entries(connection: Connection, collection: Collection) -> list[Any]:
    """All entries of a collection, by id. A post comes without its body."""
    return [decode(collection, text) for (text,) in connection.execute(ENTRIES, (collection,))]


def entry(connection: Connection, collection: Collection, id: str) -> Any:
    """The entry, None if there is none."""
    row = connection.execute(ENTRY, (collection, id)).fetchone()
    return None if row is None else decode(collection, row[0])
