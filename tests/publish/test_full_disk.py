"""Real small file systems in memory (needs root), and a file system that is read-only."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.publish.conftest import Site, leftovers
from velobuild.errors import OutputError
from velobuild.model.outputs import Phase
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import Releases, write_file
from velobuild.publish.shelf import Shelf

Mount = Callable[[str], Path]


def pages(seed: int, count: int, size_bytes: int) -> dict[str, bytes]:
    chance = random.Random(seed)
    return {f"assets/{number}.bin": chance.randbytes(size_bytes) for number in range(count)}


def test_old_releases_give_way_when_the_disk_is_full(mount: Mount) -> None:
    site = Site(mount("size=600k") / "site")
    for version in range(1, 9):  # 8 × 160 kB into 600 kB
        assert site.build(pages(version, 4, 40_000)).release == version
        assert Shelf(site.state, site.out).faults(version) == ()
    assert [info.number for info in site.releases.list()][:2] == [8, 7]


def test_control_without_making_room_the_site_is_stuck(mount: Mount) -> None:
    class Miser(Releases):
        def make_room(self) -> bool:
            return False

    site = Site(mount("size=600k") / "site")

    def build(version: int) -> None:
        with SiteLock(site.state), Miser(site.state, site.out).begin() as staging:
            for path, content in pages(version, 4, 40_000).items():
                staging.write(path, content, Phase.ASSETS)
            staging.publish({})

    for version in range(1, 4):
        build(version)
    for _ in range(3):
        with pytest.raises(OutputError):
            build(4)


@pytest.mark.parametrize("in_place", [False, True], ids=["release", "in-place"])
@pytest.mark.parametrize("options", ["size=600k", "nr_inodes=60"])
def test_what_does_not_fit_changes_nothing_and_the_next_build_works(mount: Mount, options: str, in_place: bool) -> None:
    site = Site(mount(options) / "site", in_place=in_place)
    first = pages(1, 4, 20_000)
    site.build(first)
    before = {path: (site.out / path).stat().st_mtime_ns for path in first}

    too_much = pages(2, 100, 10_000)
    with pytest.raises(OutputError) as caught:
        site.build(too_much)

    assert (caught.value.code, caught.value.exit_code) == ("VB6001", 6)
    assert {path: (site.out / path).stat().st_mtime_ns for path in first} == before
    assert {path: (site.out / path).read_bytes() for path in first} == first
    assert leftovers(site) == []
    site.build(pages(3, 4, 20_000))
    assert (site.out / "assets/0.bin").read_bytes() == pages(3, 4, 20_000)["assets/0.bin"]


def test_a_worker_on_a_full_disk_says_so_and_the_parent_can_make_room(mount: Mount) -> None:
    site = Site(mount("size=600k") / "site")
    for version in range(1, 4):
        site.build(pages(version, 4, 40_000))
    with site.releases.begin() as staging:
        content = pages(4, 1, 250_000)["assets/0.bin"]
        with pytest.raises(OutputError) as caught:
            write_file(staging.folder, "assets/0.bin", content)
        assert caught.value.code == "VB6001"
        assert staging.make_room()
        staging.record(write_file(staging.folder, "assets/0.bin", content))
        assert not staging.make_room()  # once
        assert staging.publish({}).release == 4


def test_too_little_room_for_the_pages_is_said_before_anything_is_built(mount: Mount) -> None:
    folder = mount("size=600k")
    site = Site(folder / "site")
    site.build({"index.html": "x" * 150_000})
    (folder / "ballast").write_bytes(b"x" * 250_000)
    with pytest.raises(OutputError) as caught:
        site.open().preflight()
    assert caught.value.code == "VB6001"


@pytest.mark.parametrize("in_place", [False, True], ids=["release", "in-place"])
def test_a_read_only_file_system_is_seen_before_anything_is_built(mount: Mount, in_place: bool) -> None:
    folder = mount("size=600k")
    site = Site(folder / "site", in_place=in_place)
    site.build({"index.html": "one"})
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    with pytest.raises(OutputError) as caught:
        site.open().preflight()
    assert (caught.value.code, caught.value.exit_code) == ("VB6002", 6)
    with pytest.raises(OutputError):
        site.build({"index.html": "two"})
    assert site.served() == {"index.html": "one"}
