"""The queue of events (reliability catalogue, groups K, L and M)."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.needs import needs
from tests.serve.door import NOW, SITE, Running, reply, request, running
from velobuild.errors import OutputError
from velobuild.model.ports import utc_now
from velobuild.serve.events import Event, Letter
from velobuild.serve.queue import Queue
from velobuild.serve.queue_rows import KEPT_DEAD, KEPT_DONE, LONGEST_BODY


def event(number: int = 1, kind: str = "post.updated", *, site: str = SITE, version: str | None = None) -> Event:
    return Event(site, "velocms", kind, f"p{number}", f"post-{number}", version, NOW, f"d{number}")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue.db", lambda: NOW)
    yield made
    made.close()


def test_events_are_taken_once_in_their_order_and_come_back_as_they_were(queue: Queue) -> None:
    ids = queue.accept([event(2), event(1)])
    queue.accept([event(3, site="other")])
    taken = queue.take(SITE)
    assert [found.id for found in taken] == ids
    assert [found.post_id for found in taken] == ["p2", "p1"]
    assert taken[0] == Event(SITE, "velocms", "post.updated", "p2", "post-2", None, NOW, "d2", ids[0])
    assert queue.take(SITE) == ()
    assert queue.pending("other") == 1


def test_a_duplicate_merges_while_nobody_has_taken_it(queue: Queue) -> None:
    """K1: the same delivery twice is one event."""
    assert queue.accept([event(1)]) == queue.accept([event(1)])
    assert queue.pending(SITE) == 1
    assert queue.recent(SITE, 1)[0].deliveries == 2


def test_a_duplicate_that_comes_after_the_build_began_is_new_work(queue: Queue) -> None:
    """K10: with equal bodies in one second, the second may tell of an edit that the build did not read."""
    first = queue.accept([event(1)])
    queue.take(SITE)
    second = queue.accept([event(1)])
    assert first != second
    queue.finish(first, "built", NOW)
    assert [found.id for found in queue.take(SITE)] == second


@pytest.mark.parametrize(
    "other",
    [
        event(1, "post.deleted"),
        event(1, version="2026"),
        event(1, site="other"),
        event(2),
        Event(SITE, "velocms", "post.updated", "p1", "post-1", None, NOW, "another delivery"),
    ],
    ids=["kind", "version", "site", "post", "delivery"],
)
def test_what_differs_in_anything_that_matters_never_merges(queue: Queue, other: Event) -> None:
    assert queue.accept([event(1)]) != queue.accept([other])


def test_kinds_without_work_are_kept_for_people_and_never_taken(queue: Queue) -> None:
    """K8."""
    queue.accept([event(1, "ping"), event(2, "other")])
    assert queue.pending(SITE) == 0
    assert queue.take(SITE) == ()
    assert [(kept.event.kind, kept.state, kept.outcome) for kept in queue.recent(SITE, 5)] == [
        ("other", "done", "nothing"),
        ("ping", "done", "nothing"),
    ]


def test_what_was_taken_and_not_finished_is_given_back_at_the_next_start(tmp_path: Path) -> None:
    """L3: a build that died with the service is built again."""
    queue = Queue(tmp_path / "queue.db", lambda: NOW)
    ids = queue.accept([event(1), event(2), event(3)])
    queue.take(SITE)
    queue.finish(ids[:1], "built", NOW)
    queue.close()
    again = Queue(tmp_path / "queue.db", lambda: NOW)
    assert again.take(SITE) == ()
    assert again.recover() == 2
    assert [found.id for found in again.take(SITE)] == ids[1:]
    again.close()


def test_an_event_that_came_again_meanwhile_is_one_when_it_is_given_back(queue: Queue) -> None:
    first = queue.accept([event(1)])
    queue.take(SITE)
    second = queue.accept([event(1)])
    queue.give_back(first)
    assert [found.id for found in queue.take(SITE)] == second
    assert queue.recent(SITE, 5)[1].outcome == "merged"


def test_given_back_events_are_taken_again_with_what_came_meanwhile(queue: Queue) -> None:
    """K11: a build that failed loses nothing."""
    first = queue.accept([event(1)])
    queue.take(SITE)
    second = queue.accept([event(2)])
    queue.give_back(first)
    assert [found.id for found in queue.take(SITE)] == [*first, *second]


def test_the_stages_of_a_post_can_be_looked_up_by_its_slug_and_its_id(queue: Queue) -> None:
    ids = queue.accept([event(1), event(2)])
    queue.take(SITE)
    for seconds, stage in enumerate(("fetched", "built", "published"), 1):
        queue.mark(ids[:1], stage, NOW + timedelta(seconds=seconds))  # type: ignore[arg-type]
    queue.finish(ids[:1], "built", NOW + timedelta(seconds=4))
    (found,) = queue.post_record(SITE, "post-1")
    assert queue.post_record(SITE, "p1") == (found,)
    assert [found.event.received_at, found.fetched_at, found.built_at, found.published_at, found.finished_at] == [
        NOW + timedelta(seconds=seconds) for seconds in range(5)
    ]
    assert (found.state, found.outcome) == ("done", "built")
    assert queue.post_record(SITE, "post-2")[0].published_at is None
    assert queue.post_record("other", "post-1") == ()


def test_dead_letters_are_kept_apart_bounded_and_can_be_replayed(queue: Queue) -> None:
    queue.accept([], [Letter(SITE, "velocms", "it is not JSON", b"{" * 100_000, NOW)])
    (letter,) = queue.dead(SITE)
    assert (letter.why, len(letter.body or b"")) == ("it is not JSON", LONGEST_BODY)
    assert queue.pending(SITE) == 0
    again = queue.replay(letter.event.id)
    assert again is not None
    assert [(found.kind, found.id) for found in queue.take(SITE)] == [("reconcile", again.id)]
    assert queue.replay(10_000) is None


def test_a_buried_event_is_dead_until_it_is_replayed_as_what_it_was(queue: Queue) -> None:
    ids = queue.accept([event(1)])
    queue.take(SITE)
    queue.bury(ids, "the CMS knows no such post")
    assert queue.pending(SITE) == 0
    (dead,) = queue.dead(SITE)
    assert (dead.why, dead.body) == ("the CMS knows no such post", None)
    queue.replay(ids[0])
    (found,) = queue.take(SITE)
    assert (found.kind, found.post_id) == ("post.updated", "p1")


def test_only_the_last_dead_letters_are_kept_and_none_for_long(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.db", lambda: NOW)
    letters = [Letter(SITE, "velocms", f"number {n}", b"x", NOW) for n in range(KEPT_DEAD + 50)]
    queue.accept([], letters)
    dead = queue.dead(SITE)
    assert len(dead) == KEPT_DEAD
    assert dead[0].why == f"number {KEPT_DEAD + 49}"
    queue.accept([], [Letter(SITE, "velocms", "a month later", b"x", NOW + timedelta(days=31))])
    assert [letter.why for letter in queue.dead(SITE)] == ["a month later"]
    queue.close()


def test_what_is_done_with_is_forgotten_in_time(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.db", lambda: NOW)
    for start in range(0, 2 * KEPT_DONE, 5_000):
        queue.accept([event(number, "ping") for number in range(start, start + 5_000)])
    assert KEPT_DONE <= queue.counts()[SITE]["done"] <= KEPT_DONE + 1_000
    queue.close()


def test_a_flood_becomes_one_reconciliation_and_no_other_site_suffers(tmp_path: Path) -> None:
    """6.3: there is nothing to lose, since all of it is in the CMS."""
    queue = Queue(tmp_path / "queue.db", lambda: NOW, cap=1_000)
    queue.accept([event(1, site="other")])
    for start in range(0, 3_000, 100):
        ids = queue.accept([event(number) for number in range(start, start + 100)])
        assert len(ids) == 100
        assert queue.pending(SITE) <= 1_000
    kinds = [found.kind for found in queue.take(SITE)]
    assert kinds.count("reconcile") == 1
    assert len(kinds) < 1_000
    assert queue.pending("other") == 1
    queue.close()


def test_control_below_the_cap_every_event_stays(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.db", lambda: NOW, cap=1_000)
    queue.accept([event(number) for number in range(1_000)])
    assert len(queue.take(SITE)) == 1_000
    queue.accept([event(number) for number in range(1_000)])
    assert len(queue.take(SITE)) == 1_000
    queue.close()


def test_another_process_replays_while_the_service_runs(tmp_path: Path, queue: Queue) -> None:
    ids = queue.accept([event(1)])
    queue.take(SITE)
    queue.finish(ids, "built", NOW)
    other = Queue(tmp_path / "queue.db", lambda: NOW)
    other.replay(ids[0])
    other.close()
    assert queue.pending(SITE) == 1
    assert [found.post_id for found in queue.take(SITE)] == ["p1"]


def test_looking_does_not_wait_for_a_write_that_is_under_way(tmp_path: Path, queue: Queue) -> None:
    queue.accept([event(1)])
    blocker = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    writer = threading.Thread(target=queue.accept, args=([event(2)],))
    writer.start()
    began = time.monotonic()
    assert queue.pending(SITE) == 1
    assert queue.recent(SITE, 1)
    assert time.monotonic() - began < 1
    blocker.execute("ROLLBACK")
    blocker.close()
    writer.join(10)
    assert queue.pending(SITE) == 2


def test_the_file_is_nobody_elses_to_read(tmp_path: Path, queue: Queue) -> None:
    """O6: bodies may hold what authors did not publish."""
    queue.accept([event(1)], [Letter(SITE, "velocms", "no", b"private", NOW)])
    for file in tmp_path.glob("queue.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_where_a_link_leads_the_file_is_nobody_elses_to_read_either(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.db"
    (tmp_path / "queue.db").symlink_to(target)
    before = os.umask(0o022)
    try:
        Queue(tmp_path / "queue.db", lambda: NOW).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (tmp_path / "queue.db").is_symlink()


def test_a_damaged_file_is_set_aside_and_the_queue_begins_anew(tmp_path: Path) -> None:
    """M10: whoever opens it learns of it, and reconciles."""
    (tmp_path / "queue.db").write_bytes(b"no database " * 1000)
    queue = Queue(tmp_path / "queue.db", lambda: NOW)
    assert queue.set_aside == tmp_path / "queue.db.damaged-1"
    assert queue.set_aside.read_bytes().startswith(b"no database")
    assert queue.accept([event(1)]) == [1]
    queue.close()
    again = Queue(tmp_path / "queue.db", lambda: NOW)
    assert again.set_aside is None
    again.close()


def test_a_file_of_a_newer_velobuild_is_left_alone(tmp_path: Path, queue: Queue) -> None:
    queue.close()
    with sqlite3.connect(tmp_path / "queue.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = (tmp_path / "queue.db").read_bytes()
    with pytest.raises(OutputError) as caught:
        Queue(tmp_path / "queue.db", lambda: NOW)
    assert caught.value.code == "VB6005"
    assert (tmp_path / "queue.db").read_bytes() == before


def test_a_full_disk_keeps_nothing_says_so_and_goes_on_when_there_is_room(tmp_path: Path, mount: object) -> None:
    """M1, M2."""
    small = mount("size=400k")  # type: ignore[operator]
    queue = Queue(small / "queue.db", lambda: NOW)
    queue.accept([event(0)])
    (small / "filler").write_bytes(b"x" * (os.statvfs(small).f_bavail * os.statvfs(small).f_bsize))
    kept = 0
    refused = None
    while refused is None:
        try:
            queue.accept([event(kept + 1)])
            kept += 1
        except OutputError as error:
            refused = error
    assert refused.code == "VB6001"
    (small / "filler").unlink()
    queue.accept([event(10_000)])
    assert [found.post_id for found in queue.take(SITE)] == [*(f"p{n}" for n in range(kept + 1)), "p10000"]
    queue.close()


COMMITS = 20
WRITER = f"""
import os, sys
from pathlib import Path
from tests.serve.test_queue import event
from velobuild.model.ports import utc_now
from velobuild.serve.queue import Queue

