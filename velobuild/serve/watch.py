"""Which of the site's own files are other ones now: the file system says when to look, their content says what changed.

Reading a file, touching it, or saving it as it was changes nothing. What an editor leaves beside a file while it saves
is not looked at.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserver

from velobuild.errors import Diagnostic
from velobuild.model.ports import Clock, Warn, utc_now

READS = frozenset({EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE})
# Vim, Emacs, GNOME, JetBrains, browsers and downloads; names that begin with a dot are left out besides.
TEMPORARY = re.compile(r"(^4913$)|(~$)|(^#.*#$)|(\.(sw[a-z]|tmp|temp|bak|orig|part|crswap|crdownload)$)|(___jb_)", re.I)
KEPT_DOTS = frozenset({".env", ".well-known"})
SURE_AFTER_NS = 2_000_000_000
"""A file's times prove nothing while they are this young: it may be written again within the clock's grain."""
SETTLED_S = 0.03
SETTLE_MAX_S = 1.0
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Places:
    """What is watched: whole `folders`, which need not exist yet, and single `files`. Absolute."""

    folders: tuple[Path, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when it was read last. `looked_at_ns` is on the clock of the file's own times."""

    mtime_ns: int
    size_bytes: int
    inode: int
    looked_at_ns: int
    sha256: str

    def is_surely(self, status: os.stat_result) -> bool:
        same = (self.mtime_ns, self.size_bytes, self.inode) == (status.st_mtime_ns, status.st_size, status.st_ino)
        return same and self.looked_at_ns - self.mtime_ns > SURE_AFTER_NS


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is an editor's own, or one that is never published."""
    return (name.startswith(".") and name not in KEPT_DOTS) or TEMPORARY.search(name) is not None


class FileWatch:
    """Watches `places`. `stirred` is called from another thread whenever it may be worth to ask for `changes`.

    Where the system cannot tell of changes (too many watches, a file system over the network), the files are looked
    at once a second instead, and `warn` is told so.
    """

    def __init__(
        self,
        places: Places,
        *,
        stirred: Callable[[], None],
        warn: Warn,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._places = places
        self._clock = clock
        self._sleep = sleep
        self._stirred = stirred
        self._warn = warn
        self._seen = dict(self._scan({}))
        self._observer: BaseObserver | None = None
        self._watches: dict[tuple[str, bool], tuple[ObservedWatch, int | None]] = {}

    def __enter__(self) -> FileWatch:
        try:
            self._observer = Observer()
            self._arrange(self._observer)
            self._observer.start()
        except OSError as error:
            if self._observer is not None:
                self._observer.stop()  # Its thread reads the system's events from the moment it was made.
            self._warn(
                Diagnostic(
                    "VB6007",
                    f"the system does not tell of changed files ({error.strerror}); they are looked at once a second",
                    hint="on Linux, raise fs.inotify.max_user_watches",
                )
            )
            self._watches.clear()
            self._observer = PollingObserver(timeout=POLL_S)
            self._arrange(self._observer)
            self._observer.start()
        # What changed between the first look and now was told to nobody.
        self._stirred()
        return self

    def __exit__(self, *_: object) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5)

    def move(self, places: Places) -> None:
        """Watch other places from now on; files that come into view this way are no changes."""
        if places == self._places:
            return
        old = self._seen
        self._places = places
        self._seen = {path: old.get(path, seen) for path, seen in self._scan(old)}
        if self._observer is not None:
            self._arrange(self._observer)

    def changes(self) -> tuple[Path, ...]:
        """The files that were made, changed or removed since the last call, sorted.

        Waits, a second at most, until they stay the same for a moment: a file that is half written is nobody's wish.
        """
        before, until = self._seen, time.monotonic() + SETTLE_MAX_S
        now = dict(self._scan(before))
        changed = _changed(before, now)
        while changed and time.monotonic() < until:
            self._sleep(SETTLED_S)
            again = dict(self._scan(now))
            settled = not _changed(now, again)
            now = again
            changed = _changed(before, now)
            if settled:
                break
        self._seen = now
        if self._observer is not None:
            self._arrange(self._observer)  # A folder that is new is watched from now on.
        return tuple(sorted(changed))

    def _scan(self, known: dict[Path, Seen]) -> Iterator[tuple[Path, Seen]]:
        for file in self._files():
            try:
                status = file.stat()
                seen = known.get(file)
                if seen is None or not seen.is_surely(status):
                    looked_at = int(self._clock().timestamp() * 1e9)
                    with file.open("rb") as opened:
                        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
                    seen = Seen(status.st_mtime_ns, status.st_size, status.st_ino, looked_at, sha256)
            except OSError:  # It went meanwhile, or is none of ours to read: the build will say what it thinks of it.
                continue
            yield file, seen

    def _files(self) -> Iterator[Path]:
        for file in self._places.files:
            if file.is_file():
                yield file
        for folder in self._places.folders:
            for place, inner, names in os.walk(folder):
                inner[:] = sorted(name for name in inner if not is_temporary(name))
                yield from (Path(place, name) for name in sorted(names) if not is_temporary(name))

    def _arrange(self, observer: BaseObserver) -> None:
        """Watch every folder that exists, and for those that do not the nearest one in which they would appear.

        A folder that was moved away takes its watch along, and another of its name needs one of its own.
        """
        wanted: set[tuple[str, bool]] = {(_nearest(file.parent), False) for file in self._places.files}
        for folder in self._places.folders:
            if folder.is_dir():
                wanted.add((str(folder), True))
            wanted.add((_nearest(folder.parent), False))
        for place, (watch, inode) in list(self._watches.items()):
            if place not in wanted or _inode(place[0]) != inode:
                del self._watches[place]
                with suppress(KeyError, OSError):
                    observer.unschedule(watch)
        for place in sorted(wanted - self._watches.keys()):
            inode = _inode(place[0])
            try:
                watch = observer.schedule(_Handler(self._stirred), place[0], recursive=place[1])
            except FileNotFoundError:  # It went a moment ago; that stirs, and this is done again.
                continue
            self._watches[place] = (watch, inode)


class _Handler(FileSystemEventHandler):
    def __init__(self, stirred: Callable[[], None]) -> None:
        self._stirred = stirred

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in READS:
            return
        names = [os.path.basename(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path]  # noqa: PTH119
        if not all(is_temporary(name) for name in names):
            self._stirred()


def _nearest(folder: Path) -> str:
    """The folder itself, or the nearest above it that exists."""
    return str(next(place for place in (folder, *folder.parents) if place.is_dir()))


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino  # noqa: PTH116
    except OSError:
        return None


def _changed(before: dict[Path, Seen], now: dict[Path, Seen]) -> set[Path]:
    return {
        path
        for path in before.keys() | now.keys()
        if path not in before or path not in now or before[path].sha256 != now[path].sha256
    }
