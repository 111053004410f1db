"""Which media files a site uses, and the library that fetches them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from velobuild.config.schema import Secret
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.graph.bodies import media_of
from velobuild.graph.pictures import absolute_media
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.media.fetch import WORKERS, MediaLibrary, Wanted
from velobuild.media.places import Places
from velobuild.media.uses import in_folder, objects_of, user_of
from velobuild.model.entries import Media
from velobuild.model.ports import Clock, Progress, Warn

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
    urls = [absolute_media(media.url, site) for media in reader.pictures.media]
    places = Places.of(site, urls, file_tokens, clock=clock)
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


def needed(connection: Connection, reader: Reader, *, recheck: frozenset[str] | None) -> list[Wanted]:
    """Every file that a public post or the settings use and that may be fetched.

    `recheck` are the addresses whose record changed; None asks for all of them again.
    """
    site = reader.site
    records = {absolute_media(media.url, site): media for media in reader.pictures.media}
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
    records = {absolute_media(media.url, reader.site): media for media in reader.pictures.media}
    places = Places.of(reader.site, records)
    return [
        Wanted(url, where or url, expected_size=_size(records.get(url)), recheck=url in recheck)
        for url in sorted(urls)
        if places.allows(url)
        for where in [user_of(connection, url)]
    ]


def _uses(connection: Connection, reader: Reader) -> Iterator[tuple[str, str]]:
    for url, post_id, title in connection.execute(USES):
        yield url, f"post “{title}” (id {post_id})"
    for page in reader.pages:
        for url in media_of(reader.prepared_page(page)):
            yield url, f"page {page.path}"
    for id in reader.pictures.covers():
        record = reader.pictures.media_record(id)
        if record is not None:
            yield reader.pictures.media_address(record.url), f"cover {record.filename or record.id}"
    for name, url in (("logo", reader.settings.logo_url), ("favicon", reader.settings.favicon_url)):
        if url:
            yield reader.pictures.media_address(url), f"site settings: {name}"


def _size(record: Media | None) -> int | None:
    return record.size_bytes if record else None
