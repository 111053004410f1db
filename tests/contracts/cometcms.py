"""CometCMS, on its stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.contracts.cms import DAY, Cms
from tests.contracts.gate import Shape
from tests.standins.comet import FAILURES, CometStandIn

# kind of FAILURES → what a build ends with (docs/exit-codes.md)
ENDS: Mapping[str, tuple[int, str]] = {
    "unauthorized": (3, "VB2001"),
    "forbidden": (3, "VB2002"),
    "workspace_not_found": (2, "VB1303"),
    "unscoped": (2, "VB1105"),
    "plain_404": (2, "VB1302"),
    "validation_failed": (5, "VB2201"),
    "csrf_mismatch": (5, "VB2201"),
    "server_error": (4, "VB2103"),
    "html_500": (4, "VB2103"),
    "not_set_up": (4, "VB2103"),
}


def _shape(kind: str) -> Shape:
    status, _, said = FAILURES[kind]
    body = {"error": {"code": said[0], "message": said[1]}} if isinstance(said, tuple) else str(said).encode()
    return Shape(status, body, *ENDS[kind])


class CometCmsAdapter:
    type = "cometcms"
    page = 201
    posts_path = "/api/v1/workspaces/site-a/content/posts"
    cannot: Mapping[str, str] = {"needed tokens": "CometCMS shows what is published to everybody"}
    errors: Mapping[str, Shape] = {kind: _shape(kind) for kind in ENDS}

    def __init__(self, cms: CometStandIn) -> None:
        self.cms = cms
        # The owner's own field, which velobuild knows nothing of.
        cms.types["posts"]["fields"]["reading_time"] = {"type": "text"}

    @property
    def url(self) -> str:
        return self.cms.url

    def source(self, url: str, folder: Path) -> Mapping[str, Any]:
        roles = {"tags": "tags", "authors": "people", "settings": "site"}
        return {
            "type": "cometcms",
            "url": url,
            "workspace": self.cms.workspace,
            "rate_limit": "1000/s",
            "collections": roles,
            "settings_fields": {"description": "tagline"},
        }

    def token(self) -> str:
        return self.cms.token

    def expired_token(self) -> str:
        return f"{self.cms.token[:-1]}x"

    def put_post(
        self,
        slug: str,
        *,
        title: str = "A title",
        body: str = "<p>Text</p>",
        tags: tuple[str, ...] = (),
        published_at: datetime = DAY,
        status: str = "published",
        author: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> str:
        related = [self._related("tags", number, name) for number, name in enumerate(tags)]
        fields: dict[str, Any] = {"content": body, "tags": related, **(extra or {})}
        if author:
            fields["author"] = self._related("people", 0, author)
        at = published_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.cms.put_post(slug, title=title, status=status, published_at=at, **fields)

    def _related(self, collection: str, number: int, name: str) -> str:
        slug = f"{collection}-{number}"
        self.cms.put_entry(collection, slug, title=name, id=f"{collection}{number}".ljust(11, "0"))
        return slug

    def edit_post(self, id: str, *, title: str | None = None, body: str | None = None, slug: str | None = None) -> None:
        fields = {"title": title, "content": body, "slug": slug}
        self.cms.edit(id, **{name: value for name, value in fields.items() if value is not None})

    def set_status(self, id: str, status: str) -> None:
        self.cms.set_status(id, status)

    def delete_post(self, id: str) -> None:
        self.cms.delete_post(id)

    def put_media(self, name: str, content: bytes, *, alt: str) -> str:
        self.cms.put_media(name, content, alt=alt)
        return f"/media/{self.cms.workspace}/{name}"

    def put_settings(self, *, title: str, description: str) -> None:
        self.cms.put_settings(site_name=title, tagline=description)


@contextmanager
def cometcms(folder: Path, templates: Path) -> Iterator[Cms]:
    with CometStandIn() as cms:
        yield CometCmsAdapter(cms)
