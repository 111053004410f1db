"""Which address each public post has: unique, safe for every file system, and the same in any listing order.

The earliest post keeps a contested address. The last manifest could decide instead, but then a build from an empty
folder would differ from one that knows the past.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Collection as Sized
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import blake2b
from urllib.parse import unquote

from velobuild.config.schema import UrlsConfig
from velobuild.content.codec import timestamp
from velobuild.content.database import transaction
from velobuild.errors import Diagnostic
from velobuild.model.entries import DEVICE_NAMES, SLUG_BYTES_MAX, cut_bytes, is_word_char, slugify

SLUG_SIGNS = frozenset("-_.~+")
# Names that the site itself needs, or that hosts give a meaning of their own.
RESERVED = frozenset(
    {
        *(
            "index",
            "404",
            "assets",
            "media",
            "tags",
            "page",
            "archive",
            "feeds",
            ".well-known",
            "_headers",
            "_redirects",
        ),
        *("feed.xml", "atom.xml", "rss.xml", "sitemap.xml", "robots.txt", "favicon.ico", "index.html", "404.html"),
    }
)
PUBLIC = "SELECT id, slug, title, sort_at FROM post WHERE status = 'published' AND sort_at <= ? ORDER BY sort_at, id"
CURRENT = "SELECT post_id, path, slug FROM permalink ORDER BY post_id"


class UnsafeSlug(ValueError):
    """A slug that no honest editor writes: it names another place than its own."""


@dataclass(frozen=True, slots=True)
class Permalink:
    """A public post's place. `path` is root-relative and not percent-encoded, such as `/tea/`."""

    post_id: str
    path: str
    slug: str


def safe_slug(slug: str, id: str) -> str:
    """The slug as it can be published: NFC, one path segment, at most 200 bytes, a name on every system.

    Raises UnsafeSlug for a path, a control character, or what decodes to one.
    """
    text = unicodedata.normalize("NFC", slug)
    decoded = unquote(unquote(text))
    if any(unicodedata.category(char) in {"Cc", "Cs"} or char in "/\\" for char in decoded):
        raise UnsafeSlug(slug)
    if decoded.strip() in {".", ".."}:
        raise UnsafeSlug(slug)
    text = text.strip(" .")
    good = text if text and _is_published_as_it_is(text) else slugify(text)
    if not good:
        return slugify(id) or blake2b(id.encode(), digest_size=8).hexdigest()
    if len(good.encode()) > SLUG_BYTES_MAX:
        mark = blake2b(good.encode(), digest_size=4).hexdigest()
        good = f"{cut_bytes(good, SLUG_BYTES_MAX - 9).rstrip('-.')}-{mark}"
    return with_mark(good, id) if good.partition(".")[0].casefold() in DEVICE_NAMES else good


def _is_published_as_it_is(slug: str) -> bool:
    return is_word_char(slug[0]) and all(is_word_char(char) or char in SLUG_SIGNS for char in slug)


def with_mark(slug: str, id: str) -> str:
    """The slug with a mark that only this entry has."""
    mark = slugify(id)[:6] or blake2b(id.encode(), digest_size=3).hexdigest()
    return f"{cut_bytes(slug, SLUG_BYTES_MAX - 1 - len(mark.encode()))}-{mark}"


