"""N4: sites of one service are built each for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serve.loop_stage import done
from velobuild.config.schema import Config, Loaded
from velobuild.model.ports import utc_now
from velobuild.serve.child import BuildRequest, Outcome
from velobuild.serve.events import Event
from velobuild.serve.loop import SiteLoop
from velobuild.serve.queue import Queue

SOON_S = 20.0


class OneAtATime:
    """Builds one site at a time, as a build process does, and hangs over one whose root is `held` until let go."""

    def __init__(self, held: Path, let_go: threading.Event) -> None:
        self._held = held
        self._let_go = let_go
        self._busy = threading.Lock()
        self.hangs = threading.Event()
        self.started = 1

    def start(self) -> None:
        return

    def end(self) -> None:
        self._let_go.set()

    def build(self, request: BuildRequest, *, deadline_s: float) -> Outcome:
        with self._busy:
            if request.loaded.root == self._held:
                self.hangs.set()
                assert self._let_go.wait(SOON_S)
        return done()


@contextmanager
def two_sites(folder: Path, builders: Callable[[], OneAtATime], let_go: threading.Event) -> Iterator[Queue]:
    """Loops of the sites `one`, whose first build hangs, and `two`, which begins once it does."""
    queue = Queue(folder / "queue.db", utc_now)
    loops: list[SiteLoop] = []
    threads: list[threading.Thread] = []
    for name in ("one", "two"):
        loaded = Loaded(config=Config(), file=folder / name / "velobuild.toml")
        queue.keep([Event(name, "velocms", "post.updated", "p1", None, None, utc_now(), f"for {name}")])
        builder = builders()
        loop = SiteLoop(name, loaded, queue, builder, cache=None, clock=utc_now, told=lambda status: None)
        threads.append(threading.Thread(target=loop.run))
        loops.append(loop)
        threads[-1].start()
        if name == "one":
            assert builder.hangs.wait(SOON_S)
    try:
        yield queue
    finally:
        let_go.set()
        for loop in loops:
            loop.end()
        for thread in threads:
            thread.join(SOON_S)
            assert not thread.is_alive()
        queue.close()


def is_built(queue: Queue, site: str, within_s: float) -> bool:
    never = threading.Event()
    for _ in range(int(within_s / 0.02)):
        if all(kept.state == "done" for kept in queue.recent(site, 10)):
            return True
        never.wait(0.02)
    return False


def test_n4_a_site_whose_build_hangs_holds_up_no_other(tmp_path: Path) -> None:
    let_go = threading.Event()
    with two_sites(tmp_path, lambda: OneAtATime(tmp_path / "one", let_go), let_go) as queue:
        assert is_built(queue, "two", SOON_S)
        assert not is_built(queue, "one", 0.1)
        let_go.set()
        assert is_built(queue, "one", SOON_S)


def test_control_n4_one_build_process_for_all_lets_the_other_wait(tmp_path: Path) -> None:
    let_go = threading.Event()
    shared = OneAtATime(tmp_path / "one", let_go)
    with two_sites(tmp_path, lambda: shared, let_go) as queue:
        assert not is_built(queue, "two", 1.0)
        let_go.set()
        assert is_built(queue, "two", SOON_S)


@pytest.mark.parametrize("taken_for", ["one", "two"])
def test_n4_events_of_one_site_are_taken_for_no_other(tmp_path: Path, taken_for: str) -> None:
    queue = Queue(tmp_path / "queue.db", utc_now)
    for name in ("one", "two"):
        queue.keep([Event(name, "velocms", "post.updated", "p1", None, None, utc_now(), "the same")])
    assert [event.site for event in queue.take(taken_for)] == [taken_for]
    assert {name: queue.pending(name) for name in ("one", "two")} == {"one": 1, "two": 1} | {taken_for: 0}
    queue.close()
