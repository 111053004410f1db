"""What `velobuild watch` says to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from velobuild.errors import ContentProblem, Diagnostic, SourceUnavailable
from velobuild.model.entries import Collection
from velobuild.model.outputs import BuildReport, SyncReport
from velobuild.serve.display import Display, Reason
from velobuild.serve.watch_inbox import Inbox
from velobuild.sources.pocketbase_realtime import Hint, HintKind

REPORT = BuildReport(1, 70, created=1, rewritten=11, unchanged=90, removed=0, release=3, sync=None)
NOTHING = replace(REPORT, created=0, rewritten=0)
BROKEN = ContentProblem("boom", code="VB3104")


def codes(findings: Sequence[Diagnostic]) -> str:
    return " ".join(finding.code for finding in findings)


class Said(list[str]):
    """A display and its lines."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self.display = Display(
            self.append, now=lambda: datetime(2026, 5, 3, 14, 2, 11), colour=colour, errors=codes, warnings=codes
        )


def hint(title: str | None, action: str = "update") -> Hint:
    return Hint(HintKind.CHANGED, Collection.POSTS, "id", action, title)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason(("templates/post.html",)), "templates/post.html"),
        (Reason(("a", "b", "c", "d", "e")), "a, b, c and 2 more"),
        (Reason(hints=(hint("Tea"),)), "CMS: “Tea” was changed"),
        (
            Reason(hints=(hint("Tea"), hint("Tea"), hint("Soup", "delete"))),
            "CMS: “Tea” was changed, “Soup” was deleted",
        ),
        (Reason(hints=(hint(None),)), "the CMS"),
        (Reason(asked=SyncReport(1, changed=1, removed=2)), "CMS: 1 post new or changed, 2 removed"),
        (Reason(("pages/a.md",), (hint("Tea", "create"),)), "pages/a.md, CMS: “Tea” was made"),
        (Reason(due=True), "a scheduled post is due"),
    ],
)
def test_a_reason_is_put_in_words(reason: Reason, words: str) -> None:
    assert reason.words(REPORT) == words


def test_each_build_is_a_line_with_the_time_the_reason_the_outcome_and_how_long_it_took() -> None:
    said = Said()
    said.display.built(Reason(first=True), REPORT, 1.234)
    said.display.built(Reason(("a.css",)), replace(REPORT, created=0, rewritten=1, removed=2), 0.5)
    said.display.built(Reason(("a.css",)), NOTHING, 0.04)
    assert said == [
        "14:02:11  ✓ built → 12 files written (70 pages) in 1.23 s",
        "14:02:11  ✓ a.css → 1 file written, 2 removed (70 pages) in 0.50 s",
        "14:02:11  ✓ a.css → nothing to write (70 pages) in 0.04 s",
    ]


def test_a_failure_is_told_with_its_findings_and_that_it_is_mended_once() -> None:
    said = Said()
    said.display.failed(Reason(("a.html",)), BROKEN)
    said.display.built(Reason(("a.html",)), NOTHING, 0.1)
    said.display.built(Reason(("a.html",)), NOTHING, 0.1)
    assert said == [
        "14:02:11  ✗ a.html → the site stays as it was",
        "VB3104",
        "14:02:11  ✓ mended: a.html → nothing to write (70 pages) in 0.10 s",
        "14:02:11  ✓ a.html → nothing to write (70 pages) in 0.10 s",
    ]


def test_a_warning_is_told_once_and_again_if_it_comes_back() -> None:
    said = Said()
    warned = replace(NOTHING, warnings=(Diagnostic("VB3006", "a dead link"),))
    for report in (warned, warned, NOTHING, warned):
        said.display.built(Reason(("a",)), report, 0.1)
    assert [line for line in said if line.startswith("VB")] == ["VB3006", "VB3006"]


def test_a_cms_that_is_away_is_told_once_and_its_return_once() -> None:
    said = Said()
    away = SourceUnavailable("gone", code="VB2101")
    said.display.cms_back()
    said.display.cms_lost(away, 4.0)
    said.display.cms_lost(away, 8.0)
    said.display.cms_back()
    said.display.cms_back()
    assert said == [
        "14:02:11  ! no word from the CMS (gone); asked again in 4 s",
        "14:02:11  ✓ the CMS answers again",
    ]


def test_colours_are_for_terminals_alone() -> None:
    plain, painted = Said(), Said(colour=True)
    for said in (plain, painted):
        said.display.greet([("Site", "http://127.0.0.1:8000/"), ("CMS", "none")])
        said.display.built(Reason(("a",)), REPORT, 1)
    assert not any("\x1b" in line for line in plain)
    assert plain[1:3] == ["  Site  http://127.0.0.1:8000/", "  CMS   none"]
    assert "\x1b[32m✓\x1b[0m" in painted[-1]


def test_whatever_comes_before_it_is_taken_is_taken_together() -> None:
    inbox = Inbox()
    for title in ("Tea", "Soup"):
        inbox.stir()
        inbox.hint(hint(title))
    stirred, hints = inbox.take(5)
    assert (stirred, [one.title for one in hints]) == (True, ["Tea", "Soup"])
    assert inbox.take(0.01) == (False, ())
