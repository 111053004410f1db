"""What a test needs of the machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


def needs(available: bool, what: str) -> None:
    """Skip where something of the machine is missing. In CI the hook in conftest.py makes that a failure."""
    if not available:
        pytest.skip(f"{what} is missing")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with the options given; all are gone after the test."""
    with ExitStack() as mounted:

        def tmpfs(options: str) -> Path:
            needs(os.geteuid() == 0, "root")
            folder = tmp_path / "small"
            folder.mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)
            needs(done.returncode == 0, "the right to mount")
            mounted.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            return folder

        yield tmpfs
