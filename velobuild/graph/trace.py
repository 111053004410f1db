"""The trace: every output of the live site with all that it read, so that a change finds what must be made anew.

Rows of the trace and the notes of what changed lie in one database and change in one transaction: a crash can lose a
page, never the knowledge that it is due. Only the parent process writes here.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from velobuild.content.database import Connection
from velobuild.content.notes import TRACE
from velobuild.graph.answers import is_query
from velobuild.model.keys import Fingerprint, canonical
from velobuild.model.outputs import OutputFile, Phase, Target
from velobuild.model.reads import Answer, Reads

COLUMNS = (
    "id, path, url, route, renderer, template, params, phase, sha256, size_bytes, failed, reason, render_us, build"
)
INSERT = (
    "INSERT INTO output (path, url, route, renderer, template, params, phase, sha256, size_bytes, bundle, reads, "
    "render_us, failed, reason, build) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
UPDATE = (
    "UPDATE output SET path = ?, url = ?, route = ?, renderer = ?, template = ?, params = ?, phase = ?, sha256 = ?, "
    "size_bytes = ?, bundle = ?, reads = ?, render_us = ?, failed = ?, reason = ?, build = ? WHERE id = ?"
)
DROP_BUNDLE = "DELETE FROM bundle WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM output WHERE bundle = ?1) RETURNING keys"
DROP_KEY = (
    "DELETE FROM key WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM query_read WHERE key = ?1) "
    "AND NOT EXISTS (SELECT 1 FROM bundle_key WHERE key = ?1)"
)
NUMBER_BITS = 32
POSTS_TOGETHER = 2_048
TABLES = ("output", "post_read", "query_read", "bundle_key", "bundle", "key", "footprint")


@dataclass(frozen=True, slots=True)
class Output:
    """One output as the trace has it. A failed one has the file of an earlier time, or none (`sha256` is "")."""

    id: int
    target: Target
    file: OutputFile
    failed: bool
    reason: str | None
    render_us: int
    build: int = 0
    """The number of the build that rendered it last."""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one target: its file, all that it read, why it was made, and how long that took."""

    target: Target
    file: OutputFile
    reads: Reads
    reason: str
    render_us: int = 0
    failed: bool = False


