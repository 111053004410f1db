"""Published files under the hash of their bytes. What lies here under its name is whole and was examined."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from velobuild.errors import OutputError, ProtocolError
from velobuild.media.examine import examine
from velobuild.media.kinds import Kind
from velobuild.media.pieces import Examined, chunks
from velobuild.model.assets import Asset

KEEP_INCOMING = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a file once it is in the store; the meaning of each field is that of `Asset`."""

    sha256: str
    size_bytes: int
    kind: Kind
    width_px: int | None
    height_px: int | None


class ObjectStore:
    """`folder/ab/cdef….ext`. Files are written beside, flushed and renamed; never opened again for writing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / ".incoming"
        # Threads would not be faster, since this is work of the processor, but each would hold a file's pages.
        self._one_at_a_time = Lock()

    def place(self, digest: str, extension: str) -> Path:
        return self._folder / digest[:2] / f"{digest[2:]}.{extension}"

    def holds(self, asset: Asset) -> bool:
        """Whether the file is there in its full length. A lost directory entry after a power cut shows here."""
        place = self.place(asset.sha256, asset.extension)
        return place.is_file() and place.stat().st_size == asset.size_bytes

    def incoming(self, url: str) -> Path:
        """Where the file of this URL is collected while it is being fetched."""
        return self._incoming / f"{sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()}.part"

    def admit(self, source: Path, *, megapixels: int) -> Stored:
        """Examine a file, free it of metadata and keep the result; `source` stays as it is.

        Raises ProtocolError (VB4003, VB4004) if it may not be published, OSError if the disk fails.
        """
        with self.temporary() as temporary, temporary.open("wb") as out:
            with self._one_at_a_time:
                name, kind, examined = clean(source, out, megapixels=megapixels)
            size = out.tell()
            # Readable by a web server, whatever the umask: releases hard-link these very files.
            os.fchmod(out.fileno(), 0o644)
            out.flush()
            os.fsync(out.fileno())
            place = self.place(name, kind.extension)
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(place)
        return Stored(name, size, kind, examined.width_px, examined.height_px)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """An empty file on the store's own file system; removed at the end unless it was renamed."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="tmp-", dir=self._incoming)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def sweep(self, now: datetime) -> None:
        """Remove what earlier runs left unfinished and nobody came back for."""
        oldest = (now - KEEP_INCOMING).timestamp()
        for path in sorted(self._incoming.glob("*")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def keep_only(self, hashes: Iterable[str]) -> None:
        """Remove every kept file whose hash is not named. Releases that link to it keep their own link."""
        kept = frozenset(hashes)
        for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]/*")):
            if path.parent.name + path.stem not in kept:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()


def clean(source: Path, out: BinaryIO, *, megapixels: int) -> tuple[str, Kind, Examined]:
    """Write what may be published of `source`; gives the hash of what was written. Raises ProtocolError."""
    if source.stat().st_size == 0:
        raise ProtocolError("the file is empty", code="VB4003")
    digest = sha256()
    with source.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as view:
        kind, examined = examine(view, megapixels=megapixels)
        for chunk in chunks(view, examined.pieces):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest(), kind, examined


@contextlib.contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Translate what the disk says. Raises OutputError: VB6001 if it is full, VB6002 for the rest."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                "the disk is full", code="VB6001", where=str(place), hint="free some space; what was fetched is kept"
            ) from error
        raise OutputError(
            f"a media file could not be kept: {error.strerror or error}",
            code="VB6002",
            where=str(error.filename or place),
            hint="check the folder's owner and permissions",
        ) from error
