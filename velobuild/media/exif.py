"""Of all that EXIF says, the one thing that is needed to show a picture: which way is up."""

from __future__ import annotations

import struct

UPRIGHT = 1
LYING = (5, 6, 7, 8)
ORIENTATION_TAG = 0x0112
ENTRIES_MAX = 1000


def orientation(tiff: bytes) -> int:
    """The orientation (1 to 8) that a TIFF header and its first directory give; 1 if they give none that is valid."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for entry in range(min(count, ENTRIES_MAX)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * entry)
            if tag == ORIENTATION_TAG and kind == 3:
                return value if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def only_orientation(value: int) -> bytes:
    """A TIFF header with one directory that holds the orientation and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION_TAG, 3, 1, value, 0, 0)


def as_shown(width: int, height: int, value: int) -> tuple[int, int]:
    """Width and height after the picture was turned upright."""
    return (height, width) if value in LYING else (width, height)
