"""What a CMS tells by itself, as events of the queue: where there is a subscription, no webhook is needed.

PocketBase repeats nothing, so every subscription begins with a look at the whole; what it says after that names posts,
and costs what a webhook's event costs. A subscription that breaks mends itself, and the look then finds the rest.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from velobuild.config.schema import Loaded
from velobuild.errors import VelobuildError
from velobuild.model.entries import Collection
from velobuild.model.ports import Clock
from velobuild.serve.dialects import REALTIME
from velobuild.serve.events import Event
from velobuild.serve.logs import say
from velobuild.serve.queue import Queue
from velobuild.serve.realtime import Listening
from velobuild.sources import realtime_of
from velobuild.sources.pocketbase_realtime import Hint, HintKind

LOOK = "a new subscription"
LOST_FOR = timedelta(minutes=1)
"""PocketBase ends every stream from time to time; whoever is back within this has missed nothing that matters."""


class Hearer(Protocol):
    """Whose site it is: a `SiteLoop`."""

    def wake(self, count: int = 1) -> None: ...

    def look(self, reason: str) -> None: ...


def is_told(loaded: Loaded) -> bool:
    """Whether every source that is asked over the network tells of its changes, so that no webhook is needed."""
    types = {source.type for source in loaded.config.sources}
    return loaded.config.listen.realtime and "pocketbase" in types and types <= {"pocketbase", "folder"}


def event_of(site: str, hint: Hint, now: datetime) -> Event:
    """The event that a change is. It claims nothing of a post but its id: the answer to a question is newer."""
    kind, id = "reconcile", None
    if hint.collection is Collection.POSTS and hint.id is not None:
        kind, id = "post.deleted" if hint.action == "delete" else "post.changed", hint.id
    elif hint.collection is Collection.MEDIA:
        kind = "media.changed"
    elif hint.collection is Collection.SETTINGS:
        kind = "settings.changed"
    return Event(site, REALTIME, kind, id, None, None, now, None)


class Hearing:
    """The subscriptions of one site, if it has any. `tell` is called from their threads."""

    def __init__(self, site: str, loop: Hearer, queue: Queue, *, clock: Clock) -> None:
        self._site = site
        self._loop = loop
        self._queue = queue
        self._clock = clock
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._lost_since: datetime | None = None
        self._refused: str | None = None
        self._asked: object = None

    def subscribe(self, loaded: Loaded, *, cache: Path | None) -> None:
        """Subscribe to what can be; what is subscribed to already in the same way goes on. Raises ConfigError."""
        asked = (loaded.config.listen.realtime, loaded.config.sources, [token.reveal() for token in loaded.tokens])
        if asked == self._asked and self._refused is None:
            return
        self.close()
        self._asked = asked
        subscriptions = realtime_of(loaded, cache=cache, clock=self._clock) if loaded.config.listen.realtime else ()
        with self._lock:
            self._lost_since, self._refused = (self._clock() if subscriptions else None), None
        if subscriptions:
            self._open.enter_context(Listening(subscriptions, self.tell))

    def close(self) -> None:
        """No thread is left afterwards."""
        self._open.close()

    def tell(self, hint: Hint) -> None:
        """Make of a hint what it is for the site."""
        if hint.kind is HintKind.SUBSCRIBED:
            with self._lock:
                self._lost_since = None
            say(logging.INFO, "the CMS tells of its changes", site=self._site)
            self._loop.look(LOOK)
        elif hint.kind is HintKind.LOST:
            self._lost(hint)
        else:
            self._changed(hint)

    def warning(self) -> str | None:
        """What to tell the operator, or None."""
        with self._lock:
            refused, since = self._refused, self._lost_since
        rest = "what changes is found by the timer alone"
        if refused is not None:
            return f"the CMS does not tell of its changes ({refused}); {rest}"
        if since is None or self._clock() - since < LOST_FOR:
            return None
        return f"the CMS has not told of changes since {since:%Y-%m-%d %H:%M} UTC; {rest}"

    def _changed(self, hint: Hint) -> None:
        event = event_of(self._site, hint, self._clock())
        try:
            self._queue.keep([event])
        except VelobuildError as error:
            say(logging.ERROR, "a change cannot be kept; the whole CMS is looked at", site=self._site, code=error.code,
                error=str(error))  # fmt: skip
            self._loop.look("a change that could not be kept")
            return
        self._loop.wake()

    def _lost(self, hint: Hint) -> None:
        with self._lock:
            self._lost_since = self._lost_since or self._clock()
            if hint.retry_s is None:
                self._refused = str(hint.error) if hint.error is not None else "it ended"
        level = logging.ERROR if hint.retry_s is None else logging.INFO
        error = "" if hint.error is None else str(hint.error)
        again = None if hint.retry_s is None else round(hint.retry_s, 1)
        say(level, "the CMS tells of no changes", site=self._site, error=error, retry_in_s=again)
