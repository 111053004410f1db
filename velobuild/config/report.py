"""A finding about velobuild.toml, with its line and a caret under what is meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from velobuild.config.layers import Layers
from velobuild.config.positions import Path, Place, Spot
from velobuild.config.secrets import redact, redact_line
from velobuild.errors import ConfigError, Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the value at `path`. `about_value` puts the caret under the value instead of the key."""

    path: Path
    code: str
    what: str
    note: str = ""
    """Stands behind the caret; short."""
    hint: str | None = None
    about_value: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The text that findings point into, and what the file is called in messages."""

    name: str
    text: str
    spots: Mapping[Path, Spot]
    layers: Layers

    def diagnostic(self, finding: Finding) -> Diagnostic:
        finding = replace(finding, what=redact(finding.what), hint=finding.hint and redact(finding.hint))
        origin = self.layers.origin(finding.path)
        if origin is not None and origin.in_file is None:
            return self._elsewhere(finding, origin.label)
        place = self._place(finding, origin.in_file if origin and origin.in_file is not None else finding.path)
        if place is None:
            return Diagnostic(finding.code, finding.what, self.name, self._hint(finding), Severity.ERROR)
        where = f"{self.name}:{place.line}:{place.column}"
        shown = excerpt(self.text, place, finding.note)
        return Diagnostic(finding.code, finding.what, where, finding.hint, Severity.ERROR, shown)

    def _place(self, finding: Finding, path: Path) -> Place | None:
        for length in range(len(path), 0, -1):
            if spot := self.spots.get(path[:length]):
                return spot.value if finding.about_value and spot.value and length == len(path) else spot.key
        return None

    def _elsewhere(self, finding: Finding, label: str) -> Diagnostic:
        return Diagnostic(finding.code, finding.what, label, self._hint(finding), Severity.ERROR)

    def _hint(self, finding: Finding) -> str | None:
        return finding.hint or finding.note or None


def excerpt(text: str, place: Place, note: str = "") -> str:
    """The line with its number, and a caret line below it. A secret in the line is not shown."""
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    shown = redact_line(line).replace("\t", " ")
    length = min(place.length, max(1, len(shown) - place.column + 1))
    caret = " " * (min(place.column, len(shown) + 1) - 1) + "^" * length
    return f"{place.line:>4} | {shown}\n     | {caret} {note}".rstrip()


def config_error(diagnostics: Iterable[Diagnostic]) -> ConfigError:
    """One error that holds them all, in the order in which they stand in the file."""
    first, *more = sorted(dict.fromkeys(diagnostics), key=_position)
    return ConfigError(
        first.what, code=first.code, where=first.where, hint=first.hint, excerpt=first.excerpt, more=tuple(more)
    )


def _position(diagnostic: Diagnostic) -> tuple[int, int, str]:
    match (diagnostic.where or "").rsplit(":", 2):
        case [_, line, column] if line.isdigit() and column.isdigit():
            return int(line), int(column), diagnostic.what
    return 0, 0, diagnostic.what
