"""CometCMS's entries, whatever fields their owner gave them, as the posts and pages of a site. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from velobuild.config.schema import LimitsConfig
from velobuild.model.entries import BodyFormat, Page, Post, slugify
from velobuild.model.keys import fingerprint
from velobuild.sources.cometcms_api import UNREADABLE, Library, media_id
from velobuild.sources.cometcms_schema import ContentType, Field, Roles
from velobuild.sources.dates import NoDate, parse_date
from velobuild.sources.records import NAMED, PUBLISHED, Raw, Repairs, Unusable, post_of, record_id, refuse_twofold

RULES = 1
"""Raised whenever the same entry gives another post."""

SEPARATOR = "~"
"""Between an entry's id and the locale of a translation. No id of CometCMS holds one."""
SCHEDULED = "scheduled"
OWN_KEYS = frozenset({"id", "slug", "type", "status", "title", "data", "author_id", "updated_by"}) | {
    "published_at",
    "created_at",
    "updated_at",
}
OURS = NAMED | {"created", "author", "locale", "translation_of"}
APART = "~fields"
"""Fields whose names mean something else to `records` travel below this one and come back after it."""
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MINUTE = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2})(Z|[+-]\d{2}:?\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A post or page as `records` wants it. `version` changes when anything of it does; `cover` is a file's name."""

    raw: Mapping[str, Any]
    body_format: BodyFormat
    version: str
    cover: str | None = None


def shared_id(id: str) -> tuple[str, str]:
    """(the entry's id, the locale or "") of a post's id."""
    entry, _, locale = id.partition(SEPARATOR)
    return entry, locale


def post_id(entry_id: str, locale: str, default: str) -> str:
    """Translations get ids of their own; the default locale keeps the entry's, so that adding locales moves nothing."""
    return entry_id if not locale or locale == default else f"{entry_id}{SEPARATOR}{locale}"


def fields_of(entry: Raw) -> dict[str, Any]:
    """The entry's fields. PHP writes none of them as an empty list. Raises Unusable."""
    values = entry.get("data")
    if isinstance(values, dict):
        return values
    if values is None or values == []:
        return {}
    raise Unusable(f"its data is a {type(values).__name__}")


def is_published(entry: Raw) -> bool:
    """Whether it is public once its date has come. `scheduled` is in the guide, though no server keeps it."""
    status = entry.get("status")
    return status == PUBLISHED or (status == SCHEDULED and bool(entry.get("published_at")))


def is_public(entry: Raw, now: datetime) -> bool:
    """Whether it is public now. To a token drafts and entries of tomorrow are shown like all others."""
    try:
        at = entry.get("published_at")
        return is_published(entry) and (at is None or parse_date(at)[0] <= now)
    except NoDate:
        return False


class Drawing:
    """How the entries of one collection become posts or pages. `files` are the names of the library's files."""

    def __init__(
        self,
        kind: ContentType,
        roles: Roles,
        library: Library,
        *,
        files: Container[str],
        author_names: Mapping[str, str],
        now: datetime,
        with_locales: bool,
    ) -> None:
        self.kind = kind
        self._roles = roles
        self._library = library
        self._files = files
        self._author_names = author_names
        self.now = now
        self._with_locales = with_locales

    def translation_mark(self, entry: Raw) -> bytes:
        """Equal for a locale's copy and the default one if nothing was translated: then CometCMS showed the latter.

        Relations and files count by their names alone, for what they show depends on the locale and the host.
        """
        values = fields_of(entry)
        own = {name: _bare(values.get(name)) for name, field in self.kind.fields.items() if field.localized}
        missing = sorted(name for name in own if name not in values)
        return fingerprint([entry.get("title"), own, missing])

    def draw(self, entry: Raw, locale: str, repairs: Repairs) -> Drawn:
        """Raises Unusable."""
        entry_id = record_id(entry)
        refuse_twofold(entry)
        values = fields_of(entry)
        roles = self._roles
        body, format = self._body(values, locale)
        extras = {name: value for name, value in entry.items() if name not in OWN_KEYS}
        for name, value in values.items():
            if name not in roles.taken:
                extras[name] = shown(value, self.kind.fields.get(name), self._library, files=self._files, now=self.now)
        apart = {name: value for name, value in extras.items() if name in OURS}
        raw: dict[str, Any] = {name: value for name, value in extras.items() if name not in OURS}
        raw |= {
            "id": post_id(entry_id, locale, self.kind.default),
            "status": PUBLISHED if is_published(entry) else "unpublished",
            "title": self._own(entry, values, roles.title),
            "slug": self._own(entry, values, roles.slug),
            "published_at": whole_date(self._own(entry, values, roles.published_at)),
            "created": entry.get("created_at"),
            "updated": entry.get("updated_at"),
            **body,
        }
        for theirs, field in (
            ("excerpt", roles.excerpt),
            ("seo_title", roles.seo_title),
            ("seo_description", roles.seo_description),
        ):
            raw[theirs] = values.get(field.name) if field is not None else None
        raw["tags"] = self._tags(values, repairs)
        self._put_author(raw, entry, values)
        cover = self._cover(values)
        raw["cover_media_id"] = media_id(cover) if cover else None
        if self._with_locales:
            raw |= {"locale": locale, "translation_of": entry_id}
        if apart:
            raw[APART] = apart
        return Drawn(raw, format, fingerprint([RULES, format, raw]).hex(), cover)

    def _own(self, entry: Raw, values: Raw, name: str) -> Any:
        return values[name] if name in values else entry.get(name)

    def _body(self, values: Raw, locale: str) -> tuple[dict[str, Any], BodyFormat]:
        name, kind = self._roles.body.name, self._roles.body.type
        if name in UNREADABLE and name not in values:
            where = f"in the locale {locale}" if locale else "without a locale"
            raise Unusable(
                f"its field `{name}` cannot be read {where}; rename it in CometCMS, for instance to `content`"
            )
        value = values.get(name)
        if kind == "json" and value:
            return {"content_json": value}, BodyFormat.BLOCKS
        if value is None or (kind == "json" and not value):
            value = ""
        if not isinstance(value, str):
            raise Unusable(f"its {name} is a {type(value).__name__}")
        text = self._library.mended(value, self._files)
        if kind == "markdown":
            return {"content_html": text}, BodyFormat.MARKDOWN
        return {"content_html": text if kind == "html" else paragraphs(text)}, BodyFormat.HTML

    def _tags(self, values: Raw, repairs: Repairs) -> Any:
        field = self._roles.tags
        value = values.get(field.name) if field is not None else None
        if field is None or field.type != "relation":
            return value
        related, lost = related_entries(value, self.now)
        if lost:
            repairs.notes.append(f"{lost} of its tags do not exist any more")
        return [one["title"] for one in related if isinstance(one.get("title"), str)]

    def _put_author(self, raw: dict[str, Any], entry: Raw, values: Raw) -> None:
        """Only the name: an author's entry may hold an e-mail address."""
        user = entry.get("author_id")
        raw["author_id"] = user if isinstance(user, str) else None
        field = self._roles.author
        value = values.get(field.name) if field is not None else None
        if field is not None and field.type == "relation":
            related, _ = related_entries(value, self.now)
            name = related[0].get("title") if related else None
        else:
            name = value if isinstance(value, str) else None
        name = name or (self._author_names.get(user) if isinstance(user, str) else None)
        if name:
            raw["author"] = {"name": name}

    def _cover(self, values: Raw) -> str | None:
        """The name of the field's first file."""
        value = values.get(self._roles.cover.name) if self._roles.cover is not None else None
        return self._library.filename(value[0] if isinstance(value, list) and value else value)


def shown(value: Any, field: Field | None, library: Library, *, files: Container[str], now: datetime) -> Any:
    """A field's value as templates get it: addresses as configured, of related entries no more than their names."""
    if field is None or value is None:
        return value
    if field.type == "media":
        urls = value if isinstance(value, list) else [value]
        return [url for one in urls if (url := library.rebuilt(one))]
    if field.type == "relation":
        related, _ = related_entries(value, now)
        found = [{name: one.get(name) for name in ("id", "slug", "type", "title")} for one in related]
        return found if isinstance(value, list) else (found[0] if found else None)
    if field.type == "repeater" and isinstance(value, list):
        inner = {one.name: one for one in field.subfields}
        return [
            {name: shown(one, inner.get(name), library, files=files, now=now) for name, one in item.items()}
            for item in value
            if isinstance(item, dict)
        ]
    if isinstance(value, str) and field.type in ("markdown", "html"):
        return library.mended(value, files)
    return value


def related_entries(value: Any, now: datetime) -> tuple[list[Raw], int]:
    """(the related entries that are public, how many lead nowhere). An id that was not resolved is one of those."""
    items = value if isinstance(value, list) else [value]
    found: list[Raw] = [one for one in items if isinstance(one, dict) and is_public(one, now)]
    return found, sum(isinstance(one, str) and one != "" for one in items)


def post_from(drawn: Drawn, *, limits: LimitsConfig, repairs: Repairs) -> Post:
    """Raises Unusable."""
    post = post_of(drawn.raw, limits=limits, repairs=repairs)
    extra = {name: value for name, value in post.extra.items() if name != APART}
    extra = {**post.extra.get(APART, {}), **extra}
    return replace(post, body_format=drawn.body_format, extra=dict(sorted(extra.items())))


def page_from(drawn: Drawn, default: str, *, limits: LimitsConfig, repairs: Repairs) -> Page:
    """A page at its slug; a translation's lies below its locale. Raises Unusable."""
    post = post_from(drawn, limits=limits, repairs=repairs)
    slug = slugify(post.slug)
    if not slug:
        raise Unusable(f"its slug `{post.slug}` leaves no address")
    locale = post.extra.get("locale", default)
    return Page(
        id=post.id,
        path=slug if locale == default else f"{locale}/{slug}",
        title=post.title,
        body=post.body,
        body_format=post.body_format,
        description=post.excerpt,
        extra=post.extra,
    )


def raw_media(record: Raw, library: Library) -> dict[str, Any]:
    """A record of the media library as `records.media_of` wants it. Raises Unusable."""
    filename = record.get("filename")
    if not isinstance(filename, str) or not filename:
        raise Unusable("it has no file name")
    refuse_twofold(record)
    raw = {name: value for name, value in record.items() if name not in ("uploaded_by", "thumb", "name", "type")}
    raw |= {
        "id": media_id(filename),
        "url": library.url(filename),
        "thumb_url": library.url(filename, "media-thumbs"),
        "mime_type": raw.pop("mime", None),
        # CometCMS writes "" for a picture that nobody described, which is not the same as decoration.
        "alt": record.get("alt") or None,
    }
    try:
        raw["uploaded_at"] = parse_date(record.get("uploaded_at"))[0].isoformat()
    except NoDate:
        raw.pop("uploaded_at", None)
    return raw


def whole_date(value: Any) -> Any:
    """A date as a person typed it, which may lack seconds or all of its time, as one that can be read."""
    if isinstance(value, str):
        if DAY.fullmatch(value):
            return f"{value}T00:00:00"
        if match := MINUTE.fullmatch(value):
            return f"{match[1]}:00{match[2] or ''}"
    return value


def paragraphs(text: str) -> str:
    """Plain text as HTML: an empty line divides paragraphs, and a line's end stays one."""
    parts: Iterable[str] = re.split(r"\r?\n[ \t]*(?:\r?\n)+", text.strip())
    lines = (html.escape(part.strip(), quote=False).replace("\n", "<br>\n") for part in parts)
    return "\n".join(f"<p>{part}</p>" for part in lines if part)


def _bare(value: Any) -> Any:
    """Related entries by their ids, files by their names, everything else as it is."""
    if isinstance(value, dict):
        if isinstance(value.get("id"), str) and "slug" in value and "status" in value:
            return value["id"]
        return {name: _bare(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if isinstance(value, str) and re.match(r"https?://[^/\s]+/\S*$", value):
        return value.rpartition("/")[2]
    return value
