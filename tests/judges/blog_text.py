"""The posts of one small blog, and the same text as HTML, as Markdown and as a document of blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph; `strong` and `code` are words of it, `link` leads to an address."""

    text: str
    strong: str = ""
    code: str = ""
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the library, shown with a caption."""

    file: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Items:
    texts: Sequence[str]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    pass


Part = Words | Heading | Code | Table | Picture | Items | Quote | Rule


@dataclass(frozen=True, slots=True)
class Entry:
    """A post as an author means it; `cover` is a file of the library."""

    slug: str
    title: str
    day: int
    parts: Sequence[Part]
    tags: Sequence[str] = ()
    excerpt: str = ""
    cover: str = ""

    @property
    def at(self) -> datetime:
        return datetime(2026, 3, self.day, 10, 0, tzinfo=UTC)


TITLE, TAGLINE, AUTHOR = "Salt & Water", "Cooking, slowly", "Mia Salt"
PICTURES: Mapping[str, tuple[str, tuple[int, int], str]] = {
    "pot.png": ("#b5522b", (640, 360), "A pot on a stove"),
    "leaf.png": ("#3c7a4e", (300, 400), "A bay leaf"),
}
"""Name → colour, width and height in pixels, and what it shows."""

POSTS: tuple[Entry, ...] = (
    Entry(
        "salt-the-water",
        "Salt the water",
        1,
        (
            Words("Ten grams a litre, and not before it boils.", strong="Ten grams"),
            Heading(2, "Why"),
            Words("Because it seasons from within.", link=("seasons", "https://example.org/salt")),
            Quote("As salty as the sea, they say."),
            Heading(3, "And why not"),
            Words("The sea has thirty-five grams."),
            Rule(),
            Words("So much for the saying."),
        ),
        ("Basics", "Salt"),
        "How much, and when.",
    ),
    Entry(
        "timer-in-python",
        "A kitchen timer",
        2,
        (
            Words("It counts with sleep and tells when it is done.", code="sleep"),
            Code("python", "import time\n\n\ndef boil(minutes: int) -> None:\n    time.sleep(minutes * 60)\n"),
            Words("A plain one:"),
            Code("", "$ timer 9 && echo done\n"),
        ),
        ("Code",),
    ),
    Entry(
        "times-in-a-table",
        "Pasta by the minute",
        3,
        (
            Words("Fresh and dried are different things."),
            Table(("Shape", "Fresh", "Dried"), (("Spaghetti", "3", "9"), ("Orecchiette", "5", "12"))),
            Words("Taste it a minute before."),
        ),
        ("Basics",),
    ),
    Entry(
        "the-pot",
        "The pot",
        4,
        (
            Words("One is enough."),
            Picture("pot.png", "A pot on a stove", "Five litres, and older than I am."),
            Words("It needs no polish."),
        ),
        ("Tools",),
        "One pot for everything.",
        "leaf.png",
    ),
    Entry(
        "what-to-buy",
        "What to buy",
        5,
        (
            Words("In this order:"),
            Items(("flour", "eggs", "patience"), ordered=True),
            Words("And in none:"),
            Items(("salt", "water")),
            Picture("leaf.png", "A bay leaf", "A leaf & nothing else."),
        ),
        ("Basics", "Tools"),
    ),
    Entry(
        "shay",
        "شاي بالنعناع",
        6,
        (Words("الشاي والنعناع والسكر."), Heading(2, "الماء"), Items(("نعناع", "سكر"))),
        ("شاي",),
    ),
    Entry(
        "miso",
        "味噌汁の朝",
        7,
        (Words("朝は味噌汁から。"), Quote("出汁が大事です。")),
        ("Salt",),
    ),
    Entry(
        "a-long-title",
        "A short history of the long argument about whether the lid belongs on the pot while the water is coming "
        "to the boil, with remarks on Donaudampfschifffahrtselektrizitätenhauptbetriebswerk kitchens",
        8,
        (Words("It does."), Words("Nobody argues about what comes after.", strong="after")),
        ("Tools",),
    ),
)

Address = Callable[[str], str]
"""The address of a file of the library, as a text of this CMS uses it."""


def as_html(parts: Sequence[Part], address: Address) -> str:
    """As an editor that writes HTML keeps it."""

    def one(part: Part) -> str:
        match part:
            case Words():
                return f"<p>{_inline(part, _HTML)}</p>"
            case Heading(level, text):
                return f"<h{level}>{escape(text, False)}</h{level}>"
            case Code(language, text):
                named = f' class="language-{language}"' if language else ""
                return f"<pre><code{named}>{escape(text, False)}</code></pre>"
            case Table(head, rows):
                cells = [_row("th", head), *(_row("td", row) for row in rows)]
                return f"<table><thead>{cells[0]}</thead><tbody>{''.join(cells[1:])}</tbody></table>"
            case Picture(file, alt, caption):
                shown = f'<img src="{address(file)}" alt="{escape(alt)}">'
                return f"<figure>{shown}<figcaption>{escape(caption, False)}</figcaption></figure>"
            case Items(texts, ordered):
                name = "ol" if ordered else "ul"
                return f"<{name}>{''.join(f'<li>{escape(text, False)}</li>' for text in texts)}</{name}>"
            case Quote(text):
                return f"<blockquote><p>{escape(text, False)}</p></blockquote>"
            case Rule():
                return "<hr>"

    return "".join(map(one, parts))


def as_markdown(parts: Sequence[Part], address: Address) -> str:
    """As a person writes it."""

    def one(part: Part) -> str:
        match part:
            case Words():
                return _inline(part, _MARKDOWN)
            case Heading(level, text):
                return f"{'#' * level} {text}"
            case Code(language, text):
                return f"```{language}\n{text}```"
            case Table(head, rows):
                return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
            case Picture(file, alt, caption):
                return f"![{alt}]({address(file)})\n\n/// caption\n{caption}\n///"
            case Items(texts, ordered):
                return "\n".join(f"{'1.' if ordered else '-'} {text}" for text in texts)
            case Quote(text):
                return f"> {text}"
            case Rule():
                return "---"

    return "\n\n".join(map(one, parts)) + "\n"


def as_blocks(parts: Sequence[Part], address: Callable[[str], Json]) -> Json:
    """As TipTap keeps it. `address` gives the attributes that name a file of the library."""

    def one(part: Part) -> Json:
        match part:
            case Words():
                return _node("paragraph", *_spans(part))
            case Heading(level, text):
                return _node("heading", _text(text), level=level)
            case Code(language, text):
                return _node("codeBlock", _text(text), **({"language": language} if language else {}))
            case Table(head, rows):
                cells = [_node("tableRow", *(_node("tableHeader", _node("paragraph", _text(cell))) for cell in head))]
                for row in rows:
                    cells.append(_node("tableRow", *(_node("tableCell", _node("paragraph", _text(c))) for c in row)))
                return _node("table", *cells)
            case Picture(file, _, caption):
                return _node("image", **address(file), caption=caption)
            case Items(texts, ordered):
                items = (_node("listItem", _node("paragraph", _text(text))) for text in texts)
                return _node("orderedList" if ordered else "bulletList", *items)
            case Quote(text):
                return _node("blockquote", _node("paragraph", _text(text)))
            case Rule():
                return _node("horizontalRule")

    return {"type": "doc", "content": [one(part) for part in parts]}


_HTML = {"strong": "<strong>{}</strong>", "code": "<code>{}</code>", "link": '<a href="{1}">{0}</a>'}
_MARKDOWN = {"strong": "**{}**", "code": "`{}`", "link": "[{0}]({1})"}


def _inline(words: Words, forms: Mapping[str, str]) -> str:
    text = escape(words.text, False) if forms is _HTML else words.text
    for name, marked in (("strong", words.strong), ("code", words.code)):
        text = text.replace(marked, forms[name].format(marked), 1) if marked else text
    return text.replace(words.link[0], forms["link"].format(*words.link), 1) if words.link else text


def _spans(words: Words) -> list[Json]:
    marks = {words.strong: {"type": "bold"}, words.code: {"type": "code"}}
    if words.link:
        marks[words.link[0]] = {"type": "link", "attrs": {"href": words.link[1]}}
    for marked, mark in marks.items():
        if marked:
            before, _, after = words.text.partition(marked)
            spans = [_text(before), _text(marked) | {"marks": [mark]}, _text(after)]
            return [span for span in spans if span["text"]]
    return [_text(words.text)]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{name}>{escape(cell, False)}</{name}>' for cell in cells)}</tr>"


def _text(words: str) -> Json:
    return {"type": "text", "text": words}


def _node(kind: str, *content: Json, **attrs: Any) -> Json:
    made: Json = {"type": kind, **({"attrs": attrs} if attrs else {})}
    return made | ({"content": list(content)} if content else {})
