"""How connections are let in, a few at a time, and how the last ones are when the service ends."""

from __future__ import annotations

import asyncio
import itertools
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from velobuild.serve.accepting import ACCEPTED_AT_ONCE, configured
from velobuild.serve.draining import Server, drain
from velobuild.serve.guard import Guard, Limits

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


async def accepts_all(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Listeners:
    """Sockets of this process, and peers that come while its event loop is late."""

    def __init__(self) -> None:
        self.open = ExitStack()
        self.guard = Guard(Limits())
        self.server = Server(configured(accepts_all, self.guard))

    def socket(self) -> socket.socket:
        return self.open.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))

    def asks(self, listener: socket.socket) -> socket.socket:
        peer = self.open.enter_context(socket.create_connection(listener.getsockname(), 5))
        peer.sendall(REQUEST)
        return peer

    async def serves(self, *listeners: socket.socket) -> asyncio.Task[None]:
        serving = asyncio.create_task(self.server.serve(sockets=list(listeners)))
        while not self.server.started:
            await asyncio.sleep(0)
        return serving


@pytest.fixture
def rig() -> Iterator[Listeners]:
    made = Listeners()
    with made.open:
        yield made


def is_answered(peer: socket.socket) -> bool:
    try:
        return peer.recv(100).startswith(b"HTTP/1.1 202")
    except OSError:  # Reset, or never heard of.
        return False


@pytest.mark.parametrize("handed", [False, True], ids=["ours", "the control"])
def test_whoever_waited_when_the_service_ends_is_answered(rig: Listeners, handed: bool) -> None:
    """Whoever waits before a socket is reset with it, unless somebody else has the socket too."""

    async def go() -> list[bool]:
        listener = rig.socket()
        serving = await rig.serves(listener)
        peers = [rig.asks(listener) for _ in range(200)]
        await drain(rig.server, handed=handed)
        await serving
        return [is_answered(peer) for peer in peers]

    answered = asyncio.run(go())
    assert all(answered) != handed


def test_whoever_was_let_in_at_the_last_moment_is_answered(rig: Listeners) -> None:
    """The event loop has accepted them, and the server does not know them yet."""

    async def go() -> list[bool]:
        listener = rig.socket()
        serving = await rig.serves(listener)
        peers = [rig.asks(listener) for _ in range(ACCEPTED_AT_ONCE)]
        while select.select([listener], [], [], 0)[0]:
            await asyncio.sleep(0)
        assert rig.guard.connections == 0
        await drain(rig.server, handed=True)
        await serving
        return [is_answered(peer) for peer in peers]

    assert all(asyncio.run(go()))


def test_peers_who_go_on_coming_do_not_hold_up_the_end(rig: Listeners) -> None:
    async def go() -> float:
        listener = rig.socket()
        serving = await rig.serves(listener)
        clock = asyncio.get_running_loop().time
        began = clock()

        async def come() -> None:
            while listener.fileno() >= 0 and clock() < began + 20:
                rig.asks(listener)
                await asyncio.sleep(0)

        coming = asyncio.create_task(come())
        await drain(rig.server, handed=False)
        await asyncio.gather(serving, coming)
        return clock() - began

    assert asyncio.run(go()) < 10


@pytest.mark.parametrize("count", [1, 3, 20])
def test_as_many_are_let_in_at_once_by_several_listeners_as_by_one(rig: Listeners, count: int) -> None:
    """J10: what several let in before the guard hears of it takes no more files than are spared."""

    async def go() -> list[int]:
        listeners = [rig.socket() for _ in range(count)]
        serving = await rig.serves(*listeners)
        peers = [rig.asks(listener) for listener in listeners for _ in range(60 // count)]
        found = [rig.guard.connections]
        while found[-1] < len(peers):
            await asyncio.sleep(0)
            found.append(rig.guard.connections)
        rig.server.should_exit = True
        await serving
        return [later - sooner for sooner, later in itertools.pairwise(found)]

    assert max(asyncio.run(go())) <= max(ACCEPTED_AT_ONCE, count)


def test_a_socket_that_is_closed_while_the_server_starts_is_no_failure(rig: Listeners) -> None:
    async def go() -> tuple[bool, bool]:
        first, second = rig.socket(), rig.socket()
        starting = asyncio.create_task(rig.server.serve(sockets=[first, second]))
        while not getattr(rig.server, "servers", None):
            await asyncio.sleep(0)
        closed_early = not rig.server.started
        rig.server.servers[0].close()
        rig.server.should_exit = True
        await starting
        return closed_early, first.fileno() < 0

    assert asyncio.run(go()) == (True, True)
