"""Two contracts that import-linter cannot hold: who reads the environment, and who reads the wall clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import velobuild

PACKAGE = Path(velobuild.__file__).parent
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
ENVIRONMENT = {("os", "environ"), ("os", "getenv")}


def uses(source: str, names: set[tuple[str, str]]) -> list[int]:
    """The lines in which one of the (owner, attribute) pairs stands."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in names:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (ENVIRONMENT, {"config/environment.py"}),
        (CLOCKS, {"model/ports.py"}),
    ],
)
def test_only_the_agreed_places_read_the_environment_and_the_clock(
    names: set[tuple[str, str]], allowed: set[str]
) -> None:
    found = {
        file.relative_to(PACKAGE).as_posix()
        for file in sorted(PACKAGE.rglob("*.py"))
        if uses(file.read_text("utf-8"), names)
    }
    assert found == allowed


def test_control_a_hidden_clock_is_found() -> None:
    assert uses("import time\n\nstarted = time.time()\n", CLOCKS) == [3]
