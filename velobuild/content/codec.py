"""Entries ↔ canonical JSON, as the store keeps them."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

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
NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in TYPES.values()}


def timestamp(moment: datetime) -> str:
    """A fixed-width UTC form, so that text order is time order: `2026-05-03T10:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def encode(entry: Entry) -> str:
    """Canonical JSON of every field."""
    return canonical({name: _plain(getattr(entry, name)) for name in NAMES[type(entry)]}).decode()


def decode(collection: Collection, text: str, **more: Any) -> Entry:
    """The entry that `encode` wrote; `more` gives the fields that are kept elsewhere."""
    values: dict[str, Any] = {**json.loads(text), **more}
    for name, value in values.items():
        if name in TIMES and value is not None:
            values[name] = datetime.fromisoformat(value)
        elif name == "tags":
            values[name] = tuple(value)
        elif name == "body_format":
            values[name] = BodyFormat(value)
        elif name == "extra":
            values[name] = MappingProxyType(value)
    return TYPES[collection](**values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, MappingProxyType):
        return dict(value)
    return value
