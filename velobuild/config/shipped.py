"""Where the files that come with velobuild lie: in the wheel, or in the checkout of an editable install."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from velobuild.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: Literal["themes", "docs", "example_site"]) -> Path:
    """The folder's absolute path. Raises ConfigError VB1402 if the installation lacks it."""
    for place in (PACKAGE / "_shipped" / name, PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise ConfigError(
        f"velobuild's own folder {name} is missing",
        code="VB1402",
        where=str(PACKAGE / "_shipped" / name),
        hint="install velobuild again",
    )
