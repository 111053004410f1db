"""How the server ends: whoever was let in is answered, and nobody else is let in."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from velobuild.serve import accepting
from velobuild.serve.guard import Guarded

DRAIN_S = 2.0
"""How long a connection that was accepted may take to send its request while the service ends."""
LET_IN_S = 0.3
"""How long those are still let in that wait before a socket that ends with us, however many come after them."""
TURNS_TO_JOIN = 3
"""Of the event loop, from a connection's being accepted until it is the server's: a closed listener drops it before."""


class Server(accepting.Server):
    """A server which leaves the signals to the service."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def drain(server: uvicorn.Server, *, handed: bool) -> None:
    """Accept no further connection, let those that were accepted be answered, and stop.

    Sockets that a service manager `handed` over go on collecting connections for our successor. Who waits before one
    of ours would be reset when it is closed, though its request may be here already, and is let in first.
    """
    loop = asyncio.get_running_loop()
    clock = loop.time
    until = clock() + DRAIN_S
    if not handed:
        await _let_in(server, until=clock() + LET_IN_S)
    for one in _sockets(server):
        loop.remove_reader(one)
    for _ in range(TURNS_TO_JOIN):
        await asyncio.sleep(0)
    for listener in server.servers:
        listener.close()
    while clock() < until and not server.force_exit and any(is_owed(c) for c in server.server_state.connections):
        await asyncio.sleep(0.01)
    server.should_exit = True


async def _let_in(server: uvicorn.Server, *, until: float) -> None:
    """While the event loop accepts, a few in each of its turns, until nobody waits any more."""
    waiting = select.poll()
    for one in _sockets(server):
        waiting.register(one.fileno(), select.POLLIN)
    clock = asyncio.get_running_loop().time
    while waiting.poll(0) and clock() < until and not server.force_exit:
        await asyncio.sleep(0)


def _sockets(server: uvicorn.Server) -> list[socket.socket]:
    return [one for listener in server.servers for one in listener.sockets]


def is_owed(connection: object) -> bool:
    """Whether somebody waits for an answer, or has only just come and may be about to ask."""
    return isinstance(connection, Guarded) and (connection.phase != "idle" or connection.requests == 0)
