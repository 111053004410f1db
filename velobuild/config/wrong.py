"""A finding about a value that is of the right type and still wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrong:
    """`path` is as in TOML; in one of several `[[source]]` blocks, `("source", name, key)`."""

    path: tuple[str | int, ...]
    what: str
    hint: str | None = None
    code: str = "VB1101"
