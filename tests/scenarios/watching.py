"""`velobuild watch` as a process of its own, with ears for what it says."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.scenarios.site import SiteTest
from velobuild.config.shipped import folder
from velobuild.devcms import Running

PATIENCE_S = 20.0


class Watched:
    """A running watch. `url` ends in no slash; `said` is all that it said on stderr so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._condition = threading.Condition()
        threading.Thread(target=self._hear, daemon=True).start()
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving http"), line + self.said
        self.url = line.split()[1].rstrip("/")

    def _hear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._condition:
                self._lines.append(line)
                self._condition.notify_all()

    @property
    def said(self) -> str:
        with self._condition:
            return "".join(self._lines)

    @property
    def builds(self) -> int:
        """How many builds went well so far."""
        return self.said.count("  ✓ ") - self.said.count("✓ the CMS answers again")

    def says(self, text: str, *, after: str = "") -> str:
        """Wait until it has said `text`, after having said `after`; returns what it said since."""
        wait_for(lambda: text in self.since(after), lambda: f"{text!r} was never said; it said:\n{self.said}")
        return self.since(after)

    def since(self, before: str) -> str:
        return self.said.removeprefix(before)


def wait_for(there: Callable[[], bool], otherwise: Callable[[], str], *, patience_s: float = PATIENCE_S) -> None:
    """Wait until it is so."""
    until = time.monotonic() + patience_s
    while not there():
        assert time.monotonic() < until, otherwise()
        time.sleep(0.02)


@contextmanager
def watching(site: SiteTest, *options: str) -> Iterator[Watched]:
    """`velobuild watch` over the site, until the end."""
    command = [sys.executable, "-m", "velobuild", "-C", str(site.root), "watch", *options]
    environment = {**site.variables, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=site.root
    ) as process:
        try:
            yield Watched(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def of_pocketbase(site: SiteTest, cms: Running) -> SiteTest:
    """The same site, read from PocketBase's own API, which tells of changes."""
    return site.configured(source={"type": "pocketbase"}).environment(VELOCMS_API_KEY=cms.create_reader_token())


def with_own_theme(site: SiteTest) -> SiteTest:
    """A theme of the site's own in `theme`, which is the shipped one to begin with."""
    shutil.copytree(folder("themes") / "plain", site.root / "theme")
    return site.configured(theme={"path": "theme"})
