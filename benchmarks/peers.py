"""The other tools: how each builds the blog, and how its watcher takes one edit.

Hugo and Pelican lie in `.work/peers`, Eleventy in `.work/eleventy`; `benchmarks/run` puts them there.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from compare import HERE, QUIET, WORK, Unmeasured

PEERS = WORK / "peers"
START_S, EDIT_S = 180.0, 120.0


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, where, and with which variables beside the usual ones."""

    words: Sequence[str | Path]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)


class Hugo:
    """Hugo's binary itself, without the Python launcher that the package puts before it."""

    name = "Hugo"

    def __init__(self) -> None:
        found = sorted(PEERS.glob("lib/python*/site-packages/hugo/binaries/hugo*"))
        if not found:
            raise SystemExit("Hugo is not installed: start benchmarks/run, which does that")
        self.binary = found[0]

    @property
    def version(self) -> str:
        said = subprocess.run([self.binary, "version"], capture_output=True, text=True, check=True).stdout
        return said.split()[1].partition("-")[0].removeprefix("v")

    def build(self, content: Path, out: Path) -> Command:
        """`content` holds `posts`, as HTML or Markdown."""
        site = ["-s", HERE / "hugo", "--contentDir", content, "-d", out]
        return Command([self.binary, "--quiet", "--noBuildLock", *site])

    def watch(self, content: Path, out: Path, *options: str) -> Watcher:
        """Without options Hugo renders what an edit touched and what was visited lately; with `--disableFastRender` it
        brings every page up to date, as velobuild does."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        site = ["-s", HERE / "hugo", "--contentDir", content, "-d", out, "--port", str(port)]
        words = [self.binary, "server", "--noBuildLock", "--disableLiveReload", *options, *site]
        return Watcher(Command(words), ready=r"Web Server is available", done=r"Total in (\d+) ms", unit_s=0.001)


class Eleventy:
    """Works in a folder of its own, which holds its templates and the posts."""

    name = "Eleventy"

    def __init__(self) -> None:
        self.modules = WORK / "eleventy" / "node_modules"
        if not self.modules.exists():
            raise SystemExit("Eleventy is not installed: start benchmarks/run, which does that")

    @property
    def version(self) -> str:
        words = ["node", self.modules / "@11ty/eleventy/cmd.cjs", "--version"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def site(self, content: Path, place: Path) -> Path:
        """A folder with its templates and a copy of the posts."""
        shutil.copytree(HERE / "eleventy", place)
        posts = place / "src" / "posts"
        shutil.copytree(content / "posts", posts)
        shutil.move(place / "src" / "posts.11tydata.js", posts / "posts.11tydata.js")
        (place / "node_modules").symlink_to(self.modules)
        return place

    def build(self, site: Path, out: Path, *options: str) -> Command:
        words = ["node", self.modules / "@11ty/eleventy/cmd.cjs", *(options or ["--quiet"])]
        return Command(words, cwd=site, env={"OUT": os.path.relpath(out, site)})

    def watch(self, site: Path, out: Path) -> Watcher:
        command = self.build(site, out, "--watch", "--incremental")
        return Watcher(command, ready=r"Watching", done=r"Wrote \d+ .*?in ([\d.]+) seconds", unit_s=1.0)


class Pelican:
    name = "Pelican"

    @property
    def version(self) -> str:
        said = subprocess.run([PEERS / "bin" / "pelican", "--version"], capture_output=True, text=True, check=True)
        return said.stdout.strip()

    def build(self, content: Path, out: Path) -> Command:
        settings = HERE / "pelican" / "pelicanconf.py"
        words = [PEERS / "bin" / "pelican", content, "-o", out, "-s", settings, "-q"]
        return Command(words, cwd=out.parent, env={"PYTHONDONTWRITEBYTECODE": "1"})


@dataclass(slots=True)
class Watcher:
    """A tool that watches its files. `done` matches what it prints after a build, with the time that took."""

    command: Command
    ready: str
    done: str
    unit_s: float
    _process: subprocess.Popen[str] | None = None
    _lines: list[str] = field(default_factory=list)

    def __enter__(self) -> Watcher:
        command = self.command
        self._process = subprocess.Popen(
            list(map(str, command.words)),
            cwd=command.cwd,
            env={**QUIET, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()
        try:
            self._said(self.ready, 0, START_S)
        except BaseException:
            self.__exit__()
            raise
        time.sleep(2)  # It says so a moment before it watches; no tool says when.
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def edit(self, file: Path, content: str, page: Path, mark: str) -> tuple[float, float, float]:
        """Replace a post's file. Seconds: until the page says `mark`, until the tool says that it is done, and how long
        the tool says it took. Raises Unmeasured."""
        since = len(self._lines)
        fresh = file.with_name(f".{file.name}.fresh")
        fresh.write_text(content, "utf-8")
        started = time.perf_counter()
        os.rename(fresh, file)
        while mark not in page.read_text("utf-8", "replace"):
            if time.perf_counter() - started > EDIT_S:
                raise Unmeasured(f"{self.command.words[0]} did not take the edit within {EDIT_S:.0f} s")
            time.sleep(0.003)
        live_s = time.perf_counter() - started
        own_s = float(self._said(self.done, since, EDIT_S)[1]) * self.unit_s
        done_s = time.perf_counter() - started
        time.sleep(1)
        return live_s, done_s, own_s

    def _listen(self, said: IO[str]) -> None:
        for line in said:
            self._lines.append(line)

    def _said(self, pattern: str, since: int, bound_s: float) -> re.Match[str]:
        end = time.monotonic() + bound_s
        while time.monotonic() < end:
            for line in self._lines[since:]:
                found = re.search(pattern, line)
                if found:
                    return found
            assert self._process is not None
            if self._process.poll() is not None:
                break
            time.sleep(0.002)
        raise Unmeasured(f"{self.command.words[0]} never said {pattern}:\n{''.join(self._lines[-10:])}")
