"""A folder of files: a CMS that nobody has to be asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.contracts.cms import DAY, Cms
from tests.contracts.gate import Shape


class FolderAdapter:
    type = "folder"
    page = 120
    posts_path = ""
    cannot: Mapping[str, str] = {
        "http": "the files lie on this machine",
        "tokens": "nobody is asked, so nobody wants one",
        "needed tokens": "nobody is asked, so nobody wants one",
        "named posts": "no event names a file",
        "settings": "a folder's site is named in velobuild.toml",
        "media records": "a picture is a file beside the post; what it shows stands in the post",
    }
    errors: Mapping[str, Shape] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._fronts: dict[str, dict[str, Any]] = {}
        self._bodies: dict[str, str] = {}

    @property
    def url(self) -> str:
        return ""

    def source(self, url: str, folder: Path) -> Mapping[str, Any]:
        return {"type": "folder", "path": str(self.folder)}

    def token(self) -> str:
        return ""

    def expired_token(self) -> str:
        return ""

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
        front: dict[str, Any] = {"title": title, "slug": slug, "date": published_at.isoformat(), "status": status}
        front |= {"tags": list(tags), **({"author": author} if author else {}), **(extra or {})}
        id = f"{len(self._fronts):04d}-{slug}"
        self._write(id, front, body)
        return id

    def _write(self, id: str, front: dict[str, Any], body: str) -> None:
        self._fronts[id], self._bodies[id] = front, body
        lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items()]
        (self.folder / f"{id}.html").write_text("\n".join(["---", *lines, "---", body]), "utf-8")

    def edit_post(self, id: str, *, title: str | None = None, body: str | None = None, slug: str | None = None) -> None:
        given = {"title": title, "slug": slug}
        front = self._fronts[id] | {name: value for name, value in given.items() if value is not None}
        self._write(id, front, self._bodies[id] if body is None else body)

    def set_status(self, id: str, status: str) -> None:
        self._write(id, self._fronts[id] | {"status": status}, self._bodies[id])

    def delete_post(self, id: str) -> None:
        (self.folder / f"{id}.html").unlink()

    def put_media(self, name: str, content: bytes, *, alt: str) -> str:
        (self.folder / name).write_bytes(content)
        return name

    def put_settings(self, *, title: str, description: str) -> None:
        raise AssertionError(self.cannot["settings"])


@contextmanager
def folder(place: Path, templates: Path) -> Iterator[Cms]:
    yield FolderAdapter(place)
