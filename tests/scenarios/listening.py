"""The real service of a site, in a process of its own, and the webhooks that reach it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx

from tests.scenarios.site import SiteTest
from velobuild.model.ports import utc_now
from velobuild.serve.webhook_samples import Sample, body, headers

SECRET = "velobuild-test-secret"
DEADLINE_S = 30.0
# As a service manager starts it: the socket is descriptor 3, and the pid is the process's own.
HANDED = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def until(true: Callable[[], Any], what: str, *, within_s: float = DEADLINE_S) -> Any:
    """What the condition gives once it is true."""
    end = time.monotonic() + within_s
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.02)


class Listening:
    """A running `velobuild listen`. Its log goes to a file beside the site."""

    def __init__(
        self, site: SiteTest, *arguments: str, handed: socket.socket | None = None, secret: str = SECRET
    ) -> None:
        self.site = site
        if secret:
            site.variables["VELOBUILD_WEBHOOK_SECRET"] = secret
        self.log_file = site.folder / "listen.log"
        self._log = self.log_file.open("a")
        command = ["-m", "velobuild", "listen", "--json", *arguments]
        options: dict[str, Any] = {"env": dict(site.variables)}
        if handed is None:
            command = [sys.executable, *command, "--address", "127.0.0.1:0"]
        else:
            command = [sys.executable, "-c", HANDED, *command]
            options["env"]["LISTEN_FDS"] = "1"
            # Whatever the descriptor's number is here, in the service it is 3.
            options["preexec_fn"] = lambda: os.dup2(handed.fileno(), 3)
            options["pass_fds"] = (3,)
        self.process = subprocess.Popen(
            command,
            cwd=site.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            **options,
        )
        self.hooks: list[str] = []
        self.address = ""

    def ready(self) -> Listening:
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            try:
                said = json.loads(text)
                self.hooks, self.address = said["hooks"], said["addresses"][0]
                break
            except ValueError:
                continue
        assert self.address, self.log()
        return self

    @property
    def hook(self) -> str:
        return self.hooks[0]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.address + path, trust_env=False, timeout=10, **options)

    def status(self, site: str = "site") -> dict[str, Any]:
        found: dict[str, Any] = self.get("/status.json").json()[site]
        return found

    def delivers(self, event: str, *, post_id: str | None = None, slug: str | None = None, **more: Any) -> int:
        """A signed delivery. Returns the status."""
        return deliver(self.hook, event, post_id=post_id, slug=slug, **more)

    def settles(self, *, builds: int = 1, site: str = "site") -> dict[str, Any]:
        """Until so many builds have ended and nothing is left to do."""

        def quiet() -> dict[str, Any] | None:
            fares = self.status(site)
            done = fares["status"]["builds_total"] >= builds and fares["status"]["state"] not in ("building", "waiting")
            return fares if done and not fares["queue"]["new"] and not fares["queue"]["taken"] else None

        found: dict[str, Any] = until(quiet, f"{builds} builds: {self.log()}")
        return found

    def log(self) -> str:
        return self.log_file.read_text()

    def ends(self, number: int = signal.SIGTERM) -> int:
        """Asked to end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(15)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self._log.close()


def deliver(
    url: str,
    event: str,
    *,
    post_id: str | None = None,
    slug: str | None = None,
    client: httpx.Client | None = None,
    secret: str = SECRET,
) -> int:
    sample = Sample("velocms", event, uuid4().hex, utc_now(), post_id=post_id, slug=slug)
    content = body(sample)
    post = httpx.post if client is None else client.post
    more: dict[str, Any] = {"trust_env": False} if client is None else {}
    sent = headers(sample, secret, content)
    return post(url, content=content, headers=dict(sent), timeout=15, **more).status_code


@contextmanager
def listening(
    site: SiteTest, *arguments: str, handed: socket.socket | None = None, secret: str = SECRET
) -> Iterator[Listening]:
    """The service until the end of the block. Without a `secret` there is no door for webhooks."""
    service = Listening(site, *arguments, handed=handed, secret=secret)
    try:
        yield service.ready()
    finally:
        service.ends()
