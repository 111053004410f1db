"""A site in a temporary folder without a CMS and without a build: entries go in, a Reader comes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.content.conftest import NOON, no_warning, post, versions_of
from velobuild.config.schema import Config, SiteConfig, SourceConfig
from velobuild.content.assets import AssetTable
from velobuild.content.database import open_database
from velobuild.content.locales import arrange
from velobuild.content.permalinks import assign, former_paths
from velobuild.content.store import Store
from velobuild.errors import Diagnostic
from velobuild.graph.answers import in_locale
from velobuild.graph.bodies import prepare_body, remember, unprepared
from velobuild.graph.reader import Reader
from velobuild.graph.routes import expand, reserved
from velobuild.graph.site import Site
from velobuild.model.assets import Asset
from velobuild.model.entries import Collection, Delta, Entry, Media, Page, Post
from velobuild.model.keys import Query
from velobuild.model.outputs import Target

CMS = "https://cms.example"
AS_OF = NOON + timedelta(days=365)
CONFIG = Config(
    site=SiteConfig(title="Garden", base_url="https://garden.example"), source=SourceConfig(url=CMS)
)  # fmt: skip

__all__ = ["AS_OF", "CMS", "CONFIG", "NOON", "UTC", "Blog", "dated", "media", "page", "post"]


def media(id: str, **changes: Any) -> Media:
    return Media(**({"id": id, "url": f"/media/{id}.png", "alt": f"Alt of {id}"} | changes))


def page(path: str, **changes: Any) -> Page:
    return Page(**({"id": path, "path": path, "title": path.title(), "body": f"Body of *{path}*."} | changes))


def dated(count: int, **changes: Any) -> list[Post]:
    """p000 is the oldest; an hour lies between two."""
    return [post(f"p{n:03d}", **({"published_at": NOON + timedelta(hours=n)} | changes)) for n in range(count)]


class Blog:
    """Chained: `Blog(folder).posts(…).pages(…)`, then ask `reader` or `targets()`."""

    def __init__(self, root: Path, config: Config = CONFIG, *, as_of: datetime = AS_OF) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.site = Site(root, root / ".velobuild", config, as_of)
        self.connection = open_database(self.site.state, warn=no_warning)
        self.store = Store(self.connection)
        self.findings: list[Diagnostic] = []
        self._version = 0
        self._settled = False

    def posts(self, *posts: Post) -> Blog:
        return self._sync(Collection.POSTS, posts)

    def pages(self, *pages: Page) -> Blog:
        return self._sync(Collection.PAGES, pages)

    def media(self, *records: Media) -> Blog:
        return self._sync(Collection.MEDIA, records)

    def sync(self, collection: Collection, *entries: Entry) -> Blog:
        return self._sync(collection, entries)

    def asset(self, url: str, *, extension: str = "png", sha256: str = "ab" * 32) -> Blog:
        """A file that was fetched from the address."""
        mime = f"image/{extension}"
        AssetTable(self.connection).put(Asset(url, sha256, extension, mime, 100, 640, 480, fetched_at=NOON))
        return self

    def _sync(self, collection: Collection, entries: Sequence[Entry]) -> Blog:
        self._version += 1
        versions = versions_of(entries, str(self._version))
        self.store.apply([Delta(collection, upserts=tuple(entries), versions=versions, complete=True)])
        self._settled = False
        return self

    def configured(self, **sections: Any) -> Blog:
        """Another configuration for the same content."""
        self.site = replace(self.site, config=replace(self.site.config, **sections))
        self._settled = False
        return self

    def settle(self) -> Blog:
        site = self.site
        arrange(self.connection, site.locales)
        self.findings = assign(
            self.connection,
            urls=site.config.urls,
            zone=site.zone,
            as_of=site.as_of,
            reserved=reserved(Reader(self.connection, site)),
            exclude_tags=site.excluded_tags,
        )
        missing, _ = unprepared(self.connection, site)
        remember(self.connection, [prepare_body(self.connection, site, id) for id in missing])
        self._settled = True
        return self

    @property
    def reader(self) -> Reader:
        """A new reader of the present revision."""
        if not self._settled:
            self.settle()
        return Reader(self.connection, self.site)

    def targets(self) -> list[Target]:
        reader = self.reader
        return list(expand(reader, former_paths(self.connection)))

    def shown_ids(self, target: Target) -> list[str]:
        """The ids of the posts that a list's page shows, in its order."""
        where: Any = tuple((name, target.params[name]) for name in ("tag", "year") if name in target.params)
        where = where or in_locale(target.params.get("locale", self.site.locales.default))
        query = Query(where=where, order="oldest", limit=target.params["limit"], offset=target.params["start"])
        return list(self.reader.ids(query))[::-1]

    def by_path(self) -> dict[str, Target]:
        return {target.path: target for target in self.targets()}

    def content(self, id: str) -> str:
        view = self.reader.post(id)
        assert view is not None
        return str(view.content)


def codes(findings: Iterable[Diagnostic]) -> list[str]:
    return [finding.code for finding in findings]
