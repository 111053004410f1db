"""A large JSON document, value by value: the memory is that of the largest single value, not of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

BLOCK_CHARACTERS = 1 << 20
SPACE = " \t\n\r"
DECODER = json.JSONDecoder()


class BrokenJson(ValueError):
    """The document ends or breaks off. `at` counts characters from its beginning."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


def rows(file: Path, tables: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """(table, row) for every element of the arrays of these names, in the order of the file.

    Looks into the objects `db`, `data` and the first element of an array `db`, which is where Ghost keeps its tables.
    Raises BrokenJson where the document does, after all that stood before it; OSError.
    """
    with file.open(encoding="utf-8-sig", errors="replace") as text:
        reader = _Reader(text)
        yield from _within(reader, tables)


def _within(reader: _Reader, tables: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name in reader.members():
        if name in tables and reader.peek() == "[":
            for _ in reader.elements():
                yield name, reader.value()
        elif name == "db" and reader.peek() == "[":
            for _ in reader.elements():
                yield from _within(reader, tables)
        elif name in ("db", "data") and reader.peek() == "{":
            yield from _within(reader, tables)
        else:
            reader.value()


class _Reader:
    """Stands before a value. `members` and `elements` step into it; each value is read before the next."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._before = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise BrokenJson("the file ends too early", self._before + self._at)

    def members(self) -> Iterator[str]:
        self._expect("{")
        if self.peek() == "}":
            self._expect("}")
            return
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise BrokenJson("a name is missing", self._before + self._at)
            self._expect(":")
            yield name
            if self._expect(",}") == "}":
                return

    def elements(self) -> Iterator[None]:
        self._expect("[")
        if self.peek() == "]":
            self._expect("]")
            return
        while True:
            yield None
            if self._expect(",]") == "]":
                return

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                # It may only be that its end has not been read: each time as much again, so that it stays cheap.
                if not self._more(max(BLOCK_CHARACTERS, len(self._text) - self._at)):
                    raise BrokenJson("a value cannot be read", self._before + self._at) from error
                continue
            if end == len(self._text) and self._more():  # 12 may be the beginning of 123
                continue
            self._at = end
            return found

    def _expect(self, characters: str) -> str:
        found = self.peek()
        if found not in characters:
            raise BrokenJson(f"`{found}` stands where `{' or '.join(characters)}` should", self._before + self._at)
        self._at += 1
        return found

    def _more(self, characters: int = BLOCK_CHARACTERS) -> bool:
        """Read on, and forget what was used. False at the end of the file."""
        block = "" if self._ended else self._file.read(characters)
        self._ended = self._ended or not block
        self._before += self._at
        self._text = self._text[self._at :] + block
        self._at = 0
        return bool(block)
