"""A site, the real CMS that it is pulled from, and the real command line between them, as a chain of sentences.

Every step that acts returns the `SiteTest` itself; every `expects_…` step asserts. The command runs either in this
process (quick) or as `python -m velobuild` in a process of its own (`apart`, or `start` to end it from outside).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from PIL import Image

from tests.standin import StandIn
from velobuild.cli.main import run
from velobuild.devcms import LoggedRequest, Running
from velobuild.publish.guard import disguises

SCOPES = ("posts:read", "media:read", "site-settings:read")
FIRST_DAY = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
# Long ago, so that every edit is seen in whatever says when a post was changed, and never by luck of the second.
MADE = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)


# The command line in a process that ends itself without warning at its n-th call of one kind.
DOOMED = """
import os, signal, sys
from velobuild.cli.main import main
call, left = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
def die(event, arguments):
    global left
    if event == call:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """One command: its exit code, its document on stdout ({} for none), what it said on stderr."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out) if self.out.strip() else {}
        return found

    @property
    def warnings(self) -> list[str]:
        return [warning["code"] for warning in self.report["warnings"]]

    @property
    def errors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.report["errors"]
        return found


@dataclass(frozen=True, slots=True)
class File:
    """What is served under one path. Equal only if nobody touched it at all."""

    sha256: str
    inode: int
    mtime_ns: int


class SiteTest:
    """A site in `folder`, whose posts are those of `cms`. `settings` maps dotted keys of velobuild.toml to values."""

    def __init__(self, folder: Path, cms: Running | StandIn, **sections: Mapping[str, Any]) -> None:
        self.folder = folder
        self.cms: Any = cms
        self.root = folder / "site"
        self.root.mkdir(parents=True)
        self.ids: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.ran = Ran(0, "", "")
        self.flags: tuple[str, ...] = ()
        self.variables = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "PATH": os.environ["PATH"]}
        if "PYTHONPATH" in os.environ:  # else the command of its own would be another velobuild than this process's
            self.variables["PYTHONPATH"] = os.environ["PYTHONPATH"]
        url = cms.url if isinstance(cms, Running) else cms.site
        self.sections: dict[str, dict[str, Any]] = {
            "site": {"base_url": "https://blog.example"},
            "source": {"url": url, "rate_limit": "1000/s"},
        }
        self.configured(**sections)
        if isinstance(cms, Running):
            self.key(f"owner of {folder.name}")
        else:
            self.variables["VELOCMS_API_KEY"] = "velo_good"

    # What the owner of the site does.

    def configured(self, **sections: Mapping[str, Any]) -> Self:
        """Write these sections of velobuild.toml over those that were set before."""
        for name, values in sections.items():
            self.sections.setdefault(name, {}).update(values)
        lines = []
        for name, values in self.sections.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
        (self.root / "velobuild.toml").write_text("\n".join(lines), "utf-8")
        return self

    def key(self, name: str, scopes: tuple[str, ...] = SCOPES, *, variable: str = "VELOCMS_API_KEY") -> Self:
        """Make a key in the CMS and use it."""
        self.keys[name] = self.variables[variable] = self.cms.create_key(name, scopes)
        return self

    def file(self, path: str, text: str) -> Self:
        """Write a file of the site's own, such as a template or a local page."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        return self

    def environment(self, **variables: str) -> Self:
        self.variables.update(variables)
        return self

    # What the author does in the CMS.

    def posts(self, count: int, *, start: int = 0, **fields: Any) -> Self:
        """Posts `post-0`, `post-1`, …, each a day after the one before."""
        made = [self._post(number, fields) for number in range(start, start + count)]
        for post, id in zip(made, self.cms.create_posts(made), strict=True):
            self.ids[post["slug"]] = id
        return self

    def post(self, slug: str, **fields: Any) -> Self:
        made: dict[str, Any] = {"title": slug.title(), "slug": slug, "published_at": FIRST_DAY, "updated": MADE}
        made["content_html"] = f"<p>{slug}</p>"
        self.ids[slug] = self.cms.create_post(**{**made, **fields})
        return self

    def edit(self, slug: str, /, **fields: Any) -> Self:
        self.cms.update_post(self.ids[slug], **fields)
        if "slug" in fields:
            self.ids[fields["slug"]] = self.ids[slug]
        return self

    def delete(self, *slugs: str) -> Self:
        for slug in slugs:
            self.cms.delete_post(self.ids[slug])
        return self

    def picture(self, name: str, colour: str = "red", size: tuple[int, int] = (40, 30)) -> tuple[str, str]:
        """Upload a drawn picture. Returns its id and the address a body may use."""
        file = self.draw(name, colour, size)
        id = self.cms.upload_media(file, alt=f"A {colour} square")
        return id, self.cms.media_path(id)

    def draw(self, name: str, colour: str, size: tuple[int, int] = (40, 30)) -> Path:
        file = self.folder / name
        Image.new("RGB", size, colour).save(file)
        return file

    @staticmethod
    def _post(number: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "title": f"Post {number}",
            "slug": f"post-{number}",
            "published_at": FIRST_DAY + timedelta(days=number),
            "updated": MADE,
            "content_html": f"<h2>Part {number}</h2><p>Body of {number}.</p>",
            "tags": [f"tag {number % 3}"],
            **fields,
        }

    # Commands.

    def does(self, *arguments: str) -> Self:
        """Run one command in this process."""
        out, err = io.StringIO(), io.StringIO()
        code = run(
            (*arguments, "--json"),
            environment=self.variables,
            out=out,
            err=err,
            stdin=io.StringIO(),
            directory=self.root,
        )
        self.ran = Ran(code, out.getvalue(), err.getvalue())
        return self

    def builds(self, *arguments: str) -> Self:
        """A build that must end with 0."""
        return self.does("build", *self.flags, *arguments).expects_exit(0)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command in a process of its own, which is the caller's to end."""
        return subprocess.Popen(
            [sys.executable, "-m", "velobuild", *arguments, "--json"],
            cwd=self.root,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def apart(self, *arguments: str) -> Self:
        """The command in a process of its own, to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        self.ran = Ran(process.returncode, out, err)
        return self

    def dies(self, call: str, number: int, *arguments: str) -> bool:
        """The command, killed at its n-th call of this kind (a Python audit event). False if it came to its end."""
        ended = subprocess.run(
            [sys.executable, "-c", DOOMED, call, str(number), *arguments],
            cwd=self.root,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,  # whoever still holds its streams then has outlived it
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        return ended.returncode != 0

    # What can be seen from outside.

    @property
    def public(self) -> Path:
        return self.root / self.sections.get("build", {}).get("out", "public")

    def tree(self) -> dict[str, File]:
        """Every published file by its path."""
        found = {}
        for place in sorted(self.public.resolve().rglob("*")):
            if place.is_file():
                status = place.stat()
                path = place.relative_to(self.public.resolve()).as_posix()
                found[path] = File(hashlib.sha256(place.read_bytes()).hexdigest(), status.st_ino, status.st_mtime_ns)
        return found

    def contents(self) -> dict[str, str]:
        """Every published path with the hash of its bytes."""
        return {path: file.sha256 for path, file in self.tree().items()}

    def tree_hash(self) -> str:
        """One hash of all published paths and bytes."""
        rows = [f"{path} {file.sha256}" for path, file in self.tree().items()]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def text(self, path: str) -> str:
        return (self.public / path).read_text("utf-8")

    def release(self) -> int:
        """The number of the live release."""
        return int(self.public.resolve().name)

    def releases(self) -> list[int]:
        return sorted(int(place.name) for place in (self.root / ".velobuild/releases").iterdir())

    def calls(self) -> list[str]:
        """The API calls since the last `counting`, such as `posts?page=1`, without the server's address."""
        asked: list[LoggedRequest] = self.cms.requests()
        return [call.path.removeprefix("/api/v1/") for call in asked]

    def counting(self) -> Self:
        self.cms.clear_requests()
        return self

    def bodies_fetched(self) -> Counter[str]:
        """How often each post's body was answered."""
        asked: list[LoggedRequest] = self.cms.requests("/api/v1/posts/")
        return Counter(call.path.rpartition("/")[2] for call in asked if call.status == 200)

    # Assertions.

    def expects_exit(self, code: int, error: str | None = None, *said: str) -> Self:
        """The exit code, the error's code, and what its message and its hint must say."""
        assert self.ran.code == code, self.ran
        if error is not None:
            assert self.ran.errors[0]["code"] == error, self.ran.err
            # A syntax error's remedy is its place, which `said` names.
            assert self.ran.errors[0]["hint"] or error == "VB3101", "a message without a remedy"
        for words in said:
            assert words in self.ran.err, self.ran.err
        assert "Traceback" not in self.ran.err
        return self

    def expects_calls(self, *paths: str) -> Self:
        assert Counter(self.calls()) == Counter(paths)
        return self

    def expects_pages(self, *paths: str) -> Self:
        missing = [path for path in paths if not (self.public / path / "index.html").is_file()]
        assert not missing
        return self

    def expects_no_pages(self, *paths: str) -> Self:
        there = [path for path in paths if (self.public / path).exists()]
        assert not there
        return self

    def expects_nowhere(self, *words: str) -> Self:
        """None of the words stands in any published file, nor in its name."""
        for path in self.tree():
            content = (self.public / path).read_bytes()
            for word in words:
                assert word.encode() not in content, f"{word} in {path}"
                assert word not in path
        return self

    def expects_no_secret(self) -> Self:
        """No key stands anywhere below the folder, in no file's bytes or name, however encoded; nor was it said."""
        forms = {form for key in self.secrets() for form in disguises(key)}
        for place in self.folder.rglob("*"):
            if place.is_file() and not place.is_symlink():
                content = place.read_bytes() + place.name.encode()
                assert not any(form in content for form in forms), place
        said = (self.ran.out + self.ran.err).encode()
        assert not any(form in said for form in forms)
        return self

    def secrets(self) -> list[str]:
        return [value for name, value in self.variables.items() if name.startswith("VELOCMS_API_KEY")] + [
            *self.keys.values()
        ]


def differing(before: Mapping[str, File], after: Mapping[str, File]) -> set[str]:
    """Paths that came, went, or hold other bytes."""
    return {
        path
        for path in before.keys() | after.keys()
        if path not in before or path not in after or before[path].sha256 != after[path].sha256
    }


def touched(before: Mapping[str, File], after: Mapping[str, File]) -> set[str]:
    """Paths that are on both sides and whose file, not only its bytes, is another."""
    return {path for path in before.keys() & after.keys() if before[path] != after[path]}
