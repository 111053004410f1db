"""A sliding window of calls, shared by every process on this machine that uses the same key.

What makes it exact:

* A call counts from before it is sent until a whole window after its answer came. Whenever the server took note of it,
  the server's window has forgotten it by then, however slow the network was.
* Counting and taking are one SQLite transaction that begins with the write lock, so no two processes take one slot.
* Time is the machine's monotonic clock, which all its processes share and nobody can set.

The file knows a key by a hash and never holds the token itself.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

from velobuild.errors import ConfigError, OutputError
from velobuild.model.ports import Clock, utc_now

FILE_NAME = "rate-limits.sqlite3"
WINDOW_S = 60.0
SHARE_OF_LIMIT = 0.95
LONGEST_CALL_S = 45.0
"""A call still open after this long belongs to a process that is gone or hangs: the client's deadline is shorter."""
POLL_S = 0.05
KEPT_S = 3700.0
CALLS_TIMED = 20

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, pid INTEGER NOT NULL, sent REAL NOT NULL, ended REAL
);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key, ended);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, told INTEGER, paused_at REAL NOT NULL DEFAULT 0, paused_until REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS days (key TEXT NOT NULL, day TEXT NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (key, day));
"""
# Rows from before the last start of the machine: its monotonic clock began anew, so they lie in the future.
FROM_BEFORE_A_RESTART = "UPDATE calls SET sent = ?1, ended = ?1 WHERE sent > ?1 + 1 OR ended > ?1 + 1"
OPEN_CALLS = "SELECT id, pid, sent FROM calls WHERE key = ? AND ended IS NULL"
END_CALL = "UPDATE calls SET ended = ? WHERE id = ?"
FORGET = "DELETE FROM calls WHERE key = ? AND ended <= ?"
COUNT = "SELECT COUNT(*) FROM calls WHERE key = ? AND (ended IS NULL OR ended > ?)"
ENDS = "SELECT ended FROM calls WHERE key = ? AND ended > ? ORDER BY ended, id LIMIT ? OFFSET ?"
# Of this process alone: how long a call of a process that died took, nobody saw.
TIME_OF_A_CALL = """
SELECT AVG(ended - sent) FROM (
    SELECT sent, ended FROM calls WHERE key = ? AND ended > 0 AND pid = ? ORDER BY ended DESC, id DESC LIMIT ?
)
"""
TAKE = "INSERT INTO calls (key, pid, sent) VALUES (?, ?, ?)"
COUNT_DAY = "INSERT INTO days (key, day, calls) VALUES (?, ?, 1) ON CONFLICT (key, day) DO UPDATE SET calls = calls + 1"
FORGET_DAYS = "DELETE FROM days WHERE day < ?"
DAY = "SELECT calls FROM days WHERE key = ? AND day = ?"
KEY_ROW = "SELECT told, paused_at, paused_until FROM keys WHERE key = ?"
TELL = "INSERT INTO keys (key, told) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET told = ?2"
PAUSE = """
INSERT INTO keys (key, paused_at, paused_until) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET paused_at = ?2, paused_until = ?3
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` in any `window_s` seconds."""

    calls: int
    window_s: float = WINDOW_S

    @property
    def reach_s(self) -> float:
        """How long a call counts: the window, what two clocks may disagree about it, and a server's rounding."""
        return self.window_s * 1.001 + 0.01


START = Rate(25)
"""Below the lowest limit that any of the vendor's documents names (30 a minute), until a header tells more."""

UNITS_S = {"s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
RATE = re.compile(r"\s*([1-9]\d{0,6})\s*/\s*(\d{1,5}(?:\.\d{1,3})?)?\s*([a-z]+)\s*", re.ASCII)


def parse_rate(text: str) -> Rate:
    """`95/min`, `2/s`, `1000/h`, `30/10s`. Raises ConfigError VB1101."""
    match = RATE.fullmatch(text.lower())
    if match and match[3] in UNITS_S and float(match[2] or 1) > 0:
        return Rate(int(match[1]), float(match[2] or 1) * UNITS_S[match[3]])
    raise ConfigError(
        f"`{text}` is not a rate", code="VB1101", where="source.rate_limit", hint="write calls per time, such as 95/min"
    )


def duration_s(
    calls: int, rate: Rate, *, call_s: float, free: int, freed_after_s: Sequence[float], pause_s: float = 0.0
) -> float:
    """How many seconds so many calls take that go out one after the other, as early as the rate allows.

    `free` places are empty now; those after them become so after `freed_after_s`, in that order, up to one whole rate.
    Calls go out in bursts: the k-th waits for the call before it, and for the end of that which is a whole rate before
    it to leave the window. So it is late by the latest of all chains of such waits, each of which begins at a place.
    """

    def chain_s(further: int) -> float:
        bursts, single = divmod(further, rate.calls)
        return max(further * call_s, bursts * (rate.reach_s + call_s) + single * call_s)

    begins = [(0, pause_s), *((free + n, max(after_s, pause_s)) for n, after_s in enumerate(freed_after_s))]
    return call_s + max(after_s + chain_s(calls - 1 - place) for place, after_s in begins if place < calls)


def key_name(origin: str, token: str) -> str:
    """The name under which the calls of one token at one origin are counted; the token cannot be had back from it."""
    return blake2b(f"{origin}\n{token}".encode(), digest_size=16).hexdigest()


class Limiter:
    """The windows of all keys, in one SQLite file below `folder`; without a folder, for this process alone.

    `start` is kept to until a header of the server tells the limit.

    A file that cannot be opened or is damaged is replaced; where nothing can be written the windows hold for this
    process alone and `shared` is False.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        fixed: Rate | None = None,
        start: Rate = START,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Clock = utc_now,
    ) -> None:
        self._fixed = fixed
        self._start = start
        self._monotonic = monotonic
        self._clock = clock
        self._file = folder / FILE_NAME if folder else None
        self._database, self.shared = _open(self._file)

    @property
    def fixed(self) -> Rate | None:
        """The configured rate, which overrides what headers say."""
        return self._fixed

    def take(self, key: str) -> Slot | float:
        """A slot for one call, or the seconds after which to ask again."""
        now = self._monotonic()
        with self._locked() as database:
            database.execute(FROM_BEFORE_A_RESTART, (now,))
            told, paused_at, paused_until = self._key_row(key)
            # A pause from before a restart of the machine lies in the future: it is over.
            if paused_at <= now < paused_until:
                return paused_until - now
            rate = self._rate(told)
            self._end_abandoned(key, now)
            # Kept for an hour at least: another process may have been told to keep to a longer window.
            database.execute(FORGET, (key, now - max(rate.reach_s, KEPT_S)))
            (count,) = database.execute(COUNT, (key, now - rate.reach_s)).fetchone()
            if count >= rate.calls:
                first = database.execute(ENDS, (key, now - rate.reach_s, 1, count - rate.calls)).fetchone()
                return POLL_S if first is None else max(float(first[0]) + rate.reach_s - now, 0.001)
            row = database.execute(TAKE, (key, os.getpid(), now)).lastrowid
            day = self._clock().date().isoformat()
            database.execute(COUNT_DAY, (key, day))
            database.execute(FORGET_DAYS, (day,))
        return Slot(self, row or 0)

    def end(self, row: int) -> None:
        """The answer of the call came, or never will."""
        with self._locked() as database:
            database.execute(END_CALL, (self._monotonic(), row))

    def tell(self, key: str, limit: int) -> None:
        """The server named its limit, in calls a minute."""
        with self._locked() as database:
            database.execute(TELL, (key, limit))

    def pause(self, key: str, seconds: float) -> None:
        """No process sends a call with this key for so long. A longer pause that is already set stays."""
        now = self._monotonic()
        with self._locked() as database:
            _, paused_at, paused_until = self._key_row(key)
            if paused_at > now or paused_until < now + seconds:
                database.execute(PAUSE, (key, now, now + seconds))

    def rate(self, key: str) -> Rate:
        """What is kept to now."""
        return self._rate(self._key_row(key)[0])

    def estimate_s(self, key: str, calls: int) -> float:
        """How many seconds until `calls` further calls, one after the other, have their answers.

        Right if each takes as long as the last ones of this process did and no other process uses the key meanwhile.
        """
        if calls < 1:
            return 0.0
        now = self._monotonic()
        told, paused_at, paused_until = self._key_row(key)
        rate = self._rate(told)
        (used,) = self._database.execute(COUNT, (key, now - rate.reach_s)).fetchone()
        (took,) = self._database.execute(TIME_OF_A_CALL, (key, os.getpid(), CALLS_TIMED)).fetchone()
        call_s = float(took or 0.0)
        waited_for = min(calls, rate.calls) - max(rate.calls - used, 0)
        some = (key, now - rate.reach_s, max(waited_for, 0), max(used - rate.calls, 0))
        ends = [float(end) for (end,) in self._database.execute(ENDS, some)]
        # A call under way is in no list of ends: it is taken to end as soon as another would.
        ends += [now + call_s] * (waited_for - len(ends))
        return duration_s(
            calls,
            rate,
            call_s=call_s,
            free=max(rate.calls - used, 0),
            freed_after_s=[end + rate.reach_s - now for end in ends],
            pause_s=max(paused_until - now, 0.0) if paused_at <= now else 0.0,
        )

    def left(self, key: str) -> int:
        """How many calls the window still has room for."""
        rate = self.rate(key)
        (used,) = self._database.execute(COUNT, (key, self._monotonic() - rate.reach_s)).fetchone()
        return max(rate.calls - int(used), 0)

    def calls_today(self, key: str) -> int:
        """Calls that this machine made with the key since midnight UTC."""
        row = self._database.execute(DAY, (key, self._clock().date().isoformat())).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._database.close()

    def _rate(self, told: int | None) -> Rate:
        if self._fixed is not None:
            return self._fixed
        return self._start if told is None else Rate(max(int(told * SHARE_OF_LIMIT), 1))

    def _key_row(self, key: str) -> tuple[int | None, float, float]:
        return self._database.execute(KEY_ROW, (key,)).fetchone() or (None, 0.0, 0.0)

    def _end_abandoned(self, key: str, now: float) -> None:
        """Calls of processes that are gone count from now, since nobody saw when they ended."""
        for row, pid, sent in self._database.execute(OPEN_CALLS, (key,)).fetchall():
            if now - sent > LONGEST_CALL_S or not _lives(pid):
                self._database.execute(END_CALL, (now, row))

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutputError(
                f"the file that counts calls cannot be written: {error}",
                code="VB6002",
                where=str(self._file or "memory"),
                hint="free some space, or remove the file: it holds nothing but the calls of the last hour",
            ) from error


class Slot:
    """Room for one call. Leaving the `with` block tells the limiter that the call ended."""

    def __init__(self, limiter: Limiter, row: int) -> None:
        self._limiter = limiter
        self._row = row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limiter.end(self._row)


def _open(file: Path | None) -> tuple[sqlite3.Connection, bool]:
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                return _connect(str(file)), True
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                file.unlink()
                return _connect(str(file)), True
        except (OSError, sqlite3.Error):
            pass
    return _connect(":memory:"), False


def _connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    # A power cut may damage the file: then it begins anew. No WAL: switching to it fails when several processes start.
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(SCHEMA)
    return database


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
