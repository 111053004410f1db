"""GIF: walk the blocks, drop comments and applications other than the loop count, cut everything behind the end."""

from __future__ import annotations

from velobuild.media.pieces import Cut, Examined, View, count_part, damaged

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
COMMENT, APPLICATION = 0xFE, 0xFF
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def examine_gif(view: View) -> Examined:
    """Raises ProtocolError if the picture is not whole."""
    width, height = little(view, 6), little(view, 8)
    at = 13 + colours(view[10])
    cut = Cut()
    cut.keep(0, at)
    parts, frames, pixels = 0, 0, width * height
    while True:
        parts = count_part(parts)
        start, block = at, view[at]
        if block == TRAILER:
            cut.keep(at, at + 1)
            break
        if block == IMAGE:
            frames += 1
            pixels = max(pixels, little(view, at + 5) * little(view, at + 7))
            at = skip_blocks(view, at + 11 + colours(view[at + 9]))
            cut.keep(start, at)
        elif block == EXTENSION:
            label = view[at + 1]
            at = skip_blocks(view, at + 2)
            if label != COMMENT and (label != APPLICATION or view[start + 3 : start + 14] in LOOPS):
                cut.keep(start, at)
        else:
            raise damaged("a block of the GIF is of no known kind")
    if not frames or not width or not height:
        raise damaged("the GIF holds no picture")
    return Examined(tuple(cut.pieces), width, height, pixels, frames)


def little(view: View, at: int) -> int:
    return view[at] | view[at + 1] << 8


def colours(flags: int) -> int:
    """The length in bytes of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def skip_blocks(view: View, at: int) -> int:
    """The end of a chain of sub-blocks. IndexError means that it has none."""
    # A block may be one byte long: without a bound, 25 MB of them would take seconds.
    left = len(view) // 32 + 10_000
    while length := view[at]:
        at += 1 + length
        left -= 1
        if not left:
            raise damaged("the GIF consists of crumbs")
    return at + 1
