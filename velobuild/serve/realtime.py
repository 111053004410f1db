"""Subscriptions to a CMS's own changes, each in a thread of its own, as long as they are of use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from velobuild.errors import VelobuildError
from velobuild.sources.pocketbase_realtime import Hint, HintKind, Realtime

STOP_S = 5.0


class Listening:
    """Passes on what the subscriptions say. `tell` is called from their threads. Use it in a `with` block.

    A subscription that cannot be had at all ends in a last `LOST` hint without a time to try again.
    """

    def __init__(self, subscriptions: Sequence[Realtime], tell: Callable[[Hint], None]) -> None:
        self._subscriptions = subscriptions
        self._tell = tell
        self._lock = threading.Lock()
        self._subscribed: set[int] = set()
        self._threads = [
            threading.Thread(target=self._listen, args=(number,), name=f"velobuild-realtime-{number}", daemon=True)
            for number in range(len(subscriptions))
        ]

    @property
    def count(self) -> int:
        return len(self._subscriptions)

    @property
    def live(self) -> bool:
        """Whether every subscription tells of changes now."""
        with self._lock:
            return bool(self._subscriptions) and len(self._subscribed) == len(self._subscriptions)

    def __enter__(self) -> Listening:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        for thread in self._threads:
            thread.join(STOP_S)

    def _listen(self, number: int) -> None:
        try:
            for hint in self._subscriptions[number].hints():
                self._note(number, hint)
        except VelobuildError as error:
            self._note(number, Hint(HintKind.LOST, error=error))

    def _note(self, number: int, hint: Hint) -> None:
        with self._lock:
            if hint.kind is HintKind.SUBSCRIBED:
                self._subscribed.add(number)
            elif hint.kind is HintKind.LOST:
                self._subscribed.discard(number)
        self._tell(hint)
