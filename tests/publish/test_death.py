"""A build may die at any moment and fail at any call: the live site stays whole, and the next build succeeds."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from tests.publish import rig

RIG = Path(rig.__file__)
MODES = ["release", "in-place"]


def run_rig(*arguments: object) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(RIG), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_kills_at_random_moments_do_no_harm(memory_folder: Path, mode: str) -> None:
    found = run_rig("kills", memory_folder, mode, 100, 1)
    assert found["bad"] == []
    assert found["killed"] == 100
    assert int(str(found["published"])) >= 20


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_thousand_kills_at_random_moments_do_no_harm(memory_folder: Path, mode: str) -> None:
    found = run_rig("kills", memory_folder, mode, 1_000, 2)
    assert found["bad"] == []
    assert found["killed"] == 1_000


@pytest.mark.parametrize("mode", MODES)
def test_a_kill_before_every_single_file_operation_does_no_harm(memory_folder: Path, mode: str) -> None:
    found = run_rig("calls", memory_folder, mode)
    assert found["bad"] == []
    assert int(str(found["killed"])) >= 100


def test_control_the_same_deaths_break_a_site_that_is_written_in_place(memory_folder: Path) -> None:
    found = run_rig("naive", memory_folder)
    assert int(str(found["bad"])) >= 20


# One system call made to fail, by strace

CHANGING = "write pwrite64 fsync syncfs fchmod chmod utimensat linkat rename renameat symlink mkdir mkdirat"
CHANGING += " unlink unlinkat rmdir ftruncate"
READING = "openat read close newfstatat getdents64 readlink statfs"
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
FAULTS = {
    "kill": "signal=KILL",
    "EIO": "error=EIO",
    "ENOSPC": "error=ENOSPC",
    "EACCES": "error=EACCES",
    "short write": "retval=10",
}


class Traced:
    """Builds under strace, each on a fresh copy of a site that has three versions behind it."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.mode = mode
        self.folder = folder / "work"
        self.trace = folder / "trace"
        self._template = folder / "template"
        for _ in range(3):
            rig.build(self.folder, mode)
        self.folder.rename(self._template)

    def build(self, *options: str) -> subprocess.CompletedProcess[str]:
        if self.folder.exists():
            shutil.rmtree(self.folder)
        subprocess.run(["cp", "-a", str(self._template), str(self.folder)], check=True)
        strace = ["strace", "--seccomp-bpf", "-f", "-y", "-o", str(self.trace), *options]
        command = [*strace, sys.executable, str(RIG), "build", str(self.folder), self.mode]
        return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=60)

    def places(self, names: str) -> Iterator[tuple[str, list[int]]]:
        """For each call the counts at which it touches the site, as strace's `when=` counts them."""
        done = self.build("-e", f"trace={names.replace(' ', ',')},access,faccessat,faccessat2")
        assert done.returncode == 0, done.stderr
        counts: dict[str, int] = {}
        found: dict[str, list[int]] = {}
        begun = False
        for line in self.trace.read_text().splitlines():
            begun = begun or "the-rig-begins" in line
            if (call := re.match(r"\d+ +(\w+)\(", line)) is None:
                continue
            name = call[1]
            counts[name] = counts.get(name, 0) + 1
            if begun and name in names.split() and str(self.folder) in line:
                found.setdefault(name, []).append(counts[name])
        yield from sorted(found.items())

    def suffer(self, call: str, count: int, fault: str) -> list[str]:
        """What is wrong after a build in which this call failed."""
        done = self.build("-e", f"trace={call}", "-e", f"inject={call}:{FAULTS[fault]}:when={count}")
        wrong = rig.faults(self.folder, self.mode, 3)
        now = rig.live_version(self.folder)
        if fault == "kill":
            wrong += [] if done.returncode in (0, -9, 137) else [f"exit code {done.returncode}"]
        elif done.returncode == 0 and now != 4:
            wrong.append("success, and nothing published")
        elif done.returncode not in (0, 6):
            wrong.append(f"exit code {done.returncode}: {done.stderr[-300:]}")
        elif done.returncode == 6 and now == 4 and self.mode == "release" and "is live" not in done.stderr:
            wrong.append(f"published, and denied it: {done.stderr}")
        wrong += rig.after_next_build(self.folder, self.mode)
        return [f"{call} {count} {fault}: {what}" for what in wrong]


def spread(counts: list[int], most: int) -> list[int]:
    """The first, the last, and some between."""
    if len(counts) <= most:
        return counts
    return sorted({counts[round(at * (len(counts) - 1) / (most - 1))] for at in range(most)})


