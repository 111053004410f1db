"""PolyCMS, on the stand-in for its present generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.contracts.cms import DAY, Cms
from tests.contracts.gate import Shape
from tests.standins.polycms import FAILURES, PolyStandIn, iso

# kind of FAILURES → what a build ends with (docs/exit-codes.md)
ENDS: Mapping[str, tuple[int, str]] = {
    "controller 401": (3, "VB2001"),
    "controller 403": (3, "VB2002"),
    "controller 422": (5, "VB2201"),
    "laravel 401": (3, "VB2001"),
    "laravel route": (2, "VB1302"),
    "laravel 422": (5, "VB2201"),
    "laravel 500": (4, "VB2103"),
    "success 403": (3, "VB2002"),
    "html 503": (4, "VB2103"),
    "html 404": (2, "VB1302"),
    "login 302": (3, "VB2001"),
}


def _shape(kind: str) -> Shape:
    reply, (exit_code, code) = FAILURES[kind], ENDS[kind]
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    return Shape(reply.status, body, exit_code, code, dict(reply.headers))


class PolyCmsAdapter:
    type = "polycms"
    page = 101
    posts_path = "/api/v1/posts"
    cannot: Mapping[str, str] = {"needed tokens": "PolyCMS shows its posts to everybody"}
    errors: Mapping[str, Shape] = {kind: _shape(kind) for kind in ENDS}

    def __init__(self, cms: PolyStandIn) -> None:
        self.cms = cms

    @property
    def url(self) -> str:
        return self.cms.url

    def source(self, url: str, folder: Path) -> Mapping[str, Any]:
        # Behind the door the CMS would name itself by its own port.
        self.cms.believed_host = url
        return {"type": "polycms", "url": url, "rate_limit": "1000/s"}

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
        named = {"author": author} if author else {}
        fields = {"title": title, "slug": slug, "content_html": body, "status": status, "tags": list(tags)}
        return self.cms.put_post(**fields, published_at=iso(published_at), **named, **(extra or {}))

    def edit_post(self, id: str, *, title: str | None = None, body: str | None = None, slug: str | None = None) -> None:
        fields = {"title": title, "content_html": body, "slug": slug}
        self.cms.put_post(id=id, **{name: value for name, value in fields.items() if value is not None})

    def set_status(self, id: str, status: str) -> None:
        self.cms.set_status(id, status)

    def delete_post(self, id: str) -> None:
        self.cms.delete_post(id)

    def put_media(self, name: str, content: bytes, *, alt: str) -> str:
        return self.cms.put_media(name, content, alt_text=alt)

    def put_settings(self, *, title: str, description: str) -> None:
        self.cms.put_settings(site_title=title, tagline=description)


@contextmanager
def polycms(folder: Path, templates: Path) -> Iterator[Cms]:
    with PolyStandIn() as cms:
        yield PolyCmsAdapter(cms)
