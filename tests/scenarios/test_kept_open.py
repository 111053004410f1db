"""A database that stays open between builds is the one that lies on the disk, or is let go of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from velobuild.content.database import FILE_NAME, Connection, DatabaseDamaged, transaction
from velobuild.content.store import Store
from velobuild.errors import Diagnostic, OutputError
from velobuild.pipeline.opening import databases_kept_open, opened, sync_kept

NEXT_PROGRAM = "INSERT OR REPLACE INTO meta (key, value) VALUES ('told', 'by another')"


def used(state: Path, do: Callable[[Connection], None] = lambda connection: None) -> Connection:
    with opened(state, wait=False, warn=_refuse) as connection:
        do(connection)
    return connection


def _refuse(finding: Diagnostic) -> None:
    raise AssertionError(finding)


def _remembered(told: str, connection: Connection) -> None:
    Store(connection).remember("told", told)


def is_open(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


def test_the_next_one_finds_it_open_and_the_end_closes_it(tmp_path: Path) -> None:
    with databases_kept_open():
        first = used(tmp_path)
        assert is_open(first)
        assert used(tmp_path) is first
        assert used(tmp_path / "another") is not first
    assert not is_open(first)


def test_without_the_block_each_one_is_closed(tmp_path: Path) -> None:
    assert not is_open(used(tmp_path))


def test_what_another_program_wrote_meanwhile_is_read(tmp_path: Path) -> None:
    def written(connection: Connection) -> None:
        assert Store(connection).note("told") == "by another"

    with databases_kept_open():
        used(tmp_path, lambda connection: Store(connection).remember("told", "by us"))
        other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        other.execute(NEXT_PROGRAM)
        other.close()
        used(tmp_path, written)
        # The other program was not the last one to close: what is written now is not lost with a log it took away.
        used(tmp_path, lambda connection: Store(connection).remember("told", "by us again"))
    with opened(tmp_path, wait=False, warn=_refuse) as connection:
        assert Store(connection).note("told") == "by us again"


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_one_that_is_gone_from_its_place_is_let_go_of(tmp_path: Path, how: str) -> None:
    with databases_kept_open():
        first = used(tmp_path, lambda connection: Store(connection).remember("told", "by us"))
        for file in sorted(tmp_path.glob(f"{FILE_NAME}*")):
            file.rename(tmp_path / f"aside-{file.name}") if how == "moved" else file.unlink()

        def begun_anew(connection: Connection) -> None:
            assert Store(connection).note("told") is None

        assert used(tmp_path, begun_anew) is not first
        assert not is_open(first)


def test_one_that_failed_is_closed(tmp_path: Path) -> None:
    def fail(connection: Connection) -> None:
        raise OutputError("no", code="VB6001")

    def torn(connection: Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def end(connection: Connection) -> None:
        raise SystemExit(143)

    with databases_kept_open():
        for how, raised in ((fail, OutputError), (end, SystemExit)):
            first = used(tmp_path)
            with pytest.raises(raised):
                used(tmp_path, how)
            assert not is_open(first)
        assert not is_open(used(tmp_path, torn))


def test_one_that_is_found_damaged_while_it_is_open_is_set_aside(tmp_path: Path) -> None:
    def found_damaged(connection: Connection) -> None:
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    told: list[Diagnostic] = []
    with databases_kept_open():
        first = used(tmp_path, lambda connection: Store(connection).remember("told", "by us"))
        with pytest.raises(DatabaseDamaged), opened(tmp_path, wait=False, warn=told.append) as connection:
            found_damaged(connection)
        assert not is_open(first)
        used(tmp_path, lambda connection: Store(connection).remember("told", "by us again"))
    assert [finding.code for finding in told] == ["VB6004"]
    with opened(tmp_path, wait=False, warn=_refuse) as connection:
        assert Store(connection).note("told") == "by us again"


def test_what_was_told_last_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr("os.fsync", lambda number: flushed.append(Path(f"/proc/self/fd/{number}").readlink().name))
    with databases_kept_open():
        kept = used(tmp_path, lambda connection: Store(connection).remember("told", "by us"))
        sync_kept()
        assert flushed == [f"{FILE_NAME}-wal"]
        assert used(tmp_path) is kept


def test_one_whose_log_cannot_be_flushed_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(number: int) -> None:
        raise OSError(5, "the disk fails")

    with databases_kept_open():
        kept = used(tmp_path)
        monkeypatch.setattr("os.fsync", broken)
        sync_kept()
        monkeypatch.undo()
        assert not is_open(kept)
        assert used(tmp_path) is not kept


def test_its_log_does_not_stay_large(tmp_path: Path) -> None:
    def much(connection: Connection) -> None:
        with transaction(connection):
            connection.execute("CREATE TABLE much (value BLOB)")
            connection.executemany("INSERT INTO much VALUES (zeroblob(1000000))", [()] * 80)

    with databases_kept_open():
        used(tmp_path, much)
        log = tmp_path / f"{FILE_NAME}-wal"
        assert log.stat().st_size > 70 << 20
        for told in ("a", "b", "c"):
            used(tmp_path, partial(_remembered, told))
        assert log.stat().st_size <= 64 << 20
