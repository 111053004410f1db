"""Addresses that posts have left: a redirect stands at each, unless another page is there."""

from __future__ import annotations

import sqlite3

from velobuild.content.places import collision_key, file_of

INDEX = "index.html"
LEFT_AT = "SELECT 1 FROM former_path WHERE path COLLATE NOCASE IN (?, ?, ?)"
# SQLite folds the case of ASCII letters alone.
LEFT_IN_OTHER_LETTERS = "SELECT path FROM former_path WHERE path GLOB '*[^ -~]*'"


def was_left(connection: sqlite3.Connection, file: str) -> bool:
    """Whether a post had its page in this file before, or in one that differs in letter case alone."""
    if not file.isascii():
        key = collision_key(file)
        return any(collision_key(file_of(path)) == key for (path,) in connection.execute(LEFT_IN_OTHER_LETTERS))
    folder = f"/{file}".removesuffix(INDEX)
    return connection.execute(LEFT_AT, (f"/{file}", folder, folder.rstrip("/"))).fetchone() is not None
