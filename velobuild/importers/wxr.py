"""A WordPress export (WXR: RSS 2.0 with WordPress's own elements), read in a stream.

The XML comes from strangers: a DOCTYPE is refused, so there are no entities to expand, and nothing is fetched. Exports
are often damaged (control characters from pasted texts, an ampersand alone, a download that stopped): whatever can be
read is read, and the places that could not be are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import unquote, urlsplit

from lxml import etree

from velobuild.importers.classic import body_html
from velobuild.importers.entries import Imported, LeftOut, OldSite, unreadable
from velobuild.markup.text import clean_text, one_line

HEAD_BYTES = 64 * 1024
# Bytes that no XML may hold; in UTF-8 and every ASCII-like encoding they stand for nothing else.
NOT_XML = bytes(byte for byte in range(32) if byte not in b"\t\n\r")
DAMAGES_SHOWN = 20
# Neither written by an author nor of use elsewhere: menus, revisions, templates of the block editor, …
INTERNAL = frozenset(
    {
        "custom_css",
        "customize_changeset",
        "nav_menu_item",
        "oembed_cache",
        "revision",
        "user_request",
        "wp_block",
        "wp_font_face",
        "wp_font_family",
        "wp_global_styles",
        "wp_navigation",
        "wp_template",
        "wp_template_part",
    }
)
NO_DATE = "0000-00-00 00:00:00"
DEFAULT_CATEGORY = "uncategorized"


@dataclass(frozen=True, slots=True)
class Attachment:
    url: str
    alt: str | None


@dataclass(slots=True)
class Surroundings:
    """What posts refer to, wherever in the file it stands. Authors by their login names."""

    site: OldSite = field(default_factory=OldSite)
    authors: dict[str, str] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    items: int = 0


class Wxr:
    """Iterate over it for the posts and pages, in the order of the export. The file is read twice, never as a whole.

    Raises ContentProblem VB3201 for what is no WordPress export, OSError for a file that cannot be read.
    """

    def __init__(self, file: Path, left_out: LeftOut) -> None:
        self._file = file
        self._left_out = left_out
        self._check_head()
        self._around = self._look_around()

    @property
    def site(self) -> OldSite:
        return self._around.site

    def __iter__(self) -> Iterator[Imported]:
        damaged = False
        with self._file.open("rb") as file:
            context = _events(file, ("item",))
            for item in _elements(context):
                imported = self._entry(item)
                if imported is not None:
                    yield imported
            for number, error in enumerate(_damages(context)):
                damaged = True
                if number == DAMAGES_SHOWN:
                    self._left_out(self._file.name, "there are more damaged places")
                    break
                self._left_out(
                    f"{self._file.name}:{error.line}", f"the export is damaged here: {error.message.strip()}"
                )
        if not self._around.items and damaged:
            raise unreadable(
                "nothing in this export could be read", where=str(self._file), hint="export it again in WordPress"
            )

    def _check_head(self) -> None:
        with self._file.open("rb") as file:
            head = file.read(HEAD_BYTES)
        prolog, root, _ = head.partition(b"<rss")
        if b"<!DOCTYPE" in prolog or b"<!ENTITY" in prolog:
            raise unreadable(
                "the export has a DOCTYPE, which WordPress never writes; it is not read",
                where=str(self._file),
                hint="export it again in WordPress: Tools → Export",
            )
        if not root:
            raise unreadable(
                "this is no WordPress export",
                where=str(self._file),
                hint="in WordPress: Tools → Export → All content; a compressed file must be unpacked first",
            )

    def _look_around(self) -> Surroundings:
        around = Surroundings()
        with self._file.open("rb") as file:
            names = ("item", "author", "title", "description", "link", "language", "base_blog_url")
            context = _events(file, names)
            told: dict[str, str] = {}
            for element in _elements(context, keep=frozenset(names) - {"item"}):
                name = _local(element)
                if name == "item":
                    around.items += 1
                    if _text(element, "post_type") == "attachment":
                        _take_attachment(element, around)
                elif name == "author":
                    login = _text(element, "author_login")
                    around.authors[login] = _line(element, "author_display_name") or login
                elif element.getparent() is not None and _local(element.getparent()) == "channel":
                    told.setdefault(name, (element.text or "").strip())
        around.site = OldSite(
            title=_plain(told.get("title", "")) or None,
            description=_plain(told.get("description", "")) or None,
            url=(told.get("base_blog_url") or told.get("link") or "").rstrip("/") or None,
            language=told.get("language") or None,
        )
        return around

    def _entry(self, item: Any) -> Imported | None:
        title, id = _line(item, "title"), _text(item, "post_id")
        named = f"“{title}”" if title else "an untitled item"
        named += f" (id {id})" if id else f" (line {item.sourceline})"
        kind, status = _text(item, "post_type"), _text(item, "status")
        if not id or not kind or not status:
            self._left_out(named, "it is incomplete: the export ends or breaks off within it")
            return None
        if kind in INTERNAL or kind == "attachment" or status in ("auto-draft", "inherit"):
            return None
        if status == "trash":
            self._left_out(named, "it lies in the trash")
            return None
        if kind not in ("post", "page"):
            self._left_out(
                named, f"it is of the kind `{kind}`, which a plugin made; only posts and pages are taken over"
            )
            return None
        return self._post(item, named, id, "page" if kind == "page" else "post", status)

    def _post(self, item: Any, named: str, id: str, kind: Literal["post", "page"], status: str) -> Imported:
        public = status in ("publish", "future")
        if _text(item, "post_password"):
            public = False
            self._left_out(named, "it has a password; it is kept as a draft")
        elif status == "private":
            self._left_out(named, "it is private; it is kept as a draft")
        html, unknown = body_html(_child(item, "{*}encoded", "content"), self._picture)
        if unknown:
            self._left_out(named, f"its shortcodes stay as text: {', '.join(f'[{name}]' for name in unknown)}")
        meta = dict(_meta(item))
        cover = self._around.attachments.get(meta.get("_thumbnail_id", ""))
        if cover is None and meta.get("_thumbnail_id"):
            self._left_out(named, "its picture is not in the export; export “All content”")
        categories, tags = _terms(item, "category"), _terms(item, "post_tag")
        login = _line(item, "creator")
        slug = _slug(_text(item, "post_name"))
        link = urlsplit(_text(item, "link"))
        return Imported(
            kind=kind,
            id=id,
            slug=slug,
            title=_line(item, "title"),
            html=html,
            status="published" if public else "draft",
            date=_date(item, "post_date") or _published(item),
            updated=_date(item, "post_modified"),
            tags=tuple(dict.fromkeys((*categories, *tags))),
            author=self._around.authors.get(login, login) or None,
            excerpt=_plain(re.sub(r"<[^>]*>", " ", _child(item, "{*}encoded", "excerpt"))) or None,
            cover=cover.url if cover else None,
            cover_alt=cover.alt if cover else None,
            guid=_text(item, "guid") or None,
            old_path=link.path if public and not link.query and link.path not in ("", "/") else None,
            seo_title=one_line(meta.get("_yoast_wpseo_title", "")) or None,
            seo_description=one_line(meta.get("_yoast_wpseo_metadesc", "")) or None,
            extra={"categories": ", ".join(categories)} if categories else {},
        )

    def _picture(self, id: str) -> tuple[str, str] | None:
        """Address and words of an attachment."""
        found = self._around.attachments.get(id)
        return (found.url, found.alt or "") if found else None


class _Printable:
    """A file without the bytes that no XML may hold: within CDATA one of them would cost the whole text."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        while block := self._file.read(size):
            kept = block.translate(None, NOT_XML)
            if kept:  # an empty answer would mean the end
                return kept
        return b""


