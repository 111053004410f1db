"""Which media files a site uses, and the library that fetches them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from velobuild.config.schema import Secret
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.content.dirty import PostBefore, marked
from velobuild.graph.bodies import media_of
from velobuild.graph.reader import Reader, absolute_media
from velobuild.graph.site import Site
from velobuild.markup.urls import origin
from velobuild.media.fetch import WORKERS, MediaLibrary, Wanted
from velobuild.media.places import Places, in_folder
from velobuild.model.entries import Collection, Media
from velobuild.model.ports import Clock, Progress, Warn

USES_OF = "SELECT url FROM media_use WHERE post_id = ?"
USES = (
    "SELECT url, min(post_id), title FROM media_use JOIN permalink USING (post_id) JOIN post ON post.id = post_id "
    "GROUP BY url ORDER BY url"
)
# PHP's own server, on which a CometCMS may run, answers one request after the other.
ONE_AT_A_TIME = frozenset({"cometcms"})
FEW_WORKERS = 2


def open_library(
    connection: Connection,
    site: Site,
    reader: Reader,
    *,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    file_tokens: Mapping[str, Callable[[], Secret]] | None = None,
) -> MediaLibrary | None:
    """The library of a site that has a CMS or a folder; None for one that never had one. Raises ConfigError."""
    if not site.source_urls:
        return None
    places = Places.of(site, [absolute_media(media.url, site) for media in reader.media], file_tokens, clock=clock)
    return MediaLibrary(
        objects_of(site.state),
        AssetTable(connection),
        policy=places,
        limits=site.config.limits,
        clock=clock,
        warn=warn,
        progress=progress,
        workers=FEW_WORKERS if any(source.type in ONE_AT_A_TIME for source in site.config.sources) else WORKERS,
        open_downloader=places.open,
    )


def objects_of(state: Path) -> Path:
    """Where fetched files lie, by their hash."""
    return state / "cache" / "objects"


def needed(connection: Connection, reader: Reader, *, recheck: frozenset[str] | None) -> list[Wanted]:
    """Every file that a public post or the settings use and that may be fetched.

    `recheck` are the addresses whose record changed; None asks for all of them again.
    """
    site = reader.site
    records = {absolute_media(media.url, site): media for media in reader.media}
    places = Places.of(site, records)
    return [
        Wanted(
            url,
            where,
            expected_size=_size(records.get(url)),
            # Looking at a file of a folder costs next to nothing, and no record tells that it changed.
            recheck=recheck is None or url in recheck or in_folder(url),
        )
        for url, where in _uses(connection, reader)
        if places.allows(url)
    ]


def wanted_of(connection: Connection, reader: Reader, urls: Iterable[str], *, recheck: frozenset[str]) -> list[Wanted]:
    """The same for single addresses, of which those in `recheck` are asked for again."""
    records = {absolute_media(media.url, reader.site): media for media in reader.media}
    places = Places.of(reader.site, records)
    return [
        Wanted(url, where or url, expected_size=_size(records.get(url)), recheck=url in recheck)
        for url in sorted(urls)
        if places.allows(url)
        for where in [_user_of(connection, url)]
    ]


def may_be_ours(reader: Reader, url: str) -> bool:
    """Whether a file's host is one from which files are fetched: a first look, at no cost."""
    hosts = [f"https://{host}" for source in reader.site.config.sources for host in source.media_hosts]
    return origin(url) in reader.media_origins.union(map(origin, (*reader.site.source_urls, *hosts)))


def uses_of_change(connection: Connection, reader: Reader) -> tuple[set[str], set[str]]:
    """(the files that the changed posts use now, those that they used and use no more)."""
    used: set[str] = set()
    before: set[str] = set()
    for entry in marked(connection):
        if entry.kind != Collection.POSTS:
            continue
        core = reader.core(entry.id)
        if core is not None:
            used.update(url for (url,) in connection.execute(USES_OF, (entry.id,)))
            used |= _cover(reader, core.post.cover_media_id)
        if isinstance(entry.before, PostBefore):
            before |= {*entry.before.media, *_cover(reader, entry.before.values["cover_media_id"])}
    return used, before - used


def _cover(reader: Reader, media_id: str | None) -> set[str]:
    record = reader.media_record(media_id) if media_id else None
    return set() if record is None else {reader.media_address(record.url)}


def is_used(connection: Connection, reader: Reader, url: str) -> bool:
    """Whether a public post, a page or the settings use a file."""
    if _user_of(connection, url) is not None:
        return True
    covered = "SELECT 1 FROM post JOIN permalink ON post_id = id WHERE cover = ? LIMIT 1"
    if any(connection.execute(covered, (id,)).fetchone() for id in reader.media_ids_at(url)):
        return True
    own = [one for one in (reader.settings.logo_url, reader.settings.favicon_url) if one]
    if url in map(reader.media_address, own):
        return True
    return any(url in media_of(reader.prepared_page(page)) for page in reader.pages)


def _user_of(connection: Connection, url: str) -> str | None:
    """A public post whose body uses a file, in words."""
    row = connection.execute(
        "SELECT title, post.id FROM media_use JOIN permalink USING (post_id) JOIN post ON post.id = post_id "
        "WHERE url = ? ORDER BY post.id LIMIT 1",
        (url,),
    ).fetchone()
    return None if row is None else f"post “{row[0]}” (id {row[1]})"


def _uses(connection: Connection, reader: Reader) -> Iterator[tuple[str, str]]:
    for url, post_id, title in connection.execute(USES):
        yield url, f"post “{title}” (id {post_id})"
    for page in reader.pages:
        for url in media_of(reader.prepared_page(page)):
            yield url, f"page {page.path}"
    for id in reader.covers():
        record = reader.media_record(id)
        if record is not None:
            yield reader.media_address(record.url), f"cover {record.filename or record.id}"
    for name, url in (("logo", reader.settings.logo_url), ("favicon", reader.settings.favicon_url)):
        if url:
            yield reader.media_address(url), f"site settings: {name}"


def _size(record: Media | None) -> int | None:
    return record.size_bytes if record else None


def due(last: str | None, now: datetime, *, hours: int = 24) -> bool:
    """Whether the files should be asked for again: they can change under an address without any record changing."""
    return last is None or (now - datetime.fromisoformat(last)).total_seconds() >= hours * 3600


def urls_of(records: Iterable[Media], site: Site) -> frozenset[str]:
    return frozenset(absolute_media(record.url, site) for record in records)
