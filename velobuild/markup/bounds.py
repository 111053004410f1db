"""Keeps hostile nesting from costing minutes.

HTML's own parsing rules take time in proportion to (elements × depth), and re-open every unclosed `<b>` in every
paragraph that follows: 500 KB of `<div>` took nh3 16 s, and 2 MB of `<b>` and `<p>` would need more memory than there
is. So a body that is large enough to hurt is first read by a small tokenizer which drops tags beyond fixed limits.

Why the limits hold: what this module lets through holds only tags that it understood itself, for every other `<` is
escaped, and comments and raw-text elements are taken out; so the parser sees the same tags. The stack kept here is
never shorter than the parser's: an element is taken off it only where the parser takes it off too.
"""

from __future__ import annotations

import re
from collections import Counter

from velobuild.markup.text import names

UNCHECKED_TAGS = 1_000
UNCHECKED_CHARACTERS = 64_000
"""Below both sizes the worst body costs well under a second, and nothing is read."""
DEPTH_MAX = 256
FORMATTING_MAX = 10
COST_MAX = 300_000
"""Elements that the parser may make, re-opened ones counted."""

VOID = names("area base br col embed hr img input link meta param source track wbr")
# Their start closes an open one of their kind, so authors often leave the end out; they cannot nest by themselves.
SELF_CLOSING = names("p li dt dd td th tr tbody thead tfoot caption colgroup option optgroup rb rt rtc rp")
FORMATTING = names("a b big code em font i nobr s small strike strong tt u")
# An end tag does not reach past these.
BARRIERS = names("table object applet marquee button")
# Their content is not markup, or follows rules of its own; no policy keeps them.
RAW = names("script style textarea title xmp iframe noembed noframes noscript plaintext select svg math template")
DROPPED = names("html head body frameset frame form image isindex listing")

NAME = r"[A-Za-z][A-Za-z0-9-]{0,30}"
# Possessive throughout: no text can make the match go back.
ATTRIBUTE = r"""(?:[\s/]++|(?<=["']))[^\s"'<>/=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++))?+"""
# Runs of `<` that begin nothing; a text may hold a million.
LONE = re.compile(r"<+(?![A-Za-z/!?])")
TAG = re.compile(rf"<(/?)({NAME})((?:{ATTRIBUTE}){{0,60}}+)\s*+/?>")


def is_small(html: str) -> bool:
    """Whether no nesting that fits into `html` can cost much."""
    return len(html) < UNCHECKED_CHARACTERS and html.count("<") < UNCHECKED_TAGS


def bounded(html: str, *, frames: bool = False, small_too: bool = False) -> tuple[str, bool]:
    """`html` with at most so much nesting as a parser can take in time, and whether anything was left out.

    Text is kept. `frames` keeps iframe tags. Small bodies come back as they are, unless `small_too` says that there
    are many.
    """
    if not small_too and is_small(html):
        return html, False
    html = LONE.sub(lambda run: "&lt;" * len(run[0]), html)
    return _Reader(html, frames).read()


class _Reader:
    def __init__(self, html: str, frames: bool) -> None:
        self._html = html
        self._frames = frames
        self._lower = html.lower()
        self._ends: dict[str, int] = {}
        self._stack: list[str] = []
        self._counts: Counter[str] = Counter()
        self._formatting = 0
        self._cost = 0
        self._cut = False

    def read(self) -> tuple[str, bool]:
        html, out, position = self._html, list[str](), 0
        while True:
            start = html.find("<", position)
            if start < 0:
                out.append(html[position:])
                return "".join(out), self._cut
            out.append(html[position:start])
            position, piece = self._at(start)
            out.append(piece)

    def _at(self, start: int) -> tuple[int, str]:
        """What the `<` at `start` becomes, and where reading goes on."""
        html = self._html
        tag = TAG.match(html, start)
        if tag is None:
            if html.startswith("<!--", start):
                return self._after("-->", start), ""
            if html.startswith(("<!", "<?"), start):
                return self._after(">", start), ""
            return start + 1, "&lt;"
        name = tag[2].lower()
        if name in RAW:
            end = tag.end() if tag[1] else self._after_raw(name, tag.end())
            return end, f"{tag[0]}</iframe>" if self._frames and name == "iframe" and not tag[1] else ""
        if name in DROPPED:
            return tag.end(), ""
        if tag[1]:
            self._close(name)
            return tag.end(), f"</{name}>"
        return tag.end(), tag[0] if self._open(name) else ""

    def _after(self, end: str, start: int) -> int:
        found = self._find(end, start)
        return found + len(end) if found >= 0 else len(self._html)

    def _after_raw(self, name: str, start: int) -> int:
        found = self._find(f"</{name}", start)
        return self._after(">", found) if found >= 0 else len(self._html) if name == "plaintext" else start

    def _find(self, needle: str, start: int) -> int:
        """Like `str.find` in lower case; what was once not found is not looked for again."""
        known = self._ends.get(needle)
        if known is None or 0 <= known < start:
            known = self._ends[needle] = self._lower.find(needle, start)
        return known

    def _open(self, name: str) -> bool:
        self._cost += 1 + self._formatting
        if self._cost > COST_MAX:
            self._cut = True
            return False
        if name in VOID or name in SELF_CLOSING:
            return True
        full = len(self._stack) >= DEPTH_MAX or (name in FORMATTING and self._formatting >= FORMATTING_MAX)
        if full:
            self._cut = True
            return False
        self._stack.append(name)
        self._counts[name] += 1
        self._formatting += name in FORMATTING
        return True

    def _close(self, name: str) -> None:
        if not self._counts[name]:
            return
        stack = self._stack
        index = len(stack) - 1
        while stack[index] != name:
            if stack[index] in BARRIERS:
                return
            index -= 1
        if name in FORMATTING:
            del stack[index]
            self._counts[name] -= 1
            self._formatting -= 1
            return
        # The parser closes what stands inside too, but remembers open formatting and opens it again later.
        inside = stack[index:]
        stack[index:] = [inner for inner in inside[1:] if inner in FORMATTING]
        self._counts.subtract(inner for inner in inside if inner not in FORMATTING)
