"""What a file is, told by its first bytes alone: neither its name nor the server's word for it counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from velobuild.errors import ProtocolError

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of file that may be published."""

    extension: str
    mime_type: str


PNG = Kind("png", "image/png")
JPEG = Kind("jpg", "image/jpeg")
GIF = Kind("gif", "image/gif")
WEBP = Kind("webp", "image/webp")
AVIF = Kind("avif", "image/avif")
MP4 = Kind("mp4", "video/mp4")
M4A = Kind("m4a", "audio/mp4")
WEBM = Kind("webm", "video/webm")
MP3 = Kind("mp3", "audio/mpeg")
OGG = Kind("ogg", "audio/ogg")
PDF = Kind("pdf", "application/pdf")
KINDS = (PNG, JPEG, GIF, WEBP, AVIF, MP4, M4A, WEBM, MP3, OGG, PDF)

MP4_BRANDS = re.compile(rb"iso[m2-9]|mp4[12]|avc1|M4V |MSNV|dash|f4v ")
MARKUP = re.compile(rb"\s*<(?:!doctype|html|head|body|script|\?xml|\?php|svg|!--)", re.IGNORECASE)
SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)


def recognise(head: bytes) -> Kind:
    """The kind of a file that begins with `head` (`HEAD_BYTES` of it, or all of a shorter one).

    Raises ProtocolError (VB4003) for what may not be published.
    """
    for magic, kind in ((b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", JPEG), (b"OggS\0", OGG), (b"%PDF-", PDF)):
        if head.startswith(magic):
            return kind
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[:4] == b"\x1a\x45\xdf\xa3" and b"\x42\x82\x84webm" in head[:128]:
        return WEBM
    if head[:3] == b"ID3" or _is_mpeg_audio(head):
        return MP3
    raise ProtocolError(*_what_instead(head), code="VB4003", hint=_hint(head))


def _iso_media(head: bytes) -> Kind:
    length = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(length, 256), 4))]
    if b"avif" in brands or b"avis" in brands:
        return AVIF
    if brands[0] == b"M4A ":
        return M4A
    if any(MP4_BRANDS.fullmatch(brand) for brand in brands):
        return MP4
    raise ProtocolError(
        "the file is neither MP4 nor AVIF, though of their family",
        code="VB4003",
        hint="convert it: HEIC pictures to JPEG or AVIF, QuickTime films to MP4",
    )


def _is_mpeg_audio(head: bytes) -> bool:
    """Layer III with a bit rate and a sampling rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    return head[1] & 0x18 != 0x08 and head[2] & 0xF0 not in (0x00, 0xF0) and head[2] & 0x0C != 0x0C


def _what_instead(head: bytes) -> tuple[str]:
    if SVG.search(head):
        return ("the file is an SVG, which may hold scripts",)
    if MARKUP.match(head.removeprefix(b"\xef\xbb\xbf")):
        return ("the file is a web page, not a picture",)
    return ("the file is of a kind that is not published" if head else "the file is empty",)


def _hint(head: bytes) -> str:
    if SVG.search(head):
        return "export it as PNG or WebP, or put it into your theme's static folder"
    return "allowed are PNG, JPEG, GIF, WebP, AVIF, MP4, M4A, WebM, MP3, Ogg and PDF"
