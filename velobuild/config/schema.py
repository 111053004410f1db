"""The shape of velobuild.toml as frozen values: every key, its type, its limits and its default.

Plain dataclasses, so that workers and `--version` never import pydantic; `config.load` validates with it.
The docstring under a field is what an editor shows of it, through the JSON schema; docs/configuration.md says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from velobuild.config.bounds import Bound
from velobuild.config.listen_schema import ListenConfig
from velobuild.config.source_schema import (
    CollectionsConfig,
    FieldsConfig,
    MediaFieldsConfig,
    SettingsFieldsConfig,
    SourceConfig,
)
from velobuild.errors import ConfigError, Diagnostic

__all__ = [
    "BuildConfig",
    "CollectionsConfig",
    "Config",
    "ContentConfig",
    "FeedsConfig",
    "FieldsConfig",
    "LimitsConfig",
    "ListenConfig",
    "Loaded",
    "MarkdownConfig",
    "MediaFieldsConfig",
    "MenuItem",
    "PaginationConfig",
    "RedirectConfig",
    "Secret",
    "SeoConfig",
    "SettingsFieldsConfig",
    "SiteConfig",
    "SourceConfig",
    "TaxonomyConfig",
    "ThemeConfig",
    "UrlsConfig",
]

PositiveInt = Annotated[int, Bound(gt=0)]


class Secret:
    """A token or password: it cannot be printed, and `reveal` is the only way out."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str = "") -> None:
        self._value = value
        self.origin = origin
        """Where it came from, for messages: `environment variable VELOCMS_API_KEY`."""

    def __repr__(self) -> str:
        return "Secret('****')"

    def reveal(self) -> str:
        return self._value


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """The site itself. What is not set here comes from the CMS's own site settings."""

    title: str | None = None
    """The site's name; unset, the CMS's own."""
    base_url: str = "http://localhost:8000"
    """Where the site is published; absolute addresses in feeds, the sitemap and canonical links begin with it."""
    language: str = "en"
    """The language of the posts, as in `<html lang>`; the theme's words and month names follow it."""
    timezone: str = "UTC"
    """The IANA zone in which dates are shown and years are counted."""
    description: str | None = None
    """One sentence about the site; unset, the CMS's own."""
    author: str | None = None
    """Who writes, for feeds and pages whose post names nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownConfig:
    """How Markdown is read."""

    engine: Literal["python-markdown", "pyromark"] = "python-markdown"
    """What reads it: all extensions, or a hundred times the speed (the extra `fast`)."""
    smart_quotes: bool = True
    """Straight quotes, dashes and dots become typographic ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentConfig:
    """How bodies become HTML."""

    html: Literal["sanitize", "trusted", "text"] = "sanitize"
    """What happens to a post's HTML: cleaned, published as it came, or shown as text."""
    embeds: tuple[str, ...] = ()
    """Hosts whose frames may be embedded, such as `www.youtube-nocookie.com`."""
    highlight: bool = True
    """Colour code blocks."""
    toc_depth: Annotated[int, Bound(ge=1, le=6)] = 3
    """How many levels of headings the table of contents shows."""
    excerpt_words: PositiveInt = 40
    """The length of an excerpt where the post has none of its own, in words."""
    pages: str = "pages"
    """The folder of local Markdown pages."""
    markdown: MarkdownConfig = field(default_factory=MarkdownConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlsConfig:
    """Where things are published."""

    post: str = "/{slug}/"
    """A post's address. May use {slug} {year} {month} {day} {id}; needs {slug} or {id}."""
    archive: str = "/archive/"
    """The list of all years; empty, there is none."""
    year: str = "/archive/{year}/"
    """The list of one year's posts; empty, there are none."""
    redirects_from_old_slugs: bool = True
    """A post whose slug changed leaves a redirect at its old address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectConfig:
    """An address that moved. In TOML the keys are `from` and `to`, as elsewhere; `from` is no name in Python."""

    source: Annotated[str, Bound(min_length=1)] = field(metadata={"key": "from"})
    """The old address on this site, from the root: `/old/`."""
    target: Annotated[str, Bound(min_length=1)] = field(metadata={"key": "to"})
    """Where it leads: an address on this site, or a whole URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyConfig:
    """Pages for the terms by which posts are grouped."""

    path: str = "/tags/{slug}/"
    """A term's address."""
    index: str = "/tags/"
    """The list of all terms; empty, there is none."""
    feed: bool = True
    """Each term has a feed of its own."""
    paginate: PositiveInt = 20
    """Posts a page in a term's list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaginationConfig:
    """How long lists are cut."""

    size: PositiveInt = 10
    """Posts a page."""
    path: str = "page/{number}/"
    """Appended to a list's own path for its second and later pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThemeConfig:
    """How the site looks."""

    name: str = "plain"
    """One of the themes that velobuild ships."""
    path: str | None = None
    """A theme folder of your own, relative to velobuild.toml."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the theme lets you choose; its theme.toml lists it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """One entry of the site's menu, in the order of the file."""

    title: Annotated[str, Bound(min_length=1)]
    """What it says."""
    url: Annotated[str, Bound(min_length=1)]
    """Where it leads: an address on this site, or a whole URL."""
    locale: str = ""
    """Several languages: the one in whose pages it stands; empty, in those of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsConfig:
    """What readers subscribe to."""

    rss: bool = True
    """Write RSS 2.0."""
    atom: bool = True
    """Write Atom."""
    size: PositiveInt = 20
    """Posts a feed, the newest."""
    full: bool = True
    """Whole posts; false gives excerpts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeoConfig:
    """What search engines and link previews read."""

    sitemap: bool = True
    """Write sitemap.xml."""
    robots: bool = True
    """Write robots.txt."""
    json_ld: bool = True
    """Describe posts as JSON-LD."""
    open_graph: bool = True
    """Describe pages for link previews."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """Where and how the site is written."""

    out: str = "public"
    """The output folder, relative to velobuild.toml."""
    publish: Literal["release", "in-place"] = "release"
    """`release`: the output folder is a link, swapped as a whole. `in-place`: it is a plain folder."""
    keep_releases: Annotated[int, Bound(ge=2)] = 5
    """How many releases are kept for `rollback`, the live one included."""
    jobs: Annotated[int, Bound(ge=0)] = 0
    """Worker processes; 0 = one per processor for large builds, none for small ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """Bounds on what is taken from outside, and on what one build may take away."""

    post_bytes: PositiveInt = 2_000_000
    """The longest body, in bytes; a longer one is left out with a warning."""
    title_chars: PositiveInt = 1_000
    """The longest title, in characters; a longer one is cut."""
    tags: PositiveInt = 50
    """Tags a post; further ones are dropped."""
    media_bytes: PositiveInt = 25_000_000
    """The largest media file, in bytes."""
    media_total_bytes: PositiveInt = 1_000_000_000
    """What one build may download, in bytes."""
    megapixels: PositiveInt = 40
    """The largest picture, in millions of pixels."""
    render_s: PositiveInt = 30
    """How long one page may take to render, in seconds."""
    shrink_percent: Annotated[int, Bound(ge=0, le=100)] = 20
    """A build that takes away more than this share of the posts, and more than `shrink_posts`, is refused."""
    shrink_posts: Annotated[int, Bound(ge=0)] = 5
    """A build may always take away this many posts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """velobuild.toml, the environment and the flags, settled. Frozen; safe to hand to workers."""

    site: SiteConfig = field(default_factory=SiteConfig)
    source: SourceConfig = field(default_factory=SourceConfig)
    more_sources: tuple[SourceConfig, ...] = field(default=(), metadata={"key": None})
    content: ContentConfig = field(default_factory=ContentConfig)
    urls: UrlsConfig = field(default_factory=UrlsConfig)
    redirects: tuple[RedirectConfig, ...] = ()
    taxonomies: Mapping[Literal["tags"], TaxonomyConfig] = field(default_factory=lambda: {"tags": TaxonomyConfig()})
    pagination: PaginationConfig = field(default_factory=PaginationConfig)
    theme: ThemeConfig = field(default_factory=ThemeConfig)
    menu: tuple[MenuItem, ...] = ()
    feeds: FeedsConfig = field(default_factory=FeedsConfig)
    seo: SeoConfig = field(default_factory=SeoConfig)
    build: BuildConfig = field(default_factory=BuildConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    listen: ListenConfig = field(default_factory=ListenConfig)

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """All sources, in the order of the file: `source` is the first."""
        return (self.source, *self.more_sources)

    @property
    def locales(self) -> tuple[str, ...]:
        """The locales that have a tree of their own, the default one first; none where there are not several."""
        found = tuple(dict.fromkeys(locale for source in self.sources for locale in source.locales))
        return found if len(found) > 1 else ()

    @property
    def main_source(self) -> SourceConfig:
        """The source whose entries carry no name, else the first."""
        return next((source for source in self.sources if source.name is None), self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration with the place it came from. `origins` maps a dotted key to what set it.

    `tokens` are those of all sources; `tokens_by_source` tells whose they are where there are several.
    """

    config: Config
    file: Path
    tokens: tuple[Secret, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    tokens_by_source: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict)
    drafts: bool = False
    """A preview that shows drafts and posts of the future: its state and its output lie apart from the live ones."""
    state_at: Path | None = None
    """Where the state lies in place of `.velobuild`, for a build beside the live one."""

    def each_source(self) -> tuple[Loaded, ...]:
        """For every source the configuration as if there were no other: what opens it sees no other's token."""
        if not self.config.more_sources:
            return (self,)
        return tuple(
            replace(
                self,
                config=replace(self.config, source=source, more_sources=()),
                tokens=self.tokens_by_source.get(source.key, ()),
                tokens_by_source={},
            )
            for source in self.config.sources
        )

    def require_tokens(self) -> tuple[Secret, ...]:
        """The tokens, at least one unless the CMS answers without. Raises ConfigError VB1201.

        Only what talks to the CMS needs one.
        """
        for single in self.each_source() if self.config.more_sources else ():
            single.require_tokens()
        if not self.tokens and not self.config.more_sources and self.config.source.needs_token:
            name = self.config.source.token_env
            wanted = {
                "velocms": "a read-only key in the CMS (posts:read, media:read, site-settings:read)",
                "pocketbase": "a token of a user who may read and not write (docs/pocketbase.md)",
                "polycms": "a token, or in the older generation a key (docs/polycms.md)",
            }[self.config.source.type]
            raise ConfigError(
                "no token was found",
                code="VB1201",
                where=f"environment variable {name}",
                hint=f"create {wanted}, then write `{name}=…` into {self.root / '.env'} (mode 0600) or export it",
            )
        return self.tokens

    @property
    def root(self) -> Path:
        """The site's folder: that of velobuild.toml."""
        return self.file.parent

    @property
    def state(self) -> Path:
        """What velobuild keeps for itself: database, cache, releases. Never served."""
        own = self.state_at or self.root / ".velobuild"
        return own / "drafts" / "state" if self.drafts else own

    @property
    def out(self) -> Path:
        # Beside its state, never below it: who copies the output must not copy the database.
        return self.state.parent / "public" if self.drafts else self.root / self.config.build.out
