"""What a page read, as values: a bit for each field of a post, names for everything else.

A post's fields are bits so that all that a page read of a post is one number. All other reads are *keys*: names such as
`setting:title`, `template:post.html` or `posts:{…}` (a query), whose answers have fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from velobuild.model.keys import Fingerprint
from velobuild.model.locales import year_value


class Field(IntFlag):
    """The fields of a post that a page can read. `PREVIOUS` and `NEXT` say which post that is, not what it holds."""

    TITLE = 1
    URL = 1 << 1
    SLUG = 1 << 2
    PUBLISHED = 1 << 3
    UPDATED = 1 << 4
    TAGS = 1 << 5
    EXCERPT = 1 << 6
    CONTENT = 1 << 7
    TOC = 1 << 8
    WORDS = 1 << 9
    COVER = 1 << 10
    PICTURE = 1 << 11
    PREVIOUS = 1 << 12
    NEXT = 1 << 13
    COMMENTS = 1 << 14
    AUTHOR = 1 << 15
    SEO = 1 << 16
    EXTRA = 1 << 17
    # Apart from the words, which every edit changes: lists show how long a post takes to read.
    MINUTES = 1 << 18


EVERY_FIELD = Field((1 << 19) - 1)
BODY_FIELDS = Field.CONTENT | Field.EXCERPT | Field.TOC | Field.WORDS | Field.MINUTES | Field.PICTURE
"""What is made of a post's body, its excerpt where it has none of its own."""
OPEN_LOW, OPEN_HIGH = "", "A"
"""Before and after every timestamp."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where a change must fall to alter a query's answer: on `facet`, and between `low` and `high` (both inclusive).

    A facet is `post` (every post), `tag=KEY`, `year=2026` (of the site's zone), `author=ID` or `id=ID`; in a site with
    locales also `locale=de`, and `year=de/2026` and `tag=KEY` are of one locale. `several` says that the
    query has more conditions than this one, so that a change of another facet of a post can alter it too.
    """

    facet: str
    low: str = OPEN_LOW
    high: str = OPEN_HIGH
    several: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's answer as the trace keeps it."""

    fingerprint: Fingerprint
    footprints: tuple[Footprint, ...]


@dataclass(frozen=True, slots=True)
class Reads:
    """Everything that one output read: (post number, fields) pairs, queries, and all other keys."""

    posts: tuple[tuple[int, int], ...] = ()
    queries: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()

    @property
    def live(self) -> bool:
        """Whether anything but the theme's own files was read."""
        return any(key.partition(":")[0] not in {"template", "asset"} for key in self.keys)


@dataclass(frozen=True, slots=True)
class Image:
    """What a public post's place in every order and list depends on. `sort_at` is a timestamp, `tags` are the keys of
    the post's locale, which is "" in a site of one language."""

    id: str
    sort_at: str
    title: str
    year: int
    author: str | None
    tags: frozenset[str]
    locale: str = ""

    @property
    def facets(self) -> frozenset[str]:
        own = {"post", f"year={year_value(self.year, self.locale)}", *(f"tag={tag}" for tag in self.tags)}
        if self.locale:
            own.add(f"locale={self.locale}")
        own |= {f"month={self.sort_at[:7]}", f"day={self.sort_at[:10]}"}
        return frozenset(own | {f"author={self.author}"} if self.author is not None else own)


@dataclass(frozen=True, slots=True)
class Touched:
    """What one changed post touches: facets whose every query is suspect, and those whose queries with further
    conditions are. `times` are the moments at which it stood and stands."""

    facets: frozenset[str]
    several: frozenset[str]
    times: tuple[str, ...]


def touched(before: Image | None, after: Image | None) -> Touched:
    """Where to look after a post changed. A footprint only says when to look; the fingerprint decides.

    A post that came, went or moved in an order touches every facet that it had or has. One that kept its place touches
    those that it lost or got; a query with several conditions is registered under one of them only, so all of them do.
    """
    old = before.facets if before else frozenset()
    new = after.facets if after else frozenset()
    times = tuple({image.sort_at for image in (before, after) if image is not None})
    own = frozenset({f"id={image.id}" for image in (before, after) if image is not None})
    if before and after and (before.sort_at, before.title) == (after.sort_at, after.title):
        changed = old ^ new
        return Touched(changed | own if changed else frozenset(), old | new if changed else frozenset(), times)
    return Touched(old | new | own, old | new, times)
