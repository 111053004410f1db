"""Every media file that the site uses: fetched once, examined, freed of metadata, kept under its hash.

A file that cannot be had never stops a build: the last good copy stays, and where there is none the page gets a
placeholder. Only a disk that fails stops it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Protocol

from velobuild.config.schema import LimitsConfig, Secret
from velobuild.errors import Diagnostic, OutputError, Severity, VelobuildError
from velobuild.http.addresses import Address, AddressPolicy, shown
from velobuild.http.downloaded import Downloaded, NotModified, TemporaryFailure, Validators
from velobuild.media.bounds import Budget, Hosts
from velobuild.media.store import ObjectStore, Stored, disk_errors
from velobuild.media.uses import in_folder
from velobuild.model.assets import Asset, AssetRows
from velobuild.model.ports import Clock, Progress, Warn, utc_now

WORKERS = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that the site uses: `where` names the post (title and id), for messages.

    `expected_size` is what the CMS's record says, in bytes, of the file as served. `recheck` asks the server whether a
    file that is known has changed; without it a known file costs nothing.
    """

    url: str
    where: str
    expected_size: int | None = None
    recheck: bool = False


@dataclass(frozen=True, slots=True)
class MediaReport:
    """What became of the wanted URLs, each sorted: new or changed, as before, kept although the server failed, missing.

    `failed` says why a URL has no copy at all. `bytes` is what came over the network.
    """

    fetched: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    failed: Mapping[str, Diagnostic] = field(default_factory=dict)
    bytes: int = 0


class Policy(Protocol):
    """Which addresses files may come from."""

    def permit(self, url: str) -> Address:
        """Raises GuardRefused (VB4002)."""
        ...


class Downloads(Protocol):
    """What one worker gets its files through: see `Downloader.download`."""

    def download(
        self,
        url: str,
        into: Path,
        *,
        known: Validators | None = None,
        expected_size: int | None = None,
        spend: Callable[[int], None] = ...,
    ) -> Downloaded | NotModified: ...

    def close(self) -> None: ...


