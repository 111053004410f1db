"""Entries ↔ canonical JSON, as the store keeps them."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import fields
from datetime import UTC, datetime
from sys import intern
from types import MappingProxyType
from typing import Any

from velobuild.content.moments import timestamp
from velobuild.model.entries import BodyFormat, Collection, Comment, Entry, Media, Page, Post, SiteSettings
from velobuild.model.keys import canonical

TYPES: dict[Collection, type[Entry]] = {
    Collection.POSTS: Post,
    Collection.PAGES: Page,
    Collection.MEDIA: Media,
    Collection.COMMENTS: Comment,
    Collection.SETTINGS: SiteSettings,
}
TIMES = frozenset({"published_at", "updated_at", "created_at"})
CODED = TIMES | {"tags", "body_format", "extra"}
SHARED_CHARS_MAX = 64
"""Such as an author's name; a longer text is a post's own."""
NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in TYPES.values()}


def published_at(post: Post) -> datetime | None:
    """The publication, else the creation where the CMS says it: what a reader takes for a post's date. Aware."""
    created = post.extra.get("created")
    if post.published_at is not None or not isinstance(created, str) or len(created) < len("2026-05-03T10:00:00"):
        return post.published_at
    try:
        moment = datetime.fromisoformat(created.replace(" ", "T", 1))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def sort_time(post: Post) -> str:
    """What a post is ordered by: its publication, else its creation, else its last change."""
    return timestamp(published_at(post) or post.updated_at)


def tag_key(name: str) -> str:
    """Equal for spellings of one tag: case and Unicode normal form do not count."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def encode(entry: Entry) -> str:
    """Canonical JSON of every field."""
    return canonical({name: _plain(getattr(entry, name)) for name in NAMES[type(entry)]}).decode()


def decode(collection: Collection, text: str, **more: Any) -> Entry:
    """The entry that `encode` wrote; `more` gives the fields that are kept elsewhere.

    Tags, and what a CMS names in `extra`, are the same few in thousands of posts: each spelling is in memory once.
    """
    values: dict[str, Any] = {**json.loads(text), **more}
    for name in CODED & values.keys():
        value = values[name]
        if name in TIMES:
            values[name] = None if value is None else datetime.fromisoformat(value)
        elif name == "tags":
            values[name] = tuple(map(intern, value))
        elif name == "body_format":
            values[name] = BodyFormat(value)
        else:
            values[name] = MappingProxyType({intern(key): _shared(given) for key, given in value.items()})
    return TYPES[collection](**values)


def _shared(value: Any) -> Any:
    return intern(value) if type(value) is str and len(value) <= SHARED_CHARS_MAX else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, MappingProxyType):
        return dict(value)
    return value
