"""When the whole CMS is looked at, though no event asks for it. Pure: times come in, decisions go out.

Events get lost (a CMS tries for seconds, a machine is away for hours), so what is rendered never depends on them: a
look at the whole repairs everything. It costs calls, of which an idle day may use a twentieth of what the plan allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

SHARE_OF_DAY = 0.05
SHORTEST_S = 300.0
DAY_S = 86_400.0
WARN_SHARE = 0.8
EVENTS_ONLY_SHARE = 0.95
SILENT_FOR = timedelta(hours=24)
SILENT_FINDS = 3
"""So many looks in a row that found changes nobody announced say the same sooner."""

Budget = Literal["enough", "scarce", "events only"]


def interval_s(calls: int, daily_calls: int, poll_s: int = 0) -> float:
    """Seconds between two looks of so many `calls` each; `poll_s` is the operator's own wish, 0 for none."""
    if poll_s:
        return float(poll_s)
    return max(SHORTEST_S, max(calls, 1) * DAY_S / (SHARE_OF_DAY * daily_calls))


def budget(calls_today: int, daily_calls: int) -> Budget:
    """What is left of the day: from 95 % on, what is left is for events alone."""
    if calls_today >= EVENTS_ONLY_SHARE * daily_calls:
        return "events only"
    return "scarce" if calls_today >= WARN_SHARE * daily_calls else "enough"


@dataclass(frozen=True, slots=True)
class Timetable:
    """What is known of the site's looks. `at_s` are seconds of the monotonic clock; `next_due_at` is the wall's."""

    daily_calls: int
    poll_s: int = 0
    last_s: float | None = None
    calls: int = 3
    """What the last look that fetched nothing cost."""
    calls_today: int = 0
    counted_on: str = ""
    next_due_at: datetime | None = None

    def looked(self, at_s: float, *, calls: int, bodies: int) -> Timetable:
        """A look was taken. One that fetched bodies says nothing of what an idle one costs."""
        return replace(self, last_s=at_s, calls=max(calls - bodies, 1))

    def counted(self, calls_today: int, now: datetime) -> Timetable:
        return replace(self, calls_today=calls_today, counted_on=now.date().isoformat())

    def budget(self, now: datetime) -> Budget:
        """The count begins anew at midnight UTC."""
        return budget(self.calls_today if self.counted_on == now.date().isoformat() else 0, self.daily_calls)

    @property
    def interval_s(self) -> float:
        return interval_s(self.calls, self.daily_calls, self.poll_s)

    def due(self, at_s: float, now: datetime) -> str | None:
        """Why a look is due, or None."""
        if self.last_s is None:
            return "start"
        if self.next_due_at is not None and now >= self.next_due_at:
            return "a scheduled post falls due"
        if at_s - self.last_s >= self.interval_s and self.budget(now) != "events only":
            return "timer"
        return None

    def wait_s(self, at_s: float, now: datetime) -> float:
        """Seconds after which to ask `due` again; at most a minute, since the wall's clock may be set."""
        if self.last_s is None:
            return 0.0
        waits = [60.0]
        if self.budget(now) != "events only":
            waits.append(self.last_s + self.interval_s - at_s)
        if self.next_due_at is not None:
            waits.append((self.next_due_at - now).total_seconds())
        return max(min(waits), 0.05)


@dataclass(frozen=True, slots=True)
class Silence:
    """Whether the CMS still announces what it changes."""

    since: datetime
    """When the last event came, or the service began."""
    finds: int = 0

    def heard(self, at: datetime) -> Silence:
        return Silence(at)

    def looked(self, changed: int) -> Silence:
        """A look on the timer found so many changed posts, though events should have told of them."""
        return replace(self, finds=self.finds + 1) if changed else self

    def warning(self, now: datetime) -> str | None:
        """What to tell the operator, or None."""
        if self.finds >= SILENT_FINDS or (self.finds and now - self.since >= SILENT_FOR):
            hours = (now - self.since).total_seconds() / 3600
            return (
                f"the webhook seems disabled: no event came for {hours:.1f} h, "
                f"and {self.finds} looks at the CMS found changes"
            )
        return None
