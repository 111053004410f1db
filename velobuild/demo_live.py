"""The demo's second half: the CMS tells the listener, the listener builds, and open pages follow by themselves.

Nothing here is a shortcut either: it is the service of `velobuild listen` with a webhook that is registered in the CMS,
and the preview of `velobuild watch`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from velobuild.config.schema import Loaded
from velobuild.config.webhook_secrets import read_webhook_secrets
from velobuild.errors import VelobuildError
from velobuild.model.ports import Clock
from velobuild.serve.activation import without
from velobuild.serve.dialects import of_source
from velobuild.serve.display import Lines, counted
from velobuild.serve.events import NO_WORK, Kept
from velobuild.serve.overlay import findings_of
from velobuild.serve.preview_live import LivePreview, Serving
from velobuild.serve.queue import FILE_NAME
from velobuild.serve.receiver import SiteHook
from velobuild.serve.reload import Hub
from velobuild.serve.service import Served, Service
from velobuild.serve.status import BuildRow, SiteStatus

SITE = "site"
EVENTS_SEEN = 100
LOOK_EVERY_S = 1.0
"""Events that need no build wake nobody; they are found by looking."""


class LiveDemo:
    """The service, the preview, and what is said of both. `run` belongs to the main thread."""

    def __init__(
        self, loaded: Loaded, lines: Lines, *, cache: Path | None, clock: Clock, variables: Mapping[str, str]
    ) -> None:
        secrets = read_webhook_secrets(loaded, environment=variables, warn=[])
        hook = SiteHook(of_source(loaded.config.source.type), secrets)
        served = Served(loaded, hook, (*loaded.tokens, *secrets))
        self._loaded = loaded
        self._hub = Hub()
        self._stirred = threading.Event()
        self._service = Service(
            {SITE: lambda: served},
            {SITE: served},
            queue_file=loaded.state / FILE_NAME,
            cache=cache,
            clock=clock,
            variables=without(variables),
            stirred=self._stirred.set,
            leaving=self._stop_telling,
        )
        self._account = Account(lines)
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell, name="velobuild-demo", daemon=True)

    def run(self, preview: socket.socket, hooks: socket.socket, *, ready: Callable[[], None]) -> None:
        """Serve until Ctrl-C or SIGTERM. Blocks; both sockets are the caller's to close."""
        live = LivePreview(self._loaded.out, hub=self._hub)
        with Serving(live, preview, self._hub):
            self._teller.start()
            self._service.run([hooks], ready=ready)

    def _stop_telling(self) -> None:
        self._ended.set()
        self._stirred.set()
        self._teller.join(LOOK_EVERY_S)

    def _tell(self) -> None:
        while not self._ended.is_set():
            self._stirred.wait(LOOK_EVERY_S)
            self._stirred.clear()
            if self._ended.is_set():  # The queue is about to be closed.
                return
            status, events = self._service.seen(SITE, EVENTS_SEEN)
            fresh = self._account.builds_since(status)
            for row in fresh:
                if row.outcome == "failed":
                    self._hub.failed(findings_of(VelobuildError(row.error or "", code=row.error_code or ""), ()))
                else:
                    self._hub.built(assets=False)
            self._account.tell(status, events)


class Account:
    """Says of every event that it came, and what came of it, once each."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._last_id = 0
        self._open: dict[int, Kept] = {}
        self._builds = 0
        self._failed_at: datetime | None = None

    def builds_since(self, status: SiteStatus) -> tuple[BuildRow, ...]:
        """The builds that ended since this was asked last, in their order."""
        count = min(status.builds_total - self._builds, len(status.builds))
        self._builds = status.builds_total
        return tuple(reversed(status.builds[:count]))

    def tell(self, status: SiteStatus, events: tuple[Kept, ...]) -> None:
        """Say what is new. `events` are the last ones, the newest first."""
        for kept in sorted(events, key=lambda kept: kept.event.id):
            if kept.event.id > self._last_id:
                self._last_id = kept.event.id
                self._came(kept)
            elif kept.event.id in self._open:
                self._open[kept.event.id] = kept
        self._went_live(status)
        self._failed(status)

    def _came(self, kept: Kept) -> None:
        event = kept.event
        if kept.state == "dead":
            self._lines.line("!", "bad", f"a delivery that nobody understands: {kept.why}")
            return
        what = " ".join(part for part in (event.kind, event.slug or event.post_id) if part)
        if event.kind in NO_WORK:
            self._lines.line("·", "note", f"{what}: received, nothing to build")
            return
        self._lines.line("↓", "where", f"{self._lines.painted(what, 'bold')}: received")
        self._open[event.id] = kept

    def _went_live(self, status: SiteStatus) -> None:
        """One line for each build, whose events are done by now."""
        for row in reversed(status.builds):
            done = [kept for kept in self._open.values() if kept.state == "done" and is_of(kept, row)]
            if done:
                self._lines.line("✓", "good", outcome(done, row))
                for kept in done:
                    del self._open[kept.event.id]
        for kept in [kept for kept in self._open.values() if kept.state == "done" and kept.published_at is None]:
            self._lines.line("·", "note", f"{kept.event.slug or kept.event.kind}: nothing to build for it")
            del self._open[kept.event.id]

    def _failed(self, status: SiteStatus) -> None:
        if status.last_error_at is None or status.last_error_at == self._failed_at:
            return
        self._failed_at = status.last_error_at
        self._lines.line("✗", "bad", f"the site stays as it was: {status.last_error}")


def is_of(kept: Kept, row: BuildRow) -> bool:
    """Whether the build is the one that the event was for: its end is the event's last mark."""
    if kept.published_at is None or row.outcome == "failed":
        return False
    off_s = (kept.published_at - row.started_at).total_seconds() - row.took_ms / 1000
    return abs(off_s) < 0.002  # The queue keeps milliseconds.


def outcome(done: list[Kept], row: BuildRow) -> str:
    """What a build meant for its events. Times are since the first of them was received."""
    first = min(done, key=lambda kept: kept.event.received_at)
    stages = (("fetched", first.fetched_at), ("built", first.built_at), ("live", first.published_at))
    since = [
        f"{name} in {round((at - first.event.received_at).total_seconds() * 1000)} ms" for name, at in stages if at
    ]
    if row.outcome == "nothing":
        return "the site is the same with it: nothing was to be published"
    parts = [counted(row.changed, "file") + " written", *([f"{row.removed} removed"] if row.removed else [])]
    return f"received → {' → '.join(since)}: {', '.join(parts)} ({counted(row.pages, 'page')})"
