"""PocketBase tells of changes as they happen, over server-sent events: hints when to synchronise, and never content.

Nothing is repeated by PocketBase, and it ends a silent stream after five minutes and every stream after thirty. So each
connection, the first as well as every later one, begins with a hint that asks for a synchronisation: whatever happened
before it is found by that.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from velobuild.config.schema import Loaded, Secret
from velobuild.errors import ConfigError, ProtocolError, TokenError, VelobuildError
from velobuild.http.errors import printable
from velobuild.http.events import EventClient, ServerEvent
from velobuild.model.entries import Collection
from velobuild.model.ports import Clock, Warn, utc_now
from velobuild.sources.opening import connect
from velobuild.sources.pocketbase import api_base
from velobuild.sources.pocketbase_api import POCKETBASE, START, check_token

PATH = "realtime"
CONNECTED = "PB_CONNECT"
BACKOFF_S_MAX = 60.0
SHORT_S = 5.0
"""A stream that ends sooner than this after it began was cut, rather than ended by PocketBase for its age."""
TITLE_CHARS_MAX = 80


class HintKind(StrEnum):
    """What a hint says."""

    SUBSCRIBED = "subscribed"
    """From now on changes are told; whatever happened before must be looked for: synchronise."""
    CHANGED = "changed"
    """A record was created, changed or deleted: synchronise."""
    LOST = "lost"
    """Nothing is told until the next `SUBSCRIBED`; `error` says why, and `retry_s` how long it takes at least."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A reason to act. `action` is PocketBase's word: create, update or delete. `title` is for people alone."""

    kind: HintKind
    collection: Collection | None = None
    id: str | None = None
    action: str | None = None
    title: str | None = None
    error: VelobuildError | None = None
    retry_s: float | None = None


class Realtime:
    """A subscription that mends itself. `hints` blocks; `close` may be called from any thread and ends it."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        cache: Path | None,
        clock: Clock = utc_now,
        warn: Warn = lambda finding: None,
        monotonic: Callable[[], float] = time.monotonic,
        backoff_s: float = 1.0,
    ) -> None:
        self._loaded = loaded
        self._cache = cache
        self._clock = clock
        self._warn = warn
        self._monotonic = monotonic
        self._backoff_s = backoff_s
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._client: EventClient | None = None
        source = loaded.config.source
        names = (source.collections.posts, source.collections.media, source.collections.settings)
        self._collections = {
            name: collection
            for name, collection in zip(names, (Collection.POSTS, Collection.MEDIA, Collection.SETTINGS), strict=True)
            if name
        }
        # Bodies and drafts' texts have no business on this wire.
        self._fields = {name: f"id,{source.fields.title}" if name == names[0] else "id" for name in names if name}

    def hints(self) -> Iterator[Hint]:
        """Subscribe, and again whenever the stream ends, with pauses that grow while it cannot be had.

        Raises TokenError or ConfigError where trying again would not help.
        """
        failures = 0
        while not self._closed.is_set():
            began = self._monotonic()
            error: VelobuildError | None = None
            subscribed = False
            try:
                for hint in self._connection():
                    subscribed = True
                    yield hint
            except (TokenError, ConfigError):
                raise
            except VelobuildError as found:
                error = found
            if self._closed.is_set():
                return
            lasted = subscribed and self._monotonic() - began > SHORT_S
            if error is None and lasted:
                failures = 0  # Its age: PocketBase wants a new one, at once.
                continue
            failures = 1 if lasted else failures + 1
            pause_s = min(self._backoff_s * 2.0 ** (failures - 1), BACKOFF_S_MAX) * (1 + random.random() / 2)  # noqa: S311
            yield Hint(HintKind.LOST, error=error, retry_s=pause_s)
            self._pause(pause_s)

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _connection(self) -> Iterator[Hint]:
        with closing(EventClient(api_base(self._loaded.config.source), self._counting_token())) as client:
            with self._lock:
                self._client = client
            if self._closed.is_set():
                return
            with client.stream(PATH) as events:
                for event in events:
                    if event.name == CONNECTED:
                        client.tell(PATH, {"clientId": _client_id(event), "subscriptions": self._topics()})
                        yield Hint(HintKind.SUBSCRIBED)
                    else:
                        yield self._hint(event)

    def _counting_token(self) -> Secret:
        """The first token that counts: to a wrong one PocketBase would tell a guest's share, without a word."""
        client, limiter = connect(
            self._loaded,
            api_base(self._loaded.config.source),
            cache=self._cache,
            clock=self._clock,
            warn=self._warn,
            sleep=self._pause,
            dialect=POCKETBASE,
            start=START,
        )
        try:
            check_token(client, now=self._clock(), warn=self._warn)
            return client.token
        finally:
            client.close()
            limiter.close()

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)

    def _topics(self) -> list[str]:
        return [
            f"{name}/*?options={quote(json.dumps({'query': {'fields': fields}}), safe='')}"
            for name, fields in self._fields.items()
        ]

    def _hint(self, event: ServerEvent) -> Hint:
        """Whatever cannot be read is a hint all the same: something happened."""
        collection = self._collections.get(event.name.partition("/")[0])
        try:
            said = json.loads(event.data)
            record, action = said["record"], said["action"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return Hint(HintKind.CHANGED, collection)
        record = record if isinstance(record, dict) else {}
        id, title = record.get("id"), record.get(self._loaded.config.source.fields.title)
        return Hint(
            HintKind.CHANGED,
            collection,
            id if isinstance(id, str) else None,
            printable(action, 20) if isinstance(action, str) else None,
            printable(title, TITLE_CHARS_MAX) if isinstance(title, str) and title else None,
        )


def _client_id(event: ServerEvent) -> str:
    try:
        id = json.loads(event.data)["clientId"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unknown(event) from error
    if not isinstance(id, str):
        raise _unknown(event)
    return id


def _unknown(event: ServerEvent) -> ProtocolError:
    return ProtocolError(f"PocketBase began a stream with `{printable(event.data, 80)}`", code="VB2201")
