"""JPEG: walk the segments, keep what the picture needs, cut everything behind its end."""

from __future__ import annotations

import re

from velobuild.media.exif import UPRIGHT, as_shown, only_orientation, orientation
from velobuild.media.pieces import Cut, Examined, View, count_part, damaged

SOI, EOI, SOS, APP0, APP1, APP2, APP14, COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
STANDALONE = {0x01, *range(0xD0, 0xD8)}
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JFIF = b"JFIF\0"
EXIF = b"Exif\0\0"
COLOUR_PROFILE = b"ICC_PROFILE\0"
NOT_FILL = re.compile(rb"[^\xff]")
# Ends the compressed data of a scan: a marker other than a stuffed zero, a fill byte or a restart.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
SEGMENTS_MAX = 20_000


def examine_jpeg(view: View) -> Examined:
    """Raises ProtocolError if the picture is not whole.

    JFIF, colour profile and Adobe's colour transform stay; EXIF is reduced to the orientation; comments, XMP, previews,
    further pictures and whatever follows the end of the picture go.
    """
    cut = Cut()
    at, parts, scans, size = 2, 0, 0, (0, 0)
    turned: int | None = None
    while True:
        parts = count_part(parts, most=SEGMENTS_MAX)
        # Some cameras leave stray bytes between segments; decoders skip them, and here they go.
        found = NOT_FILL.search(view, at + 1) if view[at] == 0xFF else MARKER.search(view, at)
        if found is None:
            raise damaged("the JPEG is cut short")
        start, at = found.end() - 2, found.end()
        marker = view[at - 1]
        if marker == EOI:
            cut.keep(start, at)
            break
        if marker in STANDALONE:
            cut.keep(start, at)
            continue
        end = at + int.from_bytes(view[at : at + 2], "big")
        if marker in (0x00, SOI) or end < at + 2 or end > len(view):
            raise damaged("a JPEG segment has no valid length")
        body = at + 2
        if marker in FRAMES:
            if size != (0, 0):
                raise damaged("a JPEG with several frames")
            size = int.from_bytes(view[body + 3 : body + 5], "big"), int.from_bytes(view[body + 1 : body + 3], "big")
        if marker == APP1 and view[body : body + 6] == EXIF:
            turned = turned or orientation(view[body + 6 : end])
        elif keeps(marker, view[body : body + 12]):
            if marker == SOS:
                scans += 1
                following = MARKER.search(view, end)
                if following is None:
                    raise damaged("the JPEG is cut short")
                end = following.start()
            cut.keep(start, end)
        at = end
    if not scans or 0 in size:
        raise damaged("the JPEG holds no picture")
    turned = turned or UPRIGHT
    width, height = as_shown(*size, turned)
    beginning = b"\xff\xd8" if turned == UPRIGHT else b"\xff\xd8" + exif_segment(turned)
    return Examined((beginning, *cut.pieces), width, height, size[0] * size[1])


def exif_segment(turned: int) -> bytes:
    tiff = only_orientation(turned)
    return b"\xff\xe1" + (2 + len(EXIF) + len(tiff)).to_bytes(2, "big") + EXIF + tiff


def keeps(marker: int, beginning: bytes) -> bool:
    if marker == APP2:
        return beginning == COLOUR_PROFILE
    if marker == APP0:
        return beginning[:5] == JFIF
    return marker == APP14 or not (APP0 <= marker <= 0xEF or marker == COM)
