"""The extension points on one page. Whoever adds a source, a renderer or a publisher implements one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from velobuild.errors import Diagnostic

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class NamedPost:
    """A post that an event names by its id or its slug, and what the event says of it: a floor, never the truth.

    `there` is whether the post should be published now, None where events contradict each other; `updated_at` is the
    time of the change, where the event tells it. `source` is the name of the source that told it, "" for the one
    without a name; None where it could be another's.
    """

    id: str | None
    slug: str | None = None
    there: bool | None = None
    updated_at: datetime | None = None
    source: str | None = None

    def with_(self, other: NamedPost) -> NamedPost:
        """Both events about the one post: the later time, and no claim where they differ."""
        times = [at for at in (self.updated_at, other.updated_at) if at is not None]
        there = self.there if self.there == other.there else None
        source = self.source if self.source == other.source else None
        return NamedPost(self.id or other.id, self.slug or other.slug, there, max(times, default=None), source)


@runtime_checkable
class FetchesPosts(Protocol):
    """A source that can read posts singly. A source that cannot is asked for everything instead."""

    def fetch(self, ids: Sequence[str]) -> Iterator[Delta]:
        """One delta for each post of which the answer is certain: it as it is now, or that it is gone.

        A delta of another collection before it brings what the post needs, such as its cover. Raises as `changes`.
        """
        ...


@runtime_checkable
class Glances(Protocol):
    """A source that can tell without reading anything whether a look at it may bring something."""

    def is_as_remembered(self, cursor: str | None) -> bool:
        """Whether everything is certainly as it was when `changes` gave this cursor."""
        ...
