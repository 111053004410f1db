"""What stands between the network and the application: deadlines, limits, and who has to go when it gets crowded.

uvicorn by itself waits for ever for slow headers and slow bodies. Its protocol is kept, parser and all, and told here
when each part of a request begins and ends. A connection is always in one phase:

    idle ──first byte──> headers ──> body ──> reply ──> idle

Each phase but `reply` depends on the peer's goodwill, so it has a deadline, and its oldest connection is the one that
is evicted when there are too many. To shed the newest instead would let a thousand idle connections lock everybody out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LOG = logging.getLogger("velobuild.serve.guard")
SWEEP_S = 0.25
SWEPT_AT_ONCE = 20
BREATH_S = 0.005
"""A thousand that came together are over their time together: between so many of them others are answered."""

Phase = Literal["idle", "headers", "body", "reply"]
WAITING: tuple[Phase, ...] = ("idle", "headers", "body")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a peer may do. Times are whole: a byte now and then lengthens none of them.

    `per_peer` holds for addresses that are not among `proxies`, behind which everybody stands: this machine, also as a
    socket for both families names it, and a Unix socket, whose peers have no address.
    """

    header_bytes: int = 8 * 1024
    headers: int = 100
    idle_s: float = 5.0
    headers_s: float = 5.0
    body_s: float = 5.0
    reply_s: float = 30.0
    connections: int = 1_000
    per_peer: int = 100
    proxies: frozenset[str] = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1", ""})

    def seconds(self, phase: Phase) -> float:
        return {"idle": self.idle_s, "headers": self.headers_s, "body": self.body_s, "reply": self.reply_s}[phase]


@dataclass(slots=True)
class Closed:
    """How many connections were closed, by reason: for the status and the metrics."""

    late: int = 0
    evicted: int = 0
    malformed: int = 0


class Guard:
    """All connections of one server, each in its phase since when. Belongs to one event loop."""

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.closed = Closed()
        self._monotonic = monotonic
        # Of each phase, in the order in which they entered it: the oldest is the first.
        self._phases: Mapping[Phase, dict[Guarded, float]] = {"idle": {}, "headers": {}, "body": {}, "reply": {}}
        self._peers: dict[str, dict[Guarded, None]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        return sum(len(members) for members in self._phases.values())

    def joined(self, connection: Guarded) -> None:
        """A connection was made: whoever is in its way leaves."""
        connection.phase = "idle"
        self._phases["idle"][connection] = self._monotonic()
        mates = self._peers.setdefault(connection.peer, {})
        mates[connection] = None
        if connection.peer not in self.limits.proxies and len(mates) > self.limits.per_peer:
            self._evict(next((mate for mate in mates if mate.phase != "reply"), connection))
        elif self.connections > self.limits.connections:
            self._evict(self._oldest_waiting() or connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self.sweep)

    def left(self, connection: Guarded) -> None:
        self._phases[connection.phase].pop(connection, None)
        mates = self._peers.get(connection.peer)
        if mates is not None:
            mates.pop(connection, None)
            if not mates:
                del self._peers[connection.peer]

    def entered(self, connection: Guarded, phase: Phase) -> None:
        """The connection goes on to another phase. One that has left does not come back."""
        began = self._phases[connection.phase].pop(connection, None)
        if began is None:
            return
        # From the very beginning, not from the first byte: a connection that waited 5 s has had its time for headers.
        starts = began if phase == "headers" and connection.requests == 0 else self._monotonic()
        connection.phase = phase
        self._phases[phase][connection] = starts

    def sweep(self) -> None:
        """Close what is over its time. Comes back by itself while there are connections."""
        now = self._monotonic()
        left = SWEPT_AT_ONCE
        for phase, members in self._phases.items():
            allowed = self.limits.seconds(phase)
            for connection, since in list(islice(members.items(), left)):
                if now - since < allowed:
                    break
                self.closed.late += phase != "idle" or connection.requests == 0
                connection.drop()
                self.left(connection)
                left -= 1
        again_s = SWEEP_S if left else BREATH_S
        self._sweep = asyncio.get_running_loop().call_later(again_s, self.sweep) if self.connections else None

    def _oldest_waiting(self) -> Guarded | None:
        firsts = [next(iter(self._phases[phase].items()), None) for phase in WAITING]
        found = [first for first in firsts if first is not None]
        return min(found, key=lambda first: first[1])[0] if found else None

    def _evict(self, connection: Guarded) -> None:
        self.closed.evicted += 1
        connection.drop()
        self.left(connection)


class Guarded(HttpToolsProtocol):
    """uvicorn's connection, which tells its guard how far the request is. One class a guard."""

    guard: Guard

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phase: Phase = "idle"
        self.peer = ""
        self.requests = 0
        # How far the parser is; it may be ahead of the phase, where requests come before the last was answered.
        self._parsing: Phase = "idle"
        self._begun = 0
        self._header_bytes = 0
        self._raw_bytes = 0
        self._too_large = False

    def drop(self) -> None:
        """Close at once: what a peer that does not read has not taken yet is not waited for."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.peer = self.client[0] if self.client else ""
        self.guard.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.left(self)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        before, begun = self._parsing, self._begun
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing here speaks anything but HTTP; the request is answered as if it had not asked.
            self.transport.pause_reading()
        except httptools.HttpParserError:
            self._refuse()
            return
        # Without an end of line in sight no callback tells how much there is. What came together with the end of
        # another request is counted from the next piece on.
        if self._parsing == "headers" and before in ("idle", "headers") and self._begun - begun <= 1:
            self._raw_bytes += len(data)
            if self._raw_bytes > self.guard.limits.header_bytes:
                self._too_large = True
                self._refuse()

    def on_message_begin(self) -> None:
        self._begun += 1
        self._header_bytes = self._raw_bytes = 0
        self._enter("headers")
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if len(self.headers) >= self.guard.limits.headers:
            self._too_large = True
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        _check_framing(self.headers)
        super().on_headers_complete()
        self._enter("body")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._parsing = "idle"
        if self.phase != "reply":
            # It may have been answered before it was whole.
            self.guard.entered(self, "idle" if self.cycle.response_complete else "reply")

    def on_response_complete(self) -> None:
        self.requests += 1
        self.guard.entered(self, "reply" if self.pipeline else self._parsing)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse()

    def _enter(self, phase: Phase) -> None:
        self._parsing = phase
        if self.phase != "reply":
            self.guard.entered(self, phase)

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.guard.limits.header_bytes:
            self._too_large = True
            raise ValueError("the headers are too large")

    def _refuse(self) -> None:
        """An empty reply and the end: what is no HTTP is told nothing."""
        self.guard.closed.malformed += 1
        LOG.debug("not HTTP, or too large, from %s", self.peer)
        status = b"431 Request Header Fields Too Large" if self._too_large else b"400 Bad Request"
        self.transport.write(b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()


def _check_framing(headers: list[tuple[bytes, bytes]]) -> None:
    """Where two lengths could be meant, a proxy before us may mean the other one."""
    lengths = [value for name, value in headers if name == b"content-length"]
    chunked = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or len(chunked) > 1 or (lengths and chunked):
        raise ValueError("the body's length is told twice")
    if any(not (value.isascii() and value.isdigit()) for value in lengths):
        raise ValueError("the body's length is no number")
    if any(value.strip().lower() != b"chunked" for value in chunked):
        raise ValueError("the body's encoding is not `chunked`")
