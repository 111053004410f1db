"""A loop on a clock that only the test moves, with a queue on a real disk and a builder that does as it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from velobuild.config.schema import Config, ListenConfig, Loaded
from velobuild.errors import SourceUnavailable
from velobuild.model.outputs import BuildReport, SyncReport
from velobuild.serve.child import BuildRequest, Built, Failed, Outcome
from velobuild.serve.events import Event
from velobuild.serve.loop import SiteLoop
from velobuild.serve.queue import Queue

BEGAN = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
SITE = "blog"


class Hours:
    """Both clocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def clock(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)


@dataclass
class FakeBuilder:
    """Takes `took_s` for a build and ends it as `answer` says. `during` happens in the middle of each."""

    hours: Hours
    took_s: float = 0.1
    answer: Callable[[BuildRequest], Outcome] = field(default=lambda request: done())
    during: Callable[[], None] = field(default=lambda: None)
    requests: list[BuildRequest] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    started: int = 1

    def start(self) -> None:
        return

    def end(self) -> None:
        return

    def build(self, request: BuildRequest, *, deadline_s: float) -> Outcome:
        self.requests.append(request)
        self.at_s.append(self.hours.seconds)
        self.hours.seconds += self.took_s / 2
        self.during()
        self.hours.seconds += self.took_s / 2
        return self.answer(request)


def done(*, changed: int = 1, next_due_at: datetime | None = None, **sync: Any) -> Built:
    values = {"revision": 1, "changed": changed, "api_calls": 3, **sync}
    report = BuildReport(
        revision=1,
        pages=10,
        created=0,
        rewritten=changed,
        unchanged=9,
        removed=0,
        release=None if not changed else 7,
        sync=SyncReport(**values),
        elapsed_ms={"sync": 20, "render": 30, "publish": 10},
        next_due_at=next_due_at,
    )
    return Built(report)


def named_done(request: BuildRequest, *, stale: bool = False, changed: int = 1) -> Built:
    """What a build answers that did what it was asked for."""
    named = request.named
    return done(changed=changed, named=named, stale=named if stale else (), api_calls=max(len(named), 1))


def failing(code: str = "VB2101", retry_at: float | None = None) -> Failed:
    return Failed(SourceUnavailable("the CMS is away", code=code, retry_at=retry_at))


class Stage:
    """The loop of one site. `passes` lets time go by, step after step."""

    def __init__(self, folder: Path, **listen: Any) -> None:
        self.hours = Hours()
        self.shut_out: str | None = None
        self.queue = Queue(folder / "queue.db", self.hours.clock)
        self.builder = FakeBuilder(self.hours)
        self.loaded = Loaded(config=Config(listen=ListenConfig(**listen)), file=folder / "velobuild.toml")
        self.loop = SiteLoop(
            SITE,
            self.loaded,
            self.queue,
            self.builder,
            cache=None,
            clock=self.hours.clock,
            monotonic=self.hours.monotonic,
            told=lambda status: None,
            chance=lambda: 0.0,
            shut_out=lambda: self.shut_out,
        )
        self.numbers = 0

    def event(self, kind: str = "post.updated", post: str | None = None, **fields: Any) -> Event:
        self.numbers += 1
        values: dict[str, Any] = {
            "site": SITE,
            "dialect": "velocms-v1",
            "kind": kind,
            "post_id": post,
            "slug": None,
            "version": None,
            "received_at": self.hours.clock(),
            "delivery_id": f"d{self.numbers}",
        }
        return Event(**{**values, **fields})

    def arrives(self, *events: Event) -> None:
        """Deliveries come in: kept, then told of."""
        self.queue.accept(events)
        self.loop.wake(len(events))

    def settles(self) -> float:
        """Steps until nothing more can be done now. Returns the seconds until there may be."""
        for _ in range(100):
            wait_s = self.loop.step()
            if wait_s > 0:
                return wait_s
        raise AssertionError("it never comes to rest")

    def passes(self, seconds: float) -> None:
        """Time goes by, and the loop does what falls due."""
        end = self.hours.seconds + seconds
        while True:
            wait_s = self.settles()
            if self.hours.seconds + wait_s >= end:
                break
            self.hours.seconds += wait_s
        self.hours.seconds = max(self.hours.seconds, end)

    def started(self) -> Stage:
        """The look at the start is over and a quiet minute has passed."""
        self.passes(60)
        self.builder.requests.clear()
        self.builder.at_s.clear()
        return self

    @property
    def builds(self) -> int:
        return len(self.builder.requests)
