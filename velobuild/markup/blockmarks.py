"""Running text of a block document: pieces with marks, as nested elements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from velobuild.markup.prepared import attribute
from velobuild.markup.text import names
from velobuild.markup.urls import checked

# Outermost first. Every spelling of an editor that is common stands for one element.
ELEMENTS: dict[str, tuple[str, ...]] = {
    "mark": ("highlight", "mark"),
    "strong": ("bold", "strong"),
    "em": ("italic", "em", "emphasis"),
    "u": ("underline", "u"),
    "s": ("strike", "strikethrough", "s", "del"),
    "sub": ("subscript", "sub"),
    "sup": ("superscript", "sup"),
    "small": ("small",),
    "kbd": ("kbd", "keyboard"),
    "code": ("code", "inlinecode"),
}
RANKS = {spelling: rank for rank, spellings in enumerate(ELEMENTS.values(), 1) for spelling in spellings}
TAGS = {spelling: tag for tag, spellings in ELEMENTS.items() for spelling in spellings}
# Looks, which belong to the theme, and notes of the editors among themselves.
SILENT = names("textstyle color textcolor backgroundcolor fontfamily fontsize lineheight comment annotation")
MARKS_MAX = 50
NAME_CHARS_MAX = 40
NAME_MARKS = re.compile(r"[\s_-]+")


def key(name: str) -> str:
    """A name without its spelling: `bulletList`, `bullet_list` and `bullet-list` are one."""
    return NAME_MARKS.sub("", name).lower()


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """An element around text; marks sort from the outermost to the innermost."""

    rank: int
    tag: str
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of running text: `html` is escaped."""

    html: str
    marks: tuple[Mark, ...] = ()

    @staticmethod
    def joined(run: Iterable[Span]) -> str:
        """All pieces. An element that two neighbours share is opened once, so that one link stays one link."""
        pieces: list[str] = []
        opened: list[Mark] = []
        for span in run:
            shared = 0
            while shared < min(len(opened), len(span.marks)) and opened[shared] == span.marks[shared]:
                shared += 1
            pieces += [f"</{mark.tag}>" for mark in reversed(opened[shared:])]
            pieces += [f"<{mark.tag}{mark.attributes}>" for mark in span.marks[shared:]]
            opened = list(span.marks)
            pieces.append(span.html)
        pieces += [f"</{mark.tag}>" for mark in reversed(opened)]
        return "".join(pieces)


def marks_of(raw: Any, warn: Callable[[str], None]) -> tuple[Mark, ...]:
    """The marks of a node, each kind once, in the order in which they nest."""
    if not isinstance(raw, list):
        return ()
    found: dict[str, Mark] = {}
    for item in raw[:MARKS_MAX]:
        if not isinstance(item, dict) or not isinstance(item.get("type"), str):
            continue
        name = key(item["type"])
        if name == "link":
            mark = _link(item.get("attrs"))
        elif name in TAGS:
            mark = Mark(RANKS[name], TAGS[name])
        else:
            mark = None
            if name not in SILENT:
                warn(f"a mark of the kind “{item['type'][:NAME_CHARS_MAX]}” is not known; its text is shown without it")
        if mark is not None:
            found.setdefault(mark.tag, mark)
    return tuple(sorted(found.values()))


def _link(attrs: Any) -> Mark | None:
    if not isinstance(attrs, dict):
        return None
    href = attrs.get("href")
    url = checked(href) if isinstance(href, str) else None
    if url is None:
        return None
    rest = "".join(
        attribute(name, value) for name in ("title", "rel") if isinstance(value := attrs.get(name), str) and value
    )
    return Mark(0, "a", attribute("href", url) + rest)
