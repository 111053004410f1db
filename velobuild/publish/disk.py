"""The disk, taken at its word only after a look: new files, links, hashes and flushes below one folder.

Nothing here follows a symlink below the folder it is given, and nothing opens an existing file for writing: the
releases share their inodes, so writing to one file would change it in every release at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from velobuild.errors import OutputError

FILE_MODE = 0o644
FOLDER_MODE = 0o755
CHUNK_BYTES = 1 << 16
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that someone put in a file's place must not wait for a writer.
READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# A file system without hard links, a link limit reached, or another mount: the bytes are copied instead.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS})
HINTS = {
    errno.EROFS: "the file system is read-only: remount it, or set build.out to a folder that can be written",
    errno.EACCES: "give the user who runs velobuild write access to the folder",
    errno.EPERM: "give the user who runs velobuild write access; an immutable attribute (lsattr) also does this",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.EFBIG: "a limit on file sizes is set (ulimit -f)",
    errno.EIO: "the disk reports an error: look at the system's log (dmesg) before building again",
    errno.EXDEV: "put the output folder and .velobuild on one file system",
    errno.ELOOP: "a symlink stands in the way: remove it",
    errno.ENOTDIR: "a file or symlink stands where a folder is needed: remove it",
}


class Identity(NamedTuple):
    """What tells an inode and its bytes from another without reading it."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def output_error(error: OSError, what: str, where: Path | str) -> OutputError:
    """VB6001 where the disk is full or the quota used up, else VB6002."""
    full = error.errno in FULL
    hint = HINTS.get(error.errno or 0, "look at the folder's permissions and at the disk")
    if full:
        hint = "free some space (`velobuild releases` shows what older releases take), then build again"
    reason = error.strerror or str(error)
    return OutputError(f"{what}: {reason}", code="VB6001" if full else "VB6002", where=str(where), hint=hint)


@contextmanager
def disk_errors(what: str, where: Path | str) -> Iterator[None]:
    """Every OSError inside becomes an OutputError that says what could not be done, and where."""
    try:
        yield
    except OSError as error:
        raise output_error(error, what, where) from error


def look(path: Path) -> os.stat_result | None:
    """What is at `path`, links not followed; None only if there is certainly nothing. Raises OSError.

    Not `exists()` and its kin: some of them take a disk that cannot answer for an absence.
    """
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_folder(path: Path) -> bool:
    """A real folder, not a link to one. Raises OSError."""
    found = look(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_link(path: Path) -> bool:
    """Raises OSError."""
    found = look(path)
    return found is not None and stat.S_ISLNK(found.st_mode)


def remove_tree(folder: Path, *, ignore_errors: bool = False) -> None:
    """`shutil.rmtree`, whose module loads three packers: a build that removes nothing does without."""
    import shutil

    shutil.rmtree(folder, ignore_errors=ignore_errors)


def make_folder(folder: Path) -> None:
    """`folder` and its parents, new ones with mode 0755 whatever the umask. Raises OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        with suppress(FileExistsError):
            new.mkdir()
            new.chmod(FOLDER_MODE)


class Descent:
    """The way from a folder down to where the last file lay, kept open: the next file most often lies beside it.

    No part of it is a symlink, however late one was planted: O_NOFOLLOW on a whole path would guard its last name only.
    Files in the order of their paths need the fewest calls. Of one thread and one process.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: list[str] = []
        self._open: list[int] = []

    def __enter__(self) -> Descent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def parent_of(self, path: str, *, create: bool = False) -> tuple[int, str]:
        """The open folder in which `root/path` lies, valid until the next call, and its last name. Raises OSError."""
        *names, name = path.split("/")
        if not self._open:
            self._open.append(os.open(self._root, FOLDER))
        if names != self._names:
            shared = takewhile(lambda pair: pair[0] == pair[1], zip(names, self._names, strict=False))
            self._climb(sum(1 for _ in shared))
            for folder in names[len(self._names) :]:
                self._open.append(_enter(self._open[-1], folder, create=create))
                self._names.append(folder)
        return self._open[-1], name

    def close(self) -> None:
        """Let go of all folders; the next call opens them anew."""
        self._climb(-1)

    def _climb(self, depth: int) -> None:
        while len(self._open) > depth + 1:
            os.close(self._open.pop())
        del self._names[max(0, depth) :]


def _enter(here: int, name: str, *, create: bool) -> int:
    if not create:
        return os.open(name, FOLDER, dir_fd=here)
    # Not opened first: where files are created, most folders are new.
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=here)
    except FileExistsError:  # from before, or another worker made it in the meantime
        return os.open(name, FOLDER, dir_fd=here)
    there = os.open(name, FOLDER, dir_fd=here)
    try:
        _set_mode(there, os.fstat(there), FOLDER_MODE)
    except BaseException:
        os.close(there)
        raise
    return there


def _set_mode(opened: int, found: os.stat_result, mode: int) -> bool:
    """Whether it had another mode: the umask, or a default of the folder above, may have given one."""
    if stat.S_IMODE(found.st_mode) == mode:
        return False
    os.fchmod(opened, mode)
    return True


