"""Small values that belong to a site rather than to an entry: each has a key, and the newest counts."""

from __future__ import annotations

import sqlite3

from velobuild.content.database import transaction

TRACE = "trace"
"""The note of the trace which release it describes, and by which recipe; absent while there is none."""
SETTLED_AT = "settled_at"
"""The note of the moment for which addresses were settled last."""
VALUE = "SELECT value FROM meta WHERE key = ?"
EVERY = "SELECT key, value FROM meta WHERE key <> ? ORDER BY key"
PUT = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"


def noted(connection: sqlite3.Connection, key: str) -> str | None:
    """A remembered value, or None."""
    row = connection.execute(VALUE, (key,)).fetchone()
    return None if row is None else str(row[0])


def every_note(connection: sqlite3.Connection, *, but: str) -> list[tuple[str, str]]:
    """(key, value) of all notes but one, by key."""
    return connection.execute(EVERY, (but,)).fetchall()


def note(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Remember a value, in a transaction of its own. Raises OutputError."""
    if noted(connection, key) == value:
        return
    with transaction(connection):
        connection.execute(PUT, (key, value))


def note_within(connection: sqlite3.Connection, key: str, value: str) -> None:
    """As `note`, in a transaction that the caller holds."""
    if noted(connection, key) != value:
        connection.execute(PUT, (key, value))
