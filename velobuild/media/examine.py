"""One door to all readers of formats: is the file what its first bytes say, and what of it may be published?"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from velobuild.errors import ProtocolError
from velobuild.media import kinds
from velobuild.media.avif import examine_avif
from velobuild.media.boxes import examine_mp4
from velobuild.media.gif import examine_gif
from velobuild.media.jpeg import examine_jpeg
from velobuild.media.kinds import Kind, recognise
from velobuild.media.pieces import FRAMES_MAX, Examined, Span, View, damaged
from velobuild.media.png import examine_png
from velobuild.media.webp import examine_webp


def as_it_is(view: View) -> Examined:
    return Examined((Span(0, len(view)),))


READERS: Mapping[Kind, Callable[[View], Examined]] = MappingProxyType(
    {
        kinds.PNG: examine_png,
        kinds.JPEG: examine_jpeg,
        kinds.GIF: examine_gif,
        kinds.WEBP: examine_webp,
        kinds.AVIF: examine_avif,
        kinds.MP4: examine_mp4,
        kinds.M4A: examine_mp4,
    }
)


def examine(view: View, *, megapixels: int) -> tuple[Kind, Examined]:
    """What the file is and which pieces of it are published.

    Raises ProtocolError: VB4003 if it is not what it says or not whole, VB4004 if the picture has more than
    `megapixels` million pixels or more than `FRAMES_MAX` frames. Takes time in proportion to the file, never to the
    picture.
    """
    kind = recognise(view[: kinds.HEAD_BYTES])
    try:
        examined = READERS.get(kind, as_it_is)(view)
    except (IndexError, struct.error) as error:
        raise damaged("it is cut short") from error
    if examined.pixels > megapixels * 1_000_000:
        raise ProtocolError(
            f"the picture has {examined.pixels / 1e6:,.0f} million pixels, more than {megapixels}",
            code="VB4004",
            hint="make it smaller, or raise [limits] megapixels",
        )
    if examined.frames > FRAMES_MAX:
        raise ProtocolError(
            f"the animation has {examined.frames} frames, more than {FRAMES_MAX}",
            code="VB4004",
            hint="publish it as a film (MP4 or WebM)",
        )
    return kind, examined
