"""What the releases' folders cannot tell: the highest number that was ever live, and where a rollback holds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from velobuild.errors import OutputError
from velobuild.publish import disk
from velobuild.publish.disk import disk_errors

VERSION = 1


@dataclass(frozen=True, slots=True)
class History:
    """`highest` is the highest number that was live, or 0; a folder with a higher one was never finished.

    `previous` was live before the present one; `held` is the release that a rollback chose, until `resume`.
    """

    highest: int = 0
    previous: int | None = None
    held: int | None = None


def read(file: Path) -> History | None:
    """None if there is none yet. Raises OutputError VB6002 if it is damaged: a hold must not be lost in silence."""
    with disk_errors("the record of releases cannot be read", file):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
    try:
        found = json.loads(content)
        if found["version"] != VERSION:
            raise ValueError(found["version"])
        return History(int(found["highest"]), _number(found["previous"]), _number(found["held"]))
    except (ValueError, TypeError, KeyError) as error:
        raise OutputError(
            "the record of releases is damaged",
            code="VB6002",
            where=str(file),
            hint="remove this file; a hold after a rollback is then forgotten, everything else is found again",
        ) from error


def write(file: Path, history: History) -> None:
    prepare(file, history)()


def prepare(file: Path, history: History) -> Callable[[], None]:
    """Put the new record on the disk beside the old one; calling the result only renames, which a full disk allows."""
    record = {"version": VERSION, "highest": history.highest, "previous": history.previous, "held": history.held}
    prepared = disk.prepare_file(file, json.dumps(record).encode() + b"\n")

    def replace_record() -> None:
        os.replace(prepared, file)
        disk.sync_folder(file.parent)

    return replace_record


def _number(value: object) -> int | None:
    if value is None or isinstance(value, int):
        return value
    raise TypeError(value)
