"""What an export holds, in velobuild's words, whichever system it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from velobuild.errors import ContentProblem, Diagnostic

LeftOut = Callable[[str, str], None]
"""Told what of the export was not taken over, or not as it was, and why."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A post or a page. `html` is its body; `date` and `updated` are aware and keep the offset of the old site.

    `guid` is what the old feed called it. `old_path` is its old address from the host's root, None if it had none.
    """

    kind: Literal["post", "page"]
    id: str
    slug: str
    title: str
    html: str
    status: Literal["published", "draft"]
    date: datetime | None = None
    updated: datetime | None = None
    tags: tuple[str, ...] = ()
    author: str | None = None
    excerpt: str | None = None
    cover: str | None = None
    cover_alt: str | None = None
    guid: str | None = None
    old_path: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OldSite:
    """What the export says of the site itself. `url` has no slash at its end."""

    title: str | None = None
    description: str | None = None
    url: str | None = None
    language: str | None = None
    timezone: str | None = None


def finding(what: str, why: str) -> Diagnostic:
    """What was left out, for the list at the end."""
    return Diagnostic("VB3202", why, what)


def unreadable(what: str, *, where: str, hint: str) -> ContentProblem:
    """The export as a whole cannot be read."""
    return ContentProblem(what, code="VB3201", where=where, hint=hint)
