from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.publish.conftest import START, Site, kinds, leftovers, snapshot, tree
from velobuild.errors import GuardRefused, OutputError
from velobuild.model.outputs import OutputKind
from velobuild.publish.inplace import InPlace

V1 = {"index.html": "home 1", "posts/a/index.html": "a", "assets/style.css": "body{}"}
V2 = {"index.html": "home 2", "posts/b/index.html": "b", "assets/style.css": "body{}"}


def test_the_output_is_a_plain_folder(plain: Site) -> None:
    plain.build(V1)
    assert plain.out.is_dir()
    assert not plain.out.is_symlink()
    assert plain.served() == V1

    published = plain.build(V2)
    assert published.release is None
    assert kinds(published)["posts/a/index.html"] is OutputKind.REMOVED
    assert plain.served() == V2
    assert not (plain.out / "posts/a").exists()
    assert leftovers(plain) == []


def test_a_build_without_changes_writes_nothing(plain: Site) -> None:
    plain.build(V1, meta={"key": "one"})
    before = snapshot(plain.out), tree(plain.state)
    published = plain.build(V1, meta={"key": "one"})
    assert set(kinds(published).values()) == {OutputKind.UNCHANGED}
    assert (snapshot(plain.out), tree(plain.state)) == before
    plain.build(V1, meta={"key": "two"})
    assert snapshot(plain.out) == before[0]
    assert plain.open().live().meta == {"key": "two"}  # type: ignore[union-attr]


def test_unchanged_files_keep_their_mtime_and_changed_ones_get_a_later_one(plain: Site) -> None:
    plain.build(V1)
    css, home = (plain.out / "assets/style.css").stat(), (plain.out / "index.html").stat()
    plain.now = START.replace(year=2020)
    plain.build(V2)
    assert (plain.out / "assets/style.css").stat().st_mtime_ns == css.st_mtime_ns
    assert (plain.out / "index.html").stat().st_mtime == int(home.st_mtime) + 1


def test_an_edited_file_is_written_anew(plain: Site) -> None:
    plain.build(V1)
    (plain.out / "index.html").write_text("defaced")
    assert kinds(plain.build(V1))["index.html"] is OutputKind.REWRITTEN
    assert plain.served() == V1


def test_a_folder_that_was_emptied_is_filled_again(plain: Site) -> None:
    plain.build(V1)
    for path in tree(plain.out):
        (plain.out / path).unlink()
    plain.build(V1)
    assert plain.served() == V1


def test_a_file_may_become_a_folder_and_a_folder_a_file(plain: Site) -> None:
    for pages in ({"a": "1", "b/c/d": "2"}, {"a/x": "3", "b": "4"}, {"a/x/y": "5", "b": "4"}, {"a": "6"}):
        plain.build(pages)
        assert plain.served() == pages


def test_files_of_someone_else_stay(plain: Site) -> None:
    plain.build(V1)
    (plain.out / "CNAME").write_text("example.org")
    (plain.out / "posts/a/notes").write_text("mine")
    plain.build(V2)
    assert plain.served() == {**V2, "CNAME": "example.org", "posts/a/notes": "mine"}


@pytest.mark.parametrize("path", ["posts/b/index.html", "posts/b", "posts/b/index.html/x"])
def test_a_new_file_does_not_replace_one_of_someone_else(plain: Site, path: str) -> None:
    plain.build(V1)
    (plain.out / path).parent.mkdir(parents=True, exist_ok=True)
    (plain.out / path).write_text("mine")
    with pytest.raises(OutputError) as caught:
        plain.build(V2)
    assert caught.value.code == "VB6003"
    assert plain.served() == {**V1, path: "mine"}


def test_a_folder_with_files_is_not_taken_over(plain: Site) -> None:
    plain.out.mkdir()
    (plain.out / "thesis.doc").write_text("mine")
    with pytest.raises(OutputError) as caught:
        plain.build(V1)
    assert caught.value.code == "VB6003"


def test_the_manifest_of_one_folder_says_nothing_of_another(plain: Site) -> None:
    plain.build(V1)
    plain.out = plain.root / "documents"
    plain.out.mkdir()
    (plain.out / "index.html").write_text("mine")
    with pytest.raises(OutputError) as caught:
        plain.build(V1)
    assert caught.value.code == "VB6003"


def test_a_link_is_refused_with_the_other_mode_and_the_other_way_round(site: Site, plain: Site) -> None:
    site.build(V1)
    with pytest.raises(OutputError) as caught:
        InPlace(site.state, site.out).begin()
    assert caught.value.code == "VB6003"
    plain.build(V1)
    plain.in_place = False
    with pytest.raises(OutputError) as caught:
        plain.build(V1)
    assert caught.value.code == "VB6003"


def test_a_planted_folder_link_does_not_lead_out(plain: Site, tmp_path: Path) -> None:
    plain.build(V1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (plain.out / "posts/b").symlink_to(outside)
    with pytest.raises(OutputError) as caught:
        plain.build(V2)
    assert caught.value.code == "VB6003"
    assert list(outside.iterdir()) == []
    assert plain.served() == V1


def test_an_output_folder_on_another_file_system_is_refused(plain: Site, memory_folder: Path) -> None:
    if memory_folder.stat().st_dev == plain.root.stat().st_dev:
        pytest.skip("there is only one file system")
    plain.out = memory_folder / "public"
    with pytest.raises(OutputError) as caught:
        plain.open().preflight()
    assert caught.value.code == "VB6002"
    (plain.root / "x").write_text("x")
    with pytest.raises(OSError, match="cross-device"):  # the control: a rename cannot do it
        os.rename(plain.root / "x", memory_folder / "x")


def test_a_damaged_journal_is_not_followed(plain: Site) -> None:
    plain.build(V1)
    journal = plain.state / "journal.json"
    journal.write_text(json.dumps([".tmp-next", [], ["index.html"], "cut"]))
    with pytest.raises(GuardRefused) as caught:
        plain.build(V2)
    assert caught.value.code == "VB5004"
    assert plain.served() == V1
    journal.unlink()  # as the hint says
    plain.build(V2)
    assert plain.served() == V2


def test_there_is_nothing_to_go_back_to(plain: Site) -> None:
    plain.build(V1)
    assert plain.open().list() == []
    assert plain.open().held() is None
    with pytest.raises(GuardRefused) as caught:
        plain.open().rollback()
    assert caught.value.code == "VB5005"
