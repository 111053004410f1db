"""What a release holds, as a value and as a file; and what differs between two of them. Pure, but for `read`.

The file is a line of JSON about the release, one line for each file in the order of paths, and last the SHA-256 of
all lines before it: a manifest that was cut or changed says so itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from velobuild.errors import GuardRefused
from velobuild.model.outputs import OutputChange, OutputFile, OutputKind, Phase
from velobuild.publish.disk import disk_errors

VERSION = 1
LINES_TOGETHER = 1_000
PHASES = {str(phase): phase for phase in Phase}
NOTHING: Mapping[str, OutputFile] = {}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A release: its number (None in in-place mode), its files by path, and free text that the build keeps with it."""

    release: int | None
    files: Mapping[str, OutputFile]
    meta: Mapping[str, str]
    created_at: datetime
    previous: int | None = None
    """The release that was live before this one."""

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """A kept release, as `velobuild releases` lists it. What a damaged manifest cannot tell is None."""

    number: int
    created_at: datetime | None
    files: int | None
    size_bytes: int | None
    live: bool
    held: bool


class ManifestDamaged(ValueError):
    """The bytes are no manifest; the message says why."""


def encode(manifest: Manifest) -> bytes:
    return b"".join(encoded(manifest))


def encoded(manifest: Manifest) -> Iterator[bytes]:
    """The same in pieces: the file of a large site is as long as all that a build may hold otherwise."""
    head = {
        "version": VERSION,
        "release": manifest.release,
        "created_at": manifest.created_at.isoformat(),
        "previous": manifest.previous,
        "meta": dict(sorted(manifest.meta.items())),
    }
    checksum = hashlib.sha256()
    lines = chain([_line(head)], map(_file_line, map(manifest.files.__getitem__, sorted(manifest.files))))
    while piece := b"".join(islice(lines, LINES_TOGETHER)):
        checksum.update(piece)
        yield piece
    yield _line({"sha256": checksum.hexdigest()})


def holds(file: Path, manifest: Manifest) -> bool:
    """Whether the bytes of a file are those of the manifest. Raises OSError."""
    with file.open("rb") as written:
        return all(written.read(len(piece)) == piece for piece in encoded(manifest)) and not written.read(1)


def _file_line(file: OutputFile) -> bytes:
    return _line([file.path, file.sha256, file.size_bytes, str(file.phase)])


def _line(value: object) -> bytes:
    return f"{json.dumps(value, ensure_ascii=False)}\n".encode()


def decode(content: bytes) -> Manifest:
    """Raises ManifestDamaged."""
    return _decoded(BytesIO(content))


def _decoded(content: BinaryIO) -> Manifest:
    """Raises ManifestDamaged."""
    try:
        lines = islice(content, _checked(content))
        head = json.loads(next(lines))
        if head["version"] != VERSION:
            raise ManifestDamaged(f"its version is {head['version']}, this velobuild knows {VERSION}")
        files: dict[str, OutputFile] = {}
        while piece := b",".join(islice(lines, LINES_TOGETHER)):  # many times faster than line by line
            rows = json.loads(b"[" + piece + b"]")
            files.update((path, OutputFile(path, sha256, size, PHASES[phase])) for path, sha256, size, phase in rows)
        created_at = datetime.fromisoformat(head["created_at"])
        return Manifest(head["release"], files, head["meta"], created_at, head["previous"])
    except ManifestDamaged:
        raise
    except (ValueError, TypeError, KeyError, StopIteration) as error:
        raise ManifestDamaged("it is not written as a manifest is") from error


def _checked(content: BinaryIO) -> int:
    """How many lines there are before the checksum; `content` is at its beginning then. Raises ManifestDamaged where
    the checksum is that of other lines, ValueError where there is none."""
    checksum, count, end = hashlib.sha256(), 0, b""
    for line in content:
        if count:
            checksum.update(end)
        count, end = count + 1, line
    if json.loads(end) != {"sha256": checksum.hexdigest()}:
        raise ManifestDamaged("its checksum does not fit its lines")
    content.seek(0)
    return count - 1


def read(file: Path) -> Manifest | None:
    """The manifest in a file, None if there is no file. Raises GuardRefused VB5004 if it is damaged, OutputError."""
    try:
        with disk_errors("the manifest cannot be read", file):
            try:
                with file.open("rb") as content:
                    return _decoded(content)
            except FileNotFoundError:
                return None
    except ManifestDamaged as error:
        raise damaged(f"the manifest cannot be trusted: {error}", file) from error


def previous_in(file: Path) -> int | None:
    """The release that was live before, as the first line says, for which no checksum speaks; None where it says
    nothing. Raises OutputError."""
    with disk_errors("the manifest cannot be read", file):
        try:
            with file.open("rb") as content:
                previous = json.loads(content.readline())["previous"]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
    return previous if isinstance(previous, int) else None


def damaged(what: str, where: Path | str) -> GuardRefused:
    return GuardRefused(
        what, code="VB5004", where=str(where), hint="choose another release (`velobuild releases`), or build a new one"
    )


def compare(
    before: Mapping[str, OutputFile], after: Mapping[str, OutputFile], damaged: Collection[str] = ()
) -> tuple[OutputChange, ...]:
    """What happens to each path, in the order of paths. A path in `damaged` is rewritten though its hash is equal."""
    changes = []
    for path in sorted(before.keys() | after.keys() if before else after):
        old, new = before.get(path), after.get(path)
        if new is None:
            changes.append(OutputChange(path, OutputKind.REMOVED, None, 0))
            continue
        if old is None:
            kind = OutputKind.CREATED
        elif old.sha256 != new.sha256 or path in damaged:
            kind = OutputKind.REWRITTEN
        else:
            kind = OutputKind.UNCHANGED
        changes.append(OutputChange(path, kind, new.sha256, new.size_bytes))
    return tuple(changes)
