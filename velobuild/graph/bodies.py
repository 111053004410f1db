"""Which bodies need preparing, and which media files the prepared ones use."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import unquote, urlsplit

from velobuild.content.database import Connection, transaction
from velobuild.content.memo import Memo, memo_key
from velobuild.errors import ContentProblem, Diagnostic
from velobuild.graph.site import Site
from velobuild.markup.prepare import MarkupOptions, Prepared, decode, encode, prepare, recipe
from velobuild.markup.urls import origin
from velobuild.model.entries import BodyFormat, Page
from velobuild.model.keys import fingerprint

BODIES = (
    "SELECT post_id, input, prepared FROM body JOIN permalink USING (post_id) LEFT JOIN body_use USING (post_id) "
    "ORDER BY post_id"
)
BODY = "SELECT format, body, input, title FROM body JOIN post ON post.id = post_id WHERE post_id = ?"
# Nearly every link of a body, with nothing in its path to decode: to take the others apart costs many times as much.
ORDINARY = re.compile(r"(?:(https?://[A-Za-z0-9.:-]+)|(?!//))(/[A-Za-z0-9_~./-]*)(?:[?#][!-~]*)?")
# Links to files of these kinds are media as well, if the CMS or one of its media hosts holds them.
FILE_ENDINGS = frozenset(["png", "jpg", "jpeg", "gif", "webp", "avif", "mp4", "m4a", "webm", "mp3", "ogg", "pdf"])


@dataclass(frozen=True, slots=True)
class PreparedBody:
    """One body's result, ready for the memo: `key` is its row, `media` the addresses of the files it uses,
    `links` the last parts of the paths on the site that it links to."""

    post_id: str
    key: bytes
    encoded: bytes
    media: tuple[str, ...]
    links: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    prepare_us: int = field(default=0, compare=False)


@lru_cache(maxsize=8)
def recipe_of(options: MarkupOptions) -> bytes:
    """A fingerprint of everything but the body that decides the result."""
    return blake2b(recipe(options).encode(), digest_size=16).digest()


def media_of(prepared: Prepared) -> tuple[str, ...]:
    """The addresses of files in a body, each once, in their order."""
    urls = (ref.url.partition("#")[0] for ref in prepared.refs if ref.kind != "link" or _is_file(ref.url))
    return tuple(dict.fromkeys(url for url in urls if "//" in url))


def links_of(prepared: Prepared, site: Site) -> tuple[str, ...]:
    """By which names a body's links may lead to pages of the site, sorted."""
    own_origins = site.own_origins
    found = {_name_on_site(ref.url, own_origins) for ref in prepared.refs if ref.kind == "link"}
    return tuple(sorted(found - {""}))


def _name_on_site(url: str, own_origins: tuple[str, ...]) -> str:
    """By which name a link may lead to a page of the site; "" if it cannot."""
    ordinary = ORDINARY.fullmatch(url)
    if ordinary:
        beginning, path = ordinary.groups()
        return path.rstrip("/").rpartition("/")[2] if not beginning or _is_own(beginning, own_origins) else ""
    if url.startswith(("#", "mailto:", "tel:")):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return link_name(parts.path) if not parts.netloc or origin(url) in own_origins else ""


@lru_cache(maxsize=1024)
def _is_own(beginning: str, own_origins: tuple[str, ...]) -> bool:
    return origin(beginning) in own_origins


def link_name(path: str) -> str:
    """The last part of a path, percent-decoded, in NFC: `/blog/caf%C3%A9/` → `café`."""
    return unicodedata.normalize("NFC", unquote(path)).rstrip("/").rpartition("/")[2]


def _is_file(url: str) -> bool:
    # Most links are none; taking an address apart costs many times what looking at its end does.
    end = url.partition("#")[0].partition("?")[0].rpartition(".")[2].lower()
    return end in FILE_ENDINGS and urlsplit(url).path.rpartition(".")[2].lower() in FILE_ENDINGS


