"""Versions off folders' names: the same that the packages' metadata say."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from velobuild.markup.prepare import ENGINES
from velobuild.markup.versions import installed_versions


def test_the_versions_are_those_of_the_metadata() -> None:
    assert installed_versions(ENGINES) == {name: version(name) for name in ENGINES}


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert installed_versions(["no-such-package-anywhere"]) == {"no-such-package-anywhere": "unknown"}


def test_names_are_compared_as_installers_compare_them() -> None:
    assert installed_versions(["PyMdown_Extensions"]) == {"PyMdown_Extensions": version("pymdown-extensions")}


HEAVY = "selectolax nh3 yaml markdown pygments tomllib importlib.metadata"
DOOR = f"""
import sys
from velobuild.markup.prepare import MarkupOptions, decode, encode, fill, prepare, recipe
from velobuild.markup.frontmatter import split
from velobuild.markup.blocks import holds_blocks
recipe(MarkupOptions()), split("text", where="x"), holds_blocks("[1]")
print(sorted(name for name in {HEAVY.split()!r} if name in sys.modules))
"""


def test_the_door_to_markup_loads_neither_parsers_nor_engines() -> None:
    assert subprocess.run([sys.executable, "-c", DOOR], capture_output=True, text=True, check=True).stdout == "[]\n"
    used = DOOR.replace("print", "prepare('x', 'html', MarkupOptions()); print")
    said = subprocess.run([sys.executable, "-c", used], capture_output=True, text=True, check=True).stdout
    assert said == "['nh3', 'selectolax']\n"
