"""One build: content becomes a release, or the live site stays exactly as it was.

What that takes is in `steps`, and loaded only where there is something to do.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from velobuild.config.schema import Loaded
from velobuild.model.outputs import BuildReport
from velobuild.model.ports import Clock, Progress, Warn, utc_now
from velobuild.pipeline.opening import once_more_if_damaged, opened, ready_publisher
from velobuild.pipeline.rest import Rest, may_rest
from velobuild.pipeline.run import BuildOptions, Run
from velobuild.render.kept import current_theme


def build(
    loaded: Loaded,
    options: BuildOptions,
    *,
    cache: Path | None,
    clock: Clock = utc_now,
    warn: Warn = lambda finding: None,
    progress: Progress | None = None,
) -> BuildReport:
    """Synchronise (unless offline), render, publish.

    Raises any VelobuildError; the live site is then byte for byte what it was.
    """
    run = Run(loaded, options, clock, warn, progress)
    with _seldom_collected():
        return once_more_if_damaged(lambda: _build(run, cache))


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Little of what a build leaves behind goes round in circles, and what it holds is much to look through."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _build(run: Run, cache: Path | None) -> BuildReport:
    loaded = run.loaded
    with opened(loaded.state, wait=run.options.wait, warn=run.warn) as connection:
        publisher = ready_publisher(loaded, clock=run.clock)
        theme = current_theme(loaded.config, loaded.root)
        rest = Rest(connection, loaded, theme, publisher) if may_rest(run) else None
        if rest is not None:
            report = rest.report(run, run.options.now or run.clock())
            if report is not None:
                return report
        from velobuild.pipeline.steps import work

        report = work(run, connection, theme, publisher, cache)
        if rest is not None:
            rest.begin(run.options.now or run.clock())
        return report
