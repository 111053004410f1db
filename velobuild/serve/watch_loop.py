"""The theme developer's loop: something changes, the site is built again, open pages follow.

A change starts a build at once; whatever comes while one runs becomes a single one after it. Builds run here, in the
process's main thread, since only there a page that renders for ever can be stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from velobuild.config.schema import Loaded
from velobuild.errors import ConfigError, Diagnostic, SourceUnavailable, VelobuildError
from velobuild.http.origin import is_loopback
from velobuild.model.entries import Collection
from velobuild.model.outputs import BuildReport, SyncReport
from velobuild.model.ports import Clock, NamedPost, Progress, Warn, utc_now
from velobuild.pipeline import BuildOptions
from velobuild.pipeline import build as pipeline_build
from velobuild.pipeline.syncing import sync as pipeline_sync
from velobuild.serve.display import Display, Reason
from velobuild.serve.overlay import findings_of, findings_of_warnings
from velobuild.serve.preview_live import LivePreview
from velobuild.serve.realtime import Listening
from velobuild.serve.reload import Hub
from velobuild.serve.watch import FileWatch
from velobuild.serve.watch_inbox import Inbox
from velobuild.serve.watch_knock import Knock
from velobuild.serve.watch_pace import Pace, pace_for
from velobuild.serve.watch_places import (
    LOCAL,
    asked_sources,
    asks_otherwise,
    chain_of,
    is_of_theme,
    places_of,
    prefix_of,
    shown,
)
from velobuild.sources import realtime_of
from velobuild.sources.pocketbase_realtime import Hint, HintKind

END_OF_TIME = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
"""With drafts every date has come."""
WITH_DRAFTS = frozenset({"velocms", "pocketbase", LOCAL})
"""The types of source that may show drafts."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What was asked for. `poll_s` is the pause between two questions to the CMS; None lets velobuild choose."""

    offline: bool = False
    allow_shrink: bool = False
    poll_s: float | None = None