class MediaLibrary:
    """The site's media. `rows` is asked and told by the calling thread alone; `workers` threads use the network.

    `file_token`, called from any of them, gives what opens the CMS's protected files, where the CMS has such.
    `open_downloader` makes the downloader of one worker; it stops when the event is set.
    """

    def __init__(
        self,
        objects: Path,
        rows: AssetRows,
        *,
        policy: Policy,
        limits: LimitsConfig,
        warn: Warn,
        clock: Clock = utc_now,
        progress: Progress | None = None,
        workers: int = WORKERS,
        file_token: Callable[[], Secret] | None = None,
        open_downloader: Callable[[Event], Downloads] | None = None,
    ) -> None:
        self._objects = objects
        self._store = ObjectStore(objects)
        self._rows = rows
        self._policy = policy
        self._limits = limits
        self._warn = warn
        self._clock = clock
        self._progress = progress
        self._workers = workers
        self._file_token = file_token
        self._open_downloader = open_downloader or self._downloader

    def asset(self, url: str) -> Asset | None:
        """The last good copy, if its file is there."""
        asset = self._rows.get(url)
        return asset if asset is not None and self._store.holds(asset) else None

    def object_path(self, asset: Asset) -> Path:
        """Where the asset's bytes lie. To be linked or copied, never to be opened for writing."""
        return self._store.place(asset.sha256, asset.extension)

    def fetch(self, wanted: Iterable[Wanted]) -> MediaReport:
        """Bring every wanted file up to date. Findings go to `warn` in the order of their URLs.

        Raises OutputError (VB6001, VB6002) if the disk fails; what was fetched until then is kept.
        """
        with disk_errors(self._objects):
            self._store.sweep(self._clock())
        outcomes: dict[str, Outcome] = {}
        jobs: list[Job] = []
        for one in merged(wanted):
            known = self.asset(one.url)
            if known is not None and not one.recheck:
                outcomes[one.url] = Unchanged()
            else:
                jobs.append(Job(one, known))
        budget = Budget(self._limits.media_total_bytes)
        if jobs:
            outcomes.update(self._run(jobs, budget))
        return self._report(outcomes, {job.wanted.url: job for job in jobs}, budget.spent_bytes)

    def _run(self, jobs: list[Job], budget: Budget) -> dict[str, Outcome]:
        stop = Event()
        idle: SimpleQueue[Downloads] = SimpleQueue()
        hosts = Hosts()
        outcomes: dict[str, Outcome] = {}
        with contextlib.ExitStack() as cleanup:
            for _ in range(min(self._workers, len(jobs))):
                downloader = self._open_downloader(stop)
                cleanup.callback(downloader.close)
                idle.put(downloader)
            executor = ThreadPoolExecutor(idle.qsize(), thread_name_prefix="media")
            try:
                futures = {executor.submit(self._attempt, job, idle, hosts, budget): job for job in jobs}
                for done, future in enumerate(as_completed(futures), 1):
                    outcomes[futures[future].wanted.url] = self._settle(future, futures[future])
                    if self._progress is not None:
                        self._progress("media", done, len(jobs), None)
            finally:
                # At the end of a good run there is nothing to stop; an interrupt or a full disk stops all the others.
                stop.set()
                executor.shutdown(wait=True, cancel_futures=True)
        return outcomes

    def _attempt(self, job: Job, idle: SimpleQueue[Downloads], hosts: Hosts, budget: Budget) -> Asset | None:
        """In a worker: the new copy, or None if the server has nothing new."""
        url = job.wanted.url
        origin = self._policy.permit(url).origin
        hosts.check(origin, shown(url))
        downloader = idle.get()
        try:
            asset = self._download(job, downloader, budget)
        except TemporaryFailure as failure:
            hosts.note(origin, failed=failure.of_host)
            raise
        finally:
            idle.put(downloader)
        hosts.note(origin, failed=False)
        return asset

    def _download(self, job: Job, downloader: Downloads, budget: Budget) -> Asset | None:
        url, into = job.wanted.url, self._store.incoming(job.wanted.url)
        budget.spend(0)
        known = job.known
        with disk_errors(into):
            got = downloader.download(
                url,
                into,
                known=Validators(known.etag, known.last_modified) if known is not None else None,
                expected_size=job.wanted.expected_size,
                spend=budget.spend,
            )
            if isinstance(got, NotModified):
                return None
            try:
                stored = self._store.admit(got.path, megapixels=self._limits.megapixels)
            finally:
                got.path.unlink(missing_ok=True)
        return self._as_asset(url, stored, got.validators)

    def _settle(self, future: Future[Asset | None], job: Job) -> Outcome:
        """Record what a worker found. Raises OutputError, since a disk that fails concerns all."""
        try:
            asset = future.result()
        except OutputError:
            raise
        except VelobuildError as error:
            return Failed(error)
        if asset is None:
            return Unchanged()
        self._rows.put(asset)
        same = job.known is not None and job.known.sha256 == asset.sha256
        return Unchanged() if same else Fetched()

    def _report(self, outcomes: Mapping[str, Outcome], jobs: Mapping[str, Job], spent_bytes: int) -> MediaReport:
        kept: list[str] = []
        failed: dict[str, Diagnostic] = {}
        for url, outcome in sorted(outcomes.items()):
            if not isinstance(outcome, Failed):
                continue
            first = outcome.error.diagnostics[0]
            # What stands for a folder in addresses means nothing to people; where the file should lie does.
            place = first.where if in_folder(url) and first.where else shown(url)
            finding = replace(first, where=f"{jobs[url].wanted.where}: {place}", severity=Severity.WARNING)
            if jobs[url].known is None:
                failed[url] = finding
            else:
                kept.append(url)
                finding = replace(finding, what=f"{first.what}; the last good copy stays")
            self._warn(finding)
        return MediaReport(
            fetched=tuple(sorted(url for url, outcome in outcomes.items() if isinstance(outcome, Fetched))),
            unchanged=tuple(sorted(url for url, outcome in outcomes.items() if isinstance(outcome, Unchanged))),
            kept=tuple(kept),
            failed=failed,
            bytes=spent_bytes,
        )

    def _as_asset(self, url: str, stored: Stored, validators: Validators) -> Asset:
        return Asset(
            url=url,
            sha256=stored.sha256,
            extension=stored.kind.extension,
            mime_type=stored.kind.mime_type,
            size_bytes=stored.size_bytes,
            width_px=stored.width_px,
            height_px=stored.height_px,
            fetched_at=self._clock(),
            etag=validators.etag,
            last_modified=validators.last_modified,
        )

    def _downloader(self, stop: Event) -> Downloads:
        from velobuild.http.download import Downloader  # not before: most builds fetch nothing

        assert isinstance(self._policy, AddressPolicy)
        return Downloader(self._policy, limit_bytes=self._limits.media_bytes, stop=stop, file_token=self._file_token)


@dataclass(frozen=True, slots=True)
class Job:
    """`known` is the last good copy, if its file is there."""

    wanted: Wanted
    known: Asset | None


@dataclass(frozen=True, slots=True)
class Fetched:
    pass


@dataclass(frozen=True, slots=True)
class Unchanged:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    error: VelobuildError


Outcome = Fetched | Unchanged | Failed


def merged(wanted: Iterable[Wanted]) -> list[Wanted]:
    """One for each URL, sorted; the first place is named, any wish to recheck counts."""
    by_url: dict[str, Wanted] = {}
    for one in wanted:
        known = by_url.get(one.url)
        if known is None:
            by_url[one.url] = one
            continue
        size = one.expected_size if known.expected_size is None else known.expected_size
        by_url[one.url] = replace(known, expected_size=size, recheck=known.recheck or one.recheck)
    return [by_url[url] for url in sorted(by_url)]
