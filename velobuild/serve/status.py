"""How a site fares, as a value: what the loop writes down, and the page, the command and the metrics show."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from velobuild.serve.events import Kept
from velobuild.serve.queue import Queue

FILE_NAME = "listen.json"
BUILDS_KEPT = 20

State = Literal["starting", "idle", "building", "waiting", "degraded", "held", "stopped"]


@dataclass(frozen=True, slots=True)
class BuildRow:
    """One build: why, how it ended, what it did. `took_ms` is all of it, as the service saw it."""

    started_at: datetime
    reasons: tuple[str, ...]
    outcome: Literal["built", "nothing", "failed"]
    took_ms: int
    pages: int = 0
    changed: int = 0
    removed: int = 0
    release: int | None = None
    api_calls: int = 0
    error: str | None = None
    error_code: str | None = None
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """Everything that is told of one site. Times are aware UTC."""

    site: str
    state: State = "starting"
    since: datetime | None = None
    queue: str | None = None
    """The file of the events' queue, for a command that looks while no service runs."""
    pid: int | None = None
    failures: int = 0
    """Builds that failed in a row."""
    next_try_at: datetime | None = None
    next_look_at: datetime | None = None
    next_due_at: datetime | None = None
    last_event_at: datetime | None = None
    last_published_at: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    calls_today: int = 0
    daily_calls: int = 0
    left_in_window: int | None = None
    warnings: tuple[str, ...] = ()
    builds: tuple[BuildRow, ...] = ()
    """The last ones, the newest first."""
    builds_total: int = 0
    failed_total: int = 0
    children_total: int = 0
    follow_ups: int = 0

    def with_build(self, row: BuildRow) -> SiteStatus:
        failed = row.outcome == "failed"
        return replace(
            self,
            builds=(row, *self.builds)[:BUILDS_KEPT],
            builds_total=self.builds_total + 1,
            failed_total=self.failed_total + failed,
        )


def write_status(folder: Path, status: SiteStatus) -> None:
    """Put it into the site's own folder, whole or not at all. A disk that refuses loses nothing but the file."""
    file = folder / FILE_NAME
    temporary = file.with_name(f".{FILE_NAME}-{os.getpid()}")
    with suppress(OSError):
        temporary.write_text(json.dumps(status_json(status)), "utf-8")
        os.replace(temporary, file)
    with suppress(OSError):
        temporary.unlink()


def read_status(folder: Path) -> dict[str, Any] | None:
    """What the service wrote last, or None; `running` says whether it still lives."""
    try:
        found: dict[str, Any] = json.loads((folder / FILE_NAME).read_text("utf-8"))
        pid = found.get("pid")
        found["running"] = isinstance(pid, int) and found.get("state") != "stopped" and _lives(pid)
    except (OSError, ValueError, AttributeError):
        return None
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def status_json(status: SiteStatus) -> dict[str, Any]:
    """The status as one JSON document's values."""
    return {name: plain(value) for name, value in asdict(status).items()}


def plain(value: Any) -> Any:
    """Times as texts, all the way down."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def post_json(records: tuple[Kept, ...]) -> list[dict[str, Any]]:
    """received → fetched → built → published of a post's last events, the newest first."""
    return [record_json(record) for record in records]


def record_json(record: Kept) -> dict[str, Any]:
    event = record.event
    values = {
        "id": event.id,
        "kind": event.kind,
        "post_id": event.post_id,
        "slug": event.slug,
        "dialect": event.dialect,
        "deliveries": record.deliveries,
        "state": record.state,
        "outcome": record.outcome,
        "why": record.why,
        "received_at": event.received_at,
        "fetched_at": record.fetched_at,
        "built_at": record.built_at,
        "published_at": record.published_at,
        "finished_at": record.finished_at,
    }
    if record.published_at is not None:
        values["live_after_ms"] = round((record.published_at - event.received_at).total_seconds() * 1000)
    return {name: plain(value) for name, value in values.items()}


def queue_json(queue: Queue, site: str) -> dict[str, int]:
    """Events by their state: waiting, being built, done, dead."""
    counts = queue.counts().get(site, {})
    return {state: counts.get(state, 0) for state in ("new", "taken", "done", "dead")}
