"""What templates see. Every value comes from the Reader when it is asked for, so a page depends on what it reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from velobuild.content.codec import published_at
from velobuild.markup.prepare import Heading, prepare_comment
from velobuild.model.entries import DRAFT, Page, Post
from velobuild.model.keys import Query

if TYPE_CHECKING:
    from velobuild.graph.reader import Reader

WORDS_PER_MINUTE = 220


@dataclass(frozen=True, slots=True)
class MediaView:
    """A picture as it is published. `width` and `height` are pixels, or None where they are not known."""

    url: str
    width: int | None
    height: int | None
    alt: str | None


@dataclass(frozen=True, slots=True)
class TermView:
    """A tag: its name as most posts spell it, and how many posts carry it."""

    name: str
    slug: str
    url: str
    count: int
    key: str


@dataclass(frozen=True, slots=True)
class YearView:
    """A year in which posts were published. `url` is "" where years have no pages."""

    year: int
    url: str
    count: int


@dataclass(frozen=True, slots=True)
class LinkView:
    """A menu entry, a local page, or a feed (`mime_type`)."""

    title: str
    url: str
    current: bool = False
    mime_type: str = ""


@dataclass(frozen=True, slots=True)
class CommentView:
    author_name: str
    created: datetime
    body: Markup


@dataclass(frozen=True, slots=True)
class Pager:
    """One page of a list. Pages are numbered from the oldest, so that a new post changes the newest page alone."""

    number: int
    total: int
    newer_url: str | None
    older_url: str | None
    newest_url: str
    oldest_url: str


class PostView:
    """A public post. Compared by id."""

    def __init__(self, reader: Reader, post: Post, *, path: str, slug: str) -> None:
        self._reader = reader
        self._post = post
        self._path = path
        self.id = post.id
        self.title = post.title
        self.slug = slug

    def __repr__(self) -> str:
        # A template that prints a post by mistake must not print where it lies in memory: no two builds would agree.
        return f"<post {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PostView) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @cached_property
    def url(self) -> str:
        return self._reader.site.url_of(self._path)

    @cached_property
    def canonical(self) -> str:
        return self._reader.site.absolute(self.url)

    @cached_property
    def published(self) -> datetime | None:
        at = published_at(self._post)
        return None if at is None else at.astimezone(self._reader.site.zone)

    @cached_property
    def is_draft(self) -> bool:
        """Never so in a site that is published."""
        return DRAFT in self._post.extra

    @cached_property
    def updated(self) -> datetime:
        return self._post.updated_at.astimezone(self._reader.site.zone)

    @cached_property
    def tags(self) -> list[TermView]:
        return self._reader.tags_of(self._post)

    @cached_property
    def _prepared(self) -> Any:
        return self._reader.body_of(self)

    def forget_body(self) -> None:
        """Let go of what is large; it is read again if anybody asks for it again."""
        for name in ("_prepared", "content", "absolute_content"):
            self.__dict__.pop(name, None)

    @cached_property
    def excerpt(self) -> str:
        """The CMS's own, else the beginning of the body."""
        return self._post.excerpt or str(self._prepared.text)

    @cached_property
    def content(self) -> Markup:
        return self._reader.filled(self._prepared, where=self._reader.place_of(self._post))

    @cached_property
    def absolute_content(self) -> str:
        """The body with full URLs, for feeds."""
        return str(self._reader.filled(self._prepared, where=self._reader.place_of(self._post), absolute=True))

    @property
    def toc(self) -> Sequence[Heading]:
        toc: Sequence[Heading] = self._prepared.toc
        return toc

    @property
    def words(self) -> int:
        return int(self._prepared.words)

    @property
    def reading_minutes(self) -> int:
        return max(1, math.ceil(self.words / WORDS_PER_MINUTE))

    @cached_property
    def cover(self) -> MediaView | None:
        return self._reader.cover_of(self._post)

    @cached_property
    def image(self) -> MediaView | None:
        """The cover, else the body's first picture."""
        return self.cover or self._reader.first_picture(self._prepared)

    @cached_property
    def previous(self) -> PostView | None:
        """The next older post."""
        return self._reader.one(Query(after_id=self.id, limit=1))

    @cached_property
    def next(self) -> PostView | None:
        """The next newer post."""
        return self._reader.one(Query(before_id=self.id, limit=1))

    def related(self, limit: int) -> list[PostView]:
        """Other posts that share the most tags with this one; the newer first among equals."""
        return self._reader.related(self._post, limit)

    @cached_property
    def comments(self) -> list[CommentView]:
        """Approved comments, the oldest first."""
        zone = self._reader.site.zone
        return [
            CommentView(one.author_name, one.created_at.astimezone(zone), _sanitized(one.body))
            for one in self._reader.comments_of(self.id)
        ]

    @property
    def author(self) -> str | None:
        """The author's name where the CMS gives one."""
        return self._reader.author_of(self._post)

    @property
    def seo_title(self) -> str | None:
        return self._post.seo_title

    @property
    def seo_description(self) -> str | None:
        return self._post.seo_description

    @property
    def extra(self) -> Mapping[str, Any]:
        """Every field of the CMS that has no name here."""
        return self._post.extra


