"""The process's environment: the one place of velobuild that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

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
