"""Walking a block document: what a block is, how its children are put together, and the bounds that hold for all.

A `Block` is read the same way whatever its spelling: `{"type", "attrs", "content"}` of TipTap and ProseMirror,
`{"type", "data"}` of page builders, and `landingBlock`, which wraps the second in the first. Whatever has another
shape than it should counts as missing; nothing in a document makes the walk fail but its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from velobuild.errors import ContentProblem, Diagnostic
from velobuild.markup.blockmarks import NAME_CHARS_MAX, Span, key, marks_of
from velobuild.markup.prepared import attribute
from velobuild.markup.urls import FILE_SCHEMES, checked

BLOCKS_MAX = 100_000
DEPTH_MAX = 100
FRAGMENTS_MAX = 1_000
"""Pieces of HTML inside one document that are read as HTML; the rest is shown as it is written."""
WARNINGS_MAX = 20
COLUMNS_MAX = 1_000
"""As in browsers: no cell spans more."""

NESTED = ("content", "blocks", "children", "columns_data")
MARKUP = re.compile(r"[<&]")
HAS_BLOCKS = re.compile(r"<(?:p|h[1-6]|ul|ol|dl|pre|blockquote|table|div|section|figure|details|hr)\b")
BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """`name` as the document spells it; `kind` is its `key`. `fields` are its attributes and data together."""

    name: str
    kind: str
    fields: Mapping[str, Any]
    children: Sequence[Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Block:
        name, fields, children = _text_of(raw, "type"), _fields(raw), _children(raw)
        if key(name) == "landingblock":
            inner = fields.get("data")
            fields = inner if isinstance(inner, dict) else fields
            attrs = raw.get("attrs")
            name = _text_of(attrs, "type") if isinstance(attrs, dict) else ""
        return cls(name, key(name), fields, children or _children(fields))

    def text(self, *names: str) -> str:
        """The first of these fields that holds text (or a number); "" if none does."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, str) and value.strip():
                return value.strip()
            if isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
        return ""

    def number(self, name: str, *, most: int = 99_999) -> int | None:
        """A whole number of 1 to `most`, written as one, or with `px` behind it."""
        value = self.fields.get(name)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}(?:px)?", value, re.ASCII):
            value = int(value.removesuffix("px"))
        if isinstance(value, float) and value == value // 1:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            return None
        return min(value, most)

    def items(self, name: str) -> list[Block]:
        """The objects of a list in the data."""
        listed = self.fields.get(name)
        return [Block.of(item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []

    def truth(self, name: str) -> bool:
        return self.fields.get(name) in (True, "true", 1, "1")


Show = Callable[[Block, "Writer"], str]


class Writer:
    """One document's way into HTML, and the warnings that it gave.

    `fragment` makes HTML that stands in the document fit to be put between other blocks: balanced, at least.
    """

    def __init__(self, shows: Mapping[str, Show], fragment: Callable[[str], str], embeds: tuple[str, ...]) -> None:
        self._shows = shows
        self._fragment = fragment
        self.embeds = embeds
        self._warnings: dict[Diagnostic, None] = {}
        self._blocks = 0
        self._fragments = 0
        self._depth = 0
        self._top = 0

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(self._warnings)

    def warn(self, what: str, hint: str | None = None) -> None:
        """Note a warning, once, and not without end."""
        if len(self._warnings) < WARNINGS_MAX:
            self._warnings[Diagnostic("VB3002", what, hint=hint)] = None

    def flow(self, children: Sequence[Any], *, paragraphs: bool = True) -> str:
        """The children one after the other. `paragraphs` puts text that stands by itself between blocks into `<p>`.

        Raises: ContentProblem (VB3001), if the document is too large or nested too deeply.
        """
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._too_much("the document is nested too deeply")
        pieces: list[str] = []
        run: list[Span] = []
        for number, child in enumerate(children):
            if self._depth == 1:
                self._top = number + 1
            self._blocks += 1
            if self._blocks > BLOCKS_MAX:
                raise self._too_much(f"the document holds more than {BLOCKS_MAX:,} blocks")
            span = self._span(child)
            if span is not None:
                run.append(span)
                continue
            pieces.append(_run(run, paragraphs))
            run = []
            if isinstance(child, dict):
                pieces.append(self._block(Block.of(child), paragraphs))
            elif isinstance(child, list):
                pieces.append(self.flow(child, paragraphs=paragraphs))
            elif child is not None:
                self.warn("something that is no block was left out of the document")
        pieces.append(_run(run, paragraphs))
        self._depth -= 1
        return "".join(pieces)

    def inside(self, block: Block, *, paragraphs: bool = True) -> str:
        """What stands in a block."""
        return self.flow(block.children, paragraphs=paragraphs)

    def only_text(self, block: Block) -> str:
        """What stands in a block that holds words alone, or one paragraph of them, without its `<p>`."""
        children = [child for child in block.children if isinstance(child, dict)]
        if len(children) == 1 and len(block.children) == 1 and key(_text_of(children[0], "type")) == "paragraph":
            return self.flow(_children(children[0]), paragraphs=False)
        return self.flow(block.children, paragraphs=False)

    def rich(self, value: Any) -> str:
        """A field that holds HTML, or blocks."""
        if isinstance(value, list):
            return self.flow(value)
        if isinstance(value, dict):
            return self.flow(_children(value) or [value])
        if not isinstance(value, str) or not value.strip():
            return ""
        html = self.html(value)
        return html if HAS_BLOCKS.search(html) else f"<p>{html}</p>" if html.strip() else ""

    def html(self, text: str) -> str:
        """A piece of HTML from the document, made fit."""
        if not MARKUP.search(text):
            return escape(text, quote=False)
        self._fragments += 1
        if self._fragments > FRAGMENTS_MAX:
            self.warn(f"HTML in more than {FRAGMENTS_MAX:,} blocks of the document is shown as it is written")
            return escape(text, quote=False)
        return self._fragment(text)

    def _span(self, child: Any) -> Span | None:
        """The child as a piece of running text, if it is one."""
        if isinstance(child, str):
            return Span(escape(child, quote=False))
        if not isinstance(child, dict):
            return None
        kind = key(_text_of(child, "type"))
        text = child.get("text")
        if isinstance(text, str) and kind in {"text", ""}:
            return Span(escape(text, quote=False), marks_of(child.get("marks"), self.warn))
        if kind in INLINE:
            return Span(INLINE[kind](Block.of(child)), marks_of(child.get("marks"), self.warn))
        if kind == "image" and child.get("marks"):
            return Span(self._block(Block.of(child), paragraphs=False), marks_of(child.get("marks"), self.warn))
        return None

    def _block(self, block: Block, paragraphs: bool) -> str:
        show = self._shows.get(block.kind)
        if show is not None:
            return show(block, self)
        if block.name:
            named = f"“{block.name[:NAME_CHARS_MAX]}”"
            self.warn(f"a block of the kind {named} is not known; what stands in it is shown plainly")
        if block.children:
            return self.inside(block, paragraphs=paragraphs)
        return "".join([self.rich(block.fields.get(name)) for name in ("heading", "title", "text", "html", "caption")])

    def _too_much(self, what: str) -> ContentProblem:
        return ContentProblem(
            what, code="VB3001", where=f"block {self._top:,}", hint="divide the post, or let the CMS deliver HTML"
        )


def _run(run: list[Span], paragraphs: bool) -> str:
    html = Span.joined(run)
    if not paragraphs:
        return html
    return f"<p>{html}</p>" if html.strip() else ""


def _text_of(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in raw.items() if name not in {"type", "attrs", "marks"}}
    for name in ("attrs", "data"):
        inner = raw.get(name)
        if isinstance(inner, dict):
            fields |= inner
    return fields


def _children(raw: Mapping[str, Any]) -> Sequence[Any]:
    for name in NESTED:
        value = raw.get(name)
        if isinstance(value, list) and value:
            return value
    return ()


def words(text: str) -> str:
    """Plain text as it stands in HTML: line breaks are kept."""
    return escape(text, quote=False).replace("\n", "<br>")


def paragraphs(text: str) -> str:
    """Plain text in `<p>`, one for each piece between empty lines."""
    return "".join(f"<p>{words(piece.strip())}</p>" for piece in BLANK_LINES.split(text) if piece.strip())


def look(block: Block, *classes: str) -> str:
    """The attributes that any element may carry, `classes` before the author's. The sanitizer picks from them."""
    aligned = block.text("textAlign", "alignment", "align")
    names = [*classes, *([f"align-{aligned}"] if aligned in {"center", "right"} else []), block.text("class")]
    found = (("class", " ".join(filter(None, names))), *((name, block.text(name)) for name in ("id", "dir", "lang")))
    return "".join(attribute(name, value) for name, value in found if value)


def file_address(block: Block, *names: str) -> str | None:
    """The first of these fields that holds an address of a file."""
    found = (value for name in names if isinstance(value := block.fields.get(name), str) and value.strip())
    return checked(next(found, ""), FILE_SCHEMES)


def anchor(address: str, label: str) -> str:
    """A link around plain words; the words alone, where the address cannot be linked to."""
    url = checked(address)
    return f"<a{attribute('href', url)}>{words(label or url)}</a>" if url else words(label)


def _mention(block: Block) -> str:
    name = block.text("label", "name", "id")
    sign = block.text("mentionSuggestionChar") or "@"
    return escape(name if name.startswith(sign) else sign + name, quote=False) if name else ""


def _emoji(block: Block) -> str:
    name = block.text("name", "shortcode")
    return escape(block.text("emoji", "native", "text") or (f":{name.strip(':')}:" if name else ""), quote=False)


def _formula(block: Block) -> str:
    formula = block.text("latex", "formula", "text")
    return f'<span class="arithmatex">\\({escape(formula, quote=False)}\\)</span>' if formula else ""


INLINE: Mapping[str, Callable[[Block], str]] = {
    "hardbreak": lambda block: "<br>",
    "mention": _mention,
    "hashtag": _mention,
    "emoji": _emoji,
    "inlinemath": _formula,
    "mathinline": _formula,
}
