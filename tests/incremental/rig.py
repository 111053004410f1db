"""A small site that is edited at random and built twice: from its trace, and by a process that knows nothing of before.

Edits go through `Delta`s into the real store; both builds are `velobuild build --offline` without the command line.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2

from tests.incremental.checks import check_trace
from velobuild.config.schema import (
    BuildConfig,
    Config,
    FeedsConfig,
    LimitsConfig,
    Loaded,
    PaginationConfig,
    SiteConfig,
    SourceConfig,
    TaxonomyConfig,
    ThemeConfig,
    UrlsConfig,
)
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection, open_database, transaction
from velobuild.content.permalinks import former_rows, recall_former
from velobuild.content.store import Store
from velobuild.errors import ContentProblem, Diagnostic, GuardRefused
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.model.assets import Asset
from velobuild.model.entries import BodyFormat, Collection, Comment, Delta, Entry, Media, Post, SiteSettings
from velobuild.model.outputs import BuildReport
from velobuild.pipeline import BuildOptions, build
from velobuild.pipeline.opening import publisher_of
from velobuild.render.templates import Templates
from velobuild.render.theme import load_theme

FAILED, REFUSED = 1, 3
"""How the process of a clean build ends."""
REFUSALS = (ContentProblem, GuardRefused)
THEME = Path(__file__).with_name("theme")
CMS = "https://cms.example"
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc33"
    "0000000049454e44ae426082"
)


def config(**changes: Any) -> Config:
    made: dict[str, Any] = {
        "site": SiteConfig(title=None, base_url="https://site.example", timezone="Europe/Vienna"),
        "source": SourceConfig(url=CMS, comments=True),
        "theme": ThemeConfig(name="everything", path="theme"),
        "pagination": PaginationConfig(size=2),
        "taxonomies": {"tags": TaxonomyConfig(paginate=2)},
        "feeds": FeedsConfig(size=3),
        "urls": UrlsConfig(),
        "build": BuildConfig(jobs=1),
        "limits": LimitsConfig(shrink_percent=100, shrink_posts=100),
    }
    return Config(**(made | changes))


@dataclass
class Content:
    """What the CMS holds at a moment."""

    posts: dict[str, Post] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    settings: SiteSettings = field(default_factory=lambda: SiteSettings(title="Garden", description="Of tea"))
    files: dict[str, int] = field(default_factory=dict)
    """Address → which bytes are there: pictures of a kind."""

    def deltas(self) -> Iterator[Delta]:
        yield _whole(Collection.SETTINGS, [self.settings])
        yield _whole(Collection.MEDIA, self.media.values())
        yield _whole(Collection.COMMENTS, self.comments.values())
        yield _whole(Collection.POSTS, self.posts.values())


def _whole(collection: Collection, entries: Iterable[Entry]) -> Delta:
    listed = sorted(entries, key=lambda entry: entry.id)
    versions = {entry.id: sha256(repr(entry).encode()).hexdigest() for entry in listed}
    return Delta(collection, tuple(listed), versions, cursor="c", complete=True)


@dataclass(frozen=True, slots=True)
class Clean:
    """A clean build under way."""

    pid: int
    out: Path

    def tree(self) -> dict[str, bytes] | None:
        """Every file of it, once it has ended; None if it was refused."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert status != FAILED, "the clean build failed"
        return _files(self.out) if status == 0 else None


def same(warm: Mapping[str, bytes], clean: Mapping[str, bytes] | None) -> None:
    """Raises AssertionError naming the first difference."""
    assert clean is not None, "a clean build is refused"
    assert warm.keys() == clean.keys(), sorted(warm.keys() ^ clean.keys())
    for path, content in clean.items():
        assert warm[path] == content, path


