"""What stands before all work on a site: it is held, its database is open, and there is a place to publish to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from velobuild.config.schema import Loaded
from velobuild.content.database import Connection, DatabaseDamaged, open_database, set_aside_if_damaged
from velobuild.errors import GuardRefused
from velobuild.model.ports import Clock, Warn, utc_now
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import Releases

if TYPE_CHECKING:
    from velobuild.publish.inplace import InPlace

T = TypeVar("T")


@contextmanager
def opened(state: Path, *, wait: bool, warn: Warn) -> Iterator[Connection]:
    """The site's database, with the site held against other builds. Raises SiteLocked, OutputError.

    DatabaseDamaged among them: then the same work, begun again, finds an empty one.
    """
    with SiteLock(state, wait=wait), set_aside_if_damaged(state, warn=warn):
        connection = open_database(state, warn=warn)
        try:
            yield connection
        finally:
            connection.close()


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
