"""velobuild beside Hugo on the same blog, in turns, and a table of the ratios: `benchmarks/run [--quick]`.

Every turn runs both tools, one right after the other, and gives one ratio; the table shows the median of the ratios
and their range. So a machine that is busy or slow today changes the seconds, and much less the ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import corpus

HERE = Path(__file__).resolve().parent
BIN = HERE.parent / ".venv" / "bin"
WORK = HERE / ".work"
QUIET = {**os.environ, "PYTHONPATH": "", "NO_COLOR": "1"}
TURNS = {1_000: 5, 10_000: 3}
VERSION_TURNS = 31
EDITED = 500
"""The post that is edited: it is on no first page and not in the feed."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one command cost: seconds, processor seconds of all its processes, bytes of the largest one."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(slots=True)
class Row:
    """One line of the table."""

    name: str
    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)

    def ratio(self, value: Callable[[Run], float]) -> tuple[float, float, float]:
        """(median, smallest, largest) of ours ÷ theirs, turn by turn."""
        found = [value(a) / value(b) for a, b in zip(self.ours, self.theirs, strict=True)]
        return median(found), min(found), max(found)


def run(*commands: Sequence[str | Path], cwd: Path | None = None) -> Run:
    """Run the commands one after the other. Raises SystemExit with what the command said if one fails."""
    wall_s, cpu_s, peak_bytes = 0.0, 0.0, 0
    for command in commands:
        said = WORK / "said.txt"
        with said.open("wb") as out:
            started = perf_counter()
            process = subprocess.Popen(list(map(str, command)), cwd=cwd, env=QUIET, stdout=out, stderr=out)
            _, status, usage = os.wait4(process.pid, 0)
            wall_s += perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}:\n{said.read_text('utf-8', 'replace')}")
        cpu_s += usage.ru_utime + usage.ru_stime
        peak_bytes = max(peak_bytes, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    return Run(wall_s, cpu_s, peak_bytes)


class Hugo:
    """Hugo's binary itself, without the Python launcher that the package puts before it."""

    def __init__(self) -> None:
        found = sorted((HERE / ".venv").glob("lib/python*/site-packages/hugo/binaries/hugo*"))
        if not found:
            raise SystemExit("Hugo is not installed: start benchmarks/run, which does that")
        self.binary = found[0]

    @property
    def version(self) -> str:
        said = subprocess.run([self.binary, "version"], capture_output=True, text=True, check=True).stdout
        return said.split()[1].partition("-")[0].removeprefix("v")

    def build(self, content: Path, out: Path) -> list[str | Path]:
        site = ["-s", HERE / "hugo", "--contentDir", content, "-d", out]
        return [self.binary, "--quiet", "--noBuildLock", *site]


def copied(source: Path, target: Path) -> Path:
    """A copy in a new place, on the disk before a clock starts.

    Nothing is deleted between runs: ext4 looks for new inodes longer as long as it remembers the ones just deleted.
    """
    shutil.copytree(source, target)
    os.sync()
    return target


class Bench:
    """One size of the blog, with everything that both tools need."""

    def __init__(self, post_count: int, hugo: Hugo, place: Path) -> None:
        self.post_count = post_count
        self.hugo = hugo
        self.corpus = WORK / f"corpus-{post_count}"
        corpus.write(self.corpus, post_count)
        self.place = place / str(post_count)
        self.loaded = copied(HERE / "site", self.place / "loaded")
        run(self.load(self.loaded))
        self.site, self.out = self.loaded, self.place

    def load(self, site: Path) -> list[str | Path]:
        return [BIN / "python", HERE / "load.py", site, self.corpus / "posts.json"]

    @staticmethod
    def build(site: Path) -> list[str | Path]:
        return [BIN / "velobuild", "-C", site, "--quiet", "build", "--offline"]

    def rows(self, turns: int) -> list[Row]:
        cold, loading = Row("cold build"), Row("cold build, loading included")
        edit, same = Row("rebuild after one edit"), Row("rebuild, nothing changed")
        rows = [cold, loading, edit, same]
        for turn in range(turns):
            place = self.place / f"turn-{turn + 1}"
            site = copied(HERE / "site", place / "loading")
            loading.ours.append(run(self.load(site), self.build(site)))
            self.site, self.out = copied(self.loaded, place / "site"), place / "hugo"
            content = copied(self.corpus / "html", place / "content")
            build, theirs = self.build(self.site), self.hugo.build(content, self.out)
            cold.ours.append(run(build))
            os.sync()
            cold.theirs.append(run(theirs))
            loading.theirs.append(cold.theirs[-1])
            self.compare_content()

            revision = turn + 1
            numbers = map(str, (EDITED, self.post_count, revision))
            run([BIN / "python", HERE / "load.py", self.site, "--edit", *numbers])
            post = corpus.post(EDITED, self.post_count, revision)
            file = content / "posts" / f"{post['slug']}.html"
            file.write_text(corpus.content_file(post), "utf-8")
            for row in (edit, same):
                for runs, command in ((row.ours, build), (row.theirs, theirs)):
                    os.sync()
                    runs.append(run(command))
            ratios = ", ".join(f"{row.name} {row.ours[-1].wall_s / row.theirs[-1].wall_s:.2f}" for row in rows)
            print(f"{self.post_count:,} posts, turn {turn + 1} of {turns}: {ratios}", flush=True)
        return rows

    def compare_content(self) -> None:
        """Raises SystemExit if a page of a sample reads differently: then nothing would be compared."""
        for number in {0, 1, EDITED, self.post_count - 1}:
            name = f"posts/post-{number:06d}/index.html"
            ours, theirs = ((place / name).read_text("utf-8") for place in (self.site / "public", self.out))
            if words(ours) != words(theirs):
                raise SystemExit(f"{name} does not say the same on both sides")

    def files(self) -> tuple[set[str], set[str]]:
        return listed(self.site / "public"), listed(self.out)


def words(page: str) -> list[str]:
    """All text of a page, without its tags."""
    return re.sub(r"<[^>]*>", " ", page).replace("&#43;", "+").split()


def listed(out: Path) -> set[str]:
    root = out.resolve()
    return {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}


def version_rows() -> Row:
    row = Row("`velobuild --version` ÷ a bare click program")
    for _ in range(VERSION_TURNS):
        row.ours.append(run([BIN / "velobuild", "--version"]))
        row.theirs.append(run([BIN / "python", HERE / "bare_click.py", "--version"]))
    return row


# --- the report


def machine() -> str:
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
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


def table(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| | velobuild s | Hugo s | ratio | velobuild CPU s | Hugo CPU s | ratio | velobuild MB | Hugo MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.name, seconds(row.ours, wall), seconds(row.theirs, wall), times(row.ratio(wall))]
        cells += [seconds(row.ours, cpu), seconds(row.theirs, cpu), times(row.ratio(cpu))]
        cells += [f"{max(map(peak, row.ours)):.0f}", f"{max(map(peak, row.theirs)):.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def times(ratio: tuple[float, float, float]) -> str:
    return f"**{ratio[0]:.2f}** ({ratio[1]:.2f}–{ratio[2]:.2f})"


def difference(ours: set[str], theirs: set[str]) -> list[str]:
    only_ours, only_theirs = sorted(ours - theirs), sorted(theirs - ours)
    return [
        f"velobuild writes {len(ours):,} files, Hugo {len(theirs):,}; {len(ours & theirs):,} have the same path.",
        f"Only velobuild: {shown(only_ours)}.",
        f"Only Hugo: {shown(only_theirs)}.",
    ]


def shown(names: Sequence[str]) -> str:
    """Names of files, with the numbered pages of lists counted."""
    pages = [name for name in names if "/page/" in f"/{name}"]
    rest = [name for name in names if name not in set(pages)]
    counted = [f"{len(pages):,} numbered list pages"] if pages else []
    return (
        ", ".join(
            [*(f"`{name}`" for name in rest[:12]), *([f"{len(rest) - 12} more"] if len(rest) > 12 else []), *counted]
        )
        or "none"
    )


def report(
    results: Sequence[tuple[Bench, int, list[Row]]], version: Row, hugo: Hugo, place: Path, load: tuple[float, ...]
) -> str:
    ours = subprocess.run([BIN / "velobuild", "--version"], capture_output=True, text=True, check=True).stdout.split()[
        -1
    ]
    at = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True
    ).stdout.strip()
    lines = [
        "# velobuild beside Hugo",
        "",
        "Written by `benchmarks/run`; `benchmarks/README.md` says what is compared, and how.",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d}, velobuild {ours} ({at or 'no commit'}), Hugo {hugo.version}, "
        f"Python {platform.python_version()}",
        f"- {machine()}; load average before {load[0]:.1f}, after {os.getloadavg()[0]:.1f}; "
        f"the sites are built on {file_system(place)}",
        "- median (smallest–largest); a ratio is velobuild ÷ Hugo of one turn; MB is the largest process of any turn",
        "",
    ]
    for bench, turns, rows in results:
        lines += [
            f"## {bench.post_count:,} posts, {turns} turns",
            "",
            *table(rows),
            "",
            *difference(*bench.files()),
            "",
        ]
    lines += [
        f"## Start, {VERSION_TURNS} turns",
        "",
        f"{version.name}: {times(version.ratio(wall))} of wall time, {times(version.ratio(cpu))} of CPU time "
        f"({median(map(wall, version.ours)) * 1e3:.0f} ms and {median(map(wall, version.theirs)) * 1e3:.0f} ms).",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 posts alone, 2 turns; prints, writes nothing")
    parser.add_argument("--turns", type=int, help="turns of each size, in place of 5 and 3")
    parser.add_argument("--posts", type=int, action="append", help="the size of the blog, in place of 1,000 and 10,000")
    parser.add_argument("--place", type=Path, default=WORK, help="where the sites are built, such as a disk in memory")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="runs-", dir=options.place))
    try:
        text = measured(options, place)
        print(text, flush=True)
        if not options.quick and not options.posts:
            (HERE / "RESULTS.md").write_text(text, "utf-8")
    finally:
        shutil.rmtree(place)


def measured(options: argparse.Namespace, place: Path) -> str:
    hugo, before = Hugo(), os.getloadavg()
    results = []
    for post_count in options.posts or ([1_000] if options.quick else list(TURNS)):
        bench = Bench(post_count, hugo, place)
        turns = options.turns or (2 if options.quick else TURNS.get(post_count, 3))
        results.append((bench, turns, bench.rows(turns)))
    return report(results, version_rows(), hugo, place, before)


if __name__ == "__main__":
    main()
