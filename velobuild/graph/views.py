"""What templates see. Every value comes from the Reader when it is asked for, so a page depends on what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from velobuild.graph.answers import in_locale
from velobuild.markup.prepare import Heading
from velobuild.model.entries import Page
from velobuild.model.keys import Query
from velobuild.model.locales import year_value

if TYPE_CHECKING:
    from velobuild.graph.languages import Versions
    from velobuild.graph.posts import PostView
    from velobuild.graph.reader import Reader
    from velobuild.graph.reading import Recorder


@dataclass(frozen=True, slots=True)
class MediaView:
    """A picture as it is published. `width` and `height` are pixels, or None where they are not known."""

    url: str
    width: int | None
    height: int | None
    alt: str | None


@dataclass(frozen=True, slots=True)
class TermView:
    """A tag: its name as most posts spell it. `count` asks how many posts carry it."""

    name: str
    slug: str
    url: str
    key: str
    _reader: Recorder = field(repr=False, compare=False)

    @property
    def count(self) -> int:
        return self._reader.count(Query(where=(("tag", self.key),)))


@dataclass(frozen=True, slots=True)
class YearView:
    """A year in which posts were published. `url` is "" where years have no pages; `count` asks how many posts."""

    year: int
    url: str
    _value: str = field(repr=False, compare=False)
    _reader: Recorder = field(repr=False, compare=False)

    @property
    def count(self) -> int:
        return self._reader.count(Query(where=(("year", self._value),)))


@dataclass(frozen=True, slots=True)
class LinkView:
    """A menu entry, a local page, or a feed (`mime_type`)."""

    title: str
    url: str
    current: bool = False
    mime_type: str = ""


@dataclass(frozen=True, slots=True)
class LanguageView:
    """A page in one of the site's languages. `language` is its tag; `is_home`: the language's home page, which stands
    in where the page itself is not there in it; `is_default`: the language of those who read none of the others."""

    language: str
    url: str
    canonical: str
    is_home: bool = False
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class CommentView:
    """A reader's comment, as a page shows it."""

    author_name: str
    created: datetime
    body: Markup


@dataclass(frozen=True, slots=True)
class Pager:
    """One page of a list. Pages are numbered from the oldest, so that a new post changes the newest page alone.

    `total` asks how long the list is: a page that shows it is rendered again whenever the list gets a page.
    """

    number: int
    newer_url: str | None
    older_url: str | None
    newest_url: str
    oldest_url: str
    _reader: Recorder = field(repr=False, compare=False)
    _where: tuple[tuple[Any, str], ...] = field(repr=False, default=())
    _size: int = field(repr=False, default=1)

    @property
    def total(self) -> int:
        return self._reader.page_total(self._where, self._size)


class LocalView:
    """A local page."""

    def __init__(self, reader: Reader, page: Page) -> None:
        self._reader = reader
        self._page = page
        self.id = page.id
        self.title = page.title
        self.description = page.description
        self.url = reader.page_url(page)

    def __repr__(self) -> str:
        return f"<page {self._page.path}>"

    @cached_property
    def _prepared(self) -> Any:
        return self._reader.prepared_page(self._page)

    @cached_property
    def content(self) -> Markup:
        locale = self._reader.locale_of_page(self._page)
        return self._reader.filled(self._prepared, where=f"page {self._page.path}.md", locale=locale)

    @property
    def toc(self) -> Sequence[Heading]:
        toc: Sequence[Heading] = self._prepared.toc
        return toc

    @property
    def extra(self) -> Mapping[str, Any]:
        return self._page.extra


class PostList:
    """A lazy query: nothing is read before posts are asked for. Iterating gives all, the newest first."""

    def __init__(self, reader: Reader, query: Query | None = None, *, locale: str | None = None) -> None:
        self._reader = reader
        self._locale = reader.site.locales.default if locale is None else locale
        self._query = query or Query(where=in_locale(self._locale))

    def __repr__(self) -> str:
        return "<a selection of posts>"

    def where(self, *, tag: str | TermView | None = None, year: int | None = None) -> PostList:
        """The posts that also carry the tag (its slug or its name), or that were published in the year."""
        locales = self._reader.site.locales
        where = self._query.where
        if (tag is not None or year is not None) and where == in_locale(self._locale):
            where = ()  # Tags and years are of a locale themselves, and lists with one condition are counted already.
        if tag is not None:
            named = tag.key if isinstance(tag, TermView) else self._reader.tag_named(locales.tag(tag, self._locale))
            where += (("tag", named),)
        if year is not None:
            where += (("year", year_value(year, self._locale)),)
        return PostList(self._reader, replace(self._query, where=where), locale=self._locale)

    def newest(self, limit: int) -> list[PostView]:
        return self._reader.posts(replace(self._query, limit=limit))

    def oldest(self, limit: int) -> list[PostView]:
        return self._reader.posts(replace(self._query, order="oldest", limit=limit))

    def count(self) -> int:
        return self._reader.count(self._query)

    def __iter__(self) -> Iterator[PostView]:
        return iter(self._reader.posts(self._query))

    def __len__(self) -> int:
        return self.count()


