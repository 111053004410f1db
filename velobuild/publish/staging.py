"""A release in the making: files are written, linked or copied below one new folder, checked, and handed over whole."""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Protocol

from velobuild.errors import OutputError
from velobuild.model.outputs import UNMARKED, Mark, OutputFile, OutputKind, Phase, Published
from velobuild.publish import disk, manifest
from velobuild.publish.disk import Descent, Identity, disk_errors, remove_tree
from velobuild.publish.guard import Guard, Staged
from velobuild.publish.manifest import Manifest
from velobuild.publish.marks import create_marked, is_untouched
from velobuild.publish.paths import Claims, check_path


class Home(Protocol):
    """Where a staged release goes: numbered releases behind a link, or a plain folder."""

    shares_inodes: bool
    """Whether releases share their files: a staged folder then holds the unchanged ones too, as hard links."""

    def commit(self, folder: Path, new: Manifest, old: Manifest | None) -> int | None:
        """Take the folder over and make it the live site; returns the release's number, if it has one."""
        ...

    def restamp(self, live: Manifest) -> None:
        """Store other `meta` with the live release; its files stay."""
        ...

    def make_room(self) -> bool:
        """Remove old releases that can be spared on a full disk; False if there was none."""
        ...


class Writer:
    """Writes new files below a staging folder; for worker processes, whose parent then calls `record`.

    `stamp` gives the files their times, which `record` then need not. Ends with `close`, or with its process.
    """

    def __init__(self, folder: Path, stamp: Stamp | None = None) -> None:
        self._descent = Descent(folder)
        self._stamp = stamp

    def __call__(self, file: OutputFile, content: bytes) -> Mark:
        """The file, as its description says it, read back. Raises GuardRefused VB5003 for an unsafe path, OutputError
        if the bytes did not all reach the file."""
        check_path(file.path)
        with disk_errors("a file could not be written", file.path):
            parent, name = self._descent.parent_of(file.path, create=True)
            mtime_s = self._stamp(file.path) if self._stamp else None
            return create_marked(parent, name, content, mtime_s=mtime_s)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._descent.close()


def write_file(folder: Path, path: str, content: bytes, phase: Phase = Phase.PAGES) -> OutputFile:
    """One new file below a staging folder. Raises as `Writer` does."""
    file = OutputFile(path, hashlib.sha256(content).hexdigest(), len(content), phase)
    with Writer(folder) as write:
        write(file, content)
    return file


@dataclass(frozen=True, slots=True)
class Stamp:
    """Unix seconds for new bytes at a path: later than the old ones', whatever the clock says.

    Web servers answer 304 from mtime and size; equal ones would keep the old page in every browser's cache.
    """

    live_folder: Path
    now_s: int

    def __call__(self, path: str) -> int:
        try:
            old = os.stat(f"{self.live_folder}/{path}", follow_symlinks=False)  # noqa: PTH116 - one of thousands
        except OSError:
            return self.now_s
        return max(self.now_s, int(old.st_mtime) + 1)


