"""Group commit: deliveries that arrive while one flush is under way share the next one.

A flush of the disk takes about a millisecond, and only one can be under way; so with one flush a delivery no more than
a few hundred could be acknowledged in a second. The flush runs in a thread of its own: the event loop never waits for
the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from velobuild.errors import OutputError
from velobuild.model.ports import Clock
from velobuild.serve.events import NO_WORK, Event, Letter
from velobuild.serve.queue import Queue

PATIENCE_S = 8.0
"""A sender waits 10 s: it had better hear that it should try again than nothing."""
TRY_AGAIN_S = 30.0
WAITING_MAX = 10_000
LOG = logging.getLogger("velobuild.serve.queue")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one delivery wants kept, and whom to tell."""

    events: Sequence[Event]
    letters: Sequence[Letter]
    kept: asyncio.Future[bool]


class GroupCommit:
    """Keeps deliveries in the queue, many at a time. Belongs to one event loop.

    `wake` is told of each site that got work, once it is on the disk. Where the disk refused, the site is owed a
    reconciliation, which is kept as soon as the disk takes something again.
    """

    def __init__(
        self,
        queue: Queue,
        wake: Callable[[str], None],
        clock: Clock,
        *,
        patience_s: float = PATIENCE_S,
        try_again_s: float = TRY_AGAIN_S,
    ) -> None:
        self._queue = queue
        self._wake = wake
        self._clock = clock
        self._patience_s = patience_s
        self._try_again_s = try_again_s
        self._waiting: list[Waiting] = []
        self._owed: set[str] = set()
        self._running: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, "queue")

    async def keep(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> bool:
        """True once all of it is on the disk; False if the disk refused or took longer than `patience_s` seconds."""
        if len(self._waiting) >= WAITING_MAX:
            return False
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(events, letters, kept))
        self._begin()
        try:
            async with asyncio.timeout(self._patience_s):
                return await kept
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._again is not None:
            self._again.cancel()
        if self._running is not None:
            await self._running
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    def _begin(self) -> None:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._commit(batch)
        finally:
            self._running = None

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        events = [event for one in batch for event in one.events]
        letters = [letter for one in batch for letter in one.letters]
        owed = sorted(self._owed)
        events += [Event(site, "queue", "reconcile", None, None, None, self._clock(), None) for site in owed]
        sites = {event.site for event in events if event.kind not in NO_WORK}
        kept = False
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._queue.keep, events, letters)
            kept = True
        except OutputError as error:
            LOG.error("deliveries cannot be kept: %s", error, extra={"fields": {"hint": error.hint}})
        except Exception:
            LOG.exception("a bug: deliveries were not kept")
        if kept:
            self._owed.difference_update(owed)
        else:
            self._owed |= sites
            self._try_again()
        for one in batch:
            if not one.kept.done():
                one.kept.set_result(kept)
        if kept:
            for site in sorted(sites):
                self._wake(site)

    def _try_again(self) -> None:
        """Also if no further delivery comes: the CMS may have given up sending."""
        if self._again is not None:
            self._again.cancel()

        def again() -> None:
            self._waiting.append(Waiting((), (), asyncio.get_running_loop().create_future()))
            self._begin()

        self._again = asyncio.get_running_loop().call_later(self._try_again_s, again)
