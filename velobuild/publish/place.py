"""Where the output may lie: never over somebody's files, never around or inside velobuild's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from velobuild.errors import OutputError
from velobuild.publish import disk
from velobuild.publish.disk import disk_errors

NAMES_SHOWN = 3


def check_place(state: Path, out: Path) -> None:
    """Raises OutputError VB6003 if `out` is `/`, a home, or holds (or lies in) `.velobuild`; VB6002 if the folders
    cannot be written. Changes nothing."""
    real_state = Path(os.path.realpath(state))
    real_out = (
        Path(os.path.realpath(out.parent)) / out.name if out.name not in ("", "..") else Path(os.path.realpath(out))
    )
    homes = []
    with suppress(RuntimeError):
        homes.append(Path(os.path.realpath(Path.home())))
    if real_out == Path(real_out.anchor) or real_out in homes:
        raise foreign(f"{real_out} cannot be the output folder", out)
    if real_state.is_relative_to(real_out) or real_out.is_relative_to(real_state):
        raise foreign("the output folder and velobuild's own folder lie in each other", out)
    for folder in (state, out.parent):
        check_writable(folder)


def check_one_disk(first: Path, second: Path) -> None:
    """Raises OutputError VB6002 where a rename from one folder (or its nearest parent) to the other cannot work."""
    with disk_errors("a folder cannot be looked at", first):
        same = _nearest(first).stat().st_dev == _nearest(second).stat().st_dev
    if not same:
        raise OutputError(
            f"{first} and {second} lie on different file systems, so that no file can be renamed between them",
            code="VB6002",
            where=str(second),
            hint="put both on one file system (a mount or container volume above both, not at one of them)",
        )


def foreign(what: str, where: Path, names: Iterable[str] = ()) -> OutputError:
    """VB6003: what is there is not ours, so nothing of it is touched."""
    shown = sorted(names)
    if shown:
        more = f" and {len(shown) - NAMES_SHOWN} more" if len(shown) > NAMES_SHOWN else ""
        what = f"{what}: {', '.join(shown[:NAMES_SHOWN])}{more}"
    return OutputError(
        what, code="VB6003", where=str(where), hint="move it away, or set build.out in velobuild.toml to another folder"
    )


def check_writable(folder: Path) -> None:
    """Raises OutputError VB6002 if nothing can be made in the folder, or in its nearest parent that exists."""
    place = _nearest(folder)
    if not place.is_dir():
        raise foreign("a file stands where a folder is needed", place)
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputError(
            "the folder cannot be written",
            code="VB6002",
            where=str(place),
            hint="give the user who runs velobuild write access, or remount a read-only file system",
        )


def _nearest(folder: Path) -> Path:
    """The folder, or the closest parent that exists."""
    folder = folder.absolute()
    while disk.look(folder) is None:
        folder = folder.parent
    return folder
