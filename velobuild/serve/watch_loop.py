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
from velobuild.model.outputs import BuildReport, SyncReport
from velobuild.model.ports import Clock, Progress, Warn, utc_now
from velobuild.pipeline import BuildOptions
from velobuild.pipeline import build as pipeline_build
from velobuild.pipeline import sync as pipeline_sync
from velobuild.render.theme import load_theme
from velobuild.serve.display import Display, Reason
from velobuild.serve.overlay import findings_of, findings_of_warnings
from velobuild.serve.preview_live import LivePreview
from velobuild.serve.realtime import Listening
from velobuild.serve.reload import Hub
from velobuild.serve.watch import FileWatch, Places
from velobuild.serve.watch_pace import Pace, pace_for
from velobuild.sources import realtime_of
from velobuild.sources.pocketbase_realtime import Hint, HintKind

END_OF_TIME = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
"""With drafts every date has come."""
THEME_PARTS = ("templates", "static", "locales")


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What was asked for. `poll_s` is the pause between two questions to the CMS; None lets velobuild choose."""

    offline: bool = False
    allow_shrink: bool = False
    poll_s: float | None = None


class Inbox:
    """What happened since the loop looked last, merged. Filled from any thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._stirred = False
        self._hints: list[Hint] = []

    def stir(self) -> None:
        """Files may have changed."""
        with self._condition:
            self._stirred = True
            self._condition.notify()

    def hint(self, hint: Hint) -> None:
        with self._condition:
            self._hints.append(hint)
            self._condition.notify()

    def take(self, timeout_s: float | None) -> tuple[bool, tuple[Hint, ...]]:
        """(whether files may have changed, hints), as soon as there is either, or neither once the time is up."""
        with self._condition:
            self._condition.wait_for(lambda: self._stirred or self._hints, timeout_s)
            taken = (self._stirred, tuple(self._hints))
            self._stirred, self._hints = False, []
            return taken


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
        self._folders: tuple[Path, ...] = (loaded.root,)
        self._learn_folders()
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
        hosts = ", ".join(dict.fromkeys(single.config.source.url or "" for single in self._loaded.each_source()))
        if self._options.offline:
            return "not asked (offline)"
        if self._options.poll_s is None and realtime_of(self._loaded, cache=self._cache):
            return f"{hosts}, which tells of changes"
        return f"{hosts}, asked every {self._pace.pause_s:g} s"

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
            names = tuple(self._shown(file) for file in changed)
            online = bool(told or found is not None or due or self._owed) or any(
                self._needs_cms(file) for file in changed
            )
            assets = any("static" in file.parts for file in changed)
            self._round(Reason(names, told, asked=found, due=due), online=online, assets=assets)

    # Building.

    def _build(self, *, online: bool, warn: Warn) -> BuildReport:
        """The one place that builds."""
        now = END_OF_TIME if self._loaded.drafts else None
        options = BuildOptions(
            offline=self._options.offline or not online, allow_shrink=self._options.allow_shrink, wait=True, now=now
        )
        return pipeline_build(
            self._loaded, options, cache=self._cache, clock=self._clock, warn=warn, progress=self._progress
        )

    def _round(self, reason: Reason, *, online: bool, assets: bool = False) -> None:
        if self._config_broken:
            return
        began = self._monotonic()
        try:
            report = self._built(online=online)
        except VelobuildError as error:
            self._failed(reason, error)
            return
        except Exception as error:
            self._failed(reason, bug(error))
            return
        finally:
            self._settle_progress()
        self._revision = report.revision
        self._due_at = report.next_due_at
        self._pace = self._pace.stirred()
        self._hub.built(assets=assets, findings=findings_of_warnings(report.warnings, self._folders))
        self._display.built(reason, report, self._monotonic() - began)

    def _built(self, *, online: bool) -> BuildReport:
        if not online:
            return self._build(online=False, warn=lambda finding: None)
        self._asked_at = self._monotonic()
        try:
            report = self._build(online=True, warn=lambda finding: None)
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
                self._failed(Reason(tuple(self._shown(file) for file in changed)), error)
                return False
            self._config_broken = False
            self._preview.show(self._loaded.out, prefix_of(self._loaded))
            if asks_otherwise(before, self._loaded):
                self._pace = self._pace_of(self._loaded)
                self._subscribe()
        elif self._config_broken:
            self._display.note(f"{self._loaded.file.name} is still to be mended")
            return False
        self._learn_folders()
        self._files.move(places_of(self._loaded, self._folders))
        return True

    def _learn_folders(self) -> None:
        """The theme's chain, the site's own folder first; that of before while the theme cannot be read."""
        try:
            self._folders = load_theme(self._loaded.config, self._loaded.root).folders
        except VelobuildError:
            config = self._loaded.config.theme
            own = (self._loaded.root / config.path,) if config.path else ()
            self._folders = tuple(dict.fromkeys((self._loaded.root, *own, *self._folders[1:])))

    def _needs_cms(self, file: Path) -> bool:
        """Whether a change of the file may ask for content or media that are not here yet."""
        parts = {folder / part for folder in self._folders for part in THEME_PARTS}
        return not any(file.is_relative_to(part) for part in parts) and file.name != "theme.toml"

    def _shown(self, file: Path) -> str:
        root = self._loaded.root
        if file.is_relative_to(root):
            return file.relative_to(root).as_posix()
        for folder in self._folders[1:]:
            if file.is_relative_to(folder):
                return f"{folder.name}/{file.relative_to(folder).as_posix()}"
        return str(file)

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
        if self._options.offline or self._config_broken:
            return False
        if any(hint.kind is HintKind.SUBSCRIBED for hint in hints):
            return True
        waits = self._is_told() and not self._owed
        return not waits and self._monotonic() >= self._asked_at + self._pace.pause_s

    def _is_told(self) -> bool:
        every = len(self._loaded.each_source()) if self._listening is not None else -1
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
            if str(error) != self._refused:  # Said once, however often it is asked.
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
        hosts = [urlsplit(single.config.source.url or "").hostname or "" for single in loaded.each_source()]
        return pace_for(near=all(is_loopback(host) for host in hosts), chosen_s=self._options.poll_s)

    def _pause_s(self) -> float | None:
        """How long nothing may happen before it is time to look."""
        pauses: list[float] = []
        if not self._options.offline and (not self._is_told() or self._owed):
            pauses.append(self._asked_at + self._pace.pause_s - self._monotonic())
        if self._due_at is not None:
            pauses.append((self._due_at - self._clock()).total_seconds())
        return None if not pauses else min(max(min(pauses), 0.0), threading.TIMEOUT_MAX)

    def _note(self, finding: Diagnostic) -> None:
        self._display.note(finding.what)


