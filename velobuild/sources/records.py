"""What the CMS sends as typed entries, record by record. Pure: nothing is fetched here.

A record that cannot be used raises `Unusable` and harms no other; what can be mended is mended and named in `repairs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from velobuild.config.schema import LimitsConfig
from velobuild.http.errors import printable
from velobuild.http.strict_json import twofold
from velobuild.markup.blocks import holds_blocks
from velobuild.markup.text import clean_text, one_line
from velobuild.model.entries import BodyFormat, Comment, Media, Post, SiteSettings
from velobuild.model.keys import canonical, fingerprint
from velobuild.sources.dates import NoDate, parse_date

Raw = Mapping[str, Any]

ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{0,99}", re.ASCII)
PUBLISHED = "published"
NAMED = frozenset(("id", "title", "slug", "status", "excerpt", "tags", "published_at", "updated", "content_html")) | {
    "content_json",
    "seo_title",
    "seo_description",
    "author_id",
    "cover_media_id",
}
NAMED_MEDIA = frozenset(("id", "url", "filename", "mime_type", "size", "width", "height", "alt"))
NAMED_SETTINGS = frozenset(("id", "tenant_id", "site_name", "site_description", "site_logo", "site_favicon")) | {
    "comments_enabled",
    "created",
    "updated",
}
SUMMARY = ("id", "title", "slug", "status", "excerpt", "tags", "published_at", "created")
# Names under which a CMS says who may read a post. None of them is documented for the API; if one shows up, it counts.
VISIBILITY = ("visibility", "access", "tier", "tiers", "members_only", "membersOnly")
FOR_EVERYONE = frozenset({"", "public", "everyone", "all", "none", "false", "0"})
EDITED = timedelta(seconds=1)
NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


class Unusable(Exception):
    """The record cannot be used. The text says which field and why, fit for a message."""


@dataclass(slots=True)
class Repairs:
    """What had to be mended, in words; `zoneless` tells that a date without a zone was taken to be UTC."""

    notes: list[str] = field(default_factory=list)
    zoneless: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What a listing tells of a post. `version` changes when the post does: it is `updated`, where there is one."""

    id: str
    version: str
    updated_at: datetime | None
    published: bool
    public: bool
    has_body: bool
    tags: tuple[str, ...]


def unwrap(body: Any) -> Any:
    """`{"data": {…}}` without its wrapping; anything else as it is."""
    if isinstance(body, dict) and isinstance(body.get("data"), dict) and "id" not in body:
        return body["data"]
    return body


def record_id(raw: Any) -> str:
    """The record's id, safe in an address. Raises Unusable."""
    if not isinstance(raw, dict):
        raise Unusable("is no object")
    id = raw.get("id")
    if not isinstance(id, str) or not ID.fullmatch(id):
        raise Unusable(f"its id is {_shown(id)}")
    return id


def is_public(raw: Raw) -> bool:
    """Whether nothing in the record says that only some readers may see it."""
    for name in VISIBILITY:
        value = raw.get(name)
        if isinstance(value, str):
            if value.strip().lower() not in FOR_EVERYONE:
                return False
        elif value:
            return False
    return True


def summary_of(raw: Raw) -> Summary:
    """Raises Unusable: no id, no status, a name twice."""
    id = record_id(raw)
    refuse_twofold(raw)
    status = raw.get("status")
    if not isinstance(status, str):
        raise Unusable(f"its status is {_shown(status)}")
    updated_at = _updated_at(raw)
    return Summary(
        id=id,
        version=_version(raw) if updated_at is None else updated_at.isoformat(),
        updated_at=updated_at,
        published=status == PUBLISHED,
        public=is_public(raw),
        # HTML that is there but empty decides nothing, as long as the blocks have not been seen.
        has_body=isinstance(html := raw.get("content_html"), str) and bool(html.strip() or "content_json" in raw),
        tags=_tags(raw.get("tags"), LimitsConfig().tags, Repairs()),
    )


def version_of_full(full: Summary, listed: Summary) -> str:
    """The version under which a post is kept that was read singly: the one that the next listing will show.

    That is the listed one, unless the post was edited since. A listing may well give its dates less exactly.
    """
    if full.updated_at is None or listed.updated_at is None:
        return listed.version
    return full.version if full.updated_at - listed.updated_at >= EDITED else listed.version


