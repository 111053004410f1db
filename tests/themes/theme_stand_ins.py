"""A theme rendered without a site: the values a template may ask for, and nothing more.

Each class has exactly the fields that docs/themes.md names. A template that asks for anything else fails here, since
undefined names are errors.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

THEMES = Path(__file__).resolve().parents[2] / "themes"
SHORT = Markup("<p>Body.</p>")
MORNING = datetime(2026, 3, 7, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class MediaView:
    url: str
    width: int | None = None
    height: int | None = None
    alt: str | None = None


@dataclass(frozen=True)
class TermView:
    name: str
    slug: str
    url: str
    count: int


@dataclass(frozen=True)
class YearView:
    year: int
    url: str
    count: int


@dataclass(frozen=True)
class Heading:
    level: int
    id: str
    title: str
    children: tuple[Heading, ...] = ()


@dataclass(frozen=True)
class CommentView:
    author_name: str
    created: datetime
    body: Markup


@dataclass(frozen=True)
class PostView:
    id: str = "p1"
    slug: str = "seven"
    title: str = "Seven"
    url: str = "/seven/"
    canonical: str = "https://example.org/seven/"
    published: datetime | None = MORNING
    updated: datetime | None = MORNING
    tags: tuple[TermView, ...] = ()
    excerpt: str | None = "What happened on the seventh."
    content: Markup = SHORT
    toc: tuple[Heading, ...] = ()
    reading_minutes: int = 2
    words: int = 400
    cover: MediaView | None = None
    previous: PostView | None = None
    next: PostView | None = None
    kin: tuple[PostView, ...] = ()
    comments: tuple[CommentView, ...] = ()
    author: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def related(self, limit: int) -> tuple[PostView, ...]:
        return self.kin[:limit]


@dataclass(frozen=True)
class Pager:
    number: int = 1
    total: int = 1
    newer_url: str | None = None
    older_url: str | None = None
    newest_url: str = "/"
    oldest_url: str = "/"


@dataclass(frozen=True)
class MenuEntry:
    title: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class FeedLink:
    title: str
    url: str
    mime_type: str


@dataclass(frozen=True)
class PageLink:
    title: str
    url: str


@dataclass(frozen=True)
class SiteView:
    title: str = "Kitchen Notes"
    description: str | None = "Bread, bicycles and a little code."
    language: str = "en"
    base_url: str = "https://example.org"
    author: str | None = "Ada Example"
    logo: MediaView | None = None
    favicon: MediaView | None = None
    menu: tuple[MenuEntry, ...] = ()
    feeds: tuple[FeedLink, ...] = (
        FeedLink("Kitchen Notes (RSS)", "/feed.xml", "application/rss+xml"),
        FeedLink("Kitchen Notes (Atom)", "/atom.xml", "application/atom+xml"),
    )
    tags: tuple[TermView, ...] = ()
    years: tuple[YearView, ...] = ()
    pages: tuple[PageLink, ...] = (PageLink("About", "/about/"),)
    home_url: str = "/"
    archive_url: str = "/archive/"
    tags_url: str = "/tags/"
    comments_enabled: bool = False


@dataclass(frozen=True)
class PageView:
    kind: str
    title: str
    url: str
    canonical: str
    description: str | None = None
    image: MediaView | None = None
    noindex: bool = False
    translations: tuple[Any, ...] = ()
    languages: tuple[Any, ...] = ()
    published: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True)
class LocalPage:
    title: str
    content: Markup
    url: str = "/about/"
    toc: tuple[Heading, ...] = ()


def settings(theme: str) -> dict[str, Any]:
    """The theme's theme.toml."""
    return tomllib.loads((THEMES / theme / "theme.toml").read_text("utf-8"))


def chain(theme: str) -> list[str]:
    """The theme's name, then those it extends."""
    names = [theme]
    while parent := settings(names[-1]).get("extends"):
        names.append(parent)
    return names


def translations(language: str) -> dict[str, str]:
    return tomllib.loads((THEMES / "base" / "locales" / f"{language}.toml").read_text("utf-8"))


def templates(
    theme: str = "plain", *, language: str = "en", options: dict[str, Any] | None = None, flags: bool = True
) -> jinja2.Environment:
    """An environment as strict as the real one, over the theme and what it extends."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([THEMES / name / "templates" for name in chain(theme)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts = translations(language)
    defaults = {name: option["default"] for name, option in settings(theme).get("options", {}).items()}
    environment.globals |= {
        "t": lambda key, **values: texts[key].format(**values),
        "asset": asset(theme),
        "absolute": lambda url: url if "://" in url else f"https://example.org{url}",
        "theme": {"name": theme, "options": defaults | (options or {})},
        "config_flag": lambda name: {"json_ld": flags, "open_graph": flags}[name],
    }
    environment.filters |= {
        "date": lambda moment: f"{moment.day} {moment:%B %Y}",
        "isodate": lambda moment: moment.isoformat(),
        "language_name": lambda tag: tag,
    }
    environment.policies["json.dumps_function"] = json.dumps
    return environment


def asset(theme: str) -> Callable[[str], str]:
    """Refuses a static file that neither the theme nor the renderer (the highlighting) provides."""

    def url(path: str) -> str:
        if path != "css/highlight.css" and not any(
            (THEMES / name / "static" / path).is_file() for name in chain(theme)
        ):
            raise LookupError(path)
        return f"/assets/{path}"

    return url


def everything(post: PostView, site: SiteView) -> dict[str, dict[str, Any]]:
    """Template name → context, for one page of each kind about this post and this site."""
    tag = TermView(post.title, "t", "/tags/t/", 30)
    year = YearView(2026, "/archive/2026/", 30)
    first = Pager(1, 3, older_url="/page/2/", oldest_url="/page/3/")
    middle = Pager(2, 3, newer_url="/", older_url="/page/3/", oldest_url="/page/3/")

    def page(kind: str, url: str, **more: Any) -> PageView:
        return PageView(kind, post.title, url, f"https://example.org{url}", **more)

    posts = (post, *post.kin)
    pages: dict[str, dict[str, Any]] = {
        "home.html": {"page": page("home", "/"), "posts": posts, "pager": first},
        "list.html": {"page": page("list", "/page/2/"), "posts": posts, "pager": middle},
        "tag.html": {"page": page("tag", "/tags/t/"), "posts": posts, "pager": middle, "tag": tag},
        "tags.html": {"page": page("tags", "/tags/")},
        "archive.html": {"page": page("archive", "/archive/"), "posts_of": lambda year: list(posts)},
        "year.html": {"page": page("year", "/archive/2026/"), "posts": posts, "pager": middle, "year": year},
        "page.html": {"page": page("page", "/about/"), "local": LocalPage(post.title, post.content)},
        "404.html": {"page": page("404", "/404.html")},
        "post.html": {
            "page": page("post", post.url, description=post.excerpt, image=post.cover, published=post.published),
            "post": post,
        },
        "redirect.html": {"page": page("redirect", "/old/"), "target_url": post.url},
    }
    return {name: {"site": site, **context} for name, context in pages.items()}
