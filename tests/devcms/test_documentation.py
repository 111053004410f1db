"""The page about the development CMS names every switch with its default."""

from __future__ import annotations

import re
from pathlib import Path

from velobuild.devcms import Switches
from velobuild.devcms.records import EVENTS

PAGE = (Path(__file__).parents[2] / "docs" / "development-cms.md").read_text("utf-8")


def test_every_switch_is_documented_with_its_default_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE.partition("## Switches")[2], re.MULTILINE))
    words = {True: "on", False: "off"}
    expected = {
        name: words[value] if isinstance(value, bool) else str(value) for name, value in Switches().stored().items()
    }
    assert rows == expected


def test_every_event_is_documented_and_no_other() -> None:
    assert re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE) == list(EVENTS)
