"""The extension points on one page. Whoever adds a source, a renderer or a publisher implements one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Delta

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC time. Passed in, never asked for behind a caller's back."""

Warn = Callable[[Diagnostic], None]


def utc_now() -> datetime:
    """The wall clock; the one place where it is read for content."""
    return datetime.now(UTC)


class Known(Protocol):
    """What the store already has, staged or committed: asked before anything is fetched."""

    def holds(self, collection: Collection, id: str, version: str) -> bool:
        """Whether this very version of the entry is here."""
        ...

    def ids(self, collection: Collection) -> Iterable[str]:
        """The ids of all committed entries, sorted."""
        ...

    def versions(self, collection: Collection) -> dict[str, str]:
        """id → version of all committed entries."""
        ...


class Progress(Protocol):
    """Told how far a long step is. `remaining_s` is an honest estimate in seconds, or None if none is known."""

    def __call__(self, step: str, done: int, total: int | None, remaining_s: float | None) -> None: ...


class Source(Protocol):
    """A CMS, or a folder: the outside world as deltas."""

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """Yield staged deltas as entries arrive, and one closing delta per collection.

        Raises TokenError, SourceUnavailable or ProtocolError; what was yielded before stays staged, so that the next
        call fetches none of it again.
        """
        ...
