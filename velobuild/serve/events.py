"""What the queue holds: events, letters of no use, and what became of them. Values alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Literal

POST_KINDS = frozenset({"post.published", "post.updated", "post.deleted", "post.unpublished", "post.changed"})
"""`post.changed` says nothing of what the post is now: it may be a draft as well."""
NO_WORK = frozenset({"ping", "other"})
"""Kinds that are kept for people to see, and never given to a build."""

Outcome = Literal["built", "nothing"]
Stage = Literal["fetched", "built", "published"]


@dataclass(frozen=True, slots=True)
class Event:
    """One hint that something changed.

    `kind` is one of POST_KINDS, of NO_WORK, or `media.changed`, `terms.changed`, `settings.changed`,
    `comment.changed`, `reconcile`. `version` is what the payload says of the post's updated time, as it stands there,
    or None. `id` is the queue's own number, 0 before it was accepted.
    """

    site: str
    dialect: str
    kind: str
    post_id: str | None
    slug: str | None
    version: str | None
    received_at: datetime
    delivery_id: str | None
    id: int = 0

    @property
    def same(self) -> str:
        """Equal for two deliveries that ask for the very same work."""
        fields = (self.site, self.dialect, self.kind, self.post_id, self.slug, self.version, self.delivery_id)
        return blake2b(repr(fields).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery that was authentic and of no use: its body is kept for a person to look at."""

    site: str
    dialect: str
    why: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """An event with what became of it: what people are shown. Times are None until the stage was reached."""

    event: Event
    state: Literal["new", "taken", "done", "dead"]
    deliveries: int
    outcome: str | None = None
    why: str | None = None
    body: bytes | None = field(default=None, repr=False)
    fetched_at: datetime | None = None
    built_at: datetime | None = None
    published_at: datetime | None = None
    finished_at: datetime | None = None
