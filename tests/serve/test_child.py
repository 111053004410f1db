"""The build process: warm between builds, replaced when it is lost, and never the service's ruin."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from velobuild.config.schema import Config, Loaded, Secret
from velobuild.errors import ConfigError, VelobuildError
from velobuild.serve.child import BuildChild, BuildRequest, Built, Crashed, Failed, build_once

# A child that does what the name of the site's folder says; `velobuild.serve.child` around it is the real one.
ACTING = """
import os, signal, sys, time
from velobuild.serve import child
from velobuild.errors import SourceUnavailable
def act(request):
    what = request.loaded.root.name
    if what == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            request.loaded.root.joinpath("grandchild").write_text(str(os.getpid()))
        time.sleep(600)
    if what == "memory":
        try:
            bytes(3_000_000_000)  # not touched, so only the limit notices
        except MemoryError:
            return child.Crashed("it ran out of memory")
    if what == "exit":
        os._exit(3)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return child.Failed(SourceUnavailable(str(os.getpid()), code="VB2101", retry_at=5.0))
child.build_once = act
child.serve_builds(int(sys.argv[1]), int(sys.argv[2]))
"""


@pytest.fixture
def child() -> Iterator[BuildChild]:
    made = BuildChild(program=ACTING, memory_bytes=1_000_000_000, builds_max=3)
    yield made
    made.end()


def request(folder: Path, what: str) -> BuildRequest:
    (folder / what).mkdir(exist_ok=True)
    return BuildRequest(Loaded(config=Config(), file=folder / what / "velobuild.toml", tokens=(Secret("t"),)), None)


def pid_of(outcome: object) -> int:
    assert isinstance(outcome, Failed), outcome
    assert outcome.error.code == "VB2101"
    return int(str(outcome.error))


def test_one_process_lives_through_many_builds_and_is_replaced_after_so_many(child: BuildChild, tmp_path: Path) -> None:
    pids = [pid_of(child.build(request(tmp_path, "fine"), deadline_s=20)) for _ in range(4)]
    assert len(set(pids[:3])) == 1
    assert pids[3] != pids[0]
    assert child.started == 2
    assert not lives(pids[0])


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("killed", "ended by SIGKILL, perhaps for want of memory"),
        ("exit", "exit code 3"),
        ("memory", "ran out of memory"),
    ],
)
def test_l7_a_lost_child_is_told_of_and_replaced(child: BuildChild, tmp_path: Path, what: str, how: str) -> None:
    """L7."""
    outcome = child.build(request(tmp_path, what), deadline_s=20)
    assert isinstance(outcome, Crashed)
    assert how in outcome.how
    assert pid_of(child.build(request(tmp_path, "fine"), deadline_s=20)) != os.getpid()


def test_control_without_a_limit_the_same_build_takes_the_memory(tmp_path: Path) -> None:
    unlimited = BuildChild(program=ACTING)
    assert isinstance(unlimited.build(request(tmp_path, "memory"), deadline_s=30), Failed)
    unlimited.end()


def test_a_build_that_hangs_is_ended_with_all_that_it_started(child: BuildChild, tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = child.build(request(tmp_path, "hang"), deadline_s=1)
    assert outcome == Crashed("it took longer than 1 s")
    assert time.monotonic() - began < 20
    grandchild = int((tmp_path / "hang" / "grandchild").read_text())
    until_gone(grandchild)
    assert pid_of(child.build(request(tmp_path, "fine"), deadline_s=20))


def test_ending_stops_a_build_under_way_and_no_other_begins(child: BuildChild, tmp_path: Path) -> None:
    outcomes: list[object] = []
    thread = threading.Thread(target=lambda: outcomes.append(child.build(request(tmp_path, "hang"), deadline_s=60)))
    thread.start()
    end = time.monotonic() + 20
    while not (tmp_path / "hang" / "grandchild").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    child.end()
    thread.join(10)
    assert outcomes == [Crashed("the service is ending")]
    assert child.build(request(tmp_path, "fine"), deadline_s=5) == Crashed("the service is ending")


def test_a_child_that_was_killed_between_builds_is_replaced_unseen(child: BuildChild, tmp_path: Path) -> None:
    first = pid_of(child.build(request(tmp_path, "fine"), deadline_s=20))
    os.kill(first, signal.SIGKILL)
    until_gone(first)
    assert pid_of(child.build(request(tmp_path, "fine"), deadline_s=20)) != first


def test_the_real_child_reports_a_wrong_configuration_as_itself(tmp_path: Path) -> None:
    """Errors come back whole: code, place and hint."""
    real = BuildChild(memory_bytes=1_024_000_000)
    outcome = real.build(request(tmp_path, "site"), deadline_s=30)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ConfigError)
    assert outcome.error.code.startswith("VB1")
    assert outcome.error.hint
    real.end()


def test_a_bug_is_one_line_without_what_it_quotes() -> None:
    class Bad:
        @property
        def loaded(self) -> Loaded:
            raise RuntimeError("velo_secret_text")

    outcome = build_once(Bad())  # type: ignore[arg-type]
    assert isinstance(outcome, Failed)
    assert type(outcome.error) is VelobuildError
    assert outcome.error.code == "VB9001"
    assert "velo_secret_text" not in repr(outcome.error.diagnostics)
    assert not isinstance(outcome, Built)


def until_gone(pid: int) -> None:
    end = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
