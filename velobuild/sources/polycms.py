"""PolyCMS, in either of its generations: whole posts in lists, no token needed for them, and dates that tell little.

Nothing but GET is sent. Media and settings need a token; without one the pictures of the posts themselves are used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from velobuild.config.schema import LimitsConfig, Loaded, SourceConfig
from velobuild.errors import Diagnostic, TokenError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media
from velobuild.model.keys import fingerprint
from velobuild.model.ports import Clock, Known, Progress, Warn, utc_now
from velobuild.sources.base import ApiSource, new_media, whole_settings
from velobuild.sources.covers import kept_covers
from velobuild.sources.listing import no_progress
from velobuild.sources.memory import Memory, recall
from velobuild.sources.named import NothingKnown
from velobuild.sources.opening import Opened, connect
from velobuild.sources.polycms_api import (
    LEGACY,
    START,
    V1,
    base_of,
    obj,
    rows_of,
)
from velobuild.sources.polycms_choice import Answers
from velobuild.sources.polycms_doctor import diagnose
from velobuild.sources.polycms_listing import PolyListing
from velobuild.sources.polycms_pages import PageReading
from velobuild.sources.polycms_posts import FEW, PolyPostReading, read_singly, shows_files
from velobuild.sources.polycms_records import Numbered, media_raw, settings_raw
from velobuild.sources.posts import POSTS, Tally
from velobuild.sources.records import (
    Unusable,
    cleaned,
    media_of,
    record_id,
    settings_of,
    title_of,
)

MEDIA, PAGES, SETTINGS = Collection.MEDIA, Collection.PAGES, Collection.SETTINGS


class PolyCms(ApiSource):
    """A `Source`."""

    def __init__(
        self,
        client: ApiClient,
        config: SourceConfig,
        limits: LimitsConfig,
        *,
        has_token: bool,
        clock: Clock = utc_now,
        warn: Warn = lambda finding: None,
        progress: Progress = no_progress,
    ) -> None:
        super().__init__(client, config, limits, clock=clock, warn=warn, progress=progress)
        self._answers = Answers(client, config, has_token=has_token)
        self._posts = replace(config, types=tuple(kind for kind in config.types if kind != "page"))
        self._has_token = has_token
        self._at = self._answers.unasked

    @property
    def tally(self) -> Tally:
        self._tally.usage = self._answers.usage(self._client)
        return self._tally

    def _choose(self) -> None:
        self._at = self._answers.found()
        self._client = self._at.client

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`. A future date does not hold a post back here: the store knows the hour, this does not.

        Raises TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        self._tally = Tally()
        self._choose()
        # First, for it tells whether the token counts: a list of posts does not.
        settings = list(self._settings(known))
        memory = recall(cursor, self._limits)
        numbered: dict[str, tuple[str, str | None]] = {}
        media = yield from self._media(known, numbered)
        posts = self._reading(known, memory, numbered, self._terms())
        yield from posts.deltas()
        memory = replace(memory, left_out=posts.left_out, members=posts.members, glance=posts.glance)
        yield Delta(POSTS, versions=posts.versions, cursor=memory.cursor(), complete=True)
        covers = kept_covers(known, posts.versions, posts.covers)
        yield Delta(MEDIA, versions=media | covers, cursor=memory.cursor(), complete=True)
        yield from self._pages(known, numbered)
        for delta in settings:
            yield replace(delta, cursor=memory.cursor())
        if self._config.comments:
            self._warn(Diagnostic("VB2207", "PolyCMS has no comments to read", "source.comments", "leave it at false"))

    def fetch(self, ids: Sequence[str]) -> Iterator[Delta]:
        """See `FetchesPosts.fetch`. The library is read only where a post shows what is known by a number there."""
        self._tally = Tally()
        self._choose()
        records = read_singly(self._client, ids)
        numbered: dict[str, tuple[str, str | None]] = {}
        if any(map(shows_files, records.values())):
            for _ in self._media(NothingKnown(), numbered):
                pass
        memory = recall(None, self._limits)
        yield from self._reading(NothingKnown(), memory, numbered, None).named(records)

    def _reading(self, known: Known, memory: Memory, numbered: Numbered, terms: str | None) -> PolyPostReading:
        return PolyPostReading(
            self._client,
            self._at.generation,
            self._posts,
            self._limits,
            known=known,
            memory=memory,
            tally=self._tally,
            addresses=self._at.addresses,
            media=numbered,
            terms=terms,
            newest=self._at.newest,
            now=self._clock(),
            warn=self._warn,
            progress=self._progress,
        )

    def _terms(self) -> str | None:
        """What tags and categories are called now: a renamed one leaves the dates of its posts as they were.

        None where all posts are read anyway: they are few, of several types, or of the older generation.
        """
        if self._at.generation is LEGACY or len(self._posts.types) != 1 or self._at.total <= FEW:
            return None
        shown: list[Any] = []
        for resource in ("post-tags", "categories"):
            # Never with `per_page`, which cuts the list of tags without a word.
            rows = rows_of(self._client.get_json(resource).body, resource)
            if rows is None:
                return None
            shown.append([[row.get(name) for name in ("id", "name", "slug")] for row in rows if isinstance(row, dict)])
        return fingerprint(cleaned(shown)).hex()

    def _pages(self, known: Known, numbered: Numbered) -> Iterator[Delta]:
        pages = PageReading(
            self._client,
            self._at.generation,
            self._limits,
            known,
            self._tally,
            self._at.addresses,
            numbered,
            self._clock(),
            self._warn,
        )
        if "page" in self._config.types:
            yield from pages.deltas()
        yield Delta(PAGES, versions=pages.versions, complete=True)

    def _media(
        self, known: Known, numbered: dict[str, tuple[str, str | None]]
    ) -> Generator[Delta, None, dict[str, str]]:
        """Yields what is new; returns the versions of all, and fills `numbered`."""
        committed = known.versions(MEDIA)
        kept = {id: version for id, version in committed.items() if "~" not in id}
        versions: dict[str, str] = {}
        if not self._has_token:
            return kept
        listing = PolyListing(self._client, self._at.generation, "media", progress=self._progress)
        try:
            entry = partial(self._media_entry, committed=committed, versions=versions, numbered=numbered)
            yield from new_media(known, listing, entry, versions)
        except (TokenError, RecordMissing) as error:
            self._do_without(MEDIA, "media", error)
            return kept
        if not listing.stable:
            self._warn(Diagnostic("VB2205", "the list of media kept changing; what was known stays", self._where))
            return kept | versions
        return versions

    def _media_entry(
        self,
        record: Any,
        committed: dict[str, str],
        versions: dict[str, str],
        numbered: dict[str, tuple[str, str | None]],
    ) -> Media | None:
        try:
            raw = media_raw(record, self._at.addresses) if isinstance(record, dict) else record
            media = None if raw is None else media_of(raw)
            if media is not None:
                numbered[media.id] = (media.url, media.alt)
            return media
        except Unusable as error:
            self._leave_out(f"media: {title_of(record)}", error)
        try:
            id = record_id(record)
        except Unusable:
            return None
        if id in committed:
            versions[id] = committed[id]
        return None

    def _settings(self, known: Known) -> Iterator[Delta]:
        if self._at.generation is LEGACY:
            return
        groups: Any = None
        try:
            if self._has_token:
                groups = obj(self._client.get_json("settings").body).get("data")
        except (TokenError, RecordMissing) as error:
            self._do_without(SETTINGS, "settings", error)
        try:
            if not isinstance(groups, dict):
                groups = obj(self._client.get_json("public/settings").body).get("data")
            settings = settings_of(cleaned(settings_raw(obj(groups), self._at.addresses)))
        except (TokenError, RecordMissing) as error:
            self._do_without(SETTINGS, "public/settings", error)
            return
        yield whole_settings(known, settings)

    def _do_without(self, collection: Collection, path: str, error: TokenError | RecordMissing) -> None:
        hint = f"give the token's user the right to see {collection.value} in PolyCMS"
        self._without(collection, error, where=f"{self._where}/{path}", hint=hint)

    @property
    def _token_counts(self) -> bool:
        return self._has_token

    @property
    def _where(self) -> str:
        return self._client.base_url


def open_polycms(
    loaded: Loaded,
    *,
    cache: Path | None,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> Opened:
    """Raises ConfigError."""
    config = loaded.config.source
    client, limiter = connect(
        loaded, base_of(config, V1), cache=cache, clock=clock, warn=warn, sleep=sleep, dialect=V1.dialect, start=START
    )
    source = PolyCms(
        client,
        config,
        loaded.config.limits,
        has_token=bool(loaded.tokens),
        clock=clock,
        warn=warn,
        progress=progress or no_progress,
    )
    return Opened(source, client, limiter, lambda: diagnose(client, config, has_token=bool(loaded.tokens)))
