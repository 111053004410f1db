"""One build: content becomes a release, or the live site stays exactly as it was."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from velobuild import __version__
from velobuild.config.schema import Config, Loaded
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.content.memo import Memo
from velobuild.content.permalinks import former_paths, former_rows, recall_former
from velobuild.content.store import Store
from velobuild.errors import ContentProblem, Diagnostic, GuardRefused, OutputError, SourceUnavailable
from velobuild.graph.bodies import recipe_of, remember, unprepared
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.media.needed import due, needed, open_library, urls_of
from velobuild.model.entries import ChangeSet, Collection
from velobuild.model.keys import canonical
from velobuild.model.outputs import BuildReport, OutputKind, Published, SyncReport
from velobuild.model.ports import Clock, Progress, Warn, utc_now
from velobuild.pipeline.making import make, settle, strict_refusal
from velobuild.pipeline.run import BuildOptions, Run
from velobuild.pipeline.syncing import once_more_if_damaged, opened, read_local_pages, synchronise
from velobuild.publish.guard import SecretScan
from velobuild.publish.inplace import InPlace
from velobuild.publish.manifest import Manifest
from velobuild.publish.releases import Releases
from velobuild.render.theme import Theme, load_theme
from velobuild.render.workers import prepare_bodies

NOTHING = ChangeSet(0)
PASSES_MAX = 3
KEY = "build_key"
FORMER = "former_paths"
CONTENT = "SELECT collection, id, fingerprint FROM entry ORDER BY collection, id"


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
    return once_more_if_damaged(lambda: _build(run, cache))


def _build(run: Run, cache: Path | None) -> BuildReport:
    loaded, options = run.loaded, run.options
    with opened(loaded.state, wait=options.wait, warn=run.warn) as connection:
        store = Store(connection)
        publisher = publisher_of(loaded, clock=run.clock)
        publisher.preflight()
        publisher.complete()
        refuse_held(publisher.held())
        theme = load_theme(loaded.config, loaded.root)
        synced, changes = _sync(run, store, cache)
        read_local_pages(store, loaded)
        if options.clean:
            Memo(connection).keep_only(())
        site = Site(loaded.root, loaded.state, loaded.config, options.now or run.clock())
        with run.phase("prepare"):
            without = _prepare(run, connection, site)
        with run.phase("media"):
            _fetch_media(run, connection, site, changes, store)
        live = publisher.live()
        if live is not None and FORMER in live.meta:
            recall_former(connection, live.meta[FORMER])
        key = build_key(connection, store, site, theme)
        if live is not None and live.meta.get(KEY) == key and not options.clean and not options.strict:
            return _report(run, store, site, synced, Published(None, ()), pages=_page_count(live), live=live)
        published, pages = _publish(run, connection, site, theme, publisher, key, without)
        return _report(run, store, site, synced, published, pages=pages, live=None)


def _publish(
    run: Run,
    connection: Connection,
    site: Site,
    theme: Theme,
    publisher: Releases | InPlace,
    key: str,
    without: frozenset[str],
) -> tuple[Published, int]:
    """(what was published, number of pages). Posts that cannot be rendered at all are left out in a further pass."""
    for _ in range(PASSES_MAX):
        staging = publisher.begin()
        try:
            made = make(run, connection, site, theme, staging)
            if made.lost:
                without |= made.lost
                settle(run, connection, site, without)
                continue
            if run.options.strict and run.warnings:
                raise strict_refusal(run.warnings)
            # A failure is tried again by the next build: its release is not what the key promises.
            meta = {
                KEY: "" if made.failed or without else key,
                "pages": str(made.pages),
                FORMER: former_rows(connection),
            }
            with run.phase("publish"):
                return staging.publish(meta, guards=[SecretScan(run.loaded.tokens)]), made.pages
        except OutputError as error:
            if error.code != "VB6001" or not staging.make_room():
                raise
        finally:
            staging.discard()
    raise ContentProblem(
        "posts keep failing to render", code="VB3104", hint="the warnings name them; mend them or the theme"
    )


def publisher_of(loaded: Loaded, *, clock: Clock = utc_now) -> Releases | InPlace:
    """The publisher that `[build] publish` names."""
    config = loaded.config.build
    if config.publish == "in-place":
        return InPlace(loaded.state, loaded.out, clock=clock)
    return Releases(loaded.state, loaded.out, keep=config.keep_releases, clock=clock)


def refuse_held(held: int | None) -> None:
    """Raises GuardRefused VB5007 after a rollback, until `velobuild resume`."""
    if held is not None:
        raise GuardRefused(
            f"the site is held at release {held} since a rollback; nothing was built",
            code="VB5007",
            hint="`velobuild resume` lets builds go live again",
        )


def build_key(connection: Connection, store: Store, site: Site, theme: Theme) -> str:
    """A hash of everything that a release is made from: equal keys, equal bytes."""
    parts = [
        __version__,
        content_hash(connection),
        _plain(site.config),
        theme.fingerprint,
        recipe_of(site.post_markup).hex(),
        recipe_of(site.page_markup).hex(),
        AssetTable(connection).published(),
        list(connection.execute("SELECT count(*), max(path), min(path) FROM permalink")),
        former_paths(connection),
        store.public_count(site.as_of),
    ]
    return hashlib.sha256(canonical(parts)).hexdigest()


def content_hash(connection: Connection) -> str:
    """A hash of every entry. Not the revision: a database that is begun anew counts from 1 again, whatever it holds."""
    whole = hashlib.sha256()
    for collection, id, fingerprint in connection.execute(CONTENT):
        whole.update(f"{collection} {id}\n".encode() + fingerprint)
    return whole.hexdigest()


def _plain(config: Config) -> dict[str, object]:
    """The configuration without what changes no byte of the site."""
    values = asdict(config)
    for name in ("build", "limits"):
        values.pop(name)
    for name in ("token_env", "token_file", "rate_limit"):
        values["source"].pop(name)
    return values


def _sync(run: Run, store: Store, cache: Path | None) -> tuple[SyncReport | None, ChangeSet]:
    if run.options.offline:
        if store.note("cursor") is None and not store.revision:
            raise SourceUnavailable(
                "nothing has been synced yet, so there is nothing to build offline",
                code="VB2106",
                where=str(run.loaded.state),
                hint="run `velobuild sync` once with access to the CMS",
            )
        return None, NOTHING
    with run.phase("sync"):
        return synchronise(
            store,
            run.loaded,
            cache=cache,
            allow_shrink=run.options.allow_shrink,
            clock=run.clock,
            warn=run.warn,
            progress=run.progress,
        )


def _prepare(run: Run, connection: Connection, site: Site) -> frozenset[str]:
    """Settle addresses and prepare every public body once. The ids of posts whose body cannot be shown."""
    if site.config.content.html == "trusted":
        run.warn(
            Diagnostic(
                "VB3007",
                "HTML from the CMS is published as it came",
                where="content.html",
                hint='`html = "sanitize"` protects your readers from whatever an author pastes',
            )
        )
    for finding in settle(run, connection, site, frozenset()):
        run.warn(finding)
    missing, keys = unprepared(connection, site)
    failed: set[str] = set()
    done = 0
    for bodies in prepare_bodies(site, missing, jobs=site.config.build.jobs):
        remember(connection, bodies.prepared)
        done += len(bodies.prepared) + len(bodies.failed)
        if run.progress is not None and len(missing) > 1:
            run.progress("prepare", done, len(missing), None)
        for body in bodies.prepared:
            for finding in body.warnings:
                run.warn(finding)
        for finding in bodies.failed.values():
            run.warn(finding)
        failed |= bodies.failed.keys()
    if missing:
        Memo(connection).keep_only(keys.values())
    if failed:
        settle(run, connection, site, frozenset(failed))
    return frozenset(failed)


def _fetch_media(run: Run, connection: Connection, site: Site, changes: ChangeSet, store: Store) -> None:
    reader = Reader(connection, site)
    library = open_library(connection, site, reader, clock=run.clock, warn=run.warn, progress=run.progress)
    if library is None:
        return
    changed = {change.id for change in changes.changes if change.collection is Collection.MEDIA}
    now = run.clock()
    all_again = not run.options.offline and due(store.note("media_checked_at"), now)
    recheck = urls_of((record for record in reader.media if record.id in changed), site)
    wanted = needed(connection, reader, recheck=None if all_again else recheck)
    if not run.options.offline:
        library.fetch(wanted)
        if all_again:
            store.remember("media_checked_at", now.isoformat())
    rows = AssetTable(connection)
    for one in wanted:
        if rows.get(one.url) is not None and library.asset(one.url) is None:
            rows.forget(one.url)


def _page_count(live: Manifest) -> int:
    return int(live.meta.get("pages", "0"))


def _report(
    run: Run,
    store: Store,
    site: Site,
    synced: SyncReport | None,
    published: Published,
    *,
    pages: int,
    live: Manifest | None,
) -> BuildReport:
    unchanged = len(live.files) if live else published.count(OutputKind.UNCHANGED)
    next_due = store.next_due(site.as_of)
    return BuildReport(
        revision=store.revision,
        pages=pages,
        created=published.count(OutputKind.CREATED),
        rewritten=published.count(OutputKind.REWRITTEN),
        unchanged=unchanged,
        removed=published.count(OutputKind.REMOVED),
        release=published.release,
        sync=synced,
        warnings=tuple(run.warnings),
        elapsed_ms=run.elapsed_ms,
        next_due_at=None if next_due is None else datetime.fromisoformat(next_due),
    )
