"""One build: content becomes a release, or the live site stays exactly as it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from velobuild import __version__
from velobuild.config.schema import Config, Loaded
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.content.memo import Memo
from velobuild.content.permalinks import former_paths, former_rows, recall_former
from velobuild.content.store import Store
from velobuild.errors import ContentProblem, Diagnostic, GuardRefused, OutputError, SourceUnavailable
from velobuild.graph.bodies import recipe_of
from velobuild.graph.site import Site
from velobuild.model.keys import canonical
from velobuild.model.outputs import BuildReport, OutputKind, Published, SyncReport
from velobuild.model.ports import Clock, Progress, Warn, utc_now
from velobuild.pipeline.fetching import fetch_media
from velobuild.pipeline.keeping import POSTS, live_posts
from velobuild.pipeline.making import make, settle, strict_refusal
from velobuild.pipeline.naming import synchronise_named
from velobuild.pipeline.preparing import prepare
from velobuild.pipeline.run import BuildOptions, Run
from velobuild.pipeline.syncing import once_more_if_damaged, opened, read_local_pages, synchronise
from velobuild.publish.guard import SecretScan, shrink
from velobuild.publish.inplace import InPlace
from velobuild.publish.manifest import Manifest
from velobuild.publish.releases import Releases
from velobuild.render.theme import Theme, load_theme
from velobuild.sources import file_tokens_by_address, has_local, is_local

PASSES_MAX = 3
KEY = "build_key"
FORMER = "former_paths"
# Whose version can change bytes, beside the engines that a markup recipe names.
ENGINES = ("babel", "feedgen", "jinja2", "lxml", "markupsafe", "tzdata")
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
        synced = _sync(run, store, cache)
        read_local_pages(store, loaded)
        if options.clean:
            Memo(connection).keep_only(())
        site = Site(
            loaded.root,
            loaded.state,
            loaded.config,
            options.now or run.clock(),
            preview_at=run.clock() if loaded.drafts else None,
        )
        with run.phase("prepare"):
            unshown = prepare(run, connection, site)
        with run.phase("media"):
            tokens = file_tokens_by_address(loaded, cache=cache, clock=run.clock)
            fetch_media(run, connection, site, store, file_tokens=tokens)
        live = publisher.live()
        if live is not None and FORMER in live.meta:
            recall_former(connection, live.meta[FORMER])
        key = build_key(connection, store, site, theme)
        shortcut = live is not None and live.meta.get(KEY) == key and not options.clean and not options.strict
        if shortcut and live is not None and is_whole(live, loaded.out):
            return _report(run, store, site, synced, Published(None, ()), pages=_page_count(live), live=live)
        published, pages = _publish(run, connection, site, theme, publisher, key, unshown)
        return _report(run, store, site, synced, published, pages=pages, live=None)


def _publish(
    run: Run,
    connection: Connection,
    site: Site,
    theme: Theme,
    publisher: Releases | InPlace,
    key: str,
    unshown: Mapping[str, Diagnostic],
) -> tuple[Published, int]:
    """(what was published, number of pages). Posts that were never live and fail are left out in a further pass."""
    without: frozenset[str] = frozenset()
    full: OutputError | None = None
    for _ in range(PASSES_MAX):
        staging = publisher.begin()
        try:
            made = make(run, connection, site, theme, staging, {i: d for i, d in unshown.items() if i not in without})
            if made.lost:
                without |= made.lost
                settle(run, connection, site, without)
                continue
            if run.options.strict and run.warnings:
                raise strict_refusal(run.warnings)
            limits = site.config.limits
            shrink(
                len(live_posts(staging.live)),
                len(made.posts),
                percent=limits.shrink_percent,
                posts=limits.shrink_posts,
                allowed=run.options.allow_shrink,
            )
            # A failure is tried again by the next build: its release is not what the key promises.
            meta = {
                KEY: "" if made.failed or without else key,
                "pages": str(made.pages),
                POSTS: canonical(made.posts).decode(),
                FORMER: former_rows(connection),
            }
            with run.phase("publish"):
                return staging.publish(meta, guards=[SecretScan(run.loaded.tokens)]), made.pages
        except OutputError as error:
            if error.code != "VB6001" or not staging.make_room():
                raise
            full = error
        finally:
            staging.discard()
    raise full or ContentProblem(
        "posts keep failing to render", code="VB3104", hint="the warnings name them; mend them or the theme"
    )


def is_whole(live: Manifest, out: Path) -> bool:
    """Whether every file of the live release is there in its size. Its bytes are compared when something changes."""
    for path, file in live.files.items():
        try:
            # One of thousands: a Path for each would cost more than the question.
            if os.stat(f"{out}/{path}").st_size != file.size_bytes:  # noqa: PTH116
                return False
        except OSError:
            return False
    return True


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
        list(connection.execute("SELECT post_id, path FROM permalink ORDER BY post_id")),
        former_paths(connection),
        [_version(name) for name in ENGINES],
    ]
    return hashlib.sha256(canonical(parts)).hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def content_hash(connection: Connection) -> str:
    """A hash of every entry. Not the revision: a database that is begun anew counts from 1 again, whatever it holds."""
    whole = hashlib.sha256()
    for collection, id, fingerprint in connection.execute(CONTENT):
        whole.update(f"{collection} {id}\n".encode() + fingerprint)
    return whole.hexdigest()


def _plain(config: Config) -> dict[str, object]:
    """The configuration without what changes no byte of the site."""
    values = asdict(config)
    for name in ("build", "limits", "listen"):
        values.pop(name)
    for source in (values["source"], *values["more_sources"]):
        for name in ("token_env", "token_file", "rate_limit"):
            source.pop(name)
    return values


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
