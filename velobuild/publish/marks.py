"""New files that are read back while they are written, and the marks that show that nobody touched them since."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from velobuild.model.outputs import Mark, OutputFile
from velobuild.publish.disk import created, write_all

BITS = (1 << 64) - 1
"""As many as an array's number has. A clock may stand before 1970."""


def create_marked(parent: int, name: str, content: bytes, *, mtime_s: int | None = None) -> Mark:
    """A new file of mode 0644 in an open folder. Every byte is read back; the mark is of that moment.

    Raises OSError, and there is no file then.
    """
    with created(parent, name) as file:
        found = write_all(file, [content], mtime_s)
        at = 0
        while at < len(content):
            piece = os.pread(file, len(content) - at, at)
            if not piece or piece != content[at : at + len(piece)]:
                raise OSError(errno.EIO, "the file does not hold the bytes that were written")
            at += len(piece)
    return _mark(found)


def is_untouched(root: Path, file: OutputFile, mark: Mark) -> bool:
    """Whether the file below `root` has the mark still. Raises OSError.

    A folder above it that became a link is no matter: what it leads to is the same file, or has another mark.
    """
    found = os.lstat(f"{root}/{file.path}")
    return _mark(found) == mark and found.st_size == file.size_bytes


def _mark(found: os.stat_result) -> Mark:
    return found.st_ino & BITS, found.st_ctime_ns & BITS
