"""Which posts PolyCMS has. Its lists carry whole posts, so a list is read whole, or from its newest change back.

PolyCMS tells neither what was deleted nor that a tag was renamed. A short reading is therefore believed only if the
number of posts fits what is known, no tag or category changed, and the last whole reading is less than a day old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from velobuild.config.schema import LimitsConfig, SourceConfig
from velobuild.errors import Diagnostic
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media, Post
from velobuild.model.keys import fingerprint
from velobuild.model.ports import Known, Progress, Warn
from velobuild.sources.dates import NoDate, parse_date
from velobuild.sources.memory import Memory
from velobuild.sources.polycms_api import Addresses, Generation, ServerFailed, record_of
from velobuild.sources.polycms_listing import BROKEN, HELD, Chained, PolyListing, with_id
from velobuild.sources.polycms_records import Numbered, post_raw, version_of
from velobuild.sources.posts import POSTS, Listed, PostReading, Tally
from velobuild.sources.records import PUBLISHED, Summary, Unusable, summary_of, title_of

MEDIA = Collection.MEDIA
NEWEST_FIRST = {"sort_by": "updated_at", "sort_order": "desc"}
FULL_AGAIN = timedelta(hours=24)
OVERLAP = timedelta(seconds=2)
"""PolyCMS's dates of change are whole seconds: a second edit within one has the same date."""
FEW = 300
"""Up to so many posts a whole reading costs no more than the calls that would spare it."""
POSTS_PER_DELTA = 50
NUMBER = re.compile(r"[1-9][0-9]{0,18}")


class PolyPostReading(PostReading):
    """One reading of the posts. Afterwards `covers` names those with a cover of their own, and `glance` is what the
    next reading needs to be a short one; `terms` are the tags and categories as they are now, None to read all posts.
    """

    def __init__(
        self,
        client: ApiClient,
        generation: Generation,
        config: SourceConfig,
        limits: LimitsConfig,
        *,
        known: Known,
        memory: Memory,
        tally: Tally,
        addresses: Addresses,
        media: Numbered,
        terms: str | None,
        now: datetime,
        warn: Warn,
        progress: Progress,
    ) -> None:
        super().__init__(
            client,
            config,
            limits,
            known=known,
            memory=memory,
            tally=tally,
            warn=warn,
            progress=progress,
            calls_after=lambda changed: 0,
        )
        self._generation = generation
        self._types = config.types
        self._addresses = addresses
        self._media = media
        self._by_address = {url: id for id, (url, _) in media.items()}
        self._terms = terms
        self._now = now
        self._rules = fingerprint([config.url, config.members_only, sorted(config.exclude_tags), config.types]).hex()
        self._broken: dict[str, str] = {}
        self._pictures: dict[str, Media] = {}
        self._notes: dict[str, list[str]] = {}
        self._dates: dict[str, str] = {}
        self.covers: set[str] = set()
        self.glance: Mapping[str, Any] | None = None

    def deltas(self) -> Iterator[Delta]:
        """Raises TokenError, ConfigError, SourceUnavailable or ProtocolError."""
        kept = self._kept()
        if kept is not None:
            yield from batched(self._since(kept))
            if self.glance is not None:
                return
        self._seen.clear()
        self._unusable.clear()
        self.versions.clear()
        yield from batched(super().deltas())
        whole = self._seen.keys() == self.versions.keys() and not self._unusable
        if self._terms is not None and whole and self._dates:
            self.glance = self._remembered(max(self._dates.values()), self._now.astimezone(UTC).isoformat())

    def named(self, records: Mapping[str, Any]) -> Iterator[Delta]:
        """These records, each by its id, as they are now; None is one that is gone. Nothing of one that is no use."""
        for id, record in records.items():
            try:
                raw = None if record is None else self._translated(record)
                summary = None if raw is None else self._summary(raw)
            except Unusable:
                continue
            if summary is None or not summary.published or self._for_members(summary):
                self._tally.gone += 1
                yield Delta(POSTS, deletes=(id,))
            elif summary.id == id:
                yield from self._whole(raw, summary.version)

    def _kept(self) -> Mapping[str, Any] | None:
        """What the last reading left, if a short one may do now."""
        kept = self._memory.glance
        if kept is None or self._terms is None or kept.get("rules") != [self._rules, self._terms]:
            return None
        try:
            age = self._now - datetime.fromisoformat(kept["at"])
        except (KeyError, TypeError, ValueError):
            return None
        return kept if timedelta(0) <= age < FULL_AGAIN else None

    def _remembered(self, newest: str, at: str) -> dict[str, Any]:
        return {
            "rules": [self._rules, self._terms],
            "newest": newest,
            "at": at,
            "with_excluded_tags": self._tally.with_excluded_tags,
        }

    def _since(self, kept: Mapping[str, Any]) -> Iterator[Delta]:
        """What changed since the last reading; `glance` stays None if that cannot be all."""
        until = (datetime.fromisoformat(kept["newest"]) - OVERLAP).isoformat()
        recent = Recent(self._client, self._generation, self._types[0], until)
        for record in recent:
            yield from self._listed(record)
        strange = self._unusable or self._seen.keys() != self.versions.keys()
        self.versions = {**self._committed, **self.versions}
        if strange or recent.total != len(self.versions) or (self._excluded and self._new):
            return
        self._tally.listed = len(self.versions)
        self._tally.with_excluded_tags = int(kept.get("with_excluded_tags", 0))
        self.glance = self._remembered(max([kept["newest"], *self._dates.values()]), kept["at"])

    @property
    def _new(self) -> bool:
        return any(self._committed.get(id) != version for id, version in self.versions.items())

    def _listing(self) -> Listed:
        return Chained(
            [
                PolyListing(
                    self._client,
                    self._generation,
                    "posts",
                    {"status": PUBLISHED, **({"type": kind} if self._generation.name == "v1" else {})},
                    held=lambda id, updated: self._committed.get(id, "").startswith(f"{updated}~"),
                    progress=self._progress,
                )
                for kind in (self._types if self._generation.name == "v1" else self._types[:1])
            ]
        )

    def _listed(self, raw: Any) -> Iterator[Delta]:
        if isinstance(raw, dict) and HELD in raw:
            self.versions[raw["id"]] = self._committed[raw["id"]]
            return
        if isinstance(raw, dict) and BROKEN in raw:
            self._cannot_use(raw, Unusable(f"the CMS cannot show it ({raw[BROKEN]}): is its author gone?"))
            return
        try:
            translated = self._translated(raw)
        except Unusable as error:
            self._cannot_use(raw, error)
            return
        yield from super()._listed(translated)
        id = translated["id"]
        if id in self._pictures and id in self.versions:
            self.covers.add(id)

    def _read(self, id: str) -> Any:
        try:
            body = self._client.get_json(f"posts/{id}").body
        except ServerFailed as error:
            raise Unusable(f"the CMS cannot show it ({error}): is its author gone?") from error
        return self._translated(with_id(record_of(body, "posts")))

    def _translated(self, record: Any) -> Any:
        """Raises Unusable."""
        if not isinstance(record, dict):
            return record
        raw, cover, notes = post_raw(
            record,
            # Of the older generation nobody says that its posts have types.
            types=self._types if self._generation.name == "v1" else (),
            addresses=self._addresses,
            media=self._media,
            by_address=self._by_address,
        )
        id = raw["id"]
        self._pictures.pop(id, None)
        if cover is not None:
            self._pictures[id] = cover
        self._notes[id] = notes
        return raw

    def _summary(self, raw: Any) -> Summary:
        summary = summary_of(raw)
        updated = summary.updated_at
        if updated is not None:
            self._dates[summary.id] = updated.isoformat()
        return Summary(
            summary.id,
            version_of(raw, self._pictures.get(summary.id)),
            updated,
            summary.published,
            summary.public,
            # A list shows whole posts, whatever stands in them.
            True,
            summary.tags,
        )

    def _whole(self, raw: Any, version: str, *, listed_version: str | None = None) -> Iterator[Delta]:
        id = raw["id"]
        for delta in super()._whole(raw, version, listed_version=listed_version):
            self._tally.bodies_fetched += listed_version is None
            for note in self._notes.pop(id, []):
                self._warn(Diagnostic("VB3002", note, f"post {title_of(raw)}", "save the post again in its editor"))
            if id in self._pictures:
                self.covers.add(id)
                yield Delta(MEDIA, (self._pictures[id],), {self._pictures[id].id: version})
            yield delta


