"""The file of the queue: opened so that a commit is on the disk, created, and set aside when it is damaged."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from velobuild.errors import OutputError
from velobuild.serve.queue_checkpoints import LONGEST_PAGES

SCHEMA_VERSION = 1
PATIENCE_S = 5.0
"""How long another program may have the file locked: a delivery that waits for it is answered well before 10 s."""
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    dialect TEXT NOT NULL,
    kind TEXT NOT NULL,
    post_id TEXT,
    slug TEXT,
    version TEXT,
    delivery_id TEXT,
    received_at TEXT NOT NULL,
    same TEXT NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 1,
    state TEXT NOT NULL CHECK (state IN ('new', 'taken', 'done', 'dead')),
    outcome TEXT,
    why TEXT,
    body BLOB,
    fetched_at TEXT,
    built_at TEXT,
    published_at TEXT,
    finished_at TEXT
) STRICT;
CREATE UNIQUE INDEX untaken ON events (same) WHERE state = 'new';
CREATE INDEX by_state ON events (state, site, id);
CREATE INDEX by_site ON events (site, id);
CREATE INDEX by_post ON events (site, post_id, id);
CREATE INDEX by_slug ON events (site, slug, id);
"""


def open_file(file: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The queue's database, created if absent, mode 0600: it may hold bodies that nobody else should read.

    A damaged file is set aside, and its new name is the second value: what it held is in the CMS, so that a
    reconciliation makes up for it. Raises OutputError VB6005 for a file of a newer velobuild, VB6001 or VB6002 if it
    cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(file), None
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            aside = _set_aside(file)
            return _connect(file), aside
    except (OSError, sqlite3.Error) as error:
        raise refusal(error, file) from error


def _connect(file: Path) -> sqlite3.Connection:
    _create(file)
    # One connection for several threads; `Queue` lets one at a time use it.
    connection = sqlite3.connect(file, isolation_level=None, timeout=PATIENCE_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode only FULL flushes at each commit; NORMAL loses the last commits in a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_PAGES}")
        connection.execute("PRAGMA temp_store = MEMORY")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise OutputError(
                "the queue was written by a newer velobuild",
                code="VB6005",
                where=str(file),
                hint="upgrade velobuild, or move the file away: a reconciliation makes up for what is in it",
            )
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        connection.execute("SELECT 1 FROM events LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _create(file: Path) -> None:
    """The file, empty, if it is not there: by us and not by SQLite, so that it is readable by nobody else, ever."""
    # One that is there is left alone: whoever closes a file gives up all locks that its process has on it, those of
    # other connections too, and the next program that closes the queue then takes itself for the last one and removes
    # the log under us.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(file, flags, 0o600))
    except FileExistsError:
        if not file.exists():  # A link to where nothing is yet: SQLite would follow it, and create by the umask.
            with suppress(FileExistsError):
                os.close(os.open(os.path.realpath(file), flags, 0o600))


@contextmanager
def transaction(connection: sqlite3.Connection, file: Path) -> Iterator[sqlite3.Connection]:
    """All statements of the block, on the disk when it ends; or none. Raises OutputError VB6001 or VB6002."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE}:  # A mistake of ours.
            raise
        raise refusal(error, file) from error


def is_damage(error: BaseException) -> bool:
    """Whether the file itself is at fault, and neither the disk nor a lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE


def refusal(error: BaseException, file: Path) -> OutputError:
    """What a person is told of a queue that cannot be written."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
        return OutputError(
            "the disk is full: deliveries cannot be kept",
            code="VB6001",
            where=str(file),
            hint="free some space; the CMS is asked for what was missed as soon as there is room",
        )
    return OutputError(
        f"the queue cannot be written: {error}",
        code="VB6002",
        where=str(file),
        hint="check the folder's permissions and the disk's health",
    )


def _set_aside(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.rename(aside)
    return aside
