"""PNG: keep the chunks that show the picture, check their sums, drop text, time and everything unknown."""

from __future__ import annotations

import zlib

from velobuild.media.exif import UPRIGHT, as_shown, only_orientation, orientation
from velobuild.media.pieces import STEP_BYTES, Cut, Examined, View, count_part, damaged

SIGNATURE_BYTES = 8
CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
KEPT = CRITICAL | frozenset(b"tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT acTL fcTL fdAT".split())
PROFILE_BYTES_MAX = 4_000_000


def examine_png(view: View) -> Examined:
    """Raises ProtocolError if a sum is wrong or the end is missing. Compressed texts are dropped unopened.

    Width and height are as browsers show the picture: Chromium turns a PNG by its EXIF (it does not turn a WebP).
    """
    cut = Cut()
    cut.keep(0, SIGNATURE_BYTES)
    at, parts, frames, width, height, pictures = SIGNATURE_BYTES, 0, 0, 0, 0, 0
    turned = UPRIGHT
    while True:
        parts = count_part(parts)
        length, name = int.from_bytes(view[at : at + 4], "big"), view[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(view):
            raise damaged("the PNG is cut short")
        if (name == b"IHDR") != (parts == 1):
            raise damaged("the PNG does not begin with its header")
        body = at + 8
        if name == b"IHDR":
            width, height = (
                int.from_bytes(view[body : body + 4], "big"),
                int.from_bytes(view[body + 4 : body + 8], "big"),
            )
        if name == b"eXIf":
            turned = orientation(view[body : body + min(length, STEP_BYTES)])
            if turned != UPRIGHT:
                cut.put(chunk(b"eXIf", only_orientation(turned)))
        elif name in KEPT and not (name == b"iCCP" and is_bomb(view[body : body + length])):
            check_sum(view, at, end)
            cut.keep(at, end)
        elif not name or not name[0] & 0x20:
            raise damaged("the PNG holds a part that no reader knows")
        frames += name == b"fcTL"
        pictures += name == b"IDAT"
        at = end
        if name == b"IEND":
            break
    if not pictures or not width or not height:
        raise damaged("the PNG holds no picture")
    return Examined(tuple(cut.pieces), *as_shown(width, height, turned), width * height, max(frames, 1))


def check_sum(view: View, start: int, end: int) -> None:
    crc = 0
    for at in range(start + 4, end - 4, STEP_BYTES):
        crc = zlib.crc32(view[at : min(at + STEP_BYTES, end - 4)], crc)
    if crc != int.from_bytes(view[end - 4 : end], "big"):
        raise damaged("a sum in the PNG is wrong")


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def is_bomb(profile: bytes) -> bool:
    """Whether a colour profile cannot be unpacked within `PROFILE_BYTES_MAX`."""
    compressed = profile.partition(b"\0")[2][1:]
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(compressed, PROFILE_BYTES_MAX)
    except zlib.error:
        return True
    return not unpacker.eof
