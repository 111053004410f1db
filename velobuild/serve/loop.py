"""One site's life in the service: events and times come in, builds go out, one at a time.

An event is a hint and the synchronisation the truth, so the loop only decides *when* to build and *what to ask for*.
The first event starts a build at once; whatever comes meanwhile becomes one more. Events are finished after what they
asked for is published, and given back when it failed: until then they stay in the queue, whatever dies.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from velobuild.config.schema import Loaded, Secret
from velobuild.errors import SourceUnavailable, VelobuildError
from velobuild.model.outputs import BuildReport
from velobuild.model.ports import Clock
from velobuild.serve.child import BuildRequest, Built, Crashed, Failed, Outcome
from velobuild.serve.dialects import sources_by_dialect
from velobuild.serve.events import Event
from velobuild.serve.logs import say
from velobuild.serve.loop_after import hook_environment, published_facts, run_hook
from velobuild.serve.loop_follow import FollowUp, again
from velobuild.serve.loop_pace import Pace, backoff_s
from velobuild.serve.loop_work import Work, work_of
from velobuild.serve.queue import Queue
from velobuild.serve.reconcile import Silence, Timetable
from velobuild.serve.status import BuildRow, SiteStatus, State, write_status

LOCKED_S = 5.0
HELD_S = 60.0
QUOTA_S = 900.0
SHORTEST_WAIT_S = 0.001
ANOTHERS_EVENT_S = 5.0
"""How often the queue is looked at unasked: `velobuild events --replay` puts events into it from another process."""
DEGRADED_FROM = 2
"""A single failure happens to everybody; from so many in a row on the operator is told."""


class Builder(Protocol):
    """What builds: a `BuildChild`, or a test's stand-in."""

    @property
    def started(self) -> int: ...

    def start(self) -> None: ...

    def build(self, request: BuildRequest, *, deadline_s: float) -> Outcome: ...

    def end(self) -> None: ...


