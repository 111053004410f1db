"""Pictures and bombs, made on the spot."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def painted(width: int = 64, height: int = 40, mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (width, height))
    picture.putdata([(x * 4 % 256, y * 6 % 256, x ^ y) for y in range(height) for x in range(width)])
    return picture.convert(mode)


def encoded(form: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    out = BytesIO()
    (picture or painted()).save(out, form, **options)
    return out.getvalue()


def with_position(orientation: int = 1) -> Image.Exif:
    """EXIF as a phone writes it: maker, orientation, and where the picture was taken."""
    exif = Image.Exif()
    exif[0x010F] = "SecretMaker"
    exif[0x0112] = orientation
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 12.5), "E", (13.0, 24.0, 18.5)
    return exif


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(width: int, height: int, *between: bytes, rows: bytes = b"\0" * 100) -> bytes:
    """A PNG whose header may promise anything."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + body + png_chunk(b"IEND", b"")


def text_bomb(unpacked_bytes: int) -> bytes:
    """A zTXt chunk that grows a thousandfold."""
    return png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * unpacked_bytes, 9))


def gif_of(frames: int, size: int = 1) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", size, size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, size, size, 0) + b"\x02\x02\x44\x01\0"
    return screen + frame * frames + b"\x3b"


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind + body


def film(*in_moov: bytes, after: bytes = b"") -> bytes:
    """The skeleton of an MP4."""
    head = box(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41")
    return head + box(b"moov", box(b"mvhd", b"\0" * 100), *in_moov) + box(b"mdat", b"frames" * 50) + after


def webm() -> bytes:
    return bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d4287810442858102") + b"\0" * 60