class SiteView:
    """The site as every page sees it, in the page's own language."""

    def __init__(self, reader: Reader, current_url: str, locale: str | None = None) -> None:
        self._reader = reader
        self._current_url = current_url
        self._locale = reader.site.locales.default if locale is None else locale

    def __repr__(self) -> str:
        return "<the site>"

    @property
    def language(self) -> str:
        return self._reader.site.language(self._locale)

    @property
    def base_url(self) -> str:
        return self._reader.site.base_url

    @property
    def home_url(self) -> str:
        return self._own_url("/")

    @property
    def archive_url(self) -> str:
        """ "" where the site has no such page."""
        return self._own_url(self._reader.site.config.urls.archive)

    @property
    def tags_url(self) -> str:
        """ "" where the site has no such page."""
        return self._own_url(self._reader.taxonomy.index)

    def _own_url(self, path: str) -> str:
        site = self._reader.site
        return site.url_of(site.locales.folder(self._locale) + path) if path else ""

    @property
    def title(self) -> str:
        return self._reader.title

    @property
    def description(self) -> str | None:
        return self._reader.site.config.site.description or self._reader.setting("description")

    @property
    def author(self) -> str | None:
        return self._reader.site.config.site.author

    @property
    def logo(self) -> MediaView | None:
        return self._reader.picture_at(self._reader.setting("logo_url"))

    @property
    def favicon(self) -> MediaView | None:
        return self._reader.picture_at(self._reader.setting("favicon_url"))

    @property
    def comments_enabled(self) -> bool:
        return bool(self._reader.setting("comments_enabled"))

    @property
    def menu(self) -> list[LinkView]:
        site = self._reader.site
        urls = [
            (item.title, site.url_of(item.url) if item.url.startswith("/") else item.url)
            for item in site.config.menu
            if item.locale in ("", self._locale)
        ]
        return [LinkView(title, url, current=url == self._current_url) for title, url in urls]

    @property
    def feeds(self) -> list[LinkView]:
        return self._reader.feeds_in(self._locale)

    @property
    def posts(self) -> PostList:
        return PostList(self._reader, locale=self._locale)

    @property
    def tags(self) -> list[TermView]:
        return self._reader.tags_in(self._locale)

    @property
    def years(self) -> list[YearView]:
        return self._reader.years_in(self._locale)

    @property
    def pages(self) -> list[LinkView]:
        return [LinkView(page.title, page.url) for page in self._reader.pages_in(self._locale)]


@dataclass(frozen=True, slots=True)
class PageView:
    """The page that is being rendered. `title` is a fallback: templates name the page themselves.

    What it says of its post, or of the site, counts as read once a template asks for it.
    """

    kind: Literal["home", "list", "post", "tag", "tags", "archive", "year", "page", "404", "redirect"]
    url: str
    canonical: str
    _site: SiteView = field(repr=False, compare=False)
    noindex: bool = False
    _post: PostView | None = field(repr=False, compare=False, default=None)
    _title: str | None = field(repr=False, compare=False, default=None)
    _description: str | None = field(repr=False, compare=False, default=None)
    _versions: Versions | None = field(repr=False, compare=False, default=None)

    @property
    def title(self) -> str:
        if self._title is not None:
            return self._title
        return (self._post or self._site).title

    @property
    def description(self) -> str | None:
        post = self._post
        return self._description if post is None else post.seo_description or post.excerpt or None

    @property
    def image(self) -> MediaView | None:
        return self._post.image if self._post else None

    @property
    def published(self) -> datetime | None:
        return self._post.published if self._post else None

    @property
    def updated(self) -> datetime | None:
        return self._post.updated if self._post else None

    @property
    def translations(self) -> list[LanguageView]:
        """This page in every language in which it is there, its own among them; empty if it is in one alone."""
        return self._versions.there() if self._versions else []

    @property
    def languages(self) -> list[LanguageView]:
        """For each other language of the site this page in it, else its home page."""
        return self._versions.elsewhere() if self._versions else []
