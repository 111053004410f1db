"""CometCMS's collections are the site owner's own: which there are, and which of their fields is what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from velobuild.config.schema import FieldsConfig, SourceConfig
from velobuild.errors import ConfigError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing, printable
from velobuild.sources.cometcms_api import UNREADABLE
from velobuild.sources.cometcms_refusals import other_api

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
TEXTS = frozenset({"markdown", "html"})
BODIES = TEXTS | {"textarea", "text", "json"}
COVERS = ("image", "hero", "thumbnail")
NAMES = ("title", "slug", "body", "published_at", "excerpt", "tags", "cover", "author", "seo_title", "seo_description")
SYSTEM = frozenset({"id", "title", "slug", "status", "published_at", "created_at", "updated_at"})
"""What every entry has outside of its fields."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a schema. `localized` tells whether each locale has a value of its own, if the type has locales."""

    name: str
    type: str
    target: str = ""
    multiple: bool = False
    localized: bool = True
    subfields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentType:
    """A collection's schema; `fields` are in the editor's order, without title and slug."""

    name: str
    singleton: bool
    locales: tuple[str, ...]
    default_locale: str
    fields: Mapping[str, Field]

    @property
    def default(self) -> str:
        """The locale of the copies that others fall back to; "" where the type has no locales."""
        if self.default_locale in self.locales:
            return self.default_locale
        return self.locales[0] if self.locales else ""

    @property
    def relations(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields.values() if field.type == "relation")


def read_content_types(client: ApiClient) -> dict[str, ContentType]:
    """All schemas of the workspace by their names. Public, and the one answer that tells a missing workspace.

    Raises ConfigError VB1303 without such a workspace, and whatever the client raises.
    """
    where = f"{client.base_url}/content-types"
    try:
        body = client.get_json("content-types").body
    except RecordMissing as error:
        raise ConfigError(
            "CometCMS has no such workspace, or it is archived",
            code="VB1303",
            where=f"source.workspace ({where})",
            hint="its name stands in the admin's address; capital letters count",
        ) from error
    listed = body.get("data") if isinstance(body, dict) else None
    if isinstance(listed, dict):
        listed = list(listed.values())
    if not isinstance(listed, list):
        raise other_api(where, f"a list of schemas was expected, and this came: `{printable(repr(body), 80)}`")
    found: dict[str, ContentType] = {}
    for raw in listed:
        kind = content_type(raw)
        if kind is not None and "fields" not in raw:
            # A list may well be shorter than what it lists.
            single = client.get_json(f"content-types/{kind.name}").body
            kind = content_type(single.get("data") if isinstance(single, dict) else None)
        if kind is not None:
            found[kind.name] = kind
    return found


def kind_of(kinds: Mapping[str, ContentType], name: str, role: str) -> ContentType:
    """Raises ConfigError VB1303, which names those that exist."""
    if name in kinds:
        return kinds[name]
    raise ConfigError(
        f"CometCMS has no collection `{name}` in this workspace",
        code="VB1303",
        where=f"source.collections.{role}",
        hint=f"its collections: {', '.join(sorted(kinds)) or 'none'}",
    )


def content_type(raw: Any) -> ContentType | None:
    """One schema; None for what is none. PHP writes what is empty as a list, even where an object belongs."""
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not NAME.fullmatch(raw["name"]):
        return None
    fields = raw.get("fields")
    found = (_field(name, one) for name, one in fields.items()) if isinstance(fields, dict) else ()
    locales = raw.get("locales")
    default = raw.get("default_locale")
    return ContentType(
        name=raw["name"],
        singleton=raw.get("singleton") is True,
        locales=tuple(one for one in locales if isinstance(one, str)) if isinstance(locales, list) else (),
        default_locale=default if isinstance(default, str) else "",
        fields={one.name: one for one in found if one.name not in ("title", "slug")},
    )


def _field(name: str, raw: Any) -> Field:
    raw = raw if isinstance(raw, dict) else {}
    type, target, inner = raw.get("type"), raw.get("target"), raw.get("subfields")
    return Field(
        name=name,
        type=type if isinstance(type, str) else "",
        target=target if isinstance(target, str) else "",
        multiple=raw.get("multiple") is True,
        localized=raw.get("localized") is not False,
        subfields=tuple(
            _field(one["key"], one)
            for one in (inner if isinstance(inner, list) else ())
            if isinstance(one, dict) and isinstance(one.get("key"), str)
        ),
    )