def suffer_all(traced: Traced, names: str, most: int) -> tuple[int, list[str]]:
    runs, bad = 0, []
    for call, counts in traced.places(names):
        for fault in FAULTS:
            if fault == "short write" and call != "write":
                continue
            for count in spread(counts, most):
                runs += 1
                bad += traced.suffer(call, count, fault)
    return runs, bad


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_system_call_may_fail_or_be_the_last(memory_folder: Path, mode: str) -> None:
    needs(shutil.which("strace") is not None, "strace")
    runs, bad = suffer_all(Traced(memory_folder, mode), CHANGING, 2)
    assert bad == []
    assert runs >= 40


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_every_call_that_changes_something_and_many_that_read_may_fail(memory_folder: Path, mode: str) -> None:
    needs(shutil.which("strace") is not None, "strace")
    traced = Traced(memory_folder, mode)
    changing, bad = suffer_all(traced, CHANGING, 10_000)
    reading, more = suffer_all(traced, READING, 25)
    assert bad + more == []
    assert changing >= 400
    assert reading >= 200


def test_everything_is_flushed_before_the_link_moves(memory_folder: Path) -> None:
    """A kill never tests a flush, so the order of the calls is read from the trace."""
    needs(shutil.which("strace") is not None, "strace")
    traced = Traced(memory_folder, "release")
    assert traced.build("-e", "trace=syncfs,fsync,rename,symlink,write,linkat").returncode == 0
    calls = traced.trace.read_text().splitlines()

    def at(pattern: str) -> int:
        return next(number for number, line in enumerate(calls) if re.search(pattern, line))

    site = re.escape(str(traced.folder))
    swap = at(rf'rename\(.*"{site}/public"')
    numbered = at(r'rename\(.*releases/4"')
    flushed = at(r"syncfs\(")
    last_page = max(number for number, line in enumerate(calls) if re.search(r"write\(.*\.tmp-4/", line))
    last_link = max(number for number, line in enumerate(calls) if "linkat(" in line)
    assert max(last_page, last_link) < flushed < numbered < swap
    assert any(re.search(rf"fsync\(\d+<{site}/.velobuild/releases>", line) for line in calls[numbered:swap])
    assert any(re.search(rf"fsync\(\d+<{site}>", line) for line in calls[swap:])
    manifest_flushed = at(r"fsync\(.*manifests/.tmp-4")
    assert manifest_flushed < at(r'rename\(.*manifests/4.json"') < swap


def test_a_failed_flush_is_not_tried_again(memory_folder: Path) -> None:
    needs(shutil.which("strace") is not None, "strace")
    traced = Traced(memory_folder, "release")
    done = traced.build("-e", "trace=syncfs", "-e", "inject=syncfs:error=EIO")
    assert done.returncode == 6
    assert "dmesg" not in done.stdout
    assert traced.trace.read_text().count("syncfs(") == 1
    assert rig.live_version(traced.folder) == 3


@pytest.mark.parametrize("error", ["EPERM", "EOPNOTSUPP", "EMLINK", "EXDEV"])
def test_where_the_file_system_has_no_hard_links_files_are_copied(memory_folder: Path, error: str) -> None:
    needs(shutil.which("strace") is not None, "strace")
    traced = Traced(memory_folder, "release")
    before = {path: (traced._template / "public" / path).stat().st_mtime for path in rig.served(traced._template)}
    done = traced.build("-e", "trace=linkat", "-e", f"inject=linkat:error={error}")
    assert done.returncode == 0, done.stderr
    assert traced.trace.read_text().count("INJECTED") >= 3
    assert rig.served(traced.folder) == rig.contents(4)
    same = [path for path in before if rig.contents(3)[path] == rig.contents(4).get(path)]
    assert {path: (traced.folder / "public" / path).stat().st_mtime for path in same} == {
        path: int(before[path]) for path in same
    }


def test_without_syncfs_every_file_and_folder_is_flushed(memory_folder: Path) -> None:
    needs(shutil.which("strace") is not None, "strace")
    traced = Traced(memory_folder, "release")
    done = traced.build("-e", "trace=fsync,syncfs", "-e", "inject=syncfs:error=ENOSYS")
    assert done.returncode == 0, done.stderr
    flushed = set(re.findall(r"fsync\(\d+<(.*?)>", traced.trace.read_text()))
    release = traced.folder / ".velobuild/releases/.tmp-4"
    assert {str(release / path) for path in rig.contents(4)} <= flushed
    assert {str(release), str(release / "posts"), str(release / "posts/p1")} <= flushed


# Sizes


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))


@pytest.mark.parametrize("mode", MODES)
def test_a_limit_on_file_sizes_never_publishes_a_cut_page(memory_folder: Path, mode: str) -> None:
    rig.build(memory_folder, mode)
    before = rig.served(memory_folder)
    command = [sys.executable, str(RIG), "build", str(memory_folder), mode]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_file_size, check=False)
    assert done.returncode == 6
    assert "VB6002" in done.stderr
    assert rig.served(memory_folder) == before
    assert rig.after_next_build(memory_folder, mode) == []


def test_control_a_write_whose_count_is_not_looked_at_is_cut(memory_folder: Path) -> None:
    program = "import os, sys; os.write(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), b'x' * 3_000)"
    page = memory_folder / "page"
    done = subprocess.run([sys.executable, "-c", program, str(page)], preexec_fn=limit_file_size, check=False)
    assert done.returncode == 0
    assert page.stat().st_size == 2_000