class Trace:
    """The rows of one site's trace. What writes needs a transaction, which the caller holds."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._key_ids: dict[str, int] = {}
        self._bundle_ids: dict[frozenset[str], int] = {}
        self._dropped_keys: set[int] = set()
        self._dropped_bundles: set[int] = set()
        self.alarms: list[str] = []
        """Queries that a page found to answer otherwise than the trace believed: a change was missed."""

    # What is there.

    @property
    def identity(self) -> str | None:
        """Which release the trace describes, and by which recipe it was made; None if there is no trace."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (TRACE,)).fetchone()
        return None if row is None else str(row[0])

    def outputs(self) -> Iterator[Output]:
        """Every output, by path."""
        for row in self._connection.execute(f"SELECT {COLUMNS} FROM output ORDER BY path"):  # noqa: S608 - our own names
            yield _output(row)

    def places(self) -> Iterator[tuple[int, str]]:
        """(output, path) of every output, by path."""
        yield from self._connection.execute("SELECT id, path FROM output ORDER BY path")

    def output(self, id: int) -> Output:
        row = self._connection.execute(f"SELECT {COLUMNS} FROM output WHERE id = ?", (id,)).fetchone()  # noqa: S608
        return _output(row)

    def at(self, path: str) -> Output | None:
        """The output at a path of the site, relative to its root."""
        row = self._connection.execute(f"SELECT {COLUMNS} FROM output WHERE path = ?", (path,)).fetchone()  # noqa: S608
        return None if row is None else _output(row)

    def reads_of(self, id: int) -> tuple[list[tuple[int, int]], list[str], list[str]]:
        """((post number, fields) pairs, queries, other keys) that an output read."""
        reads, bundle = self._connection.execute("SELECT reads, bundle FROM output WHERE id = ?", (id,)).fetchone()
        flat, query_ids = json.loads(reads)
        queries = [self._name(number) for number in query_ids]
        keys = self._connection.execute(
            "SELECT name FROM bundle_key JOIN key ON key.id = bundle_key.key WHERE bundle = ? ORDER BY name", (bundle,)
        )
        return list(zip(flat[::2], flat[1::2], strict=True)), queries, [name for (name,) in keys]

    def _name(self, key_id: int) -> str:
        row = self._connection.execute("SELECT name FROM key WHERE id = ?", (key_id,)).fetchone()
        return str(row[0])

    def keys(self, prefix: str = "") -> list[tuple[str, Fingerprint]]:
        """(name, fingerprint) of all keys whose name begins so."""
        rows = self._connection.execute(
            "SELECT name, fingerprint FROM key WHERE name >= ?1 AND name < ?1 || char(1114111) ORDER BY name", (prefix,)
        )
        return [(name, bytes(stamp)) for name, stamp in rows]

    def fingerprint(self, key: str) -> Fingerprint | None:
        row = self._connection.execute("SELECT fingerprint FROM key WHERE name = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    # Who reads what.

    def readers_of_post(self, num: int, fields: int) -> list[tuple[int, int]]:
        """(output, which of the fields it read) of those that read any of them."""
        rows = self._connection.execute(
            "SELECT output, fields & ?2 FROM post_read WHERE post = ?1 AND fields & ?2", (num, fields)
        )
        return list(rows)

    def title_of(self, num: int) -> str:
        """The title of the post with this number; the number itself where there is none any more."""
        row = self._connection.execute("SELECT title FROM post WHERE num = ?", (num,)).fetchone()
        return str(num) if row is None else str(row[0])

    def readers_of_key(self, name: str) -> list[int]:
        sql = (
            "SELECT output FROM key JOIN query_read ON key.id = query_read.key WHERE name = ?"
            if is_query(name)
            else "SELECT output.id FROM key JOIN bundle_key ON key.id = bundle_key.key "
            "JOIN output USING (bundle) WHERE name = ?"
        )
        return [id for (id,) in self._connection.execute(sql, (name,))]

    def failed(self) -> list[int]:
        return [id for (id,) in self._connection.execute("SELECT id FROM output WHERE failed")]

    def suspects(self, facets: Iterable[str], several: Iterable[str], times: Iterable[str]) -> list[str]:
        """The queries whose footprint covers a change at one of the times: of any on `facets`, and on `several` of
        those with further conditions."""
        single = frozenset(facets)
        found: dict[str, None] = {}
        for facet in sorted(single.union(several)):
            for time in times:
                rows = self._connection.execute(
                    "SELECT name FROM footprint JOIN key ON key.id = footprint.key WHERE facet = ? AND high >= ? "
                    "AND low <= ? AND (several OR ?)",
                    (facet, time, time, facet in single),
                )
                found.update((name, None) for (name,) in rows)
        return list(found)

    # What is written.

    def forget(self) -> None:
        """Begin anew: nothing is known of any output."""
        for table in TABLES:
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        self._connection.execute("DELETE FROM meta WHERE key = ?", (TRACE,))
        self._connection.execute("DELETE FROM dirty")
        for known in (self._key_ids, self._bundle_ids, self._dropped_keys, self._dropped_bundles):
            known.clear()

    def store(self, answers: Mapping[str, Answer], stamps: Mapping[str, Fingerprint]) -> None:
        """Store what keys are now, queries with where to look for a change of them."""
        for key, answer in answers.items():
            row = self._connection.execute("SELECT id FROM key WHERE name = ?", (key,)).fetchone()
            if row is not None:
                self._store_answer(int(row[0]), answer)
        self._connection.executemany(
            "UPDATE key SET fingerprint = ? WHERE name = ?", [(stamp, key) for key, stamp in stamps.items()]
        )

    def record(
        self,
        made: Iterable[Made],
        answer_of: Callable[[str], Answer | None],
        fingerprint_of: Callable[[str], Fingerprint],
        build: int,
    ) -> None:
        """Store what became of targets in the build of this number. `answer_of` gives those of all queries that were
        asked for the first time, and is asked for each once."""
        post_reads: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        query_reads = array("Q")
        for one in made:
            queries = [self._query_id(name, answer_of) for name in one.reads.queries]
            bundle = self._bundle_id(one.reads.keys, fingerprint_of)
            flat = list(chain.from_iterable(one.reads.posts))
            row = (*_row(one, bundle), json.dumps([flat, queries], separators=(",", ":")))
            id = self._put(one, row, build)
            for post, fields in one.reads.posts:
                if fields:
                    post_reads[post // POSTS_TOGETHER].extend((post, id, fields))
            query_reads.extend(key << NUMBER_BITS | id for key in queries)
        # In the order of the tables: SQLite then appends instead of looking for each place. A site's outputs read posts
        # some million times, so these rows are numbers side by side, and become objects for a few posts at a time.
        for _, numbers in sorted(post_reads.items()):
            rows = sorted(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
            self._connection.executemany("INSERT OR REPLACE INTO post_read VALUES (?, ?, ?)", rows)
        pairs = ((both >> NUMBER_BITS, both & (1 << NUMBER_BITS) - 1) for both in sorted(query_reads))
        self._connection.executemany("INSERT OR IGNORE INTO query_read VALUES (?, ?)", pairs)

    def _put(self, one: Made, row: tuple[Any, ...], build: int) -> int:
        path, url, route, renderer, template, params, phase, sha256, size, bundle, reads = row
        values = (path, url, route, renderer, template, params, phase, sha256, size, bundle, reads)
        more = (one.render_us, int(one.failed), one.reason, build)
        known = self._connection.execute("SELECT id, reads, bundle FROM output WHERE path = ?", (path,)).fetchone()
        if known is None:
            return int(self._connection.execute(INSERT, (*values, *more)).lastrowid or 0)
        id = int(known[0])
        self._drop_reads(id, *known[1:])
        self._connection.execute(UPDATE, (*values, *more, id))
        return id

    def _drop_reads(self, id: int, reads: str, bundle: int) -> None:
        flat, queries = json.loads(reads)
        self._dropped_keys.update(queries)
        self._dropped_bundles.add(bundle)
        self._connection.executemany(
            "DELETE FROM post_read WHERE post = ? AND output = ?", [(post, id) for post in flat[::2]]
        )
        self._connection.executemany(
            "DELETE FROM query_read WHERE key = ? AND output = ?", [(key, id) for key in queries]
        )

    def remove(self, ids: Iterable[int]) -> None:
        """Forget outputs that are no more."""
        for id in ids:
            row = self._connection.execute("SELECT reads, bundle FROM output WHERE id = ?", (id,)).fetchone()
            if row is not None:
                self._drop_reads(id, *row)
                self._connection.execute("DELETE FROM output WHERE id = ?", (id,))

    def sweep(self) -> None:
        """Forget keys that nothing reads any more: only what an output let go of can be one, whatever else there is."""
        for bundle in sorted(self._dropped_bundles):
            for (keys,) in self._connection.execute(DROP_BUNDLE, (bundle,)).fetchall():
                ids = json.loads(keys)
                self._connection.executemany(
                    "DELETE FROM bundle_key WHERE key = ? AND bundle = ?", [(key, bundle) for key in ids]
                )
                self._dropped_keys.update(ids)
        for key in sorted(self._dropped_keys):
            if self._connection.execute(DROP_KEY, (key,)).rowcount:
                self._connection.execute("DELETE FROM footprint WHERE key = ?", (key,))
        self._dropped_keys.clear()
        self._dropped_bundles.clear()

    def close_change(self, identity: str) -> None:
        """The trace is of this release now, and nothing is changed since."""
        self._connection.execute("DELETE FROM dirty")
        self._connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (TRACE, identity))

    def _query_id(self, name: str, answer_of: Callable[[str], Answer | None]) -> int:
        if name in self._key_ids:
            return self._key_ids[name]
        row = self._connection.execute("SELECT id, fingerprint FROM key WHERE name = ?", (name,)).fetchone()
        answer = answer_of(name)
        if row is not None:
            id = int(row[0])
            if answer is not None and bytes(row[1]) != answer.fingerprint:
                self.alarms.append(name)
        else:
            assert answer is not None, name
            insert = "INSERT INTO key (name, fingerprint) VALUES (?, ?)"
            id = int(self._connection.execute(insert, (name, answer.fingerprint)).lastrowid or 0)
            self._store_footprints(id, answer)
        self._key_ids[name] = id
        return id

    def _store_answer(self, id: int, answer: Answer) -> None:
        self._connection.execute("UPDATE key SET fingerprint = ? WHERE id = ?", (answer.fingerprint, id))
        self._connection.execute("DELETE FROM footprint WHERE key = ?", (id,))
        self._store_footprints(id, answer)

    def _store_footprints(self, id: int, answer: Answer) -> None:
        rows = [(one.facet, id, one.low, one.high, int(one.several)) for one in answer.footprints]
        self._connection.executemany("INSERT OR REPLACE INTO footprint VALUES (?, ?, ?, ?, ?)", rows)

    def _bundle_id(self, keys: frozenset[str], fingerprint_of: Callable[[str], Fingerprint]) -> int:
        if keys in self._bundle_ids:
            return self._bundle_ids[keys]
        ids = [self._key_id(name, fingerprint_of) for name in sorted(keys)]
        text = canonical(sorted(ids)).decode()
        row = self._connection.execute("SELECT id FROM bundle WHERE keys = ?", (text,)).fetchone()
        if row is not None:
            id = int(row[0])
        else:
            id = int(self._connection.execute("INSERT INTO bundle (keys) VALUES (?)", (text,)).lastrowid or 0)
            self._connection.executemany("INSERT INTO bundle_key VALUES (?, ?)", [(key, id) for key in ids])
        self._bundle_ids[keys] = id
        return id

    def _key_id(self, name: str, fingerprint_of: Callable[[str], Fingerprint]) -> int:
        if name not in self._key_ids:
            row = self._connection.execute("SELECT id FROM key WHERE name = ?", (name,)).fetchone()
            if row is None:
                insert = "INSERT INTO key (name, fingerprint) VALUES (?, ?)"
                found = self._connection.execute(insert, (name, fingerprint_of(name)))
                row = (found.lastrowid,)
            self._key_ids[name] = int(row[0])
        return self._key_ids[name]


def _row(one: Made, bundle: int) -> tuple[Any, ...]:
    target, file = one.target, one.file
    params = canonical(target.params).decode()
    place = (target.path, target.url, target.route, target.renderer, target.template, params)
    return (*place, str(file.phase), file.sha256, file.size_bytes, bundle)


def _output(row: tuple[Any, ...]) -> Output:
    id, path, url, route, renderer, template, params, phase, sha256, size_bytes, failed, reason, render_us, build = row
    target = Target(path, url, route, renderer, template, json.loads(params))
    file = OutputFile(path, sha256, size_bytes, Phase(phase))
    return Output(id, target, file, bool(failed), reason, render_us, build)
