"""An update changes a few files of the live site. It may die at any moment and fail at any call: afterwards the site
is what it was or what it was to be, and the manifest with its log says which."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.publish import update_rig as rig
from tests.publish.conftest import snapshot, tree
from tests.publish.rig import home, served
from velobuild.errors import GuardRefused, OutputError
from velobuild.model.outputs import OutputFile, OutputKind, Phase
from velobuild.publish.inplace import InPlace
from velobuild.publish.releases import Releases, write_file
from velobuild.publish.shelf import Shelf
from velobuild.publish.update import LOG_BYTES_MAX, Entry, Update, append, journal_of, log_of, take_off, with_log

RIG = Path(rig.__file__)
MODES = ["release", "in-place"]


def run_rig(command: str, folder: Path, mode: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.publish.update_rig", command, str(folder), mode],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd=RIG.parents[2],
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def log_file(root: Path, mode: str) -> Path:
    manifests = root / ".velobuild" / "manifests"
    return log_of(manifests / ("in-place.json" if mode == "in-place" else "2.json"))


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path, mode: str) -> Path:
    """A site of version 2, built in full."""
    rig.begin(tmp_path / "site", mode)
    return tmp_path / "site"


def die_in_the_middle(root: Path, mode: str) -> None:
    """Leave an update whose rows are written, and of which the home page is live and nothing else."""
    publisher = home(root, mode)
    live = publisher.live()
    assert live is not None
    staged = publisher.update()
    new, old = rig.contents(3), rig.contents(2)
    puts = []
    for path, text in sorted(new.items()):
        if old.get(path) != text:
            write_file(staged.folder, path, text.encode())
            puts.append(OutputFile(path, rig.sha256(text.encode()).hexdigest(), len(text.encode()), rig.phase_of(path)))

    class Died(Exception):
        pass

    def commit() -> None:
        rig.write_rows(root, 3)
        journal = journal_of(root / ".velobuild")
        kept = journal.read_bytes()
        raise Died(kept)

    saved = root / "saved"
    subprocess.run(["cp", "-a", str(staged.folder), str(saved)], check=True)
    removals = sorted(old.keys() - new.keys())
    posts = {"posts": {"a": None, "b": "3"}}
    with pytest.raises(Died) as died:
        staged.publish(puts, removals, {"version": "3"}, posts, guards=[], commit=commit)
    saved.rename(staged.folder)
    journal_of(root / ".velobuild").write_bytes(died.value.args[0])
    (staged.folder / "index.html").replace(root / "public" / "index.html")


# Death.


def test_an_update_killed_at_any_call_is_done_or_not_done(memory_folder: Path, mode: str) -> None:
    found = run_rig("calls", memory_folder, mode)
    assert found["bad"] == []
    assert found["killed"] >= 50
    assert found["seen"] == [False, True], "some deaths must come before the first change, and some after"


@pytest.mark.full
@pytest.mark.slow
def test_a_completion_killed_at_any_call_is_completed_by_the_next(memory_folder: Path, mode: str) -> None:
    found = run_rig("completions", memory_folder, mode)
    assert found["bad"] == []
    assert found["killed"] >= 500


def test_an_update_whose_calls_fail_is_completed_or_leaves_no_trace(memory_folder: Path, mode: str) -> None:
    found = run_rig("fails", memory_folder, mode)
    assert found["bad"] == []
    assert found["failed"] >= 8


def test_the_next_start_completes_what_was_half_done(root: Path, mode: str) -> None:
    die_in_the_middle(root, mode)
    assert served(root) not in (rig.contents(2), rig.contents(3)), "the control: it is a mixture"
    rig.complete(root, mode)
    assert rig.faults(root, mode, 2) == []
    assert served(root) == rig.contents(3)


def test_a_second_completion_changes_nothing(root: Path, mode: str) -> None:
    die_in_the_middle(root, mode)
    rig.complete(root, mode)
    before = snapshot(root)
    rig.complete(root, mode)
    assert {path: seen for path, seen in snapshot(root).items() if "lock" not in path} == {
        path: seen for path, seen in before.items() if "lock" not in path
    }


def test_files_that_got_lost_are_not_said_to_be_live(root: Path, mode: str) -> None:
    die_in_the_middle(root, mode)
    for folder in root.rglob("*tmp-update"):
        subprocess.run(["rm", "-r", str(folder)], check=True)
    with pytest.raises(GuardRefused) as caught:
        rig.complete(root, mode)
    assert caught.value.code == "VB5004"
    assert "--clean" in str(caught.value.hint)
    assert not log_file(root, mode).exists()


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1, 2]", b'["a", "b", "c", "d"]', b"\xff"])
def test_a_damaged_journal_is_refused_and_named(root: Path, mode: str, damage: bytes) -> None:
    journal_of(root / ".velobuild").write_bytes(damage)
    with pytest.raises(GuardRefused) as caught:
        rig.complete(root, mode)
    assert caught.value.code == "VB5004"
    assert str(journal_of(root / ".velobuild")) in str(caught.value.diagnostics[0].where)
    assert served(root) == rig.contents(2)


def test_a_flipped_letter_in_the_journal_is_noticed(root: Path, mode: str) -> None:
    die_in_the_middle(root, mode)
    journal = journal_of(root / ".velobuild")
    journal.write_text(journal.read_text().replace("style-3.css", "style-4.css"))
    with pytest.raises(GuardRefused, match="checksum"):
        rig.complete(root, mode)


# The log.


def test_many_updates_leave_a_manifest_that_says_what_is_live(root: Path, mode: str) -> None:
    for version in range(3, 9):
        assert rig.update(root, mode) == version
        assert rig.faults(root, mode, version - 1) == []


def test_a_torn_line_of_the_log_is_left_out_and_the_next_one_counts(root: Path, mode: str) -> None:
    rig.update(root, mode)
    log = log_file(root, mode)
    with log.open("ab") as opened:
        opened.write(log.read_bytes()[:100])
    assert rig.faults(root, mode, 2) == []
    rig.update(root, mode)
    assert rig.faults(root, mode, 3) == []
    assert len(log.read_bytes().splitlines()) == 3


def test_the_log_of_another_manifest_counts_for_nothing(root: Path, mode: str) -> None:
    log = log_file(root, mode)
    stray = OutputFile("stray", "0" * 64, 1, Phase.PAGES)
    append(log, Entry((stray,), ("index.html",), {"version": "99"}, {}, "another manifest"))
    live = home(root, mode).live()
    assert live is not None
    assert "stray" not in live.files
    assert live.meta["version"] == "2"


def test_a_line_can_be_written_and_read_again() -> None:
    file = OutputFile("a/ü.html", "0" * 64, 1, Phase.LISTS)
    entry = Entry((file,), ("b",), {"c": "d"}, {"posts": {"e": None}}, "f")
    assert Entry.decode(entry.encode().rstrip(b"\n")) == entry
    assert Entry.decode(entry.encode()[:-5]) is None


def test_a_full_publication_takes_up_the_updates_before(root: Path, mode: str) -> None:
    rig.update(root, mode)
    publisher = home(root, mode)
    with publisher.begin() as staging:
        assert staging.live is not None
        assert staging.live.meta["version"] == "3"
        for path in rig.contents(3):
            assert staging.keep(path) is not None, path
        published = staging.publish({"version": "3", "posts": json.dumps({"b": "3"})})
    assert published.counts()[OutputKind.UNCHANGED] == len(rig.contents(3))
    assert rig.faults(root, mode, 2) == []


# Older releases.


def test_an_update_leaves_the_files_of_older_releases_alone(tmp_path: Path) -> None:
    root = tmp_path / "site"
    rig.begin(root, "release")
    about = root / ".velobuild" / "releases" / "1" / "about" / "index.html"
    live = root / "public" / "about" / "index.html"
    assert about.stat().st_ino == live.stat().st_ino, "the control: they are one file"
    before = snapshot(root / ".velobuild" / "releases" / "1")
    publisher = home(root, "release")
    staged = publisher.update()
    write_file(staged.folder, "about/index.html", b"another")
    file = OutputFile("about/index.html", rig.sha256(b"another").hexdigest(), 7, Phase.PAGES)
    staged.publish([file], [], {}, {}, guards=[], commit=lambda: None)
    assert live.read_text() == "another"
    assert about.read_text() == "constant"
    now = snapshot(root / ".velobuild" / "releases" / "1")
    assert now == before


def test_a_rollback_after_updates_goes_to_the_last_full_release(tmp_path: Path) -> None:
    root = tmp_path / "site"
    rig.begin(root, "release")
    rig.update(root, "release")
    rig.update(root, "release")
    releases = home(root, "release")
    assert isinstance(releases, Releases)
    assert releases.updates() == 2
    assert releases.rollback().number == 1
    assert served(root) == rig.contents(1)
    assert releases.updates() == 0
    assert releases.rollback(2).number == 2
    assert served(root) == rig.contents(4), "forward again, with its updates"


def test_a_rollback_completes_a_pending_update_first(tmp_path: Path) -> None:
    root = tmp_path / "site"
    rig.begin(root, "release")
    die_in_the_middle(root, "release")
    releases = home(root, "release")
    assert releases.rollback().number == 1
    assert served(root) == rig.contents(1)
    assert Shelf(root / ".velobuild", root / "public").faults(2) == ()
    releases.resume()
    assert not journal_of(root / ".velobuild").exists()


def test_releases_are_listed_while_an_update_is_pending(tmp_path: Path) -> None:
    root = tmp_path / "site"
    rig.begin(root, "release")
    die_in_the_middle(root, "release")
    assert [(info.number, info.live) for info in home(root, "release").list()] == [(2, True), (1, False)]


def test_sizes_of_the_list_are_those_after_the_updates(tmp_path: Path) -> None:
    root = tmp_path / "site"
    rig.begin(root, "release")
    rig.update(root, "release")
    newest = home(root, "release").list()[0]
    size = sum((root / "public" / path).stat().st_size for path in tree(root / "public"))
    assert (newest.files, newest.size_bytes) == (len(rig.contents(3)), size)


# What may not happen.


def test_a_commit_that_fails_leaves_the_site_as_it_was(root: Path, mode: str) -> None:
    before = snapshot(root / "public")
    staged = home(root, mode).update()
    write_file(staged.folder, "index.html", b"new")

    def commit() -> None:
        raise RuntimeError("no rows")

    file = OutputFile("index.html", rig.sha256(b"new").hexdigest(), 3, Phase.LISTS)
    with pytest.raises(RuntimeError, match="no rows"):
        staged.publish([file], ["about/index.html"], {}, {}, guards=[], commit=commit)
    assert snapshot(root / "public") == before
    assert not journal_of(root / ".velobuild").exists()
    assert list(root.rglob("*tmp-*")) == []


@pytest.mark.parametrize("wrong", ["bytes", "missing", "unnamed"])
def test_a_staged_file_that_is_not_what_was_said_is_not_published(root: Path, mode: str, wrong: str) -> None:
    staged = home(root, mode).update()
    file = OutputFile("index.html", rig.sha256(b"new").hexdigest(), 3, Phase.LISTS)
    if wrong != "missing":
        write_file(staged.folder, "index.html", b"new" if wrong == "unnamed" else b"old")
    if wrong == "unnamed":
        write_file(staged.folder, "more.html", b"more")
    with pytest.raises(OutputError) as caught:
        staged.publish([file], [], {}, {}, guards=[], commit=lambda: rig.write_rows(root, 9))
    assert caught.value.code == "VB6002"
    assert (rig.rows(root), served(root)) == (2, rig.contents(2))


def test_a_disk_without_room_refuses_the_update_and_keeps_the_site(mount: Any, mode: str) -> None:
    root = mount("size=400k") / "site"
    rig.begin(root, mode)
    (root / "filler").write_bytes(b"x" * 200_000)
    staged = home(root, mode).update()

    def write_much() -> None:
        for number in range(100):
            write_file(staged.folder, f"assets/{number}", b"x" * 10_000)

    with pytest.raises(OutputError) as caught:
        write_much()
    staged.discard()
    assert caught.value.code == "VB6001"
    assert served(root) == rig.contents(2)
    assert rig.update(root, mode) == 3
    assert rig.faults(root, mode, 2) == []


def test_removing_takes_empty_folders_along_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a/b/one", "a/two", "c/three"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    take_off(tmp_path, "a/b/one")
    take_off(tmp_path, "c/nothing")
    take_off(tmp_path, "a")
    assert tree(tmp_path) == ["a/two", "c/three"]
    assert not (tmp_path / "a" / "b").exists()


def test_a_plain_folder_has_the_same_update(tmp_path: Path) -> None:
    rig.begin(tmp_path / "site", "in-place")
    publisher = home(tmp_path / "site", "in-place")
    assert isinstance(publisher, InPlace)
    assert isinstance(publisher.update(), Update)
    assert rig.update(tmp_path / "site", "in-place") == 3
    assert served(tmp_path / "site") == rig.contents(3)


def test_a_manifest_without_a_log_is_itself(root: Path, mode: str) -> None:
    live = home(root, mode).live()
    assert live is not None
    assert with_log(replace(live), log_file(root, mode).with_suffix(".json")) == live


@pytest.mark.parametrize("mode", MODES)
def test_a_log_that_has_grown_long_becomes_part_of_the_manifest(tmp_path: Path, mode: str) -> None:
    rig.begin(tmp_path, mode)
    rig.update(tmp_path, mode)
    publisher = home(tmp_path, mode)
    log = next((tmp_path / ".velobuild" / "manifests").glob("*.log"))
    before = publisher.live()
    assert before is not None

    staged = publisher.update()
    note = "x" * LOG_BYTES_MAX
    staged.publish([], [], {"note": note}, {}, guards=[], commit=lambda: None)

    assert not log.exists()
    after = home(tmp_path, mode).live()
    assert after is not None
    assert (after.files, after.meta) == (before.files, {**before.meta, "note": note})
    rig.update(tmp_path, mode)
    assert log.stat().st_size < LOG_BYTES_MAX
