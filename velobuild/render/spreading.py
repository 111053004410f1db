"""Work in pieces, spread over forked processes: which of them does what, and how such a process begins and ends."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeVar, cast

from velobuild.errors import OutputError

T = TypeVar("T")
AHEAD = 32
"""So many pieces more of one row than of the other are taken, and no more: their results wait in memory."""


class Lanes:
    """Two rows of pieces, each taken from its front. One worker begins with the second row, the others with the first;
    whoever finds nothing left in its own, or its own far ahead, takes of the other. Made before the processes are
    forked."""

    def __init__(self, lanes: tuple[Sequence[int], Sequence[int]], context: Any) -> None:
        from mmap import mmap

        self._lanes = lanes
        # How many of each row are taken, in memory that all processes share.
        self._taken: memoryview[int] = memoryview(mmap(-1, 64)).cast("i")
        self._lock, self._second = context.Lock(), context.Lock()
        self._own = 0

    def begin(self) -> None:
        """In a new worker: choose a row. The first that asks gets the second one, and keeps the lock for good."""
        self._own = 1 if self._lanes[1] and self._second.acquire(False) else 0

    def take(self) -> int:
        """The next piece. Called once for each piece there is, by all workers together."""
        with self._lock:
            lane = 1 - self._own if self._helps() else self._own
            at = self._taken[lane]
            self._taken[lane] = at + 1
        return self._lanes[lane][at]

    def _helps(self) -> bool:
        own, other = self._taken[self._own], self._taken[1 - self._own]
        if other == len(self._lanes[1 - self._own]):
            return False
        return own == len(self._lanes[self._own]) or own - other >= AHEAD


_work: tuple[Callable[[int], object], Lanes] | None = None


def spread(do: Callable[[int], T], pieces: Sequence[int], apart: Sequence[int], workers: int) -> Iterator[T]:
    """What `do` gives for every piece, here or in forked processes that inherit all it refers to.

    One process does those of `apart`, and others help when nothing else is left, or when they are far ahead: what those
    pieces have in common is then made once, or seldom more often. Results come in one order for any number of workers:
    a piece, one of `apart`, the next piece, and so on.
    """
    order = [piece for piece in chain.from_iterable(zip_longest(pieces, apart)) if piece is not None]
    if not workers:
        yield from map(do, order)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    global _work
    context = multiprocessing.get_context("fork")
    _work = do, Lanes((pieces, apart), context)
    gc.freeze()  # without a collection before: what is garbage stays shared as well
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),)) as pool:
            yield from _ordered(cast(Iterator[tuple[int, T]], pool.map(_do_next, order)), order)
    except BrokenProcessPool as error:
        raise OutputError(
            "a worker process was ended from outside, perhaps for want of memory",
            code="VB6002",
            hint="build with fewer workers: --jobs 1",
        ) from error
    finally:
        _work = None
        gc.unfreeze()


def _ordered(results: Iterable[tuple[int, T]], order: Iterable[int]) -> Iterator[T]:
    """The results of pieces in `order`; what comes early waits."""
    waiting: dict[int, T] = {}
    due = iter(order)
    piece = next(due, None)
    for done, result in results:
        waiting[done] = result
        while piece in waiting:
            yield waiting.pop(piece)
            piece = next(due, None)


def _do_next(_: int) -> tuple[int, object]:
    """A piece of this worker's choice, and its result. The pool counts the pieces, and no more."""
    assert _work is not None
    do, lanes = _work
    piece = lanes.take()
    return piece, do(piece)


def _begin(parent: int) -> None:
    assert _work is not None
    _work[1].begin()
    # Little of what a page leaves behind goes round in circles: looking for those seldom is enough.
    gc.set_threshold(20_000, 20, 20)
    # The parent decides what an interrupt means; a worker whose parent is gone must not go on writing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    if os.getppid() != parent:  # It was gone before we asked to go with it.
        os._exit(1)


def _die_with_parent() -> None:
    """Linux ends this process when its parent dies (prctl PR_SET_PDEATHSIG); elsewhere the pool's pipe does."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        return