def collision_key(path: str) -> str:
    """Equal for paths that are one file on some file system: NFC and case-folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def settle(
    posts: list[tuple[str, str, str, str]], *, urls: UrlsConfig, zone: tzinfo, taken: Sized[str]
) -> tuple[list[Permalink], list[Diagnostic]]:
    """One address a post, from (id, slug, title, sort_at) in the order of publication. `taken` holds collision keys."""
    holders: dict[str, str] = {}
    places: list[Permalink] = []
    findings: list[Diagnostic] = []
    for id, slug, title, sort_at in posts:
        where = f"post “{title}” (id {id})"
        try:
            name = safe_slug(slug, id)
        except UnsafeSlug:
            findings.append(
                Diagnostic(
                    "VB3001",
                    f"the slug {slug!r} is a path or holds control characters; the post was left out",
                    where=where,
                    hint="give the post a slug of letters, digits and hyphens in the CMS",
                )
            )
            continue
        if slug.strip() in {"", "."}:
            findings.append(Diagnostic("VB3002", "the post has no usable slug; its id stands in", where=where))
        path = place(urls.post, name, id, sort_at, zone)
        key = collision_key(path)
        if path.strip("/").split("/")[0].casefold() in RESERVED or key in taken:
            findings.append(
                Diagnostic(
                    "VB3004", f"the address {path} is needed by the site itself; a suffix was added", where=where
                )
            )
            name = with_mark(name, id)
        elif key in holders:
            findings.append(
                Diagnostic(
                    "VB3003",
                    f"the address {path} belongs to {holders[key]}; a suffix was added",
                    where=where,
                    hint="change one of the two slugs in the CMS",
                )
            )
            name = with_mark(name, id)
        path = place(urls.post, name, id, sort_at, zone)
        number = 2
        while (key := collision_key(path)) in holders or key in taken:
            path = place(urls.post, f"{name}-{number}", id, sort_at, zone)
            number += 1
        holders[key] = where
        places.append(Permalink(id, path, name))
    return places, findings


def place(pattern: str, slug: str, id: str, sort_at: str, zone: tzinfo) -> str:
    """The pattern of `[urls] post`, filled in. Dates are those of the site's own zone."""
    path = pattern
    if "{year}" in pattern or "{month}" in pattern or "{day}" in pattern:
        at = datetime.fromisoformat(sort_at).astimezone(zone)
        path = path.replace("{year}", f"{at.year:04d}").replace("{month}", f"{at.month:02d}")
        path = path.replace("{day}", f"{at.day:02d}")
    return path.replace("{id}", slugify(id)).replace("{slug}", slug)


def assign(
    connection: sqlite3.Connection,
    *,
    urls: UrlsConfig,
    zone: tzinfo,
    as_of: datetime,
    taken: Sized[str],
    without: Sized[str] = frozenset(),
) -> list[Diagnostic]:
    """Settle every public post's address and remember the addresses that were left. Posts in `without` get none."""
    posts = [row for row in connection.execute(PUBLIC, (timestamp(as_of),)) if row[0] not in without]
    places, findings = settle(posts, urls=urls, zone=zone, taken=taken)
    before = {post_id: (path, slug) for post_id, path, slug in connection.execute(CURRENT)}
    after = {one.post_id: (one.path, one.slug) for one in places}
    if before != after:
        with transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO former_path (path, post_id) VALUES (?, ?)",
                [(path, id) for id, (path, _) in before.items() if id in after and after[id][0] != path],
            )
            gone = [(id,) for id in before if after.get(id) != before[id]]
            connection.executemany("DELETE FROM permalink WHERE post_id = ?", gone)
            connection.executemany(
                "INSERT INTO permalink (post_id, path, slug) VALUES (?, ?, ?)",
                [(id, path, slug) for id, (path, slug) in after.items() if before.get(id) != (path, slug)],
            )
    return findings


def former_paths(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """(old path, present path) of every post that moved, unless another page is there now."""
    return [
        (old, new)
        for old, new in connection.execute(
            "SELECT former_path.path, permalink.path FROM former_path JOIN permalink USING (post_id) "
            "WHERE former_path.path NOT IN (SELECT path FROM permalink) ORDER BY former_path.path"
        )
    ]


def former_rows(connection: sqlite3.Connection) -> str:
    """All addresses that were left, as text that `recall_former` reads: the CMS cannot tell them again."""
    rows = connection.execute("SELECT path, post_id FROM former_path ORDER BY path")
    return json.dumps(list(rows), ensure_ascii=False)


def recall_former(connection: sqlite3.Connection, text: str) -> None:
    """Take over what `former_rows` gave, into a database that was begun anew and so knows no address of before."""
    if connection.execute("SELECT 1 FROM former_path").fetchone() is None and (rows := json.loads(text)):
        with transaction(connection):
            connection.executemany("INSERT INTO former_path (path, post_id) VALUES (?, ?)", rows)
