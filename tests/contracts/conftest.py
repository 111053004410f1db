"""The sources under contract: each by its name and what starts it. A new source adds an adapter and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.cms import STRANGE, Adapter, Blog
from tests.contracts.cometcms import CometCmsAdapter, cometcms
from tests.contracts.folder import FolderAdapter, folder
from tests.contracts.gate import Gate
from tests.contracts.pocketbase import OldPocketBaseAdapter, PocketBaseAdapter, old_pocketbase, pocketbase
from tests.contracts.polycms import PolyCmsAdapter, polycms
from tests.contracts.velocms import VeloCmsAdapter, velocms

# name → (what starts it in a folder, with another for what is made once; its adapter's class)
SOURCES: dict[str, tuple[Callable[[Path, Path], Adapter], Any]] = {
    "velocms": (velocms, VeloCmsAdapter),
    "pocketbase": (pocketbase, PocketBaseAdapter),
    "polycms": (polycms, PolyCmsAdapter),
    "cometcms": (cometcms, CometCmsAdapter),
    "folder": (folder, FolderAdapter),
    "pocketbase-0.22": (old_pocketbase, OldPocketBaseAdapter),
}
SLOW = {"pocketbase-0.22": pytest.mark.slow}


def refusals() -> list[Any]:
    """(source, what it is called, the answer) for everything that a source over the network may be told."""
    return [
        pytest.param(name, shape, id=f"{name}-{called}", marks=SLOW.get(name, ()))
        for name, (_, adapter) in SOURCES.items()
        if "http" not in adapter.cannot
        for called, shape in {**STRANGE, **adapter.errors}.items()
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "synced" in metafunc.fixturenames:
        metafunc.parametrize(("synced", "refused"), refusals(), indirect=["synced"], scope="module")
    elif "blog" in metafunc.fixturenames:
        names = [pytest.param(name, marks=SLOW.get(name, ())) for name in SOURCES]
        metafunc.parametrize("blog", names, indirect=True)


@contextmanager
def blog_on(name: str, folder: Path, factory: pytest.TempPathFactory) -> Iterator[Blog]:
    """A site on a running, empty CMS of this kind; at the end no token may stand anywhere."""
    templates = factory.getbasetemp() / "contract-templates"
    templates.mkdir(exist_ok=True)
    with SOURCES[name][0](folder / "cms", templates) as cms, Gate(cms.url or None) as gate:
        made = Blog(cms, gate, folder / "blog")
        yield made
        made.expects_no_secret()


@pytest.fixture
def blog(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    with blog_on(request.param, tmp_path, tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def synced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    """One for all tests that only ask: it has three posts and knows them."""
    with blog_on(request.param, tmp_path_factory.mktemp("synced"), tmp_path_factory) as made:
        for number in range(3):
            made.cms.put_post(f"post-{number}")
        made.sync()
        yield made


@pytest.fixture
def elsewhere() -> Iterator[Gate]:
    """Another host on the net, which notes what it is sent."""
    with Gate() as gate:
        yield gate
