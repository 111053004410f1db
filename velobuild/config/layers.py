"""Which value counts: flag > environment > [env.NAME] > file > the vendor's variables > default. Pure.

Layers are merged as TOML tables, before anything is validated, and each value keeps where it came from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from velobuild.config import shape
from velobuild.config.positions import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """What set a value: `label` is for people; `in_file` is its path in velobuild.toml, None if it is not there."""

    label: str
    in_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One `[[source]]` table: `index` is its place among them, from 0."""

    name: str
    index: int
    table: Mapping[str, Any]


@dataclass(slots=True)
class Layers:
    """The merged document and, for every value in it, its origin."""

    document: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    blocks: tuple[str, ...] = ()
    """The names of the `[[source]]` blocks, in their order; the document then holds them by their names."""

    def add_blocks(self, blocks: Sequence[Block], *, label: str, in_file: Path) -> None:
        """Lay `[[source]]` blocks over what is here. Like every list they replace what was there before."""
        self.document["source"] = {}
        self._forget(("source",))
        self.blocks = tuple(block.name for block in blocks)
        for block in blocks:
            inner: dict[str, Any] = {}
            self.document["source"][block.name] = inner
            place = (*in_file, "source", block.index)
            self.origins["source", block.name] = Origin(label, place)
            self._merge(inner, block.table, ("source", block.name), label, place)

    def add_table(self, table: Mapping[str, Any], *, label: str, in_file: Path) -> None:
        """Lay a table that stands at `in_file` in velobuild.toml over what is here. Lists are replaced whole."""
        self._merge(self.document, table, (), label, in_file)

    def add_text(self, dotted: str, text: str, *, label: str) -> None:
        """Lay one value over what is here, given as text such as a flag's."""
        keys = tuple(dotted.split("."))
        target = self.document
        for key in keys[:-1]:
            inner = target.get(key)
            if not isinstance(inner, dict):
                inner = target[key] = {}
            target = inner
        target[keys[-1]] = typed(text, shape.find(keys))
        self._forget(keys)
        self.origins[keys] = Origin(label)

    def has(self, dotted: str) -> bool:
        target: Any = self.document
        for key in dotted.split("."):
            if not isinstance(target, dict) or key not in target:
                return False
            target = target[key]
        return True

    def origin(self, path: Path) -> Origin | None:
        """What set the value at `path`, or the value that holds it, or the first one within it."""
        for length in range(len(path), 0, -1):
            if found := self.origins.get(path[:length]):
                in_file = None if found.in_file is None else (*found.in_file, *path[length:])
                return Origin(found.label, in_file)
        for key, found in self.origins.items():
            if key[: len(path)] == path:
                in_file = None if found.in_file is None else found.in_file[: len(found.in_file) - len(key) + len(path)]
                return Origin(found.label, in_file)
        return None

    def _merge(self, into: dict[str, Any], table: Mapping[str, Any], path: Path, label: str, in_file: Path) -> None:
        for key, value in table.items():
            here = (*path, key)
            if isinstance(value, dict):
                inner = into.get(key)
                if not isinstance(inner, dict):
                    inner = into[key] = {}
                self._merge(inner, value, here, label, (*in_file, key))
                if not value:
                    self.origins[here] = Origin(label, (*in_file, key))
            else:
                into[key] = value
                self._forget(here)
                self.origins[here] = Origin(label, (*in_file, key))

    def _forget(self, path: Path) -> None:
        for old in [old for old in self.origins if old[: len(path)] == path]:
            del self.origins[old]


def typed(text: str, wanted: shape.Shape | None) -> Any:
    """A flag's or variable's text as the value that its key takes; the text itself where it is none."""
    if isinstance(wanted, shape.Leaf):
        if wanted.accepts_text:
            return text
        if wanted.accepts_list and not text.lstrip().startswith("["):
            return [part.strip() for part in text.split(",") if part.strip()]
        if wanted.kind == "true or false" and text.lower() in TRUTH:
            return TRUTH[text.lower()]
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