def post_of(raw: Any, *, limits: LimitsConfig, repairs: Repairs) -> Post:
    """A whole post. Raises Unusable; what was mended is added to `repairs`."""
    id = record_id(raw)
    refuse_twofold(raw)
    name, body, body_format = _body(raw, repairs)
    if len(body) > limits.post_bytes or len(body.encode("utf-8", "surrogatepass")) > limits.post_bytes:
        raise Unusable(f"its content is larger than {limits.post_bytes:,} bytes (limits.post_bytes)")
    raw_title = raw.get("title")
    if isinstance(raw_title, str) and len(raw_title) > limits.title_chars:
        raise Unusable(f"its title is longer than {limits.title_chars:,} characters (limits.title_chars)")
    status, slug = raw.get("status"), raw.get("slug")
    if not isinstance(status, str):
        raise Unusable(f"its status is {_shown(status)}")
    if not isinstance(slug, str):
        raise Unusable(f"its slug is {_shown(slug)}")
    published_at = _date(raw, "published_at", repairs)
    title = _line(raw, "title", repairs)
    if not title:
        title = one_line(clean_text(slug)[0]) or id
        repairs.notes.append("it has no title; its slug is used")
    return Post(
        id=id,
        slug=_text(slug, "slug", repairs),
        title=title,
        body=_text(body, name, repairs),
        body_format=body_format,
        status=status,
        updated_at=_date(raw, "updated", repairs) or published_at or _date(raw, "created", repairs) or NO_DATE,
        published_at=published_at,
        excerpt=_line(raw, "excerpt", repairs) or None,
        tags=_tags(raw.get("tags"), limits.tags, repairs),
        author_id=_line(raw, "author_id", repairs) or None,
        cover_media_id=_line(raw, "cover_media_id", repairs) or None,
        seo_title=_line(raw, "seo_title", repairs) or None,
        seo_description=_line(raw, "seo_description", repairs) or None,
        extra={name: cleaned(value) for name, value in sorted(_rest(raw, NAMED).items())},
    )


def media_of(raw: Any) -> Media:
    """Raises Unusable: no id, no address, a name twice."""
    id = record_id(raw)
    refuse_twofold(raw)
    url = raw.get("url")
    if not isinstance(url, str) or not url.strip():
        raise Unusable(f"its url is {_shown(url)}")
    scratch = Repairs()
    return Media(
        id=id,
        url=_text(url, "url", scratch).strip(),
        filename=_line(raw, "filename", scratch),
        mime_type=_line(raw, "mime_type", scratch),
        size_bytes=_count(raw.get("size"), 0),
        width_px=_count(raw.get("width"), 1),
        height_px=_count(raw.get("height"), 1),
        # An empty text says "decoration", which a missing one does not.
        alt=_line(raw, "alt", scratch) if isinstance(raw.get("alt"), str) else None,
        extra={name: cleaned(value) for name, value in sorted(_rest(raw, NAMED_MEDIA).items())},
    )


def comment_of(raw: Any) -> Comment | None:
    """An approved comment, or None for any other. The author's address is not taken over. Raises Unusable."""
    id = record_id(raw)
    refuse_twofold(raw)
    if raw.get("status") != "approved":
        return None
    repairs = Repairs()
    body, post_id, parent_id = raw.get("body"), raw.get("post_id"), raw.get("parent_id")
    if not isinstance(body, str) or not isinstance(post_id, str):
        raise Unusable(f"its body is {_shown(body)} and its post_id {_shown(post_id)}")
    created = _date(raw, "created", repairs)
    if created is None:
        raise Unusable("it has no date")
    return Comment(
        id=id,
        post_id=post_id,
        author_name=_line(raw, "author_name", repairs),
        body=_text(body, "body", repairs),
        created_at=created,
        parent_id=parent_id if isinstance(parent_id, str) and parent_id else None,
    )


def settings_of(raw: Any) -> SiteSettings:
    """Raises Unusable: no object, a name twice."""
    if not isinstance(raw, dict):
        raise Unusable("is no object")
    refuse_twofold(raw)
    repairs = Repairs()
    return SiteSettings(
        title=_line(raw, "site_name", repairs) or None,
        description=_line(raw, "site_description", repairs) or None,
        logo_url=_line(raw, "site_logo", repairs) or None,
        favicon_url=_line(raw, "site_favicon", repairs) or None,
        comments_enabled=raw.get("comments_enabled") is True,
        extra={name: cleaned(value) for name, value in sorted(_rest(raw, NAMED_SETTINGS).items())},
    )


