"""Links from one Markdown file to another become links to the posts and pages that those are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote

# `](target.md#part "title")` and `[name]: target.md`; an address with a scheme has a colon before its first slash.
TARGET = re.compile(
    r"(?P<before>\]\(\s*<?|^ {0,3}\[[^\]\n]+\]:[ \t]*<?)"
    r"(?P<path>[^\s()<>#?:\"']+\.(?:md|markdown|html?))(?P<rest>#[^\s()<>\"']*)?(?=[\s)>]|$)",
    re.IGNORECASE | re.MULTILINE,
)
FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:.|\n)+?(?<!`)\1(?!`)")


def targets(text: str, path: str) -> tuple[str, ...]:
    """The files to which a text links, sorted; `path` is its own, and both are relative to the folder."""
    found: set[str] = set()

    def note(target: str) -> None:
        found.add(target)

    _each(text, path, note)
    return tuple(sorted(found))


def rewritten(text: str, path: str, addresses: Mapping[str, str]) -> str:
    """The text with every link to a file in `addresses` led there; others stay as they are."""
    return _each(text, path, addresses.get)


def _each(text: str, path: str, answer: Callable[[str], str | None]) -> str:
    """The text with links replaced by what `answer` gives for their target. Code is left alone."""
    folder = posixpath.dirname(path)

    def replaced(found: re.Match[str]) -> str:
        given = unquote(found["path"])
        target = given.lstrip("/") if given.startswith("/") else posixpath.normpath(posixpath.join(folder, given))
        address = answer(target)
        return found[0] if address is None else f"{found['before']}{quote(address)}{found['rest'] or ''}"

    def outside_code(prose: str) -> str:
        parts, at = [], 0
        for span in CODE_SPAN.finditer(prose):
            parts += [TARGET.sub(replaced, prose[at : span.start()]), span[0]]
            at = span.end()
        return "".join([*parts, TARGET.sub(replaced, prose[at:])])

    parts: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = FENCE.match(line)
        if fence:
            parts.append(line)
            closes = mark is not None and mark["fence"].startswith(fence) and not line[mark.end() :].strip()
            fence = "" if closes else fence
        elif mark is not None:
            parts += [outside_code("".join(prose)), line]
            prose, fence = [], mark["fence"]
        else:
            prose.append(line)
    return "".join([*parts, outside_code("".join(prose))])
