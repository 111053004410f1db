"""VeloCMS's posts with its drafts among them, for a preview: as published as any other, and marked.

The API's documents do not agree on whether a key that may read posts is shown drafts. Where it is, a list that names no
status holds them; where it is not, the list is as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from velobuild.errors import Diagnostic
from velobuild.model.entries import DRAFT, Delta, Post
from velobuild.model.ports import Warn
from velobuild.sources.listing import Listing
from velobuild.sources.posts import Listed, PostReading
from velobuild.sources.records import PUBLISHED, Summary


class ReadingWithDrafts(PostReading):
    """Takes whatever is not published for a draft. `drafts_seen` counts those that were listed."""

    drafts_seen = 0

    def _listing(self) -> Listed:
        return Listing(self._client, "posts", {}, progress=self._progress)

    def _summary(self, raw: Any) -> Summary:
        summary = super()._summary(raw)
        self.drafts_seen += not summary.published
        return replace(summary, published=True)

    def _whole(self, raw: Any, version: str, *, listed_version: str | None = None) -> Iterator[Delta]:
        for delta in super()._whole(raw, version, listed_version=listed_version):
            yield replace(delta, upserts=tuple(as_published(e) if isinstance(e, Post) else e for e in delta.upserts))


def as_published(post: Post) -> Post:
    """A draft as a preview shows it; any other post as it is."""
    if post.status == PUBLISHED:
        return post
    return replace(post, status=PUBLISHED, extra={**post.extra, DRAFT: True})


def say_if_none(drafts_seen: int, warn: Warn, where: str) -> None:
    """A preview in which a draft is missing must not leave anybody to wonder why."""
    if not drafts_seen:
        warn(
            Diagnostic(
                "VB2207",
                "the CMS listed no draft to this token",
                where,
                "there is none, or it may read published posts alone; those of the future are shown all the same",
            )
        )
