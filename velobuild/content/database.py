"""The one SQLite file of a site: opened, created, checked, and set aside when it is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from velobuild.errors import Diagnostic, OutputError
from velobuild.model.ports import Warn

FILE_NAME = "site.db"
SCHEMA_VERSION = 1
Connection = sqlite3.Connection
"""An open database, as the layers above pass it on: sqlite3 itself is this package's business."""
SCHEMA = Path(__file__).with_name("schema.sql")


def connect(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with the pragmas that every user of the file needs."""
    uri = f"{file.absolute().as_uri()}{'?mode=ro' if read_only else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA mmap_size = 268435456")
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL may lose the last commits in a power cut, never the file: what is lost is fetched again.
        connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def open_database(state: Path, *, warn: Warn) -> sqlite3.Connection:
    """The site's database, created if absent.

    A damaged or older file is set aside with a warning and begun anew: all of it can be fetched again.
    Raises OutputError VB6005 if the file was written by a newer velobuild, VB6002 if it cannot be written.
    """
    file = state / FILE_NAME
    try:
        state.mkdir(parents=True, exist_ok=True)
        return _open(file)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "unable to open" in str(error):
            raise _not_writable(file, error) from error
        if isinstance(error, sqlite3.OperationalError) and ("full" in str(error) or "readonly" in str(error)):
            raise _not_writable(file, error) from error
        aside = _set_aside(file)
        warn(
            Diagnostic(
                "VB6004",
                f"the local database cannot be used ({error}); it was set aside and is rebuilt from the CMS",
                where=str(aside),
                hint="delete the file once you need it no more",
            )
        )
        return _open(file)
    except OSError as error:
        raise _not_writable(file, error) from error


def _not_writable(file: Path, error: Exception) -> OutputError:
    return OutputError(
        f"the local database cannot be written: {error}",
        code="VB6002",
        where=str(file),
        hint="check the folder's permissions and the free space",
    )


def _open(file: Path) -> sqlite3.Connection:
    connection = connect(file)
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
            check = connection.execute("SELECT count(*) FROM meta").fetchone()
            if check is None:
                raise sqlite3.DatabaseError("no answer")
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
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if "full" in str(error):
            raise OutputError(
                "the disk is full: the local database could not be written",
                code="VB6001",
                hint="free some space and build again; what was fetched so far is kept",
            ) from error
        if "readonly" in str(error) or "disk I/O" in str(error):
            raise OutputError(
                f"the local database could not be written: {error}",
                code="VB6002",
                hint="check the permissions of .velobuild and the disk's health",
            ) from error
        raise


def _set_aside(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    if file.exists():
        file.rename(aside)
    return aside