queue = Queue(Path(sys.argv[1]), utc_now)
queue._database.execute("PRAGMA synchronous = " + sys.argv[2])
os.write(2, b"BEGIN")
for number in range({COMMITS}):
    queue.accept([event(number), event(number + 1000)])
os.write(2, b"END")
queue.close()
"""


def flushes(folder: Path, synchronous: str) -> int:
    """How often the disk was told to flush during so many commits."""
    needs(_has("strace"), "strace")
    trace = folder / "trace"
    writer = [sys.executable, "-c", WRITER, str(folder / "queue.db"), synchronous]
    command = ["strace", "-f", "-e", "trace=fdatasync,fsync,write", "-o", str(trace), *writer]
    done = subprocess.run(command, check=False, capture_output=True, cwd=Path(__file__).parents[2], timeout=60)
    needs(b"ptrace" not in done.stderr, "the right to trace")
    assert done.returncode == 0, done.stderr
    between = trace.read_text().partition('"BEGIN"')[2].partition('"END"')[0]
    return len(re.findall(r"f(?:data)?sync\(", between))


def test_an_acknowledged_event_has_been_flushed(tmp_path: Path) -> None:
    """L10: a kill never tests the flush, so the calls themselves are counted: one a commit, at least."""
    assert flushes(tmp_path, "FULL") >= COMMITS


def test_control_the_usual_setting_does_not_flush_at_a_commit(tmp_path: Path) -> None:
    assert flushes(tmp_path, "NORMAL") < COMMITS


def _has(program: str) -> bool:
    return any((Path(folder) / program).is_file() for folder in os.get_exec_path())


# --- kill -9 of the whole group, from outside, under load


class Senders:
    """Senders that note what was acknowledged: the client's own log."""

    def __init__(self, server: Running, first: int, senders: int = 8) -> None:
        self.acknowledged: list[int] = []
        self._next = iter(range(first, first + 1_000_000))
        self._lock = threading.Lock()
        self._server = server
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        try:
            with self._server.connect() as peer:
                while True:
                    with self._lock:
                        number = next(self._next)
                    peer.sendall(request(number))
                    if not reply(peer).startswith(b"HTTP/1.1 202"):
                        return
                    with self._lock:
                        self.acknowledged.append(number)
        except OSError:
            return

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def lost_by_kills(folder: Path, kills: int, seed: int, **options: str) -> tuple[int, int]:
    """(acknowledged, of these lost) over so many kills at random moments, each of the whole process group."""
    dice = random.Random(seed)
    acknowledged: list[int] = []
    for kill in range(kills):
        with running(folder, **options) as server:
            senders = Senders(server, kill * 1_000_000)
            deadline = time.monotonic() + 20
            while not senders.acknowledged:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            # The moment is what is tried out, so it is left to chance; nothing waits for it.
            time.sleep(dice.uniform(0.0, 0.15))
            os.killpg(server.process.pid, signal.SIGKILL)
            senders.join()
            acknowledged += senders.acknowledged
    queue = Queue(folder / "queue.db", utc_now)
    queue.recover()
    assert queue.set_aside is None
    kept = {found.post_id for found in queue.take(SITE)}
    queue.close()
    return len(acknowledged), sum(f"p{number}" not in kept for number in acknowledged)


