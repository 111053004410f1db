"""How far a long step is: one live line on a terminal, else a plain line every ten seconds at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_EVERY_S = 10.0
REFRESH_S = 0.1


class Display(Protocol):
    """A `model.ports.Progress` that shares stderr with other talk."""

    def __call__(self, step: str, done: int, total: int | None, remaining_s: float | None) -> None: ...

    def write(self, text: str) -> None:
        """Say a line without tearing the display."""
        ...

    def close(self) -> None:
        """Clear the display; it comes back with the next call."""
        ...


class Silent:
    """With -q or --no-progress: talk, but no progress."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def __call__(self, step: str, done: int, total: int | None, remaining_s: float | None) -> None:
        pass

    def close(self) -> None:
        pass


class Plain:
    """Lines for logs. A step that ends within ten seconds says nothing."""

    def __init__(self, write: Callable[[str], None], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.write = write
        self._monotonic = monotonic
        self._spoke_at: float | None = None

    def __call__(self, step: str, done: int, total: int | None, remaining_s: float | None) -> None:
        now = self._monotonic()
        if self._spoke_at is None:
            self._spoke_at = now
        if now - self._spoke_at >= PLAIN_EVERY_S:
            self._spoke_at = now
            self.write(line(step, done, total, remaining_s))

    def close(self) -> None:
        pass


class Live:
    """One line with a bar. rich is imported with the first call: short commands never pay for it.

    Where an estimate was given it counts down by itself, so that a long pause for a rate limit does not look like a
    hang. That needs a thread; without an estimate there is none, since whoever forks workers must have no threads.
    """

    def __init__(
        self,
        err: TextIO,
        write: Callable[[str], None],
        *,
        colour: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._err = err
        self._write = write
        self._colour = colour
        self._monotonic = monotonic
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._ticking = False
        self._shown_at = 0.0

    def __call__(self, step: str, done: int, total: int | None, remaining_s: float | None) -> None:
        if self._bar is not None and self._ticking != (remaining_s is not None):
            self.close()
        if self._bar is None or self._task is None:
            self._start(step, total, ticking=remaining_s is not None)
        assert self._bar is not None
        assert self._task is not None
        now = self._monotonic()
        until = None if remaining_s is None else now + remaining_s
        self._bar.update(self._task, description=step, completed=done, total=total, until=until)
        if not self._ticking and now - self._shown_at >= REFRESH_S:
            self._shown_at = now
            self._bar.refresh()

    def _start(self, step: str, total: int | None, *, ticking: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
        from rich.text import Text

        monotonic = self._monotonic

        class Left(ProgressColumn):
            def render(self, task: Task) -> Text:
                until = task.fields["until"]
                rest = left(None if until is None else max(until - monotonic(), 1.0))
                return Text(amount(int(task.completed), None if task.total is None else int(task.total)) + rest)

        console = Console(file=self._err, force_terminal=True, no_color=not self._colour, highlight=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), Left())
        self._bar = Progress(*columns, console=console, transient=True, auto_refresh=ticking, refresh_per_second=2)
        self._ticking = ticking
        self._task = self._bar.add_task(step, total=total, until=None)
        self._bar.start()

    def write(self, text: str) -> None:
        if self._bar is None:
            self._write(text)
        else:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


def line(step: str, done: int, total: int | None, remaining_s: float | None) -> str:
    """`fetching posts: 120 of 300, about 2 min left`."""
    return f"{step}: {amount(done, total)}{left(remaining_s)}"


def amount(done: int, total: int | None) -> str:
    return f"{done}" if total is None else f"{done} of {total}"


def left(remaining_s: float | None) -> str:
    """Rounded up, since a promise that is kept early annoys nobody."""
    if remaining_s is None or remaining_s < 1:
        return ""
    seconds = int(remaining_s)
    if seconds < 90:
        return f", about {seconds} s left"
    minutes = -(-seconds // 60)
    return f", about {minutes} min left" if minutes < 120 else f", about {-(-minutes // 60)} h left"
