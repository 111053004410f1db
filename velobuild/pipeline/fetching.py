"""The site's media are brought here, and what no page uses any more is let go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from velobuild.config.schema import Secret
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.content.store import MEDIA_CHANGED, Store
from velobuild.errors import Diagnostic
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.media.needed import due, needed, objects_of, open_library, urls_of
from velobuild.media.places import in_folder
from velobuild.media.store import ObjectStore
from velobuild.pipeline.run import Run

CHECKED = "media_checked_at"


def fetch_media(
    run: Run, connection: Connection, site: Site, store: Store, *, file_tokens: Mapping[str, Callable[[], Secret]]
) -> None:
    """Fetch what is new or whose record changed; once a day ask for all again, since bytes can change alone.

    `file_tokens` gives, by a CMS's address, what opens its protected files. Files of a folder are looked at in every
    build, offline too. Afterwards the asset rows name exactly the files that pages
    may link to. Raises OutputError.
    """
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
    recheck = urls_of((record for record in reader.media if record.id in changed), site)
    wanted = needed(connection, reader, recheck=None if all_again else recheck)
    library.fetch([one for one in wanted if in_folder(one.url)] if run.options.offline else wanted)
    if not run.options.offline:
        if all_again:
            store.remember(CHECKED, now.isoformat())
        if changed:
            store.remember(MEDIA_CHANGED, "[]")
    usable = {one.url for one in wanted if library.asset(one.url) is not None}
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
