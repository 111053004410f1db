"""How the server ends: whoever was let in is answered, and nobody else is let in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from velobuild.serve import accepting
from velobuild.serve.guard import Guarded

DRAIN_S = 2.0
"""How long a connection that was accepted may take to send its request while the service ends."""


class Server(accepting.Server):
    """A server which leaves the signals to the service."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def drain(server: uvicorn.Server) -> None:
    """Accept no further connection, let those that were accepted be answered, and stop.

    A socket that a service manager holds goes on collecting connections for our successor.
    """
    for listener in server.servers:
        listener.close()
    clock = asyncio.get_running_loop().time
    until = clock() + DRAIN_S
    while clock() < until and not server.force_exit and any(is_owed(c) for c in server.server_state.connections):
        await asyncio.sleep(0.01)
    server.should_exit = True


def is_owed(connection: object) -> bool:
    """Whether somebody waits for an answer, or has only just come and may be about to ask."""
    return isinstance(connection, Guarded) and (connection.phase != "idle" or connection.requests == 0)
