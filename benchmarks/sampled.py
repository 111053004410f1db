"""Which share of a cold build's processor time goes into recording what pages read: `sampled.py SITE`.

The processor's clock interrupts one process about every millisecond of its own time, and the time since the last
interruption goes to the functions that are under way. What counts as recording is listed here: noting a read, naming a
query, its footprints and fingerprint, and everything that plans with the trace or writes it. A profiler that counts
calls would blow up the smallest functions, and these are the smallest.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from velobuild.config.load import load
from velobuild.pipeline import BuildOptions, build

INTERVAL_S = 0.001
WHOLE_FILES: Final = {
    "graph/trace.py",
    "graph/changes.py",
    "graph/invalidate.py",
    "graph/named.py",
    "pipeline/spool.py",
    "pipeline/tracing.py",
    "model/reads.py",
}
WITH_CALLEES: Final = {
    "graph/reading.py": {"begin", "taken", "saw", "saw_all", "new_answers"},
    "graph/answers.py": {
        *("posts_answer", "count_answer", "related_answer", "posts_key", "count_key", "total_key", "related_key"),
    },
    "pipeline/making.py": {"_made"},
    "render/prints.py": {"template_print"},
}
ALONE: Final = {"graph/posts.py": {"ask"}, "render/templates.py": {"get_template"}, "graph/reading.py": {"apart"}}
"""Functions that note a read and then do what they were asked for: only what they do themselves counts."""


class Sampler:
    """Sums processor seconds by the kind of work. Use in a process's main thread."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._last = 0.0

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._look)
        self._last = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.seconds["other"] += time.process_time() - self._last

    def _look(self, number: int, frame: FrameType | None) -> None:
        now = time.process_time()
        self.seconds[kind_of(frame)] += now - self._last
        self._last = now


def kind_of(frame: FrameType | None) -> str:
    """`recording: NAME` of the function that is recording, or `other`."""
    innermost = True
    while frame is not None:
        file = frame.f_code.co_filename.rpartition("/velobuild/")[2]
        name = frame.f_code.co_name
        alone = innermost and name in ALONE.get(file, ())
        if file in WHOLE_FILES or name in WITH_CALLEES.get(file, ()) or alone:
            return f"recording: {file} {name}"
        innermost, frame = False, frame.f_back
    return "other"


def main(site: str) -> None:
    loaded = load(None, directory=Path(site).resolve(), environment={}, overrides={"build.jobs": "1"})
    with Sampler() as sampler:
        build(loaded, BuildOptions(offline=True), cache=None)
    total = sum(sampler.seconds.values())
    recording = {kind: took for kind, took in sampler.seconds.most_common() if kind != "other"}
    parts = {kind.removeprefix("recording: "): round(took, 4) for kind, took in recording.items()}
    print(json.dumps({"cpu_s": total, "recording_s": sum(recording.values()), "parts_s": parts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