class Living:
    """A site in `folder` that lives on: edited, built, edited again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        shutil.copytree(THEME, self.site / "theme")
        (self.site / "pages").mkdir()
        self.page("about", "About [tea](/tea/) and [the first](/p0/).\n\n## Us\n")
        (self.site / "velobuild.toml").write_text("")
        self.config = config()
        self.content = Content()
        self.now = NOON
        self.names: dict[str, str] = {}
        """What ids are in full, where they come from several sources."""
        self.findings: list[Diagnostic] = []

    # Edits.

    def post(self, id: str, **changes: Any) -> Living:
        made: dict[str, Any] = {
            "id": id,
            "slug": id,
            "title": id.capitalize(),
            "body": f"<p>Body of {id}.</p>",
            "body_format": BodyFormat.HTML,
            "status": "published",
            "updated_at": NOON,
            "published_at": NOON,
            "extra": {"author": {"name": "Ada"}},
        }
        id = made["id"] = self.names.get(id, id)
        old = self.content.posts.get(id)
        self.content.posts[id] = replace(old, **changes) if old is not None else Post(**(made | changes))
        return self

    def without(self, id: str) -> Living:
        self.content.posts.pop(self.names.get(id, id), None)
        return self

    def page(self, name: str, text: str | None, *, template: str | None = None, path: str | None = None) -> Living:
        file = self.site / "pages" / f"{name}.md"
        if text is None:
            file.unlink(missing_ok=True)
        else:
            front = {"title": name.capitalize(), "template": template, "path": path}
            own = "".join(f"{key}: {value}\n" for key, value in front.items() if value)
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"---\n{own}---\n{text}")
        return self

    def template(self, name: str, text: str | None) -> Living:
        return self._file(self.site / "theme" / "templates" / name, text)

    def static(self, name: str, text: str | None) -> Living:
        return self._file(self.site / "static" / name, text)

    def sheet(self, text: str, *, name: str = "site") -> Living:
        return self._file(self.site / "theme" / "static" / "css" / f"{name}.css", text)

    def _file(self, file: Path, text: str | None) -> Living:
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text)
        return self

    def picture(self, name: str, shade: int | None) -> Living:
        """A file of the CMS: fetched, changed or gone."""
        self.content.files.pop(name, None)
        if shade is not None:
            self.content.files[name] = shade
        return self

    # Builds.

    def build(self) -> BuildReport | None:
        """None if the build was refused; the live site is then what it was."""
        before = self.tree()
        try:
            return self._build(self.site / ".velobuild", self.site / "public")
        except REFUSALS:
            assert self.tree() == before, "a refused build changed the site"
            return None

    def tree(self) -> dict[str, bytes]:
        return _files(self.site / "public")

    def clean(self) -> Clean:
        """Begin what a process without memory makes of the same content, in a folder without state. Meanwhile the site
        may be edited and built again: the process has its own."""
        other = self.folder / "clean"
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(self.site, other, ignore=shutil.ignore_patterns(".velobuild", "public"), symlinks=True)
        former = self._former()
        self._compile(other)
        child = os.fork()
        if child == 0:
            status = FAILED
            try:
                twin = Living.__new__(Living)
                twin.__dict__.update(self.__dict__, site=other)
                twin._build(other / ".velobuild", other / "public", former=former)
                status = 0
            except REFUSALS:
                status = REFUSED
            finally:
                os._exit(status)
        return Clean(child, other / "public")

    def _compile(self, site: Path) -> None:
        """What the theme of `site` compiles to, once for all processes that are forked after. It depends on nothing but
        the file's name and text, and takes longer than all else that a clean build of a few posts does."""
        with suppress(ContentProblem), self.opened() as connection:
            theme = load_theme(self.config, site)
            environment = Templates(theme, Reader(connection, self.moment))._environment
            for name in environment.list_templates():
                with suppress(jinja2.TemplateError):
                    environment.get_template(name)

    def same_as_clean(self) -> Living:
        """Build, and compare with a clean build. Raises AssertionError naming the first file that differs."""
        assert self.build() is not None, "the build was refused"
        same(self.tree(), self.clean().tree())
        check_trace(self)
        return self

    def edit_by_hand(self) -> None:
        """Somebody writes into files of the live site."""
        for file in list((self.site / "public").rglob("index.html"))[:2]:
            file.write_text("edited by hand")

    def lose_state(self) -> None:
        for file in (self.site / ".velobuild").glob("site.db*"):
            file.unlink()

    def roll_back(self) -> bool:
        """Make the release before live, and let builds go live again; False if there is none."""
        publisher = publisher_of(self.loaded, clock=lambda: self.now)
        try:
            publisher.rollback()
        except GuardRefused:
            return False
        publisher.resume()
        return True

    def write_as_another_version(self) -> None:
        """The trace is one that a velobuild wrote which saw less of what pages read."""
        with self.opened() as connection, transaction(connection):
            connection.execute(
                "UPDATE meta SET value = substr(value, 1, instr(value, '|')) || 'old' WHERE key = 'trace'"
            )
            for table in ("post_read", "query_read", "bundle_key", "footprint"):
                connection.execute(f"DELETE FROM {table}")

    @property
    def loaded(self) -> Loaded:
        return Loaded(config=self.config, file=self.site / "velobuild.toml")

    @property
    def moment(self) -> Site:
        """The site as the build last saw it."""
        return Site(self.site, self.site / ".velobuild", self.config, self.now)

    def _former(self) -> str:
        """Addresses that were left: no CMS can tell them, so a new state folder is told, as a build tells it."""
        with self._opened(self.site / ".velobuild") as connection:
            return former_rows(connection)

    def _build(self, state: Path, out: Path, former: str = "[]") -> BuildReport:
        with self._opened(state) as connection:
            recall_former(connection, former)
            store = Store(connection)
            store.apply(self.content.deltas())
            self._put_files(connection, state)
        loaded = Loaded(config=self.config, file=out.parent / "velobuild.toml")
        self.findings.clear()
        options = BuildOptions(offline=True, now=self.now, allow_shrink=True)
        return build(loaded, options, cache=None, clock=lambda: self.now, warn=self.findings.append)

    def _put_files(self, connection: Connection, state: Path) -> None:
        table = AssetTable(connection)
        for name, shade in self.content.files.items():
            content = PNG + bytes([shade])
            digest = sha256(content).hexdigest()
            asset = Asset(f"{CMS}/media/{name}", digest, "png", "image/png", len(content), 1 + shade, 1, NOON)
            place = state / "cache" / "objects" / digest[:2] / f"{digest[2:]}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.write_bytes(content)
            if table.get(asset.url) != asset:
                table.put(asset)
        for url, *_ in table.published():
            if url.rpartition("/")[2] not in self.content.files:
                table.forget(url)

    def opened(self) -> AbstractContextManager[Connection]:
        return self._opened(self.site / ".velobuild")

    @contextmanager
    def _opened(self, state: Path) -> Iterator[Connection]:
        with closing(open_database(state, warn=self.findings.append)) as connection:
            yield connection


def _files(out: Path) -> dict[str, bytes]:
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


def later(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)
