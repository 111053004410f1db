"""A wire between a program and its server, which a test can cut, and hear."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Relay:
    """Stands between, and cuts whatever is open when it is told to."""

    def __init__(self, to: str) -> None:
        self._to = (urlsplit(to).hostname or "", urlsplit(to).port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = b""
        self.refuses = False
        self._over = False
        self._open: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._door = threading.Thread(target=self._serve, name="relay: accept", daemon=True)
        self._door.start()

    def _serve(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._over:
                near.close()
                return
            if self.refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(self._to)
            except OSError:  # Its server may be away.
                near.close()
                continue
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                pump = threading.Thread(target=self._pump, args=(one, other, one is far), name="relay", daemon=True)
                self._pumps.append(pump)
                pump.start()

    def _pump(self, one: socket.socket, other: socket.socket, listened: bool) -> None:
        with suppress(OSError):
            while part := one.recv(65536):
                if listened:
                    self.heard += part
                other.sendall(part)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def close(self) -> None:
        """Cut everything, and end all threads."""
        self._over = True
        # Closing a listening socket does not wake its accept; a last connection does.
        socket.create_connection(self._listener.getsockname()).close()
        self._door.join()
        self._listener.close()
        self.cut()
        for pump in self._pumps:
            pump.join()
