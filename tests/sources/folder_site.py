"""A site of folders on the disk, written file by file and read back from what was published."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.command_line import Ended, velobuild
from tests.sources.conftest import Shelf
from velobuild.config.load import load
from velobuild.config.schema import Loaded
from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Page, Post
from velobuild.sources import open_source

LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""A present in which no file is too young for its time stamp to count."""


class FolderSite:
    """A folder with velobuild.toml. `sync` reads the source alone, `build` runs the command line."""

    def __init__(self, root: Path, toml: str = '[source]\ntype = "folder"\n') -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        self.warnings: list[Diagnostic] = []
        self.shelf = Shelf()
        self.read = 0
        root.mkdir(parents=True, exist_ok=True)
        self.configure(toml)
        (root / "content").mkdir()

    def configure(self, toml: str) -> None:
        (self.root / "velobuild.toml").write_text(toml, "utf-8")

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def post(self, name: str, body: str = "Text", **fields: str) -> Path:
        """`content/NAME` with YAML front matter, of 2026-05-03 unless `date` says otherwise."""
        given = {"date": "2026-05-03"} | fields
        head = "\n".join(f"{key}: {value}" for key, value in given.items() if value)
        return self.write(f"content/{name}", f"---\n{head}\n---\n{body}\n")

    @property
    def loaded(self) -> Loaded:
        return load(None, directory=self.root, environment=self.environment)

    def sync(self, *, now: datetime = LATER) -> None:
        self.warnings.clear()
        with open_source(self.loaded, cache=None, clock=lambda: now, warn=self.warnings.append) as opened:
            deltas = list(opened.source.changes(self.shelf, self.shelf.cursor))
            for delta in deltas:
                self.shelf.take(delta)
            self.read = opened.source.tally.bodies_fetched

    @property
    def posts(self) -> dict[str, Post]:
        found = self.shelf.entries.get(Collection.POSTS, {})
        return {id: post for id, post in found.items() if isinstance(post, Post)}

    @property
    def only(self) -> Post:
        (post,) = self.posts.values()
        return post

    @property
    def pages(self) -> dict[str, Page]:
        found = self.shelf.entries.get(Collection.PAGES, {})
        return {page.path: page for page in found.values() if isinstance(page, Page)}

    def run(self, *arguments: str) -> Ended:
        return velobuild(*arguments, directory=self.root, environment=self.environment)

    def build(self, *arguments: str) -> Ended:
        ended = self.run("build", *arguments)
        assert ended.code == 0, ended.err
        return ended

    def page(self, url: str) -> str:
        return (self.root / "public" / url.strip("/") / "index.html").read_text("utf-8")

    def live(self) -> Mapping[str, bytes]:
        """Every published file by its path."""
        public = self.root / "public"
        return {str(file.relative_to(public)): file.read_bytes() for file in public.rglob("*") if file.is_file()}

    def pictures(self, url: str) -> list[str]:
        return re.findall(r'<img src="(/media/[^"]+)"', self.page(url))


def png(red: int = 255) -> bytes:
    """A picture of 2 × 2 pixels, of another colour for another number."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = zlib.compress((b"\0" + bytes([red, 0, 0]) * 2) * 2)
    head = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
