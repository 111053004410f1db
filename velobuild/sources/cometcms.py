"""CometCMS through its public API: schemas, files, then every list as a whole, and nothing that needs a token.

Without a token CometCMS shows what is published and nothing else. A token changes what is seen (drafts, entries of
tomorrow, and less than everybody sees where its grants are narrow), so one is used only where it is configured.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from velobuild.config.schema import CollectionsConfig, Loaded, Secret, SourceConfig
from velobuild.errors import ConfigError, Diagnostic, TokenError
from velobuild.http.download import HeaderToken
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media, SiteSettings
from velobuild.model.ports import Clock, Known, Progress, Warn
from velobuild.sources.base import ApiSource, whole_settings
from velobuild.sources.cometcms_api import API_PATH, START, Entries, Library, media_id
from velobuild.sources.cometcms_doctor import diagnose
from velobuild.sources.cometcms_lists import Lists, locales_of, refuse_missing_locale
from velobuild.sources.cometcms_pages import PageReading
from velobuild.sources.cometcms_posts import Reading
from velobuild.sources.cometcms_records import Drawing, fields_of, is_public, raw_media, shown
from velobuild.sources.cometcms_refusals import COMETCMS
from velobuild.sources.cometcms_schema import (
    ContentType,
    Roles,
    kind_of,
    read_content_types,
    roles_of_pages,
    roles_of_posts,
)
from velobuild.sources.listing import no_progress
from velobuild.sources.named import NothingKnown
from velobuild.sources.opening import Opened, connect, site_of
from velobuild.sources.pocketbase_records import raw_settings
from velobuild.sources.posts import POSTS, Tally
from velobuild.sources.records import Unusable, media_of, settings_of, title_of, unwrap, version_of_entry

MEDIA, PAGES, SETTINGS = Collection.MEDIA, Collection.PAGES, Collection.SETTINGS
FOREIGN = ("velo_", "eyJ")
"""How keys of VeloCMS and PocketBase begin."""


class CometCms(ApiSource):
    """A `Source`."""

    @cached_property
    def _library(self) -> Library:
        return Library(site_of(self._config), self._config.workspace)

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`. Nothing is remembered in a cursor: what is new shows in the entries themselves.

        Raises TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        self._tally = Tally()
        kinds = read_content_types(self._client)
        collections = self._config.collections
        kind = kind_of(kinds, collections.posts, "posts")
        roles = roles_of_posts(kind, self._config)
        refuse_missing_locale(kind, self._config)
        files: dict[str, str] = {}
        whole = yield from self._files(known, files)
        names = frozenset(files)
        drawing = self._drawing(kind, roles, names)
        posts = Reading(self._lists(kind, roles), roles, drawing, self._config, self._limits, known)
        yield from posts.deltas()
        yield Delta(POSTS, versions=posts.versions, complete=True)
        yield from self._closing_media(known, files, posts, whole=whole)
        yield from self._pages(kinds, known, names)
        yield from self._settings(kinds, known)
        if self._config.comments:
            self._warn(Diagnostic("VB2207", "CometCMS has no comments", "source.comments", "leave it at false"))

    def fetch(self, ids: Sequence[str]) -> Iterator[Delta]:
        """See `FetchesPosts.fetch`. The schemas and the library are read all the same: both decide what a post shows.

        Of a collection that is read in several languages an entry is several posts, so nothing is said of it here.
        """
        self._tally = Tally()
        kind = kind_of(read_content_types(self._client), self._config.collections.posts, "posts")
        roles = roles_of_posts(kind, self._config)
        lists = self._lists(kind, roles)
        if len(lists.locales) > 1 or self._config.locales:
            return
        files: dict[str, str] = {}
        for _ in self._files(NothingKnown(), files):
            pass
        drawing = self._drawing(kind, roles, frozenset(files))
        yield from Reading(lists, roles, drawing, self._config, self._limits, NothingKnown()).named(ids)

    def _lists(self, kind: ContentType, roles: Roles) -> Lists:
        locales = locales_of(kind, self._config, roles)
        return Lists(self._client, kind, locales, self._tally, self._warn, self._progress)

    def _drawing(self, kind: ContentType, roles: Roles, files: frozenset[str]) -> Drawing:
        return Drawing(
            kind,
            roles,
            self._library,
            files=files,
            author_names=self._config.author_names,
            now=self._clock(),
            # A collection without locales, such as pages that are in one language, is of none in particular.
            with_locales=bool(self._config.locales and kind.locales),
        )

    # Files.

    def _files(self, known: Known, files: dict[str, str]) -> Generator[Delta, None, bool]:
        """The media library: fills `files`, name → version. Returns whether all of it could be read."""
        listing = Entries(self._client, "media", key="filename", progress=self._progress)
        try:
            for records in listing:
                news: dict[str, Media] = {}
                for record in records:
                    media = self._media(record)
                    if media is not None:
                        files[media.filename] = version = version_of_entry(media)
                        if not known.holds(MEDIA, media.id, version):
                            news[media.id] = media
                if news:
                    yield Delta(MEDIA, tuple(news.values()), {id: files[one.filename] for id, one in news.items()})
        except (TokenError, RecordMissing) as error:
            hint = "grant the token media.read on media:*, or take the token away"
            self._do_without(MEDIA, "media", error, hint)
            return False
        return listing.stable and not listing.unread

    def _media(self, record: Any) -> Media | None:
        try:
            if not isinstance(record, dict):
                raise Unusable("is no object")
            return media_of(raw_media(record, self._library))
        except Unusable as error:
            self._leave_out(f"media: {title_of(record)}", error)
            return None

    def _closing_media(self, known: Known, files: dict[str, str], posts: Reading, *, whole: bool) -> Iterator[Delta]:
        """Covers that the library does not show become files too: that they cannot be had is said when they are asked
        for, which for a private file is when CometCMS answers 401."""
        versions = {media_id(name): version for name, version in files.items()}
        bare = [Media(media_id(name), self._library.url(name), name) for name in sorted(posts.covers - files.keys())]
        news: dict[str, Media] = {}
        for media in bare:
            versions[media.id] = version_of_entry(media)
            if not known.holds(MEDIA, media.id, versions[media.id]):
                news[media.id] = media
        if news:
            yield Delta(MEDIA, tuple(news.values()), {id: versions[id] for id in news})
        if not whole or posts.kept:
            versions = known.versions(MEDIA) | versions
        yield Delta(MEDIA, versions=versions, complete=True)

    # Pages and settings.

    def _pages(self, kinds: dict[str, ContentType], known: Known, files: frozenset[str]) -> Iterator[Delta]:
        name = self._config.collections.pages
        if not name:
            yield Delta(PAGES, complete=True)
            return
        kind = kind_of(kinds, name, "pages")
        roles = roles_of_pages(kind)
        several = len(self._config.locales) > 1
        root = self._config.locales[0] if several else kind.default
        pages = PageReading(self._lists(kind, roles), self._drawing(kind, roles, files), self._limits, known, root)
        yield from pages.deltas()
        yield Delta(PAGES, versions=pages.versions, complete=True)

    def _settings(self, kinds: dict[str, ContentType], known: Known) -> Iterator[Delta]:
        name = self._config.collections.settings
        if not name or (name not in kinds and name == CollectionsConfig().settings):
            yield Delta(SETTINGS, complete=True)
            return
        kind = kind_of(kinds, name, "settings")
        try:
            settings = self._read_settings(kind)
        except (TokenError, RecordMissing) as error:
            self._do_without(SETTINGS, name, error, f'publish `{name}` in CometCMS, or write settings = ""')
            return
        except Unusable as error:
            self._leave_out(name, error)
            return
        yield whole_settings(known, settings)

    def _read_settings(self, kind: ContentType) -> SiteSettings:
        """Raises RecordMissing for settings that are not published, Unusable, and whatever the client raises."""
        if not kind.singleton:
            raise ConfigError(
                f"`{kind.name}` is no singleton, so no entry of it is the settings",
                code="VB1303",
                where="source.collections.settings",
                hint='name a collection that is a singleton in CometCMS, or write settings = ""',
            )
        wanted = next(iter(self._config.locales), "")
        params = {"locale": wanted} if wanted in kind.locales else {}
        # Up to 0.9.6 a singleton is at this address alone.
        entry = unwrap(self._client.get_json(f"content/{kind.name}/{kind.name}", params).body)
        if not isinstance(entry, dict):
            raise Unusable("is no object")
        if not is_public(entry, self._clock()):
            raise RecordMissing("they are not published", code="VB2201")
        record = {"title": entry.get("title")}
        for field, value in fields_of(entry).items():
            schema = kind.fields.get(field)
            shape = shown(value, schema, self._library, files=frozenset(), now=self._clock())
            media = schema is not None and schema.type == "media"
            record[field] = (shape[0] if shape else None) if media else shape
        return settings_of(raw_settings(record, self._config.settings_fields, file_url=lambda _, name: name))

    def _do_without(self, collection: Collection, path: str, error: TokenError | RecordMissing, hint: str) -> None:
        self._without(collection, error, where=f"{self._client.base_url}/{path}", hint=hint)


def open_cometcms(
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
    for token in loaded.tokens:
        if is_foreign(token):
            warn(
                Diagnostic(
                    "VB1202",
                    "this is the token of another CMS; it is not sent to CometCMS",
                    token.origin or None,
                    'CometCMS needs none; name a variable of its own: token_env = "COMETCMS_TOKEN"',
                )
            )
    client, limiter = connect(
        replace(loaded, tokens=own_tokens(loaded)),
        api_base(config),
        cache=cache,
        clock=clock,
        warn=warn,
        sleep=sleep,
        dialect=COMETCMS,
        start=START,
    )
    source = CometCms(client, config, loaded.config.limits, clock=clock, warn=warn, progress=progress or no_progress)
    return Opened(source, client, limiter, lambda: diagnose(client, config, clock=clock))


def file_token_of(loaded: Loaded) -> HeaderToken | None:
    """What opens the private files of a site that has a token."""
    own = own_tokens(loaded)
    return HeaderToken(own[0]) if own else None


def own_tokens(loaded: Loaded) -> tuple[Secret, ...]:
    return tuple(token for token in loaded.tokens if not is_foreign(token))


def is_foreign(token: Secret) -> bool:
    """Whether it was exported for another CMS: it must not get here, and a wrong token is refused what anybody sees."""
    return token.reveal().startswith(FOREIGN)


def api_base(config: SourceConfig) -> str:
    """The API's base below the CMS's address: one workspace. Raises ConfigError VB1105."""
    if not config.workspace:
        raise ConfigError(
            "the workspace is missing",
            code="VB1105",
            where="source.workspace",
            hint="CometCMS shows nothing outside of one; its name stands in the admin's address",
        )
    return f"{site_of(config)}{API_PATH}/{config.workspace}"
