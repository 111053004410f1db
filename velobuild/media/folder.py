"""Pictures and other files that lie beside a folder's posts: taken from the disk, and never from outside the folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from velobuild.errors import GuardRefused, ProtocolError, SourceUnavailable
from velobuild.http.downloaded import Downloaded, NotModified, Validators
from velobuild.model.ports import Clock

CHUNK_BYTES = 1 << 20
# A file may change twice within the grain of its time stamp; FAT's is the coarsest, 2 s.
SETTLED_NS = 2_000_000_000


class FolderFiles:
    """The files below `folder`, by the paths of their addresses."""

    def __init__(self, folder: Path, *, limit_bytes: int, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._limit_bytes = limit_bytes

    def copy(self, url: str, into: Path, *, known: Validators | None = None) -> Downloaded | NotModified:
        """Copy the file into `into`; `NotModified` if it is the one that `known` tells of (time, size and inode).

        Raises GuardRefused (VB4002) for a path or link that leads out of the folder, SourceUnavailable (VB4001) for a
        file that is not there or cannot be read, ProtocolError (VB4003, VB4004) for what is no file or too large.
        """
        path = self._path(url)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise self._unreadable(path, error) from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ProtocolError("this is no file", code="VB4003", where=str(path))
            if found.st_size > self._limit_bytes:
                raise self._too_large(path)
            validators = Validators(etag=self._tag(found))
            if known is not None and known.etag is not None and known == validators:
                return NotModified()
            into.parent.mkdir(parents=True, exist_ok=True)
            size = 0
            with into.open("wb") as out:
                while chunk := self._read(descriptor, path):
                    size += len(chunk)
                    if size > self._limit_bytes:
                        raise self._too_large(path)
                    out.write(chunk)
        finally:
            os.close(descriptor)
        return Downloaded(into, size, validators)

    def _path(self, url: str) -> Path:
        """The real path of the file. What begins with a dot is not meant for readers: `.env`, `.git`."""
        relative = unquote(urlsplit(url).path).lstrip("/")
        parts = relative.split("/")
        if any(part in ("", "..") or part.startswith(".") or "\0" in part or "\\" in part for part in parts):
            raise GuardRefused("this is no path of a published file", code="VB4002", where=relative)
        try:
            root = self._folder.resolve(strict=True)
            path = root.joinpath(*parts).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise self._unreadable(self._folder / relative, error) from error
        if not path.is_relative_to(root):
            raise GuardRefused(
                "this file is a link that leads out of the folder",
                code="VB4002",
                where=str(self._folder / relative),
                hint="copy the file into the folder",
            )
        return path

    def _read(self, descriptor: int, path: Path) -> bytes:
        try:
            return os.read(descriptor, CHUNK_BYTES)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _too_large(self, path: Path) -> ProtocolError:
        return ProtocolError(
            f"the file has more than {self._limit_bytes:,} bytes",
            code="VB4004",
            where=str(path),
            hint="limits.media_bytes",
        )

    def _unreadable(self, path: Path, error: OSError | RuntimeError) -> SourceUnavailable:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return SourceUnavailable(
            f"the file cannot be read: {reason}",
            code="VB4001",
            where=str(path),
            hint="put the file there, or correct the address in the post",
        )

    def _tag(self, found: os.stat_result) -> str | None:
        """What changes when the file does; None while it is too young to tell."""
        if self._clock().timestamp() * 1e9 - found.st_mtime_ns < SETTLED_NS:
            return None
        return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
