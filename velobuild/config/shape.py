"""The tree of keys that velobuild.toml may hold, read off the dataclasses of `config.schema`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from velobuild.config.schema import Config


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value, or a list of them."""

    accepts_text: bool
    accepts_list: bool
    choices: tuple[str, ...] = ()
    kind: Literal["text", "whole number", "true or false", "list", "choice"] = "text"


@dataclass(frozen=True, slots=True)
class Anything:
    """A table whose keys are not velobuild's to know, such as a theme's options."""


@dataclass(frozen=True, slots=True)
class Table:
    """A section. `keys` maps the key as written in TOML to the field's name and shape."""

    keys: Mapping[str, tuple[str, Shape]]


@dataclass(frozen=True, slots=True)
class TableList:
    """An array of tables, `[[menu]]`."""

    item: Table


@dataclass(frozen=True, slots=True)
class NamedTables:
    """A table of sections whose names are given: `[taxonomies.tags]`."""

    names: tuple[str, ...]
    item: Table


Shape = Leaf | Anything | Table | TableList | NamedTables


@cache
def root() -> Table:
    """The shape of the whole file, without `[env.NAME]`."""
    return table_of(Config)


def dotted_keys(shape: Shape | None = None, prefix: str = "") -> Iterator[str]:
    """Every key as a person writes it in documentation: `build.out`, `menu[].title`, `taxonomies.tags.path`."""
    shape = shape or root()
    if isinstance(shape, Table):
        for key, (_, inner) in shape.keys.items():
            yield from dotted_keys(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(shape, TableList):
        yield from dotted_keys(shape.item, f"{prefix}[]")
    elif isinstance(shape, NamedTables):
        for name in shape.names:
            yield from dotted_keys(shape.item, f"{prefix}.{name}")
    else:
        yield prefix


def find(path: tuple[str, ...]) -> Shape | None:
    """The shape at a dotted path, or None where there is no such key."""
    here: Shape = root()
    for key in path:
        if isinstance(here, TableList):
            here = here.item
        if isinstance(here, Table) and key in here.keys:
            here = here.keys[key][1]
        elif isinstance(here, NamedTables) and key in here.names:
            here = here.item
        elif not isinstance(here, Anything) and path[:2] != ("source", key):  # [[source]] blocks go by their names.
            return None
    return here


def table_of(cls: type[Any]) -> Table:
    hints = get_type_hints(cls, include_extras=True)
    written = ((f.metadata.get("key", f.name), f.name) for f in fields(cls))
    return Table({key: (name, _shape(hints[name])) for key, name in written if key is not None})


def _shape(hint: Any) -> Shape:
    if get_origin(hint) is Annotated:
        return _shape(get_args(hint)[0])
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return table_of(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is tuple:
        inner = _shape(args[0])
        return TableList(inner) if isinstance(inner, Table) else Leaf(False, True, kind="list")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item = _shape(args[1]) if is_dataclass(args[1]) else None
        return NamedTables(get_args(args[0]), item) if isinstance(item, Table) else Anything()
    if origin is Literal:
        return Leaf(True, False, tuple(str(arg) for arg in args), kind="choice")
    members = set(args or (hint,)) - {type(None)}
    if bool in members:
        return Leaf(False, False, kind="true or false")
    if int in members:
        return Leaf(False, False, kind="whole number")
    return Leaf(True, False)
