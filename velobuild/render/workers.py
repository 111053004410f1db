"""Work on many bodies or pages at once: in this process, or in forked ones.

Workers open the database read-only, write pages into the staging folder themselves, and return what they found; only
the parent writes rows and publishes. Order of results never depends on which worker was quicker.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from velobuild.content.database import FILE_NAME, Connection, connect, snapshot
from velobuild.errors import ContentProblem, Diagnostic
from velobuild.graph.bodies import PreparedBody, prepare_body
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.model.outputs import Mark, OutputFile, Target
from velobuild.model.reads import Answer, Reads
from velobuild.render.spreading import spread
from velobuild.render.theme import Theme

if TYPE_CHECKING:
    from velobuild.render.renderers import Rendering

PARALLEL_FROM = 200
CHUNK = 64

Write = Callable[[OutputFile, bytes], Mark]


@dataclass(frozen=True, slots=True)
class RenderFailed:
    """A target that could not be rendered, and why."""

    target: Target
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One target's file, all that it read, and how long it took. `mark` is None where the live file has these bytes."""

    file: OutputFile
    mark: Mark | None
    reads: Reads
    render_us: int

    @property
    def same(self) -> bool:
        """Whether the live file has these bytes."""
        return self.mark is None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of a chunk of targets, of which the first is the job's target number `start`: files, failures,
    findings about content, and the answers to new queries."""

    start: int = 0
    files: tuple[RenderedFile, ...] = ()
    failed: tuple[RenderFailed, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    recording_us: int = 0
    """How long the recording of reads took, of which a part lies within the outputs' own times."""

    @property
    def written(self) -> tuple[OutputFile, ...]:
        return tuple(one.file for one in self.files if not one.same)

    @property
    def same(self) -> tuple[OutputFile, ...]:
        return tuple(one.file for one in self.files if one.same)


@dataclass(frozen=True, slots=True)
class Bodies:
    """What became of a chunk of bodies."""

    prepared: tuple[PreparedBody, ...] = ()
    failed: Mapping[str, Diagnostic] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderJob:
    """All that a worker needs. `live` maps a path to the hash of the live file; `write` puts a new file
    there."""

    site: Site
    theme: Theme
    live: Mapping[str, str]
    write: Write
    targets: Sequence[Target]


def worker_count(jobs: int, items: int) -> int:
    """How many processes to use: `jobs` if given, else one a processor; 0 for little work or where fork is unsafe."""
    if items < PARALLEL_FROM or threading.active_count() > 1 or not hasattr(os, "fork"):
        return 0
    count = jobs or len(os.sched_getaffinity(0))
    return count if count > 1 else 0


def prepare_bodies(site: Site, post_ids: Sequence[str], *, jobs: int) -> Iterator[Bodies]:
    """Prepare bodies, in chunks, in the order of `post_ids`."""
    if not post_ids:
        return
    # Not before: a build that finds nothing to do needs no parsers. Not later: forked workers share what is loaded.
    import velobuild.markup.body  # noqa: F401

    connections: list[Connection] = []

    def chunk(start: int) -> Bodies:
        if not connections:
            connections.append(opened.enter_context(closing(connect(site.state / FILE_NAME, read_only=True))))
        done: list[PreparedBody] = []
        failed: dict[str, Diagnostic] = {}
        with Alarm(site.config.limits.render_s) as alarm:
            for post_id in post_ids[start : start + CHUNK]:
                try:
                    with alarm.set(f"post id {post_id}"):
                        done.append(prepare_body(connections[0], site, post_id))
                except ContentProblem as error:
                    failed[post_id] = error.diagnostics[0]
        return Bodies(tuple(done), failed)

    with ExitStack() as opened:
        yield from spread(chunk, range(0, len(post_ids), CHUNK), (), worker_count(jobs, len(post_ids)))


def render_all(job: RenderJob, *, jobs: int) -> Iterator[Rendered]:
    """Render the job's targets, in chunks: posts in their order, and among them lists in theirs."""
    # Not before: a build that finds nothing to do needs no Jinja. Not later: forked workers share what is loaded.
    from velobuild.render.renderers import LISTS, Rendering

    rendering: list[Rendering] = []

    def chunk(start: int) -> Rendered:
        if not rendering:
            connection = snapshot(connect(job.site.state / FILE_NAME, read_only=True))
            opened.callback(connection.close)
            rendering.append(Rendering(Reader(connection, job.site), job.theme))
        return _render(job, rendering[0], start)

    # A reader that is left open keeps SQLite from folding the write-ahead log into the file when the build ends.
    with ExitStack() as opened:
        # Lists show the same summaries over and over, and each worker that makes lists makes all of them.
        starts = range(0, len(job.targets), CHUNK)
        lists = [start for start in starts if job.targets[start].route in LISTS]
        others = [start for start in starts if job.targets[start].route not in LISTS]
        yield from spread(chunk, others, lists, worker_count(jobs, len(job.targets)))


def _render(job: RenderJob, rendering: Rendering, start: int) -> Rendered:
    made: list[RenderedFile] = []
    failed: list[RenderFailed] = []
    reader = rendering.reader
    with Alarm(job.site.config.limits.render_s) as alarm:
        for target in job.targets[start : start + CHUNK]:
            reader.begin()
            started = time.perf_counter_ns()
            try:
                with alarm.set(target.url):
                    path, content, phase = rendering.file(target)
            except ContentProblem as error:
                failed.append(RenderFailed(target, error.diagnostics[0]))
                continue
            took = (time.perf_counter_ns() - started) // 1000
            sha256 = hashlib.sha256(content).hexdigest()
            file = OutputFile(path, sha256, len(content), phase)
            mark = None if job.live.get(path) == sha256 else job.write(file, content)
            made.append(RenderedFile(file, mark, reader.taken(), took))
    warnings = tuple(reader.warnings)
    reader.warnings.clear()
    recording_us, reader.recording_ns = reader.recording_ns // 1000, 0
    return Rendered(start, tuple(made), tuple(failed), warnings, reader.new_answers(), recording_us)


class Alarm:
    """Stops what runs longer than `seconds`; `set` begins the time anew for each thing of many.

    Works in a process's main thread alone, where signals arrive; elsewhere everything runs unlimited. To install the
    handler is by far the dearest part: it is done once for a chunk.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds if threading.current_thread() is threading.main_thread() else None
        self._before: Any = None
        self._where: str | None = None

    def __enter__(self) -> Alarm:
        if self._seconds is not None:
            self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        if self._seconds is not None:
            signal.signal(signal.SIGALRM, self._before)

    @contextmanager
    def set(self, where: str) -> Iterator[None]:
        """Raises ContentProblem VB3105 inside the block when its time is up."""
        if self._seconds is None:
            yield
            return
        self._where = where
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._where = None

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._where is not None:  # It may have been on its way when the block ended.
            raise ContentProblem(
                f"rendering took longer than {self._seconds} s",
                code="VB3105",
                where=self._where,
                hint="look for a loop in the template, or raise [limits] render_s",
            )
