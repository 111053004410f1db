"""WebP: keep the chunks that show the picture; EXIF is reduced to the orientation, XMP and unknown chunks go."""

from __future__ import annotations

from collections.abc import Iterator

from velobuild.media.exif import UPRIGHT, only_orientation, orientation
from velobuild.media.pieces import STEP_BYTES, Cut, Examined, Span, View, count_part, damaged

KEPT = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
BITSTREAMS = frozenset({b"VP8 ", b"VP8L"})
XMP_FLAG, EXIF_FLAG = 0x04, 0x08
FRAME_HEADER_BYTES = 16


def examine_webp(view: View) -> Examined:
    """Raises ProtocolError if the picture is not whole. Whatever follows its declared length goes.

    Width and height are those of the canvas: browsers do not turn a WebP by its EXIF, of which the orientation is kept
    for programs that do.
    """
    size = 8 + little(view, 4, 4)
    if size > len(view):
        raise damaged("the WebP is cut short")
    cut = Cut()
    flags: bytes | None = None
    canvas, pixels, frames, turned, first = (0, 0), 0, 0, UPRIGHT, True
    for name, body, end in riff_chunks(view, 12, size):
        if name == b"VP8X" and first:
            flags = view[body : body + 10]
            canvas = 1 + little(view, body + 4, 3), 1 + little(view, body + 7, 3)
        elif name == b"EXIF":
            turned = orientation(view[body : min(end, body + STEP_BYTES)].removeprefix(b"Exif\0\0"))
        elif name in KEPT:
            cut.keep(body - 8, end)
        for width, height in bitstreams(view, name, body, end):
            frames += 1
            pixels = max(pixels, width * height)
            canvas = (width, height) if canvas == (0, 0) else canvas
        first = False
    if not frames or 0 in canvas:
        raise damaged("the WebP holds no picture")
    return with_header(cut, flags, turned, Examined((), *canvas, max(pixels, canvas[0] * canvas[1]), frames))


def with_header(cut: Cut, flags: bytes | None, turned: int, examined: Examined) -> Examined:
    """Write the header anew for what is left, with the flags of what is gone cleared."""
    extended, exif = b"", b""
    if flags is not None:
        if turned != UPRIGHT:
            exif = chunk(b"EXIF", only_orientation(turned))
        shown = flags[0] & ~(XMP_FLAG | EXIF_FLAG) | (EXIF_FLAG if exif else 0)
        extended = chunk(b"VP8X", bytes([shown]) + flags[1:])
    kept = sum(piece.end - piece.start for piece in cut.pieces if isinstance(piece, Span))
    length = 4 + len(extended) + kept + len(exif)
    header = b"RIFF" + length.to_bytes(4, "little") + b"WEBP" + extended
    pieces = (header, *cut.pieces, *([exif] if exif else []))
    return Examined(pieces, examined.width_px, examined.height_px, examined.pixels, examined.frames)


def riff_chunks(view: View, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of the body, and end with its padding, of each chunk."""
    parts = 0
    while at < end:
        parts = count_part(parts)
        length = little(view, at + 4, 4)
        until = at + 8 + length + (length & 1)
        if until == end + 1 and length & 1:
            until = end  # some writers forget the last byte of padding
        if until > end:
            raise damaged("a part of the WebP is cut short")
        yield view[at : at + 4], at + 8, until
        at = until


def bitstreams(view: View, name: bytes, body: int, end: int) -> Iterator[tuple[int, int]]:
    """Width and height of each picture that a chunk holds: none, its own, or that of an animation's frame."""
    if name == b"ANMF":
        for inner, start, until in riff_chunks(view, body + FRAME_HEADER_BYTES, end):
            if inner in BITSTREAMS:
                yield bitstream(view, inner, start, until)
    elif name in BITSTREAMS:
        yield bitstream(view, name, body, end)


def bitstream(view: View, name: bytes, body: int, end: int) -> tuple[int, int]:
    head = view[body : min(end, body + 10)]
    if name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        return little(head, 6, 2) & 0x3FFF, little(head, 8, 2) & 0x3FFF
    if name == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:
        bits = little(head, 1, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise damaged("a picture in the WebP has no header")


def chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1)


def little(view: View, at: int, length: int) -> int:
    taken = view[at : at + length]
    if len(taken) < length:
        raise damaged("the WebP is cut short")
    return int.from_bytes(taken, "little")
