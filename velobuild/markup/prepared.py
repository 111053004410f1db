"""A body that is ready for the page but for its addresses, and how they are filled in.

Where a media file ends up, or at which address another post stands, is known late and changes alone. So a prepared
body holds a slot in place of each address: it can be kept as long as body and options are the same, and filling it is
one pass over the text. A slot is a kind letter and the number of a `Ref` between two control characters, which
`clean_text` takes out of all content before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from velobuild.errors import Diagnostic, Severity
from velobuild.markup.headings import Heading
from velobuild.markup.text import SLOT_CLOSE, SLOT_OPEN

RefKind = Literal["link", "image", "file"]
SlotKind = Literal["a", "z", "i", "s", "v", "p"]
"""Link start and end, picture, `<source>`, and the attributes src and poster of a player."""

SLOT = re.compile(f"{SLOT_OPEN}([a-z])([0-9]+){SLOT_CLOSE}")
# Nothing but a tag begins with a raw `<` here, and every value stands in double quotes.
FRAGMENT_LINK = re.compile(r'(<a(?: [^\s=">]+="[^"]*")*? href=")#')


@dataclass(frozen=True, slots=True)
class Ref:
    """An address in a body. `url` is absolute, root-relative, or (local pages only) relative; a fragment is kept.

    `width_px` and `height_px` are what the body says. `external` holds for links that leave the site and its CMS.
    `attributes` is the tag's other attributes as HTML, escaped, with a leading space.
    """

    kind: RefKind
    url: str
    alt: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    external: bool = False
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What stands in the page for a `Ref`. `alt` None keeps the body's own text.

    `placeholder` shows a box of class `missing` in the picture's size, with the alt text.
    """

    url: str
    width_px: int | None = None
    height_px: int | None = None
    alt: str | None = None
    placeholder: bool = False


# Made once: `json.dumps` makes one at each call.
_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Resolve = Callable[[Ref], Resolved | None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A safe body with slots. `text` is its plain beginning, for excerpts; `words` counts the whole of it."""

    html: str
    refs: tuple[Ref, ...] = ()
    toc: tuple[Heading, ...] = ()
    words: int = 0
    text: str = ""
    warnings: tuple[Diagnostic, ...] = ()


def slot(kind: SlotKind, number: int) -> str:
    """The mark that `fill` replaces."""
    return f"{SLOT_OPEN}{kind}{number}{SLOT_CLOSE}"


def attribute(name: str, value: str) -> str:
    """` name="value"`, escaped."""
    return f' {name}="{escape(value)}"'


def fill(prepared: Prepared, resolve: Resolve) -> str:
    """The final HTML. `resolve` is asked once for each ref, in their order.

    None drops a link (its text stays), a picture, or a player's file.
    """
    refs = prepared.refs
    if not refs:
        return prepared.html
    answers = [resolve(ref) for ref in refs]
    # The text between two slots, a slot's kind, its number, the text, and so on.
    pieces = SLOT.split(prepared.html)
    for at in range(1, len(pieces), 3):
        number = int(pieces[at + 1])
        answer = answers[number]
        pieces[at] = "" if answer is None else _filled(pieces[at], refs[number], answer)
        pieces[at + 1] = ""
    return "".join(pieces)


def _filled(kind: str, ref: Ref, answer: Resolved) -> str:
    if kind == "a":
        return f'<a href="{escape(answer.url)}"{ref.attributes}>'
    if kind == "z":
        return "</a>"
    if kind == "i":
        return _picture(ref, answer)
    if kind == "s":
        return f'<source src="{escape(answer.url)}"{ref.attributes}>'
    return f'{" src" if kind == "v" else " poster"}="{escape(answer.url)}"'


def with_fragments_at(html: str, url: str) -> str:
    """`html`, as `fill` gives it, with the page's address before links within the page: feeds show it elsewhere."""
    return FRAGMENT_LINK.sub(lambda found: f"{found[1]}{escape(url)}#", html)


def _picture(ref: Ref, answer: Resolved) -> str:
    alt = answer.alt if answer.alt is not None else ref.alt or ""
    width, height = answer.width_px, answer.height_px
    if answer.placeholder:
        return _placeholder(ref, alt, width or ref.width_px, height or ref.height_px)
    size = f' width="{width:d}"' if width else ""
    size += f' height="{height:d}"' if height else ""
    return f'<img src="{escape(answer.url)}" alt="{escape(alt)}"{size}{ref.attributes}>'


def _placeholder(ref: Ref, alt: str, width: int | None, height: int | None) -> str:
    """A box where a picture is missing: as wide and high as the picture, with its text where it can be read."""
    # An empty drawing gives the box its size: a `style` would be refused by a page's Content-Security-Policy.
    size = ""
    if width and height:
        box = f'width="{width:d}" height="{height:d}" viewBox="0 0 {width:d} {height:d}"'
        size = f'<svg {box} aria-hidden="true"></svg>'
    shown = alt or ref.url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return f'<span class="missing">{size}<span>{escape(shown, quote=False)}</span></span>'


def encode(prepared: Prepared) -> bytes:
    """`prepared` as bytes, for a memo table: one line of JSON, then the HTML as it is."""
    rest = [
        prepared.words,
        prepared.text,
        [[r.kind, r.url, r.alt, r.width_px, r.height_px, r.external, r.attributes] for r in prepared.refs],
        _plain_toc(prepared.toc),
        [[w.code, w.what, w.where, w.hint, w.severity.value, w.excerpt] for w in prepared.warnings],
    ]
    return f"{_plain(rest)}\n{prepared.html}".encode()


def decode(encoded: bytes) -> Prepared:
    """The inverse of `encode`. Raises: ValueError, if the bytes were not made by it."""
    head, newline, html = encoded.decode().partition("\n")
    if not newline:
        raise ValueError("not an encoded body")
    words, text, refs, toc, warnings = json.loads(head)
    return Prepared(
        html=html,
        refs=tuple([Ref(*row) for row in refs]),
        toc=_toc(toc),
        words=words,
        text=text,
        warnings=tuple([Diagnostic(c, what, at, hint, Severity(s), ex) for c, what, at, hint, s, ex in warnings]),
    )


def _plain_toc(toc: Iterable[Heading]) -> list[Any]:
    return [[h.level, h.id, h.title, _plain_toc(h.children)] for h in toc]


def _toc(rows: list[Any]) -> tuple[Heading, ...]:
    return tuple([Heading(level, id, title, _toc(children)) for level, id, title, children in rows])
