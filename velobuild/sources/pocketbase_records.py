"""PocketBase's records, whatever names a collection has for things, as the raw records that `records` reads. Pure.

PocketBase shows a field without a value as "", 0, false or [] and hardly ever as null, so these count as unset here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from velobuild.config.schema import FieldsConfig, MediaFieldsConfig, SettingsFieldsConfig, SourceConfig
from velobuild.config.secrets import SECRET_KEY
from velobuild.model.entries import DRAFT, Media
from velobuild.model.keys import fingerprint
from velobuild.sources.covers import cover_id
from velobuild.sources.dates import NoDate, parse_date
from velobuild.sources.records import (
    NAMED,
    NAMED_MEDIA,
    NAMED_SETTINGS,
    PUBLISHED,
    Raw,
    Repairs,
    refuse_twofold,
)

FileUrl = Callable[[Raw, str], str]
"""The address of a stored file, from its record and its name."""

RULES = 1
"""Raised whenever the same record gives another post, so that all posts are read again."""

SYSTEM = frozenset({"id", "collectionId", "collectionName", "expand"})
RECORD_ID = re.compile(r"[a-z0-9]{15}")
STORED_FILE = re.compile(r"[A-Za-z0-9_-]+_[A-Za-z0-9]{10}\.[A-Za-z0-9]{1,10}")
NAMES = ("name", "title", "label", "slug")
"""Where a related record is likely to have its name."""
NEEDED = ("title", "slug", "body", "status")
SITE_NAMES = {
    "site_name": ("blog_name", "name", "title"),
    "site_description": ("description", "tagline"),
    "site_logo": ("logo",),
    "site_favicon": ("favicon", "icon"),
}
"""Other names under which site settings are found, where the configured one does not exist."""


@dataclass(frozen=True, slots=True)
class Related:
    """A field that may lead to other records, and which of their fields is wanted ("": their name)."""

    field: str
    wanted: str

    @classmethod
    def of(cls, path: str) -> Related:
        field, _, wanted = path.partition(".")
        return cls(field, wanted)

    def records(self, record: Raw) -> list[Raw]:
        """The related records that came along, in their order."""
        expanded = record.get("expand")
        found = expanded.get(self.field) if isinstance(expanded, dict) else None
        return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]

    def name(self, related: Raw) -> str | None:
        for name in (self.wanted,) if self.wanted else NAMES:
            value = related.get(name)
            if isinstance(value, str) and value:
                return value
        return None


class PostMapping:
    """How the records of one configured collection become posts. `rules` changes whenever that does."""

    def __init__(self, config: SourceConfig, *, drafts: bool = False) -> None:
        self._fields = config.fields
        self._drafts = drafts
        self._published = config.published
        self._media = config.collections.media
        self._tags, self._author, self._cover = (
            Related.of(path) for path in (config.fields.tags, config.fields.author, config.fields.cover)
        )
        self.rules = [RULES, config.published, config.collections.posts, config.collections.media] + [
            getattr(config.fields, field.name) for field in fields(FieldsConfig)
        ]
        self.rules += [DRAFT] if drafts else []
        self._alone = self._mark([[], []], [], None)

    @property
    def expand(self) -> str:
        """The relations to be brought along; PocketBase passes over names that are none."""
        return ",".join(dict.fromkeys(one.field for one in (self._tags, self._author, self._cover) if one.field))

    @property
    def sweep_fields(self) -> str:
        """What tells whether a record changed, was unpublished, or refers to a record that changed."""
        own = ["id", self._fields.updated, self._fields.status, self._cover.field, self._tags.field]
        for one in (self._tags, self._author):
            own += [f"expand.{one.field}.{name}" for name in ((one.wanted,) if one.wanted else NAMES) if one.field]
        if self._cover.field:
            own += [f"expand.{self._cover.field}.{name}" for name in ("id", "updated")]
        return ",".join(dict.fromkeys(name for name in own if name))

    @property
    def filter(self) -> str:
        """Leaves published records."""
        if not self._fields.status or self._drafts:
            return ""
        value = self._published if self._published in ("true", "false") else f'"{self._published}"'
        return f"{self._fields.status} = {value}"

    def is_published(self, record: Raw) -> bool:
        """With drafts every record counts as published; `raw_post` marks those that are not."""
        return self._drafts or self._says_published(record)

    def _says_published(self, record: Raw) -> bool:
        if not self._fields.status:
            return True
        value = record.get(self._fields.status)
        return (str(value).lower() if isinstance(value, bool) else value) == self._published

    def updated(self, record: Raw) -> str | None:
        """When the record was changed last, as ISO 8601; None where it does not say."""
        try:
            return parse_date(record.get(self._fields.updated))[0].isoformat()
        except NoDate:
            return None

    def version(self, record: Raw) -> str:
        """Changes when the post does: with its record, the names of what it refers to, or the configuration.

        A swept record and a whole one agree, unless the collection keeps no dates of change.
        """
        updated = self.updated(record)
        if updated and "expand" not in record:
            return f"{updated}~{self._alone}"
        cover = [[one.get("id"), one.get("updated")] for one in self._cover.records(record)]
        names = [[one.name(other) for other in one.records(record)] for one in (self._tags, self._author)]
        whole = None if updated else {name: value for name, value in record.items() if name != "expand"}
        return f"{updated or ''}~{self._mark(names, cover, whole)}"

    def _mark(self, names: list[list[str | None]], cover: list[list[Any]], whole: Raw | None) -> str:
        return fingerprint([self.rules, names, cover, whole]).hex()[:16]

    def has_cover(self, record: Raw) -> bool:
        return bool(self._cover.field and record.get(self._cover.field))

    def has_tag(self, record: Raw, folded: frozenset[str]) -> bool:
        """Whether one of the record's tags is among `folded`, whatever its case."""
        names = self._tag_names(record, Repairs())
        items = names.split(",") if isinstance(names, str) else names or ()
        return any(isinstance(item, str) and item.strip().casefold() in folded for item in items)

    def missing(self, names: frozenset[str]) -> dict[str, str]:
        """Configured fields that a whole record has not, and should: key of [source.fields] → name.

        A record shows all of its collection's fields, with or without a value.
        """
        ours, defaults = self._fields, FieldsConfig()
        absent: dict[str, str] = {}
        for field in fields(FieldsConfig):
            path = getattr(ours, field.name)
            name = path.partition(".")[0]
            if not name or name in names:
                continue
            if field.name == "body" and path == defaults.body and "content_json" in names:
                continue
            if field.name in NEEDED or path != getattr(defaults, field.name):
                absent[field.name] = name
        return absent

    def raw_post(self, record: Raw, *, file_url: FileUrl, repairs: Repairs) -> tuple[dict[str, Any], Media | None]:
        """The record as `records.post_of` wants it, and its cover where that is no record of the media collection.

        Raises Unusable for a name that stands twice.
        """
        refuse_twofold(record)
        ours = self._fields
        named = {getattr(ours, field.name).partition(".")[0] for field in fields(FieldsConfig)} | {"content_json"}
        raw = _rest(record, named - {"created"}, NAMED)
        # A date has no other meaning for who maps `updated = "created"`: the page still knows when the post was made.
        raw |= {"id": record.get("id"), "status": PUBLISHED if self.is_published(record) else "unpublished"}
        if self._drafts and not self._says_published(record):
            raw[DRAFT] = True
        for theirs, name in (
            ("title", ours.title),
            ("slug", ours.slug),
            ("content_html", ours.body),
            ("published_at", ours.published_at),
            ("updated", ours.updated),
            ("excerpt", ours.excerpt),
            ("seo_title", ours.seo_title),
            ("seo_description", ours.seo_description),
            ("content_json", "content_json"),
        ):
            if name and name in record:
                raw[theirs] = record[name]
        raw["tags"] = self._tag_names(record, repairs)
        self._put_author(raw, record)
        cover = self._cover_of(record, file_url)
        if isinstance(cover, Media):
            raw["cover_media_id"] = cover.id
            return raw, cover
        raw["cover_media_id"] = cover
        return raw, None

    def _tag_names(self, record: Raw, repairs: Repairs) -> Any:
        related = self._tags.records(record)
        value = record.get(self._tags.field) if self._tags.field else None
        if related:
            names = [name for one in related if (name := self._tags.name(one))]
            if isinstance(value, list) and len(value) > len(names):
                repairs.notes.append(f"{len(value) - len(names)} of its tags cannot be read with this token")
            return names
        if _are_ids(value):
            repairs.notes.append("its tags are records that cannot be read with this token")
            return None
        if isinstance(value, list):
            return [self._tags.name(one) if isinstance(one, dict) else one for one in value]
        return value or None

    def _put_author(self, raw: dict[str, Any], record: Raw) -> None:
        """Only the name: an author's record may hold an e-mail address."""
        value = record.get(self._author.field) if self._author.field else None
        related = self._author.records(record)
        first = value[0] if isinstance(value, list) and value else value
        if related:
            raw["author_id"] = first if isinstance(first, str) else None
            raw["author"] = {"name": self._author.name(related[0])}
        elif _are_ids(value):
            raw["author_id"] = first
        elif isinstance(first, str) and first:
            raw["author"] = first
        elif isinstance(first, dict):
            raw["author"] = {"name": self._author.name(first)}

    def _cover_of(self, record: Raw, file_url: FileUrl) -> Media | str | None:
        """A media record's id, or a media entry of our own for a file that is not one."""
        value = record.get(self._cover.field) if self._cover.field else None
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, str) or not first:
            return None
        id = cover_id(str(record.get("id")))
        for related in self._cover.records(record)[:1]:
            if related.get("collectionName") == self._media:
                return str(related.get("id"))
            stored = stored_file(related, self._cover.wanted)
            return None if stored is None else Media(id, file_url(related, stored), stored)
        if first.startswith(("http://", "https://", "/")):
            return Media(id, first)
        if RECORD_ID.fullmatch(first):
            return first
        return Media(id, file_url(record, first), first)


