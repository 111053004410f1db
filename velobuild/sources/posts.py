"""Which posts exist, and the bodies of those that are new: the calls of one synchronisation, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from velobuild.config.schema import LimitsConfig, SourceConfig
from velobuild.errors import ConfigError, Diagnostic, ProtocolError
from velobuild.http.client import ApiClient, Usage
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta
from velobuild.model.ports import Known, Progress, Warn
from velobuild.sources.listing import Listing
from velobuild.sources.memory import LeftOut, Memory
from velobuild.sources.records import (
    PUBLISHED,
    Repairs,
    Summary,
    Unusable,
    post_of,
    record_id,
    summary_of,
    title_of,
    unwrap,
    version_of_full,
)

POSTS = Collection.POSTS
ABSENCES_ASKED_FOR = 100


@dataclass(slots=True)
class Tally:
    """What a synchronisation did, for the report. Counts of posts unless named otherwise."""

    usage: Usage = field(default_factory=Usage)
    listed: int = 0
    bodies_fetched: int = 0
    drafts: int = 0
    members_only: int = 0
    with_excluded_tags: int = 0
    left_out: int = 0
    """Records of any kind that could not be used."""
    gone: int = 0
    may_empty: bool = True
    """Whether a CMS without any post is to be believed: not where a stranger is shown nothing and told nothing."""
    emptied: tuple[str, ...] = ()
    """Of several sources those that suddenly show no post, and are not to be believed."""


class Listed(Protocol):
    """A list that was, or will be, read whole: see `Listing`."""

    @property
    def ids(self) -> frozenset[str]: ...
    @property
    def passes(self) -> int: ...
    @property
    def stable(self) -> bool: ...
    def __iter__(self) -> Iterator[list[Any]]: ...


class PostReading:
    """One reading of the posts. `deltas` yields bodies as they come; afterwards `versions` names what exists.

    `calls_after` says how many calls the synchronisation makes after the posts, given whether a post changed: who is
    told how long it will take waits for those too.
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
        warn: Warn,
        progress: Progress,
        calls_after: Callable[[bool], int],
    ) -> None:
        self._client = client
        self._skips_members = config.members_only == "skip"
        self._excluded = frozenset(tag.casefold() for tag in config.exclude_tags)
        self._limits = limits
        self._known = known
        self._memory = memory
        self._tally = tally
        self._warn = warn
        self._progress = progress
        self._calls_after = calls_after
        self._committed = known.versions(POSTS)
        self._seen: dict[str, Summary] = {}
        self._unusable: dict[str, tuple[str, str]] = {}
        """Id, or a name where there is none → how a message names the post, and why it cannot be used."""
        self._zoneless = False
        self.versions: dict[str, str] = {}
        self.left_out: dict[str, LeftOut] = {}
        self.members: dict[str, str] = {}

    def deltas(self) -> Iterator[Delta]:
        """Raises TokenError, ConfigError, SourceUnavailable or ProtocolError."""
        listing = self._listing()
        try:
            for records in listing:
                for raw in records:
                    yield from self._listed(raw)
        except RecordMissing as error:
            raise ConfigError(
                "the CMS has no list of posts",
                code="VB1302",
                where=self._where,
                hint="source.url is the address of a VeloCMS site, such as https://NAME.velocms.org",
            ) from error
        self._tally.listed = len(listing.ids)
        uncertain = self._uncertain(listing)
        pending = [s for s in self._seen.values() if s.id not in uncertain and self._lacks_body(s)]
        changed = bool(pending or uncertain) or self.versions != self._committed
        others = len(uncertain) + self._calls_after(changed)
        for done, summary in enumerate(pending):
            self._progress("posts", done, len(pending), self._client.estimate_s(len(pending) - done + others))
            yield from self._single(summary.id, summary)
        self._progress("posts", len(pending), len(pending), self._client.estimate_s(others))
        for id in sorted(uncertain):
            yield from self._single(id, None)
        for id in self._unusable.keys() & self._committed.keys():
            # The last good copy stays while the new one cannot be used.
            self.versions[id] = self._committed[id]
        self._report()

    def _listing(self) -> Listed:
        return Listing(self._client, "posts", {"status": PUBLISHED}, progress=self._progress)

    def _read(self, id: str) -> Any:
        """The record of one post, as `records.post_of` wants it. Raises RecordMissing, Unusable."""
        return unwrap(self._client.get_json(f"posts/{id}").body)

    def _summary(self, raw: Any) -> Summary:
        """Raises Unusable."""
        return summary_of(raw)

    def _listed(self, raw: Any) -> Iterator[Delta]:
        """Note one record of the list, and hand its body over if it carries one."""
        try:
            summary = self._summary(raw)
        except Unusable as error:
            self._cannot_use(raw, error)
            return
        self._unusable.pop(summary.id, None)
        self._seen[summary.id] = summary
        if summary.has_body and summary.published and not self._for_members(summary):
            if self._known.holds(POSTS, summary.id, summary.version):
                self.versions[summary.id] = summary.version
            else:
                yield from self._whole(raw, summary.version)

    def _lacks_body(self, summary: Summary) -> bool:
        """Whether the post must be read singly; settles all the others."""
        id, version = summary.id, summary.version
        if not summary.published:
            self.versions.pop(id, None)
            self._tally.drafts += 1
            return False
        if self._excluded.intersection(tag.casefold() for tag in summary.tags):
            self._tally.with_excluded_tags += 1
        if self._memory.members.get(id) == version:
            self.members[id] = version
        if self._for_members(summary) or (id in self.members and self._skips_members):
            self.versions.pop(id, None)
            self._tally.members_only += 1
            return False
        if summary.has_body or id in self._unusable:
            return False
        left = self._memory.left_out.get(id)
        if left is not None and left.version == version:
            self.left_out[id] = left
            self._unusable[id] = (f"post (id {id})", left.why)
            return False
        if self._known.holds(POSTS, id, version):
            self.versions[id] = version
            return False
        return True

    def _single(self, id: str, listed: Summary | None) -> Iterator[Delta]:
        """Read one post by itself. `listed` is None for a post that the list did not show."""
        try:
            raw = self._read(id)
        except RecordMissing:
            self._is_gone(id)
            return
        except Unusable as error:
            self._cannot_use({"id": id}, error, id=id)
            return
        self._tally.bodies_fetched += 1
        try:
            if record_id(raw) != id:
                raise Unusable(f"another record came in its place: {record_id(raw)}")
            summary = self._summary(raw)
        except Unusable as error:
            self._cannot_use(raw, error, id=id, version=listed.version if listed else None)
            return
        version = version_of_full(summary, listed) if listed else summary.version
        if not summary.published:
            self._is_gone(id)
            return
        if not summary.public:
            self.members[id] = listed.version if listed else version
        if self._for_members(summary):
            self.versions.pop(id, None)
            self._tally.members_only += 1
        elif listed is None and self._known.holds(POSTS, id, version):
            self.versions[id] = version
        else:
            yield from self._whole(raw, version, listed_version=listed.version if listed else version)

    def _whole(self, raw: Any, version: str, *, listed_version: str | None = None) -> Iterator[Delta]:
        repairs = Repairs()
        try:
            post = post_of(raw, limits=self._limits, repairs=repairs)
        except Unusable as error:
            self._cannot_use(raw, error, version=listed_version or version)
            return
        for note in repairs.notes:
            self._warn(Diagnostic("VB3002", note, f"post {title_of(raw)}"))
        if repairs.zoneless and not self._zoneless:
            self._zoneless = True
            self._warn(Diagnostic("VB3002", "dates without a zone are taken to be UTC", f"post {title_of(raw)}"))
        self._unusable.pop(post.id, None)
        self.left_out.pop(post.id, None)
        self.versions[post.id] = version
        yield Delta(POSTS, upserts=(post,), versions={post.id: version})

    def _for_members(self, summary: Summary) -> bool:
        return self._skips_members and not summary.public

    def _is_gone(self, id: str) -> None:
        self.versions.pop(id, None)
        self._unusable.pop(id, None)
        self._tally.gone += 1

    def _cannot_use(self, raw: Any, error: Unusable, *, id: str | None = None, version: str | None = None) -> None:
        """Leave a record out. Where its `version` was read as a whole, it is not asked for again."""
        name = f"post {title_of(raw)}"
        try:
            id = id or record_id(raw)
        except Unusable:
            self._unusable[name] = (name, str(error))
            return
        self.versions.pop(id, None)
        self._unusable[id] = (name, str(error))
        if version is not None:
            self.left_out[id] = LeftOut(version, str(error))

    def _uncertain(self, listing: Listed) -> set[str]:
        """Posts of which only a request for each can tell whether they still exist.

        Raises ProtocolError if there are too many to ask for and a second list does not agree with the first.
        """
        uncertain = (self._committed.keys() | self._seen.keys()) - listing.ids
        if not listing.stable:
            self._warn(
                Diagnostic(
                    "VB2205",
                    f"the list of posts kept changing over {listing.passes} readings; all of them together are used",
                    self._where,
                    "build again when nobody is editing",
                )
            )
        if len(uncertain) <= ABSENCES_ASKED_FOR:
            return uncertain
        again = self._listing()
        for _ in again:
            pass
        if not (listing.stable and again.stable and listing.ids == again.ids):
            raise ProtocolError(
                f"{len(uncertain)} posts are missing from the list of posts, and two readings do not agree",
                code="VB2205",
                where=self._where,
                hint="nothing was changed; try again when nobody is editing",
            )
        for id in uncertain:
            self._is_gone(id)
            self._seen.pop(id, None)
        return set()

    def _report(self) -> None:
        report(self._tally, self._unusable, warn=self._warn, where=self._where)

    @property
    def _where(self) -> str:
        return f"{self._client.base_url}/posts"


def left_out(where: str, why: str) -> Diagnostic:
    return Diagnostic("VB2206", f"left out: {why}", where, "mend it in the CMS; a good copy from before is kept")


def report(tally: Tally, unusable: Mapping[str, tuple[str, str]], *, warn: Warn, where: str) -> None:
    """Say at the end of a reading which posts were left out. `unusable`: id → how a message names the post, and why."""
    tally.left_out += len(unusable)
    for _, (name, why) in sorted(unusable.items()):
        warn(left_out(name, why))
    if tally.drafts:
        warn(
            Diagnostic(
                "VB2208",
                f"the CMS listed {tally.drafts} unpublished posts as published; they were left out",
                where,
                "nothing unpublished is ever rendered; tell the CMS's operator",
            )
        )
    if tally.members_only:
        warn(
            Diagnostic(
                "VB2209",
                f"{tally.members_only} posts for members were left out",
                where,
                'a static site shows everything to everyone; source.members_only = "include" publishes them',
            )
        )
