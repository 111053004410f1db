"""Which posts PocketBase has, and those that changed: a light list of all ids, then the changed records in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from velobuild.config.schema import FieldsConfig, LimitsConfig, SourceConfig
from velobuild.errors import ConfigError, Diagnostic
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media, Post
from velobuild.model.ports import Known, Progress, Warn
from velobuild.sources.memory import LeftOut, Memory
from velobuild.sources.pocketbase_api import PER_PAGE, PER_SWEEP_PAGE, Pages, RequestRefused, file_url
from velobuild.sources.pocketbase_glance import Glance
from velobuild.sources.pocketbase_plan import IDS_PER_CALL, Swept, batches, since
from velobuild.sources.pocketbase_records import SYSTEM, PostMapping
from velobuild.sources.posts import POSTS, Tally, report
from velobuild.sources.records import Raw, Repairs, Unusable, post_of, record_id, summary_of, title_of

MEDIA = Collection.MEDIA
POSTS_PER_DELTA = 50


class PostReading:
    """One reading of the posts. `deltas` yields them as they come; afterwards `versions` names what exists.

    `covers` names the media entries that posts bring along, with their versions.
    """

    def __init__(
        self,
        client: ApiClient,
        config: SourceConfig,
        limits: LimitsConfig,
        *,
        known: Known,
        memory: Memory,
        tally: Tally,
        now: datetime,
        warn: Warn,
        progress: Progress,
        drafts: bool = False,
    ) -> None:
        self._client = client
        self._config = config
        self._now = now
        self._collection = config.collections.posts
        self._mapping = PostMapping(config, drafts=drafts)
        self._filter = self._mapping.filter
        self._updated = config.fields.updated
        self._dated_by_default = config.fields.published_at == FieldsConfig().published_at
        self._skips_members = config.members_only == "skip"
        self._excluded = frozenset(tag.casefold() for tag in config.exclude_tags)
        self._limits = limits
        self._known = known
        self._memory = memory
        self._tally = tally
        self._warn = warn
        self._progress = progress
        self._file_url: Callable[[Raw, str], str] = partial(file_url, client.base_url)
        self._committed = known.versions(POSTS)
        self._unusable: dict[str, tuple[str, str]] = {}
        self._checked = False
        self._zoneless = False
        self._related = False
        self.versions: dict[str, str] = {}
        self.covers: dict[str, str] = {}
        """Post id → version of those posts that have a cover of their own; the cover's version is the post's."""
        self.left_out: dict[str, LeftOut] = {}
        self.members: dict[str, str] = {}
        self.glance: Mapping[str, Any] | None = None

    def deltas(self) -> Iterator[Delta]:
        """Raises TokenError, ConfigError, SourceUnavailable or ProtocolError."""
        try:
            glance = Glance(self._client, self._config, self._mapping, now=self._now)
            if glance.same_as(self._memory.glance):
                self._all_as_before()
                return
            try:
                swept = self._sweep()
            except RequestRefused as error:
                self._explain(error)
                # All fields are there, so the rule behind one must be at fault: every record is looked at here.
                self._filter = ""
                swept = self._sweep()
        except RecordMissing as error:
            raise ConfigError(
                f"PocketBase has no collection `{self._collection}`",
                code="VB1303",
                where=self._where,
                hint="write the posts' collection as [source.collections] posts",
            ) from error
        self._tally.listed = len(swept)
        stale = {id: row for id, row in swept.items() if self._is_stale(id, row)}
        yield from self._fetch(stale, swept)
        if not self._related and self._unusable.keys() <= self.left_out.keys():
            self.glance = glance.kept(with_excluded_tags=self._tally.with_excluded_tags)
        for id in self._unusable.keys() & self._committed.keys():
            # The last good copy stays while the new one cannot be used.
            self.versions[id] = self._committed[id]
        self._tally.gone = len(self._committed.keys() - self.versions.keys())
        report(self._tally, self._unusable, warn=self._warn, where=self._where)

    def named(self, ids: Sequence[str]) -> Iterator[Delta]:
        """These posts as they are now, in one call for many; nothing of a post that is not shown or cannot be used.

        Raises TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        for filter in batches(sorted(ids)):
            for records in self._pages(" && ".join(part for part in (self._filter, filter) if part)):
                self._tally.bodies_fetched += len(records)
                for record in records:
                    yield from self._staged([record])

    def _all_as_before(self) -> None:
        """Nothing changed since the last synchronisation, so what was said then is said again."""
        self.versions = dict(self._committed)
        self.left_out, self.members, self.glance = (
            dict(self._memory.left_out),
            dict(self._memory.members),
            self._memory.glance,
        )
        self._unusable = {id: (f"post (id {id})", left.why) for id, left in self.left_out.items()}
        self._tally.listed = len(self.versions)
        self._tally.members_only = len(self.members)
        self._tally.with_excluded_tags = int((self.glance or {}).get("with_excluded_tags", 0))
        report(self._tally, self._unusable, warn=self._warn, where=self._where)

    def _sweep(self) -> dict[str, Swept]:
        """Every published post by its id, as far as the light list tells."""
        found: dict[str, Swept] = {}
        drafts = 0
        for records in self._pages(self._filter, fields=self._mapping.sweep_fields, size=PER_SWEEP_PAGE):
            for record in records:
                if not self._mapping.is_published(record):
                    # Without a filter of ours drafts are to be expected.
                    drafts += bool(self._filter)
                    continue
                if self._excluded and self._mapping.has_tag(record, self._excluded):
                    self._tally.with_excluded_tags += 1
                self._related = self._related or "expand" in record
                updated = self._mapping.updated(record)
                found[record["id"]] = Swept(
                    self._mapping.version(record),
                    datetime.fromisoformat(updated) if updated else None,
                    self._mapping.has_cover(record),
                )
            self._progress("listing posts", len(found), None, None)
        self._tally.drafts = drafts
        return found

    def _is_stale(self, id: str, row: Swept) -> bool:
        """Whether the post must be read; settles all the others."""
        if row.updated_at is None:
            return True
        if self._memory.members.get(id) == row.version and self._skips_members:
            self.members[id] = row.version
            self._tally.members_only += 1
            return False
        left = self._memory.left_out.get(id)
        if left is not None and left.version == row.version:
            self.left_out[id] = left
            self._unusable[id] = (f"post (id {id})", left.why)
            return False
        if self._committed.get(id) != row.version and not self._known.holds(POSTS, id, row.version):
            return True
        self.versions[id] = row.version
        if row.has_cover:
            self.covers[id] = row.version
        return False

    def _fetch(self, stale: dict[str, Swept], swept: dict[str, Swept]) -> Iterator[Delta]:
        """Read the stale posts in as few calls as will do; whatever does not come is gone."""
        left = set(stale)
        by_date = since(stale, swept, self._updated)
        if by_date is not None:
            filter, expected = by_date
            if -(-expected // PER_PAGE) < -(-len(stale) // IDS_PER_CALL):
                yield from self._read(filter, left, len(stale))
        for filter in batches(sorted(left)):
            yield from self._read(filter, left, len(stale))

    def _read(self, filter: str, left: set[str], total: int) -> Iterator[Delta]:
        pages = self._pages(" && ".join(part for part in (self._filter, filter) if part))
        calls = -(-len(left) // PER_PAGE)
        for records in pages:
            for start in range(0, len(records), POSTS_PER_DELTA):
                yield from self._staged(records[start : start + POSTS_PER_DELTA])
            left.difference_update(record["id"] for record in records)
            self._tally.bodies_fetched += len(records)
            calls = max(calls - 1, 0)
            self._progress("posts", total - len(left), total, self._client.estimate_s(calls))
        for id in pages.too_large:
            left.discard(id)
            self._unusable[id] = (f"post (id {id})", "its record is larger than 20 MB")

    def _staged(self, records: list[dict[str, Any]]) -> Iterator[Delta]:
        """What is new among the records, each cover before its post: a post that is held has its cover too."""
        taken = [entry for record in records for entry in self._take(record)]
        for collection, kind in ((MEDIA, Media), (POSTS, Post)):
            entries = tuple(entry for entry, _ in taken if isinstance(entry, kind))
            if entries:
                versions = {entry.id: version for entry, version in taken if isinstance(entry, kind)}
                yield Delta(collection, upserts=entries, versions=versions)

    def _take(self, record: dict[str, Any]) -> Iterator[tuple[Media | Post, str]]:
        """The post, if it is new and can be used, and its cover; each with its version."""
        self._check_fields(record)
        version = self._mapping.version(record)
        repairs = Repairs()
        try:
            id = record_id(record)
            if not self._mapping.is_published(record):
                return
            if version in (self.versions.get(id), self.members.get(id)) or self._is_left_out(id, version):
                return
            raw, cover = self._mapping.raw_post(record, file_url=self._file_url, repairs=repairs)
            if self._skips_members and not summary_of(raw).public:
                self.members[id] = version
                self._tally.members_only += 1
                return
            if cover is not None:
                self.covers[id] = version
            if self._known.holds(POSTS, id, version):
                self.versions[id] = version
                return
            post = post_of(raw, limits=self._limits, repairs=repairs)
        except Unusable as error:
            self._cannot_use(record, version, error)
            return
        for note in repairs.notes:
            self._warn(Diagnostic("VB3002", note, f"post {title_of(raw)}"))
        if repairs.zoneless and not self._zoneless:
            self._zoneless = True
            self._warn(Diagnostic("VB3002", "dates without a zone are taken to be UTC", f"post {title_of(raw)}"))
        self.versions[id] = version
        if cover is not None:
            yield cover, version
        yield post, version

    def _is_left_out(self, id: str, version: str) -> bool:
        left = self.left_out.get(id)
        return left is not None and left.version == version

    def _cannot_use(self, record: dict[str, Any], version: str, error: Unusable) -> None:
        id = str(record["id"])
        self.versions.pop(id, None)
        self._unusable[id] = (f"post {title_of(record)}", str(error))
        self.left_out[id] = LeftOut(version, str(error))

    def _check_fields(self, record: Raw) -> None:
        """Once a reading, and before anything is used: does the configuration fit the collection?"""
        if self._checked:
            return
        self._checked = True
        self._refuse_missing(record)
        if self._dated_by_default and "published_at" not in record:
            self._warn(
                Diagnostic(
                    "VB2207",
                    "the posts have no field `published_at`; they are dated by `created`",
                    self._where,
                    'name their date in velobuild.toml: [source.fields] published_at = "…"',
                )
            )

    def _refuse_missing(self, record: Raw) -> None:
        names = frozenset(record) - SYSTEM | {"id"}
        missing = self._mapping.missing(names)
        if missing:
            key, path = next(iter(missing.items()))
            more = (
                f", nor {', '.join(f'`{other}`' for other in list(missing.values())[1:])}" if len(missing) > 1 else ""
            )
            raise ConfigError(
                f"the collection `{self._collection}` has no field `{path}`{more}",
                code="VB1303",
                where=f"source.fields.{key}",
                hint=f"its fields: {', '.join(sorted(names))}",
            )

    def _explain(self, refused: RequestRefused) -> None:
        """Find out what PocketBase did not like about the list. Raises ConfigError if it is a field."""
        body = self._client.get_json(f"collections/{self._collection}/records", {"perPage": 1, "skipTotal": 1}).body
        items = body.get("items") if isinstance(body, dict) else None
        if isinstance(items, list) and items and isinstance(items[0], dict):
            self._refuse_missing(items[0])
            return
        raise ConfigError(
            f"PocketBase cannot filter `{self._collection}` by `{self._filter}`, and shows no record to learn from",
            code="VB1303",
            where="source.fields.status",
            hint="check the field's name and the collection's rules; "
            'if the collection has no such field: [source.fields] status = ""',
        ) from refused

    def _pages(self, filter: str, *, fields: str = "", size: int = PER_PAGE) -> Pages:
        return Pages(
            self._client, self._collection, filter=filter, fields=fields, expand=self._mapping.expand, size=size
        )

    @property
    def _where(self) -> str:
        return f"{self._client.base_url}/collections/{self._collection}"