@contextmanager
def parent_of(root: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder in which `root/path` lies, and its last name."""
    with Descent(root) as descent:
        yield descent.parent_of(path, create=create)


def create_file(root: Path, path: str, chunks: Iterable[bytes], *, mtime_s: int | None = None) -> None:
    """A new file of mode 0644 with exactly these bytes, or none at all. Raises OSError (EEXIST if it exists).

    The size is read back: a disk that took fewer bytes than it said must not publish a cut page.
    """
    with parent_of(root, path, create=True) as (parent, name):
        create_in(parent, name, chunks, mtime_s=mtime_s)


def create_in(parent: int, name: str, chunks: Iterable[bytes], *, mtime_s: int | None = None) -> None:
    """`create_file` in an open folder."""
    with created(parent, name) as file:
        write_all(file, chunks, mtime_s)


@contextmanager
def created(parent: int, name: str) -> Iterator[int]:
    """A new file, open; gone again if the block fails."""
    file = os.open(name, NEW_FILE, FILE_MODE, dir_fd=parent)
    try:
        try:
            yield file
        finally:
            os.close(file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=parent)
        raise


def write_all(file: int, chunks: Iterable[bytes], mtime_s: int | None) -> os.stat_result:
    """What the file is in the end, with its time and its mode."""
    size = 0
    for chunk in chunks:
        left = memoryview(chunk)
        size += len(left)
        while left:
            written = os.write(file, left)
            if written == 0:
                raise OSError(errno.EIO, "nothing could be written")
            left = left[written:]
    if mtime_s is not None:
        os.utime(file, (mtime_s, mtime_s))
    found = os.fstat(file)
    if found.st_size != size:
        raise OSError(errno.EIO, f"the file has {found.st_size} bytes, {size} were written")
    return os.fstat(file) if _set_mode(file, found, FILE_MODE) else found


@contextmanager
def open_regular(parent: int | None, name: str | Path) -> Iterator[int]:
    """A plain file for reading. A symlink, FIFO, device or folder raises OSError; none of them is waited for."""
    file = os.open(name, READ_FILE, dir_fd=parent)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", str(name))
        yield file
    finally:
        os.close(file)


def chunks_of(file: int) -> Iterator[bytes]:
    while chunk := os.read(file, CHUNK_BYTES):
        yield chunk


def digest(file: int) -> str:
    """SHA-256 of an open file from where it stands, in lower-case hex."""
    found = hashlib.sha256()
    for chunk in chunks_of(file):
        found.update(chunk)
    return found.hexdigest()


def fingerprint_file(root: Path, path: str) -> tuple[str, Identity]:
    """SHA-256 and identity of `root/path`. Raises OSError if it, or a folder above it, is a link or not what it was."""
    with parent_of(root, path) as (parent, name):
        return fingerprint_in(parent, name)


def fingerprint_in(parent: int, name: str) -> tuple[str, Identity]:
    """`fingerprint_file` in an open folder."""
    with open_regular(parent, name) as file:
        return digest(file), Identity.of(os.fstat(file))


def link_file(source_root: Path, source: str, root: Path, path: str) -> Identity | None:
    """Hard-link a file that is there already; None where the file system cannot. Raises OSError otherwise."""
    with parent_of(source_root, source) as (old, old_name), parent_of(root, path, create=True) as (new, new_name):
        try:
            os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        except OSError as error:
            if error.errno in NO_LINKS:
                return None
            raise
        return Identity.of(os.stat(new_name, dir_fd=new, follow_symlinks=False))


def files_below(root: Path) -> Iterator[str]:
    """Every path below `root` that is not a folder, as `a/b`; symlinks are named, never followed. Raises OSError."""
    place, waiting = os.fspath(root), [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(f"{place}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
                else:
                    yield path


def replace_file(file: Path, content: bytes | Iterable[bytes]) -> None:
    """`file` becomes `content` (its pieces, one after the other) in one step and survives a power cut.

    Raises OSError; the old file then stays.
    """
    prepared = prepare_file(file, content)
    try:
        os.replace(prepared, file)
    except BaseException:
        with suppress(OSError):
            prepared.unlink()
        raise
    sync_folder(file.parent)


def prepare_file(file: Path, content: bytes | Iterable[bytes]) -> Path:
    """`content`, flushed, under a temporary name beside `file`, so that only a rename is left to do. Raises OSError."""
    prepared = file.with_name(f".tmp-{file.name}")
    with suppress(FileNotFoundError):
        prepared.unlink()
    create_file(file.parent, prepared.name, [content] if isinstance(content, bytes) else content)
    try:
        _fsync(prepared, os.O_RDONLY)
    except BaseException:
        with suppress(OSError):
            prepared.unlink()
        raise
    return prepared


def sync_folder(folder: Path) -> None:
    """The folder's own entries reach the disk."""
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def flush(root: Path, files: Iterable[str]) -> None:
    """Everything below `root`, of which `files` is new, reaches the disk.

    Raises OSError; it must not be tried again then. After a failed flush the kernel may have dropped the pages and
    report success the next time, so whoever calls this throws the folder away. One `syncfs` where there is one (it
    reports errors since Linux 5.8): for 1,000 files it is many times faster than a flush of each.
    """
    if _syncfs(root):
        return
    folders = {""}
    for path in files:
        _fsync(root / path, os.O_RDONLY)
        folders.update(path[:at] for at, character in enumerate(path) if character == "/")
    for folder in sorted(folders, key=len, reverse=True):
        sync_folder(root / folder)


def _syncfs(root: Path) -> bool:
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return False
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if call(folder) == 0:
            return True
        number = ctypes.get_errno()
    finally:
        os.close(folder)
    if number == errno.ENOSYS:
        return False
    raise OSError(number, os.strerror(number))


def _fsync(path: Path, flags: int) -> None:
    file = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as error:
        # Some file systems have nothing to flush for a folder and say so with EINVAL.
        if error.errno != errno.EINVAL or not flags & os.O_DIRECTORY:
            raise
    finally:
        os.close(file)
