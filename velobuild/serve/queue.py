"""The queue of events: what is acknowledged is on the disk, and is lost by no crash of ours.

An event is a hint, never the truth: it says that something may have changed, and the sync then asks the CMS. So events
may be merged while nobody has taken them, may come twice, and may be replaced by one reconciliation when there are too
many. What must never happen is that an acknowledged one is followed by no build whose reads began after it.

    new ──take──> taken ──finish──> done
     ^              │ └────bury───> dead ──replay──> new
     └──give_back, recover
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from velobuild.model.ports import Clock
from velobuild.serve.events import NO_WORK, Event, Kept, Letter, Outcome, Stage
from velobuild.serve.queue_checkpoints import Checkpoints
from velobuild.serve.queue_file import open_file, transaction
from velobuild.serve.queue_rows import KEPT_DONE, PRUNE, UNUSABLE, add, add_letter, event_of, kept_of

FILE_NAME = "queue.db"
CAP = 100_000
"""Untaken events of one site; beyond it one reconciliation replaces them all."""
PRUNED_EVERY = 1_000

COUNT_UNTAKEN = "SELECT count(*) FROM events WHERE state = 'new' AND site = ?"
DROP_UNTAKEN = "DELETE FROM events WHERE state = 'new' AND site = ?"
UNTAKEN = "SELECT * FROM events WHERE state = 'new' AND site = ? ORDER BY id"
TAKE = "UPDATE events SET state = 'taken' WHERE state = 'new' AND site = ?"
FINISH = "UPDATE events SET state = 'done', outcome = ?, finished_at = ? WHERE id = ? AND state IN ('new', 'taken')"
BURY = "UPDATE events SET state = 'dead', why = ?, finished_at = ? WHERE id = ? AND state IN ('new', 'taken')"
# Where the same event came in again meanwhile, the two are one; the row that cannot be new again is done with.
GIVE_BACK = "UPDATE OR IGNORE events SET state = 'new' WHERE id = ? AND state = 'taken'"
GIVE_ALL_BACK = "UPDATE OR IGNORE events SET state = 'new' WHERE state = 'taken'"
MERGE = "UPDATE events SET state = 'done', outcome = 'merged', finished_at = ? WHERE id = ? AND state = 'taken'"
MERGE_ALL = "UPDATE events SET state = 'done', outcome = 'merged', finished_at = ? WHERE state = 'taken'"
MARK: Mapping[Stage, str] = {
    "fetched": "UPDATE events SET fetched_at = ? WHERE id = ?",
    "built": "UPDATE events SET built_at = ? WHERE id = ?",
    "published": "UPDATE events SET published_at = ? WHERE id = ?",
}
RECENT = "SELECT * FROM events WHERE site = ? ORDER BY id DESC LIMIT ?"
DEAD = "SELECT * FROM events WHERE state = 'dead' AND site = ? ORDER BY id DESC"
ONE = "SELECT * FROM events WHERE id = ?"
OF_POST = "SELECT * FROM events WHERE site = ?1 AND (post_id = ?2 OR slug = ?2) ORDER BY id DESC LIMIT ?3"
LAST_PING = "SELECT * FROM events WHERE site = ? AND kind = 'ping' ORDER BY id DESC LIMIT 1"
COUNTS = "SELECT site, state, count(*) FROM events GROUP BY site, state ORDER BY site, state"


class Queue:
    """The events of all sites of one service, in one SQLite file. Safe to use from several threads and processes.

    Methods that write block until it is on the disk, and raise OutputError VB6001 or VB6002 if the disk refuses; those
    that only look return at once. `set_aside` is where a damaged file went, or None: whoever opens the queue then
    reconciles.
    """

    def __init__(self, path: Path, clock: Clock, *, cap: int = CAP) -> None:
        self._file = path
        self._clock = clock
        self._cap = cap
        self._lock = threading.RLock()
        self._database, self.set_aside = open_file(path)
        self._database.row_factory = sqlite3.Row
        # Looking must not wait for a flush that is under way: in WAL mode a second connection does not.
        self._view_lock = threading.Lock()
        self._view, _ = open_file(path)
        self._view.row_factory = sqlite3.Row
        # Of each site, about how many; counted again before anything is dropped.
        self._untaken: dict[str, int] = {}
        self._unpruned = PRUNED_EVERY
        self._checkpoints = Checkpoints(path)

    def keep(self, events: Iterable[Event], letters: Iterable[Letter] = ()) -> None:
        """Keep events and letters; all of them are on the disk when it returns.

        An event that equals an untaken one merges with it. One without work is done at once. Letters go to the dead
        ones, and are no work either.
        """
        self._accept(list(events), letters, with_ids=False)

    def accept(self, events: Iterable[Event], letters: Iterable[Letter] = ()) -> list[int]:
        """As `keep`, with the id of each event. To ask for them takes a few statements more."""
        return self._accept(list(events), letters, with_ids=True)

    def _accept(self, wanted: list[Event], letters: Iterable[Letter], *, with_ids: bool) -> list[int]:
        sites = {event.site for event in wanted if event.kind not in NO_WORK}
        untaken: dict[str, int] = {}
        ids: list[int] = []
        with self._lock:
            unpruned = self._unpruned + len(wanted)
            with transaction(self._database, self._file) as database:
                if wanted:
                    ids = add(database, wanted, with_ids=with_ids)
                for letter in letters:
                    add_letter(database, letter)
                if unpruned >= PRUNED_EVERY:
                    unpruned = 0
                    for site in {event.site for event in wanted}:
                        database.execute(PRUNE, ("done", site, KEPT_DONE))
                for site in sites:
                    # Too high by what merged; so it is counted before anything is done about it.
                    untaken[site] = self._untaken.get(site, self._cap) + len(wanted)
                    if untaken[site] > self._cap:
                        untaken[site] = self._keep_below_cap(database, site, ids)
            # Only now: a transaction that failed has added nothing.
            self._untaken.update(untaken)
            self._unpruned = unpruned
        self._checkpoints.committed()
        return ids

    def _keep_below_cap(self, database: sqlite3.Connection, site: str, ids: list[int]) -> int:
        """Nothing is lost by it: a reconciliation asks the CMS for all that the events could have named."""
        untaken = _count(database, site)
        if untaken <= self._cap:
            return untaken
        dropped = {int(row["id"]) for row in database.execute(UNTAKEN, (site,))}
        database.execute(DROP_UNTAKEN, (site,))
        everything = Event(site, "queue", "reconcile", None, None, None, self._clock(), None)
        (instead,) = add(database, [everything], with_ids=True)
        ids[:] = [instead if row in dropped else row for row in ids]
        return 1

    def pending(self, site: str) -> int:
        """Events of the site that nobody has taken."""
        with self._view_lock:
            return _count(self._view, site)

    def take(self, site: str) -> tuple[Event, ...]:
        """All untaken events of the site, oldest first. They are the caller's until finished, given back or buried."""
        with self._lock, transaction(self._database, self._file) as database:
            rows = database.execute(UNTAKEN, (site,)).fetchall()
            database.execute(TAKE, (site,))
            self._untaken[site] = 0
        return tuple(event_of(row) for row in rows)

    def recover(self) -> int:
        """Give back everything that was taken and not finished. For the start of the one service that takes events."""
        with self._lock, transaction(self._database, self._file) as database:
            given_back = database.execute(GIVE_ALL_BACK).rowcount
            database.execute(MERGE_ALL, (self._now(),))
            self._untaken.clear()
        return given_back

    def give_back(self, ids: Iterable[int]) -> None:
        """Let taken events be taken again: their build failed."""
        with self._lock, transaction(self._database, self._file) as database:
            rows = [(row,) for row in ids]
            database.executemany(GIVE_BACK, rows)
            database.executemany(MERGE, [(self._now(), *row) for row in rows])
            self._untaken.clear()

    def finish(self, ids: Iterable[int], outcome: Outcome, at: datetime) -> None:
        """The build that they asked for has ended well. Call it after the publish, never before."""
        with self._lock, transaction(self._database, self._file) as database:
            database.executemany(FINISH, [(outcome, at.isoformat(), row) for row in ids])

    def bury(self, ids: Iterable[int], why: str) -> None:
        """Put them among the dead letters: no build will ever do for them."""
        with self._lock, transaction(self._database, self._file) as database:
            database.executemany(BURY, [(why, self._now(), row) for row in ids])
            self._untaken.clear()

    def mark(self, ids: Iterable[int], stage: Stage, at: datetime) -> None:
        """Note when a stage was reached, for `post_record`."""
        with self._lock, transaction(self._database, self._file) as database:
            database.executemany(MARK[stage], [(at.isoformat(), row) for row in ids])

    def recent(self, site: str, limit: int) -> tuple[Kept, ...]:
        """The last events of the site, the newest first."""
        return self._select(RECENT, (site, limit))

    def dead(self, site: str) -> tuple[Kept, ...]:
        """The dead letters of the site, the newest first."""
        return self._select(DEAD, (site,))

    def post_record(self, site: str, post: str, limit: int = 20) -> tuple[Kept, ...]:
        """What became of the last events that named a post, by its slug or its id; the newest first."""
        return self._select(OF_POST, (site, post, limit))

    def last_ping(self, site: str) -> Kept | None:
        """The last test delivery that the site accepted; None if none of those that are kept was one."""
        return next(iter(self._select(LAST_PING, (site,))), None)

    def replay(self, id: int) -> Event | None:
        """Accept an event once more, as one that came in now; one whose body was of no use asks for a reconciliation.

        None if there is no event of this id.
        """
        found = self.one(id)
        if found is None:
            return None
        event = found.event
        unusable = event.kind == UNUSABLE
        again = replace(
            event,
            kind="reconcile" if unusable else event.kind,
            delivery_id=f"replay of {id}",
            received_at=self._clock(),
            id=0,
        )
        return replace(again, id=self.accept([again])[0])

    def one(self, id: int) -> Kept | None:
        """The event of this id, whatever its site."""
        return next(iter(self._select(ONE, (id,))), None)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Site → state (`new`, `taken`, `done`, `dead`) → events. A state without events is left out."""
        found: dict[str, dict[str, int]] = {}
        with self._view_lock:
            for site, state, count in self._view.execute(COUNTS):
                found.setdefault(site, {})[state] = count
        return found

    def close(self) -> None:
        self._checkpoints.close()
        with self._lock, self._view_lock:
            self._view.close()
            self._database.close()

    def _select(self, query: str, parameters: Sequence[str | int]) -> tuple[Kept, ...]:
        with self._view_lock, closing(self._view.execute(query, parameters)) as rows:
            return tuple(kept_of(row) for row in rows)

    def _now(self) -> str:
        return self._clock().isoformat()


def _count(database: sqlite3.Connection, site: str) -> int:
    return int(database.execute(COUNT_UNTAKEN, (site,)).fetchone()[0])
