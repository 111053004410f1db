"""kill -9 at random moments of whole builds, and disks without room."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest


def seconds_of_a_build(site: SiteTest) -> float:
    began = time.monotonic()
    site.edit("post-0", title="Timed").apart("build").expects_exit(0)
    return time.monotonic() - began


def kill_builds(site: SiteTest, kills: int, seed: int) -> dict[str, int]:
    """Each round: an edit, a build that is killed at a random moment, a build that must succeed.

    Returns how many of the killed builds had published nothing, or all. Builds that were quicker are not counted.
    """
    chance = random.Random(seed)
    lasts = seconds_of_a_build(site)
    seen = {"before": 0, "after": 0}
    number = 0
    while sum(seen.values()) < kills:
        number += 1
        before = site.contents()
        # The edit moves between tags, so that pages come and go.
        site.edit(f"post-{number % 5}", title=f"Round {number}", tags=[f"round {number}", "tag 1"])
        began = time.monotonic()
        process = site.start("build")
        try:
            process.wait(chance.uniform(0, lasts))
            lasts = min(lasts, time.monotonic() - began)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        after_kill = site.contents()

        site.builds()

        after = site.contents()
        assert f"Round {number}" in site.text(f"post-{number % 5}/index.html")
        assert after_kill in (before, after), "a mixture was live"
        if process.returncode != 0:
            assert process.returncode == -signal.SIGKILL
            seen["before" if after_kill == before else "after"] += 1
        if site.ran.report["release"] is not None:  # else what is left over waits for the next publication
            assert not list((site.root / ".velobuild").rglob(".tmp-*"))
    return seen


@pytest.mark.slow
def test_a_build_killed_at_random_moments_leaves_the_old_site_or_the_new_one(site: SiteTest) -> None:
    site.posts(30).builds()
    seen = kill_builds(site, 12, seed=20261121)
    assert seen["before"] >= 3, "the kills came too late to mean anything"
    site.counting().builds().expects_calls("posts", "site-settings")


@pytest.mark.full
def test_a_build_killed_at_two_hundred_random_moments(site: SiteTest) -> None:
    site.configured(build={"jobs": 2}).posts(220).builds()
    seen = kill_builds(site, 200, seed=1)
    print(seen)  # noqa: T201 - the rig's result
    assert seen["before"] >= 50


@pytest.mark.slow
def test_an_in_place_build_killed_at_random_moments_is_completed_by_the_next(sites: Sites) -> None:
    """In this mode a kill may leave a mixture; the next run ends it, and every file was whole all the time."""
    site = sites("plain", build={"publish": "in-place"}).posts(30).builds()
    chance = random.Random(7)
    lasts = seconds_of_a_build(site) * 1.05
    for number in range(6):
        before = site.contents()
        site.edit(f"post-{number}", title=f"Round {number}", tags=[f"round {number}"])
        process = site.start("build")
        try:
            process.wait(chance.uniform(lasts / 2, lasts))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        killed = site.contents()
        site.builds()
        after = site.contents()
        assert all(sha256 in (before.get(path), after.get(path)) for path, sha256 in killed.items())
    fresh = sites("fresh").builds()
    assert fresh.contents() == site.contents()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["release", "in-place"])
def test_a_build_killed_at_any_rename_is_completed_by_the_next_although_nothing_changed_since(
    sites: Sites, mode: str
) -> None:
    site = sites(mode, build={"publish": mode}).posts(2).builds()
    deaths = 0
    while True:
        site.edit("post-1", title=f"Round {deaths} begins", tags=[f"round {deaths}"])
        if not site.dies("os.rename", deaths + 1, "build"):
            break
        site.builds()
        assert f"Round {deaths} begins" in site.text("post-1/index.html")
        assert f"Round {deaths} begins" in site.text("index.html")
        site.expects_pages(f"tags/round-{deaths}").expects_nowhere(f"Round {deaths - 1} begins")
        assert not (site.root / ".velobuild/journal.json").exists()
        deaths += 1
    assert deaths >= (2 if mode == "release" else 8)


@pytest.mark.slow
def test_no_worker_outlives_a_build_that_is_killed_while_it_starts_them(site: SiteTest) -> None:
    site.posts(220)
    for _ in range(3):
        assert site.dies("os.fork", 2, "build", "--jobs", "2")
    site.apart("build", "--jobs", "2").expects_exit(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB in memory."""
    needs(os.geteuid() == 0, "root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=False)
    needs(mounted.returncode == 0, "the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all the room but `leave` bytes."""
    ballast = folder / "ballast"
    room = os.statvfs(folder)
    size = max(0, room.f_bavail * room.f_frsize - leave)
    with ballast.open("wb") as file:
        file.write(b"x" * size)
    return ballast


@pytest.mark.parametrize("leave", [0, 20_000, 60_000, 150_000, 400_000])
def test_a_full_disk_keeps_the_live_site_whatever_part_of_the_build_meets_it(
    sites: Sites, small_disk: Path, leave: int
) -> None:
    site = sites("small/one").posts(20).builds()
    before = site.tree()
    site.posts(80, start=20, content_html="<p>" + "word " * 1500 + "</p>").edit("post-1", title="Waiting")
    ballast = fill(small_disk, leave)

    site.apart("build").expects_exit(6)

    assert site.ran.errors[0]["code"] in {"VB6001", "VB6002"}, site.ran.err
    assert "space" in site.ran.err or "full" in site.ran.err
    assert site.tree() == before
    ballast.unlink()
    site.delete(*(f"post-{number}" for number in range(20, 100)))
    site.apart("build", "--allow-shrink").expects_exit(0)
    assert "Waiting" in site.text("post-1/index.html")


def test_a_folder_that_cannot_be_written_is_named(sites: Sites, small_disk: Path) -> None:
    site = sites("small/one").posts(3).apart("build").expects_exit(0).edit("post-1", title="Waiting")
    before = site.tree()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    site.apart("build").expects_exit(6, "VB6002")
    assert site.tree() == before
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    site.apart("build").expects_exit(0)
    assert "Waiting" in site.text("post-1/index.html")
