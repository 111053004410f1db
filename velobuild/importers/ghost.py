"""A Ghost export (JSON, as of Ghost 1 to 6): posts, pages, tags, authors and settings, read in a stream."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from velobuild.importers.entries import Imported, LeftOut, OldSite, unreadable
from velobuild.importers.ghostcards import NoDocument, lexical_html, mobiledoc_html
from velobuild.importers.jsonstream import BrokenJson, rows
from velobuild.markup.text import clean_text, one_line

SMALL = frozenset({"tags", "users", "posts_tags", "posts_authors", "posts_meta", "settings"})
# What stands in exports for the address of the site.
PLACEHOLDER = "__GHOST_URL__"
POST, PAGE = "post", "page"

Row = Mapping[str, Any]


class Ghost:
    """Iterate over it for the posts and pages. `url` is the old site's address, which the export does not say.

    Raises ContentProblem VB3201 for what is no export of Ghost, OSError for a file that cannot be read.
    """

    def __init__(self, file: Path, left_out: LeftOut, *, url: str | None = None) -> None:
        self._file = file
        self._left_out = left_out
        self._url = url.rstrip("/") if url else None
        self._tags: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._tags_of: dict[str, list[tuple[int, str]]] = {}
        self._authors_of: dict[str, list[tuple[int, str]]] = {}
        self._meta_of: dict[str, Row] = {}
        self._settings: dict[str, str] = {}
        self._addressless = 0
        self._look_around()

    @property
    def site(self) -> OldSite:
        told = self._settings
        return OldSite(
            title=told.get("title") or None,
            description=told.get("description") or None,
            url=self._url,
            language=told.get("locale") or told.get("default_locale") or told.get("lang") or None,
            timezone=told.get("timezone") or told.get("active_timezone") or told.get("activeTimezone") or None,
        )

    def __iter__(self) -> Iterator[Imported]:
        try:
            for _, row in rows(self._file, frozenset({"posts"})):
                imported = self._entry(row)
                if imported is not None:
                    yield imported
        except BrokenJson:
            pass  # told when it was first met
        if self._addressless:
            self._left_out(
                f"{self._addressless} posts",
                "their pictures and links have no host, since the export does not name the site: import with --url",
            )

    def _look_around(self) -> None:
        seen = 0
        try:
            for table, row in rows(self._file, SMALL | {"posts"}):
                seen += 1
                if isinstance(row, dict):
                    self._keep(table, row)
        except BrokenJson as error:
            if seen:
                self._left_out(
                    self._file.name,
                    f"the export breaks off after {error.at:,} characters ({error}); what stood behind it is lost",
                )
        if not seen:
            raise unreadable(
                "this is no Ghost export",
                where=str(self._file),
                hint="in Ghost: Settings → Import/Export → Export; it is a .json file",
            )

    def _keep(self, table: str, row: Row) -> None:
        id, post_id = str(row.get("id")), str(row.get("post_id"))
        if table == "tags":
            # An internal tag begins with # and is for the theme alone.
            internal = row.get("visibility") == "internal" or _text(row, "name").startswith("#")
            if not internal:
                self._tags[id] = _line(row, "name")
        elif table == "users":
            self._users[id] = _line(row, "name")
        elif table == "posts_tags":
            self._tags_of.setdefault(post_id, []).append((_number(row.get("sort_order")), str(row.get("tag_id"))))
        elif table == "posts_authors":
            self._authors_of.setdefault(post_id, []).append((_number(row.get("sort_order")), str(row.get("author_id"))))
        elif table == "posts_meta":
            self._meta_of[post_id] = row
        elif table == "settings":
            self._settings[_text(row, "key")] = _line(row, "value")

    def _entry(self, row: Any) -> Imported | None:
        if not isinstance(row, dict) or not (row.get("id") and isinstance(row.get("slug"), str)):
            self._left_out("a post", "it has neither id nor slug")
            return None
        id, title = str(row["id"]), _line(row, "title")
        named = f"“{title}” (id {id})"
        kind = PAGE if row.get("type") == PAGE or row.get("page") in (1, True) else POST
        html = self._body(row, named)
        if html is None:
            return None
        meta = self._meta_of.get(id, {})
        slug = clean_text(row["slug"])[0]
        public = self._is_public(row, named)
        authors = [self._users.get(author, "") for _, author in sorted(self._authors_of.get(id, []))]
        authors = [name for name in authors if name] or [self._users.get(str(row.get("author_id")), "")]
        tags = (self._tags.get(tag, "") for _, tag in sorted(self._tags_of.get(id, [])))
        cover = _text(row, "feature_image") or _text(row, "image")
        return Imported(
            kind="page" if kind == PAGE else "post",
            id=id,
            slug=slug,
            title=title,
            html=html,
            status="published" if public else "draft",
            date=_moment(row.get("published_at")) or _moment(row.get("created_at")),
            updated=_moment(row.get("updated_at")),
            tags=tuple(dict.fromkeys(filter(None, tags))),
            author=", ".join(filter(None, authors)) or None,
            excerpt=_line(row, "custom_excerpt") or None,
            cover=self._addressed(cover) if cover else None,
            cover_alt=_line(meta, "feature_image_alt") or None,
            # Ghost's feed calls a post by its id; a post that came from an older Ghost keeps the id it had there.
            guid=_text(row, "comment_id") or id,
            old_path=f"/{slug}/" if public else None,
            seo_title=_line(meta, "meta_title") or _line(row, "meta_title") or None,
            seo_description=_line(meta, "meta_description") or _line(row, "meta_description") or None,
        )

    def _is_public(self, row: Row, named: str) -> bool:
        status, visibility = _text(row, "status"), _text(row, "visibility") or "public"
        if visibility != "public":
            self._left_out(named, f"it is for `{visibility}` readers alone; it is kept as a draft")
            return False
        if status == "sent":
            self._left_out(named, "it was sent by mail and never stood on the site; it is kept as a draft")
        return status in ("published", "scheduled")

    def _body(self, row: Row, named: str) -> str | None:
        """Ghost's own HTML where there is some: it is what readers saw. Else the document it is made of."""
        html = _text(row, "html")
        unknown: list[str] = []
        if not html.strip():
            try:
                if _text(row, "lexical"):
                    html, unknown = lexical_html(_text(row, "lexical"))
                elif _text(row, "mobiledoc"):
                    html, unknown = mobiledoc_html(_text(row, "mobiledoc"))
            except NoDocument as error:
                self._left_out(named, str(error))
                return None
        if unknown:
            self._left_out(named, f"its cards of the kind {', '.join(unknown)} are not known; their text alone is kept")
        if not self._url and PLACEHOLDER in html:
            self._addressless += 1
        return clean_text(self._addressed(html))[0]

    def _addressed(self, text: str) -> str:
        return text.replace(PLACEHOLDER, self._url or "")


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return clean_text(value)[0] if isinstance(value, str) else ""


def _line(row: Row, name: str) -> str:
    return one_line(_text(row, name))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _moment(value: Any) -> datetime | None:
    """ISO, the same with a space, or milliseconds since 1970 as the oldest versions wrote it. All are UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC).replace(microsecond=0)
        if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
            return None
        found = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
