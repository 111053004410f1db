"""`[[source]]`: several tables of one kind in one file, known by their names while the layers are merged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from velobuild.config.layers import Block
from velobuild.config.positions import Path
from velobuild.config.report import Finding
from velobuild.config.source_schema import MAIN

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def blocks_of(table: Mapping[str, Any], keys: Iterable[str]) -> tuple[list[Block], list[Finding]]:
    """The `[[source]]` tables of a document and what is wrong with their names; none for a plain `[source]`.

    A block without a name is known as `main`. `keys` are those of a `[source]` table: as a name, one of them would
    make `source.url` mean two things.
    """
    given = table.get("source")
    if not isinstance(given, list):
        return [], []
    blocks: dict[str, Block] = {}
    findings: list[Finding] = []
    taken = frozenset(keys)
    for index, block in enumerate(given):
        path: Path = ("source", index, "name")
        if not isinstance(block, Mapping):
            findings.append(Finding(("source",), "VB1101", "`source` is a table or a list of tables: [[source]]"))
            continue
        name = block.get("name", MAIN)
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in taken:
            hint = "lower-case letters, digits and `-`, a letter first, at most 40, and no key of [source]"
            findings.append(Finding(path, "VB1101", "this cannot be the name of a source", hint=hint, about_value=True))
        elif name in blocks:
            what = f"two [[source]] blocks are called `{name}`"
            if "name" not in block:
                what = "two [[source]] blocks have no name" if name == MAIN else what
            findings.append(Finding(path, "VB1101", what, hint="give each a `name` of its own", about_value=True))
        else:
            blocks[name] = Block(name, index, block)
    if not given:
        findings.append(Finding(("source",), "VB1105", "`source` is an empty list", hint="write a [[source]] block"))
    return list(blocks.values()), findings


def stray_key(key: str, names: Iterable[str]) -> Finding:
    """What to say of `source.KEY` where `source` is a list of blocks and none has this name."""
    listed = ", ".join(f"`source.{name}`" for name in names)
    return Finding(
        ("source", key),
        "VB1104",
        f"there are several [[source]] blocks, and none is called `{key}`",
        hint=f"say which one is meant: {listed}",
    )
