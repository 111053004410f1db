"""The folders beside a CMS, looked at with what an event names: somebody who saves a note waits for no timer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from velobuild.content.store import Store
from velobuild.errors import ConfigError, ContentProblem, Diagnostic, GuardRefused, Severity
from velobuild.model.outputs import SyncReport
from velobuild.model.ports import Glances
from velobuild.pipeline.run import Run
from velobuild.pipeline.syncing import synchronise
from velobuild.sources import has_local, open_source


def with_folders(run: Run, store: Store, report: SyncReport, *, cache: Path | None) -> SyncReport:
    """Read the folders too, if a file of theirs is another by time, size or inode. The CMS is not asked.

    A note that is half written is a warning here and holds up no post: the next whole synchronisation refuses it. The
    counts stay those of the named posts, since an announced edit that changed nothing is asked for again.
    """
    if not has_local(run.loaded.config) or not _is_another(run, store, cache):
        return report
    found: list[Diagnostic] = []
    try:
        synchronise(
            store,
            run.loaded,
            cache=cache,
            allow_shrink=run.options.allow_shrink,
            clock=run.clock,
            warn=found.append,
            progress=run.progress,
            offline=True,
        )
    except (ConfigError, ContentProblem, GuardRefused) as error:
        found += [replace(finding, severity=Severity.WARNING) for finding in error.diagnostics]
    for finding in found:
        run.warn(finding)
    return replace(report, revision=store.revision, warnings=(*report.warnings, *found))


def _is_another(run: Run, store: Store, cache: Path | None) -> bool:
    with open_source(run.loaded, cache=cache, clock=run.clock, offline=True) as opened:
        source: object = opened.source
        return isinstance(source, Glances) and not source.is_as_remembered(store.note("cursor"))
