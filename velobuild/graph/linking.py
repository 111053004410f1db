"""Where the addresses in bodies lead on the published site."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from velobuild.config.source_schema import FOLDER_HOST
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection
from velobuild.errors import Diagnostic
from velobuild.graph.pictures import Pictures
from velobuild.graph.site import Site
from velobuild.markup.prepare import Ref, Resolved, body_id
from velobuild.markup.urls import origin
from velobuild.model.assets import Asset
from velobuild.model.entries import Media

LINKS_KEPT = 15_000
FILES_KEPT = 500
FRAGMENT_CHARS = "/~!$&'()*+,;=:@?-._"
AT_PATH = "SELECT 1 FROM permalink WHERE path = ?"
FORMER = "SELECT permalink.path FROM former_path JOIN permalink USING (post_id) WHERE former_path.path = ?"
# Two questions, each answered by an index: one with OR between two tables would look at every post.
BY_SLUG = (
    "SELECT path FROM permalink WHERE slug = ? ORDER BY post_id LIMIT 1",
    "SELECT path FROM post JOIN permalink ON post_id = id WHERE post.slug = ? ORDER BY id LIMIT 1",
)
BY_SLUG_OF_LOCALE = (
    "SELECT path FROM ("
    "SELECT path, locale, 0 AS later, id FROM permalink JOIN post ON id = post_id WHERE permalink.slug = ?1 "
    "UNION ALL SELECT path, locale, 1, id FROM post JOIN permalink ON post_id = id WHERE post.slug = ?1"
    ") ORDER BY locale <> ?2, later, id LIMIT 1"
)
# Where sites keep their posts, if not at the root. In any other folder a name that is a post's slug may be something
# else: the file /files/tea, the product /shop/tea.
POST_FOLDERS = frozenset({"blog", "post", "posts", "p", "article", "articles"})


class FixedPages(Protocol):
    """What links can lead to besides posts and files."""

    @property
    def fixed_paths(self) -> frozenset[str]:
        """Every path of the site that is no post's."""
        ...