def prepare_body(connection: Connection, site: Site, post_id: str) -> PreparedBody:
    """Prepare one body. Raises ContentProblem, which names the post, if it cannot be shown at all."""
    format, body, input, title = connection.execute(BODY, (post_id,)).fetchone()
    where = f"post “{title}” (id {post_id})"
    started = time.perf_counter_ns()
    prepared = prepared_body(body, format, site, where)
    took = (time.perf_counter_ns() - started) // 1000
    return PreparedBody(
        post_id,
        memo_key(recipe_of(site.post_markup), input),
        encode(prepared),
        media_of(prepared),
        links_of(prepared, site),
        tuple(replace(warning, where=where) for warning in prepared.warnings),
        took,
    )


def page_key(page: Page, site: Site) -> bytes:
    """The memo row of a local page's body."""
    return memo_key(recipe_of(site.page_markup), fingerprint([page.body_format, page.body]))


def prepare_page(page: Page, site: Site) -> PreparedBody:
    """Prepare a local page's body. Raises ContentProblem: the file is the owner's own, and to be mended."""
    where = f"page {page.path}"
    prepared = prepare(page.body, page.body_format, site.page_markup)
    found = tuple(replace(warning, where=where) for warning in prepared.warnings)
    return PreparedBody(page.id, page_key(page, site), encode(prepared), media_of(prepared), warnings=found)


def warnings_of(connection: Connection, keys: Mapping[str, bytes]) -> list[Diagnostic]:
    """What preparing these posts' bodies had to say, as the memo remembers it."""
    memo = Memo(connection)
    titles = dict(connection.execute("SELECT id, title FROM post"))
    return [
        replace(warning, where=f"post “{titles[post_id]}” (id {post_id})")
        for post_id, key in sorted(keys.items())
        if (kept := memo.get(key)) is not None
        for warning in decode(kept).warnings
    ]


def prepared_body(body: str, format: str, site: Site, where: str) -> Prepared:
    """Prepare a post's body. Raises ContentProblem, which names `where`, whatever the parsers make of it."""
    try:
        return prepare(body, BodyFormat(format), site.post_markup)
    except ContentProblem as error:
        inside = error.diagnostics[0].where
        place = f"{where}, {inside}" if inside else where
        raise ContentProblem(str(error), code=error.code, where=place, hint=error.hint) from error
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        # Bodies are hostile: what a parser makes of one must not keep all others from their readers.
        raise ContentProblem(
            f"the body cannot be read ({type(error).__name__}: {error})",
            code="VB3001",
            where=where,
            hint="simplify the body in the CMS, and report this body to velobuild",
        ) from error


def unprepared(connection: Connection, site: Site) -> tuple[list[str], Mapping[str, bytes]]:
    """(ids of public posts without a memo row for this body and recipe, post id → memo key of all)."""
    own = recipe_of(site.post_markup)
    have = {bytes(row[0]) for row in connection.execute("SELECT input FROM memo")}
    keys: dict[str, bytes] = {}
    missing: list[str] = []
    known: list[tuple[str, bytes]] = []
    for post_id, input, prepared in connection.execute(BODIES):
        key = memo_key(own, input)
        keys[post_id] = key
        if key not in have:
            missing.append(post_id)
        elif prepared != key:
            known.append((post_id, key))
    memo = Memo(connection)
    remember(
        connection,
        [
            PreparedBody(post_id, key, kept, media_of(prepared), links_of(prepared, site))
            for post_id, key in known
            if (kept := memo.get(key)) is not None
            for prepared in (decode(kept),)
        ],
    )
    return missing, keys


def remember(connection: Connection, bodies: Iterable[PreparedBody]) -> None:
    """Write results to the memo and note which files each post uses."""
    rows = list(bodies)
    if not rows:
        return
    with transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO memo (input, value) VALUES (?, ?)", [(row.key, row.encoded) for row in rows]
        )
        connection.executemany("DELETE FROM media_use WHERE post_id = ?", [(row.post_id,) for row in rows])
        connection.executemany(
            "INSERT INTO media_use (post_id, url) VALUES (?, ?)",
            [(row.post_id, url) for row in rows for url in row.media],
        )
        connection.executemany("DELETE FROM body_link WHERE post_id = ?", [(row.post_id,) for row in rows])
        connection.executemany(
            "INSERT INTO body_link (name, post_id) VALUES (?, ?)",
            [(name, row.post_id) for row in rows for name in row.links],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO body_use (post_id, prepared) VALUES (?, ?)",
            [(row.post_id, row.key) for row in rows],
        )
