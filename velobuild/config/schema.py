"""The shape of velobuild.toml as frozen values: every key, its type, its limits and its default.

Plain dataclasses, so that workers and `--version` never import pydantic; `config.load` validates with it.
The docstring under a field is what `docs/configuration.md` and the JSON schema say of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen

PositiveInt = Annotated[int, Gt(0)]


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
    base_url: str = "http://localhost:8000"
    """Where the site is published; absolute addresses in feeds, the sitemap and canonical links begin with it."""
    language: str = "en"
    timezone: str = "UTC"
    """The IANA zone in which dates are shown and years are counted."""
    description: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Where the posts come from."""

    type: Literal["velocms"] = "velocms"
    url: str | None = None
    """The CMS's address; falls back to the environment variable VELOCMS_SITE_URL."""
    token_env: str = "VELOCMS_API_KEY"  # noqa: S105 - the name of a variable
    """The environment variable that holds the token; `NAME_2` may hold a second one, tried when the first is refused."""
    token_file: str | None = None
    """A file of mode 0600 that holds the token, one a line."""
    rate_limit: str | None = None
    """Calls per time, such as `95/min`; overrides what the CMS's headers say."""
    members_only: Literal["skip", "include"] = "skip"
    exclude_tags: tuple[str, ...] = ()
    """Tags that stay inside the CMS: neither shown nor given a page."""
    comments: bool = False
    """Fetch approved comments (needs the scope comments:read and costs a call per 100 comments)."""
    media_hosts: tuple[str, ...] = ()
    """Further hosts from which media may be downloaded."""
    external_media: Literal["keep", "drop"] = "keep"
    """What happens to pictures on hosts that are not allowed: they stay links, or are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownConfig:
    smart_quotes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentConfig:
    html: Literal["sanitize", "trusted", "text"] = "sanitize"
    embeds: tuple[str, ...] = ()
    """Hosts whose frames may be embedded, such as `www.youtube-nocookie.com`."""
    highlight: bool = True
    toc_depth: Annotated[int, Ge(1), Le(6)] = 3
    excerpt_words: PositiveInt = 40
    pages: str = "pages"
    """The folder of local Markdown pages."""
    markdown: MarkdownConfig = field(default_factory=MarkdownConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlsConfig:
    post: str = "/{slug}/"
    """May use {slug} {year} {month} {day} {id}."""
    archive: str = "/archive/"
    year: str = "/archive/{year}/"
    redirects_from_old_slugs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectConfig:
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyConfig:
    path: str = "/tags/{slug}/"
    index: str = "/tags/"
    feed: bool = True
    paginate: PositiveInt = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PaginationConfig:
    size: PositiveInt = 10
    path: str = "page/{number}/"
    """Appended to a list's own path for its second and later pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThemeConfig:
    name: str = "plain"
    path: str | None = None
    """A theme folder of your own, relative to velobuild.toml."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    title: Annotated[str, MinLen(1)]
    url: Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsConfig:
    rss: bool = True
    atom: bool = True
    size: PositiveInt = 20
    full: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SeoConfig:
    sitemap: bool = True
    robots: bool = True
    json_ld: bool = True
    open_graph: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    out: str = "public"
    publish: Literal["release", "in-place"] = "release"
    keep_releases: Annotated[int, Ge(2)] = 5
    jobs: Annotated[int, Ge(0)] = 0
    """Worker processes; 0 = one per processor for large builds, none for small ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    post_bytes: PositiveInt = 2_000_000
    title_chars: PositiveInt = 1_000
    tags: PositiveInt = 50
    media_bytes: PositiveInt = 25_000_000
    media_total_bytes: PositiveInt = 1_000_000_000
    megapixels: PositiveInt = 40
    render_s: PositiveInt = 30
    shrink_percent: Annotated[int, Ge(0), Le(100)] = 20
    shrink_posts: Annotated[int, Ge(0)] = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """velobuild.toml, the environment and the flags, settled. Frozen; safe to hand to workers."""

    site: SiteConfig = field(default_factory=SiteConfig)
    source: SourceConfig = field(default_factory=SourceConfig)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration with the place it came from. `origins` maps a dotted key to what set it."""

    config: Config
    file: Path
    tokens: tuple[Secret, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The site's folder: that of velobuild.toml."""
        return self.file.parent

    @property
    def state(self) -> Path:
        """What velobuild keeps for itself: database, cache, releases. Never served."""
        return self.root / ".velobuild"

    @property
    def out(self) -> Path:
        return self.root / self.config.build.out
