"""The records of a development CMS as values, and how values become its columns."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from velobuild.errors import ConfigError

SCOPES = (
    "posts:read",
    "posts:write",
    "media:read",
    "media:write",
    "comments:read",
    "comments:write",
    "comments:moderate",
    "members:read",
    "site-settings:read",
)
READ_SCOPES = ("posts:read", "media:read", "site-settings:read")
EVENTS = ("post.published", "post.updated", "post.deleted", "comment.received", "test.ping")

POST_FIELDS = frozenset(
    {
        "id",
        "title",
        "slug",
        "status",
        "excerpt",
        "content_html",
        "content_json",
        "tags",
        "published_at",
        "seo_title",
        "seo_description",
        "created",
        "updated",
    }
)
SETTINGS_FIELDS = frozenset(
    {
        "tenant_id",
        "site_name",
        "site_description",
        "site_logo",
        "site_favicon",
        "members_enabled",
        "comments_enabled",
    }
)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One call that was answered. `key` is its key's name: "" without a valid one, "user" with a user's token."""

    at: datetime
    method: str
    path: str
    query: str
    status: int
    key: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    name: str
    scopes: tuple[str, ...]
    created_at: str
    revoked: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    id: str
    url: str
    events: tuple[str, ...]
    variant: str
    enabled: bool
    failures_in_a_row: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook. `state` is pending, delivered, failed or dropped."""

    id: str
    webhook_id: str
    event: str
    body: str
    state: str
    attempts: int
    last_status: int
    last_error: str


def stored_date(value: datetime) -> str:
    """A time as PocketBase keeps it: UTC, milliseconds, a space."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def media_path(record: Mapping[str, Any]) -> str:
    return f"/api/files/media/{record['id']}/{quote(record['file'])}"


def post_columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as columns: unknown ones together in `extra`."""
    columns: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in fields.items():
        plain = stored_date(value) if isinstance(value, datetime) else value
        (columns if name in POST_FIELDS else extra)[name] = plain
    return {**columns, "extra": extra} if extra else columns


def upload_fields(path: Path, alt: str | None, filename: str | None) -> dict[str, Any]:
    content = path.read_bytes()
    name = filename or path.name
    mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    fields = {"filename": name, "mime_type": mime_type, "sha256": hashlib.sha256(content).hexdigest()}
    if alt is not None:
        fields["alt"] = alt
    # Comes with the extra `demo`: without it, `cms` and `demo` must still be able to say so.
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            fields["width"], fields["height"] = (str(side) for side in image.size)
    except (UnidentifiedImageError, OSError):
        # Not a picture, or one without pixels such as SVG: the record then names no size.
        fields["width"] = fields["height"] = "0"
    return {"data": fields, "files": {"file": (name, content, mime_type)}}


def check_address(url: str) -> None:
    """Raises: ConfigError (VB1107), for what no delivery could be sent to."""
    try:
        parts = urlsplit(url)
        # `port` raises for what is no port.
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ConfigError(
            "a webhook's address begins with http:// or https:// and a host",
            code="VB1107",
            where=url,
            hint="such as https://example.org/hook",
        )
