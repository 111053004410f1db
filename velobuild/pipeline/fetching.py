"""The site's media are brought here, and what no page uses any more is let go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from velobuild.config.schema import Secret
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.content.dirty import ASSET, marked
from velobuild.content.store import MEDIA_CHANGED, Store
from velobuild.errors import Diagnostic
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.media.uses import due, in_folder, is_used, may_be_ours, objects_of, urls_of, uses_of_change
from velobuild.model.assets import path_of
from velobuild.pipeline.run import Run

CHECKED = "media_checked_at"
MISSING = "media_missing"
"""The note that lists the addresses whose files could not be had: each build asks for them again."""


def fetch_media(
    run: Run, connection: Connection, site: Site, store: Store, *, file_tokens: Mapping[str, Callable[[], Secret]]
) -> None:
    """Fetch what is new or whose record changed; once a day ask for all again, since bytes can change alone.

    `file_tokens` gives, by a CMS's address, what opens its protected files. Files of a folder are looked at in every
    build, offline too. Afterwards the asset rows name exactly the files that pages
    may link to. Raises OutputError.
    """
    from velobuild.media.needed import needed, open_library
    from velobuild.media.store import ObjectStore

    reader = Reader(connection, site)
    library = open_library(
        connection, site, reader, clock=run.clock, warn=run.warn, progress=run.progress, file_tokens=file_tokens
    )
    if library is None:
        return
    rows = AssetTable(connection)
    now = run.clock()
    all_again = not run.options.offline and due(store.note(CHECKED), now)
    # Kept from sync to fetch in the database: a build may be killed in between, and `sync` fetches no media.
    changed = set(json.loads(store.note(MEDIA_CHANGED) or "[]"))
    recheck = urls_of((record for record in reader.pictures.media if record.id in changed), site)
    wanted = needed(connection, reader, recheck=None if all_again else recheck)
    library.fetch([one for one in wanted if in_folder(one.url)] if run.options.offline else wanted)
    if not run.options.offline:
        if all_again:
            store.remember(CHECKED, now.isoformat())
        if changed:
            store.remember(MEDIA_CHANGED, "[]")
    usable = {one.url for one in wanted if library.asset(one.url) is not None}
    store.remember(MISSING, json.dumps(sorted(one.url for one in wanted if one.url not in usable)))
    stale = [url for url, *_ in rows.published() if url not in usable]
    for url in stale:
        rows.forget(url)
    if stale or all_again:
        ObjectStore(objects_of(site.state)).keep_only(sha256 for _, sha256, *_ in rows.published())
    never = [one for one in wanted if one.url not in usable and not in_folder(one.url)]
    if run.options.offline and never:
        run.warn(
            Diagnostic(
                "VB4001",
                f"{len(never)} media files were never fetched; their places stay empty",
                where=never[0].where,
                hint="build once with access to the CMS: `sync` fetches posts alone",
            )
        )


@dataclass(frozen=True, slots=True)
class MediaMoves:
    """What a change does to the published media: path → (file, hash) of new ones, and the paths of those that go."""

    puts: Mapping[str, tuple[Path, str]]
    removals: frozenset[str]


def fetch_some(
    run: Run, connection: Connection, site: Site, reader: Reader, *, file_tokens: Mapping[str, Callable[[], Secret]]
) -> MediaMoves | None:
    """Fetch what the changed posts need, and let go of what nothing uses any more. None where all must be looked at:
    when files are due to be asked for again, or the site's own pictures changed. Raises OutputError.
    """
    store = Store(connection)
    if any(source.type == "folder" for source in site.config.sources):
        return None  # whose files no record describes: each is looked at
    if not run.options.offline and due(store.note(CHECKED), run.clock()):
        return None
    if connection.execute("SELECT 1 FROM dirty WHERE kind = 'settings'").fetchone() is not None:
        return None
    rows = AssetTable(connection)
    used, left = uses_of_change(connection, reader)
    changed = set(json.loads(store.note(MEDIA_CHANGED) or "[]"))
    again = {
        url
        for url in urls_of(filter(None, map(reader.pictures.media_record, changed)), site)
        if is_used(connection, reader, url)
    }
    missing = {url for url in json.loads(store.note(MISSING) or "[]") if is_used(connection, reader, url)}
    wanted = {url for url in used if rows.get(url) is None and may_be_ours(reader, url)} | again | missing
    if wanted and not run.options.offline:
        from velobuild.media.needed import open_library, wanted_of

        library = open_library(
            connection, site, reader, clock=run.clock, warn=run.warn, progress=run.progress, file_tokens=file_tokens
        )
        assert library is not None
        library.fetch(wanted_of(connection, reader, wanted, recheck=frozenset(again)))
    if wanted or missing:
        store.remember(MISSING, json.dumps(sorted(url for url in wanted if rows.get(url) is None)))
    if changed and not run.options.offline:
        store.remember(MEDIA_CHANGED, "[]")
    for url in left:
        if rows.get(url) is not None and not is_used(connection, reader, url):
            rows.forget(url)
    return _moves(run, connection, site, reader)


def _moves(run: Run, connection: Connection, site: Site, reader: Reader) -> MediaMoves | None:
    rows = AssetTable(connection)
    puts: dict[str, tuple[Path, str]] = {}
    removals: set[str] = set()
    left: list[tuple[str, str]] = []
    changed = [entry for entry in marked(connection) if entry.kind == ASSET]
    for entry in changed:
        asset = rows.get(entry.id)
        if asset is not None and not is_used(connection, reader, entry.id):
            rows.forget(entry.id)
            asset = None
        if asset is not None and not (run.loaded.out / asset.path).exists():
            from velobuild.media.store import ObjectStore

            objects = ObjectStore(objects_of(site.state))
            if not objects.holds(asset):
                return None
            puts[asset.path] = (objects.place(asset.sha256, asset.extension), asset.sha256)
    # Not before all that nothing uses are forgotten: several addresses may have the same file.
    for entry in changed:
        if entry.before is not None and not rows.has_file(entry.before["sha256"]):
            removals.add(path_of(entry.before["sha256"], entry.before["extension"]))
            left.append((entry.before["sha256"], entry.before["extension"]))
    if left:
        from velobuild.media.store import ObjectStore

        objects = ObjectStore(objects_of(site.state))
        for sha256, extension in left:
            objects.place(sha256, extension).unlink(missing_ok=True)
    return MediaMoves(puts, frozenset(removals))
