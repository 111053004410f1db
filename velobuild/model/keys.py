"""What a page may ask for, as values: queries, keys and fingerprints.

A query is data, never code, so that it can be stored, compared and asked again. Its canonical encoding is JSON with
sorted keys; a fingerprint is BLAKE2b-128 over that encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

Fingerprint = bytes
FINGERPRINT_BYTES = 16

Field = Literal["tag", "year", "author", "locale"]
Order = Literal["newest", "oldest", "title"]


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries, in which order. Every order ends in the entry's id, so it is total.

    `where` holds (field, value) pairs that must all hold; `after_id` and `before_id` cut the order at an entry:
    after = those that follow it, before = those that precede it, nearest first. Where a site has locales, the value of
    a tag or a year is that of one locale, so that a list never needs a second condition.
    """

    type: Literal["post"] = "post"
    where: tuple[tuple[Field, str], ...] = ()
    order: Order = "newest"
    limit: int | None = None
    offset: int = 0
    after_id: str | None = None
    before_id: str | None = None


def canonical(value: Any) -> bytes:
    """The one encoding of a value. Mappings are sorted by key; times are ISO 8601 in UTC."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode()


def fingerprint(value: Any) -> Fingerprint:
    """16 bytes that are equal exactly when the canonical encodings are."""
    return blake2b(canonical(value), digest_size=FINGERPRINT_BYTES).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