class Linking:
    """Answers for one revision. `warnings` gets a finding for each place from which a link leads nowhere, once."""

    def __init__(
        self, connection: Connection, site: Site, pictures: Pictures, pages: FixedPages, warnings: list[Diagnostic]
    ) -> None:
        self._connection = connection
        self._site = site
        self._pictures = pictures
        self._pages = pages
        self._assets = AssetTable(connection)
        self._warnings = warnings
        self._warned: set[tuple[str, str]] = set()
        self._own_origin = origin(site.base_url)
        # A link without a host (`https:///x`) leads into the site too.
        self._near = frozenset({*site.own_origins, "http://", "https://"})
        self._links = lru_cache(maxsize=LINKS_KEPT)(self._link)
        self._files = lru_cache(maxsize=FILES_KEPT)(self._file_at)

    def resolve(self, ref: Ref, where: str, locale: str = "") -> Resolved | None:
        """What stands in the page for an address in a body; None to drop it. `where` names the body for findings,
        `locale` is its language: of several posts that a link may mean, the one in the same language is meant."""
        if ref.kind != "link":
            return self._file(ref, where)
        answer, found = self._links(ref.url, locale)
        # Each body is named, whichever is rendered first: else the findings would depend on the number of workers.
        if not found:
            self._warn_once(ref.url, where, _dead_link(ref.url))
        return answer

    def _warn_once(self, about: str, where: str, finding: Diagnostic) -> None:
        if (about, where) not in self._warned:
            self._warned.add((about, where))
            self._warnings.append(replace(finding, where=where))

    @cached_property
    def _fetched_origins(self) -> frozenset[str | None]:
        """Origins whose files are copied into the site, so that a missing one is a gap and not somebody else's."""
        site = self._site
        hosts = [f"https://{host}" for source in site.config.sources for host in source.media_hosts]
        return self._pictures.media_origins.union(origin(url) for url in (*site.source_urls, *hosts))

    def _file(self, ref: Ref, where: str) -> Resolved | None:
        address, mark, fragment = ref.url.partition("#")
        asset, record = self._files(address)
        alt = ref.alt or (record.alt if record else None)
        if asset is not None:
            url = self._site.url_of(f"/{asset.path}")
            return Resolved(url + mark + fragment, asset.width_px, asset.height_px, alt)
        if "//" not in address:  # A file of the site's own `static` folder, from its root or beside the page.
            url = self._site.url_of(ref.url) if address.startswith("/") else ref.url
            return Resolved(url, ref.width_px, ref.height_px, alt)
        at = origin(address)
        if at in self._fetched_origins:
            width = ref.width_px or (record.width_px if record else None)
            height = ref.height_px or (record.height_px if record else None)
            return Resolved(ref.url, width, height, alt, placeholder=True) if ref.kind == "image" else None
        if self._site.config.source.external_media == "drop":
            return None
        # The shipped themes' pages load nothing unencrypted, so readers would see a gap that nobody was told of.
        if at is not None and at.startswith("http:") and at not in self._site.own_origins:
            self._warn_once("http:", where, _unencrypted(ref))
        return Resolved(ref.url, ref.width_px, ref.height_px, alt)

    def _file_at(self, address: str) -> tuple[Asset | None, Media | None]:
        return self._assets.get(address), self._pictures.media_at(address)

    def _link(self, url: str, locale: str) -> tuple[Resolved, bool]:
        """(what stands in the page, whether it leads somewhere)."""
        site = self._site
        at = origin(url)
        if at is not None and at not in self._near:
            return Resolved(url), True
        try:
            parts = urlsplit(url)
        except ValueError:  # `https://[half` is no address, yet browsers make a link of it.
            return Resolved(url), True
        if parts.netloc and at is None:
            return Resolved(url), True
        address, mark, fragment = url.partition("#")
        asset = self._assets.get(address)
        if asset is not None:
            return Resolved(site.url_of(f"/{asset.path}") + mark + fragment), True
        path = unicodedata.normalize("NFC", unquote(parts.path)) or "/"
        if parts.netloc and site.prefix:
            if f"{path}/".startswith(f"{site.prefix}/"):
                path = path.removeprefix(site.prefix) or "/"
            # Else it is something else on the host of a site that has but a folder there.
            elif at not in map(origin, site.source_urls):
                return Resolved(url), True
        if not path.startswith("/"):
            return Resolved(url), True
        # The site's own full address is how a text in one language leads to a page in another.
        folder = "" if parts.netloc and at == self._own_origin else site.locales.folder(locale)
        found = self._local_path(path, locale, folder)
        if found is not None:
            return Resolved(site.url_of(found) + self._own_rest(parts.query, parts.fragment)), True
        rest = (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
        # What stands for a folder leads nowhere, and is nobody's to see.
        elsewhere = bool(parts.netloc) and not parts.netloc.endswith(FOLDER_HOST)
        return Resolved(url if elsewhere else site.url_of(path) + rest), False

    def _own_rest(self, query: str, fragment: str) -> str:
        """Query and fragment of a link to a page of ours, where the sanitizer has renamed every id."""
        if fragment and self._site.config.content.html != "trusted":
            fragment = quote(body_id(unquote(fragment)), safe=FRAGMENT_CHARS)
        return (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")

    def _local_path(self, path: str, locale: str, folder: str) -> str | None:
        """The site's own path for one in a body: exact, with or without a slash at its end, moved, or by its slug.

        What lies at the same path below `folder`, that of the body's locale, comes first.
        """
        if not folder and self._is_there(path):
            return path
        bare = path.rstrip("/")
        plain = tuple(dict.fromkeys((path, f"{bare}/", bare or "/")))
        ways = (*(folder + way for way in plain), *plain) if folder else plain
        for way in ways:
            if self._is_there(way):
                return way
        for way in ways:
            moved = self._connection.execute(FORMER, (way,)).fetchone()
            if moved is not None:
                return str(moved[0])
        return self._by_slug(path, locale)

    def _is_there(self, path: str) -> bool:
        # Posts first: most links lead to one, and the other paths are as many as the tags.
        return self._connection.execute(AT_PATH, (path,)).fetchone() is not None or path in self._pages.fixed_paths

    def _by_slug(self, path: str, locale: str) -> str | None:
        """The post that the path's last part names, where the CMS's own site may lay posts out otherwise than ours."""
        folder, _, slug = path.strip("/").rpartition("/")
        own = self._site.locales.at(path)
        if own != self._site.locales.default:
            locale, folder = own, folder.partition("/")[2]
        if not slug or folder not in self._post_folders:
            return None
        if locale:
            row = self._connection.execute(BY_SLUG_OF_LOCALE, (slug, locale)).fetchone()
            return str(row[0]) if row is not None else None
        for query in BY_SLUG:
            row = self._connection.execute(query, (slug,)).fetchone()
            if row is not None:
                return str(row[0])
        return None

    @cached_property
    def _post_folders(self) -> frozenset[str]:
        """Folders in which a slug means a post: not those in which it is a tag or a year."""
        config = self._site.config
        lists = {_fixed_folder(pattern) for pattern in (config.taxonomies["tags"].path, config.urls.year)}
        return frozenset({"", *POST_FOLDERS} - lists | {_fixed_folder(config.urls.post)})


def _fixed_folder(pattern: str) -> str:
    """`/blog/{year}/{slug}/` → `blog`."""
    return pattern.partition("{")[0].rpartition("/")[0].strip("/")


def _unencrypted(ref: Ref) -> Diagnostic:
    parts = urlsplit(ref.url)  # Without its query, which may hold a signature, and without a password.
    named = f"http://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return Diagnostic(
        "VB4002",
        f"the {'picture' if ref.kind == 'image' else 'file'} {named} would be loaded unencrypted, "
        "which the policy of the site's pages forbids to browsers",
        hint="write its https:// address in the CMS, or upload the file there",
    )


def _dead_link(url: str) -> Diagnostic:
    return Diagnostic(
        "VB3006",
        f"the link {urlsplit(url).path or '/'} leads to no page of the site",
        hint="correct the link in the CMS, or add a [[redirects]] entry",
    )
