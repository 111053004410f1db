"""A door before a CMS: it notes every request, passes it on, and can be told to answer in the CMS's place."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived: `target` is the path with its query, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def holds(self, secret: str) -> bool:
        """Whether the secret stands anywhere in the request's head."""
        return secret in self.target or any(secret in value for value in self.headers.values())


@dataclass(frozen=True, slots=True)
class Shape:
    """An answer in place of the CMS's, and what a build must end with. `cut` leaves out the second half of the body."""

    status: int
    body: Any = b""
    exit_code: int = 0
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Fault:
    shape: Shape
    path: str
    times: int
    skip: int


class Gate:
    """`upstream` is the address of the CMS; without one every request is answered with 404 (a stranger's host)."""

    def __init__(self, upstream: str | None = None) -> None:
        self.upstream = upstream
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.before: Callable[[Call], None] = lambda call: None
        gate = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                # The base class looks for a method `do_GET`, and so on: every method is answered alike.
                if name.startswith("do_"):
                    return lambda: gate._answer(self)
                raise AttributeError(name)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self._lock = threading.RLock()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, shape: Shape, path: str = "", *, times: int = 1_000_000, skip: int = 0) -> None:
        """Give this answer to the next `times` requests whose path begins with `path`, after `skip` that pass."""
        self.faults.append(Fault(shape, path, times, skip))

    def count(self, part: str) -> int:
        return sum(part in call.path for call in self.calls)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers.get("content-length", "0")))
        call = Call(request.command, request.path, headers)
        with self._lock:
            self.before(call)
            self.calls.append(call)
            shape = self._fault(call)
        status, said, content = (
            (shape.status, dict(shape.headers), shape.content) if shape else self._passed_on(call, body)
        )
        said.setdefault("Content-Type", "application/json")
        request.send_response_only(status)
        for name, value in said.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        if shape is not None and shape.cut:
            request.send_header("Connection", "close")
            content = content[: len(content) // 2]
        request.end_headers()
        if call.method != "HEAD":
            request.wfile.write(content)

    def _fault(self, call: Call) -> Shape | None:
        for fault in self.faults:
            if call.path.startswith(fault.path) and fault.times > 0:
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault.shape
        return None

    def _passed_on(self, call: Call, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.upstream is None:
            return 404, {}, b""
        parts = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            # The host stays that of the door, so that a CMS that names itself names the door.
            connection.request(call.method, call.target, body or None, dict(call.headers))
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, {k: v for k, v in answer.getheaders() if k.lower() not in HOP}, content
        finally:
            connection.close()
