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


def theme_names() -> list[str]:
    """The names that `[theme] name` takes, sorted. What others only build on is not among them."""
    return sorted(file.parent.name for file in folder("themes").glob("*/theme.toml") if file.parent.name != "base")


def theme_folder(name: str, *, where: str) -> Path:
    """The folder of a shipped theme. Raises ConfigError VB1401, with the nearest name, if there is none."""
    names = theme_names()
    if name not in names:
        import difflib

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"velobuild ships: {', '.join(names)}"
        raise ConfigError(f"there is no theme `{name}`", code="VB1401", where=where, hint=hint)
    return folder("themes") / name
