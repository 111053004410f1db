"""The one SQLite file of a site: opened, created, checked, and set aside when it is damaged."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from velobuild.errors import Diagnostic, OutputError
from velobuild.model.ports import Warn

FILE_NAME = "site.db"
SCHEMA_VERSION = 4
PATIENCE_S = 30.0
Connection = sqlite3.Connection
"""An open database, as the layers above pass it on: sqlite3 itself is this package's business."""
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
FAILING_DISK = frozenset(
    {
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    }
)
NO_TEXT = "Could not decode to UTF-8"
SCHEMA = Path(__file__).with_name("schema.sql")


def connect(file: Path, *, read_only: bool = False, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    """A connection in autocommit mode with the pragmas that every user of the file needs.

    Waits up to `patience_s` seconds for another program that has the file locked.
    """
    uri = f"{file.absolute().as_uri()}{'?mode=ro' if read_only else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=patience_s)
    try:
        connection.execute("PRAGMA temp_store = MEMORY")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            # NORMAL may lose the last commits in a power cut, never the file: what is lost is fetched again.
            connection.execute("PRAGMA synchronous = NORMAL")
            # 64 MB, not 4: each time the log is folded into the file, the disk is waited for.
            connection.execute("PRAGMA wal_autocheckpoint = 16384")
            # And no longer than that for long: a connection may stay open for hundreds of builds.
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    except BaseException:
        connection.close()
        raise
    return connection


def snapshot(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same connection; all that it reads from now on is of one moment, and no query locks the file anew."""
    connection.execute("BEGIN")
    return connection


def open_database(state: Path, *, warn: Warn, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    """The site's database, created if absent.

    A damaged or older file is set aside with a warning and begun anew: all of it can be fetched again.
    Raises OutputError VB6005 if the file was written by a newer velobuild, VB6001 if the disk is full, VB6002 if it
    cannot be written.
    """
    file = state / FILE_NAME
    try:
        state.mkdir(parents=True, exist_ok=True)
        return _open(file, patience_s)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise _refusal(error, file) from error
        try:
            aside = _set_aside(file)
            opened = _open(file, patience_s)
        except (OSError, sqlite3.DatabaseError) as second:
            raise _refusal(second, file) from second
        warn(_was_set_aside(error, aside))
        return opened
    except OSError as error:
        raise _refusal(error, file) from error


@contextmanager
def opened_for_reading(state: Path) -> Iterator[sqlite3.Connection | None]:
    """The site's database as it is at one moment, which nothing in the block can change; None if there is none yet.

    Works while a build or the service writes. Raises OutputError VB6005 for a file of another version of velobuild,
    VB6002 if it cannot be read.
    """
    file = state / FILE_NAME
    if not file.is_file():
        yield None
        return
    try:
        connection = connect(file, read_only=True)
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version != SCHEMA_VERSION:
                raise OutputError(
                    "the local database was written by another version of velobuild",
                    code="VB6005",
                    where=str(file),
                    hint="`velobuild build` brings it up to date",
                )
            yield snapshot(connection)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _refusal(error, file) from error


class DatabaseDamaged(OutputError):
    """SQLite found the file damaged in the middle of the work. It was set aside: to begin again is to rebuild it."""


@contextmanager
def set_aside_if_damaged(state: Path, *, warn: Warn) -> Iterator[None]:
    """Opening reads no more than the first pages; what is wrong with the others shows only when they are needed.

    The block closes its connections before it ends. Raises DatabaseDamaged, and OutputError for a disk that fails.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in FAILING_DISK:
            raise _refusal(error, state / FILE_NAME) from error
        # Python itself, without a code of SQLite's, finds text that is none.
        if code not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} and NO_TEXT not in str(error):
            raise
        try:
            aside = _set_aside(state / FILE_NAME)
        except OSError as second:
            raise _refusal(second, state / FILE_NAME) from second
        warn(_was_set_aside(error, aside))
        raise DatabaseDamaged(
            f"the local database is damaged ({error}); it was set aside",
            code="VB6004",
            where=str(aside),
            hint="run the same command again: a new one is filled from the CMS",
        ) from error


def _was_set_aside(error: Exception, aside: Path) -> Diagnostic:
    return Diagnostic(
        "VB6004",
        f"the local database cannot be used ({error}); it was set aside and is rebuilt from the CMS",
        where=str(aside),
        hint="delete the file once you need it no more",
    )


def _is_damage(error: Exception) -> bool:
    """Whether the file itself is at fault. A full disk, a lock or a lack of rights must never cost the database."""
    code = getattr(error, "sqlite_errorcode", None)
    # SQLITE_ERROR is a missing table; our own errors have no code.
    return isinstance(error, sqlite3.DatabaseError) and (code is None or code & 0xFF in DAMAGE)


def _refusal(error: Exception, file: Path | None = None) -> OutputError:
    """What a person is told of an error that is not the file's own."""
    where = None if file is None else str(file)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        return OutputError(
            "the disk is full: the local database could not be written",
            code="VB6001",
            where=where,
            hint="free some space and build again; what was fetched so far is kept",
        )
    hint = "check the permissions of .velobuild and the disk's health"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        hint = "end the program that has the file open, and build again"
    return OutputError(f"the local database cannot be used: {error}", code="VB6002", where=where, hint=hint)


def _open(file: Path, patience_s: float) -> sqlite3.Connection:
    connection = connect(file, patience_s=patience_s)
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise OutputError(
                "the local database was written by a newer velobuild",
                code="VB6005",
                where=str(file),
                hint="upgrade velobuild, or move the file away to have it rebuilt from the CMS",
            )
        if 0 < version < SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"schema {version} is older than {SCHEMA_VERSION}")
        if version == 0:
            with transaction(connection):
                for statement in SCHEMA.read_text("utf-8").split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        else:
            connection.execute("SELECT count(*) FROM meta").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block, or none.

    Raises OutputError VB6001 if the disk is full, VB6002 if it cannot be written for another reason.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:  # A mistake of ours, such as bad SQL.
            raise
        raise _refusal(error) from error


def _set_aside(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    if file.exists():
        file.rename(aside)
    return aside
