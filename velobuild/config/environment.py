"""The process's environment: the one place of velobuild that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "velobuild.toml"

# Variables that set a key of velobuild.toml, above the file.
KEYS: Mapping[str, str] = MappingProxyType(
    {
        "VELOBUILD_OUT": "build.out",
        "VELOBUILD_BASE_URL": "site.base_url",
        "VELOBUILD_JOBS": "build.jobs",
    }
)
# The vendor's own variable may be exported for other programs and another site: it counts where the file is silent.
DEFAULTS: Mapping[str, str] = MappingProxyType({"VELOCMS_SITE_URL": "source.url"})


def environment() -> dict[str, str]:
    """A copy of the environment as it is now."""
    return dict(os.environ)


def cache_folder(variables: Mapping[str, str]) -> Path | None:
    """The user's folder for what all sites share, such as the count of calls; None where there is no home to put it."""
    from pathlib import Path

    base = variables.get("XDG_CACHE_HOME", "")
    if not base or not Path(base).is_absolute():  # the standard says to ignore a relative one
        home = variables.get("HOME", "")
        if not Path(home).is_absolute():
            return None
        base = f"{home}/.cache"
    return Path(base) / "velobuild"
