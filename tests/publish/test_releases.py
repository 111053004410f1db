from __future__ import annotations

import hashlib
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.publish.conftest import START, Site, kinds, leftovers, snapshot, tree
from velobuild.errors import GuardRefused, OutputError
from velobuild.model.outputs import OutputFile, OutputKind, Phase
from velobuild.publish.guard import Staged
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import Releases, write_file
from velobuild.publish.shelf import Shelf

V1 = {"index.html": "home 1", "posts/a/index.html": "a", "assets/style.css": "body{}"}
V2 = {"index.html": "home 2", "posts/b/index.html": "b", "assets/style.css": "body{}"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_output_is_a_relative_link_to_the_newest_release(site: Site) -> None:
    assert site.build(V1).release == 1
    assert site.out.readlink() == Path(".velobuild/releases/1")
    assert site.served() == V1

    assert site.build(V2).release == 2
    assert site.served() == V2


def test_a_site_that_is_moved_still_works(site: Site, tmp_path: Path) -> None:
    site.build(V1)
    site.root.rename(tmp_path / "moved")
    moved = Site(tmp_path / "moved")
    assert moved.served() == V1
    assert moved.build(V1).release is None


def test_every_path_has_its_fate(site: Site) -> None:
    site.build(V1)
    assert kinds(site.build(V2)) == {
        "assets/style.css": OutputKind.UNCHANGED,
        "index.html": OutputKind.REWRITTEN,
        "posts/a/index.html": OutputKind.REMOVED,
        "posts/b/index.html": OutputKind.CREATED,
    }


def test_a_build_without_changes_writes_nothing(site: Site) -> None:
    site.build(V1)
    before = snapshot(site.out.resolve()), tree(site.state)

    published = site.build(V1)

    assert published.release is None
    assert set(kinds(published).values()) == {OutputKind.UNCHANGED}
    assert (snapshot(site.out.resolve()), tree(site.state)) == before


def test_other_meta_is_stored_without_a_new_release(site: Site) -> None:
    site.build(V1, meta={"key": "one"})
    created_at = site.releases.live().created_at  # type: ignore[union-attr]
    assert site.build(V1, meta={"key": "two"}).release is None
    live = site.releases.live()
    assert live is not None
    assert (live.release, live.meta, live.created_at) == (1, {"key": "two"}, created_at)


def test_unchanged_files_keep_inode_and_mtime_and_changed_ones_get_new_ones(site: Site) -> None:
    site.build(V1)
    old_css, old_home = (site.out / "assets/style.css").stat(), (site.out / "index.html").stat()
    first = (site.out / "index.html").resolve()
    site.build(V2)
    new_css, new_home = (site.out / "assets/style.css").stat(), (site.out / "index.html").stat()

    assert (new_css.st_ino, new_css.st_mtime_ns) == (old_css.st_ino, old_css.st_mtime_ns)
    assert new_home.st_ino != old_home.st_ino
    assert new_home.st_mtime > old_home.st_mtime
    assert first.read_text() == "home 1"


def test_changed_bytes_get_a_later_mtime_in_whole_seconds_even_when_the_clock_goes_back(site: Site) -> None:
    site.build({"index.html": "one"})
    before = (site.out / "index.html").stat().st_mtime_ns
    for text in ("two", "six", "ten"):  # of equal size: only the mtime tells a web server that they differ
        site.now = START.replace(year=2020)
        site.build({"index.html": text})
        after = (site.out / "index.html").stat().st_mtime_ns
        assert after % 1_000_000_000 == 0
        assert after >= before + 1_000_000_000
        before = after


def test_release_numbers_grow_whatever_the_clock_says(site: Site) -> None:
    numbers = []
    for year in (2026, 2020, 2038, 1971):
        site.now = START.replace(year=year)
        numbers.append(site.build({"index.html": str(year)}).release)
    assert numbers == [1, 2, 3, 4]


def test_files_and_folders_can_be_read_by_a_web_server_whatever_the_umask(site: Site) -> None:
    old = os.umask(0o077)
    try:
        site.build(V1)
        control = site.root / "control"
        control.write_text("x")
    finally:
        os.umask(old)
    release = site.out.resolve()
    assert {path.stat().st_mode & 0o777 for path in release.rglob("*") if path.is_file()} == {0o644}
    folders = [release, release.parent, *(path for path in release.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o755}
    assert control.stat().st_mode & 0o777 == 0o600


def test_an_edited_file_of_the_live_release_is_never_carried_over(site: Site) -> None:
    site.build(V1)
    (site.out / "posts/a/index.html").write_text("defaced")

    with SiteLock(site.state), site.releases.begin() as staging:
        assert staging.keep("index.html") is not None
        assert staging.keep("assets/style.css") is not None
        assert staging.keep("posts/a/index.html") is None
        staging.write("posts/a/index.html", b"a")
        published = staging.publish({})

    assert published.release == 2
    assert kinds(published)["posts/a/index.html"] is OutputKind.REWRITTEN
    assert site.served() == V1


def test_a_file_edited_between_its_check_and_its_link_stops_the_release(site: Site) -> None:
    site.build(V1)
    with site.releases.begin() as staging:
        staging.keep("posts/a/index.html")
        staging.write("index.html", b"new")
        (site.out / "posts/a/index.html").write_text("defaced")
        with pytest.raises(OutputError) as caught:
            staging.publish({})
    assert "posts/a/index.html" in (caught.value.diagnostics[0].where or "")


def test_a_link_in_place_of_a_live_file_is_not_carried_over(site: Site) -> None:
    site.build(V1)
    page = site.out / "posts/a/index.html"
    page.unlink()
    page.symlink_to("/etc/hostname")
    with site.releases.begin() as staging:
        assert staging.keep("posts/a/index.html") is None


def test_a_planted_folder_link_does_not_lead_a_write_out_of_the_release(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with site.releases.begin() as staging:
        (staging.folder / "posts").symlink_to(outside)
        with pytest.raises(OutputError):
            staging.write("posts/x.html", b"x")
        with pytest.raises(OutputError):
            write_file(staging.folder, "posts/x.html", b"x")
        assert list(outside.iterdir()) == []
        (staging.folder / "posts/control.html").write_bytes(b"x")  # what a plain write does
        assert (outside / "control.html").exists()


def test_a_file_that_is_already_there_is_not_written_to(site: Site) -> None:
    site.build(V1)
    with site.releases.begin() as staging:
        os.link(site.out / "index.html", staging.folder / "index.html")
        with pytest.raises(OutputError):
            write_file(staging.folder, "index.html", b"defaced")
    assert site.served() == V1


def test_what_a_worker_wrote_is_recorded_by_the_parent(site: Site) -> None:
    site.build(V1)
    inode = (site.out / "posts/a/index.html").stat().st_ino
    with site.releases.begin() as staging:
        for path, content in {**V1, "index.html": "home 9"}.items():
            staging.record(write_file(staging.folder, path, content.encode()))
        published = staging.publish({})
    assert published.counts()[OutputKind.REWRITTEN] == 1
    assert published.counts()[OutputKind.UNCHANGED] == 2
    assert site.served() == {**V1, "index.html": "home 9"}
    assert (site.out / "posts/a/index.html").stat().st_ino == inode
    assert (site.out / "index.html").stat().st_mtime_ns % 1_000_000_000 == 0


@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "unrecorded"])
def test_a_worker_file_that_is_not_what_was_recorded_stops_the_release(site: Site, harm: str) -> None:
    site.build(V1)
    with site.releases.begin() as staging:
        file = write_file(staging.folder, "index.html", b"home 2")
        target = staging.folder / "index.html"
        if harm == "unrecorded":
            write_file(staging.folder, "stray.html", b"x")
        staging.record(file)
        if harm == "missing":
            target.unlink()
        elif harm == "cut":
            os.truncate(target, 3)
        elif harm == "changed":
            target.write_bytes(b"home X")
        with pytest.raises(OutputError) as caught:
            staging.publish({})
    assert caught.value.exit_code == 6
    assert site.served() == V1
    assert leftovers(site) == []


def test_media_are_linked_from_the_store_and_theme_files_are_copied(site: Site) -> None:
    store = site.state / "media" / "ab"
    store.parent.mkdir(parents=True)
    store.write_bytes(b"picture")
    store.chmod(0o600)
    theme = site.root / "style.css"
    theme.write_bytes(b"body{}")
    with site.releases.begin() as staging:
        staging.copy_in("media/ab.png", store, sha256(b"picture"))
        staging.copy_in("assets/style.css", theme, sha256(b"body{}"))
        staging.publish({})
    assert (site.out / "media/ab.png").stat().st_ino == store.stat().st_ino
    assert (site.out / "media/ab.png").stat().st_mode & 0o777 == 0o644
    theme.write_bytes(b"edited in place")
    assert (site.out / "assets/style.css").read_bytes() == b"body{}"


def test_a_file_copied_over_other_bytes_gets_a_later_mtime(site: Site) -> None:
    source = site.state / "store"
    for text in (b"one", b"two"):
        source.parent.mkdir(exist_ok=True)
        source.unlink(missing_ok=True)
        source.write_bytes(text)
        os.utime(source, (1_000, 1_000))
        with site.releases.begin() as staging:
            staging.copy_in("assets/logo.png", source, sha256(text))
            staging.publish({})
    assert (site.out / "assets/logo.png").stat().st_mtime > 1_000
    assert source.stat().st_mtime == 1_000


@pytest.mark.parametrize("kind", ["symlink", "fifo", "device", "folder", "other bytes"])
def test_only_a_plain_file_with_the_right_bytes_is_copied_in(site: Site, kind: str) -> None:
    source = site.root / "source"
    if kind == "symlink":
        source.symlink_to("/etc/hostname")
    elif kind == "fifo":
        os.mkfifo(source)
    elif kind == "device":
        source = Path("/dev/zero")
    elif kind == "folder":
        source.mkdir()
    else:
        source.write_bytes(b"other")
    with site.releases.begin() as staging, pytest.raises(OutputError):
        staging.copy_in("assets/x", source, sha256(b"x"))


def test_a_path_is_published_once(site: Site) -> None:
    with site.releases.begin() as staging:
        staging.write("Post/index.html", b"1")
        with pytest.raises(GuardRefused):
            staging.write("post/index.html", b"2")
        with pytest.raises(GuardRefused):
            staging.record(OutputFile("post/index.html", sha256(b"2"), 1))
        with pytest.raises(GuardRefused):
            staging.write("../x", b"2")


def test_leaving_the_block_without_publishing_leaves_nothing(site: Site) -> None:
    site.build(V1)
    with site.releases.begin() as staging:
        staging.write("index.html", b"never")
    assert site.served() == V1
    assert leftovers(site) == []


def test_a_guard_sees_the_release_and_can_stop_it(site: Site) -> None:
    site.build(V1)
    seen: list[Staged] = []

    def refuse(staged: Staged) -> None:
        seen.append(staged)
        raise GuardRefused("no", code="VB5001")

    with pytest.raises(GuardRefused):
        site.build(V2, guards=(refuse,))
    assert seen[0].written == ("index.html", "posts/b/index.html")
    assert seen[0].live is not None
    assert site.served() == V1
    assert leftovers(site) == []


def test_the_newest_releases_are_kept_and_the_live_and_previous_ones_always(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", keep=3)
    for number in range(1, 8):
        site.build({"index.html": str(number)})
    assert [info.number for info in site.releases.list()] == [7, 6, 5]
    site.releases.rollback(to=5)
    for number in range(8, 12):
        site.build({"index.html": str(number)})
    assert [info.number for info in site.releases.list()] == [11, 10, 9]
    assert sorted(path.name for path in (site.state / "manifests").iterdir()) == ["10.json", "11.json", "9.json"]


@pytest.mark.parametrize("keep", [2, 3, 4, 5, 6, 9])
def test_no_more_and_no_fewer_releases_are_kept_than_asked_for(tmp_path: Path, keep: int) -> None:
    site = Site(tmp_path / "site", keep=keep)
    for number in range(1, 8):
        site.build({"index.html": str(number)})
        assert len(site.releases.list()) == min(number, keep)


def test_the_janitor_removes_what_was_never_live_and_nothing_else(site: Site) -> None:
    site.build(V1)
    releases = site.state / "releases"
    (releases / ".tmp-7").mkdir()
    (releases / ".tmp-7/x").write_text("x")
    (releases / "2").mkdir()  # numbered, but the link never moved
    (site.state / "manifests/2.json").write_text("{}")
    (site.root / ".public.tmp-2").symlink_to(".velobuild/releases/2")
    (site.root / ".public.tmp-notes").write_text("mine")
    (releases / "notes.txt").write_text("mine")
    (site.state / "content.db").write_text("mine")

    assert site.build(V2).release == 2

    assert leftovers(site) == [".public.tmp-notes"]
    assert (releases / "notes.txt").exists()
    assert (site.state / "content.db").exists()
    assert site.served() == V2


def test_a_first_release_whose_link_never_moved_is_removed(site: Site) -> None:
    with site.releases.begin():
        pass
    (site.state / "releases/1").mkdir()
    assert site.releases.list() == []
    assert site.build(V1).release == 1
    assert site.served() == V1


def test_a_lost_record_of_releases_costs_no_release(site: Site) -> None:
    for number in range(1, 5):
        site.build({"index.html": str(number)})
    site.releases.rollback(to=2)
    (site.state / "releases.json").unlink()
    site.build({"index.html": "5"})
    assert [info.number for info in site.releases.list()] == [5, 4, 3, 2, 1]


def test_a_site_whose_state_was_removed_is_built_anew(site: Site) -> None:
    site.build(V1)
    shutil.rmtree(site.state)
    assert site.build(V2).release == 1
    assert site.served() == V2


def test_a_damaged_record_stops_with_a_remedy(site: Site) -> None:
    site.build(V1)
    (site.state / "releases.json").write_text("{")
    with pytest.raises(OutputError) as caught:
        site.build(V2)
    assert "remove this file" in (caught.value.hint or "")
    assert site.served() == V1


@pytest.mark.parametrize("harm", ["gone", "cut", "bit", "newer"])
def test_a_live_release_without_a_sound_manifest_is_written_anew(site: Site, harm: str) -> None:
    site.build(V1)
    before = (site.out / "index.html").stat().st_mtime
    file = site.state / "manifests/1.json"
    content = file.read_bytes()
    file.unlink()
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "bit":
        file.write_bytes(content.replace(b"posts/a", b"posts/c"))
    elif harm == "newer":
        file.write_bytes(content.replace(b'"version": 1', b'"version": 2'))

    assert site.releases.live() is None
    assert site.build(V1).release == 2
    assert site.served() == V1
    assert (site.out / "index.html").stat().st_mtime > before


# Where the output may lie


def test_files_of_someone_else_are_never_touched(site: Site) -> None:
    site.out.mkdir()
    (site.out / "thesis.doc").write_text("mine")
    with pytest.raises(OutputError) as caught:
        site.build(V1)
    assert caught.value.code == "VB6003"
    assert "thesis.doc" in str(caught.value)
    assert tree(site.out) == ["thesis.doc"]


def test_an_empty_folder_gives_way(site: Site) -> None:
    site.out.mkdir()
    site.build(V1)
    assert site.served() == V1


def test_a_link_to_somewhere_else_is_not_ours(site: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    site.out.symlink_to(elsewhere)
    with pytest.raises(OutputError) as caught:
        site.build(V1)
    assert caught.value.code == "VB6003"
    assert site.out.readlink() == elsewhere


def test_a_file_in_the_outputs_place_is_not_ours(site: Site) -> None:
    site.out.write_text("mine")
    with pytest.raises(OutputError) as caught:
        site.build(V1)
    assert caught.value.code == "VB6003"


@pytest.mark.parametrize("place", ["/", "~", ".", "..", ".velobuild", ".velobuild/releases/public"])
def test_some_places_are_never_the_output(site: Site, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = site.root.parent / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    out = home if place == "~" else site.root / place
    before = snapshot(site.root.parent)
    with pytest.raises(OutputError) as caught:
        Releases(site.state, out).begin()
    assert caught.value.code == "VB6003"
    assert snapshot(site.root.parent) == before


def test_the_preflight_changes_nothing(site: Site) -> None:
    site.open().preflight()
    assert list(site.root.iterdir()) == []


def test_releases_on_another_file_system_are_refused(site: Site, memory_folder: Path) -> None:
    if memory_folder.stat().st_dev == site.root.stat().st_dev:
        pytest.skip("there is only one file system")
    site.state.mkdir()
    (site.state / "releases").symlink_to(memory_folder)
    with pytest.raises(OutputError) as caught:
        site.open().preflight()
    assert caught.value.code == "VB6002"


def test_where_no_link_can_be_made_the_output_is_named_and_not_the_release(site: Site) -> None:
    """/proc may be written by its permissions, and by nobody."""
    with Releases(site.state, Path("/proc/site")).begin() as staging:
        staging.write("index.html", b"new")
        with pytest.raises(OutputError) as caught:
            staging.publish({})
    assert (caught.value.code, caught.value.diagnostics[0].where) == ("VB6002", "/proc/site")


def test_an_output_folder_elsewhere_gets_a_relative_link(site: Site, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "www")  # `..` of the link must be that of the real folder
    site.out = tmp_path / "alias" / "deep" / "html"
    site.build(V1)
    assert not site.out.readlink().is_absolute()
    assert site.served() == V1
    assert site.build(V2).release == 2


# Back again


def test_rollback_makes_the_release_before_live_and_holds_it(site: Site) -> None:
    for page in ("one", "two", "six"):
        site.build({"index.html": page, "about.html": "about"})
    about = (site.out / "about.html").stat().st_mtime_ns
    mtime = (site.out / "index.html").stat().st_mtime

    info = site.releases.rollback()

    assert (info.number, info.live, info.held) == (2, True, True)
    assert site.served()["index.html"] == "two"
    assert site.releases.held() == 2
    assert (site.out / "index.html").stat().st_mtime > mtime  # a 304 would show the withdrawn page
    assert (site.out / "about.html").stat().st_mtime_ns == about
    assert site.releases.rollback().number == 1
    assert [entry.number for entry in site.releases.list()] == [3, 2, 1]
    assert site.releases.rollback(to=3).number == 3
    assert site.served()["index.html"] == "six"


def test_resume_ends_the_hold_and_leaves_the_site(site: Site) -> None:
    for page in ("one", "two"):
        site.build({"index.html": page})
    site.releases.rollback()
    site.releases.resume()
    assert site.releases.held() is None
    assert site.served() == {"index.html": "one"}


def test_a_build_after_a_rollback_gets_a_fresh_number_and_ends_the_hold(site: Site) -> None:
    for page in ("one", "two"):
        site.build({"index.html": page})
    site.releases.rollback()
    mtime = (site.out / "index.html").stat().st_mtime
    assert site.build({"index.html": "new"}).release == 3
    assert site.releases.held() is None
    assert (site.out / "index.html").stat().st_mtime > mtime
    assert [entry.number for entry in site.releases.list()] == [3, 2, 1]


def test_a_hold_on_the_live_release_itself_is_possible(site: Site) -> None:
    site.build(V1)
    site.build(V2)
    site.releases.rollback(to=2)
    assert site.releases.held() == 2
    assert site.served() == V2


@pytest.mark.parametrize("harm", ["edit", "extra", "missing", "link", "manifest", "no manifest"])
def test_a_damaged_release_is_not_gone_back_to(site: Site, harm: str) -> None:
    site.build(V1)
    site.build(V2)
    old = site.state / "releases/1"
    if harm == "edit":
        (old / "posts/a/index.html").write_text("A")
    elif harm == "extra":
        (old / "posts/extra.html").write_text("x")
    elif harm == "missing":
        (old / "posts/a/index.html").unlink()
    elif harm == "link":
        (old / "posts/a/index.html").unlink()
        (old / "posts/a/index.html").symlink_to("/etc/hostname")
    elif harm == "manifest":
        (site.state / "manifests/1.json").write_text("{}")
    else:
        (site.state / "manifests/1.json").unlink()
    with pytest.raises(GuardRefused) as caught:
        site.releases.rollback()
    assert (caught.value.code, caught.value.exit_code) == ("VB5004", 5)
    assert site.served() == V2
    assert site.releases.held() is None
    assert len(site.releases.list()) == 2


def test_a_release_that_is_not_kept_cannot_be_gone_back_to(site: Site) -> None:
    site.build(V1)
    for number in (None, 99, 0):
        with pytest.raises(GuardRefused) as caught:
            site.releases.rollback(to=number)
        assert caught.value.code == "VB5005"
    assert site.served() == V1


def test_what_differs_from_what_was_published_is_named(site: Site) -> None:
    site.build(V1)
    shelf = Shelf(site.state, site.out)
    assert shelf.faults(1) == ()
    (site.out / "index.html").write_text("X")
    (site.out / "extra").write_text("X")
    assert shelf.faults(1) == ("extra", "index.html")


def test_the_list_tells_size_and_time(site: Site) -> None:
    site.build(V1)
    (info,) = site.releases.list()
    assert (info.number, info.files, info.live, info.held) == (1, 3, True, False)
    assert info.size_bytes == sum(len(content) for content in V1.values())
    assert info.created_at == START + timedelta(seconds=10)


def test_phases_come_back_with_the_manifest(site: Site) -> None:
    site.build(V1)
    live = site.releases.live()
    assert live is not None
    assert {path: file.phase for path, file in live.files.items()} == {
        "assets/style.css": Phase.ASSETS,
        "index.html": Phase.LISTS,
        "posts/a/index.html": Phase.PAGES,
    }
