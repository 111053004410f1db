"""AVIF: size and rotation from the properties of the primary item; EXIF and XMP are blanked where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from velobuild.media.boxes import METADATA, Box, big, boxes, without_metadata
from velobuild.media.pieces import Cut, Examined, Piece, Span, View, Zeros, count_part, damaged

METADATA_ITEMS = frozenset({b"Exif", b"mime"})
# What stays of EXIF: where the TIFF header begins, and one without entries. Some decoders refuse a picture without.
EMPTY_EXIF = b"\0\0\0\0MM\0*\0\0\0\x08"
IN_FILE, IN_IDAT = 0, 1


@dataclass(slots=True)
class Items:
    """The tables of a `meta` box, as far as they matter here."""

    primary: int | None = None
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    properties: list[Box] = field(default_factory=list)
    owned: dict[int, list[int]] = field(default_factory=dict)


def examine_avif(view: View) -> Examined:
    """Raises ProtocolError if the picture is not whole."""
    cut = Cut()
    without_metadata(view, 0, len(view), cut, METADATA - {b"meta"})
    top = list(boxes(view, 0, len(view)))
    meta = next((box for box in top if box.kind == b"meta"), None)
    if meta is None:
        raise damaged("the AVIF has no table of contents")
    items = read_items(view, meta)
    idat = next((box for box in boxes(view, meta.body + 4, meta.end) if box.kind == b"idat"), None)
    stores = [box for box in (*top, idat) if box is not None and box.kind in (b"mdat", b"idat")]
    pieces: tuple[Piece, ...] = tuple(cut.pieces)
    blanked = 0
    for start, end, instead in sorted(metadata_places(items, idat)):
        if start < blanked or not any(box.body <= start <= end <= box.end for box in stores):
            raise damaged("a part of the AVIF lies outside its place")
        pieces = overwritten(pieces, start, end, instead)
        blanked = end
    width, height, pixels = size(view, items)
    return Examined(pieces, width, height, pixels)


def size(view: View, items: Items) -> tuple[int, int, int]:
    """Width and height as shown, and the largest area of any item."""
    extents = {
        number: (big(view, box.body + 4, 4), big(view, box.body + 8, 4))
        for number, box in enumerate(items.properties, 1)
        if box.kind == b"ispe"
    }
    own = items.owned.get(items.primary or 0, [])
    width, height = next((extents[number] for number in own if number in extents), (0, 0))
    if not width or not height:
        raise damaged("the AVIF does not say how large it is")
    turns = (items.properties[number - 1] for number in own if 0 < number <= len(items.properties))
    for turn in turns:
        if turn.kind == b"irot" and view[turn.body] & 1:
            width, height = height, width
    return width, height, max(w * h for w, h in extents.values())


def metadata_places(items: Items, idat: Box | None) -> Iterator[tuple[int, int, bytes]]:
    """From where to where metadata stands, and what is to begin in its place."""
    for item, kind in sorted(items.kinds.items()):
        if kind not in METADATA_ITEMS:
            continue
        for turn, (method, start, length) in enumerate(items.places.get(item, [])):
            if method == IN_IDAT and idat is not None:
                start += idat.body
            elif method != IN_FILE:
                raise damaged("metadata of the AVIF lies where it cannot be taken out")
            whole = kind == b"Exif" and turn == 0 and length >= len(EMPTY_EXIF)
            yield start, start + length, EMPTY_EXIF if whole else b""


def overwritten(pieces: tuple[Piece, ...], start: int, end: int, instead: bytes) -> tuple[Piece, ...]:
    """The pieces with the source's bytes from `start` to `end` replaced by `instead` and zeros."""
    changed: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, Span) or piece.end <= start or end <= piece.start:
            changed.append(piece)
            continue
        changed.append(Span(piece.start, start))
        changed.append(instead)
        changed.append(Zeros(end - start - len(instead)))
        changed.append(Span(end, piece.end))
    return tuple(changed)


def read_items(view: View, meta: Box) -> Items:
    items = Items()
    for box in boxes(view, meta.body + 4, meta.end):
        version = view[box.body] if box.end > box.body else 0
        at = box.body + 4
        if box.kind == b"pitm":
            items.primary = big(view, at, 4 if version else 2)
        elif box.kind == b"iinf":
            for entry in boxes(view, at + (4 if version else 2), box.end):
                wide = 4 if view[entry.body] >= 3 else 2
                place = entry.body + 4 + wide + 2
                items.kinds[big(view, entry.body + 4, wide)] = view[place : place + 4]
        elif box.kind == b"iloc":
            items.places = dict(read_places(view, at, version))
        elif box.kind == b"iprp":
            for inner in boxes(view, box.body, box.end):
                if inner.kind == b"ipco":
                    items.properties = list(boxes(view, inner.body, inner.end))
                elif inner.kind == b"ipma":
                    items.owned.update(read_owners(view, inner))
    return items


def read_places(view: View, at: int, version: int) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
    """Of each item: how it is stored, start and length of its parts."""
    lengths = big(view, at, 2)
    offset_size, length_size, base_size = lengths >> 12, lengths >> 8 & 15, lengths >> 4 & 15
    index_size = lengths & 15 if version else 0
    wide = 4 if version == 2 else 2
    count = big(view, at + 2, wide)
    at += 2 + wide
    parts = 0
    for _ in range(count):
        item = big(view, at, wide)
        at += wide
        method = big(view, at, 2) & 15 if version else IN_FILE
        at += 4 if version else 2
        base = big(view, at, base_size)
        extents = big(view, at + base_size, 2)
        at += base_size + 2
        places = []
        for _ in range(extents):
            parts = count_part(parts, most=1000)
            at += index_size
            start, length = big(view, at, offset_size), big(view, at + offset_size, length_size)
            at += offset_size + length_size
            places.append((method, base + start, length))
        yield item, places


def read_owners(view: View, box: Box) -> Iterator[tuple[int, list[int]]]:
    """Of each item: the numbers of its properties, counted from 1."""
    wide_item = 4 if view[box.body] else 2
    wide_property = 2 if view[box.body + 3] & 1 else 1
    count, at = big(view, box.body + 4, 4), box.body + 8
    for _ in range(count):
        item, owned = big(view, at, wide_item), big(view, at + wide_item, 1)
        at += wide_item + 1
        mask = 0x7FFF if wide_property == 2 else 0x7F
        yield item, [big(view, at + turn * wide_property, wide_property) & mask for turn in range(owned)]
        at += owned * wide_property