class SiteLoop:
    """Belongs to one thread, which calls `run` (or `step`, in tests). `wake`, `reload` and `end` may come from others.

    `variables` is the environment for hooks. `shut_out` says why no delivery gets in, or None. `told` is called after
    every change of `status`, from the loop's thread.
    """

    def __init__(
        self,
        site: str,
        loaded: Loaded,
        queue: Queue,
        builder: Builder,
        *,
        cache: Path | None,
        clock: Clock,
        variables: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        told: Callable[[SiteStatus], None] | None = None,
        status: SiteStatus | None = None,
        also_warn: Callable[[], str | None] = lambda: None,
        shut_out: Callable[[], str | None] = lambda: None,
        secrets: Callable[[], Iterable[Secret]] = lambda: (),
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._site = site
        self._loaded = loaded
        self._queue = queue
        self._builder = builder
        self._cache = cache
        self._clock = clock
        self._variables = variables or {}
        self._monotonic = monotonic
        self._told = told or (lambda status: write_status(loaded.state, status))
        self._also_warn = also_warn
        self._shut_out = shut_out
        self._is_shut_out = False
        self._secrets = secrets
        self._chance = {} if chance is None else {"chance": chance}
        listen = loaded.config.listen
        self._pace = Pace(quiet_s=listen.quiet_ms / 1000, latest_s=listen.latest_s)
        self._times = Timetable(listen.daily_calls, listen.poll_s)
        self._silence = Silence(clock())
        self._follow_ups: list[FollowUp] = []
        self._not_before = 0.0
        self._look_wanted: str | None = None
        self._arrivals = 0
        self._newest_s = 0.0
        self._bell = threading.Condition()
        self._ending = False
        self.status = status or SiteStatus(site, since=clock(), daily_calls=listen.daily_calls)

    # From other threads.

    def wake(self, count: int = 1) -> None:
        """Events came in. Returns at once."""
        with self._bell:
            self._arrivals += count
            self._newest_s = self._monotonic()
            self._bell.notify()

    def look(self, reason: str) -> None:
        """Ask for a look at the whole CMS, whatever the timer says."""
        with self._bell:
            self._look_wanted = reason
            self._bell.notify()

    def reload(self, loaded: Loaded) -> None:
        """Build with this configuration from the next build on, and try at once what failed with the old one."""
        with self._bell:
            self._loaded = loaded
            self._not_before = 0.0
            self._bell.notify()

    def end(self) -> None:
        """Take no more work. A build under way goes on until the builder is ended."""
        with self._bell:
            self._ending = True
            self._bell.notify()

    # The loop's own thread.

    def run(self) -> None:
        """Until `end`. Blocks. No failure ends it: what goes wrong is told, and tried again."""
        while not self._ending:
            seen = self._arrivals
            try:
                wait_s = self.step()
            except VelobuildError as error:
                wait_s = self._failed_itself(error)
            except Exception as error:
                logging.getLogger("velobuild.listen").exception("a bug in the loop")
                wait_s = self._failed_itself(VelobuildError(f"a bug: {type(error).__name__}", code="VB9001"))
            with self._bell:
                if not self._ending and self._arrivals == seen and self._look_wanted is None:
                    self._bell.wait(wait_s)
        self._show(state="stopped")

    def step(self) -> float:
        """Do what is due, at most one build. Returns the seconds until there may be more to do."""
        at_s, now = self._monotonic(), self._clock()
        if at_s < self._not_before:
            return max(self._not_before - at_s, SHORTEST_WAIT_S)
        reason = self._look_wanted or self._times.due(at_s, now)
        pending = self._queue.pending(self._site)
        follow_ups = [one for one in self._follow_ups if one.at_s <= at_s]
        if reason is None and not follow_ups:
            if not pending:
                self._rest()
                return self._wait_s()
            many = max(pending, self._arrivals)
            wait_s = self._pace.wait_s(at_s, pending=many, newest_s=self._newest_s)
            if wait_s > 0:
                self._show(state="waiting")
                return max(min(wait_s, self._wait_s()), SHORTEST_WAIT_S)
        self._look_wanted = None
        self._arrivals = 0
        self._one_build(reason, follow_ups)
        return 0.0

    def _rest(self) -> None:
        """Nothing is to be done. Where that is because every delivery is refused, the operator is told once."""
        refused = self._shut_out()
        news = refused is not None and not self._is_shut_out
        self._is_shut_out = refused is not None
        self._show(state="degraded" if self._is_shut_out else "idle")
        if refused is not None and news:
            self._show(last_error=refused, last_error_at=self._clock())
            self._run_hooks(self._loaded.config.listen.degraded, {"VELOBUILD_ERROR": refused})

    def _wait_s(self) -> float:
        at_s = self._monotonic()
        follow_ups = [one.at_s - at_s for one in self._follow_ups]
        waits = [ANOTHERS_EVENT_S, self._times.wait_s(at_s, self._clock()), *follow_ups]
        return max(min(waits), SHORTEST_WAIT_S)

    def _one_build(self, look: str | None, follow_ups: list[FollowUp]) -> None:
        events = self._queue.take(self._site)
        ids = [event.id for event in events]
        try:
            self._build_for(events, ids, look, follow_ups)
        except BaseException:
            self._queue.give_back(ids)
            raise

    def _build_for(
        self, events: tuple[Event, ...], ids: list[int], look: str | None, follow_ups: list[FollowUp]
    ) -> None:
        sources = self._loaded.config.sources
        comments = any(source.comments for source in sources)
        work = work_of(events, comments=comments, sources=sources_by_dialect(sources))
        if events:
            self._silence = self._silence.heard(max(event.received_at for event in events))
            self._show(last_event_at=self._silence.since)
        if look is not None:
            work = replace(work, everything=True, reasons=(look, *work.reasons))
        if follow_ups:
            asked = tuple(one.post for one in follow_ups)
            work = replace(work, named=work.named + asked, reasons=(*work.reasons, "follow-up"))
            self._follow_ups = [one for one in self._follow_ups if one not in follow_ups]
        if not work:
            self._queue.finish(ids, "nothing", self._clock())
            return
        if self.status.failures >= DEGRADED_FROM:
            # After a streak of errors nothing is taken for granted.
            work = replace(work, everything=True)
        self._show(state="building")
        started_at, started_s = self._clock(), self._monotonic()
        self._pace.started(started_s)
        listen = self._loaded.config.listen
        request = BuildRequest(self._loaded, self._cache, () if work.everything else work.named)
        outcome = self._builder.build(request, deadline_s=listen.build_s)
        took_ms = round((self._monotonic() - started_s) * 1000)
        self._pace.ended(self._monotonic())
        row = BuildRow(started_at, work.reasons, "failed", took_ms)
        if isinstance(outcome, Built):
            self._succeeded(outcome.report, events, work, row, look, follow_ups)
            return
        self._queue.give_back(ids)
        self._follow_ups += follow_ups
        if not self._ending:
            self._failed(outcome, row, look)

    def _succeeded(
        self,
        report: BuildReport,
        events: tuple[Event, ...],
        work: Work,
        row: BuildRow,
        look: str | None,
        follow_ups: list[FollowUp],
    ) -> None:
        now = self._clock()
        changed = report.created + report.rewritten
        live = bool(changed or report.removed or report.release is not None)
        ids = [event.id for event in events]
        self._mark(ids, row, report)
        self._queue.finish(ids, "built" if live else "nothing", now)
        sync = report.sync
        if sync is not None:
            self._times = self._times.counted(sync.calls_today, now)
            if not sync.named:
                cost = {"calls": sync.api_calls, "bodies": sync.bodies_fetched}
                self._times = self._times.looked(self._monotonic(), **cost)
                if look == "timer" and not events:
                    self._silence = self._silence.looked(sync.changed + sync.removed)
            self._follow_ups += again(sync, follow_ups, at_s=self._monotonic())
            for id in (post.id or post.slug for post in sync.stale):
                say(logging.WARNING, "the CMS still answers with an older version", site=self._site, post_id=id)
        self._times = replace(self._times, next_due_at=report.next_due_at)
        row = replace(
            row,
            outcome="built" if live else "nothing",
            pages=report.pages,
            changed=changed,
            removed=report.removed,
            release=report.release,
            api_calls=0 if sync is None else sync.api_calls,
            warnings=len(report.warnings),
        )
        say(logging.INFO, "built", site=self._site, took_ms=row.took_ms, changed=changed, removed=report.removed,
            release=report.release, api_calls=row.api_calls, reasons=", ".join(work.reasons[:5]))  # fmt: skip
        self.status = self.status.with_build(row)
        self._show(
            state="idle",
            failures=0,
            next_try_at=None,
            last_published_at=now if live else self.status.last_published_at,
            calls_today=self._times.calls_today,
            left_in_window=self.status.left_in_window if sync is None else sync.left_in_window,
        )
        if live:
            self._run_hooks(self._loaded.config.listen.after, published_facts(report))

    def _mark(self, ids: list[int], row: BuildRow, report: BuildReport) -> None:
        """When the events' posts were fetched, built and published, as the build's own phases tell."""
        phases = report.elapsed_ms
        fetched = row.started_at + timedelta(milliseconds=phases.get("sync", 0))
        publish_ms = phases.get("publish", 0)
        published = row.started_at + timedelta(milliseconds=row.took_ms)
        self._queue.mark(ids, "fetched", fetched)
        self._queue.mark(ids, "built", max(published - timedelta(milliseconds=publish_ms), fetched))
        self._queue.mark(ids, "published", published)

    def _failed(self, outcome: Failed | Crashed, row: BuildRow, look: str | None) -> None:
        error = outcome.error if isinstance(outcome, Failed) else None
        code = "VB6002" if error is None else error.code
        text = f"the build process was lost: {outcome.how}" if isinstance(outcome, Crashed) else str(error)
        if look is not None and look != "timer":
            self._look_wanted = look
        failures = self.status.failures
        state: State = "waiting"
        if code == "VB7001":
            wait_s = LOCKED_S
        elif code == "VB5007":
            wait_s, state = HELD_S, "held"
        else:
            failures += 1
            wait_s = self._retry_s(failures, error)
            state = "degraded" if failures >= DEGRADED_FROM else "waiting"
        self._not_before = self._monotonic() + wait_s
        now = self._clock()
        row = replace(row, error=text, error_code=code)
        say(logging.ERROR, "the build failed", site=self._site, code=code, error=text, retry_in_s=round(wait_s, 1),
            failures=failures, hint=None if error is None else error.hint)  # fmt: skip
        self.status = self.status.with_build(row)
        next_try_at = now + timedelta(seconds=wait_s)
        self._show(state=state, failures=failures, next_try_at=next_try_at, last_error=text, last_error_at=now)
        if failures == DEGRADED_FROM and state == "degraded":
            self._run_hooks(self._loaded.config.listen.degraded, {"VELOBUILD_ERROR": text})

    def _retry_s(self, failures: int, error: VelobuildError | None) -> float:
        wait_s = backoff_s(failures, **self._chance)
        if error is not None and error.code == "VB2105":
            return max(wait_s, QUOTA_S)
        if isinstance(error, SourceUnavailable) and error.retry_at is not None:
            return max(wait_s, error.retry_at - self._clock().timestamp())
        return wait_s

    def _failed_itself(self, error: VelobuildError) -> float:
        """The queue or a process could not be had: the disk is full, say."""
        wait_s = backoff_s(self.status.failures + 1, **self._chance)
        now = self._clock()
        say(logging.ERROR, "the service cannot work", site=self._site, code=error.code, error=str(error),
            hint=error.hint)  # fmt: skip
        failures = self.status.failures + 1
        self._show(state="degraded", failures=failures, last_error=str(error), last_error_at=now)
        self._not_before = self._monotonic() + wait_s
        return wait_s

    def _run_hooks(self, commands: tuple[tuple[str, ...], ...], facts: Mapping[str, str]) -> None:
        loaded, within_s = self._loaded, self._loaded.config.listen.after_s
        secrets = (*loaded.tokens, *self._secrets())
        environment = hook_environment(self._variables, secrets, site=self._site, out=loaded.out, facts=facts)
        for command in commands:
            ran = run_hook(command, folder=loaded.root, environment=environment, within_s=within_s)
            level = logging.INFO if ran.ok else logging.ERROR
            say(level, "ran a command", site=self._site, command=" ".join(command), code=ran.code, said=ran.said)
            if not ran.ok:
                text = f"`{' '.join(command)}` failed: {ran.said or ran.code}"
                self._show(last_error=text, last_error_at=self._clock())

    def _show(self, **changes: Any) -> None:
        """Change the status, and tell it if it is another."""
        now, at_s = self._clock(), self._monotonic()
        found = (self._silence.warning(now), self._budget_warning(), self._also_warn())
        warnings = [text for text in found if text]
        look_s = None if self._times.last_s is None else self._times.last_s + self._times.interval_s - at_s
        status = replace(
            self.status,
            next_look_at=None if look_s is None else self.status.next_look_at,
            next_due_at=self._times.next_due_at,
            warnings=tuple(warnings),
            children_total=self._builder.started,
            follow_ups=len(self._follow_ups),
            **changes,
        )
        if look_s is not None:
            at = now + timedelta(seconds=look_s)
            # To the second, or a status that says nothing new would be told over and over.
            if status.next_look_at is None or abs((at - status.next_look_at).total_seconds()) > 2:
                status = replace(status, next_look_at=at)
        if status != self.status:
            for text in set(status.warnings) - set(self.status.warnings):
                say(logging.WARNING, text, site=self._site)
            self.status = status
            self._told(status)

    def _budget_warning(self) -> str | None:
        budget = self._times.budget(self._clock())
        if budget == "enough":
            return None
        rest = "; until midnight UTC the CMS is asked only when events come" if budget == "events only" else ""
        return f"{self._times.calls_today} of the day's {self._times.daily_calls} calls are used{rest}"
