"""What is in the log goes into the database's file beside the deliveries, and never in the way of one.

SQLite by itself does this in the commit that makes the log a thousand pages long: one delivery in a hundred or so then
waits for two further flushes and a few megabytes. Here a thread of its own does it, with a connection of its own, which
holds up no writer. The log begins anew once a commit finds all of it done. Should commits come so fast that none ever
does, the one that makes the log `LONGEST_PAGES` long sees to the rest.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

EVERY_COMMITS = 64
LONGEST_PAGES = 8_000
"""About 32 MB."""


class Checkpoints:
    """For one queue's file. `committed` may be called from any thread, and returns at once."""

    def __init__(self, file: Path, *, every_commits: int = EVERY_COMMITS) -> None:
        self._file = file
        self._every_commits = every_commits
        self._lock = threading.Lock()
        self._commits = 0
        self._running: threading.Thread | None = None

    def committed(self) -> None:
        """There was a commit."""
        with self._lock:
            self._commits += 1
            if self._commits < self._every_commits or (self._running is not None and self._running.is_alive()):
                return
            self._commits = 0
            self._running = threading.Thread(target=self._run, name="checkpoint", daemon=True)
            self._running.start()

    def close(self) -> None:
        """Wait for the one under way."""
        with self._lock:
            running = self._running
        if running is not None:
            running.join()

    def _run(self) -> None:
        # What fails here lies in the log as safely as before; if the disk is at fault, a commit will say so.
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