def raw_media(record: Raw, names: MediaFieldsConfig, *, file_url: FileUrl) -> dict[str, Any]:
    """The record as `records.media_of` wants it. Raises Unusable for a name that stands twice."""
    refuse_twofold(record)
    named = {getattr(names, field.name) for field in fields(MediaFieldsConfig)}
    raw = _rest(record, named, NAMED_MEDIA) | {"id": record.get("id")}
    for theirs, name in (
        ("filename", names.filename),
        ("mime_type", names.mime_type),
        ("size", names.size),
        ("width", names.width),
        ("height", names.height),
        ("alt", names.alt),
    ):
        if name and record.get(name):
            raw[theirs] = record[name]
    stored = stored_file(record, names.file)
    url = record.get(names.url) if names.url else None
    if isinstance(url, str) and url.strip():
        raw["url"] = url
    elif stored is not None:
        raw["url"] = file_url(record, stored)
    if stored is not None:
        raw.setdefault("filename", stored)
    return raw


def raw_settings(record: Raw, names: SettingsFieldsConfig, *, file_url: FileUrl) -> dict[str, Any]:
    """The record as `records.settings_of` wants it, without what may be a secret of another service."""
    named = {getattr(names, field.name) for field in fields(SettingsFieldsConfig)}
    raw = {name: value for name, value in _rest(record, named, NAMED_SETTINGS).items() if not _is_private(name)}
    raw["comments_enabled"] = record.get("comments_enabled")
    for theirs, name in (
        ("site_name", names.title),
        ("site_description", names.description),
        ("site_logo", names.logo),
        ("site_favicon", names.favicon),
    ):
        value = next((record[one] for one in (name, *SITE_NAMES[theirs]) if one and one in record), None)
        if isinstance(value, str) and STORED_FILE.fullmatch(value) and theirs in ("site_logo", "site_favicon"):
            value = file_url(record, value)
        raw[theirs] = value
    return raw


def stored_file(record: Raw, name: str) -> str | None:
    """The name of the record's stored file: of the field `name`, else of any field that looks like one."""
    for field in (name, *sorted(record)):
        value = record.get(field)
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str) and first and (field == name or STORED_FILE.fullmatch(first)):
            return first
    return None


def _is_private(name: str) -> bool:
    return name == "integrations" or SECRET_KEY.search(name) is not None


def _rest(record: Raw, ours: set[str], theirs: frozenset[str]) -> dict[str, Any]:
    """What is neither PocketBase's own nor mapped; a name that means something to `records` may not slip in."""
    return {
        name: value for name, value in record.items() if name not in SYSTEM and name not in ours and name not in theirs
    }


def _are_ids(value: Any) -> bool:
    """Whether a relation's bare ids stand here, for want of the records themselves.

    Hardly any id is without a digit, and hardly any word of 15 letters has one: "internationally" is a tag.
    """
    items = value if isinstance(value, list) else [value]
    alike = bool(items) and all(isinstance(item, str) and RECORD_ID.fullmatch(item) for item in items)
    return alike and any(char.isdigit() for item in items for char in item)