class Staging:
    """Collects the files of the next release. Each file of it is named once: written, recorded, kept or copied in.

    `publish` makes it live or leaves everything as it was; leaving the `with` block without it discards the folder.
    """

    def __init__(self, home: Home, folder: Path, *, live: Manifest | None, live_folder: Path, now: datetime) -> None:
        self.folder = folder
        self.live = live
        self._home = home
        self._live_folder = live_folder
        self._now = now
        self._claims = Claims()
        self._files: dict[str, OutputFile] = {}
        self._marks = array("Q")  # two numbers for each of the files, in their order
        self._kept: dict[str, Identity] = {}
        self._linked: dict[str, Identity] = {}
        self._damaged: set[str] = set()
        self._made_room = False
        self._over = False

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def write(self, path: str, content: bytes, phase: Phase = Phase.PAGES) -> OutputFile:
        """A file with these bytes; the live release's own file where its bytes are the same.

        Raises GuardRefused VB5003 (unsafe or taken path), OutputError (VB6001 disk full, after older releases were
        pruned and the write was tried again).
        """
        file = OutputFile(path, hashlib.sha256(content).hexdigest(), len(content), phase)
        with self._claimed(path):
            if not self._reuse(file):
                self._create(path, lambda: [content])
        return self._add(file)

    def record(self, file: OutputFile, *, stamped: bool = False, mark: Mark = UNMARKED) -> OutputFile:
        """Take in a file that a worker wrote below `folder` with a `Writer`, which gave the mark. Its bytes are checked
        in `publish`, unless it still has this mark. `stamped`: with `stamp`.
        """
        with self._claimed(file.path), disk_errors("a staged file cannot be recorded", file.path):
            reused = self._reuse(file)
            if reused or not stamped:
                with disk.parent_of(self.folder, file.path) as (parent, name):
                    if reused:
                        os.unlink(name, dir_fd=parent)
                    else:
                        mtime_s = self.stamp(file.path)
                        os.utime(name, (mtime_s, mtime_s), dir_fd=parent, follow_symlinks=False)
        return self._add(file, UNMARKED if reused else mark)

    @property
    def stamp(self) -> Stamp:
        """The times of the files of this release."""
        return Stamp(self._live_folder, int(self._now.timestamp()))

    def keep(self, path: str) -> OutputFile | None:
        """The live release's file, unchanged. None if there is none or its bytes are no longer those of the manifest
        (someone edited it): then it must be written anew."""
        file = self.live.files.get(path) if self.live else None
        if file is None:
            return None
        with self._claimed(path):
            if self._reuse(file):
                return self._add(file)
        self._claims.give_back(path)
        return None

    def live_bytes(self, path: str) -> bytes:
        """What the live release has at a path. Raises OutputError."""
        with (
            disk_errors("a live file cannot be read", path),
            disk.parent_of(self._live_folder, path) as (parent, name),
            disk.open_regular(parent, name) as opened,
        ):
            return b"".join(disk.chunks_of(opened))

    def copy_in(self, path: str, source: Path, sha256: str, phase: Phase = Phase.ASSETS) -> OutputFile:
        """A file with the bytes of `source`, which must be a plain file with this hash.

        What lies below `.velobuild` (the media store) is hard-linked where that is possible: its files are never
        opened for writing. Everything else, such as a theme's files, is copied, since its owner may edit it in place.
        Raises OutputError if the source is a link, a device, or not what its hash says.
        """
        with disk_errors("a file cannot be copied into the site", source), disk.open_regular(None, source) as opened:
            identity = Identity.of(os.fstat(opened))
            file = OutputFile(path, sha256, identity.size_bytes, phase)
            with self._claimed(path):
                if self._reuse(file):
                    return self._add(file)
                if disk.digest(opened) != sha256:
                    raise OutputError("a file is not what its hash says", code="VB6002", where=str(source))
                if not self._link_in(path, source, identity):
                    self._create(path, lambda: self._from_start(opened))
        return self._add(file)

    def make_room(self) -> bool:
        """After VB6001: remove older releases, once. True if there were some, so that writing again makes sense."""
        if self._made_room:
            return False
        self._made_room = True
        return self._home.make_room()

    def publish(self, meta: Mapping[str, str], guards: Sequence[Guard] = ()) -> Published:
        """Verify, ask the guards, and make this the live site in one step. `meta` is stored with the release.

        Where no byte differs from the live release nothing is published: `release` is None and every change is
        UNCHANGED. Raises GuardRefused, OutputError; the live site is then as it was, and the folder is gone.
        """
        self._claims = Claims()  # No file comes after this, and a large site has as many claims as files.
        try:
            old = self.live.files if self.live else manifest.NOTHING
            changes = manifest.compare(old, self._files, self._damaged)
            if self.live and all(change.kind is OutputKind.UNCHANGED for change in changes):
                self.discard()
                if dict(meta) != dict(self.live.meta):
                    self._home.restamp(replace(self.live, meta=dict(meta)))
                return Published(None, changes)
            self._link_kept()
            files = MappingProxyType(self._files)  # of which there will be no more
            staged = Staged(self.folder, self.live, files, changes)
            self._verify(staged)
            for guard in guards:
                guard(staged)
        except BaseException:
            self.discard()
            raise
        self._over = True  # from here on the folder is the home's
        new = Manifest(None, files, dict(meta), self._now, self.live.release if self.live else None)
        published = Published(self._home.commit(self.folder, new, self.live), changes)
        self._files = {}  # A large site has many, and what is left of the build needs the room.
        return published

    def discard(self) -> None:
        """Remove the folder. Does nothing after `publish`. What cannot be removed now, the next `begin` removes."""
        if not self._over:
            self._over = True
            with suppress(OSError):
                remove_tree(self.folder)

    def _add(self, file: OutputFile, mark: Mark = UNMARKED) -> OutputFile:
        self._files[file.path] = file
        self._marks.extend(mark)
        return file

    @contextmanager
    def _claimed(self, path: str) -> Iterator[None]:
        self._claims.take(path)
        try:
            yield
        except BaseException:
            self._claims.give_back(path)
            raise

    def _reuse(self, file: OutputFile) -> bool:
        """Whether the live release has these bytes at this path, on disk and not only on paper.

        The link is made in `publish`, and only if anything differs: a build without changes writes nothing.
        """
        old = self.live.files.get(file.path) if self.live else None
        if old is None or old.sha256 != file.sha256:
            return False
        try:
            sha256, identity = disk.fingerprint_file(self._live_folder, file.path)
        except OSError:
            sha256 = ""
        if sha256 != file.sha256:
            self._damaged.add(file.path)
            return False
        self._kept[file.path] = identity
        return True

    def _link_kept(self) -> None:
        for path in self._kept if self._home.shares_inodes else ():
            with disk_errors("an unchanged file could not be kept", path):
                self._with_room(partial(self._link_live, path))

    def _link_live(self, path: str) -> None:
        linked = disk.link_file(self._live_folder, path, self.folder, path)
        if linked is not None:  # `_verify` compares it with what was read in `_reuse`
            self._linked[path] = self._kept[path]
            return
        with disk.parent_of(self._live_folder, path) as (parent, name), disk.open_regular(parent, name) as opened:
            mtime_s = int(os.fstat(opened).st_mtime)
            disk.create_file(self.folder, path, disk.chunks_of(opened), mtime_s=mtime_s)

    def _link_in(self, path: str, source: Path, identity: Identity) -> bool:
        """Link a file of the media store. Not in place of other bytes: the new ones need a later mtime, and setting
        it would set that of every release which links the same inode."""
        ours = self.folder.parent.parent  # .velobuild
        is_ours = source.resolve().is_relative_to(ours.resolve())
        if not is_ours or not self._home.shares_inodes or disk.look(self._live_folder / path):
            return False
        linked: list[Identity | None] = []
        self._with_room(lambda: linked.append(disk.link_file(source.parent, source.name, self.folder, path)))
        if linked[-1] is None:
            return False
        with disk.parent_of(self.folder, path) as (parent, name):
            if linked[-1] != identity:  # the name was given to another file since it was read
                os.unlink(name, dir_fd=parent)
                return False
            if stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode) != disk.FILE_MODE:
                os.chmod(name, disk.FILE_MODE, dir_fd=parent)
        self._linked[path] = identity
        return True

    def _create(self, path: str, chunks: Callable[[], Iterator[bytes] | list[bytes]]) -> None:
        with disk_errors("a file could not be written", path):
            mtime_s = self.stamp(path)
            self._with_room(lambda: disk.create_file(self.folder, path, chunks(), mtime_s=mtime_s))

    @staticmethod
    def _from_start(opened: int) -> Iterator[bytes]:
        os.lseek(opened, 0, os.SEEK_SET)
        return disk.chunks_of(opened)

    def _with_room(self, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except OSError as error:
            if error.errno not in disk.FULL or not self.make_room():
                raise
            attempt()

    def _verify(self, staged: Staged) -> None:
        """The folder holds what the manifest will say, no more and no less.

        Files that were linked after their hash was checked are compared by inode, size and mtime; those that were read
        back when they were written, by inode, size and ctime; all others, and those that are not as they were, are read
        now, so that a write the disk lost is seen while the old site is still live.
        """
        expected = staged.files.keys() if self._home.shares_inodes else frozenset(staged.written)
        with disk_errors("the staged release cannot be verified", self.folder):
            missing, strangers = self._misplaced(expected)
            wrong = sorted((*missing, *strangers))
            with Descent(self.folder) as descent:
                to_read = self._touched(expected - missing if missing else expected)
                wrong += [path for path in sorted(to_read) if not self._is_sound(self._files[path], descent)]
        if wrong:
            raise OutputError(
                f"{len(wrong)} staged files are not what was written",
                code="VB6002",
                where=", ".join(wrong[:5]),
                hint="nothing was published; build again, and look at the disk if it happens twice",
            )

    def _misplaced(self, expected: Set[str]) -> tuple[Set[str], list[str]]:
        """(paths that are not there, paths that should not be). All paths are gathered only where one is missing: a
        large site has many."""
        count, strangers = 0, []
        for path in disk.files_below(self.folder):
            count += 1
            if path not in expected:
                strangers.append(path)
        if count - len(strangers) == len(expected):
            return frozenset(), strangers
        return expected - set(disk.files_below(self.folder)), strangers

    def _touched(self, among: Container[str]) -> list[str]:
        """Those of the paths whose files are not as their writer left them, or have no mark."""
        marks = zip(self._marks[::2], self._marks[1::2], strict=True)
        return [
            path
            for (path, file), mark in zip(self._files.items(), marks, strict=True)
            if path in among and (mark == UNMARKED or not is_untouched(self.folder, file, mark))
        ]

    def _is_sound(self, file: OutputFile, descent: Descent) -> bool:
        parent, name = descent.parent_of(file.path)
        linked = self._linked.get(file.path)
        if linked is not None:
            return Identity.of(os.stat(name, dir_fd=parent, follow_symlinks=False)) == linked
        sha256, identity = disk.fingerprint_in(parent, name)
        return sha256 == file.sha256 and identity.size_bytes == file.size_bytes
