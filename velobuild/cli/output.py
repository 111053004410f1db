"""How velobuild speaks: findings as text, talk on stderr, results on stdout. Rendering is pure; `Console` writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, TextIO

import click

from velobuild.errors import CODES, Diagnostic, Severity

GROUP_SHOWN = 5


def render(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """One finding: what, where, the excerpt with its caret, and how to mend it."""
    lines = [_headline(diagnostic.severity, diagnostic.code, diagnostic.what, colour)]
    if diagnostic.where:
        lines.append(f"{_paint('  -->', colour, fg='blue')} {diagnostic.where}")
    if diagnostic.excerpt:
        lines.append(diagnostic.excerpt)
    hint = diagnostic.hint
    if not hint and diagnostic.severity is Severity.ERROR:
        hint = f"velobuild help {diagnostic.code}"
    if hint:
        lines.append(f"{_paint('help:', colour, fg='cyan')} {hint}")
    return "\n".join(lines)


def render_errors(diagnostics: Sequence[Diagnostic], *, colour: bool = False) -> str:
    """All findings of a failure, a blank line between them, and their number where it is more than a few."""
    text = "\n\n".join(render(diagnostic, colour=colour) for diagnostic in diagnostics)
    return text if len(diagnostics) < 4 else f"{text}\n\n{len(diagnostics)} errors"


def render_warnings(diagnostics: Iterable[Diagnostic], *, colour: bool = False, every: bool = False) -> str:
    """Warnings grouped by code, each group with its first places (`every`: all of them). "" for none."""
    ordered = sorted(dict.fromkeys(diagnostics), key=lambda d: d.code)
    return "\n".join(
        _group(code, list(members), colour, every) for code, members in groupby(ordered, key=lambda d: d.code)
    )


def _group(code: str, members: list[Diagnostic], colour: bool, every: bool) -> str:
    if len(members) == 1:
        return render(members[0], colour=colour)
    title = CODES.get(code, members[0].what)
    lines = [_headline(Severity.WARNING, code, f"{title} ({len(members)} times)", colour)]
    shown = members if every else members[:GROUP_SHOWN]
    arrow = _paint("  -->", colour, fg="blue")
    lines += [
        f"{arrow} {member.where}: {member.what}" if member.where else f"{arrow} {member.what}" for member in shown
    ]
    if len(shown) < len(members):
        lines.append(f"      and {len(members) - len(shown)} more; -v shows them all")
    hints = list(dict.fromkeys(member.hint for member in members if member.hint))
    if len(hints) == 1:
        lines.append(f"{_paint('help:', colour, fg='cyan')} {hints[0]}")
    return "\n".join(lines)


def as_json(diagnostic: Diagnostic) -> dict[str, str | None]:
    """A finding for `--json`."""
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "what": diagnostic.what,
        "where": diagnostic.where,
        "hint": diagnostic.hint,
    }


def colour_wanted(choice: str, environment: Mapping[str, str], *, terminal: bool) -> bool:
    """`--color` wins; then NO_COLOR, FORCE_COLOR and TERM=dumb; then whether a person looks at a terminal."""
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return terminal and environment.get("TERM") != "dumb"


def live_wanted(environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether a line that is written over and over makes sense: on a terminal that can, and not under CI."""
    plain = environment.get("CI") or environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return terminal and not plain


class Console:
    """stdout for results, stderr for everything else."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out = out
        self.err = err
        self.has_result = False

    def write(self, text: str) -> None:
        """A piece of talk, with a line's end."""
        self.err.write(f"{text}\n")
        self.err.flush()

    def result(self, text: str) -> None:
        """What was asked for, with a line's end."""
        self.has_result = True
        self.out.write(text if text.endswith("\n") else f"{text}\n")
        self.out.flush()


def json_text(value: Any) -> str:
    """One JSON document for people and programs: keys in their own order, two spaces deep."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _headline(severity: Severity, code: str, what: str, colour: bool) -> str:
    label = _paint(f"{severity.value}[{code}]", colour, fg="red" if severity is Severity.ERROR else "yellow", bold=True)
    return f"{label}: {_paint(what, colour, bold=True)}"


def _paint(text: str, colour: bool, **style: Any) -> str:
    return click.style(text, **style) if colour else text
