"""Whether there is anything to do at all: told before what would do it is loaded, which is most of what it costs.

A build that leaves nothing to do notes a stamp: a hash of all that decides from outside what the site is, and of every
other note in its database. The next one has nothing to do either as long as

- it would note the same stamp: the same code, packages, configuration, theme, local pages, live release, and notes;
- no row that a page can read was changed since (whoever changes one marks it, in the same transaction), no output
  failed, and no post fell due;
- every live file is there.

Whatever else it might be, it is left to the long way, which finds out what.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from velobuild import __version__
from velobuild.config.schema import Loaded
from velobuild.content.database import Connection
from velobuild.content.moments import timestamp
from velobuild.content.notes import SETTLED_AT, TRACE, every_note, note, noted
from velobuild.markup.versions import installed
from velobuild.model.assets import path_of
from velobuild.model.outputs import BuildReport
from velobuild.pipeline.noting import FILES, LOST, PAGES, PAGES_READ, PUBLISHING, REST, UNSHOWN
from velobuild.pipeline.run import Run
from velobuild.sources import has_local
from velobuild.sources.page_files import page_files, print_of

if TYPE_CHECKING:
    from velobuild.publish.inplace import InPlace
    from velobuild.publish.releases import Releases
    from velobuild.render.theme import Theme

PACKAGE = Path(__file__).parent.parent
DISTURBED = "SELECT EXISTS (SELECT 1 FROM dirty) OR EXISTS (SELECT 1 FROM output WHERE failed)"
NEXT_DUE = "SELECT min(sort_at) FROM post WHERE status = 'published' AND sort_at > ?"
PAGES_LIVE = "SELECT path, size_bytes FROM output WHERE sha256 != ''"
MEDIA_LIVE = "SELECT json_extract(value, '$.sha256'), json_extract(value, '$.extension') FROM asset"


def may_rest(run: Run) -> bool:
    """Whether a build is one that could have nothing to do: it asks nobody and was not told to do more."""
    options = run.options
    if options.clean or options.strict or options.profile or options.named:
        return False
    return options.offline and not run.loaded.drafts and not has_local(run.loaded.config)


class Rest:
    """A site between two builds. Made before anything is read that a build takes in: what comes later is not in it."""

    def __init__(self, connection: Connection, loaded: Loaded, theme: Theme, publisher: Releases | InPlace) -> None:
        self._connection = connection
        self._out = loaded.out
        self._theme = theme
        self._publisher = publisher
        files = page_files(loaded.root / loaded.config.content.pages)
        self._pages = print_of((file, _bytes_of(file)) for file in files)
        self._code, self._config = _code(tuple(sys.path)), loaded.config

    def report(self, run: Run, now: datetime) -> BuildReport | None:
        """What a build reports that has nothing to do at this moment; None if this one may have."""
        started = time.monotonic()
        if self._is_disturbed(now) or noted(self._connection, REST) != self._stamp():
            return None
        if not is_whole(self._connection, self._theme, self._out):
            return None
        due = self._next_due(timestamp(now))
        return BuildReport(
            revision=int(noted(self._connection, "revision") or 0),
            pages=int(noted(self._connection, PAGES) or 0),
            created=0,
            rewritten=0,
            unchanged=int(noted(self._connection, FILES) or 0),
            removed=0,
            release=None,
            sync=None,
            elapsed_ms={"plan": round((time.monotonic() - started) * 1000)},
            warnings=tuple(run.warnings),
            next_due_at=None if due is None else datetime.fromisoformat(due),
        )

    def begin(self, now: datetime) -> None:
        """Note that nothing is left to do, if that is so. Raises OutputError."""
        identity = noted(self._connection, TRACE) or ""
        live = identity.rpartition("|")[0]
        if noted(self._connection, PAGES_READ) != self._pages:  # one was edited before the build came to it
            return
        nothing_left_out = all(noted(self._connection, key) == "[]" for key in (UNSHOWN, LOST))
        if live != self._publisher.identity() or noted(self._connection, PUBLISHING) or not nothing_left_out:
            return
        if not self._is_disturbed(now):
            note(self._connection, REST, self._stamp())

    def _stamp(self) -> str:
        outside = [self._code, self._config, self._theme.fingerprint, self._pages]
        live = self._publisher.identity()
        told = repr([outside, live, every_note(self._connection, but=REST)])
        return blake2b(told.encode(), digest_size=32).hexdigest()

    def _is_disturbed(self, now: datetime) -> bool:
        settled_at, at = noted(self._connection, SETTLED_AT), timestamp(now)
        if settled_at is None or at < settled_at or self._connection.execute(DISTURBED).fetchone()[0]:
            return True
        due = self._next_due(settled_at)
        return due is not None and due <= at

    def _next_due(self, after: str) -> str | None:
        found: str | None = self._connection.execute(NEXT_DUE, (after,)).fetchone()[0]
        return found


def _bytes_of(file: Path) -> bytes | None:
    """None where they cannot be read: the long way says why."""
    try:
        return file.read_bytes()
    except OSError:
        return None


@lru_cache(maxsize=1)  # A process goes on with the code that it has begun with.
def _code(path: tuple[str, ...]) -> str:
    """What tells one velobuild with its packages from another. A checkout changes without a release: by its modules."""
    modules = sorted(_modules(os.fspath(PACKAGE)))
    return repr([__version__, sys.version, sys.platform, modules, sorted(installed(path))])


def _modules(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                found = entry.stat()
                yield entry.path, found.st_mtime_ns, found.st_size
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _modules(entry.path)


def is_whole(connection: Connection, theme: Theme, out: Path) -> bool:
    """Whether every live file is there, those of pages in their size. `audit` compares their bytes."""
    # Thousands of questions: asked from the open folder, each is a fifth cheaper, and a Path would cost more than all.
    try:
        place = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        for path, size_bytes in connection.execute(PAGES_LIVE):
            if os.stat(path, dir_fd=place).st_size != size_bytes:
                return False
        for static in (*theme.assets.values(), *theme.verbatim.values()):
            os.stat(static.path, dir_fd=place)
        for sha256, extension in connection.execute(MEDIA_LIVE):
            os.stat(path_of(sha256, extension), dir_fd=place)
    except OSError:
        return False
    finally:
        os.close(place)
    return True
