"""Films and other foreign content: a frame where the site allows its host, else a link."""

from __future__ import annotations

import re

from velobuild.markup.urls import checked, host

YOUTUBE = re.compile(
    r"(?:https?:)?//(?:(?:www\.|m\.|music\.)?youtube(?:-nocookie)?\.com/(?:watch\?(?:[^#]*&)?v=|embed/|shorts/|live/|v/)"
    r"|youtu\.be/)([A-Za-z0-9_-]{6,20})(?![A-Za-z0-9_-])",
    re.ASCII,
)
VIMEO = re.compile(r"(?:https?:)?//(?:www\.|player\.)?vimeo\.com/(?:video/)?([0-9]{1,12})(?![0-9])", re.ASCII)
# The first one whose host is allowed is used: the one that sets no cookies comes first.
YOUTUBE_FRAMES = ("https://www.youtube-nocookie.com/embed/", "https://www.youtube.com/embed/")
VIMEO_FRAME = "https://player.vimeo.com/video/"


def frame_address(address: str, hosts: tuple[str, ...], *, start_s: int | None = None) -> str | None:
    """The address of a frame for what stands at `address`; None unless its host is one of `hosts`.

    `start_s` is where a film begins, in seconds.
    """
    allowed = {name.lower() for name in hosts}
    for candidate in _candidates(address, start_s):
        if candidate.startswith("https://") and host(candidate) in allowed:
            return candidate
    return None


def frame_host(address: str) -> str | None:
    """The host that must be allowed for a frame of what stands at `address`: the first that would do."""
    return next((host(candidate) for candidate in _candidates(address, None)), None)


def page_address(address: str) -> str | None:
    """Where a reader can see it without a frame; None for an address that cannot be linked to."""
    film = YOUTUBE.match(address)
    if film:
        return f"https://www.youtube.com/watch?v={film[1]}"
    film = VIMEO.match(address)
    return f"https://vimeo.com/{film[1]}" if film else checked(address, frozenset({"http", "https"}))


def _candidates(address: str, start_s: int | None) -> list[str]:
    film = YOUTUBE.match(address)
    if film:
        start = f"?start={start_s}" if start_s else ""
        return [f"{frame}{film[1]}{start}" for frame in YOUTUBE_FRAMES]
    film = VIMEO.match(address)
    if film:
        return [VIMEO_FRAME + film[1] + (f"#t={start_s}s" if start_s else "")]
    own = checked(address)
    if own is None:
        return []
    return ["https:" + own if own.startswith("//") else own]
