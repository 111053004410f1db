"""Headings of a body: their levels, their ids, and the table of contents they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from velobuild.markup.urls import ID_PREFIX
from velobuild.model.entries import slugify

TOP_LEVEL, DEEPEST_LEVEL = 2, 6


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading with what stands below it. `level` is 2 to 6, `title` plain text."""

    level: int
    id: str
    title: str
    children: tuple[Heading, ...] = ()


class Levels:
    """Turns the levels an author used into levels below the page's own h1: the outermost is 2, and none is skipped."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def place(self, level: int) -> int:
        """The level at which the next heading stands, 2 to 6."""
        while self._open and self._open[-1] >= level:
            self._open.pop()
        self._open.append(level)
        return min(TOP_LEVEL + len(self._open) - 1, DEEPEST_LEVEL)


class Ids:
    """Gives ids that no other element of the body has."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def of(self, title: str) -> str:
        """A stable id made of a title: `c-install`, for the second one `c-install-2`."""
        wanted = ID_PREFIX + (slugify(title) or "section")
        chosen, number = wanted, self._numbers.get(wanted, 1)
        while chosen in self._taken:
            number += 1
            chosen = f"{wanted}-{number}"
        self._numbers[wanted] = number
        self._taken.add(chosen)
        return chosen


def outline(headings: Iterable[Heading], depth: int) -> tuple[Heading, ...]:
    """The flat headings as a tree, down to heading level `depth` (3: h2 and h3)."""
    rows = [heading for heading in headings if heading.level <= depth]
    return _nested(rows, 0, len(rows))


def _nested(rows: list[Heading], start: int, end: int) -> tuple[Heading, ...]:
    tree: list[Heading] = []
    while start < end:
        first = rows[start]
        stop = start + 1
        while stop < end and rows[stop].level > first.level:
            stop += 1
        alone = stop == start + 1
        tree.append(first if alone else Heading(first.level, first.id, first.title, _nested(rows, start + 1, stop)))
        start = stop
    return tuple(tree)
