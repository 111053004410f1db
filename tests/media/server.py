"""A small HTTP server on 127.0.0.1 that serves files as told, well or badly, and remembers who asked for what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_GET(self) -> None:
        owner: MediaServer = self.server.owner  # type: ignore[attr-defined]
        owner.requests.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}))
        reply = owner.replies.get(self.path.split("?")[0])
        try:
            if reply is None:
                self.answer(404, b"not here")
            else:
                reply(self)
        except ConnectionError:
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.head(status, **{"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def cut(self) -> None:
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or refuses our certificate, is part of the play."""


@dataclass(frozen=True)
class Seen:
    path: str
    headers: dict[str, str]


@dataclass
class MediaServer:
    replies: dict[str, Reply] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> MediaServer:
        self._server = Listener(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined]
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, path: str, reply: Reply | bytes, *, etag: str | None = None, modified: str | None = None) -> str:
        """Serve a body, or let `reply` answer, at `path`; gives the URL."""
        self.replies[path] = file_reply(reply, etag, modified) if isinstance(reply, bytes) else reply
        return self.url + path

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.requests if seen.path.split("?")[0] == path]


def file_reply(body: bytes, etag: str | None, modified: str | None) -> Reply:
    """A well-behaved file: validators, conditional requests and ranges."""

    def reply(request: Request) -> None:
        headers = {name: value for name, value in (("ETag", etag), ("Last-Modified", modified)) if value}
        asked = request.headers
        if etag and asked["If-None-Match"] == etag:
            request.head(304, **headers)
        elif asked["Range"] and asked["If-Range"] in (etag, modified):
            start = int(asked["Range"].removeprefix("bytes=").removesuffix("-"))
            part = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            request.answer(206, body[start:], **headers, **part)
        else:
            request.answer(200, body, **headers)

    return reply
