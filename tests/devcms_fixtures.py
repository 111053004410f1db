"""A development CMS of its own for each test that asks for one: a real PocketBase on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from velobuild.devcms import GENEROUS, DevCms, Running


@pytest.fixture
def devcms_folder(tmp_path: Path) -> Path:
    """Where `devcms` keeps its data."""
    return tmp_path / "devcms"


@pytest.fixture
def devcms(devcms_folder: Path) -> Iterator[Running]:
    """A running, empty server without limits. Its webhooks stay in the outbox."""
    with DevCms(devcms_folder).start(deliver=False) as running:
        running.set_switches(GENEROUS)
        yield running
