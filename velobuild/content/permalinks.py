"""Which address each public post has: unique, safe for every file system, and the same in any listing order.

The earliest post keeps a contested address. The last manifest could decide instead, but then a build from an empty
folder would differ from one that knows the past.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Collection as Sized
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import blake2b
from types import MappingProxyType
from urllib.parse import unquote

from velobuild.config.schema import UrlsConfig
from velobuild.content import tallies
from velobuild.content.database import transaction
from velobuild.content.dirty import mark
from velobuild.content.former import was_left
from velobuild.content.locales import locales_of
from velobuild.content.moments import timestamp
from velobuild.content.notes import SETTLED_AT
from velobuild.content.places import SITE, Places, Reserved, collision_key, file_of
from velobuild.errors import Diagnostic
from velobuild.model.entries import (
    DEVICE_NAMES,
    SLUG_BYTES_MAX,
    Collection,
    cut_bytes,
    is_word_char,
    slugify,
    source_of,
)
from velobuild.model.locales import Locales

SLUG_SIGNS = frozenset("-_.~+")
# Nearly every slug; there is nothing in it to look at.
PLAIN = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
NUMBERS_TRIED = 20
NO_FOLDERS: Mapping[str, str] = MappingProxyType({})
PUBLIC = (
    "SELECT id, slug, title, sort_at, locale FROM post WHERE status = 'published' AND sort_at <= ? ORDER BY sort_at, id"
)
CURRENT = "SELECT post_id, path, slug, moved FROM permalink ORDER BY post_id"
PUT = "INSERT INTO permalink (post_id, path, slug, key, moved) VALUES (?, ?, ?, ?, ?)"
LEFT_BY = "SELECT 1 FROM former_path WHERE post_id = ?"
FELL_DUE = "SELECT id FROM post WHERE status = 'published' AND sort_at > ? AND sort_at <= ?"


class UnsafeSlug(ValueError):
    """A slug that no honest editor writes: it names another place than its own."""


@dataclass(frozen=True, slots=True)
class Permalink:
    """A public post's place. `path` is root-relative and not percent-encoded, such as `/tea/`."""

    post_id: str
    path: str
    slug: str
    moved: bool = False
    """Whether it had to give way to another post or to the site."""


def safe_slug(slug: str, id: str) -> str:
    """The slug as it can be published: NFC, one path segment, at most 200 bytes, a name on every system.

    Where nothing of it can be used, the id stands in. Raises UnsafeSlug for a path, a control character, or what
    decodes to one.
    """
    return _portable(_usable(slug) or id_name(id), id)


def _usable(slug: str) -> str:
    """What of a slug can stand in an address; "" if nothing."""
    if PLAIN.fullmatch(slug) and len(slug) <= SLUG_BYTES_MAX:
        return slug
    text = unicodedata.normalize("NFC", slug)
    decoded = unquote(unquote(text))
    if any(unicodedata.category(char) in {"Cc", "Cs"} or char in "/\\" for char in decoded):
        raise UnsafeSlug(slug)
    if decoded.strip() == "..":
        raise UnsafeSlug(slug)
    text = text.strip(" .")
    good = text if text and _is_published_as_it_is(text) else slugify(text)
    if len(good.encode()) > SLUG_BYTES_MAX:
        mark = blake2b(good.encode(), digest_size=4).hexdigest()
        good = f"{cut_bytes(good, SLUG_BYTES_MAX - 9).rstrip('-.')}-{mark}"
    return good


def _is_published_as_it_is(slug: str) -> bool:
    return is_word_char(slug[0]) and all(is_word_char(char) or char in SLUG_SIGNS for char in slug)


def _portable(name: str, id: str) -> str:
    if name.partition(".")[0].casefold() not in DEVICE_NAMES:
        return name
    # Windows looks at what stands before the first dot: con.html is the device as well.
    return with_mark(name.replace(".", "-"), id)


def id_name(id: str) -> str:
    """An id as part of an address; never ""."""
    name = slugify(id)
    return name if name and name not in DEVICE_NAMES else f"{name}{'-' * bool(name)}{_hashed(id)}"


def with_mark(slug: str, id: str) -> str:
    """The slug with a mark of its entry: the first six characters of its id."""
    return _joined(slug, slugify(id)[:6].rstrip("-") or _hashed(id)[:6])


def _joined(slug: str, mark: str) -> str:
    return f"{cut_bytes(slug, SLUG_BYTES_MAX - 1 - len(mark.encode())).rstrip('-.')}-{mark}"


