"""Connections on which a whole request has one deadline.

httpx's own time-outs start anew with every read, so that a server which sends one byte a second holds a request for
ever, and headers that drip are never seen by the caller at all. Here the socket itself knows when the request must be
over. No proxy, no netrc, no certificate path is taken from the environment.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator

import httpcore
import httpx

from velobuild.http.authorities import public_authorities


class Deadline:
    """When the present request must be over, on the monotonic clock. One for all connections of a transport."""

    def __init__(self, total_s: float) -> None:
        self.total_s = total_s
        self._ends = time.monotonic() + total_s

    def restart(self) -> None:
        self._ends = time.monotonic() + self.total_s

    def left_s(self, late: type[Exception]) -> float:
        """Seconds left. Raises `late` if there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise late(f"not finished within {self.total_s:g} s")
        return left


class DeadlineTransport(httpx.BaseTransport):
    """HTTP/1.1 through httpcore, each request within `total_s` seconds from the first byte sent to the last received.

    The look-up of a name is left to the operating system, which has a limit of its own.
    """

    def __init__(self, total_s: float, *, context: ssl.SSLContext | None = None) -> None:
        self._deadline = Deadline(total_s)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context or public_authorities(),
            max_connections=2,
            max_keepalive_connections=1,
            # Shorter than the idle times of common servers: a connection that the server is closing is not used again.
            keepalive_expiry=4.0,
            http2=False,
            network_backend=_Backend(self._deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._deadline.restart()
        inner = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.read(),
        )
        try:
            response = self._pool.handle_request(inner)
        except Exception as error:
            raise _translated(error) from error
        assert isinstance(response.stream, Iterable)
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response.stream))

    def close(self) -> None:
        """End all connections; the next request opens a new one."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except Exception as error:
            raise _translated(error) from error

    def close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


def _translated(error: Exception) -> Exception:
    """httpcore's error as httpx's of the same name; anything else as it is."""
    same = getattr(httpx, type(error).__name__, None)
    if isinstance(error, httpcore.TimeoutException | httpcore.NetworkError | httpcore.ProtocolError) and same:
        found: Exception = same(str(error))
        return found
    return error


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._plain = httpcore.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left_s(httpcore.ConnectTimeout)
        return _Stream(self._plain.connect_tcp(host, port, left, local_address, socket_options), self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, plain: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, self._deadline.left_s(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, self._deadline.left_s(httpcore.WriteTimeout))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left_s(httpcore.ConnectTimeout)
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._plain.get_extra_info(info)
