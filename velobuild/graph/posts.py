"""A post as templates see it: one core for all pages of a worker, and one view for each page that asks it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from velobuild.content.codec import published_at
from velobuild.graph.views import CommentView, MediaView, TermView
from velobuild.markup.prepare import Heading, prepare_comment
from velobuild.model.entries import DRAFT, Post
from velobuild.model.reads import Field

if TYPE_CHECKING:
    from velobuild.graph.reader import Reader

WORDS_PER_MINUTE = 220


def minutes_of(words: int) -> int:
    """How long so many words take to read, in whole minutes."""
    return max(1, math.ceil(words / WORDS_PER_MINUTE))


class PostCore:
    """What is known of a public post, worked out once for all pages that a worker renders."""

    def __init__(self, reader: Reader, post: Post, *, num: int, path: str, slug: str) -> None:
        self._reader = reader
        self.post = post
        self._path = path
        self.num = num
        self.id = post.id
        self.title = post.title
        self.slug = slug
        self.seo_title = post.seo_title
        self.seo_description = post.seo_description
        self.extra = post.extra
        self.locale = reader.site.locales.of(post.extra)

    @cached_property
    def url(self) -> str:
        return self._reader.site.url_of(self._path)

    @cached_property
    def canonical(self) -> str:
        return self._reader.site.absolute(self.url)

    @cached_property
    def published(self) -> datetime | None:
        at = published_at(self.post)
        return None if at is None else at.astimezone(self._reader.site.zone)

    @property
    def is_draft(self) -> bool:
        """Never so in a site that is published."""
        return DRAFT in self.post.extra

    @cached_property
    def updated(self) -> datetime:
        return self.post.updated_at.astimezone(self._reader.site.zone)

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
        return self.post.excerpt or str(self._prepared.text)

    @cached_property
    def content(self) -> Markup:
        return self._reader.filled(self._prepared, where=self._reader.place_of(self.post), locale=self.locale)

    @cached_property
    def absolute_content(self) -> str:
        """The body with full URLs, for feeds."""
        where = self._reader.place_of(self.post)
        return str(self._reader.filled(self._prepared, where=where, absolute=True, locale=self.locale))

    @property
    def toc(self) -> Sequence[Heading]:
        toc: Sequence[Heading] = self._prepared.toc
        return toc

    @property
    def words(self) -> int:
        return int(self._prepared.words)

    @property
    def reading_minutes(self) -> int:
        return minutes_of(self.words)

    @cached_property
    def cover(self) -> MediaView | None:
        return self._reader.pictures.cover_of(self.post)

    @cached_property
    def picture(self) -> MediaView | None:
        """The body's first picture."""
        return self._reader.pictures.first_picture(self._prepared)

    @cached_property
    def tags(self) -> list[TermView]:
        return self._reader.tags_of(self.post)

    @cached_property
    def previous(self) -> str | None:
        return self._reader.order.older(self.id, self.locale)

    @cached_property
    def next(self) -> str | None:
        return self._reader.order.newer(self.id, self.locale)

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
        return self._reader.author_of(self.post)


def _sanitized(comment: str) -> Markup:
    return Markup(prepare_comment(comment))  # noqa: S704 - what prepare_comment gives is clean


# As plain numbers: a page asks dozens of times, and an IntFlag's own arithmetic costs as much as the rest of a read.
TAGS, COVER, PICTURE, PREVIOUS, NEXT = map(int, (Field.TAGS, Field.COVER, Field.PICTURE, Field.PREVIOUS, Field.NEXT))


def _asking(field: Field, name: str) -> Any:
    """A field of a view: what the core knows under this name, with the reading of it noted."""
    bit = int(field)

    def ask(view: PostView) -> Any:
        view.fields |= bit
        return getattr(view._core, name)

    return property(ask)


class PostView:
    """A public post as one page sees it: what the page asks of it is noted in `fields`. Compared by id.

    Its core is looked up when something is asked: a page that shows finished fragments asks for nothing but ids.
    """

    __slots__ = ("_core", "_reader", "fields", "id")
    _core: PostCore

    def __init__(self, reader: Reader, id: str) -> None:
        self._reader = reader
        self.id = id
        self.fields = 0

    def __getattr__(self, name: str) -> Any:
        if name != "_core":
            raise AttributeError(f"a post has no '{name}'", name=name, obj=self)
        self._core = self._reader.require_core(self.id)
        return self._core

    def __repr__(self) -> str:
        # A template that prints a post by mistake must not print where it lies in memory: no two builds would agree.
        return f"<post {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PostView) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def num(self) -> int:
        """The post's number in the trace."""
        return self._core.num

    title = _asking(Field.TITLE, "title")
    url = _asking(Field.URL, "url")
    slug = _asking(Field.SLUG, "slug")
    canonical = _asking(Field.URL, "canonical")
    published = _asking(Field.PUBLISHED, "published")
    is_draft = _asking(Field.EXTRA, "is_draft")
    updated = _asking(Field.UPDATED, "updated")
    excerpt = _asking(Field.EXCERPT, "excerpt")
    content = _asking(Field.CONTENT, "content")
    absolute_content = _asking(Field.CONTENT, "absolute_content")
    toc = _asking(Field.TOC, "toc")
    words = _asking(Field.WORDS, "words")
    reading_minutes = _asking(Field.MINUTES, "reading_minutes")
    cover = _asking(Field.COVER, "cover")
    comments = _asking(Field.COMMENTS, "comments")
    author = _asking(Field.AUTHOR, "author")
    seo_title = _asking(Field.SEO, "seo_title")
    seo_description = _asking(Field.SEO, "seo_description")
    extra = _asking(Field.EXTRA, "extra")

    @property
    def tags(self) -> list[TermView]:
        self.fields |= TAGS
        return list(self._core.tags)

    @property
    def image(self) -> MediaView | None:
        """The cover, else the body's first picture."""
        self.fields |= COVER
        if self._core.cover is not None:
            return self._core.cover
        self.fields |= PICTURE
        return self._core.picture

    @property
    def previous(self) -> PostView | None:
        """The next older post."""
        self.fields |= PREVIOUS
        return self._reader.post(self._core.previous) if self._core.previous else None

    @property
    def next(self) -> PostView | None:
        """The next newer post."""
        self.fields |= NEXT
        return self._reader.post(self._core.next) if self._core.next else None

    def related(self, limit: int) -> list[PostView]:
        """Other posts that share the most tags with this one; the newer first among equals."""
        return self._reader.related(self.id, limit)
