"""What is remembered of a folder between two looks, so that a file that did not change is not read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Delta, Page, Post
from velobuild.model.keys import fingerprint

POSTS, PAGES = Collection.POSTS, Collection.PAGES


@dataclass(frozen=True, slots=True)
class Seen:
    """What a file was when it was read last. `id` is "" for what is no post; `cover` are the fields of its record."""

    stamp: str
    sha256: str
    id: str = ""
    is_page: bool = False
    draft: bool = False
    name: str = ""
    links: tuple[str, ...] = ()
    cover: Mapping[str, Any] | None = None

    @property
    def collection(self) -> Collection:
        return PAGES if self.is_page else POSTS

    @property
    def link(self) -> str:
        """What another file's link to it becomes: the site finds posts by their slug, whatever [urls] says."""
        return f"/{self.name}"

    def version(self, recipe: str, links: Mapping[str, str]) -> str:
        """Changes with the file, with how it is read, and with where the files are that it links to."""
        return fingerprint([self.sha256, recipe, [[path, links.get(path)] for path in self.links]]).hex()


@dataclass(slots=True)
class Scan:
    """One look at the folder: every file by its path, what is wrong with some, and which were handed over already."""

    files: dict[str, Seen] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    handed_over: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Batch:
    """Entries on their way with their versions, so that never all bodies are in memory at once."""

    entries: dict[Collection, dict[str, Post | Page]] = field(default_factory=lambda: {POSTS: {}, PAGES: {}})
    versions: dict[Collection, dict[str, str]] = field(default_factory=lambda: {POSTS: {}, PAGES: {}})

    def __len__(self) -> int:
        return sum(map(len, self.entries.values()))

    def add(self, entry: Post | Page, version: str) -> None:
        kind = PAGES if isinstance(entry, Page) else POSTS
        self.entries[kind][entry.id] = entry
        self.versions[kind][entry.id] = version

    def take(self) -> list[Delta]:
        """What is in it, which then is empty."""
        deltas = [Delta(kind, tuple(of.values()), self.versions[kind]) for kind, of in self.entries.items() if of]
        self.entries, self.versions = {POSTS: {}, PAGES: {}}, {POSTS: {}, PAGES: {}}
        return deltas


def remember(files: Mapping[str, Seen], recipe: str) -> str:
    """The cursor. A file without a stamp is too young for one, and is read again."""
    kept = {path: asdict(seen) for path, seen in files.items() if seen.stamp}
    return json.dumps({"recipe": recipe, "files": kept}, separators=(",", ":"), sort_keys=True)


def recall(cursor: str | None, recipe: str) -> dict[str, Seen]:
    """The files by their paths; none if the cursor is another source's or damaged, or was made by another recipe."""
    try:
        memory = json.loads(cursor or "{}")
        if memory.get("recipe") != recipe:
            return {}
        return {path: Seen(**{**seen, "links": tuple(seen["links"])}) for path, seen in memory["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
