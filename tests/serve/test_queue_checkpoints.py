"""The queue's log: kept short beside the deliveries, by nobody who has to be answered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.serve.test_queue import event
from velobuild.model.ports import utc_now
from velobuild.serve.queue import Queue
from velobuild.serve.queue_checkpoints import EVERY_COMMITS, LONGEST_PAGES, Checkpoints


def in_the_file(file: Path) -> int:
    """Events that stand in the database's file itself, whatever the log holds."""
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def commit(queue: Queue, count: int) -> None:
    for number in range(count):
        queue.keep([event(number)])


def test_after_so_many_commits_the_log_is_brought_into_the_file(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.db", utc_now)
    commit(queue, EVERY_COMMITS)
    queue._checkpoints.close()
    assert in_the_file(tmp_path / "queue.db") == EVERY_COMMITS
    queue.close()


def test_control_before_that_the_log_alone_holds_what_was_committed(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.db", utc_now)
    queue._checkpoints.close()
    commit(queue, EVERY_COMMITS - 1)
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (EVERY_COMMITS - 1,)
        assert (tmp_path / "queue.db").stat().st_size == 4096  # its first page, as it was made
    queue.close()


def test_a_log_that_never_finds_a_rest_is_done_by_the_commit_that_makes_it_too_long(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    queue = Queue(file, utc_now)
    assert queue._database.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == LONGEST_PAGES
    queue.close()


def test_a_file_that_cannot_be_opened_stops_nobody(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "absent" / "queue.db", every_commits=1)
    checkpoints.committed()
    checkpoints.close()
    checkpoints.committed()
    checkpoints.close()
