"""PocketBase's own API, on bare servers of both generations."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.contracts.cms import DAY, Cms
from tests.contracts.gate import Shape
from tests.pocketbase_servers import Generation, Server, old_binary
from tests.pocketbase_servers import pocketbase as server_in
from velobuild.devcms.records import stored_date

POST = {
    "title": "text",
    "slug": "text",
    "status": "select",
    "content_html": "editor",
    "tags": "json",
    "author": "text",
    "reading_time": "text",
    "published_at": "date",
}
MEDIA = {"file": "file", "filename": "text", "alt": "text"}
SETTINGS = {"site_name": "text", "site_description": "text"}
ABSENT = "to somebody whose token does not count, posts are not shown either"
SIGNED_IN = '@request.auth.id != ""'
GUEST = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6InRlc3QifQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def shapes(key: str) -> Mapping[str, Shape]:
    """What PocketBase answers to whoever lists posts; `key` is how the generation calls the status in the body."""

    def shape(status: int, message: str, exit_code: int, code: str) -> Shape:
        return Shape(status, {key: status, "message": message, "data": {}}, exit_code, code)

    return {
        "400": shape(400, "Something went wrong while processing your request.", 5, "VB2201"),
        "401": shape(401, "The request requires valid record authorization token.", 3, "VB2001"),
        "403": shape(403, "Only superusers can perform this action.", 3, "VB2002"),
        "404": shape(404, "Missing collection context.", 2, "VB1303"),
        "500": shape(500, "Something went wrong.", 4, "VB2103"),
        "the REST API answers": Shape(404, {"error": {"code": "NOT_FOUND", "message": "no"}}, 2, "VB1302"),
    }


class PocketBaseAdapter:
    type = "pocketbase"
    page = 501
    posts_path = "/api/collections/posts/records"
    cannot: Mapping[str, str] = {"named absences": ABSENT}
    errors: Mapping[str, Shape] = shapes("status")

    def __init__(self, server: Server) -> None:
        self.server = server

    @property
    def url(self) -> str:
        return self.server.url

    def source(self, url: str, folder: Path) -> Mapping[str, Any]:
        return {"type": "pocketbase", "url": url, "rate_limit": "1000/s"}

    def token(self) -> str:
        return self.server.reader_token()

    def expired_token(self) -> str:
        token = self.server.reader_token(valid_s=1)
        until = time.monotonic() + 10
        # It counts while its second lasts: wait for PocketBase's own word that it is over.
        while self.server.client.post("/api/files/token", headers={"Authorization": token}).is_success:
            assert time.monotonic() < until
            time.sleep(0.05)
        return token

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
        fields = {"title": title, "slug": slug, "content_html": body, "tags": list(tags), "status": status}
        at = stored_date(published_at.astimezone(UTC))
        return self.server.create("posts", **fields, published_at=at, author=author or "", **(extra or {}))

    def edit_post(self, id: str, *, title: str | None = None, body: str | None = None, slug: str | None = None) -> None:
        fields = {"title": title, "content_html": body, "slug": slug}
        self.server.update("posts", id, **{name: value for name, value in fields.items() if value is not None})

    def set_status(self, id: str, status: str) -> None:
        self.server.update("posts", id, status=status)

    def delete_post(self, id: str) -> None:
        self.server.delete("posts", id)

    def put_media(self, name: str, content: bytes, *, alt: str) -> str:
        made = self.server.upload("media", "file", name, content, alt=alt, filename=name)
        return f"/api/files/media/{made['id']}/{made['file']}"

    def put_settings(self, *, title: str, description: str) -> None:
        for row in self.server.call("GET", "collections/site_settings/records")["items"]:
            self.server.delete("site_settings", row["id"])
        self.server.create("site_settings", site_name=title, site_description=description)


class OldPocketBaseAdapter(PocketBaseAdapter):
    errors: Mapping[str, Shape] = shapes("code")
    cannot: Mapping[str, str] = {
        "named absences": ABSENT,
        "expired tokens": "before 0.23 a token lives as long as the collection says, which is days",
    }

    def expired_token(self) -> str:
        """Nobody's, since this generation has no way to make one that ends soon."""
        answer = self.server.client.post("/api/collections/users/impersonate/0", json={"duration": 1})
        assert answer.status_code == 404
        return GUEST


def prepared(place: Path, generation: Generation, binary: Path | None) -> Path:
    """A stopped server's folder with empty collections, made once: a new one costs a second, a copy nothing."""
    if not place.exists():
        with server_in(place, generation, binary) as server:
            server.collection("posts", POST, rule=f'{SIGNED_IN} && status = "published"')
            server.collection("media", MEDIA, rule="")
            server.collection("site_settings", SETTINGS, rule="")
    return place


@contextmanager
def pocketbase(folder: Path, templates: Path) -> Iterator[Cms]:
    shutil.copytree(prepared(templates / "new", "0.40", None), folder)
    with server_in(folder, "0.40") as server:
        yield PocketBaseAdapter(server)


@contextmanager
def old_pocketbase(folder: Path, templates: Path) -> Iterator[Cms]:
    binary = templates / "old-binary" / "bin" / "pocketbase"
    if not binary.exists():
        binary = old_binary(templates / "old-binary")
    shutil.copytree(prepared(templates / "old", "0.22", binary), folder)
    with server_in(folder, "0.22", binary) as server:
        yield OldPocketBaseAdapter(server)