def _events(file: IO[bytes], names: tuple[str, ...]) -> Any:
    tags = [spelled for name in names for spelled in (name, f"{{*}}{name}")]
    return etree.iterparse(
        _Printable(file),
        events=("end",),
        tag=tags,
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _elements(context: Any, keep: frozenset[str] = frozenset()) -> Iterator[Any]:
    """The elements at their end; each item is let go of with all that stood before it."""
    try:
        for _, element in context:
            yield element
            if _local(element) in keep:
                continue
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError:
        # What could be recovered has come; the log says where it broke.
        return


def _damages(context: Any) -> list[Any]:
    seen: dict[tuple[int, str], Any] = {}
    for error in context.error_log:
        seen.setdefault((error.line, error.type_name), error)
    return list(seen.values())


def _take_attachment(item: Any, around: Surroundings) -> None:
    id, url = _text(item, "post_id"), _text(item, "attachment_url") or _text(item, "guid")
    if id and url:
        alt = dict(_meta(item)).get("_wp_attachment_image_alt")
        around.attachments[id] = Attachment(url, one_line(alt) if alt else None)


def _local(element: Any) -> str:
    name: str = etree.QName(element).localname
    return name


def _text(element: Any, name: str) -> str:
    """The text of a child, in whatever version of the namespace; "" if there is none."""
    return clean_text((element.findtext(f"{{*}}{name}") or "").strip())[0]


def _line(element: Any, name: str) -> str:
    return _plain(_text(element, name))


def _plain(text: str) -> str:
    """WordPress keeps titles and names as HTML: `Q&amp;A` within CDATA means `Q&A`."""
    return one_line(clean_text(unescape(text))[0])


def _child(item: Any, name: str, module: str) -> str:
    """The text of `content:encoded` or `excerpt:encoded`: the two differ in their namespace alone."""
    for child in item.iterfind(name):
        namespace = etree.QName(child).namespace or ""
        if (module == "excerpt") == ("/excerpt" in namespace):
            return clean_text("".join(child.itertext()))[0]
    return ""


def _meta(item: Any) -> Iterator[tuple[str, str]]:
    for meta in item.iterfind("{*}postmeta"):
        yield _text(meta, "meta_key"), _text(meta, "meta_value")


def _terms(item: Any, domain: str) -> tuple[str, ...]:
    names = [
        _plain("".join(term.itertext()))
        for term in item.iterfind("{*}category")
        if term.get("domain") == domain and term.get("nicename") != DEFAULT_CATEGORY
    ]
    return tuple(dict.fromkeys(filter(None, names)))


def _slug(name: str) -> str:
    """WordPress keeps what is no ASCII percent-encoded."""
    try:
        return clean_text(unquote(name, errors="strict"))[0]
    except UnicodeDecodeError:
        return name


def _date(item: Any, name: str) -> datetime | None:
    """The moment by WordPress's own two texts: the local one, and the same in UTC, which tells the offset."""
    local, utc = _moment(_text(item, name)), _moment(_text(item, f"{name}_gmt"))
    if local is None or utc is None:
        # A draft has no date in UTC: its local one is taken as it stands.
        found = utc or local
        return found.replace(tzinfo=UTC) if found else None
    offset = timedelta(minutes=round((local - utc) / timedelta(minutes=1)))
    if abs(offset) > timedelta(hours=15):
        return utc.replace(tzinfo=UTC)
    return local.replace(tzinfo=timezone(offset) if offset else UTC)


def _moment(text: str) -> datetime | None:
    if not text or text == NO_DATE:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone comes beside it
    except ValueError:
        return None


def _published(item: Any) -> datetime | None:
    try:
        found = parsedate_to_datetime(_text(item, "pubDate"))
    except ValueError:
        return None
    return found if found.tzinfo and found.year > 1 else None
