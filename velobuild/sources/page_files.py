"""Where the site's own pages are: which files of their folder are any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

ENDINGS = (".md", ".markdown")


def page_files(folder: Path) -> Iterator[Path]:
    """Every page below a folder, sorted. A missing folder holds none, nor counts what begins with a dot or `_`."""
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.suffix.lower() in ENDINGS and not any(part.startswith((".", "_")) for part in file.parts[-2:]):
            yield file


def print_of(files: Iterable[tuple[Path, bytes | None]]) -> str:
    """Equal for the same files in the same order; None where one cannot be read."""
    listed = [(file.as_posix(), content) for file, content in files]
    return blake2b(repr(listed).encode(), digest_size=32).hexdigest()
