"""Server-sent events from a CMS: one stream that stays open, and the small POST that says what is wanted on it.

What holds for `http.client` holds here: the token goes to the API's own origin alone, no redirect is followed, the
environment has no say, nothing compressed is taken, and no event may be larger than a bound. A stream has no deadline
as a whole; one that is silent for too long is given up, since a dead connection looks just so.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource

from velobuild import __version__
from velobuild.config.schema import Secret
from velobuild.errors import ProtocolError, SourceUnavailable, TokenError
from velobuild.http.authorities import public_authorities
from velobuild.http.errors import printable
from velobuild.http.origin import checked_base, checked_token

EVENT_BYTES_MAX = 1_000_000
CONNECT_S = 10.0
SILENCE_S = 400.0
"""Longer than the five minutes after which PocketBase ends a silent stream by itself."""
EVENT_END = (b"\n\n", b"\r\r", b"\r\n\r\n")
CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
HEADERS = {"Accept-Encoding": "identity", "Cache-Control": "no-cache", "User-Agent": f"velobuild/{__version__}"}


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event as it came; `name` is "message" where the server gave none."""

    name: str
    data: str


class EventClient:
    """Streams of events below `base_url`, with one token. `close` may be called from any thread, and ends them; one
    that is just being connected may take `connect_s` to notice.

    Raises ConfigError for an address or a token that must not be used, before anything is sent.
    """

    def __init__(
        self, base_url: str, token: Secret, *, connect_s: float = CONNECT_S, silence_s: float = SILENCE_S
    ) -> None:
        self._base = checked_base(base_url)
        self._token = checked_token(token)
        self._closed = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(
                verify=public_authorities(),
                trust_env=False,
                socket_options=_keepalive(),
                # Each request on a connection of its own: `close` knows the sockets that were connected for a stream.
                limits=httpx.Limits(max_keepalive_connections=0),
            ),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(connect_s, read=silence_s),
        )

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[ServerEvent]]:
        """GET `path` and iterate over its events, until the server ends the stream or `close` is called.

        A stream that is closed before it began has no events. Raises TokenError, SourceUnavailable or ProtocolError,
        on the way in and while iterating.
        """
        where = self._where(path)
        headers = {**HEADERS, "Accept": "text/event-stream", "Authorization": f"Bearer {self._token.reveal()}"}
        answer: httpx.Response | None = None
        with suppress(_Closed), self._translated(where):
            request = self._client.build_request("GET", where, headers=headers, extensions={"trace": self._connected})
            answer = self._client.send(request, stream=True)
        if answer is None:  # Closed while it was asked for.
            yield iter(())
            return
        try:
            self._judge(answer, where, 200)
            kind = answer.headers.get("content-type", "")
            if not kind.lower().startswith("text/event-stream"):
                raise _no_events(f"{printable(kind or 'no content type', 60)}", where)
            if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise _no_events("the stream is compressed although asked not to be", where)
            answer.stream = _Bounded(answer.stream, where)
            self._hold(answer.extensions.get("network_stream"))
            yield self._events(answer, where)
        finally:
            self._socket = None
            answer.close()

    def tell(self, path: str, value: dict[str, Any], *, deadline_s: float = 15.0) -> None:
        """POST a small JSON document. Raises TokenError, SourceUnavailable or ProtocolError."""
        where = self._where(path)
        headers = {**HEADERS, "Accept": "application/json", "Authorization": f"Bearer {self._token.reveal()}"}
        with suppress(_Closed), self._translated(where):
            request = self._client.build_request("POST", where, headers=headers, json=value, timeout=deadline_s)
            answer = self._client.send(request, stream=True)
            try:
                self._judge(answer, where, 200, 204)
            finally:
                answer.close()

    def close(self) -> None:
        """End the stream that is open, now: whoever waits for its next event finds that there is none."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                _end(self._socket)
        self._client.close()

    def _where(self, path: str) -> str:
        return f"{self._base}".rstrip("/") + f"/{path}"

    def _connected(self, event: str, info: dict[str, Any]) -> None:
        """httpx's trace of a request: a server may take its time for the first byte, and `close` must not wait."""
        if event in CONNECTED:
            self._hold(info["return_value"])

    def _hold(self, stream: Any) -> None:
        """Keep the socket of a network stream, which alone can wake up a thread that reads from it."""
        with self._lock:
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            if self._closed and self._socket is not None:
                _end(self._socket)

    def _events(self, answer: httpx.Response, where: str) -> Iterator[ServerEvent]:
        with suppress(_Closed), self._translated(where):
            for event in EventSource(answer).iter_sse():
                yield ServerEvent(event.event or "message", event.data)

    def _judge(self, answer: httpx.Response, where: str, *wanted: int) -> None:
        status = answer.status_code
        if status in wanted:
            return
        if status in (401, 403):
            raise TokenError(
                f"the CMS does not let this token hear of changes ({status})",
                code="VB2002",
                where=where,
                hint="changes are asked for instead, from time to time",
            )
        if status == 429 or status >= 500:
            raise SourceUnavailable(f"the CMS answered {status}", code="VB2103", where=where)
        raise _no_events(f"it answered {status}", where)

    @contextmanager
    def _translated(self, where: str) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            if self._closed:
                raise _Closed from error
            raise SourceUnavailable("the stream of events went silent", code="VB2101", where=where) from error
        except httpx.TransportError as error:
            if self._closed:
                raise _Closed from error
            raise SourceUnavailable(
                f"the stream of events broke: {printable(str(error) or type(error).__name__, 80)}",
                code="VB2101",
                where=where,
            ) from error
        except RuntimeError as error:
            # httpx's word for a client that was closed meanwhile.
            if self._closed:
                raise _Closed from error
            raise


def _end(connected: socket.socket) -> None:
    """Wake whoever reads from the socket. Not with the method of a TLS socket, which takes the encryption off first:
    a request that another thread is about to send would go out in clear, with its token."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


class _Closed(Exception):
    """`close` was called meanwhile: what was under way is over, and that is no fault."""


class _Bounded(httpx.SyncByteStream):
    """A stream in which no event is longer than `EVENT_BYTES_MAX`. Raises ProtocolError VB2203."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, where: str) -> None:
        assert isinstance(stream, httpx.SyncByteStream)
        self._stream = stream
        self._where = where

    def __iter__(self) -> Iterator[bytes]:
        size, tail = 0, b""
        for part in self._stream:
            seen = tail + part
            ends = max(seen.rfind(end) for end in EVENT_END)
            size = len(seen) - ends if ends >= 0 else size + len(part)
            if size > EVENT_BYTES_MAX:
                raise ProtocolError(
                    f"an event is larger than {EVENT_BYTES_MAX // 1_000_000} MB", code="VB2203", where=self._where
                )
            tail = seen[-3:]
            yield part

    def close(self) -> None:
        self._stream.close()


def _no_events(why: str, where: str) -> ProtocolError:
    return ProtocolError(
        f"there is no stream of events ({why})",
        code="VB2201",
        where=where,
        hint="does a proxy stand before it that holds answers back? Changes are asked for instead, from time to time",
    )


def _keepalive() -> list[tuple[int, int, int]]:
    """Let the system find out by itself whether the other end of a silent stream is still there."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
