"""What a file becomes, as a list of pieces of what it is.

Nothing here decodes a picture: readers of formats look at headers alone and say which parts to keep. So no picture,
however it is made, costs more than its own length, and what is kept is kept to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import MADV_DONTNEED, PAGESIZE, mmap

from velobuild.errors import ProtocolError

STEP_BYTES = 1 << 18
# So many parts are in no file that a program made in earnest; each costs a turn of a loop.
PARTS_MAX = 100_000
FRAMES_MAX = 2_000
View = bytes | mmap


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the source."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Zeros:
    """Metadata that was blanked where it stood, since other parts of the file count their place from its start."""

    length: int


Piece = Span | Zeros | bytes


@dataclass(slots=True)
class Cut:
    """Collects the pieces in order; neighbouring spans become one."""

    pieces: list[Piece] = field(default_factory=list)

    def keep(self, start: int, end: int) -> None:
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, Span) and last.end == start:
            self.pieces[-1] = Span(last.start, end)
        elif end > start:
            self.pieces.append(Span(start, end))

    def put(self, piece: Zeros | bytes) -> None:
        self.pieces.append(piece)


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that is what it says. Width and height are as shown, None for what is no picture.

    `pixels` is the largest area that a reader of the file has to hold at once.
    """

    pieces: tuple[Piece, ...]
    width_px: int | None = None
    height_px: int | None = None
    pixels: int = 0
    frames: int = 1


def chunks(view: View, pieces: tuple[Piece, ...]) -> Iterator[bytes]:
    """The bytes of the published file, at most `STEP_BYTES` at a time."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        start, end = (piece.start, piece.end) if isinstance(piece, Span) else (0, piece.length)
        for at in range(start, end, STEP_BYTES):
            until = min(at + STEP_BYTES, end)
            yield view[at:until] if isinstance(piece, Span) else bytes(until - at)
            if isinstance(view, mmap) and isinstance(piece, Span):
                forget(view, at, until)


def forget(view: mmap, start: int, end: int) -> None:
    """Tell the kernel that these bytes are not needed again, so that a large file never counts as our memory."""
    first = start - start % PAGESIZE
    view.madvise(MADV_DONTNEED, first, end - first)


def damaged(what: str) -> ProtocolError:
    return ProtocolError(f"the file is damaged: {what}", code="VB4003", hint="upload it again")


def count_part(count: int, *, most: int = PARTS_MAX) -> int:
    """One more than `count`. Raises ProtocolError once there are more than `most`."""
    if count >= most:
        raise damaged(f"it has more than {most} parts")
    return count + 1
