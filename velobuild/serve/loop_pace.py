"""When a build may start: at once for a person's edit, seldom in a storm. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

SPARE = 5
FEW = 5
FIRST_BACKOFF_S = 5.0
LONGEST_BACKOFF_S = 900.0


class Pace:
    """The first event starts a build at once. Those that follow within `latest_s` wait for a moment of quiet, which a
    person's edits leave and a storm does not, and at most until `latest_s` have gone by since the last build.

    Moments of quiet are not without end either: `SPARE` of them are in store, and one more every `latest_s`. So there
    are never more than `seconds / latest_s + SPARE + 1` builds, and in a storm none of the `SPARE` is used.
    """

    def __init__(self, *, quiet_s: float, latest_s: float) -> None:
        self._quiet_s = quiet_s
        self._latest_s = latest_s
        self._spare = float(SPARE)
        self._started: float | None = None
        self._ended: float | None = None

    def started(self, at_s: float) -> None:
        """A build started."""
        if self._started is not None:
            # Each build costs one; whoever waits `latest_s` has earned it meanwhile.
            self._spare = min(self._spare + (at_s - self._started) / self._latest_s, SPARE + 1) - 1
        self._started = at_s

    def ended(self, at_s: float) -> None:
        """It ended, well or not."""
        self._ended = at_s

    def wait_s(self, at_s: float, *, pending: int, newest_s: float) -> float:
        """Seconds until a build for `pending` events may start, of which the newest came at `newest_s`; 0: now."""
        if self._started is None or self._ended is None or at_s - self._ended >= self._latest_s:
            return 0.0
        at_latest = self._latest_s - (at_s - self._ended)
        if self._spare + (at_s - self._started) / self._latest_s < 1:
            return at_latest
        quiet = self._quiet_s if pending > FEW else self._quiet_s / 10
        return min(max(quiet - (at_s - newest_s), 0.0), at_latest)


def backoff_s(failures: int, *, chance: Callable[[], float] = random.random) -> float:
    """5 s after the first failure, twice as long after each further one, 15 min at most.

    Up to a tenth is taken off by chance, so that many sites that failed together do not return together.
    """
    whole = min(FIRST_BACKOFF_S * 2.0 ** min(max(failures - 1, 0), 20), LONGEST_BACKOFF_S)
    return whole if failures <= 1 else whole * (1 - chance() / 10)
