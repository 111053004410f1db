"""The body of a PolyCMS post: its server's HTML, or blocks where that HTML has lost something. Pure.

The server writes HTML when a post is saved. It does not know what its own editor calls quotes and code blocks, and puts
a comment in their place, text and all; `code`, `highlight`, `superscript` and `subscript` vanish without even that; and
sections of landing pages are left as markers, for a theme to fill; pictures lose their titles and captions. What the
author wrote is in `content_raw`, so it is shown instead wherever the HTML says less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

from velobuild.http.strict_json import NotJson, parse, twofold
from velobuild.markup.blocks import WRAPPINGS_MAX, holds_blocks

LOST = re.compile(r"<!--\s*(?:Unknown block type|Missing renderer)\b")
MARKED = re.compile(r"""data-type=["']?landing-block|<!--\s*landing_block:""")
# A mark of the document → the element that shows it, if the server wrote it.
SILENT: Mapping[str, str] = {"code": "<code", "highlight": "<mark", "superscript": "<sup", "subscript": "<sub"}
# The same of what a picture has beside its address.
OF_PICTURES: Mapping[str, str] = {"caption": "<figcaption", "title": " title="}
BY_NUMBER = re.compile(r"""(<img\b[^<>]*?\bsrc=)(["'])/media/(\d{1,18})\2""", re.IGNORECASE)
ATTRIBUTES = r"""(?:\s+[\w:-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'))?)*"""
MARKER = re.compile(
    rf"(?P<comment><!--\s*landing_block:)"
    rf"|<div(?P<attributes>(?=[^<]*landing-block){ATTRIBUTES})\s*>(?:(?!</?div\b).)*</div>",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"""\s([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def body_of(html: Any, document: Any) -> tuple[Any, Any, str | None]:
    """(HTML, blocks, what a reader misses): one of the first two says it all; where both are None, there is no body.

    `html` comes back as it is if it is no text, for its reader to complain about.
    """
    if html is not None and not isinstance(html, str):
        return html, None, None
    blocks = document_of(document)
    text = html or ""
    if blocks is not None and (not text.strip() or LOST.search(text) or MARKED.search(text) or _loses(text, blocks)):
        return None, blocks, None
    if MARKED.search(text):
        return None, _split(text), None
    missing = "parts of it that the CMS could not show are missing, and it keeps no document to show instead"
    return html, None, missing if LOST.search(text) else None


def document_of(value: Any) -> Any:
    """The block document in `content_raw`, out of the JSON text that it may be; None if there is none."""
    for _ in range(WRAPPINGS_MAX):
        if not isinstance(value, str):
            break
        try:
            value = parse(value.encode("utf-8", "replace"))
        except NotJson:
            return None
    if twofold(value):
        return None
    return value if isinstance(value, dict | list) and holds_blocks(value) else None


def with_addresses(html: Any, blocks: Any, media: Mapping[str, tuple[str, str | None]]) -> tuple[Any, Any]:
    """The body, its pictures that are known by their number alone given an address.

    `media` maps numbers to addresses and alternative texts. The server writes `/media/7`, where nothing need be.
    """
    if isinstance(html, str):

        def replaced(match: re.Match[str]) -> str:
            found = media.get(match[3])
            quoted = (
                found[0].replace("&", "&amp;").replace(match[2], "%22" if match[2] == '"' else "%27") if found else ""
            )
            return f"{match[1]}{match[2]}{quoted}{match[2]}" if found else match[0]

        html = BY_NUMBER.sub(replaced, html)
    return html, _addressed(blocks, media)


def _addressed(value: Any, media: Mapping[str, tuple[str, str | None]]) -> Any:
    """Nested no deeper than the JSON reader lets pass."""
    if isinstance(value, list):
        return [_addressed(inner, media) for inner in value]
    if not isinstance(value, dict):
        return value
    found = media.get(str(value.get("media_id"))) if "media_id" in value else None
    changed = {name: _addressed(inner, media) for name, inner in value.items()}
    if found and not value.get("src") and not value.get("url"):
        changed["src"] = found[0]
        if found[1] is not None and not isinstance(value.get("alt"), str):
            changed["alt"] = found[1]
    return changed


def _loses(html: str, blocks: Any) -> bool:
    """Whether the document says something that the HTML does not, and has no comment for."""
    gone = {mark for mark, element in SILENT.items() if element not in html}
    bare = {name for name, mark in OF_PICTURES.items() if mark not in html}
    unnumbered = "<ol start" not in html
    for node in _nodes(blocks):
        attrs = node.get("attrs")
        if isinstance(attrs, dict):
            if node.get("type") == "orderedList" and unnumbered and attrs.get("start") not in (None, 1):
                return True
            if node.get("type") == "image" and any(attrs.get(name) for name in bare):
                return True
        marks = node.get("marks")
        for mark in marks if isinstance(marks, list) else ():
            name = mark.get("type") if isinstance(mark, dict) else None
            if isinstance(name, str) and name in gone:
                return True
    return False


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            yield item
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)


def _split(html: str) -> list[dict[str, Any]]:
    """HTML with markers of landing blocks as a list of blocks: pieces of HTML, and what the markers hold."""
    blocks: list[dict[str, Any]] = []
    done = 0
    for match in MARKER.finditer(html):
        end = match.end() if match["comment"] is None else html.find("-->", match.end()) + len("-->")
        if end < match.end():
            break  # a comment that never ends takes the rest of the page with it, here as in a browser
        block = _marked(match, html[match.end() : end - len("-->")]) if match.start() >= done else None
        if block is not None:
            blocks += [_piece(html[done : match.start()]), block]
            done = end
    return [block for block in (*blocks, _piece(html[done:])) if block]


def _piece(html: str) -> dict[str, Any]:
    return {"type": "html_block", "data": {"html": html}} if html.strip() else {}


def _marked(match: re.Match[str], comment: str) -> dict[str, Any] | None:
    if match["comment"] is not None:
        block = _object(comment)
        return block if isinstance(block.get("type"), str) else None
    found = {name: unescape(one or other) for name, one, other in ATTRIBUTE.findall(match["attributes"])}
    if found.get("data-type") != "landing-block" or not found.get("data-block-type"):
        return None
    return {"type": found["data-block-type"], "data": _object(found.get("data-block-data", ""))}


def _object(text: str) -> dict[str, Any]:
    try:
        value = parse(text.encode("utf-8", "replace"))
    except NotJson:
        return {}
    return value if isinstance(value, dict) else {}
