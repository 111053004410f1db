"""Rewriting safe HTML: addresses become slots, and code, headings, tables, tasks and frames get what readers need.

Works on the text that a serializer wrote (`markup.tags`) of sanitized HTML, or of trusted HTML for those who ask for
it. It only removes elements, or writes text that was escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape

from velobuild.errors import Diagnostic
from velobuild.markup import highlight
from velobuild.markup.bounds import VOID
from velobuild.markup.headings import Heading, Ids, Levels
from velobuild.markup.prepared import Ref, SlotKind, attribute, slot
from velobuild.markup.tags import (
    ATTRIBUTE,
    BLANK,
    OPAQUE,
    TAG,
    attributes_of,
    end_of,
    serialized_value,
    text_of,
    without_opaque,
)
from velobuild.markup.text import first_words, one_line
from velobuild.markup.urls import FILE_SCHEMES, absolute, checked, host, origin

CLOSED = "a|h[1-6]|table"
OPENED = "a|img|h[1-6]|pre|table|input|iframe|video|audio|source"
# Groups: the name of an end tag; the name of a start tag, and its attributes.
TOUCHED = re.compile(rf"<(?:/({CLOSED})|({OPENED})( [^>]*)?)>")
IMAGE = re.compile(r"<img(?: [^>]*)?>")
CODE = re.compile(r"<code( [^>]*)?>")
CAPTION = re.compile(r"<caption(?: [^>]*)?>")
ALIGNED = re.compile(rf'{OPAQUE.pattern}|(?P<aligned><[a-z][^>]* align="[^>]*>)', re.DOTALL)
ALIGN = re.compile(r' align="[^"]*"')
CLASS = re.compile(r' class="[^"]*"')
NAME = re.compile(r"<(/?)([a-zA-Z][^ >]*)")
TABLE = re.compile(r"<table(?: [^>]*)?>")
LANGUAGE_CLASS = re.compile(r"(?:^|\s)lang(?:uage)?-([^\s]{1,40})")
PIXELS = re.compile(r"[0-9]{1,5}(?:px)?$")
HIGHLIGHT_CHARACTERS_MAX = 300_000
"""Code of one body beyond this stays plain, so that no body takes long."""
TASK_LABEL_WORDS = 12
NOT_OF_IMAGES = frozenset({"loading", "decoding", "srcset", "sizes"})


@dataclass(slots=True)
class Rewriting:
    """One pass over one body, and what it found."""

    base_url: str | None
    own_origins: frozenset[str]
    colour: bool
    trusted: bool
    refs: list[Ref] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    _html: str = ""
    _passed: int = 0
    """Up to here nothing is touched: it was taken out, or is shown in another way."""
    _ends: list[tuple[str, str | None]] = field(default_factory=list)
    """For each open element that may need another end tag: its name, and that end tag."""
    _levels: Levels = field(default_factory=Levels)
    _ids: Ids | None = None
    _regions: dict[str, int] = field(default_factory=dict)
    _coloured: int = 0
    _pictures: int = 0

    def run(self, html: str) -> str:
        """`html` rewritten in document order: where an address stood, there is a slot."""
        html = _with_classes_for_alignment(html) if ' align="' in html else html
        # In it everything is looked for, so that nothing is found in a script. Sanitized HTML has none.
        self._html = markup = without_opaque(html) if self.trusted else html
        pieces: list[str] = []
        done = 0
        ends = self._ends
        for tag in TOUCHED.finditer(markup):
            start, end = tag.span()
            if start < self._passed:
                continue
            ended, name, given = tag.groups()
            if not ended:
                written = self._opened(name, given or "", end)
            elif ends and ends[-1][0] == ended:
                written = ends.pop()[1]
            else:
                continue
            if written is not None:
                pieces += (html[done:start], written)
                done = max(end, self._passed)
        pieces.append(html[done:])
        return "".join(pieces)

    def _opened(self, name: str, given: str, end: int) -> str | None:
        """What stands instead of a start tag that ends at `end`, and of what is up to `_passed`; None: it stays."""
        if name == "a":
            return self._link(given)
        if name == "img":
            return self._image(attributes_of(given))
        if name[0] == "h":
            return self._heading(name, given, end)
        if name == "pre":
            return self._code(given, end)
        if name == "table":
            return self._table(given, end)
        if name == "iframe":
            return self._frame(given, end)
        if name == "input":
            return None if self.trusted else self._control(given, end)
        return self._player(name, given)

    def _ref(self, ref: Ref) -> int:
        self.refs.append(ref)
        return len(self.refs) - 1

    def _address(self, value: str | None) -> str | None:
        """The address if it is one that can be resolved: the web's or relative, not a fragment of this body."""
        if not value or value[0] == "#":
            return None
        return checked(value, FILE_SCHEMES)

    def _link(self, given: str) -> str | None:
        attributes = attributes_of(given)
        url = self._address(attributes.pop("href", None))
        if url is None:
            self._ends.append(("a", None))
            return None
        target = absolute(url, self.base_url)
        external = _is_elsewhere(target[: target.find("/", len("https://"))], self.own_origins)
        if attributes:
            rel = attributes.pop("rel", "").split()
            rel += [word for word in ("noopener", "external") if external and word not in rel]
            rest = attribute("rel", " ".join(rel)) if rel else ""
            rest += "".join([attribute(name, value) for name, value in attributes.items()])
        else:
            rest = ' rel="noopener external"' if external else ""
        number = self._ref(Ref("link", target, None, None, None, external, rest))
        self._ends.append(("a", slot("z", number)))
        return slot("a", number)

    def _image(self, attributes: dict[str, str]) -> str | None:
        url = self._address(attributes.pop("src", None))
        if url is None:
            if self.trusted:
                return None
            self.warnings.append(Diagnostic("VB3002", "a picture without a usable address was left out"))
            return ""
        alt, width, height = (attributes.pop(name, None) for name in ("alt", "width", "height"))
        self._pictures += 1
        rest = f' loading="{"eager" if self._pictures == 1 else "lazy"}" decoding="async"'
        rest += "".join([attribute(k, v) for k, v in attributes.items() if k not in NOT_OF_IMAGES])
        address = absolute(url, self.base_url)
        return slot("i", self._ref(Ref("image", address, alt, _pixels(width), _pixels(height), False, rest)))

    def _heading(self, name: str, given: str, end: int) -> str | None:
        stop = end_of(self._html, name, end)
        inner = self._html[end:stop]
        title = one_line(text_of(inner))
        if not title:
            texts = [attributes_of(image).get("alt") for image in IMAGE.findall(inner)]
            if all(text is None for text in texts) and BLANK in inner:
                self._ends.append((name, None))  # A heading of nothing but a script is its owner's business.
                return None
            if all(text is None for text in texts):
                self._passed = stop + len(name) + len("</>")
                return ""
            title = one_line(" ".join(text or "" for text in texts))
        attributes = attributes_of(given)
        own_id = attributes.pop("id", "") or self._new_id(title)
        placed = self._levels.place(int(name[1]))
        self.headings.append(Heading(placed, own_id, title))
        self._ends.append((name, f"</h{placed}>"))
        rest = "".join([attribute(name, value) for name, value in attributes.items()])
        return f"<h{placed}{attribute('id', own_id)}{rest}>"

    def _new_id(self, title: str) -> str:
        if self._ids is None:
            taken = TAG.findall(self._html) if ' id="' in self._html else []
            self._ids = Ids(attributes_of(tag).get("id", "") for tag in taken if ' id="' in tag)
        return self._ids.of(title)

    def _code(self, given: str, end: int) -> str:
        # A block that scrolls must be reachable by keyboard.
        plain = f"<pre{_with(given, 'tabindex', '0')}>"
        if not self.colour:
            return plain
        stop = end_of(self._html, "pre", end)
        inner = self._html[end:stop]
        attributes = attributes_of(given)
        code_tag = CODE.search(inner)
        names = f"{attributes.get('class', '')} {attributes_of(code_tag[0]).get('class', '') if code_tag else ''}"
        named = LANGUAGE_CLASS.search(names)
        if not named:
            return plain
        language, code = named[1], text_of(inner)
        coloured = highlight.highlight(code, language) if self._within_budget(code) else None
        if coloured is None:
            if self._within_budget(code):
                self._warn_once(f"the language {language!r} of a code block is not known; it stays plain")
            return plain
        self._coloured += len(code)
        self._passed = stop + len("</pre>")
        own_id = attributes.get("id")
        return (
            f'<pre class="highlight"{attribute("id", own_id) if own_id else ""} tabindex="0">'
            f"<code{attribute('class', 'language-' + language)}>{coloured}</code></pre>"
        )

    def _within_budget(self, code: str) -> bool:
        if self._coloured + len(code) <= HIGHLIGHT_CHARACTERS_MAX and len(code) <= highlight.CODE_CHARACTERS_MAX:
            return True
        self._warn_once("a long code block was left without colours")
        return False

    def _warn_once(self, what: str) -> None:
        if all(warning.what != what for warning in self.warnings):
            self.warnings.append(Diagnostic("VB3002", what))

    def _table(self, given: str, end: int) -> str:
        inner = self._html[end : end_of(self._html, "table", end)]
        caption = CAPTION.search(inner) if "<caption" in inner else None
        if caption:
            label = one_line(text_of(inner[caption.end() : end_of(inner, "caption", caption.end())]))
        else:
            label = self.headings[-1].title if self.headings else "Table"
        count = self._regions[label] = self._regions.get(label, 0) + 1
        # Two regions of a page must not have the same name.
        named = attribute("aria-label", label if count == 1 else f"{label} ({count})")
        self._ends.append(("table", "</table></div>"))
        return f'<div class="table-scroll" tabindex="0" role="region"{named}><table{given}>'

    def _player(self, name: str, given: str) -> str | None:
        attributes = attributes_of(given)
        found = False
        for key in ("src", "poster"):
            url = self._address(attributes.get(key))
            if url is None:
                continue
            found = True
            address = absolute(url, self.base_url)
            if name == "source":
                rest = "".join([attribute(k, v) for k, v in attributes.items() if k not in {"src", "srcset"}])
                return slot("s", self._ref(Ref("file", address, attributes=rest)))
            # The whole attribute is the slot's, for that may turn out empty.
            kind: SlotKind = "v" if key == "src" else "p"
            given = re.sub(rf' {key}="[^"]*"', slot(kind, self._ref(Ref("file", address))), given, count=1)
        if name == "source" and not self.trusted:
            return ""
        return f"<{name}{given}>" if found else None

    def _frame(self, given: str, end: int) -> str | None:
        attributes = attributes_of(given)
        source = attributes.get("src")
        if not source:
            self._passed = end_of(self._html, "iframe", end) + len("</iframe>")
            return ""
        titled = given if attributes.get("title") else _with(given, "title", f"Embedded content from {host(source)}")
        return f"<iframe{titled}>"

    def _control(self, given: str, end: int) -> str:
        if attributes_of(given).get("type") != "checkbox":
            return ""
        label = first_words(_text_after(self._html, end), TASK_LABEL_WORDS) or "Task"
        return f"<input{_with(_with(given, 'disabled', ''), 'aria-label', label)}>"


