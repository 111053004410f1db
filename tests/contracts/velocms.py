"""VeloCMS's REST API, on the development CMS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.contracts.cms import DAY, Cms
from tests.contracts.gate import Shape
from velobuild.devcms import GENEROUS, DevCms, Running


def refusal(code: str, status: int, exit_code: int, our_code: str, **headers: str) -> Shape:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Shape(status, {"error": {"code": code, "message": "said so", "details": {}}}, exit_code, our_code, named)


class VeloCmsAdapter:
    type = "velocms"
    page = 101
    posts_path = "/api/v1/posts"
    cannot: Mapping[str, str] = {
        "authors": "version 1 of the API names no author",
    }
    errors: Mapping[str, Shape] = {
        "UNAUTHORIZED": refusal("UNAUTHORIZED", 401, 3, "VB2001"),
        "INVALID_SCOPE": refusal("INVALID_SCOPE", 403, 3, "VB2002"),
        "FORBIDDEN": refusal("FORBIDDEN", 403, 3, "VB2002"),
        "PLAN_UPGRADE_REQUIRED": refusal("PLAN_UPGRADE_REQUIRED", 403, 3, "VB2003"),
        "HTTPS_REQUIRED": refusal("HTTPS_REQUIRED", 403, 2, "VB1301"),
        "VALIDATION_ERROR": refusal("VALIDATION_ERROR", 422, 5, "VB2201"),
        "QUOTA_EXCEEDED": refusal("QUOTA_EXCEEDED", 429, 4, "VB2105", Retry_After="40000"),
        "RATE_LIMITED for an hour": refusal("RATE_LIMITED", 429, 4, "VB2104", Retry_After="3600"),
        "INTERNAL_ERROR 500": refusal("INTERNAL_ERROR", 500, 4, "VB2103"),
        "INTERNAL_ERROR 503": refusal("INTERNAL_ERROR", 503, 4, "VB2103"),
        "an error without details": Shape(403, {"error": {"code": "INVALID_SCOPE"}}, 3, "VB2002"),
        "PocketBase answers": Shape(404, {"status": 404, "message": "File not found.", "data": {}}, 2, "VB1302"),
    }

    def __init__(self, cms: Running, folder: Path) -> None:
        self.cms = cms
        self.folder = folder
        self._keys = 0

    @property
    def url(self) -> str:
        return self.cms.url

    def source(self, url: str, folder: Path) -> Mapping[str, Any]:
        return {"type": "velocms", "url": url, "rate_limit": "1000/s"}

    def token(self) -> str:
        self._keys += 1
        return self.cms.create_key(f"key {self._keys}")

    def expired_token(self) -> str:
        key = self.token()
        self.cms.revoke_key(f"key {self._keys}")
        return key

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
        fields = {"title": title, "content_html": body, "tags": list(tags), "published_at": published_at}
        # Long ago, so that each later edit has another date of change.
        return self.cms.create_post(slug=slug, status=status, updated=DAY, **fields, **(extra or {}))

    def edit_post(self, id: str, *, title: str | None = None, body: str | None = None, slug: str | None = None) -> None:
        fields = {"title": title, "content_html": body, "slug": slug}
        self.cms.update_post(id, **{name: value for name, value in fields.items() if value is not None})

    def set_status(self, id: str, status: str) -> None:
        self.cms.update_post(id, status=status)

    def delete_post(self, id: str) -> None:
        self.cms.delete_post(id)

    def put_media(self, name: str, content: bytes, *, alt: str) -> str:
        file = self.folder / name
        file.write_bytes(content)
        return self.cms.media_path(self.cms.upload_media(file, alt=alt))

    def put_settings(self, *, title: str, description: str) -> None:
        self.cms.update_settings(site_name=title, site_description=description)


@contextmanager
def velocms(folder: Path, templates: Path) -> Iterator[Cms]:
    folder.mkdir(parents=True)
    with DevCms(folder / "data").start(deliver=False) as running:
        running.set_switches(GENEROUS)
        yield VeloCmsAdapter(running, folder)
