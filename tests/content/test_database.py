"""The database file: created, refused, set aside, and never lost for a reason that is not its own."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.content.conftest import no_warning, post, synced
from tests.content.test_store import staged
from velobuild.content.assets import AssetTable
from velobuild.content.database import FILE_NAME, SCHEMA_VERSION, connect, open_database, transaction
from velobuild.content.memo import Memo, memo_key
from velobuild.content.store import Store
from velobuild.errors import Diagnostic, OutputError
from velobuild.model.entries import Collection, Delta

Mount = Callable[[str], Path]


def filled(state: Path, count: int = 40) -> Path:
    with closing(open_database(state, warn=no_warning)) as connection:
        synced(Store(connection), *(post(f"p{number}", body="x" * 2_000) for number in range(count)))
    return state / FILE_NAME


def revision(state: Path) -> int:
    with closing(open_database(state, warn=no_warning)) as connection:
        return Store(connection).revision


def test_a_database_is_made_once_and_found_again(tmp_path: Path) -> None:
    filled(tmp_path / "deep" / "state")
    assert revision(tmp_path / "deep" / "state") == 1


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def scribble(file: Path) -> None:
    file.write_bytes(b"this is no database\n" * 500)


def a_missing_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("DROP TABLE meta")


@pytest.mark.parametrize("harm", [cut, scribble, a_missing_table])
def test_m10_a_damaged_database_is_set_aside_with_a_warning_and_begun_anew(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    file = filled(tmp_path)
    for number in (1, 2):
        harm(file)
        found: list[Diagnostic] = []
        with closing(open_database(tmp_path, warn=found.append)) as connection:
            assert Store(connection).revision == 0
            synced(Store(connection), post("again"))
        (warning,) = found
        assert (warning.code, warning.where) == ("VB6004", str(tmp_path / f"{FILE_NAME}.damaged-{number}"))
        assert (tmp_path / f"{FILE_NAME}.damaged-{number}").exists()
        filled(tmp_path)


def test_a_database_of_a_newer_velobuild_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = filled(tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = file.read_bytes()
    with pytest.raises(OutputError) as refused:
        open_database(tmp_path, warn=no_warning)
    assert refused.value.code == "VB6005"
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*damaged*"))


def test_a_database_that_another_program_holds_is_never_set_aside(tmp_path: Path) -> None:
    file = filled(tmp_path)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError) as refused:
            open_database(tmp_path, warn=no_warning, patience_s=0)
        assert refused.value.code == "VB6002"
        assert "end the program" in str(refused.value.hint)
    assert not list(tmp_path.glob("*damaged*"))
    assert revision(tmp_path) == 1


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with closing(open_database(tmp_path, warn=no_warning)) as connection:
        with pytest.raises(sqlite3.IntegrityError), transaction(connection):
            connection.execute("INSERT INTO meta VALUES ('a', 'b'), ('a', 'c')")
        assert Store(connection).note("a") is None
        with pytest.raises(sqlite3.OperationalError, match="no such table"), transaction(connection):
            connection.execute("INSERT INTO nowhere VALUES (1)")
        assert not connection.in_transaction


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    file = filled(tmp_path)
    with closing(connect(file, read_only=True)) as connection:
        assert Store(connection).revision == 1
        with pytest.raises(OutputError) as refused:
            Store(connection).remember("a", "b")
    assert refused.value.code == "VB6002"


def test_m1_a_full_disk_stops_the_staging_and_keeps_what_was_fetched(mount: Mount) -> None:
    state = mount("size=600k") / "state"
    chance = random.Random(1)
    with closing(open_database(state, warn=no_warning)) as connection:
        store = Store(connection)
        deltas = (
            Delta(Collection.POSTS, upserts=(made,), versions={made.id: "1"})
            for number in range(100)
            for made in (post(f"p{number}", body=chance.randbytes(10_000).hex()),)
        )
        with pytest.raises(OutputError) as refused:
            any(store.stage(delta) for delta in deltas)
        arrived = staged(store)
        assert arrived > 3
        assert refused.value.code == "VB6001"
    with closing(open_database(state, warn=no_warning)) as connection:
        assert staged(Store(connection)) == arrived


def test_m1_a_disk_without_room_for_a_database_is_called_full(mount: Mount) -> None:
    small = mount("size=64k")
    (small / "ballast").write_bytes(b"x" * 61_000)
    with pytest.raises(OutputError) as refused:
        open_database(small / "state", warn=no_warning)
    assert refused.value.code == "VB6001"


def test_m6_a_read_only_disk_is_named_and_nothing_is_set_aside(mount: Mount) -> None:
    small = mount("size=2m")
    file = filled(small / "state", 3)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(OutputError) as refused, closing(open_database(small / "state", warn=no_warning)) as connection:
        Store(connection).remember("a", "b")
    assert refused.value.code == "VB6002"
    assert [one.name for one in file.parent.iterdir() if "damaged" in one.name] == []


def test_a_state_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(OutputError) as refused:
        open_database(tmp_path / "state", warn=no_warning)
    assert refused.value.code == "VB6002"


# The small tables


def test_a_memo_keeps_only_what_is_named(tmp_path: Path) -> None:
    with closing(open_database(tmp_path, warn=no_warning)) as connection:
        memo = Memo(connection)
        keys = [memo_key(b"recipe", bytes([number])) for number in range(3)]
        memo.put(dict.fromkeys(keys, b"value"))
        memo.keep_only(keys[:1])
        memo.keep_only(keys[:1])
        assert [memo.get(key) for key in keys] == [b"value", None, None]


def test_a_memo_key_knows_recipe_from_input() -> None:
    assert memo_key(b"ab", b"c") != memo_key(b"a", b"bc")


def test_an_address_without_a_copy_is_none(tmp_path: Path) -> None:
    with closing(open_database(tmp_path, warn=no_warning)) as connection:
        assert AssetTable(connection).get("https://cms.example/a.png") is None
