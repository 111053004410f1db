"""A test leaves the process as it found it; what it leaves behind fails the test that left it, not a later one.

A thread is the worst of it. Where a second thread runs, velobuild does not fork, and so renders in one process what a
test of two processes wanted to see. Which test suffers would depend on the order of the files.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from weakref import WeakSet

import pytest

ENDING_S = 2.0
"""How long a thread may take to end by itself once its test is over, such as a handler whose client has hung up."""

SIGNALS = (signal.SIGALRM, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1)


_told: WeakSet[threading.Thread] = WeakSet()
"""Threads that a test was blamed for already."""


def left_behind(before: Iterable[threading.Thread], within_s: float = ENDING_S) -> list[threading.Thread]:
    """The threads that are not of `before` and have not ended after `within_s` seconds, in the order of their start."""
    known = set(before)
    deadline = time.monotonic() + within_s
    while True:
        left = [thread for thread in threading.enumerate() if thread not in known]
        if not left or time.monotonic() > deadline:
            return left
        left[0].join(0.01)


def names(threads: Iterable[threading.Thread]) -> str:
    """The threads, each with its name and the line where it stands."""
    frames = sys._current_frames()

    def one(thread: threading.Thread) -> str:
        frame = frames.get(thread.ident or 0)
        return f"{thread.name} in {frame.f_code.co_filename}:{frame.f_lineno}" if frame else f"{thread.name}, ending"

    return ", ".join(map(one, threads))


def state() -> dict[str, object]:
    """What a process has only one of, and later tests share."""
    umask = os.umask(0o077)
    os.umask(umask)
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return {
        "the working directory": Path.cwd(),
        "the umask": umask,
        "the environment": environment,
        "the search path of modules": list(sys.path),
        "the collector's thresholds": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        **{f"the handler of {number.name}": signal.getsignal(number) for number in SIGNALS},
    }


def changed(before: dict[str, object], after: dict[str, object]) -> str:
    """What differs, by name, as it was and as it is."""
    differ = [name for name in before if before[name] != after[name]]
    return "; ".join(f"{name}: {before[name]!r} became {after[name]!r}" for name in differ)


@pytest.fixture(scope="module", autouse=True)
def a_module_ends_its_threads() -> Iterator[None]:
    """Set up before all fixtures of the module's scope, and so taken down after them."""
    before = threading.enumerate()
    yield
    left = left_behind([*before, *_told])
    assert not left, f"the fixtures of this module left threads behind: {names(left)}"


@pytest.fixture(autouse=True)
def a_test_leaves_nothing_behind(a_module_ends_its_threads: None) -> Iterator[None]:
    """Set up after the module's fixtures, whose servers may go on, and before all that belong to the test alone."""
    threads, held = threading.enumerate(), state()
    yield
    left, now = left_behind(threads), state()
    _told.update(left)
    assert not left, f"this test left threads behind: {names(left)}"
    assert held == now, f"this test changed what all tests share: {changed(held, now)}"