def test_no_acknowledged_event_is_lost_by_a_few_kills(tmp_path: Path) -> None:
    """L3, T4."""
    acknowledged, lost = lost_by_kills(tmp_path, 3, seed=4)
    assert acknowledged > 20
    assert lost == 0


@pytest.mark.full
def test_no_acknowledged_event_is_lost_by_a_hundred_kills(tmp_path: Path) -> None:
    """L3, T4: as many as the target asks for."""
    acknowledged, lost = lost_by_kills(tmp_path, 100, seed=5)
    assert acknowledged > 1_000
    assert lost == 0


def test_control_an_acknowledgement_before_the_flush_loses_events(tmp_path: Path) -> None:
    acknowledged, lost = lost_by_kills(tmp_path, 2, seed=6, mode="early")
    assert acknowledged > 20
    assert lost > 0


def test_the_senders_of_this_rig_notice_a_server_that_is_gone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    process = subprocess.Popen(["true"])
    process.wait(10)
    senders = Senders(Running(port, process, tmp_path), 0, senders=1)  # type: ignore[arg-type]
    senders.join()
    assert senders.acknowledged == []


ANOTHER = """
import sys
from pathlib import Path
from velobuild.model.ports import utc_now
from velobuild.serve.queue import Queue
queue = Queue(Path(sys.argv[1]), utc_now)
print(queue.pending("blog"))
queue.close()
"""


def seen_by_another(file: Path) -> int:
    """The events of the site, as a program that opens and closes the queue beside us finds them."""
    done = subprocess.run([sys.executable, "-c", ANOTHER, str(file)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("careless", [False, True], ids=["ours", "the control"])
def test_another_program_that_leaves_takes_no_log_away(tmp_path: Path, careless: bool) -> None:
    """L3: what is acknowledged after `velobuild events` was run must be there when the service is killed.

    The control closes the file once beside SQLite, which gives up its locks: then the other program removes the log,
    and what is kept from there on is in a file without a name.
    """
    file = tmp_path / "queue.db"
    queue = Queue(file, lambda: NOW)
    queue.accept([event(1)])
    if careless:
        os.close(os.open(file, os.O_RDWR))
    assert seen_by_another(file) == 1
    queue.accept([event(2)])
    assert seen_by_another(file) == (1 if careless else 2)
    queue.close()
