"""Several sources as one: each keeps its own ids, cursor, tokens and limiter, and all become one revision or none.

An entry of the source `notes` is known as `notes:ID`; that of a source without a name keeps its id. What a source
says relatively is made absolute here, since afterwards nobody knows whose entry it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from velobuild.config.schema import Loaded, SourceConfig
from velobuild.errors import ProtocolError
from velobuild.markup.base import own_base, with_base
from velobuild.markup.urls import absolute, origin
from velobuild.model.entries import (
    LOCAL_PAGE,
    SOURCE_MARK,
    Collection,
    Comment,
    Delta,
    Entry,
    Media,
    Page,
    Post,
    SiteSettings,
)
from velobuild.model.entries import source_of as name_in
from velobuild.model.ports import FetchesPosts, Glances, Known
from velobuild.sources.doctor import Finding
from velobuild.sources.opening import Opened, TallyingSource
from velobuild.sources.posts import Tally

CURSORS = "cursors of several sources"
SETTINGS = Collection.SETTINGS


@dataclass(frozen=True, slots=True)
class Part:
    """One of several sources. Without `source` its entries stay as they are, since it cannot be asked now."""

    config: SourceConfig
    source: TallyingSource | None

    @property
    def name(self) -> str:
        return self.config.name or ""

    @property
    def address(self) -> str | None:
        """What relative addresses of its entries are made absolute with; None where the site does that itself."""
        return self.config.address if self.name else None

    def id(self, own: str) -> str:
        """An entry's id in the store. Raises ProtocolError VB2201 for one that another source's could be."""
        if self.name:
            return f"{self.name}{SOURCE_MARK}{own}"
        if SOURCE_MARK in own or own.startswith(LOCAL_PAGE):
            raise ProtocolError(
                f"the id `{own}` cannot be told from one of a source with a name",
                code="VB2201",
                where="source.main",
                hint="give this [[source]] block a `name` too",
            )
        return own

    def owns(self, id: str) -> bool:
        return name_in(id) == self.name and not id.startswith(LOCAL_PAGE)

    def own(self, id: str) -> str:
        """The id that the entry has in the source."""
        return id.removeprefix(f"{self.name}{SOURCE_MARK}") if self.name else id

    @property
    def mark(self) -> str:
        """Ends an entry's version: a source that moved is read again, for its entries hold its address."""
        if self.address is None:
            return ""
        return f" @{blake2b(self.address.encode(), digest_size=3).hexdigest()}"


@dataclass(frozen=True, slots=True)
class OwnEntries:
    """What is known of one source alone, by its own ids and versions."""

    known: Known
    part: Part

    def holds(self, collection: Collection, id: str, version: str) -> bool:
        return self.known.holds(collection, self.part.id(id), version + self.part.mark)

    def ids(self, collection: Collection) -> Iterable[str]:
        return list(self.versions(collection))

    def versions(self, collection: Collection) -> dict[str, str]:
        part = self.part
        found = self.known.versions(collection).items()
        return {part.own(id): version.removesuffix(part.mark) for id, version in found if part.owns(id)}


@dataclass(slots=True)
class Closing:
    """What one source said of one collection: everything in it, by the ids and versions of the store."""

    versions: dict[str, str] = field(default_factory=dict)
    upserts: list[Entry] = field(default_factory=list)


class Several:
    """A `Source` of all `parts`, in the order of the configuration. `changes` raises what the first to fail does."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._emptied: list[str] = []

    @property
    def tally(self) -> Tally:
        """The sum of all; what is left in a window is the least of all."""
        tallies = [part.source.tally for part in self._parts if part.source is not None]
        left = [tally.usage.left_in_window for tally in tallies if tally.usage.left_in_window is not None]
        from velobuild.http.client import Usage  # httpx takes 0.1 s, which a build offline can spare.

        usage = Usage(
            calls=sum(tally.usage.calls for tally in tallies),
            calls_today=sum(tally.usage.calls_today for tally in tallies),
            left_in_window=min(left, default=None),
        )
        counted = ("listed", "bodies_fetched", "drafts", "members_only", "with_excluded_tags", "left_out", "gone")
        sums = {name: sum(getattr(tally, name) for tally in tallies) for name in counted}
        may_empty = all(tally.may_empty for tally in tallies)
        return Tally(usage=usage, **sums, may_empty=may_empty, emptied=tuple(self._emptied))

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`. Closings come last and together: a source that fails leaves all as it was."""
        self._emptied.clear()
        cursors = cursors_in(cursor)
        closings: dict[Collection, dict[str, Closing]] = {kind: {} for kind in Collection}
        for part in self._parts:
            if part.source is None:
                continue
            at = f"{part.config.key}{part.mark}"
            for delta in part.source.changes(OwnEntries(known, part), cursors.get(at)):
                if delta.cursor is not None:
                    cursors[at] = delta.cursor
                renamed = _renamed(delta, part, known.versions(delta.collection) if delta.complete else {})
                if delta.complete:
                    closing = closings[delta.collection].setdefault(part.name, Closing())
                    closing.versions = dict(renamed.versions)
                    closing.upserts += renamed.upserts
                elif delta.upserts:
                    yield renamed
            self._note_emptied(part, closings[Collection.POSTS].get(part.name), known)
        here = {f"{part.config.key}{part.mark}" for part in self._parts}
        remembered = json.dumps({CURSORS: {at: text for at, text in sorted(cursors.items()) if at in here}})
        for collection, by_part in closings.items():
            yield from self._closing(collection, by_part, known.versions(collection), remembered)

    def fetch(self, ids: Sequence[str]) -> Iterator[Delta]:
        """See `FetchesPosts.fetch`; the ids are the store's. Of a source that reads no single posts nothing is said."""
        for part in self._parts:
            own = [part.own(id) for id in ids if part.owns(id)]
            source: object = part.source
            if own and isinstance(source, FetchesPosts):
                for delta in source.fetch(own):
                    yield _renamed(delta, part, {})

    def is_as_remembered(self, cursor: str | None) -> bool:
        """See `Glances`: those of the parts that can be told at a glance."""
        cursors = cursors_in(cursor)
        sources: list[tuple[object, str | None]] = [
            (part.source, cursors.get(f"{part.config.key}{part.mark}")) for part in self._parts
        ]
        return all(source.is_as_remembered(own) for source, own in sources if isinstance(source, Glances))

    def _note_emptied(self, part: Part, closing: Closing | None, known: Known) -> None:
        """Among the posts of others the loss of a small source's would not be seen by their number."""
        doubtful = part.source is not None and not part.source.tally.may_empty
        if (
            doubtful
            and closing is not None
            and not closing.versions
            and any(map(part.owns, known.ids(Collection.POSTS)))
        ):
            self._emptied.append(part.config.key)

    def _closing(
        self, collection: Collection, said: Mapping[str, Closing], before: Mapping[str, str], cursor: str
    ) -> Iterator[Delta]:
        """All sources' closings of a collection as one. A source that said nothing of it keeps what it had."""
        versions: dict[str, str] = {}
        upserts: list[Entry] = []
        for part in self._parts:
            closing = said.get(part.name)
            if closing is None:
                closing = Closing({id: version for id, version in before.items() if part.owns(id)})
            if collection is SETTINGS and versions:
                break  # The first source that has settings gives them.
            versions |= closing.versions
            upserts += closing.upserts
        kept = {id for id in before if not id.startswith(LOCAL_PAGE)}
        if said or kept != versions.keys():
            yield Delta(collection, tuple(upserts), versions, cursor=cursor, complete=True)


