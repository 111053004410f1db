"""What `velobuild watch` says: one line for each build, with what changed, what came of it, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from velobuild.errors import Diagnostic, VelobuildError
from velobuild.model.outputs import BuildReport, SyncReport
from velobuild.sources.pocketbase_realtime import Hint

NAMES_SHOWN = 3
ACTIONS = {"create": "was made", "update": "was changed", "delete": "was deleted"}
STYLES = {"dim": "2", "bold": "1", "good": "32", "bad": "31", "where": "36", "note": "33"}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a build is made. `files` are seen from the site's folder."""

    files: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    asked: SyncReport | None = None
    """What the CMS said when it was asked, where that is the reason."""
    due: bool = False
    first: bool = False

    def words(self, report: BuildReport | None) -> str:
        """The reason for a person: the files, the CMS's posts, or the hour."""
        parts = [_listed(self.files)] if self.files else []
        if self.hints or self.asked is not None:
            parts.append(self._of_the_cms(report))
        if self.due:
            parts.append("a scheduled post is due")
        return ", ".join(part for part in parts if part) or "everything"

    def _of_the_cms(self, report: BuildReport | None) -> str:
        told = [f"“{hint.title}” {ACTIONS.get(hint.action or '', 'changed')}" for hint in self.hints if hint.title]
        if told:
            return f"CMS: {_listed(tuple(dict.fromkeys(told)))}"
        sync = self.asked or (report.sync if report is not None else None)
        counts = []
        if sync is not None and sync.changed:
            counts.append(f"{counted(sync.changed, 'post')} new or changed")
        if sync is not None and sync.removed:
            counts.append(f"{sync.removed} removed")
        return f"CMS: {', '.join(counts)}" if counts else "the CMS"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Rendering(Protocol):
    """How findings are shown on a terminal."""

    def __call__(self, findings: Sequence[Diagnostic]) -> str: ...


class Lines:
    """Says lines through `say`. `now` is the present in the person's own time zone."""

    def __init__(self, say: Callable[[str], None], *, now: Callable[[], datetime], colour: bool) -> None:
        self._say = say
        self._now = now
        self._colour = colour

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and values, between empty lines."""
        width = max(len(name) for name, _ in rows)
        self._say("")
        for name, value in rows:
            self._say(f"  {self.painted(f'{name:<{width}}', 'dim')}  {value}")
        self._say("")

    def line(self, sign: str, style: str, text: str) -> None:
        """What happened now."""
        at = self.painted(f"{self._now():%H:%M:%S}", "dim")
        self._say(f"{at}  {self.painted(sign, style)} {text}")

    def painted(self, text: str, style: str) -> str:
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self._colour else text


class Display:
    """What somebody at work on a site is told, through `say`. `now` is the present in their own time zone."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        now: Callable[[], datetime],
        colour: bool,
        errors: Rendering,
        warnings: Rendering,
    ) -> None:
        self._say = say
        self._lines = Lines(say, now=now, colour=colour)
        self._errors = errors
        self._warnings = warnings
        self._warned: frozenset[Diagnostic] = frozenset()
        self._broken = False
        self._cms_silent = False

    def greet(self, rows: Sequence[tuple[str, str]]) -> None:
        """What is watched and where to look, as a small table."""
        self._lines.table(rows)

    def built(self, reason: Reason, report: BuildReport, elapsed_s: float) -> None:
        """A build went well."""
        written = report.created + report.rewritten
        parts = [counted(written, "file") + " written"] if written else []
        if report.removed:
            parts.append(f"{report.removed} removed")
        outcome = ", ".join(parts) or "nothing to write"
        words = "built" if reason.first else reason.words(report)
        mended = self._lines.painted("mended: ", "good") if self._broken else ""
        self._broken = False
        took = self._lines.painted(f"({counted(report.pages, 'page')}) in {elapsed_s:.2f} s", "dim")
        self._lines.line("✓", "good", f"{mended}{self._lines.painted(words, 'bold')} → {outcome} {took}")
        fresh = [warning for warning in report.warnings if warning not in self._warned]
        self._warned = frozenset(report.warnings)
        if fresh:
            self._say(self._warnings(fresh))

    def failed(self, reason: Reason, error: VelobuildError) -> None:
        """A build did not; the site is as it was."""
        self._broken = True
        words = "the first build failed" if reason.first else reason.words(None)
        self._lines.line("✗", "bad", f"{self._lines.painted(words, 'bold')} → the site stays as it was")
        self._say(self._errors(error.diagnostics))

    def cms_lost(self, error: VelobuildError | None, wait_s: float | None) -> None:
        """The CMS does not answer; said once, until it is back."""
        if self._cms_silent:
            return
        self._cms_silent = True
        why = f" ({error})" if error is not None else ""
        again = f"; asked again in {wait_s:.0f} s" if wait_s is not None and wait_s >= 1 else ""
        self._lines.line("!", "note", f"no word from the CMS{why}{again}")

    def cms_back(self) -> None:
        if self._cms_silent:
            self._cms_silent = False
            self._lines.line("✓", "good", "the CMS answers again")

    def note(self, text: str) -> None:
        """Something worth to know that is no build."""
        self._lines.line("·", "note", text)
