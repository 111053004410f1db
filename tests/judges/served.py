"""The example site, pulled from a real development CMS, built, and served by `velobuild serve`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from velobuild.demo import prepare_demo
from velobuild.errors import Diagnostic

BASE_URL = "https://candle-lane.example"
"""Where the pages say that they live. Not where they are served: what asks for its own address asks for the network."""
STOP_S = 20


@dataclass(frozen=True, slots=True)
class Served:
    """A built site that answers at `url` (which ends in no slash). `folder` is the live release.

    `cms_url` and `tokens` are what the site was made with, and must not show.
    """

    folder: Path
    url: str
    cms_url: str
    tokens: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]


@contextmanager
def example_site(target: Path, *, base_url: str = BASE_URL) -> Iterator[Served]:
    """The example site, built once into `target`, an empty or new folder, and served until the end."""
    warnings: list[Diagnostic] = []
    demo = prepare_demo(
        target,
        environment={},
        say=lambda text: None,
        warn=warnings.append,
        progress=None,
        base_url=base_url,
        cache=target / "cache",
    )
    # The site needs its CMS no longer: whatever a page asked of it would be found as a failed request.
    demo.close()
    with serving(demo.loaded.root) as (url, _):
        tokens = tuple(secret.reveal() for secret in demo.loaded.tokens)
        yield Served(demo.loaded.out.resolve(), url, demo.running.url, tokens, tuple(warnings))


@contextmanager
def serving(root: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`velobuild serve` over the site in `root`: its address without the last slash, and the process."""
    command = [sys.executable, "-m", "velobuild", "-C", str(root), "serve", *options]
    # Its output goes through a pipe, and the address must not wait there for more.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("Serving http"), line + process.stdout.read()
            yield line.split()[1].rstrip("/"), process
        finally:
            process.terminate()
            process.wait(STOP_S)
