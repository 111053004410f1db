"""Block documents → HTML. The result is not safe yet: it goes through the sanitizer.

Read are the documents of TipTap and ProseMirror (`{"type": "doc", "content": […]}`), bare lists of blocks,
`{"blocks": […]}`, single blocks, and a text that holds any of these as JSON. A block that is not known shows what
stands in it, and a warning names it: nothing that an author wrote vanishes silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from velobuild.errors import ContentProblem, Diagnostic
from velobuild.http.strict_json import NotJson, parse, twofold
from velobuild.markup.blockwriter import NESTED, Show, Writer
from velobuild.markup.text import clean_text

REPAIRED = Diagnostic("VB3002", "characters that no page may hold were taken out of the text")
WRAPPINGS_MAX = 3
"""How many times a document may be JSON inside a JSON text."""


@dataclass(frozen=True, slots=True)
class Written:
    """HTML that is balanced and escaped, and what had to be left out or shown otherwise."""

    html: str
    warnings: tuple[Diagnostic, ...] = ()


def to_html(text: str, *, fragment: Callable[[str], str], embeds: tuple[str, ...] = ()) -> Written:
    """The block document in `text` (JSON) as HTML, not sanitized.

    `fragment` makes HTML that an author put into a block balanced, so that it cannot reach beyond its place. `embeds`
    are hosts whose frames are shown; others become links.

    Raises: ContentProblem (VB3001), if it is no such document, or too large, or nested too deeply.
    """
    document, repaired = _cleaned(_read(text))
    writer = Writer(shows(), fragment, embeds)
    html = writer.flow(_blocks(document))
    return Written(html, (*([REPAIRED] if repaired else []), *writer.warnings))


@cache
def shows() -> Mapping[str, Show]:
    """Block type → what shows it. Loaded with the first document: every source asks `holds_blocks`, most hold none."""
    from velobuild.markup.blocknodes import NODES
    from velobuild.markup.blocksections import SECTIONS

    return {**NODES, **SECTIONS}


def holds_blocks(value: Any) -> bool:
    """Whether a field of a CMS holds a block document with something in it, parsed or as JSON text."""
    if isinstance(value, str):
        return value.strip()[:1] in {"{", "["} and value.strip() not in {"{}", "[]"}
    if isinstance(value, dict):
        # A document without any block, `{"type": "doc"}`, is how an editor says that nothing was ever written in it.
        return any(bool(value.get(name)) for name in NESTED) or value.get("type") not in {None, "doc"}
    return isinstance(value, list) and bool(value)


def _read(text: str) -> Any:
    value: Any = text
    for _ in range(WRAPPINGS_MAX):
        try:
            value = parse(value.encode("utf-8", "replace"))
        except NotJson as error:
            raise _refused(f"the blocks of the body cannot be read: {error}") from error
        if not isinstance(value, str):
            break
    names = twofold(value)
    if names:
        raise _refused(f"the blocks of the body hold {', '.join(names[:5])} twice in one place")
    return value


def _blocks(document: Any) -> list[Any]:
    if document is None:
        return []
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        inner = document.get("blocks")
        if isinstance(inner, list) and "type" not in document:
            return inner
        if isinstance(document.get("type"), str) or any(isinstance(document.get(name), list) for name in NESTED):
            return [document]
    raise _refused("the body is no block document")


def _cleaned(value: Any) -> tuple[Any, bool]:
    """The value with every text in it cleaned. The depth was bounded when it was read."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        pairs = {name: _cleaned(inner) for name, inner in value.items()}
        return {name: inner for name, (inner, _) in pairs.items()}, any(changed for _, changed in pairs.values())
    if isinstance(value, list):
        inners = [_cleaned(inner) for inner in value]
        return [inner for inner, _ in inners], any(changed for _, changed in inners)
    return value, False


def _refused(what: str) -> ContentProblem:
    return ContentProblem(what, code="VB3001", hint="let the CMS deliver HTML, or save the post again in its editor")