def _sanitized(comment: str) -> Markup:
    return Markup(prepare_comment(comment))  # noqa: S704 - what prepare_comment gives is clean


class LocalView:
    """A local page."""

    def __init__(self, reader: Reader, page: Page) -> None:
        self._reader = reader
        self._page = page
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
        return self._reader.filled(self._prepared, where=f"page {self._page.path}.md")

    @property
    def toc(self) -> Sequence[Heading]:
        toc: Sequence[Heading] = self._prepared.toc
        return toc

    @property
    def extra(self) -> Mapping[str, Any]:
        return self._page.extra


class PostList:
    """A lazy query: nothing is read before posts are asked for. Iterating gives all, the newest first."""

    def __init__(self, reader: Reader, query: Query | None = None) -> None:
        self._reader = reader
        self._query = query or Query()

    def __repr__(self) -> str:
        return "<a selection of posts>"

    def where(self, *, tag: str | TermView | None = None, year: int | None = None) -> PostList:
        """The posts that also carry the tag (its slug or its name), or that were published in the year."""
        where = self._query.where
        if tag is not None:
            where += (("tag", tag.key if isinstance(tag, TermView) else self._reader.tag_named(tag)),)
        if year is not None:
            where += (("year", str(year)),)
        return PostList(self._reader, replace(self._query, where=where))

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
    """The site as every page sees it."""

    def __init__(self, reader: Reader, current_url: str) -> None:
        self._reader = reader
        self._current_url = current_url
        config = reader.site.config
        self.language = config.site.language
        self.base_url = reader.site.base_url
        self.home_url = reader.site.url_of("/")
        # "" where the site has no such page.
        archive, tags = config.urls.archive, reader.taxonomy.index
        self.archive_url = reader.site.url_of(archive) if archive else ""
        self.tags_url = reader.site.url_of(tags) if tags else ""

    def __repr__(self) -> str:
        return "<the site>"

    @property
    def title(self) -> str:
        return self._reader.title

    @property
    def description(self) -> str | None:
        return self._reader.site.config.site.description or self._reader.settings.description

    @property
    def author(self) -> str | None:
        return self._reader.site.config.site.author

    @property
    def logo(self) -> MediaView | None:
        return self._reader.picture_at(self._reader.settings.logo_url)

    @property
    def favicon(self) -> MediaView | None:
        return self._reader.picture_at(self._reader.settings.favicon_url)

    @property
    def comments_enabled(self) -> bool:
        return self._reader.settings.comments_enabled

    @property
    def menu(self) -> list[LinkView]:
        site = self._reader.site
        urls = [
            (item.title, site.url_of(item.url) if item.url.startswith("/") else item.url) for item in site.config.menu
        ]
        return [LinkView(title, url, current=url == self._current_url) for title, url in urls]

    @property
    def feeds(self) -> list[LinkView]:
        return self._reader.feeds

    @property
    def posts(self) -> PostList:
        return PostList(self._reader)

    @property
    def tags(self) -> list[TermView]:
        return self._reader.tags

    @property
    def years(self) -> list[YearView]:
        return self._reader.years

    @property
    def pages(self) -> list[LinkView]:
        return [LinkView(page.title, page.url) for page in self._reader.local_pages]


@dataclass(frozen=True, slots=True)
class PageView:
    """The page that is being rendered. `title` is a fallback: templates name the page themselves."""

    kind: Literal["home", "list", "post", "tag", "tags", "archive", "year", "page", "404", "redirect"]
    title: str
    url: str
    canonical: str
    description: str | None = None
    image: MediaView | None = None
    noindex: bool = False
    published: datetime | None = None
    updated: datetime | None = None
