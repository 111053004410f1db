"""Where each key of a TOML text stands.

tomllib gives values and no places, so this reads the text once more. It is used only on text that tomllib accepted,
and knows just enough: tables, arrays of tables, dotted keys, and how long a value is. What it cannot follow it leaves
out; an error then points at the table instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1, in characters; `length` is how many a caret should underline."""

    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True)
class Spot:
    """A key's place and, for `key = value`, the value's."""

    key: Place
    value: Place | None = None


KEY = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
SPACE = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
BARE = re.compile(r"[^,\]}#\n]+")


def positions(text: str) -> dict[Path, Spot]:
    """Every key's spot by its path; array members carry their index: `("menu", 0, "title")`."""
    scan = _Scan(text)
    scan.document()
    return scan.found


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, Spot] = {}
        self._counts: dict[Path, int] = {}
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> None:
        table: Path = ()
        while self._skip_space():
            before = self.at
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            if self.at == before:  # not TOML as this scanner knows it: stop rather than turn for ever
                return

    def _header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        start = self.at
        self.at += 2 if many else 1
        path = self._resolve(self._keys())
        self.at += 2 if many else 1
        if many:
            index = self._counts.get(path, -1) + 1
            self._counts[path] = index
            path = (*path, index)
        spot = Spot(self._place(start, self.at))
        for depth in range(1, len(path) + 1):
            self.found.setdefault(path[:depth], spot)
        return path

    def _resolve(self, names: list[str]) -> Path:
        """A header's dotted name as a path: below an array of tables it means the last one so far."""
        path: Path = ()
        for number, name in enumerate(names):
            path = (*path, name)
            if path in self._counts and number < len(names) - 1:
                path = (*path, self._counts[path])
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        names = self._keys()
        end = self.at
        if not names or not self.text.startswith("=", self.at):
            return
        self.at += 1
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        path = (*table, *names)
        value = self.at
        self._value(path)
        written = self.text[start:end].rstrip()
        self.found[path] = Spot(self._place(start, start + len(written)), self._place(value, self.at))
        for depth in range(1, len(names)):
            self.found.setdefault((*table, *names[:depth]), self.found[path])

    def _keys(self) -> list[str]:
        names: list[str] = []
        while match := KEY.match(self.text, self.at):
            names.append(match[1][1:-1] if match[1][0] in "\"'" else match[1])
            self.at = match.end()
            if not self.text.startswith(".", self.at):
                break
            self.at += 1
        return names

    def _value(self, path: Path) -> None:
        head = self.text[self.at : self.at + 1]
        if head == "[":
            self._array(path)
        elif head == "{":
            self.at += 1
            while self._skip_space() and not self.text.startswith("}", self.at):
                before = self.at
                self._pair(path)
                if self.at == before:
                    return
            self.at += 1
        elif match := (STRING.match(self.text, self.at) or BARE.match(self.text, self.at)):
            self.at += len(match[0].rstrip())

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip_space() and not self.text.startswith("]", self.at):
            start = self.at
            self._value((*path, index))
            if self.at == start:
                return
            place = self._place(start, self.at)
            self.found[(*path, index)] = Spot(place, place)
            index += 1
        self.at += 1

    def _skip_space(self) -> bool:
        match = SPACE.match(self.text, self.at)
        if match:
            self.at = match.end()
        return self.at < len(self.text)

    def _place(self, start: int, end: int) -> Place:
        """A place of one line: what goes over its end is underlined to the end only."""
        line = bisect_right(self._line_starts, start)
        begin = self._line_starts[line - 1]
        stop = self.text.find("\n", start)
        stop = len(self.text) if stop < 0 else stop
        return Place(line, start - begin + 1, max(1, min(end, stop) - start))
