"""What PolyCMS sends, as `records` wants it. Pure. Whatever could name a person's e-mail address is not taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from velobuild.model.entries import Media
from velobuild.model.keys import fingerprint
from velobuild.sources.covers import cover_id
from velobuild.sources.polycms_api import Addresses, num, obj
from velobuild.sources.polycms_bodies import body_of, with_addresses
from velobuild.sources.records import (
    NAMED,
    NAMED_MEDIA,
    Raw,
    Unusable,
    cleaned,
    refuse_twofold,
)

Numbered = Mapping[str, tuple[str, str | None]]
"""Id of a media record → its address and alternative text."""

# What has another place in a post, belongs to the CMS's own theme, or changes whenever somebody looks at the page.
TAKEN = frozenset(("id", "title", "slug", "status", "excerpt", "content", "content_raw", "content_html", "tags")) | {
    "published_at",
    "created_at",
    "updated_at",
    "meta",
    "meta_fields",
    "author",
    "categories",
    "views",
    "layout_template",
    "layout_template_id",
    "template_theme",
}
TERM = ("id", "name", "slug", "description", "parent_id")
# Of all settings these alone are read: the others may hold secrets.
TITLES, TAGLINE, LOGO = ("site_title", "brand_name"), "tagline", "brand_logo"
LANGUAGE = ("site_language", "site_language_direction")
TEXTS = ("site_title", "brand_name", "tagline", "brand_logo", *LANGUAGE)


def post_raw(
    record: Raw, *, types: tuple[str, ...], addresses: Addresses, media: Numbered, by_address: Mapping[str, str]
) -> tuple[dict[str, Any], Media | None, list[str]]:
    """The record as `records.post_of` wants it, its cover where that is no media record, and what to warn of.

    `by_address` maps addresses to ids of media records; without `types` every one is taken.

    Raises Unusable: a name twice, or a type that nobody asked for.
    """
    refuse_twofold(record)
    kind = record.get("type", "post")
    if types and kind not in types:
        raise Unusable(f"it is a {kind!s:.40}, and {' or '.join(types)} was asked for")
    id = str(record.get("id"))
    html, blocks, missing = body_of(record.get("content_html", record.get("content")), record.get("content_raw"))
    if isinstance(html, dict | list):
        # The older generation's `content` is described as a body and no more.
        html, blocks = None, html
    if isinstance(html, str):
        html = addresses.settled(html)
    html, blocks = with_addresses(html, _settled(blocks, addresses), media)
    if html is None and blocks is None and ("content_html" in record or "content" in record):
        html = ""
    seo = obj(record.get("meta"))
    author = record.get("author")
    raw: dict[str, Any] = {
        **_settled(unaddressed({name: record[name] for name in record.keys() - TAKEN - NAMED}), addresses),
        "id": id,
        "title": record.get("title"),
        "slug": record.get("slug"),
        "status": record.get("status"),
        "excerpt": record.get("excerpt"),
        "tags": names_of(record.get("tags")),
        "published_at": record.get("published_at"),
        "created": record.get("created_at"),
        "updated": record.get("updated_at"),
        "content_html": html,
        "content_json": blocks,
        "seo_title": seo.get("title"),
        "seo_description": seo.get("description"),
        "keywords": seo.get("keywords"),
        "og_image": _address(seo.get("og_image"), addresses),
        "meta_fields": dict(obj(unaddressed(record.get("meta_fields")))),
        "categories": [
            {name: term.get(name) for name in TERM if name in term} if isinstance(term, dict) else term
            for term in _listed(record.get("categories"))
        ],
    }
    if isinstance(author, dict):
        raw["author_id"] = str(author["id"]) if author.get("id") is not None else None
        raw["author"] = {"name": author.get("name")}
    elif isinstance(author, str):
        raw["author"] = author
    cover = _cover(record, addresses)
    if cover is not None:
        raw["cover_media_id"] = by_address.get(cover.url, cover.id)
    notes = [missing] if missing else []
    return raw, cover if cover is not None and raw["cover_media_id"] == cover.id else None, notes


def version_of(raw: Raw, cover: Media | None) -> str:
    """Changes whenever what is kept of the post does: PolyCMS's own date leaves out renamed tags and authors."""
    mark = fingerprint([cleaned(raw), None if cover is None else cover.url]).hex()[:16]
    return f"{raw.get('updated') or ''}~{mark}"


def media_raw(record: Raw, addresses: Addresses) -> dict[str, Any] | None:
    """The record as `records.media_of` wants it; None for a file that the CMS gives to nobody without a token.

    Raises Unusable for a name that stands twice.
    """
    refuse_twofold(record)
    url = record.get("url")
    if isinstance(url, str) and url.split("?")[0].rstrip("/").endswith("/serve"):
        return None
    raw: dict[str, Any] = {
        name: value
        for name, value in unaddressed(record).items()
        if name not in NAMED_MEDIA and name not in ("uploader", "author", "name", "file_name", "media_id", "alt_text")
    }
    names = [record.get(name) for name in ("file_name", "filename", "name")]
    raw |= {
        "id": str(record.get("id", record.get("media_id"))),
        "url": addresses.full(url) if isinstance(url, str) else url,
        "filename": next((name for name in names if isinstance(name, str) and name), None),
        "mime_type": record.get("mime_type"),
        "size": num(record.get("size")),
        "width": num(record.get("width")),
        "height": num(record.get("height")),
        "alt": record.get("alt_text"),
    }
    return raw


def settings_raw(groups: Raw, addresses: Addresses) -> dict[str, Any]:
    """The named settings, out of `{group: {key: {"value": …}}}`, as `records.settings_of` wants them."""
    general = obj(groups.get("general"))
    found = {name: value for name in TEXTS if (value := _value(general.get(name)))}
    logo = found.get(LOGO)
    return {
        "site_name": next((found[name] for name in TITLES if name in found), None),
        "site_description": found.get(TAGLINE),
        "site_logo": _address(logo, addresses),
        **{name: found[name] for name in LANGUAGE if name in found},
    }


def unaddressed(value: Any) -> Any:
    """The value without anything that is called an e-mail address, however deep."""
    if isinstance(value, dict):
        return {
            name: unaddressed(inner) for name, inner in value.items() if "email" not in name.lower().replace("-", "")
        }
    if isinstance(value, list):
        return [unaddressed(inner) for inner in value]
    return value


def _value(setting: Any) -> str | None:
    """A setting's value as text: the whole setting is an object, or the plain default."""
    value = setting.get("value") if isinstance(setting, dict) else setting
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return value.strip() or None if isinstance(value, str) else None


def _cover(record: Raw, addresses: Addresses) -> Media | None:
    value = record.get("featured_image")
    value = value.get("url") if isinstance(value, dict) else value
    url = _address(value, addresses)
    return None if url is None else Media(cover_id(str(record.get("id"))), url)


def _address(value: Any, addresses: Addresses) -> str | None:
    return addresses.full(value) if isinstance(value, str) and value.strip() else None


def names_of(value: Any) -> Any:
    """Tags as `records` takes them: names. The older generation may send them plainly."""
    if not isinstance(value, list):
        return value
    return [item.get("name") if isinstance(item, dict) else item for item in value]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _settled(value: Any, addresses: Addresses) -> Any:
    if isinstance(value, str):
        return addresses.settled(value) if "/storage/" in value else value
    if isinstance(value, dict):
        return {name: _settled(inner, addresses) for name, inner in value.items()}
    if isinstance(value, list):
        return [_settled(inner, addresses) for inner in value]
    return value
