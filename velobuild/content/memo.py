"""Results of pure, costly functions, kept under the fingerprint of everything that went in.

A row is right for ever: whoever computes the key must put in the input, the options and the versions of the engines.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from velobuild.content.database import transaction

KEY_BYTES = 16


def memo_key(recipe: bytes, input: bytes) -> bytes:
    """`KEY_BYTES` bytes for a function's recipe (options and versions) and its input's fingerprint."""
    return blake2b(input, key=blake2b(recipe, digest_size=32).digest(), digest_size=KEY_BYTES).digest()


class Memo:
    """The memo table. Writing needs a connection that may write."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT value FROM memo WHERE input = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, rows: Mapping[bytes, bytes]) -> None:
        with transaction(self._connection):
            self._connection.executemany("INSERT OR REPLACE INTO memo (input, value) VALUES (?, ?)", list(rows.items()))

    def keep_only(self, keys: Iterable[bytes]) -> None:
        """Forget every row that is not named: what no entry uses any more."""
        with transaction(self._connection):
            self._connection.execute("CREATE TEMP TABLE used (input BLOB PRIMARY KEY) WITHOUT ROWID")
            self._connection.executemany("INSERT OR IGNORE INTO used VALUES (?)", ((key,) for key in keys))
            self._connection.execute("DELETE FROM memo WHERE input NOT IN (SELECT input FROM used)")
            self._connection.execute("DROP TABLE used")