def version_of_entry(entry: Media | Comment | SiteSettings) -> str:
    """A fingerprint of everything that is kept of the record, and so of nothing that is not (an e-mail address)."""
    return fingerprint({name: getattr(entry, name) for name in type(entry).__slots__}).hex()


def title_of(raw: Any) -> str:
    """How a message names the record: its title and id as far as it has them."""
    if not isinstance(raw, dict):
        return "a record"
    title, id = raw.get("title") or raw.get("filename"), raw.get("id")
    named = f"“{printable(title, 60)}”" if isinstance(title, str) and title else "untitled"
    return f"{named} (id {printable(str(id), 40)})"


def _updated_at(raw: Raw) -> datetime | None:
    # The moment rather than its spelling: a CMS that changes how it writes dates has not changed its posts.
    try:
        return parse_date(raw.get("updated"))[0]
    except NoDate:
        return None


def _version(raw: Raw) -> str:
    """For a post without a date of its own: a fingerprint of what a listing shows of it."""
    return "~" + fingerprint(cleaned({name: raw.get(name) for name in SUMMARY})).hex()


def refuse_twofold(raw: Raw) -> None:
    """Raises Unusable for a name that stands twice, here or inside: which is meant nobody can know."""
    names = twofold(raw)
    if names:
        raise Unusable(f"it has {', '.join(printable(name, 40) for name in names[:5])} twice")


def _body(raw: Raw, repairs: Repairs) -> tuple[str, str, BodyFormat]:
    """The field that holds the body, the body, and how it is written: HTML, or blocks where there is no HTML."""
    html, document = raw.get("content_html"), raw.get("content_json")
    if (html is None or (isinstance(html, str) and not html.strip())) and holds_blocks(document):
        if isinstance(document, str):
            return "content_json", document, BodyFormat.BLOCKS
        blocks = cleaned(document)
        if blocks != document:
            repairs.notes.append("characters that no page may hold were removed from its content_json")
        return "content_json", canonical(blocks).decode(), BodyFormat.BLOCKS
    if not isinstance(html, str):
        instead = ", and it has no content_json to show instead" if html is None else ""
        raise Unusable(f"its content_html is {_shown(html)}{instead}")
    return "content_html", html, BodyFormat.HTML


def _date(raw: Raw, name: str, repairs: Repairs) -> datetime | None:
    value = raw.get(name)
    if value is None or value == "":
        return None
    try:
        moment, zoneless = parse_date(value)
    except NoDate as error:
        raise Unusable(f"its {name} {_shown(value)} {error}") from error
    repairs.zoneless = repairs.zoneless or zoneless
    return moment


def _line(raw: Raw, name: str, repairs: Repairs) -> str:
    value = raw.get(name)
    return one_line(_text(value, name, repairs)) if isinstance(value, str) else ""


def _text(value: str, name: str, repairs: Repairs) -> str:
    text, changed = clean_text(value)
    if changed:
        repairs.notes.append(f"characters that no page may hold were removed from its {name}")
    return text


def _tags(value: Any, limit: int, repairs: Repairs) -> tuple[str, ...]:
    """Names in their order, each once. A single text is split at commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        if value is not None:
            repairs.notes.append("its tags are no list and were left out")
        return ()
    names = dict.fromkeys(one_line(clean_text(item)[0]) for item in items if isinstance(item, str))
    names.pop("", None)
    if len(names) > limit:
        repairs.notes.append(f"it has {len(names)} tags; the first {limit} are used (limits.tags)")
    return tuple(names)[:limit]


def _rest(raw: Raw, named: frozenset[str]) -> dict[str, Any]:
    return {clean_text(name)[0]: value for name, value in raw.items() if name not in named}


def cleaned(value: Any) -> Any:
    """The value with every text in it cleaned. The depth is bounded by the JSON reader."""
    if isinstance(value, str):
        return clean_text(value)[0]
    if isinstance(value, dict):
        return {clean_text(name)[0]: cleaned(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [cleaned(inner) for inner in value]
    return value


def _count(value: Any, least: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value >= least else None


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"`{printable(str(value), 40)}`" if isinstance(value, str | int | float) else f"a {type(value).__name__}"
