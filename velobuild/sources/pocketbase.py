"""PocketBase's own API, bare or as VeloCMS shows it: about one call for a thousand posts, and no write.

Nothing but GET is sent, except `POST files/token` without a body, which changes nothing: PocketBase's only way to tell
a token that counts from one that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from velobuild.config.schema import Loaded, SourceConfig
from velobuild.errors import ConfigError, Diagnostic, TokenError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media
from velobuild.model.ports import Clock, Known, Progress, Warn
from velobuild.sources.base import ApiSource, new_media, whole_settings
from velobuild.sources.covers import kept_covers
from velobuild.sources.listing import no_progress
from velobuild.sources.memory import Memory, recall
from velobuild.sources.named import NothingKnown
from velobuild.sources.opening import Opened, connect, site_of
from velobuild.sources.pocketbase_api import API_PATH, POCKETBASE, START, FileTokens, Pages, check_token, file_url
from velobuild.sources.pocketbase_doctor import diagnose
from velobuild.sources.pocketbase_posts import PostReading
from velobuild.sources.pocketbase_records import SYSTEM, raw_media, raw_settings
from velobuild.sources.posts import POSTS, Tally
from velobuild.sources.records import Unusable, media_of, settings_of, title_of

MEDIA, SETTINGS = Collection.MEDIA, Collection.SETTINGS


class PocketBase(ApiSource):
    """A `Source`."""

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`. A future date does not hold a post back here: the store knows the hour, this does not.

        Raises TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        self._tally = Tally(may_empty=False)
        check_token(self._client, now=self._clock(), warn=self._warn)
        memory = recall(cursor, self._limits)
        posts = PostReading(
            self._client,
            self._config,
            self._limits,
            known=known,
            memory=memory,
            tally=self._tally,
            now=self._clock(),
            warn=self._warn,
            progress=self._progress,
            drafts=self._drafts,
        )
        yield from posts.deltas()
        memory = replace(memory, left_out=posts.left_out, members=posts.members, glance=posts.glance)
        yield Delta(POSTS, versions=posts.versions, cursor=memory.cursor(), complete=True)
        yield from self._media(known, memory, kept_covers(known, posts.versions, posts.covers))
        yield from self._settings(known, memory)
        if self._config.comments:
            self._warn(
                Diagnostic("VB2207", "comments are not read from PocketBase", "source.comments", "leave it at false")
            )

    def fetch(self, ids: Sequence[str]) -> Iterator[Delta]:
        """See `FetchesPosts.fetch`. A post that is not shown is certain to be gone only to a whole reading."""
        self._tally = Tally(may_empty=False)
        posts = PostReading(
            self._client,
            self._config,
            self._limits,
            known=NothingKnown(),
            memory=recall(None, self._limits),
            tally=self._tally,
            now=self._clock(),
            warn=self._warn,
            progress=self._progress,
        )
        yield from posts.named(ids)

    def _media(self, known: Known, memory: Memory, covers: dict[str, str]) -> Iterator[Delta]:
        name = self._config.collections.media
        committed = known.versions(MEDIA)
        versions: dict[str, str] = {}
        kept = {id: version for id, version in committed.items() if "~" not in id}
        try:
            pages = Pages(self._client, name) if name else ()
            entry = partial(self._media_entry, committed=committed, versions=versions)
            yield from new_media(known, pages, entry, versions)
        except (TokenError, RecordMissing) as error:
            self._do_without(MEDIA, name, error)
            versions = kept
        if name and kept and not versions:
            # To a token without the right, PocketBase shows an empty list.
            self._warn(
                Diagnostic(
                    "VB2207",
                    f"PocketBase shows no record of `{name}` any more; what was fetched before is kept",
                    f"{self._client.base_url}/collections/{name}",
                    "let the user of this token list the collection (its API rules)",
                )
            )
            versions = kept
        yield Delta(MEDIA, versions=versions | covers, cursor=memory.cursor(), complete=True)

    def _media_entry(self, record: dict[str, Any], committed: dict[str, str], versions: dict[str, str]) -> Media | None:
        names = self._config.media_fields
        try:
            raw = raw_media(record, names, file_url=self._file_url)
            if "url" not in raw and not record.keys() & {names.file, names.url}:
                raise ConfigError(
                    f"the collection `{self._config.collections.media}` has no field `{names.file}`, "
                    f"nor any other with a stored file",
                    code="VB1303",
                    where="source.media_fields.file",
                    hint=f"its fields: {', '.join(sorted(record.keys() - SYSTEM))}",
                )
            return media_of(raw)
        except Unusable as error:
            self._leave_out(f"media: {title_of(record)}", error)
        if record["id"] in committed:
            versions[record["id"]] = committed[record["id"]]
        return None

    def _file_url(self, record: Mapping[str, Any], filename: str) -> str:
        return file_url(self._client.base_url, record, filename)

    def _settings(self, known: Known, memory: Memory) -> Iterator[Delta]:
        name = self._config.collections.settings
        if not name:
            yield Delta(SETTINGS, cursor=memory.cursor(), complete=True)
            return
        try:
            records = next(iter(Pages(self._client, name, size=1)))
            if not records:
                raise RecordMissing(f"PocketBase shows no record of `{name}`", code="VB2201")
            settings = settings_of(raw_settings(records[0], self._config.settings_fields, file_url=self._file_url))
        except (TokenError, RecordMissing) as error:
            self._do_without(SETTINGS, name, error)
            return
        except Unusable as error:
            self._leave_out(name, error)
            return
        yield whole_settings(known, settings, cursor=memory.cursor())

    def _do_without(self, collection: Collection, name: str, error: TokenError | RecordMissing) -> None:
        where = f"{self._client.base_url}/collections/{name}"
        another = f"name another in [source.collections] {collection.value}"
        self._without(collection, error, where=where, hint=f"let the user of this token list `{name}`, or {another}")


def open_pocketbase(
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
        loaded, api_base(config), cache=cache, clock=clock, warn=warn, sleep=sleep, dialect=POCKETBASE, start=START
    )
    source = PocketBase(
        client,
        config,
        loaded.config.limits,
        clock=clock,
        warn=warn,
        progress=progress or no_progress,
        drafts=loaded.drafts,
    )
    return Opened(source, client, limiter, lambda: diagnose(client, config, clock=clock))


def file_tokens_of(loaded: Loaded, *, cache: Path | None, clock: Clock, sleep: Callable[[float], None]) -> FileTokens:
    """What lets protected files be fetched. Nothing is sent until one is needed."""

    def opened() -> tuple[ApiClient, Callable[[], None]]:
        client, limiter = connect(
            loaded,
            api_base(loaded.config.source),
            cache=cache,
            clock=clock,
            warn=lambda finding: None,
            sleep=sleep,
            dialect=POCKETBASE,
            start=START,
        )

        def close() -> None:
            client.close()
            limiter.close()

        return client, close

    return FileTokens(opened)


def api_base(config: SourceConfig) -> str:
    """The API's base below PocketBase's address. Raises ConfigError VB1105."""
    return site_of(config) + API_PATH
