"""How many connections are let in: altogether as files allow, and a few at a time.

asyncio accepts as many at once as may wait, and the guard hears of each only some turns of the event loop later. A
crowd that came together would so take more files than there are before one of it is evicted, and asyncio then accepts
nobody for a second.
"""

from __future__ import annotations

import resource
import socket
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from velobuild.serve.guard import Guard, Guarded

SPARE_FILES = 64
SPARE_FILES_PER_SITE = 4
"""For its build process, its subscription and the commands that it runs."""
BACKLOG = 1024
"""Connections that may wait to be accepted."""
ACCEPTED_AT_ONCE = 8
"""In one turn of the event loop, by all listeners together. It takes three until the guard has closed one for each:
well within SPARE_FILES."""


def connections_allowed(wanted: int, *, sites: int = 0) -> int:
    """`wanted`, or what the process's limit of open files leaves, some being spared for all else, and for each site.

    The soft limit is raised as far as it may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spared = SPARE_FILES + SPARE_FILES_PER_SITE * sites
    needed = wanted + spared
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    return max(soft - spared, 1)


class Server(uvicorn.Server):
    """uvicorn's server, in whose sockets many may wait though few are let in at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        listeners = sockets or []
        self.config.backlog = max(1, self.config.backlog // max(1, len(listeners)))
        await super().startup(sockets)
        for listener in listeners:
            if listener.fileno() >= 0:  # Whoever ends the service while it starts may have closed it already.
                listener.listen(BACKLOG)


def configured(app: ASGIApp, guard: Guard) -> uvicorn.Config:
    """uvicorn's configuration for an application behind the guard, to be run by a `Server`."""
    protocol = cast(type[HttpToolsProtocol], type("GuardedConnection", (Guarded,), {"guard": guard}))
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=ACCEPTED_AT_ONCE,
        # The guard's own deadline comes first.
        timeout_keep_alive=int(guard.limits.idle_s) + 1,
        timeout_graceful_shutdown=5,
    )
