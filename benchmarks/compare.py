"""How a command is timed, what the machine is, and whether two tools made the same site."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

HERE = Path(__file__).resolve().parent
BIN = HERE.parent / ".venv" / "bin"
WORK = HERE / ".work"
# A shell that forbids Python to keep what it compiled would make every start of every tool in Python a first one.
QUIET = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
QUIET |= {"PYTHONPATH": "", "NO_COLOR": "1"}
TIMEOUT_S = 600.0
BUSY_SHARE = 0.1
"""Of all processors, while nothing is measured. More than this is other programs' work, and makes figures a direction
at best. Not the load average: for minutes it still counts the part that was measured last."""
LOOK_S, LOOKS = 2.0, 10


class Unmeasured(Exception):
    """A command failed or took too long; the message says which one, and what it said."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one command cost: seconds, processor seconds of all its processes, bytes of the largest one."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def run(
    *commands: Sequence[str | Path],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Run:
    """Run the commands one after the other. Raises Unmeasured with what the command said if one fails."""
    wall_s, cpu_s, peak_bytes = 0.0, 0.0, 0
    for command in commands:
        said = WORK / "said.txt"
        with said.open("wb") as out:
            started = perf_counter()
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=cwd,
                env={**QUIET, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            late = threading.Event()
            bound = threading.Timer(timeout_s, _end, (process.pid, late))
            bound.start()
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                bound.cancel()
            wall_s += perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if late.is_set():
            raise Unmeasured(f"{shown(command)} took longer than {timeout_s:.0f} s")
        if process.returncode:
            said_last = said.read_text("utf-8", "replace")[-2_000:]
            raise Unmeasured(f"{shown(command)} ended with {process.returncode}:\n{said_last}")
        cpu_s += usage.ru_utime + usage.ru_stime
        peak_bytes = max(peak_bytes, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    return Run(wall_s, cpu_s, peak_bytes)


def _end(group: int, late: threading.Event) -> None:
    late.set()
    os.killpg(group, signal.SIGKILL)


def shown(command: Sequence[str | Path]) -> str:
    return " ".join(Path(part).name if str(part).startswith("/") else str(part) for part in command)


def copied(source: Path, target: Path) -> Path:
    """A copy in a new place, on the disk before a clock starts.

    Nothing is deleted between runs: ext4 looks for new inodes longer as long as it remembers the ones just deleted.
    """
    shutil.copytree(source, target, symlinks=True)
    os.sync()
    return target


def words(page: str) -> list[str]:
    """All text of a page, without its tags."""
    text = re.sub(r"<[^>]*>", " ", page)
    for written, meant in (("&#43;", "+"), ("&quot;", '"'), ("&#34;", '"'), ("&#39;", "'"), ("&#x27;", "'")):
        text = text.replace(written, meant)
    return text.split()


def listed(out: Path) -> set[str]:
    """The path of every file below `out`."""
    root = os.path.realpath(out)
    found: set[str] = set()
    for folder, _, names in os.walk(root):
        below = folder[len(root) + 1 :]
        found.update(f"{below}/{name}" if below else name for name in names)
    return found


def differ(ours: Path, theirs: Path, names: Sequence[str]) -> list[str]:
    """Those of the pages that do not say the same on both sides."""
    return [name for name in names if words(_text(ours / name)) != words(_text(theirs / name))]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return "there is no such file"


def is_busy(when: str) -> bool:
    """Whether other programs are at work; says so if they are, after some seconds in which they may end."""
    if not _lines("/proc/stat"):
        share = os.getloadavg()[0] / (os.cpu_count() or 1)
    else:
        os.sync()
        for _ in range(LOOKS):
            share = _busy_share()
            if share <= BUSY_SHARE:
                return False
    if share > BUSY_SHARE:
        print(f"warning: {share:.0%} of the processors are busy {when}", file=sys.stderr, flush=True)
    return share > BUSY_SHARE


def _busy_share() -> float:
    """What part of all processors' time anything was running, or the host had it, during `LOOK_S` seconds."""
    before = _ticks()
    sleep(LOOK_S)
    spent = [after - then for after, then in zip(_ticks(), before, strict=True)]
    idle = sum(spent[3:5])  # idle and waiting for the disk
    return 1 - idle / max(sum(spent), 1)


def _ticks() -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal; guests' time is a part of the first two."""
    return list(map(int, _lines("/proc/stat")[0].split()[1:9]))


def machine() -> str:
    """The processor, how many of them, the memory, and the system, as far as they can be found out."""
    lines = [line.partition(":") for line in _lines("/proc/cpuinfo")]
    model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}"
    return f"{model}, {len(os.sched_getaffinity(0))} processors, {memory:.0f} GB of memory, {system}"


def file_system(place: Path) -> str:
    """The kind of file system that holds a folder."""
    mounts = [line.split() for line in _lines("/proc/mounts")]
    holding = [(len(mount[1]), mount[2]) for mount in mounts if place.resolve().is_relative_to(mount[1])]
    return max(holding)[1] if holding else "this disk"


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8").splitlines()
    except OSError:
        return []


def seconds(runs: Sequence[Run], value: Callable[[Run], float]) -> str:
    found = [value(one) for one in runs]
    return f"{median(found):.2f} ({min(found):.2f}–{max(found):.2f})"


def wall(one: Run) -> float:
    return one.wall_s


def cpu(one: Run) -> float:
    return one.cpu_s


def peak(one: Run) -> float:
    return one.peak_bytes / 1e6
