"""The boxes of ISO media files, and MP4: what holds metadata is renamed to `free` and blanked where it stands.

Offsets in such files count from the start of the file, so nothing may move.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from velobuild.media.pieces import Cut, Examined, View, Zeros, count_part, damaged

# udta: the place in phones' films; meta: the same in Apple's; uuid: XMP and makers' own.
METADATA = frozenset({b"udta", b"meta", b"uuid"})
NONE: frozenset[bytes] = frozenset()
# Where to look for more of it, by depth. Bounded, since boxes can be nested without end.
CONTAINERS = (frozenset({b"moov", b"moof"}), frozenset({b"trak", b"traf"}), NONE)


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    start: int
    body: int
    end: int


def boxes(view: View, at: int, end: int) -> Iterator[Box]:
    """The boxes between two places. Raises ProtocolError if one does not end in time."""
    parts = 0
    while at + 8 <= end:
        parts = count_part(parts)
        length, kind, body = big(view, at, 4), view[at + 4 : at + 8], at + 8
        if length == 1:
            length, body = big(view, at + 8, 8), at + 16
        until = end if length == 0 else at + length
        if until < body or until > end:
            raise damaged("a part of the file is cut short")
        yield Box(kind, at, body, until)
        at = until


def examine_mp4(view: View) -> Examined:
    """Raises ProtocolError if the film is not whole."""
    cut = Cut()
    kinds = without_metadata(view, 0, len(view), cut, METADATA)
    if b"moov" not in kinds:
        raise damaged("the film has no table of contents")
    return Examined(tuple(cut.pieces))


def without_metadata(view: View, at: int, end: int, cut: Cut, blanked: frozenset[bytes], depth: int = 0) -> set[bytes]:
    """Keep all boxes, but blank those of the given kinds, in containers too. Gives the kinds that were met here."""
    met = set()
    for box in boxes(view, at, end):
        met.add(box.kind)
        if box.kind in blanked:
            cut.keep(box.start, box.start + 4)
            cut.put(b"free")
            cut.keep(box.start + 8, box.body)
            cut.put(Zeros(box.end - box.body))
        elif box.kind in CONTAINERS[depth]:
            cut.keep(box.start, box.body)
            without_metadata(view, box.body, box.end, cut, METADATA, depth + 1)
        else:
            cut.keep(box.start, box.end)
        at = box.end
    cut.keep(at, end)  # fewer bytes than a box has
    return met


def big(view: View, at: int, length: int) -> int:
    taken = view[at : at + length]
    if len(taken) < length:
        raise damaged("the file is cut short")
    return int.from_bytes(taken, "big")
