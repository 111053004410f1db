"""What is wrong, as the browser is told it: with the template's own lines, and no line that might be a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from velobuild.errors import ConfigError, ContentProblem, Diagnostic
from velobuild.serve.overlay import findings_of, findings_of_warnings, source_lines

TEMPLATE = "\n".join(f"line {n}" for n in range(1, 21))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """The site's own folder, its theme, and the theme that this one extends."""
    made = [tmp_path / "site", tmp_path / "site/theme", tmp_path / "base"]
    for folder in made:
        (folder / "templates").mkdir(parents=True)
    (made[1] / "templates/post.html").write_text(TEMPLATE)
    (tmp_path / "site/velobuild.toml").write_text("token = 'velo_secret'\n")
    return made


def problem(where: str, excerpt: str | None = None) -> Diagnostic:
    return Diagnostic("VB3102", "unknown field `post.titel`", where, "did you mean `title`?", excerpt=excerpt)


def test_a_templates_lines_around_the_mistake_are_shown_and_its_own_is_marked(folders: list[Path]) -> None:
    where = 'theme/templates/post.html:10, rendering /tea/ (post "Tea: a story", id 7)'
    lines = source_lines(problem(where, "  10 | line 10"), folders)
    assert [line.text for line in lines] == [f"{n:>4} | line {n}" for n in range(7, 14)]
    assert [line.marked for line in lines] == [False] * 3 + [True] + [False] * 3


@pytest.mark.parametrize(("number", "shown"), [(1, range(1, 5)), (20, range(17, 21))])
def test_the_ends_of_a_template_are_no_mistake(folders: list[Path], number: int, shown: range) -> None:
    lines = source_lines(problem(f"theme/templates/post.html:{number}", None), folders)
    assert [line.text for line in lines] == [f"{n:>4} | line {n}" for n in shown]


def test_of_two_templates_of_one_name_the_one_that_holds_the_line_is_shown(folders: list[Path]) -> None:
    other = folders[2].parent / "more/theme"
    (other / "templates").mkdir(parents=True)
    (other / "templates/post.html").write_text("quite\nanother\n")
    chain = [folders[0], other, folders[1]]
    lines = source_lines(problem("theme/templates/post.html:10, /tea/", "  10 | line 10"), chain)
    assert lines[3].text == "  10 | line 10"


@pytest.mark.parametrize(
    "where", ["velobuild.toml:1:1", "theme/templates/../../velobuild.toml:1", "theme/templates/none.html:3", "a post"]
)
def test_of_anything_else_only_the_findings_own_excerpt_is_shown(folders: list[Path], where: str) -> None:
    lines = source_lines(problem(where, "   1 | token = '****'\n     | ^^^^^"), folders)
    assert [(line.text, line.marked) for line in lines] == [("   1 | token = '****'", True), ("     | ^^^^^", False)]
    assert source_lines(problem(where), folders) == []


def test_all_findings_of_a_failure_are_told_with_everything_that_helps(folders: list[Path]) -> None:
    more = tuple(Diagnostic("VB1101", f"wrong {n}") for n in range(30))
    told = findings_of(
        ConfigError("wrong", code="VB1104", where="velobuild.toml:1", hint="mend it", more=more), folders
    )
    assert told[0] == {
        "code": "VB1104",
        "severity": "error",
        "what": "wrong",
        "where": "velobuild.toml:1",
        "hint": "mend it",
        "lines": [],
    }
    assert len(told) == 20


def test_of_a_builds_warnings_only_pages_that_could_not_be_rendered_are_told(folders: list[Path]) -> None:
    failed = ContentProblem("boom", code="VB3104", where="theme/templates/post.html:3").diagnostics[0]
    told = findings_of_warnings([Diagnostic("VB3006", "a dead link"), failed, failed], folders)
    assert [finding["what"] for finding in told] == ["boom"]
