"""What happened since the loop looked last: many things that want the same are one."""

from __future__ import annotations

import threading

from velobuild.sources.pocketbase_realtime import Hint


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