def read_singly(client: ApiClient, ids: Iterable[str]) -> dict[str, Any]:
    """Id → record, or None for a post that is gone. What the CMS cannot show is missing. Raises as the client does."""
    found: dict[str, Any] = {}
    for id in ids:
        if not NUMBER.fullmatch(id):
            continue  # PolyCMS knows posts by their numbers alone: to any other name it answers whatever it likes.
        try:
            found[id] = with_id(record_of(client.get_json(f"posts/{id}").body, "posts"))
        except RecordMissing:
            found[id] = None
        except ServerFailed:
            continue
    return found


def shows_files(record: Any) -> bool:
    """Whether only the library tells which files a record means: its cover, and pictures that are numbers."""
    return isinstance(record, dict) and (
        bool(record.get("featured_image")) or any(mark in json.dumps(record) for mark in ('"media_id"', "/media/"))
    )


class Recent:
    """The posts from the newest change back to `until`, an ISO date. `total` is what every page said, or None.

    An edit while it is read moves a post to the front and shows another twice; what goes away changes `total`.
    """

    def __init__(self, client: ApiClient, generation: Generation, kind: str, until: str) -> None:
        self._pages = PolyListing(client, generation, "posts", {"status": PUBLISHED, "type": kind}, order=NEWEST_FIRST)
        self._until = until
        self.total: int | None = None

    def __iter__(self) -> Iterator[Any]:
        totals: set[int | None] = set()
        number = 0
        while True:
            number += 1
            page = self._pages.page(number)
            totals.add(page.total)
            for record in page.items:
                if not isinstance(record, dict) or BROKEN in record:
                    return
                if self._is_older(record):
                    self.total = totals.pop() if len(totals) == 1 else None
                    return
                yield record
            if not page.items or number >= page.total_pages:
                self.total = totals.pop() if len(totals) == 1 else None
                return

    def _is_older(self, record: Any) -> bool:
        try:
            return parse_date(record["updated_at"])[0].isoformat() < self._until
        except (NoDate, KeyError, TypeError):
            return False


def batched(deltas: Iterator[Delta]) -> Iterator[Delta]:
    """The same entries in fewer deltas, each of which costs the store a transaction; covers before their posts."""
    media: list[Any] = []
    posts: list[Any] = []
    versions: dict[str, str] = {}
    for delta in deltas:
        (media if delta.collection is MEDIA else posts).extend(delta.upserts)
        versions.update(delta.versions)
        if len(posts) >= POSTS_PER_DELTA:
            yield from _flushed(media, posts, versions)
            media, posts, versions = [], [], {}
    yield from _flushed(media, posts, versions)


def _flushed(media: list[Media], posts: list[Post], versions: Mapping[str, str]) -> Iterator[Delta]:
    for collection, entries in ((MEDIA, media), (POSTS, posts)):
        if entries:
            yield Delta(collection, tuple(entries), {entry.id: versions[entry.id] for entry in entries})
