"""Live reload: what open pages are told, and what is put into a page while it is served, never before.

A page is told nothing of what changed. It asks whether *it* is another page now, and so stays as it is, with whatever
was typed or opened in it, if it is not; if its style sheets alone are, they are swapped.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import re
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FOLDER = "/.velobuild/"
"""Where the preview's own addresses lie; no site has this folder, since dot files are never published."""
SCRIPT = Path(__file__).with_name("reload.js")
BREATH_S = 15.0
"""How often a silent stream says that it lives: so the preview notices a browser that is gone."""
LINK = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
STYLESHEET = re.compile(r"""\brel\s*=\s*["']?[^"'>]*\bstylesheet\b""", re.IGNORECASE)
HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
POLICY = re.compile(
    r"""(<meta\b[^>]*http-equiv\s*=\s*["']?Content-Security-Policy["']?[^>]*\bcontent\s*=\s*")([^"]*)(")""",
    re.IGNORECASE,
)
HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)

FileOf = Callable[[str], Path | None]
"""The file of the present release behind an address of the site, if there is one."""


@dataclass(frozen=True, slots=True)
class State:
    """What is true now. `version` counts builds; `assets` is the last version that brought another static file."""

    version: int = 0
    assets: int = 0
    findings: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class Hub:
    """The state, and the pages that wait for the next one. Told from any thread."""

    session: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = field(default_factory=State)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)
    _closed: bool = False

    def built(self, *, assets: bool, findings: Sequence[dict[str, Any]] = ()) -> None:
        """A build went live. `assets`: a static file is another, which no page need show."""
        version = self.state.version + 1
        self._tell(State(version, version if assets else self.state.assets, tuple(findings)))

    def failed(self, findings: Sequence[dict[str, Any]]) -> None:
        """A build did not, and the site is as it was."""
        self._tell(replace(self.state, findings=tuple(findings)))

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            self._closed = True
            self._wake()

    def _tell(self, state: State) -> None:
        with self._lock:
            self.state = state
            self._wake()

    def _wake(self) -> None:
        for loop, event in self._waiting:
            loop.call_soon_threadsafe(event.set)

    async def stream(self) -> AsyncIterator[str]:
        """Server-sent events: the state at once, and each one that follows."""
        waiting = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.append(waiting)
        try:
            told: State | None = None
            while not self._closed:
                waiting[1].clear()
                state = self.state
                yield ": \n\n" if state is told else f"data: {self.as_json(state)}\n\n"
                told = state
                try:
                    await asyncio.wait_for(waiting[1].wait(), BREATH_S)
                except TimeoutError:
                    continue
        finally:
            with self._lock:
                self._waiting.remove(waiting)

    def as_json(self, state: State) -> str:
        return json.dumps(
            {
                "session": self.session,
                "version": state.version,
                "assets": state.assets,
                "findings": list(state.findings),
            }
        )


@dataclass(frozen=True, slots=True)
class PageMark:
    """What a page is, apart from its style sheets, and those with the hash of each: equal marks, equal pages."""

    page: str
    styles: tuple[tuple[str, str], ...]


def mark_of(text: str, file_of: FileOf) -> PageMark:
    """The mark of a page's HTML."""
    hrefs: list[str] = []

    def without_address(found: re.Match[str]) -> str:
        if not STYLESHEET.search(found[0]):
            return found[0]
        href = HREF.search(found[0])
        hrefs.append(html.unescape(next((one for one in href.groups() if one is not None), "")) if href else "")
        return HREF.sub("", found[0], count=1)

    bare = LINK.sub(without_address, text)
    return PageMark(_hash(bare.encode()), tuple((href, _hash_of_file(href, file_of)) for href in hrefs))


def _hash_of_file(href: str, file_of: FileOf) -> str:
    file = file_of(href.partition("#")[0].partition("?")[0]) if href.startswith("/") else None
    try:
        # By its address too: a sheet that moved is fetched again, whatever is in it.
        return _hash(href.encode() + b"\n" + file.read_bytes()) if file is not None else _hash(href.encode())
    except OSError:
        return _hash(href.encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def with_script(text: str, *, mark: PageMark, hub: Hub, version: int, origin: str) -> str:
    """The page with the preview's script in it, and with leave for just that script in the page's own policy.

    `origin` is where the browser sees the preview; `version` the state from before the page was read.
    """
    address = f"{origin}{FOLDER}reload.js"
    tag = (
        f'<script src="{html.escape(address)}" defer data-session="{hub.session}" data-version="{version}" '
        f'data-page="{mark.page}" data-styles="{html.escape(json.dumps(mark.styles))}"></script>'
    )
    text = POLICY.sub(
        lambda found: (
            found[1]
            + html.escape(allowing(html.unescape(found[2]), origin), quote=True).replace("&#x27;", "'")
            + found[3]
        ),
        text,
    )
    end = HEAD_END.search(text)
    return f"{text}{tag}" if end is None else f"{text[: end.start()]}{tag}{text[end.start() :]}"


def allowing(policy: str, origin: str) -> str:
    """A Content-Security-Policy that also lets the preview's script be loaded and ask the preview, and nothing else."""
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        name, *sources = part.split() or [""]
        if name:
            directives.setdefault(name.lower(), sources)
    default = directives.get("default-src")
    wanted = {"script-src": f"{origin}{FOLDER}reload.js", "connect-src": f"{origin}{FOLDER}"}
    if "script-src-elem" in directives:
        wanted["script-src-elem"] = wanted["script-src"]
    for name, source in wanted.items():
        present = directives.get(name, default)
        if present is not None:
            directives[name] = [*(one for one in present if one.lower() != "'none'"), source]
    return "; ".join(" ".join([name, *sources]) for name, sources in directives.items())
