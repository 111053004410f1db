"""velobuild beside Hugo, Eleventy and Pelican on the same blog, in turns, as one table: `benchmarks/run`.

Every turn runs the tools one right after the other and gives one ratio; the table shows the median of the ratios and
their range. So a machine that is busy or slow today changes the seconds, and much less the ratios. Each part is kept
when it is done: `--resume` goes on after the last one, as long as the commit is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import parts
import report
from compare import BIN, HERE, WORK, Unmeasured, file_system, is_busy, machine
from peers import Eleventy, Hugo, Pelican

TURNS = {"html": 5, "markdown": 3, "slow": 2}
LARGE_TURNS = {**TURNS, "html": 2}
KEPT = WORK / "results.json"
Figures = dict[str, Any]
Measure = Callable[[parts.Bench], Figures]


def measures(small: int, large: int, others: list[int]) -> dict[str, Measure]:
    """The parts in their order; a part whose sites another one needs stands before it."""
    found: dict[str, Measure] = {"start": parts.start, f"reads-{small}": lambda bench: parts.reads(bench, small)}
    for post_count in (*others, small, large):
        found[f"html-{post_count}"] = partial(parts.html, post_count=post_count)
    for post_count in (*others, small):
        found[f"markdown-{post_count}"] = partial(parts.markdown, post_count=post_count)
    found[f"watchers-{small}"] = lambda bench: parts.watchers(bench, small)
    found[f"warm-{small}-{large}"] = lambda bench: parts.warm(bench, small, large)
    return found


def commit() -> str:
    words = ["git", "describe", "--always", "--dirty", "--abbrev=8"]
    return subprocess.run(words, cwd=HERE, capture_output=True, text=True).stdout.strip() or "none"


def say(name: str, text: str) -> None:
    print(f"{name}: {text}", flush=True)


def measured(wanted: dict[str, Measure], options: argparse.Namespace, place: Path, kept: Figures) -> None:
    """Measure each part and put it into `kept`, on the disk as well. A part that fails says so, the others go on."""
    turns = {name: options.turns or (1 if options.quick else count) for name, count in TURNS.items()}
    for name, measure in wanted.items():
        if name in kept["parts"] and "failed" not in kept["parts"][name]:
            print(f"{name}: measured before", flush=True)
            continue
        large = name.startswith("html-") and name.endswith(f"-{options.large}")
        own = turns if not large or options.turns or options.quick else LARGE_TURNS
        bench = BENCHES.setdefault("one", parts.Bench(place, lambda text: None))
        bench.turns = own
        bench.say = partial(say, name)
        kept["busy"] = is_busy(f"before {name}") or kept["busy"]
        started = time.perf_counter()
        try:
            figures = measure(bench)
        except Unmeasured as error:
            figures = {"failed": str(error)}
            print(f"{name}: {error}", file=sys.stderr, flush=True)
        kept["parts"][name] = {**figures, "took_s": time.perf_counter() - started}
        KEPT.write_text(json.dumps(kept), "utf-8")
        bench.say(f"took {kept['parts'][name]['took_s']:.0f} s")


BENCHES: dict[str, parts.Bench] = {}


def about(place: Path, kept: Figures, load_before: float, took_s: float) -> Figures:
    ours = subprocess.run([BIN / "velobuild", "--version"], capture_output=True, text=True, check=True).stdout.split()[
        -1
    ]
    versions = {"velobuild": ours, "Python": platform.python_version()}
    versions |= {peer.name: peer.version for peer in (Hugo(), Eleventy(), Pelican())}
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": kept["commit"],
        "versions": versions,
        "machine": machine(),
        "file_system": file_system(place),
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        "busy": kept["busy"],
        "took_s": took_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmarks/run")
    parser.add_argument("--quick", action="store_true", help="1,000 and 2,000 posts, one turn; prints, writes nothing")
    parser.add_argument(
        "--only", action="append", metavar="PART", help="a part, such as html-10000, or html for all such"
    )
    parser.add_argument("--turns", type=int, help="turns of each part, in place of 5, 3 and 2")
    parser.add_argument("--small", type=int, help="the size of most rows, in place of 10,000")
    parser.add_argument("--large", type=int, help="the large size, in place of 100,000")
    parser.add_argument("--resume", action="store_true", help="go on after the last part that was done")
    parser.add_argument("--place", type=Path, default=WORK, help="where the sites are built, such as a disk in memory")
    options = parser.parse_args()
    whole = not (options.quick or options.small or options.large or options.turns)
    options.small = options.small or (1_000 if options.quick else 10_000)
    options.large = options.large or (2_000 if options.quick else 100_000)
    wanted = measures(options.small, options.large, [1_000] if whole else [])
    if options.only:
        wanted = {
            name: one for name, one in wanted.items() if any(f"{name}-".startswith(f"{only}-") for only in options.only)
        }
        if not wanted:
            raise SystemExit(f"no such part; there are {', '.join(measures(options.small, options.large, [1_000]))}")
    WORK.mkdir(exist_ok=True)
    load_before, started = os.getloadavg()[0], time.perf_counter()
    kept: Figures = {"commit": commit(), "busy": False, "parts": {}}
    if options.resume and KEPT.exists():
        before = json.loads(KEPT.read_text("utf-8"))
        if before["commit"] != kept["commit"]:
            raise SystemExit(f"the parts that are kept are of commit {before['commit']}, this is {kept['commit']}")
        kept = before
    place = Path(tempfile.mkdtemp(prefix="runs-", dir=options.place))
    try:
        measured(wanted, options, place, kept)
        made = about(place, kept, load_before, time.perf_counter() - started)
        results = {
            name: kept["parts"][name]
            for name in measures(options.small, options.large, [1_000])
            if name in kept["parts"]
        }
        text = report.markdown(made, results, small=options.small, large=options.large)
        print(text, flush=True)
        if whole and (not options.only or options.resume):
            (HERE / "RESULTS.md").write_text(text + kept_sections(), "utf-8")
            (HERE / "RESULTS.json").write_text(json.dumps({**made, "parts": results}, indent=1) + "\n", "utf-8")
    finally:
        shutil.rmtree(place)


def kept_sections() -> str:
    """What other measurements put at the end of the report stays."""
    file = HERE / "RESULTS.md"
    text = file.read_text("utf-8") if file.exists() else ""
    found = text.find("\n## A real PocketBase")
    return text[found:] if found >= 0 else ""


if __name__ == "__main__":
    main()
