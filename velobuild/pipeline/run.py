"""One build under way: what it may do, its findings, its times."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from velobuild.config.schema import Loaded
from velobuild.errors import Diagnostic
from velobuild.model.ports import Clock, NamedPost, Progress, Warn


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What one build may do. `now` replaces the clock for what is due; `clean` uses no memo and no shortcut.

    `named` are the posts that events name: where they suffice, they alone are asked for, and nothing is listed.
    """

    offline: bool = False
    allow_shrink: bool = False
    strict: bool = False
    clean: bool = False
    wait: bool = False
    now: datetime | None = None
    named: tuple[NamedPost, ...] = ()
    profile: bool = False


@dataclass(slots=True)
class Run:
    """One build under way: its parts, its findings, its times."""

    loaded: Loaded
    options: BuildOptions
    clock: Clock
    tell: Warn
    progress: Progress | None
    warnings: list[Diagnostic] = field(default_factory=list)
    elapsed_ms: dict[str, int] = field(default_factory=dict)
    recording_us: int = 0
    writing_us: int = 0
    """How long the trace took to write, where that is no phase of its own."""
    bodies_us: list[tuple[int, str]] = field(default_factory=list)
    """(how long its preparation took, post id); noted for a profile alone."""

    def warn(self, finding: Diagnostic) -> None:
        self.warnings.append(finding)
        self.tell(finding)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.elapsed_ms[name] = self.elapsed_ms.get(name, 0) + round((time.monotonic() - started) * 1000)
