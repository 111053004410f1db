"""VeloCMS through its REST API v1: the fewest calls that can do.

Lists carry no bodies, so a body is fetched once for each (id, version) and never again; what was fetched is handed
over at once and survives a stop at any moment. A post goes only when the CMS, asked for that very post, says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from velobuild.errors import Diagnostic, TokenError
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Comment, Delta, Media
from velobuild.model.ports import Known
from velobuild.sources.base import ApiSource, whole_settings
from velobuild.sources.listing import PER_PAGE, Listing
from velobuild.sources.memory import Memory, recall
from velobuild.sources.named import read_named
from velobuild.sources.posts import POSTS, PostReading, Tally
from velobuild.sources.records import (
    Unusable,
    comment_of,
    media_of,
    record_id,
    settings_of,
    title_of,
    unwrap,
    version_of_entry,
)
from velobuild.sources.velocms_drafts import ReadingWithDrafts, say_if_none

MEDIA, COMMENTS, SETTINGS = Collection.MEDIA, Collection.COMMENTS, Collection.SETTINGS
OPTIONAL_SCOPES = {MEDIA: "media:read", COMMENTS: "comments:read", SETTINGS: "site-settings:read"}


class VeloCms(ApiSource):
    """A `Source`."""

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`. A future date does not hold a post back here: the store knows the hour, this does not.

        Media are listed when a post changed, and once a day, since an alt text can change alone.

        Raises TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        self._tally = Tally()
        memory = recall(cursor, self._limits)
        media_due = memory.media_due(self._clock())
        kind = ReadingWithDrafts if self._drafts else PostReading
        posts = kind(
            self._client,
            self._config,
            self._limits,
            known=known,
            memory=memory,
            tally=self._tally,
            warn=self._warn,
            progress=self._progress,
            calls_after=lambda changed: self._calls_after_posts(known, media=changed or media_due),
        )
        yield from posts.deltas()
        if isinstance(posts, ReadingWithDrafts):
            say_if_none(posts.drafts_seen, self._warn, self._client.base_url)
        memory = replace(memory, left_out=posts.left_out, members=posts.members)
        if posts.versions != known.versions(POSTS):
            # Said already in the posts' own cursor: if the media cannot be read now, they are due next time.
            memory = replace(memory, media_at=None)
        yield Delta(POSTS, versions=posts.versions, cursor=memory.cursor(), complete=True)
        if memory.media_due(self._clock()):
            memory = replace(memory, media_at=self._clock())
            yield from self._records(known, MEDIA, "media", {}, memory)
        if self._config.comments:
            yield from self._records(known, COMMENTS, "comments", {"status": "approved"}, memory, posts.versions)
        yield from self._settings(known, memory)

    def fetch(self, ids: Sequence[str]) -> Iterator[Delta]:
        """See `FetchesPosts.fetch`."""
        self._tally = Tally()
        yield from read_named(self._client, self._config, self._limits, ids, tally=self._tally, warn=self._warn)

    def _calls_after_posts(self, known: Known, *, media: bool) -> int:
        """The settings, and lists that are taken to be as long as last time."""
        return 1 + media * _pages(known, MEDIA) + self._config.comments * _pages(known, COMMENTS)

    def _records(
        self,
        known: Known,
        collection: Collection,
        path: str,
        params: dict[str, str],
        memory: Memory,
        posts: dict[str, str] | None = None,
    ) -> Iterator[Delta]:
        """A listed collection without bodies. `posts` are those whose comments are wanted."""
        after = 1 + _pages(known, COMMENTS) * (collection is MEDIA and self._config.comments)
        listing = Listing(self._client, path, params, progress=self._progress, calls_after=after)
        committed = known.versions(collection)
        versions: dict[str, str] = {}
        try:
            for records in listing:
                entries = [entry for raw in records if (entry := self._entry(raw, collection, committed, versions))]
                wanted = [e for e in entries if not isinstance(e, Comment) or posts is None or e.post_id in posts]
                page = {entry.id: version_of_entry(entry) for entry in wanted}
                versions.update(page)
                news = tuple(entry for entry in wanted if not known.holds(collection, entry.id, page[entry.id]))
                if news:
                    yield Delta(collection, upserts=news, versions={entry.id: page[entry.id] for entry in news})
        except (TokenError, RecordMissing) as error:
            self._do_without(collection, error)
            return
        if not listing.stable:
            versions = committed | versions
            self._warn(
                Diagnostic("VB2205", f"the list of {path} kept changing; what was known stays", self._client.base_url)
            )
        yield Delta(collection, versions=versions, cursor=memory.cursor(), complete=True)

    def _entry(
        self, raw: Any, collection: Collection, committed: dict[str, str], versions: dict[str, str]
    ) -> Media | Comment | None:
        try:
            return media_of(raw) if collection is MEDIA else comment_of(raw)
        except Unusable as error:
            self._leave_out(f"{collection.value}: {title_of(raw)}", error)
        try:
            id = record_id(raw)
        except Unusable:
            return None
        if id in committed:
            versions[id] = committed[id]
        return None

    def _settings(self, known: Known, memory: Memory) -> Iterator[Delta]:
        try:
            raw = unwrap(self._client.get_json("site-settings").body)
            settings = settings_of(raw)
        except (TokenError, RecordMissing) as error:
            self._do_without(SETTINGS, error)
            return
        except Unusable as error:
            self._leave_out("site-settings", error)
            return
        yield whole_settings(known, settings, cursor=memory.cursor())

    def _do_without(self, collection: Collection, error: TokenError | RecordMissing) -> None:
        hint = f"give the key the scope {OPTIONAL_SCOPES[collection]} under Admin → Settings → API Keys"
        self._without(collection, error, where=self._client.base_url, hint=hint)


def _pages(known: Known, collection: Collection) -> int:
    return max(-(-len(known.versions(collection)) // PER_PAGE), 1)
