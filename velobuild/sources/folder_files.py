"""The files of a folder: found without following links to other folders, read without ever leaving the folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MARKDOWN = frozenset({".md", ".markdown"})
HTML = frozenset({".html", ".htm"})
# A file may change twice within the grain of its time stamp; FAT's is the coarsest, 2 s.
SETTLED_NS = 2_000_000_000


class Unreadable(Exception):
    """A file that cannot be taken in. The text says why, fit for a message."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the folder: `path` is relative, with slashes. `stamp` tells time, size and inode; "" if too young."""

    path: str
    size_bytes: int
    stamp: str

    @property
    def is_markdown(self) -> bool:
        return PurePosixPath(self.path).suffix.lower() in MARKDOWN


def walk(folder: Path, *, now_ns: int) -> Iterator[Found | tuple[str, Unreadable]]:
    """Every Markdown and HTML file below `folder`, by path; for what cannot be read, its path and the reason.

    What begins with `.` or `_` is left alone, as are links to other folders. `now_ns` is the present in nanoseconds.
    """
    root = folder.resolve()
    broken: list[tuple[str, Unreadable]] = []

    def failed(error: OSError) -> None:
        name = os.path.relpath(str(error.filename), folder)
        broken.append((name, Unreadable(f"the folder cannot be read: {error.strerror}")))

    found: list[Found | tuple[str, Unreadable]] = []
    for at, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        for name in names:
            suffix = PurePosixPath(name).suffix.lower()
            if name[0] in "._" or (suffix not in MARKDOWN and suffix not in HTML):
                continue
            file = Path(at, name)
            path = file.relative_to(folder).as_posix()
            try:
                found.append(_looked_at(file, path, root, now_ns))
            except Unreadable as error:
                found.append((path, error))
    yield from sorted([*found, *broken], key=lambda one: one.path if isinstance(one, Found) else one[0])


def _looked_at(file: Path, path: str, root: Path, now_ns: int) -> Found:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Unreadable("its name is not UTF-8") from error
    try:
        real = file.resolve(strict=True)
        if not real.is_relative_to(root):
            raise Unreadable("it is a link that leads out of the folder")
        seen = real.stat()
    except (OSError, RuntimeError) as error:
        raise Unreadable(_reason(error)) from error
    if not stat.S_ISREG(seen.st_mode):
        raise Unreadable("it is no file")
    settled = now_ns - seen.st_mtime_ns >= SETTLED_NS
    return Found(path, seen.st_size, f"{seen.st_mtime_ns}-{seen.st_size}-{seen.st_ino}" if settled else "")


def read(folder: Path, path: str, *, limit_bytes: int) -> bytes:
    """The file's bytes, at most `limit_bytes` and one more. Raises Unreadable."""
    try:
        real = (folder / path).resolve(strict=True)
        if not real.is_relative_to(folder.resolve()):
            raise Unreadable("it is a link that leads out of the folder")
        # Between the look and the opening it may have become a link, or a pipe that never ends.
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable("it is no file")
            return file.read(limit_bytes + 1)
    except (OSError, RuntimeError) as error:
        raise Unreadable(_reason(error)) from error


def _reason(error: OSError | RuntimeError) -> str:
    return f"it cannot be read: {(error.strerror if isinstance(error, OSError) else None) or error}"