class WatchLoop:
    """One site being worked on. `load` reads the configuration anew, and raises ConfigError."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        loaded: Loaded,
        options: WatchOptions,
        *,
        cache: Path | None,
        preview: LivePreview,
        hub: Hub,
        display: Display,
        progress: Progress | None = None,
        settle_progress: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._loaded = loaded
        self._options = options
        self._cache = cache
        self._preview = preview
        self._hub = hub
        self._display = display
        self._progress = progress
        self._settle_progress = settle_progress
        self._clock = clock
        self._monotonic = monotonic
        self._inbox = Inbox()
        self._knock = Knock(self._inbox.stir)
        self._folders = chain_of(loaded)
        # Looked at before the first build: what is saved while it runs is found after it.
        self._files = FileWatch(
            places_of(loaded, self._folders), stirred=self._inbox.stir, warn=self._note, clock=clock
        )
        self._pace = self._pace_of(loaded)
        self._asked_at = 0.0
        self._owed = False
        self._refused = ""
        self._due_at: datetime | None = None
        self._revision: int | None = None
        """What the store held when it was looked at last; None after a build that failed on its way there."""
        self._config_broken = False
        self._listening: Listening | None = None
        self._subscriptions = ExitStack()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The theme's chain, the site's own folder first."""
        return self._folders

    def how_the_cms_is_heard(self) -> str:
        """For people."""
        hosts = ", ".join(dict.fromkeys(source.url or "" for source in asked_sources(self._loaded)))
        if not hosts:
            return "none: all posts are on this machine"
        if self._options.offline:
            return "not asked (offline)"
        if self._options.poll_s is None and realtime_of(self._loaded, cache=self._cache):
            return f"{hosts}, which tells of changes"
        return f"{hosts}, asked every {self._pace.pause_s:g} s"

    def without_drafts(self) -> str:
        """The sources that show none whatever is asked of them, for people; "" if there is none."""
        return ", ".join(source.type for source in self._loaded.config.sources if source.type not in WITH_DRAFTS)

    def first_build(self) -> None:
        """Before any thread is there, so that a large site may use all processors."""
        self._round(Reason(first=True), online=True)

    def run(self) -> None:
        """Follow every change until interrupted. Blocks."""
        with self._files, self._subscriptions:
            self._subscribe()
            while True:
                stirred, hints = self._inbox.take(self._pause_s())
                self._turn(stirred, hints)

    def _turn(self, stirred: bool, hints: tuple[Hint, ...]) -> None:
        changed = self._files.changes() if stirred else ()
        if changed and not self._take_in(changed):
            return
        told = tuple(hint for hint in hints if hint.kind is HintKind.CHANGED)
        self._heed_state(hints)
        due = self._due_at is not None and self._clock() >= self._due_at
        if due:  # A build that fails is not to be tried again at once, for ever.
            self._due_at = None
        found = self._ask() if not (changed or told or due) and self._asks_now(hints) else None
        if changed or told or due or found is not None:
            names = tuple(shown(file, self._folders) for file in changed)
            fresh = any(hint.kind is HintKind.SUBSCRIBED for hint in hints)
            from_here = all(is_of_theme(file, self._folders) for file in changed)
            heard = bool(told or fresh or found is not None)
            # A CMS that is known to be away is not asked in the way of somebody's work.
            online = heard or ((due or not from_here) and not self._owed)
            alone = not (fresh or found or due or self._owed) and from_here
            named = named_by(told) if alone else ()
            assets = any("static" in file.parts for file in changed)
            self._round(Reason(names, told, asked=found, due=due), online=online, assets=assets, named=named)

    # Building.

    def _build(self, *, online: bool, warn: Warn, named: tuple[NamedPost, ...] = ()) -> BuildReport:
        """The one place that builds."""
        now = END_OF_TIME if self._loaded.drafts else None
        options = BuildOptions(
            offline=self._options.offline or not online,
            allow_shrink=self._options.allow_shrink,
            wait=True,
            now=now,
            named=named,
        )
        return pipeline_build(
            self._loaded, options, cache=self._cache, clock=self._clock, warn=warn, progress=self._progress
        )

    def _round(self, reason: Reason, *, online: bool, assets: bool = False, named: tuple[NamedPost, ...] = ()) -> None:
        if self._config_broken:
            return
        began = self._monotonic()
        try:
            report = self._built(online=online, named=named)
        except VelobuildError as error:
            self._failed(reason, error)
            return
        except Exception as error:
            self._failed(reason, bug(error))
            return
        finally:
            self._settle_progress()
        self._refused = ""
        self._revision = report.revision
        self._due_at = report.next_due_at
        self._pace = self._pace.stirred()
        self._hub.built(assets=assets, findings=findings_of_warnings(report.warnings, self._folders))
        self._display.built(reason, report, self._monotonic() - began)

    def _built(self, *, online: bool, named: tuple[NamedPost, ...]) -> BuildReport:
        if not online:
            return self._build(online=False, warn=lambda finding: None)
        self._asked_at = self._monotonic()
        try:
            report = self._build(online=True, warn=lambda finding: None, named=named)
        except SourceUnavailable as error:
            self._cms_failed(error)
            if self._options.offline:
                raise
            try:
                # What is here already can be worked on all the same.
                return self._build(online=False, warn=lambda finding: None)
            except SourceUnavailable:
                raise error from None
        self._owed = False
        self._display.cms_back()
        if report.sync is not None:
            self._pace = self._pace.asked(report.sync, changed=True)
        return report

    def _failed(self, reason: Reason, error: VelobuildError) -> None:
        self._pace = self._pace.stirred()
        self._revision = None
        self._refused = str(error)
        self._hub.failed(findings_of(error, self._folders))
        self._display.failed(reason, error)

    # The site's own files.

    def _take_in(self, changed: tuple[Path, ...]) -> bool:
        """Heed what changed the configuration or the theme. False if there is nothing to build with."""
        if any(file in (self._loaded.file, self._loaded.root / ".env") for file in changed):
            before = self._loaded
            try:
                self._loaded = self._load()
            except ConfigError as error:
                self._config_broken = True
                self._failed(Reason(tuple(shown(file, self._folders) for file in changed)), error)
                return False
            self._config_broken = False
            self._preview.show(self._loaded.out, prefix_of(self._loaded))
            if asks_otherwise(before, self._loaded):
                self._pace = self._pace_of(self._loaded)
                self._subscribe()
        elif self._config_broken:
            self._display.note(f"{self._loaded.file.name} is still to be mended")
            return False
        self._folders = chain_of(self._loaded, self._folders)
        self._files.move(places_of(self._loaded, self._folders))
        return True

    # The CMS.

    def _subscribe(self) -> None:
        self._subscriptions.close()
        self._listening = None
        if not self._options.offline and self._options.poll_s is None:
            subscriptions = realtime_of(self._loaded, cache=self._cache, clock=self._clock)
            if subscriptions:
                self._listening = self._subscriptions.enter_context(Listening(subscriptions, self._inbox.hint))

    def _heed_state(self, hints: tuple[Hint, ...]) -> None:
        for hint in hints:
            if hint.kind is HintKind.LOST and (hint.error is not None or hint.retry_s is None):
                self._display.cms_lost(hint.error, hint.retry_s)

    def _asks_now(self, hints: tuple[Hint, ...]) -> bool:
        """Whether it is time to ask the CMS. A new subscription must: what happened before it is told to nobody."""
        if self._config_broken or not self._asks:
            return False
        if any(hint.kind is HintKind.SUBSCRIBED for hint in hints):
            return True
        waits = self._is_told() and not self._owed
        if waits or self._monotonic() < self._asked_at + self._pace.pause_s:
            return False
        return not self._owed or self._is_back()

    def _is_back(self) -> bool:
        """Whether the CMS that was away answers again. Does not wait: the answer stirs the loop."""
        answer = self._knock.take()
        if answer is None:
            if not self._knock.under_way:
                self._knock.begin(source.url or "" for source in asked_sources(self._loaded))
        elif not answer:
            self._asked_at = self._monotonic()
            self._pace = self._pace.failed(None)
        return answer is True

    @property
    def _asks(self) -> bool:
        """Whether there is anything to ask, and leave to do so."""
        return not self._options.offline and bool(asked_sources(self._loaded))

    def _is_told(self) -> bool:
        """Whether every CMS tells of its changes now."""
        every = len(asked_sources(self._loaded))
        return self._listening is not None and self._listening.live and every == self._listening.count

    def _ask(self) -> SyncReport | None:
        """Ask the CMS, and keep what it says. None if there is nothing to build for it."""
        self._asked_at = self._monotonic()
        try:
            report = pipeline_sync(
                self._loaded, cache=self._cache, allow_shrink=self._options.allow_shrink, wait=True, clock=self._clock
            )
        except SourceUnavailable as error:
            self._cms_failed(error)
            return None
        except VelobuildError as error:
            self._pace = self._pace.failed(None)
            self._owed = True
            if str(error) != self._refused:  # Said once, by a build or here, however often it is asked.
                self._refused = str(error)
                self._hub.failed(findings_of(error, self._folders))
                self._display.failed(Reason(asked=SyncReport(0)), error)
            return None
        self._refused = ""
        moved = self._revision is not None and report.revision != self._revision
        changed = bool(moved or report.changed or report.removed or self._owed)
        self._revision = report.revision
        self._pace = self._pace.asked(report, changed=changed)
        self._owed = False
        self._display.cms_back()
        return report if changed else None

    def _cms_failed(self, error: SourceUnavailable) -> None:
        wait_s = None if error.retry_at is None else error.retry_at - self._clock().timestamp()
        self._pace = self._pace.failed(wait_s)
        self._owed = True
        self._display.cms_lost(error, self._pace.pause_s)

    def _pace_of(self, loaded: Loaded) -> Pace:
        hosts = [urlsplit(source.url or "").hostname or "" for source in asked_sources(loaded)]
        return pace_for(near=all(is_loopback(host) for host in hosts), chosen_s=self._options.poll_s)

    def _pause_s(self) -> float | None:
        """How long nothing may happen before it is time to look."""
        pauses: list[float] = []
        if self._asks and (not self._is_told() or self._owed) and not self._knock.under_way:
            pauses.append(self._asked_at + self._pace.pause_s - self._monotonic())
        if self._due_at is not None:
            pauses.append((self._due_at - self._clock()).total_seconds())
        return None if not pauses else min(max(min(pauses), 0.0), threading.TIMEOUT_MAX)

    def _note(self, finding: Diagnostic) -> None:
        self._display.note(finding.what)


def named_by(hints: tuple[Hint, ...]) -> tuple[NamedPost, ...]:
    """The posts that suffice to be asked for, each once; () where something else changed too."""
    if any(hint.collection is not Collection.POSTS or hint.id is None for hint in hints):
        return ()
    return tuple(NamedPost(id) for id in dict.fromkeys(hint.id for hint in hints))


def bug(error: Exception) -> VelobuildError:
    """An exception that should not be. Its text stays out: it may quote anything."""
    found = VelobuildError(
        f"a bug in velobuild: {type(error).__name__}",
        code="VB9001",
        hint="this should not happen; run `velobuild build -vv` and report what it prints",
    )
    found.__cause__ = error
    return found
