"""What a site is made of: routes, targets, written files, and the report of a build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from velobuild.errors import Diagnostic

if TYPE_CHECKING:
    from velobuild.model.ports import NamedPost


@dataclass(frozen=True, slots=True)
class Route:
    """A family of outputs: which renderer and template make what, and over which entries."""

    name: str
    path: str
    over: str
    renderer: str
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One output. `path` is relative to the site's root, NFC, without `..`; `url` is what links to it."""

    path: str
    url: str
    route: str
    renderer: str
    template: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


class Phase(StrEnum):
    """The order in which files go live where a release cannot be swapped whole."""

    ASSETS = "assets"
    PAGES = "pages"
    LISTS = "lists"


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file of a release. `sha256` is lower-case hex of its bytes."""

    path: str
    sha256: str
    size_bytes: int
    phase: Phase = Phase.PAGES


Mark = tuple[int, int]
"""A written file's inode and the time of its last change (ns): another one as soon as anybody writes to the file, sets
its times or its mode, or puts another in its place."""
UNMARKED: Mark = (0, 0)


class OutputKind(StrEnum):
    """What happened to a path between two releases."""

    CREATED = "created"
    REWRITTEN = "rewritten"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class OutputChange:
    """One path's fate in a publication."""

    path: str
    kind: OutputKind
    sha256: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """The end of a publication: `release` is its number, or None in in-place mode or where nothing changed."""

    release: int | None
    changes: tuple[OutputChange, ...]

    def counts(self) -> Counter[OutputKind]:
        """How many paths there are of each kind."""
        return Counter(change.kind for change in self.changes)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a synchronisation cost and found.

    `calls_today` are those of this machine with the same key since midnight UTC, this synchronisation's among them.
    `left_in_window` is how many more the current window, most often a minute, has room for: as the CMS's headers said
    last, else by velobuild's own count. `named` are the posts that were asked for singly because events
    named them, and `stale` those of them whose answers were older than their events; both as the events call them.
    """

    revision: int
    changed: int = 0
    removed: int = 0
    api_calls: int = 0
    bodies_fetched: int = 0
    calls_today: int = 0
    left_in_window: int | None = None
    members_only_skipped: int = 0
    excluded_by_tag: int = 0
    warnings: tuple[Diagnostic, ...] = ()
    named: tuple[NamedPost, ...] = ()
    stale: tuple[NamedPost, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one thing took, or `count` things of one kind together."""

    name: str
    us: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """Where a build's time went: all templates, and the slowest outputs and bodies, each the slowest first.

    `render_us` is the work of all processes together, which two of them do in half the time. `recording_us` is what it
    took to gather what pages read, `writing_us` to write it down: a part of the former lies within `render_us`.
    """

    rendered: int
    render_us: int
    recording_us: int
    writing_us: int
    recording_percent: float
    templates: tuple[Cost, ...]
    outputs: tuple[Cost, ...]
    bodies: tuple[Cost, ...]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did. `elapsed_ms` is by phase, in the order in which the phases ran. `rendered` counts the pages,
    feeds and sitemaps that were made anew, whether their bytes turned out other or not."""

    revision: int
    pages: int
    created: int
    rewritten: int
    unchanged: int
    removed: int
    release: int | None
    sync: SyncReport | None
    warnings: tuple[Diagnostic, ...] = ()
    elapsed_ms: Mapping[str, int] = field(default_factory=dict)
    next_due_at: datetime | None = None
    rendered: int = 0
    profile: Profile | None = None
