"""The table of contents of a build: sync → settle → prepare → media → render → publish.

Each step is a function of its own module; what one step hands to the next is a value of `model`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from velobuild.content.database import Connection
from velobuild.content.locales import arrange
from velobuild.content.memo import Memo
from velobuild.content.permalinks import former_rows, recall_former
from velobuild.content.store import Store
from velobuild.errors import ContentProblem, Diagnostic, OutputError, SourceUnavailable
from velobuild.graph.builds import next_number
from velobuild.graph.site import Site
from velobuild.model.locales import Locales
from velobuild.model.outputs import BuildReport, OutputKind, SyncReport
from velobuild.pipeline.fetching import fetch_media
from velobuild.pipeline.keeping import POSTS as LIVE_POSTS
from velobuild.pipeline.keeping import live_posts
from velobuild.pipeline.making import Outcome, make, settle, strict_refusal
from velobuild.pipeline.noting import FILES, LOST, PAGES, POSTS
from velobuild.pipeline.preparing import prepare
from velobuild.pipeline.profiling import with_profile
from velobuild.pipeline.run import Run
from velobuild.pipeline.syncing import read_local_pages, synchronise
from velobuild.pipeline.tracing import Tracing
from velobuild.pipeline.updating import update
from velobuild.publish.guard import SecretScan, shrink
from velobuild.publish.inplace import InPlace
from velobuild.publish.releases import Releases
from velobuild.render import dates
from velobuild.render.theme import Theme
from velobuild.sources import file_tokens_by_address, has_local, is_local

PASSES_MAX = 3
FORMER = "former_paths"


def work(
    run: Run, connection: Connection, theme: Theme, publisher: Releases | InPlace, cache: Path | None
) -> BuildReport:
    """Do whatever there is to do. Raises any VelobuildError; the live site is then byte for byte what it was."""
    loaded, options = run.loaded, run.options
    store = Store(connection)
    number = next_number(connection)
    arrange(connection, Locales(loaded.config.locales))
    synced = _sync(run, store, cache)
    read_local_pages(store, loaded)
    site = Site(
        loaded.root,
        loaded.state,
        loaded.config,
        options.now or run.clock(),
        preview_at=run.clock() if loaded.drafts else None,
    )
    tokens = file_tokens_by_address(loaded, cache=cache, clock=run.clock)
    dates.recall(None if options.clean else store.note(dates.NOTE))
    updated = update(run, connection, site, theme, publisher, file_tokens=tokens)
    if updated is not None:
        _keep_dates(store)
        report = _report(
            run,
            store,
            site,
            synced,
            updated.published.release,
            updated.published.counts() | Counter({OutputKind.UNCHANGED: updated.files}),
            pages=updated.pages,
            rendered=updated.rendered,
        )
        return with_profile(report, run, connection, number)
    if options.clean:
        Memo(connection).keep_only(())
    live = publisher.live()
    if live is not None and FORMER in live.meta:
        recall_former(connection, live.meta[FORMER])
    dates.learn(site.language(locale) for locale in site.locales.codes or ("",))
    with run.phase("prepare"):
        ready = prepare(run, connection, site)
    with run.phase("media"):
        fetch_media(run, connection, site, store, file_tokens=tokens)
    release, counts, made = _publish(run, connection, site, theme, publisher, ready.unshown)
    ready.sweep(connection)
    _keep_dates(store)
    report = _report(run, store, site, synced, release, counts, pages=made.pages, rendered=made.rendered)
    return with_profile(report, run, connection, number)


def _keep_dates(store: Store) -> None:
    known = dates.learned()
    if known is not None:
        store.remember(dates.NOTE, known)


def _publish(
    run: Run,
    connection: Connection,
    site: Site,
    theme: Theme,
    publisher: Releases | InPlace,
    unshown: Mapping[str, Diagnostic],
) -> tuple[int | None, Counter[OutputKind], Outcome]:
    """(the release, how many files are of which kind, what was made). Posts that were never live and fail are left out
    in a further pass."""
    without: frozenset[str] = frozenset()
    full: OutputError | None = None
    for _ in range(PASSES_MAX):
        staging = publisher.begin()
        try:
            left = {id: finding for id, finding in unshown.items() if id not in without}
            shown = replace(site, unshown=frozenset(left))
            tracing = Tracing(connection, shown, theme, publisher.identity())
            made = make(run, connection, shown, theme, staging, tracing, left)
            if made.lost:
                without |= made.lost
                settle(run, connection, site, without)
                continue
            if run.options.strict and run.warnings:
                raise strict_refusal(run.warnings)
            limits = site.config.limits
            shrink(
                len(live_posts(staging.live)),
                made.posts,
                percent=limits.shrink_percent,
                posts=limits.shrink_posts,
                allowed=run.options.allow_shrink,
            )
            meta = {
                "pages": str(made.pages),
                LIVE_POSTS: made.places,
                FORMER: former_rows(connection),
            }
            with run.phase("publish"):
                tracing.publishing(True)
                try:
                    published = staging.publish(meta, guards=[SecretScan(run.loaded.tokens)])
                except BaseException:
                    tracing.publishing(False)
                    raise
            release, counts = published.release, published.counts()
            del published  # It names every file, and the trace of a large site needs the room.
            with run.phase("trace"):
                files = counts.total() - counts[OutputKind.REMOVED]
                notes = {PAGES: str(made.pages), POSTS: str(made.posts), FILES: str(files)}
                tracing.commit(publisher.identity(), run.warn, {**notes, LOST: json.dumps(sorted(without))})
            return release, counts, made
        except OutputError as error:
            if error.code != "VB6001" or not staging.make_room():
                raise
            full = error
        finally:
            staging.discard()
    raise full or ContentProblem(
        "posts keep failing to render", code="VB3104", hint="the warnings name them; mend them or the theme"
    )


def _sync(run: Run, store: Store, cache: Path | None) -> SyncReport | None:
    offline = run.options.offline
    if offline:
        if store.note("cursor") is None and not store.revision and not is_local(run.loaded.config):
            raise SourceUnavailable(
                "nothing has been synced yet, so there is nothing to build offline",
                code="VB2106",
                where=str(run.loaded.state),
                hint="run `velobuild sync` once with access to the CMS",
            )
        if not has_local(run.loaded.config):
            return None
    with run.phase("sync"):
        if run.options.named:
            report = _sync_named(run, store, cache)
            if report is not None:
                return report
        return synchronise(
            store,
            run.loaded,
            cache=cache,
            allow_shrink=run.options.allow_shrink,
            clock=run.clock,
            warn=run.warn,
            progress=run.progress,
            offline=offline,
        )[0]


def _sync_named(run: Run, store: Store, cache: Path | None) -> SyncReport | None:
    from velobuild.pipeline.beside import with_folders
    from velobuild.pipeline.naming import synchronise_named

    report = synchronise_named(
        store,
        run.loaded,
        run.options.named,
        cache=cache,
        allow_shrink=run.options.allow_shrink,
        clock=run.clock,
        warn=run.warn,
        progress=run.progress,
    )
    return None if report is None else with_folders(run, store, report, cache=cache)


def _report(
    run: Run,
    store: Store,
    site: Site,
    synced: SyncReport | None,
    release: int | None,
    counts: Counter[OutputKind],
    *,
    pages: int,
    rendered: int,
) -> BuildReport:
    next_due = store.next_due(site.as_of)
    return BuildReport(
        revision=store.revision,
        pages=pages,
        created=counts[OutputKind.CREATED],
        rewritten=counts[OutputKind.REWRITTEN],
        unchanged=counts[OutputKind.UNCHANGED],
        removed=counts[OutputKind.REMOVED],
        release=release,
        sync=synced,
        warnings=tuple(run.warnings),
        elapsed_ms=run.elapsed_ms,
        next_due_at=None if next_due is None else datetime.fromisoformat(next_due),
        rendered=rendered,
    )
