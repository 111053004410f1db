"""Each test gets a CMS and a site of its own; after each, no key may stand in anything the site left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.site import SiteTest
from velobuild.devcms import Running

Sites = Callable[..., SiteTest]


@pytest.fixture
def sites(devcms: Running, tmp_path: Path) -> Iterator[Sites]:
    """Makes further sites of the same CMS: `sites("two", build={"jobs": 1})`."""
    made: list[SiteTest] = []

    def make(name: str = "one", cms: Any = devcms, **sections: Any) -> SiteTest:
        made.append(SiteTest(tmp_path / name, cms, **sections))
        return made[-1]

    yield make
    for site in made:
        site.expects_no_secret()


@pytest.fixture
def site(sites: Sites) -> SiteTest:
    return sites()
