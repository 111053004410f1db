"""A site of Markdown files, edited and built by the real command line in this process: no CMS, no network."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from PIL import Image

from velobuild.cli.main import run

TOML = """
[site]
title = "Garden"
base_url = "https://garden.example"
[source]
type = "folder"
path = "posts"
[pagination]
size = 3
[feeds]
size = 3
[build]
jobs = 1
[limits]
shrink_percent = 100
shrink_posts = 100
"""


class Written:
    """`posts` files `p0` … the newest first, a day apart; every other one has the tag tea, the rest jam."""

    def __init__(self, root: Path, posts: int = 8) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.toml(TOML)
        for number in range(posts):
            self.post(f"p{number}", day=28 - number, tags=("tea", "jam")[number % 2])
        self.code = 0
        self.err = ""

    def toml(self, text: str) -> Self:
        (self.root / "velobuild.toml").write_text(text)
        return self

    def post(self, name: str, body: str = "Body.", *, day: int = 1, tags: str = "tea", **more: str) -> Self:
        """A post; its excerpt is its own, so that its body is read by its page and the feeds alone."""
        front = {"title": name.upper(), "date": f"2026-01-{day:02d}", "excerpt": "Short.", **more}
        lines = [*(f"{key}: {value}" for key, value in front.items()), f"tags: [{tags}]"]
        return self.file(f"posts/{name}.md", "\n".join(["---", *lines, "---", body]))

    def file(self, path: str, text: str) -> Self:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return self

    def without(self, path: str) -> Self:
        (self.root / path).unlink()
        return self

    def picture(self, path: str, colour: str) -> Self:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), colour).save(self.root / path)
        return self

    def does(self, *arguments: str) -> dict[str, Any]:
        """The document of a command; {} for none."""
        out, err = io.StringIO(), io.StringIO()
        self.code = run(
            (*arguments, "--json"), environment={}, out=out, err=err, stdin=io.StringIO(), directory=self.root
        )
        self.err = err.getvalue()
        assert "Traceback" not in self.err
        found: dict[str, Any] = json.loads(out.getvalue() or "{}")
        return found

    def says(self, *arguments: str) -> str:
        """What a command prints for people."""
        out = io.StringIO()
        self.code = run(arguments, environment={}, out=out, err=io.StringIO(), stdin=io.StringIO(), directory=self.root)
        return out.getvalue()

    def builds(self, *arguments: str) -> dict[str, Any]:
        report = self.does("build", *arguments)
        assert self.code == 0, self.err
        return report

    def why(self, url: str) -> str:
        """The chain of a page as one text."""
        return " ".join(self.does("explain", url)["chain"])

    def rendered(self) -> set[str]:
        """What the last build rendered."""
        return {url for group in self.does("explain", "--all")["groups"] for url in group["rendered"]}

    def sql(self, statement: str, *values: object) -> Self:
        """Change a row behind velobuild's back."""
        with closing(sqlite3.connect(self.root / ".velobuild" / "site.db")) as connection, connection:
            assert connection.execute(statement, values).rowcount > 0, statement
        return self
