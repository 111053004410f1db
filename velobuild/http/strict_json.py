"""JSON as the standard has it, and no more: what the usual parser lets pass is refused or marked."""

from __future__ import annotations

import json
from typing import Any, NoReturn

DEPTH_MAX = 200
NUMBER_CHARS_MAX = 30


class NotJson(ValueError):
    """The bytes are not JSON of the kind we take. `cut` tells that they may be the beginning of it."""

    def __init__(self, why: str, *, cut: bool = False) -> None:
        super().__init__(why)
        self.cut = cut


class Twofold(dict[str, Any]):
    """An object in which a name stands twice. Which one is meant nobody can know, so whoever reads it decides."""

    names: tuple[str, ...] = ()


def parse(raw: bytes) -> Any:
    """UTF-8 with or without BOM. Objects with a name that stands twice come back as `Twofold`.

    Raises NotJson: other encodings, NaN, numbers out of range, nesting deeper than `DEPTH_MAX`, and what is no JSON.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson("it is not UTF-8", cut=error.reason == "unexpected end of data") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        begun = text.lstrip()[:1] in ("{", "[")
        raise NotJson(f"it is not JSON: {error.msg} at character {error.pos}", cut=begun) from error
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    if _too_deep(value):
        raise NotJson("it is nested too deeply")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    marked = Twofold(found)
    marked.names = tuple(sorted({name for name, _ in pairs if name in seen or seen.add(name)}))  # type: ignore[func-returns-value]
    return marked


def _constant(name: str) -> NoReturn:
    raise NotJson(f"it holds {name}, which is no number")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise NotJson("it holds a number out of range")
    return number


def _integer(text: str) -> int:
    if len(text) > NUMBER_CHARS_MAX:
        raise NotJson("it holds a number out of range")
    return int(text)


def _too_deep(value: Any) -> bool:
    """Without recursion: the value may be nested deeper than this interpreter can call."""
    level = [value]
    for _ in range(DEPTH_MAX):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
        if not deeper:
            return False
        level = deeper
    return True


def twofold(value: Any) -> tuple[str, ...]:
    """The names that stand twice in an object anywhere inside `value`, sorted."""
    names: set[str] = set()
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            if isinstance(item, Twofold):
                names.update(item.names)
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
    return tuple(sorted(names))
