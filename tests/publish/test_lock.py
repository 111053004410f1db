from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.publish.conftest import Site
from velobuild.errors import OutputError, SiteLocked
from velobuild.publish.lock import SiteLock

HOLD = """
import sys
from pathlib import Path
from velobuild.publish.lock import SiteLock
with SiteLock(Path(sys.argv[1]), wait=True):
    print("held", flush=True)
    sys.stdin.read()
"""
# A build that forks a worker, then is killed; the worker lives on until its standard input ends.
FORK = """
import fcntl, os, sys
from pathlib import Path
from velobuild.publish.lock import SiteLock
if sys.argv[2] == "ours":
    lock = SiteLock(Path(sys.argv[1]))
    lock.__enter__()
else:
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    lock = open(Path(sys.argv[1]) / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
worker = os.fork()
if worker == 0:
    sys.stdin.read()
    os._exit(0)
print(worker, flush=True)
os.wait()
"""


@contextmanager
def program(text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", text, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdin.close()
        started.wait(30)
        started.stdout.close()


def line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def test_a_second_build_is_refused_at_once_and_told_who_holds_the_site(site: Site) -> None:
    with program(HOLD, str(site.state)) as holder:
        assert line(holder) == "held"
        with pytest.raises(SiteLocked) as caught, SiteLock(site.state):
            pass
    assert (caught.value.code, caught.value.exit_code) == ("VB7001", 7)
    assert f"process {holder.pid} on " in str(caught.value)


def test_a_build_that_waits_gets_its_turn(site: Site) -> None:
    with program(HOLD, str(site.state)) as first:
        assert line(first) == "held"
        with program(HOLD, str(site.state)) as second:
            assert first.stdin is not None
            first.stdin.close()
            assert line(second) == "held"


def test_a_killed_build_leaves_the_site_free(site: Site) -> None:
    with program(HOLD, str(site.state)) as holder:
        line(holder)
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
        assert (site.state / "lock").read_text() != ""  # its claim is still written there, and counts for nothing
        with SiteLock(site.state):
            pass


def test_a_lock_file_of_a_dead_or_foreign_process_means_nothing(site: Site) -> None:
    site.state.mkdir()
    for claim in ('{"pid": 1, "host": "here", "started_at": "now"}', "garbage", "\0" * 5000):
        (site.state / "lock").write_text(claim)
        with SiteLock(site.state), pytest.raises(SiteLocked) as refused, SiteLock(site.state):
            pass
        assert "by another build in this process" in str(refused.value), "whoever comes next is told the truth"


@pytest.mark.parametrize(("kind", "free"), [("ours", True), ("flock, the control", False)])
def test_a_worker_that_outlives_its_killed_parent_does_not_hold_the_site(site: Site, kind: str, free: bool) -> None:
    with program(FORK, str(site.state), kind.split(",")[0]) as parent:
        worker = int(line(parent))
        parent.send_signal(signal.SIGKILL)
        parent.wait(30)
        os.kill(worker, 0)  # it lives
        if free:
            with SiteLock(site.state):
                pass
        else:
            with (site.state / "lock").open("w") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_threads_exclude_each_other_too(site: Site) -> None:
    with SiteLock(site.state):
        with pytest.raises(SiteLocked), SiteLock(site.state):
            pass
        with pytest.raises(SiteLocked), SiteLock(site.root / "." / ".velobuild"):
            pass
        # The attempts above must not have lost the lock to other processes (closing any descriptor would).
        taken = subprocess.run(
            [sys.executable, "-c", HOLD.replace(", wait=True", ""), str(site.state)], capture_output=True
        )
        assert b"SiteLocked" in taken.stderr


def test_control_a_bare_kernel_lock_does_not_exclude_the_same_process(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        fcntl.lockf(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_waiting_thread_gets_its_turn(site: Site) -> None:
    order: list[str] = []

    def wait() -> None:
        with SiteLock(site.state, wait=True):
            order.append("second")

    with SiteLock(site.state):
        waiting = threading.Thread(target=wait)
        waiting.start()
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_two_sites_do_not_hinder_each_other(site: Site, plain: Site) -> None:
    with SiteLock(site.state), SiteLock(plain.state):
        pass


def test_a_linked_lock_file_is_not_followed(site: Site, tmp_path: Path) -> None:
    site.state.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (site.state / "lock").symlink_to(victim)
    with pytest.raises(OutputError), SiteLock(site.state):
        pass
    assert victim.read_text() == "mine"
