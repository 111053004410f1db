"""What the preview shows over a page while something is wrong: findings as a browser takes them, with their source.

A finding names its place in words, such as `templates/post.html:12, rendering /tea/ (post "Tea", id 7)`. For a template
the lines around it are read from the theme; for everything else the finding's own excerpt is shown, since a line of a
configuration might hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from velobuild.errors import Diagnostic, VelobuildError

AT = re.compile(r"(?P<file>[^:]+):(?P<line>\d+)(?::\d+)?(?:,|$)")
MARKED = re.compile(r"\s*(\d+) \| ")
AROUND = 3
LINE_CHARS_MAX = 400
FINDINGS_SHOWN = 20
RENDERING = "VB31"
"""How the codes begin that say why a page could not be rendered: in a build that succeeds, its old page stays."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source with its number before it; `marked` is the one that the finding is about."""

    text: str
    marked: bool


def findings_of(error: VelobuildError, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """A failed build, as JSON. `folders` are the theme's chain, the site's own first."""
    return [_as_json(diagnostic, folders) for diagnostic in error.diagnostics[:FINDINGS_SHOWN]]


def findings_of_warnings(warnings: Iterable[Diagnostic], folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Of a build's warnings, those that kept a page from being rendered, as JSON."""
    kept = [warning for warning in dict.fromkeys(warnings) if warning.code.startswith(RENDERING)]
    return [_as_json(warning, folders) for warning in kept[:FINDINGS_SHOWN]]


def _as_json(diagnostic: Diagnostic, folders: Sequence[Path]) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "what": diagnostic.what,
        "where": diagnostic.where,
        "hint": diagnostic.hint,
        "lines": [{"text": line.text, "marked": line.marked} for line in source_lines(diagnostic, folders)],
    }


def source_lines(diagnostic: Diagnostic, folders: Sequence[Path]) -> list[Line]:
    """The template's lines around the finding; else those of its excerpt; none where it has none."""
    found = AT.match(diagnostic.where or "")
    if found:
        number = int(found["line"])
        file = _template(found["file"], folders, (diagnostic.excerpt or "").partition(" | ")[2])
        if file is not None:
            lines = file.read_text("utf-8", "replace").splitlines()
            first = max(number - AROUND, 1)
            shown = lines[first - 1 : number + AROUND]
            return [
                Line(f"{first + n:>4} | {text[:LINE_CHARS_MAX]}", first + n == number) for n, text in enumerate(shown)
            ]
    return [Line(text[:LINE_CHARS_MAX], bool(MARKED.match(text))) for text in (diagnostic.excerpt or "").splitlines()]


def _template(name: str, folders: Sequence[Path], line: str) -> Path | None:
    """The template of the chain that a finding names: below the site's folder, or `THEME/templates/…`.

    Two themes of a chain may be called alike; then the one that holds the excerpt's line is meant.
    """
    candidates: list[Path] = []
    for number, folder in enumerate(folders):
        relative = name if number == 0 else name.removeprefix(f"{folder.name}/")
        if relative.startswith("templates/") and (number == 0 or relative != name):
            file = (folder / relative).resolve()
            if file.is_relative_to(folder.resolve()) and file.is_file():
                candidates.append(file)
    holding = [file for file in candidates if line and line in file.read_text("utf-8", "replace")]
    return next(iter(holding or candidates), None)
