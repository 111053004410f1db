"""Progress: one live line for people, few plain ones for logs, none when nobody wants it."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from tests.cli.command_line import Terminal
from velobuild.cli.context import Context
from velobuild.cli.progress import Live, Plain, Silent, left, line


def context(*, terminal: bool, **environment: str) -> Context:
    make = Terminal if terminal else io.StringIO
    return Context(environment=environment, out=make(), err=make(), stdin=make(), directory=Path("/"))


def test_plain_lines_come_every_ten_seconds_at_most() -> None:
    now = 0.0
    said: list[tuple[float, str]] = []
    plain = Plain(lambda text: said.append((now, text)), monotonic=lambda: now)
    for second in range(0, 36):
        now = float(second)
        plain("fetching posts", second, 60, 60.0 - second)
    assert said == [
        (10.0, "fetching posts: 10 of 60, about 50 s left"),
        (20.0, "fetching posts: 20 of 60, about 40 s left"),
        (30.0, "fetching posts: 30 of 60, about 30 s left"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, ""),
        (89, ", about 89 s left"),
        (91, ", about 2 min left"),
        (3600, ", about 60 min left"),
        (7201, ", about 3 h left"),
    ],
)
def test_the_remaining_time_is_rounded_up(seconds: float | None, text: str) -> None:
    assert left(seconds) == text


def test_an_unknown_total_is_not_invented() -> None:
    assert line("reading", 3, None, None) == "reading: 3"


def test_the_kind_of_progress_follows_the_terminal_and_the_flags() -> None:
    assert isinstance(context(terminal=True).progress, Live)
    assert isinstance(context(terminal=False).progress, Plain)
    assert isinstance(context(terminal=True, CI="true").progress, Plain)
    assert isinstance(context(terminal=True, TERM="dumb").progress, Plain)
    assert isinstance(context(terminal=True, NO_COLOR="1").progress, Plain)
    for quiet in (True, False):
        silenced = context(terminal=True)
        silenced.flags.quiet, silenced.flags.progress = quiet, quiet
        assert isinstance(silenced.progress, Silent)


def test_without_an_estimate_there_is_no_thread_for_forked_workers_to_inherit() -> None:
    before = threading.active_count()
    live = Live(io.StringIO(), lambda text: None, colour=False)
    live("render", 1, 10, None)
    assert threading.active_count() == before
    live("posts", 1, 10, 60.0)
    assert threading.active_count() == before + 1, "the control: an estimate counts down by itself"
    ticking = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    live("render", 2, 10, None)
    for thread in ticking:
        thread.join(5)
    assert threading.active_count() == before
    live.close()


def test_talk_stands_above_the_live_line_and_the_end_clears_it() -> None:
    live = context(terminal=True)
    live.progress("fetching posts", 3, 10, 100.0)
    live.say("a [line] of talk")
    live.result("done")
    text = live.console.err.getvalue()  # type: ignore[attr-defined]
    assert "3 of 10, about 2 min left" in text
    assert "a [line] of talk\n" in text.replace("\r", "")
    assert text.rstrip().endswith(("\x1b[2K", "\x1b[?25h")), "the line is erased, the cursor shown again"
    assert live.console.out.getvalue() == "done\n"  # type: ignore[attr-defined]