class OpenedSeveral(Opened):
    """All sources with their connections."""

    def __init__(self, parts: Sequence[tuple[Part, Opened | None]], connections: ExitStack) -> None:
        super().__init__(Several([part for part, _ in parts]), None, None, self._findings)
        self._parts = parts
        self._connections = connections

    def close(self) -> None:
        self._connections.close()

    def _findings(self) -> list[Finding]:
        return [
            replace(found, check=f"{part.config.key}: {found.check}")
            for part, opened in self._parts
            if opened is not None
            for found in opened.diagnose()
        ]


def open_several(loaded: Loaded, open_one: Callable[[Loaded], Opened], *, offline: bool) -> OpenedSeveral:
    """Open each source with its own token; offline, those on this machine alone. Raises ConfigError."""
    parts: list[tuple[Part, Opened | None]] = []
    with ExitStack() as connections:
        for single in loaded.each_source():
            config = single.config.source
            opened = None
            if not offline or config.type == "folder":
                opened = connections.enter_context(open_one(single))
            parts.append((Part(config, None if opened is None else opened.source), opened))
        return OpenedSeveral(parts, connections.pop_all())


def known_of_one(known: Known) -> Known:
    """What is known of the only source, which has no name: what others brought before is not its own."""
    return OwnEntries(known, Part(SourceConfig(), None))


def cursors_in(cursor: str | None) -> dict[str, str]:
    """The cursor of each source. One that was written when there was but one source, without a name, is that one's."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(inner := found.get(CURSORS), dict):
        return {str(at): str(text) for at, text in inner.items()}
    return {} if cursor is None else {SourceConfig().key: cursor}


def cursor_of_one(cursor: str | None) -> str | None:
    """The cursor for the only source, which has no name."""
    return cursors_in(cursor).get(SourceConfig().key)


def _renamed(delta: Delta, part: Part, before: Mapping[str, str]) -> Delta:
    """The delta as the store knows it; `before` are the versions of what it had."""
    versions = {}
    for own, version in delta.versions.items():
        id = part.id(own)
        # A source that saw at a glance that nothing changed hands back the versions that it was given.
        versions[id] = version if before.get(id) == version and part.mark else version + part.mark
    upserts = tuple(_adopted(entry, part) for entry in delta.upserts)
    return replace(delta, upserts=upserts, versions=versions, deletes=tuple(map(part.id, delta.deletes)))


def _adopted(entry: Entry, part: Part) -> Entry:
    """The entry with ids and addresses that mean the same without its source."""
    id = part.id(entry.id)
    base = part.address
    match entry:
        case Post():
            cover = entry.cover_media_id
            return replace(
                entry,
                id=id,
                body=_based(entry.body, base),
                author_id=None if entry.author_id is None else part.id(entry.author_id),
                cover_media_id=None if cover is None else part.id(cover),
            )
        case Page():
            return replace(entry, id=id, body=_based(entry.body, base))
        case Media():
            return replace(entry, id=id, url=absolute(entry.url, base))
        case Comment():
            parent = None if entry.parent_id is None else part.id(entry.parent_id)
            return replace(entry, id=id, post_id=part.id(entry.post_id), parent_id=parent)
        case SiteSettings():
            logo, favicon = (url and absolute(url, base) for url in (entry.logo_url, entry.favicon_url))
            return replace(entry, id=id, logo_url=logo, favicon_url=favicon)


def _based(body: str, base: str | None) -> str:
    own = base and origin(base)
    if base is None or own is None or own_base(body, {own})[1] is not None:
        return body
    return with_base(body, base)