@lru_cache(maxsize=1024)
def _is_elsewhere(beginning: str, own_origins: frozenset[str]) -> bool:
    """Whether an address that begins like this, up to its path, leaves the site and its CMS."""
    own = origin(beginning)
    return own is not None and own not in own_origins


def _text_after(html: str, start: int) -> str:
    """The words that follow a checkbox in its own item: up to the end of what holds it, or to a list in it."""
    depth, pieces, done = 0, list[str](), start
    for tag in TAG.finditer(html, start):
        pieces.append(html[done : tag.start()])
        done = tag.end()
        name = NAME.match(tag[0])
        if name is None:
            continue
        if depth == 0:
            if name[1] or name[2] in {"ul", "ol"}:
                break
            pieces.append(" ")
        if name[1]:
            depth -= 1
            if depth == 0:
                pieces.append(" ")
        elif name[2] not in VOID:
            depth += 1
    else:
        pieces.append(html[done:])
    return unescape("".join(pieces))


def _with(given: str, name: str, value: str) -> str:
    """The attributes of a tag, as text, with this one set to `value`: at its own place, or at the end."""
    written = f' {name}="{serialized_value(value)}"'
    if f' {name}="' in given:
        return re.sub(rf' {name}="[^"]*"', lambda _: written, given, count=1)
    return given + written


def _with_classes_for_alignment(html: str) -> str:
    """`align` of tables and of what they hold as a class, since an attribute for looks is none of HTML's any more."""
    markup = without_opaque(html)
    pieces, done = list[str](), 0
    for table in TABLE.finditer(markup):
        if table.start() < done:
            continue
        stop = end_of(markup, "table", table.end())
        pieces += (html[done : table.start()], ALIGNED.sub(_aligned, html[table.start() : stop]))
        done = stop
    pieces.append(html[done:])
    return "".join(pieces)


def _aligned(tag: re.Match[str]) -> str:
    if not tag["aligned"]:
        return tag[0]
    attributes = dict(ATTRIBUTE.findall(tag[0]))
    kept = f"{attributes.get('class', '')} align-{attributes['align']}".strip()
    rest = ALIGN.sub("", tag[0], count=1)
    if "class" in attributes:
        return CLASS.sub(lambda _: f' class="{kept}"', rest, count=1)
    return f'{rest.removesuffix(">")} class="{kept}">'


def _pixels(value: str | None) -> int | None:
    found = PIXELS.match(value) if value else None
    return int(found[0].removesuffix("px")) or None if found else None
