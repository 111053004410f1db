"""Which files of a site are taken, as the strictest file system would see it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

# Only these are files of their own at an address without a slash at its end; a host serves the rest from a folder.
PAGE_ENDINGS = (".html", ".htm")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SITE = "the site itself"
NEVER = r"(?!)"
ANY_OF = {"year": r"\d{4}", "number": r"\d+"}


def file_of(path: str) -> str:
    """The file, relative to the site's root, that a host serves at a page's path: `/tea/` → `tea/index.html`."""
    relative = path.lstrip("/")
    if relative.lower().endswith(PAGE_ENDINGS):
        return relative
    return f"{relative.rstrip('/')}/index.html".lstrip("/")


def collision_key(path: str) -> str:
    """Equal for paths that are one file on some file system: case and Unicode normal form do not count."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


class Places:
    """Files and who has them. A file also keeps others from being where its folders are, and the other way round."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def rival(self, file: str) -> str | None:
        """Who is in the file's way, or None if it is free."""
        key = collision_key(file)
        found = self._files.get(key) or self._folders.get(key)
        return found or next((self._files[folder] for folder in folders_of(key) if folder in self._files), None)

    def take(self, file: str, owner: str) -> None:
        """`owner` is any text but ""."""
        key = collision_key(file)
        self._files[key] = owner
        for folder in folders_of(key):
            self._folders.setdefault(folder, owner)


def folders_of(path: str) -> list[str]:
    """The folders above a file, the outermost first: `a/b/c.html` → `a`, `a/b`."""
    folders = []
    at = path.find("/")
    while at >= 0:
        folders.append(path[:at])
        at = path.find("/", at + 1)
    return folders


@dataclass(frozen=True, slots=True)
class Reserved:
    """What no post may take: `files` that the site makes besides posts, and paths that it keeps for later.

    `patterns` are its own routes, such as `/tags/{slug}/`. Nothing may stand where their fixed beginning is (`/tags/`),
    nor where they would put a year or a page's number, whether there is one now or not: else a post that has been read
    for years would have to move.
    """

    files: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    _beginnings: frozenset[str] = field(init=False, repr=False)
    _shape: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        beginnings = {part for pattern in self.patterns for part in _fixed_beginnings(pattern)}
        numbered = [pattern for pattern in self.patterns if "{year}" in pattern or "{number}" in pattern]
        object.__setattr__(self, "_beginnings", frozenset({*self.names, *beginnings}))
        object.__setattr__(self, "_shape", re.compile("|".join(map(_shape, numbered)) or NEVER))

    def __contains__(self, path: str) -> bool:
        key = collision_key(path.strip("/"))
        return key in self._beginnings or self._shape.fullmatch(key) is not None

    def places(self) -> Places:
        """The files as taken places, to which posts are added."""
        places = Places()
        for file in self.files:
            places.take(file, SITE)
        return places


def _fixed_beginnings(pattern: str) -> Iterable[str]:
    """`/blog/tags/{slug}/` → blog, blog/tags."""
    parts = collision_key(pattern.strip("/")).split("/")
    for number, part in enumerate(parts, 1):
        if "{" in part or not part:
            return
        yield "/".join(parts[:number])


def _shape(pattern: str) -> str:
    parts = enumerate(PLACEHOLDER.split(collision_key(pattern.strip("/"))))
    return "".join(ANY_OF.get(part, "[^/]+") if at % 2 else re.escape(part) for at, part in parts)
