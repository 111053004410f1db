"""What changed since the last build, and why an output is made anew for it: the values that planning hands around."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

from velobuild.model.keys import Fingerprint
from velobuild.model.reads import Answer, Field, Touched

BECAUSE = ", because "
"""Stands in the clause of a post that is another one since something else is: effect, because cause."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an output is made anew: what it read that changed, and the entry that brought that about.

    `kind` is `post`, the kind of a key (`posts`, `count`, `template`, `asset`, `setting`, …), or one of `all`, `new`,
    `route`, `failed`, `file`, `gone`; `name` says which, `detail` what of it, `behind` what brought it about: of a post
    a clause (`was edited`), else a sentence. `graph.chains` makes sentences of it.
    """

    kind: str
    name: str
    detail: str = ""
    behind: str = ""

    def encode(self) -> str:
        return _encoded(self)

    @staticmethod
    def decode(text: str) -> Cause:
        return Cause(*json.loads(text))


@lru_cache(maxsize=256)
def _encoded(cause: Cause) -> str:
    """The same text for equal causes: most often all pages of a build have one."""
    return json.dumps([cause.kind, cause.name, cause.detail, cause.behind], ensure_ascii=False)


@dataclass(slots=True)
class Changed:
    """What is different since the trace was written. `fields` is by post number, `keys` by name."""

    fields: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    titles: dict[int, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The titles of the same posts by id."""
    fates: dict[int, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Key that is another now → the entry behind it, in words."""
    suspects: dict[str, str] = field(default_factory=dict)
    """The same of keys that may be another; a name that ends in a colon stands for all that begin so."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """What the queries that were asked again answer now; stored once the pages are made."""
    stamps: dict[str, Fingerprint] = field(default_factory=dict)
    touched: list[tuple[Touched, str]] = field(default_factory=list)
    born: dict[str, str] = field(default_factory=dict)
    """Post id → path of those that are public now and were not, or that moved."""
    gone: dict[str, str] = field(default_factory=dict)
    """Post id → the path that it left."""
    lengths: Counter[str] = field(default_factory=Counter)
    """By how much the number of posts of each facet grew."""
    renamed: bool = False
    """Whether a tag that has pages got other ones."""
    moved: bool = False
    """Whether any address came or went, so that links may lead elsewhere."""
    settings: bool = False
    pages: bool = False


def field_names(fields: int) -> str:
    """The fields of a set as a cause's `detail` keeps them."""
    return ", ".join(one.name.lower() for one in Field if one & fields and one.name)


def named_fields(names: str) -> int:
    """The set behind a cause's `detail`, such as `title, excerpt`."""
    fields = 0
    for name in filter(None, names.split(", ")):
        fields |= Field[name.upper()]
    return fields
