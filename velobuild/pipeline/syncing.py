"""Bring the store up to date with the CMS: whole or not at all, and never again what is here already."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from velobuild.config.schema import Loaded
from velobuild.content.store import Store
from velobuild.errors import ContentProblem, Diagnostic, GuardRefused
from velobuild.model.entries import LOCAL_PAGE, ChangeSet, Collection, Delta
from velobuild.model.outputs import SyncReport
from velobuild.model.ports import Clock, Known, Progress, Warn, utc_now
from velobuild.pipeline.noting import PAGES_READ
from velobuild.pipeline.opening import once_more_if_damaged, opened
from velobuild.publish.guard import shrink
from velobuild.sources import are_named, open_source
from velobuild.sources.page_files import print_of
from velobuild.sources.pages import read_pages

RIVAL_PAGES = (
    "SELECT json_extract(value, '$.path') AS path, min(id), max(id) FROM entry WHERE collection = 'pages' "
    "GROUP BY path HAVING count(*) > 1 ORDER BY path LIMIT 1"
)


def sync(
    loaded: Loaded,
    *,
    cache: Path | None,
    allow_shrink: bool = False,
    wait: bool = False,
    clock: Clock = utc_now,
    warn: Warn = lambda finding: None,
    progress: Progress | None = None,
) -> SyncReport:
    """Only synchronise. Raises TokenError, SourceUnavailable, ProtocolError, GuardRefused, OutputError, SiteLocked."""

    def attempt() -> SyncReport:
        with opened(loaded.state, wait=wait, warn=warn) as connection:
            store = Store(connection)
            return synchronise(
                store, loaded, cache=cache, allow_shrink=allow_shrink, clock=clock, warn=warn, progress=progress
            )[0]

    return once_more_if_damaged(attempt)


def synchronise(
    store: Store,
    loaded: Loaded,
    *,
    cache: Path | None,
    allow_shrink: bool,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    offline: bool = False,
) -> tuple[SyncReport, ChangeSet]:
    """Stage what arrives, then apply all of it as one revision, unless the site would shrink too much.

    `offline` reads what is on this machine alone.
    """
    if not offline:
        loaded.require_tokens()
    found: list[Diagnostic] = []

    def tell(finding: Diagnostic) -> None:
        found.append(finding)
        warn(finding)

    from velobuild.sources.several import cursor_of_one, known_of_one

    known: Known = store
    cursor = store.note("cursor")
    if not are_named(loaded.config):
        known, cursor = known_of_one(store), cursor_of_one(cursor)
    opening = open_source(loaded, cache=cache, clock=clock, warn=tell, progress=progress, offline=offline)
    with opening as opened_source:
        closings: list[Delta] = []
        for delta in opened_source.source.changes(known, cursor):
            if delta.complete:
                closings.append(delta)
            else:
                store.stage(delta)
        tally = opened_source.source.tally
    closings = with_local_pages(store, closings)
    if tally.emptied and not allow_shrink:
        raise GuardRefused(
            f"all posts of `{tally.emptied[0]}` would vanish from the site",
            code="VB5001",
            where=f"source.{tally.emptied[0]}",
            hint="look whether they are really gone; if so, build once with --allow-shrink",
        )
    guard_shrink(store, closings, loaded, as_of=clock(), allowed=allow_shrink, may_empty=tally.may_empty)
    changes = store.apply(closings)
    gone = sum(change.after is None and change.collection is Collection.POSTS for change in changes.changes)
    report = SyncReport(
        revision=changes.revision,
        changed=sum(change.collection is Collection.POSTS for change in changes.changes) - gone,
        removed=gone,
        api_calls=tally.usage.calls,
        bodies_fetched=tally.bodies_fetched,
        calls_today=tally.usage.calls_today,
        left_in_window=tally.usage.left_in_window,
        members_only_skipped=tally.members_only,
        excluded_by_tag=tally.with_excluded_tags,
        warnings=tuple(found),
    )
    return report, changes


def guard_shrink(
    store: Store, closings: list[Delta], loaded: Loaded, *, as_of: datetime, allowed: bool, may_empty: bool
) -> None:
    """Raises GuardRefused VB5001: the store and the live site stay as they are."""
    before, after = store.public_counts(closings, as_of)
    limits = loaded.config.limits
    percent, posts = limits.shrink_percent, limits.shrink_posts
    shrink(before, after, percent=percent, posts=posts, allowed=allowed, may_empty=may_empty)


def read_local_pages(store: Store, loaded: Loaded) -> ChangeSet:
    """Take in the site's own Markdown pages. Raises ContentProblem, OutputError."""
    files: list[tuple[Path, bytes | None]] = []

    def read(file: Path) -> bytes:
        files.append((file, content := file.read_bytes()))
        return content

    delta = read_pages(loaded.root / loaded.config.content.pages, read)
    of_sources = {id: v for id, v in store.versions(Collection.PAGES).items() if not id.startswith(LOCAL_PAGE)}
    changes = store.apply([replace(delta, versions={**of_sources, **delta.versions})])
    store.remember(PAGES_READ, print_of(files))
    refuse_rival_pages(store)
    return changes


def with_local_pages(store: Store, closings: list[Delta]) -> list[Delta]:
    """The closings of the sources without harm to the site's own pages; pages of a source that has gone go with it."""
    known = store.versions(Collection.PAGES)
    local = {id: version for id, version in known.items() if id.startswith(LOCAL_PAGE)}
    found = [delta for delta in closings if delta.collection is Collection.PAGES]
    if not found and len(local) < len(known):
        found = [Delta(Collection.PAGES, complete=True)]
    others = [delta for delta in closings if delta.collection is not Collection.PAGES]
    return [*others, *(replace(delta, versions={**local, **delta.versions}) for delta in found)]


def refuse_rival_pages(store: Store) -> None:
    """Raises ContentProblem VB3003 if two pages, whichever source they come from, want one address."""
    rivals = store.connection.execute(RIVAL_PAGES).fetchone()
    if rivals is not None:
        raise ContentProblem(
            f"two pages want the address /{rivals[0]}/",
            code="VB3003",
            where=f"{rivals[1]} and {rivals[2]}",
            hint="give one of them another path",
        )
