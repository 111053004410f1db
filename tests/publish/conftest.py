"""A site in a temporary folder, built through the public functions of `velobuild.publish`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from velobuild.model.outputs import OutputKind, Phase, Published
from velobuild.publish.guard import Guard
from velobuild.publish.inplace import InPlace
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import Releases

START = datetime(2026, 4, 26, 12, 0, 0, 700_000, tzinfo=UTC)


class Site:
    """A site folder, a clock that stands still until it is told, and builds as the pipeline makes them."""

    def __init__(self, root: Path, *, in_place: bool = False, keep: int = 5) -> None:
        self.root = root
        self.state = root / ".velobuild"
        self.out = root / "public"
        self.now = START
        self.in_place = in_place
        self.keep = keep
        root.mkdir(parents=True, exist_ok=True)

    def open(self) -> Releases | InPlace:
        if self.in_place:
            return InPlace(self.state, self.out, clock=lambda: self.now)
        return Releases(self.state, self.out, keep=self.keep, clock=lambda: self.now)

    @property
    def releases(self) -> Releases:
        opened = self.open()
        assert isinstance(opened, Releases)
        return opened

    def build(
        self, pages: Mapping[str, str | bytes], *, meta: Mapping[str, str] | None = None, guards: tuple[Guard, ...] = ()
    ) -> Published:
        self.now += timedelta(seconds=10)
        with SiteLock(self.state), self.open().begin() as staging:
            for path, content in pages.items():
                data = content.encode() if isinstance(content, str) else content
                phase = Phase.ASSETS if path.startswith("assets/") else Phase.PAGES
                staging.write(path, data, Phase.LISTS if path == "index.html" else phase)
            return staging.publish(meta or {}, guards)

    def served(self) -> dict[str, str]:
        """What a web server would show, by path."""
        return {path: (self.out / path).read_text() for path in tree(self.out)}


def tree(root: Path) -> list[str]:
    found = [Path(folder) / name for folder, _, names in os.walk(root) for name in names]
    return sorted(path.relative_to(root).as_posix() for path in found)


def snapshot(root: Path) -> dict[str, tuple[int, int, int, int]]:
    """Inode, mode, mtime and size of everything below a folder: equal snapshots mean that nothing was touched."""
    names = [Path(folder) / name for folder, folders, files in os.walk(root) for name in [*folders, *files]]
    stats = {path.relative_to(root).as_posix(): path.lstat() for path in names}
    return {name: (s.st_ino, s.st_mode, s.st_mtime_ns, s.st_size) for name, s in stats.items()}


def kinds(published: Published) -> dict[str, OutputKind]:
    return {change.path: change.kind for change in published.changes}


def leftovers(site: Site) -> list[str]:
    """Temporary names that must not outlive the next build."""
    names = [*site.root.rglob("*tmp-*")]
    return sorted(path.relative_to(site.root).as_posix() for path in names)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def plain(tmp_path: Path) -> Site:
    """A site that is published in place."""
    return Site(tmp_path / "plain", in_place=True)


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: the kill rigs test order, not the disk."""
    base = Path("/dev/shm")
    with TemporaryDirectory(dir=base if base.is_dir() else None) as folder:
        yield Path(folder)
