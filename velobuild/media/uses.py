"""Which media files a site uses, asked of the database alone: most builds fetch none, and need no network for that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from velobuild.config.source_schema import FOLDER_HOST
from velobuild.content.database import Connection
from velobuild.content.dirty import PostBefore, marked
from velobuild.graph.bodies import media_of
from velobuild.graph.pictures import absolute_media
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.markup.urls import origin
from velobuild.model.entries import Collection, Media

USES_OF = "SELECT url FROM media_use WHERE post_id = ?"


def objects_of(state: Path) -> Path:
    """Where fetched files lie, by their hash."""
    return state / "cache" / "objects"


def may_be_ours(reader: Reader, url: str) -> bool:
    """Whether a file's host is one from which files are fetched: a first look, at no cost."""
    hosts = [f"https://{host}" for source in reader.site.config.sources for host in source.media_hosts]
    return origin(url) in reader.pictures.media_origins.union(map(origin, (*reader.site.source_urls, *hosts)))


def uses_of_change(connection: Connection, reader: Reader) -> tuple[set[str], set[str]]:
    """(the files that the changed posts use now, those that they or the changed records used and use no more)."""
    used: set[str] = set()
    before: set[str] = set()
    for entry in marked(connection):
        if entry.kind == Collection.MEDIA and entry.before is not None:
            before.add(reader.pictures.media_address(entry.before["url"]))
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
    record = reader.pictures.media_record(media_id) if media_id else None
    return set() if record is None else {reader.pictures.media_address(record.url)}


def is_used(connection: Connection, reader: Reader, url: str) -> bool:
    """Whether a public post, a page or the settings use a file."""
    if user_of(connection, url) is not None:
        return True
    covered = "SELECT 1 FROM post JOIN permalink ON post_id = id WHERE cover = ? LIMIT 1"
    if any(connection.execute(covered, (id,)).fetchone() for id in reader.pictures.media_ids_at(url)):
        return True
    own = [one for one in (reader.settings.logo_url, reader.settings.favicon_url) if one]
    if url in map(reader.pictures.media_address, own):
        return True
    return any(url in media_of(reader.prepared_page(page)) for page in reader.pages)


def user_of(connection: Connection, url: str) -> str | None:
    """A public post whose body uses a file, in words."""
    row = connection.execute(
        "SELECT title, post.id FROM media_use JOIN permalink USING (post_id) JOIN post ON post.id = post_id "
        "WHERE url = ? ORDER BY post.id LIMIT 1",
        (url,),
    ).fetchone()
    return None if row is None else f"post “{row[0]}” (id {row[1]})"


def due(last: str | None, now: datetime, *, hours: int = 24) -> bool:
    """Whether the files should be asked for again: they can change under an address without any record changing."""
    return last is None or (now - datetime.fromisoformat(last)).total_seconds() >= hours * 3600


def urls_of(records: Iterable[Media], site: Site) -> frozenset[str]:
    return frozenset(absolute_media(record.url, site) for record in records)


def in_folder(url: str) -> bool:
    """Whether an address stands for a file of a folder source, and so is on this machine."""
    return (urlsplit(url).hostname or "").endswith(FOLDER_HOST)
