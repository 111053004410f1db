"""Which versions of the packages are installed that decide what a body becomes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator

INSTALLED = re.compile(r"(.+?)-([^-]+)\.dist-info")


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Package → version, "unknown" where it cannot be told (or frozen into one file, which has no metadata).

    Read off the names of the `.dist-info` folders ("Recording installed projects", PyPA specifications), a hundredth
    of what loading `importlib.metadata` takes; that is asked for the rest alone.
    """
    found: dict[str, str] = {}
    for name, version in installed(sys.path):
        found.setdefault(_normal(name), version)
    return {name: found.get(_normal(name)) or _asked(name) for name in names}


def installed(path: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, version) of every package in these folders, as their metadata spell them."""
    for folder in path:
        try:
            listed = sorted(os.listdir(folder or "."))
        except OSError:  # a zip archive, or nothing
            continue
        for entry in listed:
            match = INSTALLED.fullmatch(entry)
            if match:
                yield match[1], match[2]


def _asked(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
