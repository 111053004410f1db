"""What the contract suite needs of a CMS, and a site that is pulled from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tests.cli.command_line import Ended, velobuild
from tests.contracts.gate import Gate, Shape
from tests.sources.conftest import Shelf
from velobuild.config.load import load
from velobuild.config.schema import Loaded
from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Delta, Media, Post, SiteSettings
from velobuild.model.outputs import BuildReport
from velobuild.model.ports import FetchesPosts, NamedPost
from velobuild.pipeline import BuildOptions, build
from velobuild.publish.guard import disguises
from velobuild.sources import open_source

DAY = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
TOKEN = "VELOCMS_API_KEY"

# Answers that no CMS means: what stands before it, or something else altogether. They are the same for all.
STRANGE: Mapping[str, Shape] = {
    "502 of a proxy": Shape(502, b"<html>Bad Gateway</html>", 4, "VB2103", {"Content-Type": "text/html"}),
    "500 without a body": Shape(500, b"", 4, "VB2103"),
    "redirect to another host": Shape(302, b"", 5, "VB2204", {"Location": "https://elsewhere.example/login"}),
    "a page where JSON should be": Shape(200, b"<html>Welcome</html>", 5, "VB2201", {"Content-Type": "text/html"}),
    "JSON that ends in the middle": Shape(200, b'{"items": [{"id": "a", "ti', 5, "VB2202"),
    "an answer that is cut short": Shape(200, b'{"items": [], "page": 1, "perPage": 1}', 5, "VB2202", cut=True),
}


ABILITIES = frozenset(
    {
        "http",
        "tokens",
        "needed tokens",
        "expired tokens",
        "settings",
        "authors",
        "unknown fields",
        "media records",
        "named posts",
        "named absences",
    }
)
"""What an adapter may say that its CMS cannot; each is asserted by a test."""


class Cms(Protocol):
    """One kind of source under test. Posts are named by their slug; ids are the CMS's own.

    `cannot` says what this CMS has no way to do, each with its reason; the suite then asserts that it is so. The words:
    `http` (it is not asked over the network), `tokens` (none is taken), `needed tokens` (it shows its posts without
    one), `expired tokens`, `settings`, `authors`, `unknown fields`, `media records`, `named posts` (none is read by its
    id), `named absences` (that a post is not shown does not mean that it is gone).

    `errors` are the CMS's own ways to refuse a list of posts, with the documented end of a build. `page` is how many
    posts make a second page of its lists, `posts_path` the beginning of the path of those lists.
    """

    type: str
    cannot: Mapping[str, str]
    errors: Mapping[str, Shape]
    page: int
    posts_path: str

    @property
    def url(self) -> str:
        """Where it answers; "" where nothing does."""
        ...

    def source(self, url: str, folder: Path) -> Mapping[str, Any]:
        """The keys of [source], for the CMS at `url` (that of the door before it) and a site in `folder`."""
        ...

    def token(self) -> str:
        """A token that may read what a site needs; "" where there is none."""
        ...

    def expired_token(self) -> str:
        """One that was good and is so no more, because its time is over or it was revoked."""
        ...

    def put_post(
        self,
        slug: str,
        *,
        title: str = "A title",
        body: str = "<p>Text</p>",
        tags: tuple[str, ...] = (),
        published_at: datetime = DAY,
        status: str = "published",
        author: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """Make a post and return its id."""
        ...

    def edit_post(self, id: str, *, title: str | None = None, body: str | None = None, slug: str | None = None) -> None:
        """Change it as an author would: whatever tells of changes tells of this."""
        ...

    def set_status(self, id: str, status: str) -> None: ...

    def delete_post(self, id: str) -> None: ...

    def put_media(self, name: str, content: bytes, *, alt: str) -> str:
        """Upload a file and return the address that a body uses for it."""
        ...

    def put_settings(self, *, title: str, description: str) -> None: ...


Adapter = AbstractContextManager[Cms]


class Blog:
    """A site whose posts come from `cms`, through `gate`. `shelf` is what its last synchronisations brought."""

    def __init__(self, cms: Cms, gate: Gate, folder: Path) -> None:
        self.cms = cms
        self.gate = gate
        self.folder = folder
        self.root = folder / "site"
        self.root.mkdir(parents=True)
        self.token = cms.token()
        self.tokens = [self.token]
        self.shelf = Shelf()
        self.warnings: list[Diagnostic] = []
        self.slept: list[float] = []
        self.read = 0
        self.calls = 0
        self.said = ""
        self.configure()

    def configure(self, **source: Any) -> None:
        """Write velobuild.toml with these keys of [source] beside those that the CMS needs."""
        keys = {**self.cms.source(self.gate.url, self.root), **source}
        lines = ["[site]", 'base_url = "https://blog.example"', "", "[source]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items() if not isinstance(value, Mapping)]
        for name, table in keys.items():
            if isinstance(table, Mapping):
                lines += ["", f"[source.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        (self.root / "velobuild.toml").write_text("\n".join(lines) + "\n", "utf-8")

    def use(self, token: str) -> None:
        self.token = token
        self.tokens.append(token)

    @property
    def environment(self) -> dict[str, str]:
        token = {TOKEN: self.token} if self.token else {}
        return {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache"), **token}

    def loaded(self) -> Loaded:
        return load(None, directory=self.root, environment=self.environment)

    def sync(self, *, stop_after: int | None = None) -> None:
        """Synchronise into the shelf. `stop_after`: a kill once so many deltas were kept. Nobody really sleeps."""
        self.warnings.clear()
        self.slept.clear()
        before = len(self.gate.calls)
        with open_source(
            self.loaded(), cache=self.folder / "cache", warn=self.warnings.append, sleep=self.slept.append
        ) as opened:
            try:
                deltas = opened.source.changes(self.shelf, self.shelf.cursor)
                for number, delta in enumerate(deltas, 1):
                    self.shelf.take(delta)
                    if number == stop_after:
                        break
            finally:
                self.read = opened.source.tally.bodies_fetched
                self.calls = len(self.gate.calls) - before

    def fetch(self, *ids: str) -> list[Delta]:
        """What is said of these posts when they are asked for singly. Nothing goes onto the shelf."""
        with open_source(self.loaded(), cache=self.folder / "cache", warn=self.warnings.append) as opened:
            assert isinstance(opened.source, FetchesPosts)
            return list(opened.source.fetch(ids))

    def build_named(self, *ids: str) -> BuildReport:
        """A build for these posts alone, as an event of the CMS asks for."""
        return build(self.loaded(), BuildOptions(named=tuple(map(NamedPost, ids))), cache=self.folder / "cache")

    def run(self, *arguments: str) -> Ended:
        """One command, to its end."""
        ended = velobuild(*arguments, directory=self.root, environment=self.environment)
        self.said += ended.out + ended.err
        return ended

    # What came.

    def posts(self) -> dict[str, Post]:
        """The published posts on the shelf by their slugs."""
        return {post.slug: post for post in self.shelf.of().values()}

    def media(self) -> list[Media]:
        return list(self.shelf.of(Collection.MEDIA).values())

    def settings(self) -> SiteSettings | None:
        return next(iter(self.shelf.of(Collection.SETTINGS).values()), None)

    def pages(self) -> dict[str, str]:
        """Every published HTML page by its path."""
        root = (self.root / "public").resolve()
        return {file.relative_to(root).as_posix(): file.read_text("utf-8") for file in root.rglob("*.html")}

    def tree(self) -> dict[str, bytes]:
        """Every published file by its path."""
        root = (self.root / "public").resolve()
        return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}

    def expects_no_secret(self) -> None:
        """No token stands in a file that the site left, in whatever spelling, nor in anything that was said."""
        forms = {form for token in self.tokens if token for form in disguises(token)}
        for place in self.folder.rglob("*"):
            if place.is_file() and not place.is_symlink() and self.folder / "cms" not in place.parents:
                content = place.read_bytes() + place.name.encode()
                assert not any(form in content for form in forms), place
        told = self.said + "".join(repr(warning) for warning in self.warnings)
        assert not any(form in told.encode() for form in forms)
