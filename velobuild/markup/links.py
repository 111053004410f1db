"""Rewriting a safe tree: addresses become slots, and code, headings, tables, tasks and frames get what readers need.

Works on sanitized HTML (or on trusted HTML, for those who ask for it) and only removes elements or writes text that
was escaped: what it inserts into the tree are marks, which are replaced when the tree has become text again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborNode

from velobuild.errors import Diagnostic
from velobuild.markup import highlight
from velobuild.markup.headings import Heading, Ids, Levels
from velobuild.markup.prepared import Ref, RefKind, SlotKind, attribute, slot
from velobuild.markup.text import SLOT_CLOSE, SLOT_OPEN, STATIC_CLOSE, STATIC_OPEN, first_words, one_line
from velobuild.markup.urls import FILE_SCHEMES, absolute, checked, host, origin

STATIC = re.compile(f"{STATIC_OPEN}([0-9]+){STATIC_CLOSE}")
PLAYER = re.compile(f' (?:src|poster)="({SLOT_OPEN}[vp][0-9]+{SLOT_CLOSE})"')
TOUCHED = "a[href],img,h1,h2,h3,h4,h5,h6,table,pre,input,iframe,video,audio,source"
LANGUAGE_CLASS = re.compile(r"(?:^|\s)lang(?:uage)?-([^\s]{1,40})")
HIGHLIGHT_CHARACTERS_MAX = 300_000
"""Code of one body beyond this stays plain, so that no body takes long."""
WEB = ("http://", "https://")
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
PLAYERS = frozenset({"video", "audio", "source"})
TASK_LABEL_WORDS = 12


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
    _static: list[str] = field(default_factory=list)
    _levels: Levels = field(default_factory=Levels)
    _ids: Ids = field(default_factory=Ids)
    _gone: set[int] = field(default_factory=set)
    _regions: dict[str, int] = field(default_factory=dict)
    _coloured: int = 0
    _pictures: int = 0
    _players: bool = False

    def run(self, root: LexborNode) -> None:
        """Rewrite everything below `root`, in document order. The tree then holds marks."""
        self._ids = Ids(node.id or "" for node in root.css("[id]"))
        for node in root.css(TOUCHED):
            if self._gone and node.mem_id in self._gone:
                continue
            self._rewrite(node, node.tag or "")

    def _rewrite(self, node: LexborNode, tag: str) -> None:
        if tag == "a":
            self._link(node)
        elif tag == "img":
            self._image(node)
        elif tag in HEADINGS:
            self._heading(node, int(tag[1]))
        elif tag == "pre":
            self._code(node)
        elif tag == "table":
            self._table(node)
        elif tag in PLAYERS:
            self._player(node, tag)
        elif not self.trusted:
            self._control(node, tag)

    def written(self, html: str) -> str:
        """The tree's text with every mark of this pass replaced; slots stay."""
        if self._players:
            html = PLAYER.sub(r"\1", html)
        return STATIC.sub(lambda found: self._static[int(found[1])], html)

    def _mark(self, html: str) -> str:
        self._static.append(html)
        return f"{STATIC_OPEN}{len(self._static) - 1}{STATIC_CLOSE}"

    def _remove(self, node: LexborNode, instead: str | None = None) -> None:
        """Take a node out of the tree. What is below it must not be touched again: its memory is gone."""
        self._gone.update(inner.mem_id for inner in node.css(TOUCHED))
        if instead is None:
            node.decompose()
        else:
            node.replace_with(instead)

    def _ref(self, kind: RefKind, url: str, **more: str | int | bool | None) -> int:
        self.refs.append(Ref(kind, absolute(url, self.base_url), **more))  # type: ignore[arg-type]
        return len(self.refs) - 1

    def _address(self, value: str | None) -> str | None:
        """The address if it is one that can be resolved: the web's or relative, not a fragment of this body."""
        if not value or value[0] == "#":
            return None
        return checked(value, FILE_SCHEMES)

    def _link(self, node: LexborNode) -> None:
        attributes = node.attributes
        url = self._address(attributes.pop("href"))
        if url is None:
            return
        target = absolute(url, self.base_url)
        own = origin(target)
        external = own is not None and own not in self.own_origins
        rel = (attributes.pop("rel", None) or "").split()
        rel += [word for word in ("noopener", "external") if external and word not in rel]
        rest = attribute("rel", " ".join(rel)) if rel else ""
        rest += "".join([attribute(name, value or "") for name, value in attributes.items()])
        self.refs.append(Ref("link", target, external=external, attributes=rest))
        number = len(self.refs) - 1
        node.insert_before(slot("a", number))
        node.insert_after(slot("z", number))
        node.unwrap(delete_empty=True)

    def _image(self, node: LexborNode) -> None:
        attributes = node.attributes
        url = self._address(attributes.pop("src", None))
        if url is None:
            if self.trusted:
                return
            self.warnings.append(Diagnostic("VB3002", "a picture without a usable address was left out"))
            self._remove(node)
            return
        alt, width, height = (attributes.pop(name, None) for name in ("alt", "width", "height"))
        self._pictures += 1
        rest = f' loading="{"eager" if self._pictures == 1 else "lazy"}" decoding="async"'
        rest += "".join(
            [
                attribute(k, v or "")
                for k, v in attributes.items()
                if k not in {"loading", "decoding", "srcset", "sizes"}
            ]
        )
        number = self._ref("image", url, alt=alt, width_px=_pixels(width), height_px=_pixels(height), attributes=rest)
        node.replace_with(slot("i", number))

    def _heading(self, node: LexborNode, level: int) -> None:
        title = one_line(node.text())
        if not title and not node.css_first("img[alt]"):
            self._remove(node)
            return
        attributes = node.attributes
        title = title or one_line(" ".join(picture.attributes.get("alt") or "" for picture in node.css("img")))
        own_id = attributes.pop("id", None) or self._ids.of(title)
        placed = self._levels.place(level)
        self.headings.append(Heading(placed, own_id, title))
        rest = "".join([attribute(name, value or "") for name, value in attributes.items()])
        node.insert_before(self._mark(f"<h{placed}{attribute('id', own_id)}{rest}>"))
        node.insert_after(self._mark(f"</h{placed}>"))
        node.unwrap()

    def _code(self, node: LexborNode) -> None:
        inner = node.css_first("code")
        names = f"{node.attributes.get('class') or ''} {(inner.attributes.get('class') or '') if inner else ''}"
        named = LANGUAGE_CLASS.search(names)
        node.attrs["tabindex"] = "0"  # A block that scrolls must be reachable by keyboard.
        if not named or not self.colour:
            return
        language, code = named[1], node.text()
        coloured = highlight.highlight(code, language) if self._within_budget(code) else None
        if coloured is None:
            if self._within_budget(code):
                self._warn_once(f"the language {language!r} of a code block is not known; it stays plain")
            return
        self._coloured += len(code)
        own_id = node.attributes.get("id")
        self._remove(
            node,
            self._mark(
                f'<pre class="highlight"{attribute("id", own_id) if own_id else ""} tabindex="0">'
                f"<code{attribute('class', 'language-' + language)}>{coloured}</code></pre>"
            ),
        )

    def _within_budget(self, code: str) -> bool:
        if self._coloured + len(code) <= HIGHLIGHT_CHARACTERS_MAX and len(code) <= highlight.CODE_CHARACTERS_MAX:
            return True
        self._warn_once("a long code block was left without colours")
        return False

    def _warn_once(self, what: str) -> None:
        if all(warning.what != what for warning in self.warnings):
            self.warnings.append(Diagnostic("VB3002", what))

    def _table(self, node: LexborNode) -> None:
        for cell in node.css("[align]"):
            kept = f"{cell.attributes.get('class') or ''} align-{cell.attributes['align']}".strip()
            cell.attrs["class"] = kept
            del cell.attrs["align"]
        caption = node.css_first("caption")
        label = one_line(caption.text()) if caption else self.headings[-1].title if self.headings else "Table"
        count = self._regions[label] = self._regions.get(label, 0) + 1
        # Two regions of a page must not have the same name.
        named = attribute("aria-label", label if count == 1 else f"{label} ({count})")
        node.insert_before(self._mark(f'<div class="table-scroll" tabindex="0" role="region"{named}>'))
        node.insert_after(self._mark("</div>"))

    def _player(self, node: LexborNode, tag: str) -> None:
        attributes = node.attributes
        for name in ("src", "poster"):
            url = self._address(attributes.get(name))
            if url is None:
                continue
            kind: SlotKind = "s" if tag == "source" else "v" if name == "src" else "p"
            rest = "".join([attribute(k, v or "") for k, v in attributes.items() if k not in {"src", "srcset"}])
            number = self._ref("file", url, attributes=rest if kind == "s" else "")
            if kind == "s":
                node.replace_with(slot("s", number))
                return
            # `written` takes the attribute away around it, for the slot may turn out empty.
            node.attrs[name] = slot(kind, number)
            self._players = True
        if tag == "source" and not self.trusted:
            self._remove(node)

    def _control(self, node: LexborNode, tag: str) -> None:
        if tag == "iframe":
            source = node.attributes.get("src")
            if not source:
                self._remove(node)
            elif not node.attributes.get("title"):
                node.attrs["title"] = f"Embedded content from {host(source)}"
            return
        if node.attributes.get("type") != "checkbox":
            self._remove(node)
            return
        node.attrs["disabled"] = ""
        node.attrs["aria-label"] = _task_label(node)


def _task_label(node: LexborNode) -> str:
    """What a checkbox is about: the words that follow it in its own item."""
    words, after = [], node.next
    while after is not None and after.tag not in {"ul", "ol"}:
        words.append(after.text() if after.tag != "-text" else after.text_lexbor())
        after = after.next
    return first_words(" ".join(words), TASK_LABEL_WORDS) or "Task"


def _pixels(value: str | None) -> int | None:
    found = re.match(r"[0-9]{1,5}(?:px)?$", value or "")
    return int(found[0].removesuffix("px")) or None if found else None
