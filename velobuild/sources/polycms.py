"""PolyCMS, in either of its generations: whole posts in lists, no token needed for them, and dates that tell little.

Nothing but GET is sent. Media and settings need a token; without one the pictures of the posts themselves are used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from velobuild.config.schema import LimitsConfig, Loaded, SourceConfig
from velobuild.errors import ConfigError, Diagnostic, ProtocolError, SourceUnavailable, TokenError, VelobuildError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media
from velobuild.model.keys import fingerprint
from velobuild.model.ports import Clock, Known, Progress, Warn, utc_now
from velobuild.sources.base import ApiSource, whole_settings
from velobuild.sources.covers import kept_covers
from velobuild.sources.listing import no_progress
from velobuild.sources.memory import Memory, recall
from velobuild.sources.named import NothingKnown
from velobuild.sources.opening import Opened, connect, site_of
from velobuild.sources.polycms_api import (
    LEGACY,
    START,
    V1,
    Addresses,
    Generation,
    base_of,
    numbers_of,
    obj,
    other_api,
    rows_of,
)
from velobuild.sources.polycms_doctor import diagnose
from velobuild.sources.polycms_listing import PolyListing, changed_at, page_of
from velobuild.sources.polycms_pages import PageReading
from velobuild.sources.polycms_posts import FEW, NEWEST_FIRST, PolyPostReading, read_singly, shows_files
from velobuild.sources.polycms_records import Numbered, media_raw, settings_raw
from velobuild.sources.posts import POSTS, Tally
from velobuild.sources.records import (
    PUBLISHED,
    Unusable,
    cleaned,
    media_of,
    record_id,
    settings_of,
    title_of,
    version_of_entry,
)

MEDIA, PAGES, SETTINGS = Collection.MEDIA, Collection.PAGES, Collection.SETTINGS
KEY_HINT = "make a key under Blog → Settings in PolyCMS, switch its REST API on there, and export it"


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
        self._v1 = client
        self._legacy = client.beside(base_of(config, LEGACY), LEGACY.dialect)
        self._posts = replace(config, types=tuple(kind for kind in config.types if kind != "page"))
        self._has_token = has_token
        self._generation = V1
        self._addresses = Addresses.of(site_of(config))
        self._total = 0
        self._newest: datetime | None = None

    @property
    def tally(self) -> Tally:
        used, other = self._client, self._legacy if self._client is self._v1 else self._v1
        self._tally.usage = replace(used.usage, calls=used.usage.calls + other.usage.calls)
        return self._tally

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
            self._generation,
            self._posts,
            self._limits,
            known=known,
            memory=memory,
            tally=self._tally,
            addresses=self._addresses,
            media=numbered,
            terms=terms,
            newest=self._newest,
            now=self._clock(),
            warn=self._warn,
            progress=self._progress,
        )

    def _choose(self) -> None:
        """Find out which generation answers, and under which name it knows itself. Raises what the first one said."""
        if self._config.api == "legacy":
            self._use_legacy()
            return
        try:
            self._look(self._v1, V1)
        except SourceUnavailable:
            raise
        except VelobuildError as error:
            if self._config.api == "v1" or not self._is_legacy(error):
                raise
            self._use_legacy(error)

    def _look(self, client: ApiClient, generation: Generation) -> None:
        """One row of the list of posts. Raises what the client and `page_of` raise."""
        asked: dict[str, str | int] = {"status": PUBLISHED, "page": 1, "per_page": 1}
        if generation is V1:
            # Short rows, which one broken post does not make a failure.
            asked |= {"type": self._config.types[0], "compact": 1, **NEWEST_FIRST}
        where = f"{client.base_url}/posts"
        try:
            body = client.get_json("posts", asked).body
        except RecordMissing as error:
            raise other_api(where, "there is no list of posts") from error
        page = page_of(body, 1, generation=generation, resource="posts", where=where)
        dates = [at for at in map(changed_at, page.items) if at is not None]
        posts_first = generation is V1 and self._config.types[0] != "page"
        self._newest = max(dates) if posts_first and dates else None
        self._addresses = Addresses.of(site_of(self._config), body)
        self._total = numbers_of(body).total or 0

    def _is_legacy(self, found: VelobuildError) -> bool:
        """Whether the older generation answers: with a list, or by asking for a key where the other asked for none."""
        try:
            self._look(self._legacy, LEGACY)
        except TokenError as error:
            return error.code == "VB2001" and not isinstance(found, TokenError)
        except (ConfigError, ProtocolError, SourceUnavailable):
            return False
        return True

    def _use_legacy(self, found: VelobuildError | None = None) -> None:
        if not self._has_token:
            raise ConfigError(
                "PolyCMS's older API gives nothing without a key",
                code="VB1201",
                where=f"environment variable {self._config.token_env}",
                hint=f"{KEY_HINT} as {self._config.token_env}",
            ) from found
        self._client, self._generation = self._legacy, LEGACY

    def _terms(self) -> str | None:
        """What tags and categories are called now: a renamed one leaves the dates of its posts as they were.

        None where all posts are read anyway: they are few, of several types, or of the older generation.
        """
        if self._generation is LEGACY or len(self._posts.types) != 1 or self._total <= FEW:
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
            self._generation,
            self._limits,
            known,
            self._tally,
            self._addresses,
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
        listing = PolyListing(self._client, self._generation, "media", progress=self._progress)
        try:
            for records in listing:
                news: list[Media] = []
                for record in records:
                    media = self._media_entry(record, committed, versions)
                    if media is not None:
                        numbered[media.id] = (media.url, media.alt)
                        versions[media.id] = version_of_entry(media)
                        if not known.holds(MEDIA, media.id, versions[media.id]):
                            news.append(media)
                if news:
                    yield Delta(MEDIA, upserts=tuple(news), versions={media.id: versions[media.id] for media in news})
        except (TokenError, RecordMissing) as error:
            self._do_without(MEDIA, "media", error)
            return kept
        if not listing.stable:
            self._warn(Diagnostic("VB2205", "the list of media kept changing; what was known stays", self._where))
            return kept | versions
        return versions

    def _media_entry(self, record: Any, committed: dict[str, str], versions: dict[str, str]) -> Media | None:
        try:
            raw = media_raw(record, self._addresses) if isinstance(record, dict) else record
            return None if raw is None else media_of(raw)
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
        if self._generation is LEGACY:
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
            settings = settings_of(cleaned(settings_raw(obj(groups), self._addresses)))
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
