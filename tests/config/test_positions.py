"""The scanner finds every key that tomllib finds, and never hangs or fails on what tomllib accepts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velobuild.config.positions import positions

NASTY = '''\
# [not.a.table]
top = "a # b" # c
"quoted key" = 1
'single' = [ "x", # ]
  'y', [1, [2]], {deep = {er = "}"}} ]
dotted.key."with.dot" = """
[inside] = text
"""
literal = \'\'\'it's = "fine"\'\'\'
[a.b] # comment
empty = []
none = {}
[[list]]
x = 1
[list.sub]
y = 2
[[list]]
x = 3
[[list.inner]]
z = 4
[[list.inner]]
z = 5
'''


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def test_every_key_has_its_place() -> None:
    found = positions(NASTY)
    # An array of tables as a whole stands nowhere: its members do.
    arrays = {("list",), ("list", 1, "inner")}
    assert set(paths(tomllib.loads(NASTY))) - arrays <= set(found)
    lines = NASTY.splitlines()
    for path, key in [
        (("list", 1, "inner", 1, "z"), "z = 5"),
        (("quoted key",), '"quoted key"'),
        (("a", "b", "none"), "none"),
    ]:
        place = found[path].key
        assert lines[place.line - 1][place.column - 1 :].startswith(key)


def test_a_value_is_underlined_to_its_end() -> None:
    value = positions('a = "b#c"  # d\n')[("a",)].value
    assert value is not None
    assert (value.line, value.column, value.length) == (1, 5, 5)


scalars = st.one_of(
    st.integers(-99, 99).map(str),
    st.booleans().map(lambda b: str(b).lower()),
    st.text("ab #[]{}=,.'", max_size=6).map(lambda t: f'"{t}"'),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3).map(lambda v: "[" + ", \n ".join(v) + "]"), max_leaves=6
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), values, max_size=5))
def test_every_key_of_a_random_document_is_found_on_its_line(document: dict[str, str]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in document.items())
    assert set(tomllib.loads(text)) == set(document)
    found = positions(text)
    for key in document:
        place = found[(key,)].key
        assert text.splitlines()[place.line - 1].startswith(f"{key} =")


@given(st.text())
def test_any_text_comes_to_an_end(text: str) -> None:
    positions(text)


@pytest.mark.parametrize("text", ["[" * 50, "a = [" * 50, '"' * 50, "a = {" * 50])
def test_broken_text_comes_to_an_end(text: str) -> None:
    positions(text)