def _hashed(id: str) -> str:
    return blake2b(id.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _other_names(name: str, id: str) -> Iterator[str]:
    """Names to try where another has the one that is wanted. Ids that are counted up begin alike, so a hash is next."""
    yield with_mark(name, id)
    for number in range(NUMBERS_TRIED):
        yield _joined(name, _hashed(f"{id}{number or ''}"))


def settle(
    posts: Iterable[tuple[str, str, str, str]],
    *,
    urls: UrlsConfig,
    zone: tzinfo,
    reserved: Reserved,
    sources: Sequence[str] = (),
    folders: Mapping[str, str] = NO_FOLDERS,
) -> tuple[list[Permalink], list[Diagnostic]]:
    """One address a post, from (id, slug, title, sort_at) in any order: the earliest comes first.

    Of several `sources`, named in the order of the configuration, the posts of the first come first. `folders` names
    the posts whose locale has one, such as `/de`: it stands before the pattern.
    """
    taken = reserved.places()
    places: list[Permalink] = []
    findings: list[Diagnostic] = []
    by_slug = "{slug}" in urls.post
    rank = {name: number for number, name in enumerate(sources)}
    unnamed = rank.get("", 0)

    def precedence(post: tuple[str, str, str, str]) -> tuple[int, str, str]:
        return rank.get(source_of(post[0]), unnamed), post[3], post[0]

    for id, slug, title, sort_at in sorted(posts, key=precedence):
        where = f"post “{title}” (id {id})"
        try:
            usable = _usable(slug)
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
        if not usable and by_slug:
            findings.append(Diagnostic("VB3002", "the post has no usable slug; its id stands in", where=where))
        name = _portable(usable or id_name(id), id) if by_slug else id_name(id)
        pattern = folders.get(id, "") + urls.post
        wanted = place(pattern, name, id, sort_at, zone)
        rival = SITE if wanted in reserved else taken.rival(file_of(wanted))
        found = Permalink(id, wanted, name)
        if rival is not None:
            free = _free(pattern, found, sort_at, zone, reserved, taken)
            findings.append(_moved(wanted, rival, where, left_out=free is None))
            if free is None:
                continue
            found = free
        taken.take(file_of(found.path), where)
        places.append(found)
    return places, findings


def _free(
    pattern: str, wanted: Permalink, sort_at: str, zone: tzinfo, reserved: Reserved, taken: Places
) -> Permalink | None:
    """The first free place under another name; None where the pattern allows none."""
    for name in _other_names(wanted.slug, wanted.post_id):
        path = place(pattern, name, wanted.post_id, sort_at, zone)
        if path not in reserved and taken.rival(file_of(path)) is None:
            return Permalink(wanted.post_id, path, name, moved=True)
    return None


def _moved(path: str, rival: str, where: str, *, left_out: bool) -> Diagnostic:
    fate = "the post was left out" if left_out else "a suffix was added"
    if rival == SITE:
        hint = "change the post's slug, or [urls], [taxonomies] or the page that wants the address"
        return Diagnostic("VB3004", f"the address {path} is needed by the site itself; {fate}", where, hint)
    hint = "change one of the two slugs in the CMS"
    return Diagnostic("VB3003", f"the address {path} belongs to {rival}; {fate}", where, hint)


def place(pattern: str, name: str, id: str, sort_at: str, zone: tzinfo) -> str:
    """The pattern of `[urls] post`, filled in, in NFC. Dates are those of the site's own zone.

    `name` stands for the slug, or for the id in a pattern without one.
    """
    path = pattern
    if "{year}" in pattern or "{month}" in pattern or "{day}" in pattern:
        at = datetime.fromisoformat(sort_at).astimezone(zone)
        path = path.replace("{year}", f"{at.year:04d}").replace("{month}", f"{at.month:02d}")
        path = path.replace("{day}", f"{at.day:02d}")
    if "{id}" in pattern:
        path = path.replace("{id}", id_name(id) if "{slug}" in pattern else name)
    return unicodedata.normalize("NFC", path.replace("{slug}", name))


def assign(
    connection: sqlite3.Connection,
    *,
    urls: UrlsConfig,
    zone: tzinfo,
    as_of: datetime,
    reserved: Reserved,
    without: Sized[str] = frozenset(),
    exclude_tags: frozenset[str] = frozenset(),
    sources: Sequence[str] = (),
) -> list[Diagnostic]:
    """Settle every public post's address, remember the addresses that were left, and count anew what is public.

    Posts in `without` get no address. Tags in `exclude_tags` (keys) are no terms of the site.
    """
    locales = locales_of(connection)
    rows = [row for row in connection.execute(PUBLIC, (timestamp(as_of),)) if row[0] not in without]
    posts = [row[:4] for row in rows]
    folders = {row[0]: locales.folder(row[4]) for row in rows} if locales.codes else NO_FOLDERS
    places, findings = settle(posts, urls=urls, zone=zone, reserved=reserved, sources=sources, folders=folders)
    before = {id: (path, slug, bool(moved)) for id, path, slug, moved in connection.execute(CURRENT)}
    after = {one.post_id: (one.path, one.slug, one.moved) for one in places}
    with transaction(connection):
        if before != after:
            connection.executemany(
                "INSERT OR REPLACE INTO former_path (path, post_id) VALUES (?, ?)",
                [(old[0], id) for id, old in before.items() if id in after and after[id][0] != old[0]],
            )
            different = sorted(id for id in {*before, *after} if before.get(id) != after.get(id))
            for id in different:
                mark(connection, Collection.POSTS, id)
            connection.executemany("DELETE FROM permalink WHERE post_id = ?", [(id,) for id in different])
            connection.executemany(PUT, [_row(Permalink(id, *after[id])) for id in different if id in after])
        tallies.settle(connection, zone, exclude_tags)
        _remember_moment(connection, as_of)
    return findings


def assign_some(
    connection: sqlite3.Connection,
    *,
    urls: UrlsConfig,
    zone: tzinfo,
    as_of: datetime,
    fixed: Reserved,
    exclude_tags: frozenset[str] = frozenset(),
) -> bool:
    """The same for the posts that changed or fell due since, at a cost that does not grow with the site.

    `fixed` is what no post may take, without the pages of tags. False, with nothing written, where an address is
    contested, freed or left: then all posts must be looked at.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (SETTLED_AT,)).fetchone()
    now = timestamp(as_of)
    if row is None or now < row[0]:
        return False
    due = connection.execute(FELL_DUE, (row[0], now)).fetchall()
    marked = connection.execute("SELECT id FROM dirty WHERE kind = 'posts'").fetchall()
    taken, locales = fixed.places(), locales_of(connection)
    puts: list[Permalink] = []
    gone: list[str] = []
    for (id,) in sorted({*due, *marked}):
        old = connection.execute("SELECT path, slug, moved FROM permalink WHERE post_id = ?", (id,)).fetchone()
        try:
            new = _wanted(connection, id, now, urls, zone, locales)
        except UnsafeSlug:
            return False
        if new is not None and old is not None and new.path == old[0] and not old[2]:
            if new.slug != old[1]:
                return False
            continue
        if new is None and old is None:
            continue
        if old is not None and (new is not None or old[2]):
            return False  # it left an address, at which a redirect must stand
        if connection.execute("SELECT 1 FROM permalink WHERE moved LIMIT 1").fetchone() is not None:
            return False
        if new is None:
            # Redirects that led to it go, and one that its page hid comes back.
            if connection.execute(LEFT_BY, (id,)).fetchone() is not None or was_left(connection, file_of(old[0])):
                return False
            gone.append(id)
            continue
        if not _is_free(connection, new, fixed, taken):
            return False
        taken.take(file_of(new.path), id)
        puts.append(new)
    with transaction(connection):
        for id in sorted({*gone, *(one.post_id for one in puts)}):
            mark(connection, Collection.POSTS, id)
        connection.executemany("DELETE FROM permalink WHERE post_id = ?", [(id,) for id in gone])
        connection.executemany(PUT, [_row(one) for one in puts])
        tallies.settle(connection, zone, exclude_tags)
        _remember_moment(connection, as_of)
    return True


def _wanted(
    connection: sqlite3.Connection, id: str, now: str, urls: UrlsConfig, zone: tzinfo, locales: Locales
) -> Permalink | None:
    """The address that a post's own slug asks for; None where it is not public. Raises UnsafeSlug, also for no slug."""
    row = connection.execute("SELECT slug, sort_at, status, locale FROM post WHERE id = ?", (id,)).fetchone()
    if row is None or row[2] != "published" or row[1] > now:
        return None
    by_slug = "{slug}" in urls.post
    usable = _usable(row[0])
    if by_slug and not usable:
        raise UnsafeSlug(row[0])
    name = _portable(usable, id) if by_slug else id_name(id)
    pattern = locales.folder(row[3]) + urls.post
    return Permalink(id, place(pattern, name, id, row[1], zone), name)


def _is_free(connection: sqlite3.Connection, new: Permalink, fixed: Reserved, taken: Places) -> bool:
    file = file_of(new.path)
    if new.path in fixed or taken.rival(file) is not None:
        return False
    if connection.execute("SELECT 1 FROM permalink WHERE key = ?", (collision_key(file),)).fetchone() is not None:
        return False
    return not was_left(connection, file)


def _row(one: Permalink) -> tuple[str, str, str, str, bool]:
    return one.post_id, one.path, one.slug, collision_key(file_of(one.path)), one.moved


def _remember_moment(connection: sqlite3.Connection, as_of: datetime) -> None:
    old = connection.execute("SELECT value FROM meta WHERE key = ?", (SETTLED_AT,)).fetchone()
    if old is None or old[0] != timestamp(as_of):
        connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (SETTLED_AT, timestamp(as_of)))


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
