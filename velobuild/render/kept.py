"""What a long-lived process need not do again: read a theme whose files are as they were."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from velobuild.config.schema import Config
from velobuild.model.keys import canonical
from velobuild.render.theme import Theme, load_theme

PARTS = ("templates", "static", "locales")
RESTED_NS = 2_000_000_000
Signature = tuple[tuple[str, int, int, int], ...]

_theme: tuple[bytes, Signature, Theme] | None = None


def current_theme(config: Config, root: Path) -> Theme:
    """The configured theme, read anew only if a file of it is another. Raises as `load_theme`."""
    global _theme
    key = canonical([str(root), config.theme.name, config.theme.path, dict(config.theme.options)])
    if _theme is not None and _theme[0] == key and _signature(_theme[2].folders) == _theme[1]:
        return _theme[2]
    _theme = None
    theme = load_theme(config, root)
    # A file that changes while it is read must not be taken for what was read: only one that has rested is kept.
    signature = _signature(theme.folders)
    if all(time.time_ns() - mtime_ns > RESTED_NS for _, _, mtime_ns, _ in signature):
        _theme = (key, signature, theme)
    return theme


def _signature(folders: tuple[Path, ...]) -> Signature:
    return tuple(row for place in folders for row in _files(place))


def _files(place: Path) -> Iterator[tuple[str, int, int, int]]:
    yield from _row(place / "theme.toml")
    for part in PARTS:
        for folder, names, files in os.walk(place / part):
            names.sort()
            for name in sorted(files):
                yield from _row(Path(folder) / name)


def _row(file: Path) -> Iterator[tuple[str, int, int, int]]:
    try:
        found = file.stat()
    except OSError:
        return
    yield str(file), found.st_size, found.st_mtime_ns, found.st_ino
