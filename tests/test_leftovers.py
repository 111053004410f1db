"""The guard of tests/leftovers.py: who leaves something behind fails, by name, and nobody else does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from tests.leftovers import left_behind, names

ROOT = Path(__file__).parents[1]
LEAVES = {
    "a thread": "threading.Thread(target=threading.Event().wait, name='left', daemon=True).start()",
    "the working directory": "os.chdir('/')",
    "the umask": "os.umask(0o002)",
    "the environment": "os.environ['LEFT'] = '1'",
    "the search path of modules": "sys.path.append('/left')",
    "the collector's thresholds": "gc.freeze()",
    "the handler of SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
}
GUARDED = """
import gc, os, signal, sys, threading
import pytest
pytest_plugins = ["tests.leftovers"]

@pytest.fixture(scope="module")
def wide():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    {last}

def test_first(wide): pass
{tests}
def test_last(wide): pass
"""


def run(folder: Path, leaves: Iterable[str] = (), last: str = "thread.join()") -> str:
    """What pytest says of a module with a test for each thing left behind, between two that leave nothing."""
    tests = "\n".join(f"def test_{number}(): {one}" for number, one in enumerate(leaves))
    folder.mkdir()
    (folder / "test_guarded.py").write_text(GUARDED.format(tests=tests, last=last))
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line", "-rA"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def test_a_test_that_leaves_something_behind_fails_and_its_neighbours_do_not(tmp_path: Path) -> None:
    said = run(tmp_path / "left", LEAVES.values())
    assert f"{len(LEAVES) + 2} passed, {len(LEAVES)} errors" in said, said
    assert "this test left threads behind: left in " in said
    for number, what in enumerate(LEAVES):
        assert f"ERROR test_guarded.py::test_{number} - " in said
        assert what == "a thread" or f"this test changed what all tests share: {what}: " in said


def test_a_fixture_of_a_module_may_keep_a_thread_until_the_module_ends(tmp_path: Path) -> None:
    said = run(tmp_path / "ended")
    assert "2 passed in " in said, said
    said = run(tmp_path / "kept", last="threading.Timer(6, print).start()")
    assert "2 passed, 1 error" in said, said
    assert "the fixtures of this module left threads behind: Thread-" in said


def test_a_thread_that_is_just_ending_is_waited_for() -> None:
    before = threading.enumerate()
    thread = threading.Timer(0.2, lambda: None)
    thread.start()
    assert left_behind(before, within_s=0) == [thread]
    assert names([thread]).startswith(f"{thread.name} in ")
    assert left_behind(before) == []