def places_of(loaded: Loaded, folders: tuple[Path, ...]) -> Places:
    """What a site is made from on this machine. `folders` are the theme's chain, the site's own first."""
    watched = [folder / part for folder in folders for part in THEME_PARTS]
    watched.append(loaded.root / loaded.config.content.pages)
    watched += [loaded.root / source.path for source in loaded.config.sources if source.type == "folder"]
    files = [loaded.file, loaded.root / ".env", *(folder / "theme.toml" for folder in folders[1:])]
    return Places(tuple(dict.fromkeys(watched)), tuple(dict.fromkeys(files)))


def prefix_of(loaded: Loaded) -> str:
    """The path below which the site is published, such as `/blog`."""
    return urlsplit(loaded.config.site.base_url).path.rstrip("/")


def asks_otherwise(before: Loaded, after: Loaded) -> bool:
    """Whether the CMS is another one, or is asked with other tokens."""
    tokens = [[token.reveal() for token in loaded.tokens] for loaded in (before, after)]
    return before.config.sources != after.config.sources or tokens[0] != tokens[1]


def bug(error: Exception) -> VelobuildError:
    """An exception that should not be. Its text stays out: it may quote anything."""
    found = VelobuildError(
        f"a bug in velobuild: {type(error).__name__}",
        code="VB9001",
        hint="this should not happen; run `velobuild build -vv` and report what it prints",
    )
    found.__cause__ = error
    return found
