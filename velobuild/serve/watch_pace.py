"""How often a CMS that does not tell of changes is asked: soon while somebody works, seldom while nobody does. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from velobuild.model.outputs import SyncReport

NEAR_S = 2.0
"""A CMS on this machine: nobody else uses it."""
FAR_S = 15.0
LONGEST_S = 120.0
AWAY_S = 30.0
"""The longest pause while the CMS does not answer: it may be back any moment."""
IDLE_POLLS = 8
"""So often nothing may be found before the pauses grow."""
GROWTH = 1.5
CALLS_A_DAY = 3_000
"""Beyond these, pauses are the longest: the smallest plan with an API has 10,000 a day, and builds need some too."""
ROOM = 5
"""While the present window has room for fewer questions than this, others need it more."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The pause before the next question, in seconds. `fixed`: somebody chose it, and it stays."""

    shortest_s: float
    fixed: bool = False
    idle: int = 0
    hold_s: float = 0.0

    @property
    def pause_s(self) -> float:
        if self.fixed:
            return max(self.shortest_s, self.hold_s)
        grown = self.shortest_s * GROWTH ** max(self.idle - IDLE_POLLS, 0)
        return max(min(grown, LONGEST_S), self.hold_s)

    def stirred(self) -> Pace:
        """Somebody is at work. A CMS that wants to be left alone still is."""
        return replace(self, idle=0)

    def asked(self, report: SyncReport, *, changed: bool) -> Pace:
        """After an answer. `changed`: it brought something new."""
        left, calls = report.left_in_window, max(report.api_calls, 1)
        short = left is not None and left < ROOM * calls
        spent = not self.fixed and report.calls_today > CALLS_A_DAY
        hold_s = LONGEST_S if spent else 60.0 if short else 0.0
        return replace(self, idle=0 if changed else min(self.idle + 1, 100), hold_s=hold_s)

    def failed(self, wait_s: float | None) -> Pace:
        """The CMS could not be asked; `wait_s` is how long it wants to be left alone."""
        longer = min(max(self.hold_s, self.shortest_s) * 2, AWAY_S)
        return replace(self, hold_s=longer if wait_s is None else max(wait_s, 1.0))


def pace_for(*, near: bool, chosen_s: float | None) -> Pace:
    """The pace to begin with."""
    if chosen_s is not None:
        return Pace(chosen_s, fixed=True)
    return Pace(NEAR_S if near else FAR_S)
