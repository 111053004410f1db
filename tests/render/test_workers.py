"""Pages made by one process or by several: the same bytes, the same order, and clean ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.graph.rig import CONFIG, Blog, dated, post
from tests.leftovers import left_behind, names
from tests.render.stage import theme_of, themed
from velobuild.config.schema import LimitsConfig
from velobuild.errors import ContentProblem, Diagnostic, OutputError, SourceUnavailable
from velobuild.graph.routes import expand
from velobuild.model.entries import BodyFormat
from velobuild.model.outputs import UNMARKED, Mark, OutputFile, Target
from velobuild.publish.releases import Writer
from velobuild.render.workers import PARALLEL_FROM, Alarm, RenderJob, Write, prepare_bodies, render_all, worker_count

POST = "{{ post.title }} {{ post.content }} {{ post.previous.title if post.previous }}"
LIST = "{% for post in posts %}{{ post.title }} {{ post.excerpt }}\n{% endfor %}"


@pytest.fixture(autouse=True)
def alone() -> None:
    """Where a second thread runs, no worker is forked, and these tests would see one process and wonder why."""
    others = left_behind([threading.main_thread()])
    assert not others, f"threads of earlier tests still run here, so nothing is forked: {names(others)}"


@pytest.fixture
def blog(tmp_path: Path) -> Iterator[Blog]:
    made = themed(tmp_path / "site", {"post.html": POST, "home.html": LIST, "list.html": LIST, "tag.html": LIST})
    made.posts(*dated(PARALLEL_FROM + 60, tags=("a", "b"), body='<p>Text <a href="/gone">x</a></p>'))
    yield made
    made.connection.close()


def job(blog: Blog, folder: Path, *, write: Write | None = None, targets: list[Target] | None = None) -> RenderJob:
    folder.mkdir()
    chosen = list(expand(blog.reader)) if targets is None else targets
    return RenderJob(blog.site, theme_of(blog), {}, write or Writer(folder), chosen)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_two_processes_make_the_same_bytes_as_one_in_the_same_order(blog: Blog, tmp_path: Path) -> None:
    written, warned = [], []
    for jobs in (1, 2):
        chunks = list(render_all(job(blog, tmp_path / str(jobs)), jobs=jobs))
        written.append([file for chunk in chunks for file in chunk.written])
        warned.append({(one.what, one.where) for chunk in chunks for one in chunk.warnings})
    assert written[0] == written[1]
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")
    assert warned[0] == warned[1]
    assert len(warned[0]) == PARALLEL_FROM + 60, "each body with a dead link is named, whoever renders it"
    assert worker_count(2, PARALLEL_FROM) == 2, "the control: two processes were at work"


def test_what_is_live_already_is_not_written_again(blog: Blog, tmp_path: Path) -> None:
    first = [file for chunk in render_all(job(blog, tmp_path / "1"), jobs=1) for file in chunk.written]
    again = replace(job(blog, tmp_path / "2"), live={file.path: file.sha256 for file in first[:-1]})
    chunks = list(render_all(again, jobs=1))
    assert [file.path for chunk in chunks for file in chunk.written] == [first[-1].path]
    assert [file for chunk in chunks for file in chunk.same] == first[:-1]


def test_prepared_bodies_come_in_their_order_from_any_number_of_processes(tmp_path: Path) -> None:
    blog = Blog(tmp_path / "site")
    blog.posts(*dated(PARALLEL_FROM + 10), post("blocks", body_format=BodyFormat.BLOCKS))
    ids = [f"p{n:03d}" for n in range(PARALLEL_FROM + 10)]
    ids.insert(100, "blocks")
    answers = []
    for jobs in (1, 2):
        chunks = list(prepare_bodies(blog.site, ids, jobs=jobs))
        answers.append([body for chunk in chunks for body in chunk.prepared])
        failed = {id: found for chunk in chunks for id, found in chunk.failed.items()}
        assert [(id, found.code, found.where) for id, found in failed.items()] == [
            ("blocks", "VB3001", "post “Blocks” (id blocks)")
        ]
    assert answers[0] == answers[1]
    assert [body.post_id for body in answers[0]] == [id for id in ids if id != "blocks"]
    blog.connection.close()


def test_one_post_that_fails_is_reported_and_the_others_are_made(tmp_path: Path) -> None:
    blog = themed(tmp_path / "site", {"post.html": "{{ post.title }}{{ 1 // (post.id != 'p003')|int }}"})
    blog.posts(*dated(6))
    (chunk,) = render_all(job(blog, tmp_path / "out"), jobs=1)
    (failure,) = chunk.failed
    assert (failure.target.path, failure.diagnostic.code) == ("p003/index.html", "VB3104")
    assert {f"p{n:03d}/index.html" for n in (0, 1, 2, 4, 5)} <= {file.path for file in chunk.written}
    blog.connection.close()


# Ends


TESTS = os.getpid()


def dies(file: OutputFile, content: bytes) -> Mark:
    assert os.getpid() != TESTS, "no worker was made"
    if file.path == "p007/index.html":
        os.kill(os.getpid(), signal.SIGKILL)
    return UNMARKED


def is_full(file: OutputFile, content: bytes) -> Mark:
    raise OutputError("the disk is full", code="VB6001", where=file.path, hint="free some space")


def test_l7_a_worker_that_the_kernel_ends_is_a_clean_error(blog: Blog, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as failed:
        list(render_all(job(blog, tmp_path / "out", write=dies), jobs=2))
    assert failed.value.code == "VB6002"
    assert "a worker process was ended from outside" in str(failed.value)
    assert list(render_all(job(blog, tmp_path / "again"), jobs=2)), "the next render works"


@pytest.mark.parametrize("jobs", [1, 2])
def test_m1_a_full_disk_is_told_as_such_from_any_process(blog: Blog, tmp_path: Path, jobs: int) -> None:
    with pytest.raises(OutputError) as failed:
        list(render_all(job(blog, tmp_path / "out", write=is_full), jobs=jobs))
    (found,) = failed.value.diagnostics
    assert (found.code, found.what, found.hint) == ("VB6001", "the disk is full", "free some space")


def test_our_errors_survive_the_way_between_processes() -> None:
    import pickle

    more = (Diagnostic("VB3001", "another"),)
    for error in (
        ContentProblem("it failed", code="VB3104", where="here", hint="so", excerpt="1 | x", more=more),
        SourceUnavailable("later", code="VB2104", retry_at=12.5),
    ):
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), back.__dict__) == (type(error), str(error), error.__dict__)


# Time


def test_c10_a_template_without_end_is_stopped_and_the_others_are_made(tmp_path: Path) -> None:
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    endless = "{% if post.id == 'p001' %}" + loop + "{% endif %}"
    config = replace(CONFIG, limits=LimitsConfig(render_s=1))
    blog = themed(tmp_path / "site", {"post.html": endless}, config=config).posts(*dated(3))
    (chunk,) = render_all(job(blog, tmp_path / "out"), jobs=1)
    assert [failure.diagnostic for failure in chunk.failed] == [
        Diagnostic(
            "VB3105",
            "rendering took longer than 1 s",
            where="/p001/",
            hint="look for a loop in the template, or raise [limits] render_s",
            severity=chunk.failed[0].diagnostic.severity,
        )
    ]
    assert {"p000/index.html", "p002/index.html"} <= {file.path for file in chunk.written}
    blog.connection.close()


def test_the_time_limit_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Alarm(5) as alarm, alarm.set("x"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize(
    ("jobs", "items", "count"), [(1, 9_999, 0), (4, 9_999, 4), (4, PARALLEL_FROM - 1, 0), (2, 0, 0)]
)
def test_little_work_is_done_here(jobs: int, items: int, count: int) -> None:
    assert worker_count(jobs, items) == count


def test_nothing_is_forked_beside_another_thread() -> None:
    over = threading.Event()
    beside = threading.Thread(target=over.wait)
    beside.start()
    try:
        assert worker_count(4, 9_999) == 0
    finally:
        over.set()
        beside.join()
    assert worker_count(4, 9_999) == 4, "the control: alone again"
