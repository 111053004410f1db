"""What one build may spend on media: bytes in all, and patience with a host. Shared by the workers."""

from __future__ import annotations

from threading import Lock

from velobuild.errors import ProtocolError, SourceUnavailable
from velobuild.http.addresses import Origin

# After so many files in a row a host counts as down until the next build, which would otherwise wait for each.
HOST_FAILURES_MAX = 5


class Budget:
    """What one build may load in all."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = Lock()
        self.spent_bytes = 0

    def spend(self, size_bytes: int) -> None:
        """Raises ProtocolError (VB4004) once the limit is passed."""
        with self._lock:
            self.spent_bytes += size_bytes
            over = self.spent_bytes > self._limit_bytes
        if over:
            raise ProtocolError(
                f"this build has loaded {self._limit_bytes} bytes of media, which is its limit",
                code="VB4004",
                hint="the next build goes on; or raise [limits] media_total_bytes",
            )


class Hosts:
    """How many files in a row each origin failed to deliver for a reason of its own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures: dict[Origin, int] = {}

    def note(self, origin: Origin, *, failed: bool) -> None:
        with self._lock:
            self._failures[origin] = self._failures.get(origin, 0) + 1 if failed else 0

    def check(self, origin: Origin, where: str) -> None:
        """Raises SourceUnavailable (VB4001) for an origin that is not to be waited for any longer."""
        if self._failures.get(origin, 0) >= HOST_FAILURES_MAX:
            raise SourceUnavailable(
                f"{origin} failed {HOST_FAILURES_MAX} times in a row and was not asked again",
                code="VB4001",
                where=where,
                hint="is the host down? The next build asks again",
            )
