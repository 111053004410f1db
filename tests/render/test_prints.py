"""What counts as a change of a template: what it compiles to, and nothing of where it stands in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from velobuild.render.templates import compiled

THEMES = Path(__file__).parents[2] / "themes"
TEMPLATES = sorted(THEMES.glob("*/templates/*.html"))


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: f"{file.parts[-3]}-{file.name}")
def test_a_comment_that_moves_all_lines_is_no_change(file: Path) -> None:
    source = file.read_text()
    assert compiled(source) is not None
    assert compiled(f"{{# said\ntwice #}}{source}") == compiled(source)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"),
        ("{{ a | date }}", "{{ a | isodate }}"),
        ('{% from "m.html" import a %}', '{% from "m.html" import b %}'),
        ("x (imported on line 1)", "x (imported on line 2)"),
        ('undefined(f"the template a (imported on line 1)")', 'undefined(f"the template a (imported on line 2)")'),
    ],
)
def test_whatever_a_page_can_show_is_a_change(one: str, other: str) -> None:
    assert None not in {compiled(one), compiled(other)}
    assert compiled(one) != compiled(other)


def test_a_broken_template_compiles_to_nothing() -> None:
    assert compiled("{% if %}") is None
    assert compiled("{{ a | nothing_of_this_name }}") is None
