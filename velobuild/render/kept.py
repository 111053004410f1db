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
State = tuple[int, int, int, int] | None
"""Size, mtime, ctime and inode of what is at a path; None for nothing. A folder's times tell of names that came or
went, and nobody can set back the ctime."""
Signature = dict[str, State]

_theme: tuple[bytes, Signature, Theme] | None = None


def current_theme(config: Config, root: Path) -> Theme:
    """The configured theme, read anew only if a file of it is another. Raises as `load_theme`."""
    global _theme
    key = canonical([str(root), config.theme.name, config.theme.path, dict(config.theme.options)])
    if _theme is not None and _theme[0] == key and all(_state(path) == state for path, state in _theme[1].items()):
        return _theme[2]
    _theme = None
    theme = load_theme(config, root)
    # What changes while it is read must not be taken for what was read: only what has rested is kept.
    signature = {path: _state(path) for place in theme.folders for path in _paths(str(place))}
    now_ns = time.time_ns()
    if all(state is None or now_ns - max(state[1:3]) > RESTED_NS for state in signature.values()):
        _theme = (key, signature, theme)
    return theme


def _paths(place: str) -> Iterator[str]:
    """Every file and folder of a theme's folder that says what the theme is, and those that could come."""
    yield f"{place}/theme.toml"
    for part in PARTS:
        yield f"{place}/{part}"
        for folder, folders, files in os.walk(f"{place}/{part}"):
            for name in (*folders, *files):
                yield f"{folder}/{name}"


def _state(path: str) -> State:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked of each file before each build
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
