"""A network backend that connects to addresses which the policy has checked, and keeps one deadline for everything."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
from httpcore import ConnectError, ConnectTimeout, NetworkBackend, NetworkStream, ReadTimeout, SyncBackend, WriteTimeout

from velobuild.errors import VelobuildError
from velobuild.http.addresses import AddressPolicy, Resolve

SLICE_S = 0.5
CONNECT_S = 5.0


class Stopped(VelobuildError):
    """Whoever asked for the download has given up; nobody is to be told."""


class Deadline:
    """A point in time for one thread's present download. Seconds of a monotonic clock."""

    def __init__(self, stop: threading.Event, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stop = stop
        self._monotonic = monotonic
        self._until = 0.0

    def start(self, seconds: float) -> None:
        self._until = self._monotonic() + seconds

    def remaining_s(self) -> float:
        """What is left, perhaps less than nothing. Raises Stopped once the stop was asked for."""
        if self._stop.is_set():
            raise Stopped("the download was stopped", code="VB4001")
        return self._until - self._monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, but never beyond a stop."""
        self._stop.wait(max(0.0, seconds))


class CheckedNetwork(NetworkBackend):
    """Resolves a host once, checks every address, connects to one of those. Never asks the resolver twice."""

    def __init__(
        self, policy: AddressPolicy, resolve: Resolve, deadline: Deadline, inner: NetworkBackend | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._deadline = deadline
        self._inner = inner or SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        addresses = self._resolve(host, port)
        self._policy.check(host, port, addresses)
        last: Exception = ConnectError(f"{host} has no address")
        for ip in addresses:
            left = self._deadline.remaining_s()
            if left <= 0:
                raise ConnectTimeout("the deadline has passed")
            try:
                stream = self._inner.connect_tcp(
                    str(ip), port, min(left, CONNECT_S), local_address, socket_options=socket_options
                )
            except (ConnectError, ConnectTimeout) as error:
                last = error
            else:
                return TimedStream(stream, self._deadline)
        raise last

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None
    ) -> NetworkStream:
        raise ConnectError("media does not come from a local socket")


class TimedStream(NetworkStream):
    """Reads in slices, so that neither a server that drips bytes nor a silent one outlives the deadline or a stop."""

    def __init__(self, inner: NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        waited = 0.0
        while True:
            left = self._deadline.remaining_s()
            if left <= 0:
                raise ReadTimeout("the deadline has passed")
            slice_s = min(left, SLICE_S)
            try:
                return self._inner.read(max_bytes, slice_s)
            except ReadTimeout:
                waited += slice_s
                if timeout is not None and waited >= timeout:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._deadline.remaining_s()
        if left <= 0:
            raise WriteTimeout("the deadline has passed")
        self._inner.write(buffer, min(left, timeout or left))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        left = min(max(self._deadline.remaining_s(), 0.001), CONNECT_S)
        return TimedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
