"""What stands before all work on a site: it is held, its database is open, and there is a place to publish to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from velobuild.config.schema import Loaded
from velobuild.content.database import (
    FILE_NAME,
    Connection,
    DatabaseDamaged,
    open_database,
    set_aside_if_damaged,
)
from velobuild.errors import GuardRefused
from velobuild.model.ports import Clock, Warn, utc_now
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import Releases

if TYPE_CHECKING:
    from velobuild.publish.inplace import InPlace

T = TypeVar("T")
Identity = tuple[int, int]
"""The device and the inode of a file: the latter is not given away while the file is open."""


_kept: dict[Path, tuple[Identity, Connection]] | None = None


@contextmanager
def opened(state: Path, *, wait: bool, warn: Warn) -> Iterator[Connection]:
    """The site's database, with the site held against other builds. Raises SiteLocked, OutputError.

    DatabaseDamaged among them: then the same work, begun again, finds an empty one.
    """
    with SiteLock(state, wait=wait), set_aside_if_damaged(state, warn=warn):
        connection = _taken(state)
        if connection is None:
            connection = open_database(state, warn=warn)
        try:
            identity = _identity(state)
            yield connection
        except BaseException:
            connection.close()
            raise
        if _kept is None or identity is None or connection.in_transaction:
            connection.close()
        else:
            _kept[state] = identity, connection


@contextmanager
def databases_kept_open() -> Iterator[None]:
    """In the block a site's database stays open after a build that ended well, for the next one: what SQLite has read
    of it need not be read again. For a process that builds again and again, from one thread."""
    global _kept
    _kept = {}
    try:
        yield
    finally:
        for _, connection in _kept.values():
            connection.close()
        _kept = None


def sync_kept() -> None:
    """What the databases that stay open were told last reaches the disk. One that is closed sees to it then; the live
    site is on the disk already, and must not be ahead of what is known of it for longer than need be."""
    for state, (_, connection) in list((_kept or {}).items()):
        try:
            # The log, not the database: to close another descriptor of that one would let go of SQLite's locks.
            with (state / f"{FILE_NAME}-wal").open("rb") as log:
                os.fsync(log.fileno())
        except OSError:  # Whatever is wrong, the next build opens it anew, and finds out.
            connection.close()
            if _kept is not None:
                del _kept[state]


def _taken(state: Path) -> Connection | None:
    """The database that was kept open, if it is still the one that lies there: another program may have removed it, or
    set it aside."""
    if _kept is None or state not in _kept:
        return None
    identity, connection = _kept.pop(state)
    if identity == _identity(state):
        return connection
    connection.close()
    return None


def _identity(state: Path) -> Identity | None:
    try:
        found = (state / FILE_NAME).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def once_more_if_damaged(attempt: Callable[[], T]) -> T:
    """The attempt's answer; a database that turned out to be damaged was set aside, and the next one is new."""
    try:
        return attempt()
    except DatabaseDamaged:
        return attempt()


def publisher_of(loaded: Loaded, *, clock: Clock = utc_now) -> Releases | InPlace:
    """The publisher that `[build] publish` names."""
    config = loaded.config.build
    if config.publish == "in-place":
        from velobuild.publish.inplace import InPlace

        return InPlace(loaded.state, loaded.out, clock=clock)
    return Releases(loaded.state, loaded.out, keep=config.keep_releases, clock=clock)


def ready_publisher(loaded: Loaded, *, clock: Clock) -> Releases | InPlace:
    """The same, after what an earlier run left unfinished was completed. Raises OutputError, GuardRefused."""
    publisher = publisher_of(loaded, clock=clock)
    publisher.preflight()
    publisher.complete()
    refuse_held(publisher.held())
    return publisher


def refuse_held(held: int | None) -> None:
    """Raises GuardRefused VB5007 after a rollback, until `velobuild resume`."""
    if held is not None:
        raise GuardRefused(
            f"the site is held at release {held} since a rollback; nothing was built",
            code="VB5007",
            hint="`velobuild resume` lets builds go live again",
        )
