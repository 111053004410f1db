"""Whether a CMS that was away is back, asked in a thread of its own: nobody at work has to wait for the answer.

A question to a CMS that is away takes seconds, and holds the site meanwhile. A connection that is opened and closed
holds nothing, and says enough to know whether the question is worth asking.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

PATIENCE_S = 5.0


class Knock:
    """One question at a time. `answered` is called from the thread; the rest belongs to the loop."""

    def __init__(self, answered: Callable[[], None]) -> None:
        self._answered = answered
        self._thread: threading.Thread | None = None
        self._open: bool | None = None

    @property
    def under_way(self) -> bool:
        return self._thread is not None and self._open is None

    def begin(self, urls: Iterable[str]) -> None:
        """Ask whether something listens at every one of the addresses. Returns at once."""
        self._open = None
        self._thread = threading.Thread(target=self._ask, args=(tuple(urls),), name="velobuild-knock", daemon=True)
        self._thread.start()

    def take(self) -> bool | None:
        """The answer, once; None if nothing was asked, or no answer came yet."""
        answer = self._open
        if answer is not None:
            self._thread = self._open = None
        return answer

    def _ask(self, urls: tuple[str, ...]) -> None:
        self._open = all(is_open(url) for url in urls)
        self._answered()


def is_open(url: str) -> bool:
    """Whether something listens at an http address. Blocks for seconds at most; sends nothing."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), PATIENCE_S).close()
    except (OSError, ValueError):
        return False
    return True
