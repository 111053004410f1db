"""Events as rows of the queue's file: how they are written and read. What a transaction is, the queue decides."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from velobuild.serve.events import NO_WORK, Event, Kept, Letter

KEPT_DONE = 10_000
KEPT_DEAD = 1_000
KEPT_DEAD_FOR = timedelta(days=30)
LONGEST_BODY = 64 * 1024
"""So much of a body that could not be used is kept, in bytes."""
UNUSABLE = "unusable"

# One statement for a whole batch: at the end of each, the thread waits for its turn with the event loop's, which under
# load takes longer than the flush.
ADD = """
INSERT INTO events (site, dialect, kind, post_id, slug, version, delivery_id, received_at, same, state, outcome)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'),
    json_extract(value, '$[7]'), json_extract(value, '$[8]'), json_extract(value, '$[9]'), json_extract(value, '$[10]')
FROM json_each(?) WHERE true
ON CONFLICT (same) WHERE state = 'new' DO UPDATE SET deliveries = deliveries + 1
"""
LAST = "SELECT coalesce(max(id), 0) FROM events"
IDS_OF_WORK = """
SELECT json_group_object(same, id) FROM events WHERE state = 'new' AND same IN (SELECT value FROM json_each(?))
"""
IDS_WITHOUT_WORK = "SELECT json_group_object(same, id) FROM events WHERE id > ? AND state = 'done'"
ADD_LETTER = """
INSERT INTO events (site, dialect, kind, received_at, same, state, why, body) VALUES (?, ?, ?, ?, '', 'dead', ?, ?)
"""
# The newest are kept, whatever their age: they say how the service fared.
PRUNE = """
DELETE FROM events WHERE state = ?1 AND site = ?2 AND id <= coalesce(
    (SELECT id FROM events WHERE state = ?1 AND site = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3), 0)
"""
PRUNE_OLD = "DELETE FROM events WHERE state = 'dead' AND received_at < ?"


def add(database: sqlite3.Connection, events: Sequence[Event], *, with_ids: bool) -> list[int]:
    """Insert or merge; the id of each, or nothing."""
    last = database.execute(LAST).fetchone()[0] if with_ids else 0
    rows = [_row(event) for event in events]
    database.execute(ADD, (json.dumps(rows),))
    if not with_ids:
        return []
    ids: dict[str, int] = json.loads(
        database.execute(IDS_OF_WORK, (json.dumps([row[8] for row in rows]),)).fetchone()[0]
    )
    if any(event.kind in NO_WORK for event in events):
        ids.update(json.loads(database.execute(IDS_WITHOUT_WORK, (last,)).fetchone()[0]))
    return [ids[str(row[8])] for row in rows]


def _row(event: Event) -> tuple[str | None, ...]:
    done = event.kind in NO_WORK
    return (
        *(event.site, event.dialect, event.kind, event.post_id, event.slug, event.version, event.delivery_id),
        *(event.received_at.isoformat(), event.same, "done" if done else "new", "nothing" if done else None),
    )


def add_letter(database: sqlite3.Connection, letter: Letter) -> None:
    text = letter.received_at.isoformat()
    kept = letter.body[:LONGEST_BODY]
    database.execute(ADD_LETTER, (letter.site, letter.dialect, UNUSABLE, text, letter.why, kept))
    database.execute(PRUNE, ("dead", letter.site, KEPT_DEAD))
    database.execute(PRUNE_OLD, ((letter.received_at - KEPT_DEAD_FOR).isoformat(),))


def event_of(row: sqlite3.Row) -> Event:
    return Event(
        site=row["site"],
        dialect=row["dialect"],
        kind=row["kind"],
        post_id=row["post_id"],
        slug=row["slug"],
        version=row["version"],
        received_at=datetime.fromisoformat(row["received_at"]),
        delivery_id=row["delivery_id"],
        id=row["id"],
    )


def kept_of(row: sqlite3.Row) -> Kept:
    return Kept(
        event=event_of(row),
        state=row["state"],
        deliveries=row["deliveries"],
        outcome=row["outcome"],
        why=row["why"],
        body=row["body"],
        fetched_at=_time(row["fetched_at"]),
        built_at=_time(row["built_at"]),
        published_at=_time(row["published_at"]),
        finished_at=_time(row["finished_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
