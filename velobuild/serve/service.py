"""`velobuild listen`: the door, the queue, a loop for each site, and how all of it starts, reloads and ends.

The event loop's thread answers; each site's loop has a thread, and builds in a process of its own. Between them stands
the queue on the disk: whatever dies, what was acknowledged is there at the next start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from velobuild.config.schema import Loaded, Secret
from velobuild.errors import VelobuildError
from velobuild.model.ports import Clock
from velobuild.serve.accepting import configured, connections_allowed
from velobuild.serve.child import BuildChild
from velobuild.serve.draining import Server, drain
from velobuild.serve.events import Kept
from velobuild.serve.guard import Guard, Limits
from velobuild.serve.hearing import Hearing, is_told
from velobuild.serve.logs import say
from velobuild.serve.loop import SiteLoop
from velobuild.serve.metrics import exposition
from velobuild.serve.queue import Queue
from velobuild.serve.receiver import PREFIX, SiteHook, application
from velobuild.serve.seen import Seen, door_warning
from velobuild.serve.status import SiteStatus, plain, post_json, queue_json, record_json, status_json, write_status
from velobuild.serve.status_page import pages

LAST_BUILD_S = 1.0
END_S = 2.5
EVENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Served:
    """A site as it is configured now."""

    loaded: Loaded
    hook: SiteHook | None
    """None where nobody delivers: the CMS tells of its changes by itself."""
    secrets: tuple[Secret, ...]
    """Everything of it that no log may show."""
    status_token: Secret | None = None


class Service:
    """Sites by name; `load` gives one as its configuration is now, and is asked again for SIGHUP.

    `stirred` is called, from any thread, when work came in or a site's status changed; it must return at once.
    `leaving` is called once, before the queue is closed: after it `seen` may not be called.
    """

    def __init__(
        self,
        sites: Mapping[str, Callable[[], Served]],
        served: Mapping[str, Served],
        *,
        queue_file: Path,
        cache: Path | None,
        clock: Clock,
        variables: Mapping[str, str],
        stirred: Callable[[], None] = lambda: None,
        leaving: Callable[[], None] = lambda: None,
    ) -> None:
        self._load = dict(sites)
        self._served = dict(served)
        self._clock = clock
        self._queue = Queue(queue_file, clock)
        self._cache = cache
        self._stirred = stirred
        self._leaving = leaving
        self._hooks = {name: one.hook for name, one in served.items() if one.hook is not None}
        self._receiver = application(self._hooks, self._queue, self._wake, clock)
        self._children: dict[str, BuildChild] = {}
        self._loops: dict[str, SiteLoop] = {}
        self._hearings: dict[str, Hearing] = {}
        self._ending = False
        for name, one in served.items():
            child = BuildChild(memory_bytes=one.loaded.config.listen.build_memory_mb * 1_000_000)
            self._children[name] = child
            status = SiteStatus(
                name,
                since=clock(),
                queue=str(queue_file.absolute()),
                pid=os.getpid(),
                daily_calls=one.loaded.config.listen.daily_calls,
            )
            self._loops[name] = SiteLoop(
                name,
                one.loaded,
                self._queue,
                child,
                cache=cache,
                clock=clock,
                variables=variables,
                told=partial(self._told, one.loaded.state),
                status=status,
                secrets=lambda: self.secrets,
                also_warn=partial(self._warning, name),
                shut_out=partial(self._shut_out, name),
            )
            self._hearings[name] = Hearing(name, self._loops[name], self._queue, clock=clock)
        self._threads = [
            threading.Thread(target=loop.run, name=f"loop {name}", daemon=True) for name, loop in self._loops.items()
        ]

    @property
    def secrets(self) -> Iterator[Secret]:
        """What the log must not show, as it is now."""
        for one in self._served.values():
            yield from one.secrets
            if one.status_token is not None:
                yield one.status_token

    def run(
        self, listeners: Sequence[socket.socket], *, handed: bool = False, ready: Callable[[], None] = lambda: None
    ) -> None:
        """Serve until SIGTERM or SIGINT, then drain. Blocks. Belongs to the main thread.

        `handed`: the sockets are a service manager's, and outlive us.
        """
        if self._queue.set_aside is not None:
            say(logging.ERROR, "the queue was damaged and set aside; the CMS is asked for everything",
                file=str(self._queue.set_aside))  # fmt: skip
        given_back = self._queue.recover()
        if given_back:
            say(logging.INFO, "events of builds that did not end are taken up again", events=given_back)
        for child in self._children.values():
            child.start()
        for thread in self._threads:
            thread.start()
        for name, hearing in self._hearings.items():
            hearing.subscribe(self._served[name].loaded, cache=self._cache)
        try:
            asyncio.run(self._serve(listeners, handed, ready))
        finally:
            self._end()

    def _told(self, folder: Path, status: SiteStatus) -> None:
        write_status(folder, status)
        self._stirred()

    # What the pages show.

    def seen(self, site: str, count: int) -> tuple[SiteStatus, tuple[Kept, ...]]:
        """How the site fares, and its last events, the newest first."""
        return self._loops[site].status, self._queue.recent(site, count)

    def overview(self) -> dict[str, Any]:
        return {
            name: {
                "status": status_json(loop.status),
                "queue": queue_json(self._queue, name),
                "door": self._door(name),
                "events": [record_json(kept) for kept in self._queue.recent(name, EVENTS_SHOWN)],
            }
            for name, loop in self._loops.items()
        }

    def post(self, site: str, post: str) -> list[dict[str, Any]] | None:
        return post_json(self._queue.post_record(site, post)) if site in self._loops else None

    def ready(self) -> bool:
        return not self._ending and all(thread.is_alive() for thread in self._threads)

    def metrics(self) -> tuple[bytes, str] | None:
        return exposition(self.overview())

    def _seen(self, name: str) -> Seen:
        return self._receiver.seen(name)

    def _door(self, name: str) -> dict[str, Any]:
        seen = self._seen(name)
        values = {
            "accepted": seen.accepted,
            "unusable": seen.unusable,
            "refused": sum(seen.refused.values()),
            "refused_why": dict(seen.refused),
            "by_secret": {f"secret {number + 1}": count for number, count in sorted(seen.by_secret.items())},
            "accepted_at": seen.accepted_at,
            "refused_at": seen.refused_at,
            "ping_at": seen.ping_at,
        }
        return {key: plain(value) for key, value in values.items()}

    def _warning(self, name: str) -> str | None:
        return self._shut_out(name) or self._hearings[name].warning()

    def _shut_out(self, name: str) -> str | None:
        served = self._served[name]
        # Where nobody delivers, or the CMS tells by itself too, refusals keep no change away.
        if served.hook is None or is_told(served.loaded):
            return None
        return door_warning(self._seen(name), self._clock())

    # The event loop's thread.

    async def _serve(self, listeners: Sequence[socket.socket], handed: bool, ready: Callable[[], None]) -> None:
        status = pages(self, self._status_token)
        receiver = self._receiver

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            inner = receiver if scope["type"] == "http" and scope["path"].startswith(PREFIX) else status
            await inner(scope, receive, send)

        allowed = connections_allowed(Limits().connections, sites=len(self._loops))
        guard = Guard(Limits(connections=allowed))
        server = Server(configured(app, guard))
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Task[None]] = []

        def end(name: str) -> None:
            if self._ending:
                say(logging.WARNING, "ending at once", signal=name)
                server.should_exit = server.force_exit = True
                for child in self._children.values():
                    threading.Thread(target=child.end).start()
                return
            self._ending = True
            say(logging.INFO, "draining", signal=name)
            asked.append(loop.create_task(drain(server, handed=handed)))

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end, number.name)
        loop.add_signal_handler(signal.SIGHUP, lambda: asked.append(loop.create_task(self._reload())))
        starting = loop.create_task(server.serve(sockets=list(listeners)))
        while not server.started and not starting.done():
            await asyncio.sleep(0.005)
        if not starting.done():
            ready()
        await starting
        await receiver.close()

    def _status_token(self) -> Secret | None:
        return next((one.status_token for one in self._served.values() if one.status_token is not None), None)

    def _wake(self, site: str) -> None:
        loop = self._loops.get(site)
        if loop is not None:
            loop.wake()
        self._stirred()

    async def _reload(self) -> None:
        """Read every site's configuration and secrets anew. What cannot be used keeps the old ones in force."""
        for name, load in self._load.items():
            try:
                served = await asyncio.to_thread(load)
            except VelobuildError as error:
                say(logging.ERROR, "the configuration cannot be used; the old one stays", site=name, code=error.code,
                    error=str(error))  # fmt: skip
                continue
            self._served[name] = served
            if served.hook is None:
                self._hooks.pop(name, None)
            else:
                self._hooks[name] = served.hook
            self._seen(name).begin_anew()
            self._loops[name].reload(served.loaded)
            await asyncio.to_thread(self._hearings[name].subscribe, served.loaded, cache=self._cache)
            say(logging.INFO, "reloaded", site=name, secrets=0 if served.hook is None else len(served.hook.secrets))

    def _end(self) -> None:
        self._ending = True
        self._leaving()
        for hearing in self._hearings.values():
            hearing.close()
        for loop in self._loops.values():
            loop.end()
        for thread in self._threads:
            thread.join(LAST_BUILD_S)
        enders = [threading.Thread(target=child.end) for child in self._children.values()]
        for ender in enders:
            ender.start()
        for thread in (*enders, *self._threads):
            thread.join(END_S)
        # A thread that is left waits for one of the operator's commands: its events are finished, and it ends with us.
        if not any(thread.is_alive() for thread in self._threads):
            self._queue.close()
