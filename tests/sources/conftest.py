"""A store in memory and the source over the stand-in, with a clock that moves when someone sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.standin import FakeTime, StandIn
from velobuild.config.schema import LimitsConfig, Secret, SourceConfig
from velobuild.errors import Diagnostic
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter, Rate
from velobuild.model.entries import Collection, Delta, Entry
from velobuild.sources.velocms import VeloCms

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@dataclass
class Shelf:
    """What the store does with deltas, as plainly as can be."""

    entries: dict[Collection, dict[str, Entry]] = field(default_factory=dict)
    committed: dict[Collection, dict[str, str]] = field(default_factory=dict)
    staged: dict[Collection, dict[str, tuple[str, Entry]]] = field(default_factory=dict)
    cursor: str | None = None

    def holds(self, collection: Collection, id: str, version: str) -> bool:
        staged = self.staged.get(collection, {}).get(id)
        return (staged is not None and staged[0] == version) or self.versions(collection).get(id) == version

    def ids(self, collection: Collection) -> Iterable[str]:
        return sorted(self.versions(collection))

    def versions(self, collection: Collection) -> dict[str, str]:
        return dict(self.committed.get(collection, {}))

    def take(self, delta: Delta) -> None:
        staged = self.staged.setdefault(delta.collection, {})
        for entry in delta.upserts:
            staged[entry.id] = (delta.versions[entry.id], entry)
        if not delta.complete:
            return
        entries = self.entries.setdefault(delta.collection, {})
        now: dict[str, Entry] = {}
        for id, version in delta.versions.items():
            fresh = staged.get(id)
            if fresh is not None and fresh[0] == version:
                now[id] = fresh[1]
            else:
                assert self.versions(delta.collection)[id] == version, f"{id} is named in a version nobody has"
                now[id] = entries[id]
        self.entries[delta.collection] = now
        self.committed[delta.collection] = dict(delta.versions)
        self.staged[delta.collection] = {}
        self.cursor = delta.cursor or self.cursor

    def of(self, collection: Collection = Collection.POSTS) -> dict[str, Any]:
        return self.entries.get(collection, {})


class Rig:
    """A stand-in CMS, a shelf, and synchronisations between them."""

    def __init__(self, cms: StandIn) -> None:
        self.cms = cms
        self.shelf = Shelf()
        self.warnings: list[Diagnostic] = []
        self.told: list[tuple[str, int, int | None, float | None]] = []
        self.on_progress: Callable[[], None] = lambda: None
        self.time = FakeTime()
        self.now = START
        self.limiter = Limiter(None, fixed=Rate(10_000, 1), monotonic=self.time.monotonic)
        self.source: VeloCms | None = None

    def deltas(self, limits: LimitsConfig | None = None, **config: Any) -> Iterator[Delta]:
        client = ApiClient(
            self.cms.url,
            (Secret("velo_good", "test"),),
            limiter=self.limiter,
            clock=lambda: self.now,
            sleep=self.time.sleep,
            monotonic=self.time.monotonic,
            warn=self.warnings.append,
            deadline_s=5,
        )
        self.warnings.clear()
        self.source = VeloCms(
            client,
            SourceConfig(**config),
            limits or LimitsConfig(),
            clock=lambda: self.now,
            warn=self.warnings.append,
            progress=self._progress,
        )
        try:
            yield from self.source.changes(self.shelf, self.shelf.cursor)
        finally:
            client.close()

    def sync(self, *, stop_after: int | None = None, limits: LimitsConfig | None = None, **config: Any) -> int:
        """Synchronise and return the calls it took. `stop_after`: a kill after so many staged deltas."""
        before = len(self.cms.requests)
        deltas = self.deltas(limits, **config)
        for number, delta in enumerate(deltas):
            if number == stop_after:
                deltas.close()
                break
            self.shelf.take(delta)
        return len(self.cms.requests) - before

    def _progress(self, step: str, done: int, total: int | None, remaining_s: float | None) -> None:
        self.told.append((step, done, total, remaining_s))
        self.on_progress()

    def later(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def codes(self) -> list[str]:
        return sorted(warning.code for warning in self.warnings)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with StandIn() as cms:
        made = Rig(cms)
        yield made
        made.limiter.close()
