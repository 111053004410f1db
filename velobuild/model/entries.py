"""What a CMS holds: posts, media, settings, comments, and the changes between two moments."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, Any] = MappingProxyType({})
DRAFT = "velobuild_draft"
"""Among a post's `extra`, in a preview with drafts alone: it is none that is published."""


class BodyFormat(StrEnum):
    """How a body is written."""

    HTML = "html"
    MARKDOWN = "markdown"
    BLOCKS = "blocks"


class Collection(StrEnum):
    """The kinds of entry, as they are stored and named in messages."""

    POSTS = "posts"
    PAGES = "pages"
    MEDIA = "media"
    COMMENTS = "comments"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Post:
    """A post as the CMS gave it. Times are aware UTC; `extra` keeps every field that has no name here."""

    id: str
    slug: str
    title: str
    body: str
    body_format: BodyFormat
    status: str
    updated_at: datetime
    published_at: datetime | None = None
    excerpt: str | None = None
    tags: tuple[str, ...] = ()
    author_id: str | None = None
    cover_media_id: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Page:
    """A local page (about.md): `path` is the folder it is published in, relative, such as `about`."""

    id: str
    path: str
    title: str
    body: str
    body_format: BodyFormat = BodyFormat.MARKDOWN
    description: str | None = None
    template: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Media:
    """A file that the CMS knows. `size_bytes`, `width_px` and `height_px` are what the record says, not measured."""

    id: str
    url: str
    filename: str = ""
    mime_type: str = ""
    size_bytes: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    alt: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Comment:
    """An approved comment. The author's e-mail address is never kept."""

    id: str
    post_id: str
    author_name: str
    body: str
    created_at: datetime
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The site's own settings in the CMS."""

    id: str = "settings"
    title: str | None = None
    description: str | None = None
    logo_url: str | None = None
    favicon_url: str | None = None
    comments_enabled: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


Entry = Post | Page | Media | Comment | SiteSettings


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a synchronisation.

    While a collection is being read, deltas carry `upserts` (with their `versions`) as they arrive; they are staged
    where no reader sees them. One closing delta with `complete=True` ends the collection: its `versions` then name
    every entry that exists, staged now or known before, and what is known but not named is gone. `deletes` names
    entries whose absence is certain without a full listing. `cursor` is opaque and comes back at the next sync.
    """

    collection: Collection
    upserts: tuple[Entry, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    cursor: str | None = None
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that became different. `before` and `after` are content fingerprints; None means absent."""

    collection: Collection
    id: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What one applied synchronisation changed; the revision advances only if something did."""

    revision: int
    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)


LOCAL_PAGE = "/"
"""How the ids of the site's own local pages begin; no source's do."""
SOURCE_MARK = ":"
"""Between the name of the source and the id that an entry has there, where the source has a name."""


def source_of(id: str) -> str:
    """The name of the source that an entry's id begins with; "" if it has none."""
    name, mark, _ = id.partition(SOURCE_MARK)
    return name if mark else ""


SLUG_BYTES_MAX = 200
ASCII_WORD = re.compile("[a-z0-9]+")
# Names that Windows, and so many people's copies of a site, cannot hold.
DEVICE_NAMES = frozenset({"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in "0123456789¹²³")})


def slugify(text: str) -> str:
    """A lower-case NFC slug of words joined by `-`; "" if nothing is left.

    Keeps every script's letters, digits and marks (without its vowel signs, Hindi cannot be read); drops what is
    invisible. At most `SLUG_BYTES_MAX` bytes of UTF-8, cut at a character.
    """
    if text.isascii():  # The same, for a fraction of the work.
        return "-".join(ASCII_WORD.findall(text.lower()))[:SLUG_BYTES_MAX].strip("-")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower())
    spaced = "".join(char if is_word_char(char) else " " for char in folded if unicodedata.category(char) != "Cf")
    return cut_bytes("-".join(spaced.split()), SLUG_BYTES_MAX).strip("-")


def is_word_char(char: str) -> bool:
    """Whether a character is part of a word in some script: a letter, a mark or a number."""
    return unicodedata.category(char)[0] in "LMN"


def cut_bytes(text: str, limit_bytes: int) -> str:
    """The longest beginning of `text` that has at most `limit_bytes` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")
