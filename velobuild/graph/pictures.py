"""Pictures and other files: the CMS's records of them, their addresses, and the copies that are published.

Nothing here is noted as read. What shows a picture to a page notes it: the Reader by its address, a post by its field.
"""

from __future__ import annotations

from functools import cached_property

from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.graph.entries import entries, entry
from velobuild.graph.site import Site
from velobuild.graph.views import MediaView
from velobuild.markup.prepare import Prepared
from velobuild.markup.urls import absolute, origin
from velobuild.model.entries import Collection, Media, Post

# The scheme and host of each full address, told by SQLite: there may be very many addresses.
MEDIA_ORIGINS = (
    "SELECT DISTINCT substr(url, 1, 8 + instr(substr(url, 9) || '/', '/')) FROM media_at WHERE url GLOB 'http*'"
)


class Pictures:
    """The files of one revision."""

    def __init__(self, connection: Connection, site: Site) -> None:
        self._connection = connection
        self._site = site
        self._assets = AssetTable(connection)

    def published_picture(self, url: str) -> MediaView | None:
        """The published copy of a file in the CMS, or None."""
        asset = self._assets.get(self.media_address(url))
        if asset is None:
            return None
        record = self.media_at(url)
        return MediaView(
            self._site.url_of(f"/{asset.path}"), asset.width_px, asset.height_px, record.alt if record else None
        )

    def media_address(self, url: str) -> str:
        """A media URL as the CMS gave it, in full."""
        return absolute_media(url, self._site)

    def cover_of(self, post: Post) -> MediaView | None:
        if post.cover_media_id is None:
            return None
        record = self.media_record(post.cover_media_id)
        return None if record is None else self.published_picture(record.url)

    def first_picture(self, prepared: Prepared) -> MediaView | None:
        for ref in prepared.refs:
            if ref.kind == "image":
                asset = self._assets.get(ref.url)
                if asset is not None:
                    url = self._site.url_of(f"/{asset.path}")
                    return MediaView(url, asset.width_px, asset.height_px, ref.alt)
        return None

    @cached_property
    def media(self) -> list[Media]:
        """The CMS's media records, by id."""
        return [one for one in entries(self._connection, Collection.MEDIA) if isinstance(one, Media)]

    def media_record(self, id: str) -> Media | None:
        found: Media | None = entry(self._connection, Collection.MEDIA, id)
        return found

    def media_at(self, url: str) -> Media | None:
        """The record of an address, as it is written there or in full."""
        found = self.media_ids_at(url)
        return self.media_record(found[-1]) if found else None

    def media_ids_at(self, url: str) -> list[str]:
        """The ids of all records of an address, sorted."""
        ways = [url]
        host = self._cms_origin
        if host and url.startswith(f"{host}/"):
            ways.append(url.removeprefix(host))
        ways += self._odd_addresses.get(url, ())
        marks = ", ".join("?" * len(ways))
        sql = f"SELECT DISTINCT id FROM media_at WHERE url IN ({marks}) ORDER BY id"  # noqa: S608 - question marks alone
        return [id for (id,) in self._connection.execute(sql, ways)]

    @cached_property
    def _cms_origin(self) -> str | None:
        return origin(self._site.cms_url) if self._site.cms_url else None

    @cached_property
    def _odd_addresses(self) -> dict[str, list[str]]:
        """Full address → ways in which records write it that are neither full nor begin at the host's root."""
        rows = self._connection.execute(
            "SELECT DISTINCT url FROM media_at WHERE url NOT GLOB 'http*' AND url NOT GLOB '/[^/]*'"
        )
        found: dict[str, list[str]] = {}
        for (url,) in rows:
            found.setdefault(self.media_address(url), []).append(url)
        return found

    @cached_property
    def media_origins(self) -> frozenset[str]:
        """Where the CMS's media records say that files are."""
        rows = [url for (url,) in self._connection.execute(MEDIA_ORIGINS)]
        return frozenset(one for url in (*rows, *self._odd_addresses) if (one := origin(url)))

    def covers(self) -> list[str]:
        """The media ids of public posts' covers, sorted."""
        found = self._connection.execute(
            "SELECT DISTINCT json_extract(value, '$.cover_media_id') FROM entry JOIN permalink ON post_id = id "
            "WHERE collection = ? ORDER BY 1",
            (Collection.POSTS,),
        )
        return [id for (id,) in found if id]


def absolute_media(url: str, site: Site) -> str:
    """`/media/a.png` as the CMS's own address of it."""
    return absolute(url, site.cms_url)