@dataclass(frozen=True, slots=True)
class Roles:
    """Which field of a collection is what; None where it has no such field.

    `published_at` and `title` name a field, or what every entry has outside of them.
    """

    body: Field
    title: str = "title"
    slug: str = "slug"
    published_at: str = "published_at"
    excerpt: Field | None = None
    tags: Field | None = None
    cover: Field | None = None
    author: Field | None = None
    seo_title: Field | None = None
    seo_description: Field | None = None

    @property
    def taken(self) -> frozenset[str]:
        """The fields that have a role, and so are no extras."""
        named = (self.body, self.excerpt, self.tags, self.cover, self.author, self.seo_title, self.seo_description)
        return frozenset({one.name for one in named if one is not None} | {self.title, self.slug, self.published_at})


def roles_of_posts(kind: ContentType, config: SourceConfig) -> Roles:
    """By the names in [source.fields]; where one is left at its default and absent, by the schema.

    Raises ConfigError VB1303 for a configured name that does not exist, and for a body that cannot be read.
    """
    ours, defaults = config.fields, FieldsConfig()
    _refuse_missing(kind, config)
    collections = config.collections
    return _readable(
        kind,
        Roles(
            body=_named(kind, ours.body) or _body_of(kind),
            title=ours.title if ours.title in kind.fields else defaults.title,
            slug=ours.slug if ours.slug in kind.fields or ours.slug == "id" else defaults.slug,
            published_at=ours.published_at,
            excerpt=_named(kind, ours.excerpt) or (kind.fields.get("summary") if ours.excerpt else None),
            tags=_related(kind, ours.tags, collections.tags, "tags"),
            cover=_named(kind, ours.cover) or (_cover_of(kind) if ours.cover else None),
            author=_related(kind, ours.author, collections.authors, "authors"),
            seo_title=_named(kind, ours.seo_title),
            seo_description=_named(kind, ours.seo_description),
        ),
    )


def roles_of_pages(kind: ContentType) -> Roles:
    """By the schema alone, since [source.fields] speaks of posts. Raises ConfigError VB1303."""
    described = next((kind.fields[name] for name in ("seo_description", "summary") if name in kind.fields), None)
    return _readable(kind, Roles(body=_body_of(kind), excerpt=described))


def needs_locale(kind: ContentType, roles: Roles) -> bool:
    """Whether the body comes only to who asks for a locale: CometCMS strips its own two names from all the others."""
    return roles.body.name in UNREADABLE and bool(kind.locales)


def unreadable_body(kind: ContentType, name: str) -> ConfigError:
    return ConfigError(
        f"the field `{name}` of `{kind.name}` cannot be read: CometCMS leaves out every field of that name",
        code="VB1303",
        where="source.fields.body",
        hint=f"rename it in CometCMS, for instance to `content` (Content types → {kind.name}); the texts must be "
        "saved again there",
    )


def _readable(kind: ContentType, roles: Roles) -> Roles:
    if roles.body.name in UNREADABLE and not kind.locales:
        raise unreadable_body(kind, roles.body.name)
    if roles.body.type not in BODIES:
        raise ConfigError(
            f"the field `{roles.body.name}` of `{kind.name}` holds no text: its type is {roles.body.type or 'unknown'}",
            code="VB1303",
            where="source.fields.body",
            hint="a body is a field of the type markdown, html, textarea, text or json",
        )
    return roles


def _refuse_missing(kind: ContentType, config: SourceConfig) -> None:
    ours, defaults = config.fields, FieldsConfig()
    for key in NAMES:
        name = getattr(ours, key)
        if name and name != getattr(defaults, key) and name not in kind.fields and name not in SYSTEM:
            raise ConfigError(
                f"the collection `{kind.name}` has no field `{name}`",
                code="VB1303",
                where=f"source.fields.{key}",
                hint=f"its fields: {', '.join(kind.fields) or 'none'}",
            )


def _named(kind: ContentType, name: str) -> Field | None:
    return kind.fields.get(name) if name else None


def _body_of(kind: ContentType) -> Field:
    """The first field in the editor that holds formatted text. It may be one that cannot be read: the real body."""
    for field in kind.fields.values():
        if field.type in TEXTS:
            return field
    raise ConfigError(
        f"the collection `{kind.name}` has no field of the type markdown or html",
        code="VB1303",
        where="source.fields.body",
        hint=f"name the field that holds the text; its fields: {', '.join(kind.fields) or 'none'}",
    )


def _cover_of(kind: ContentType) -> Field | None:
    found = (kind.fields[name] for name in COVERS if name in kind.fields)
    return next((field for field in found if field.type == "media"), None)


def _related(kind: ContentType, name: str, collection: str, role: str) -> Field | None:
    """The field of that name, else the relation to the role's collection."""
    field = _named(kind, name)
    if field is not None or not collection:
        return field
    for one in kind.fields.values():
        if one.type == "relation" and one.target == collection:
            return one
    raise ConfigError(
        f"`{kind.name}` has no relation to `{collection}`",
        code="VB1303",
        where=f"source.collections.{role}",
        hint=f'name the collection that a relation of `{kind.name}` leads to, or write {role} = ""',
    )
