"""A site that is pulled from the stand-in for CometCMS into a shelf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.sources.conftest import Shelf
from tests.standins.comet import CometStandIn
from velobuild.config.schema import CollectionsConfig, Config, LimitsConfig, Loaded, Secret, SourceConfig
from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Media, Page, Post, SiteSettings
from velobuild.sources import open_source
from velobuild.sources.doctor import Finding

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ROLES = CollectionsConfig(tags="tags", authors="people", pages="pages", settings="site")
PLAIN = CollectionsConfig(pages="pages", settings="site")
"""For posts without relations to tags and authors."""


class Blog:
    """`calls` are what the last synchronisation sent, `slept` how long it would have waited."""

    def __init__(self, cms: CometStandIn) -> None:
        self.cms = cms
        self.now = NOW
        cms.now = lambda: self.now
        self.shelf = Shelf()
        self.tokens: tuple[str, ...] = ()
        self.warnings: list[Diagnostic] = []
        self.slept: list[float] = []
        self.calls = 0
        self.source: dict[str, Any] = {}

    def loaded(self, **source: Any) -> Loaded:
        config = SourceConfig(
            **{
                "type": "cometcms",
                "url": self.cms.url,
                "workspace": self.cms.workspace,
                "collections": ROLES,
                "rate_limit": "10000/s",
                **self.source,
                **source,
            }
        )
        tokens = tuple(Secret(token, "the test") for token in self.tokens)
        return Loaded(config=Config(source=config), file=Path("velobuild.toml"), tokens=tokens)

    def sync(self, *, stop_after: int | None = None, limits: LimitsConfig | None = None, **source: Any) -> None:
        self.warnings.clear()
        self.slept.clear()
        before = len(self.cms.calls)
        loaded = self.loaded(**source)
        if limits is not None:
            loaded = replace(loaded, config=replace(loaded.config, limits=limits))
        with open_source(
            loaded, cache=None, clock=lambda: self.now, warn=self.warnings.append, sleep=self.slept.append
        ) as at:
            try:
                for number, delta in enumerate(at.source.changes(self.shelf, self.shelf.cursor), 1):
                    self.shelf.take(delta)
                    if number == stop_after:
                        break
            finally:
                self.tally = at.source.tally
                self.calls = len(self.cms.calls) - before

    def diagnose(self, **source: Any) -> list[Finding]:
        with open_source(self.loaded(**source), cache=None, clock=lambda: self.now) as at:
            return at.diagnose()

    def posts(self) -> dict[str, Post]:
        return self.shelf.of()

    def post(self, slug: str = "a-post") -> Post:
        (found,) = [post for post in self.posts().values() if post.slug == slug]
        return found

    def slugs(self) -> list[str]:
        return sorted(post.slug for post in self.posts().values())

    def media(self) -> dict[str, Media]:
        return self.shelf.of(Collection.MEDIA)

    def pages(self) -> list[Page]:
        return list(self.shelf.of(Collection.PAGES).values())

    def settings(self) -> SiteSettings:
        (found,) = self.shelf.of(Collection.SETTINGS).values()
        return found

    def codes(self) -> list[str]:
        return sorted(warning.code for warning in self.warnings)

    def sent(self) -> list[str]:
        """The paths of the last synchronisation below the workspace."""
        calls = self.cms.calls[len(self.cms.calls) - self.calls :]
        return [call.path.partition(f"/{self.cms.workspace}/")[2] for call in calls]


@pytest.fixture
def blog() -> Iterator[Blog]:
    with CometStandIn() as cms:
        cms.put_settings(site_name="Salt & Water")
        yield Blog(cms)
