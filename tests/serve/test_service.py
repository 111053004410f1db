"""What the service makes of its sites' doors. It runs in tests/scenarios/test_listen.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.serve.door import NOW, SITE, hook
from velobuild.config.schema import Config, Loaded, SourceConfig
from velobuild.serve.service import Served, Service


@dataclass
class Rig:
    """A service that is not running, of one site whose CMS sends webhooks. `served` is what a reload finds."""

    folder: Path
    served: Served = field(init=False)

    def __post_init__(self) -> None:
        self.now = NOW
        self.configure("velocms", told=False)
        self.service = Service(
            {SITE: lambda: self.served},
            {SITE: self.served},
            queue_file=self.folder / "queue.db",
            cache=None,
            clock=lambda: self.now,
            variables={},
        )

    def configure(self, type: str, *, told: bool) -> None:
        config = Config(source=SourceConfig(type=type, url="http://127.0.0.1:1"))
        config = replace(config, listen=replace(config.listen, realtime=told))
        self.served = Served(Loaded(config=config, file=self.folder / "velobuild.toml"), hook(), ())

    def reloads(self) -> None:
        asyncio.run(self.service._reload())

    def refuses_for_an_hour(self) -> None:
        for minutes in (0, 30, 30):
            self.now += timedelta(minutes=minutes)
            self.service._receiver.seen(SITE).refuse("the signature", self.now, signed=True)

    @property
    def warning(self) -> str | None:
        return self.service._shut_out(SITE)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.service._queue.close()


def test_i12_new_secrets_end_the_warning_of_refusals(rig: Rig) -> None:
    rig.refuses_for_an_hour()
    assert "is the secret wrong" in (rig.warning or "")
    rig.reloads()
    assert rig.warning is None
    rig.refuses_for_an_hour()
    assert rig.warning is not None, "the control"


def test_i12_refusals_are_no_warning_where_the_cms_tells_of_its_changes_by_itself(rig: Rig) -> None:
    rig.configure("pocketbase", told=False)
    rig.reloads()
    rig.refuses_for_an_hour()
    assert rig.warning is not None, "the control"
    rig.service._served[SITE] = replace(rig.served, hook=None)
    assert rig.warning is None
    rig.configure("pocketbase", told=True)
    rig.service._served[SITE] = rig.served
    assert rig.warning is None
