"""A VeloCMS-like API on a real socket that can be told to misbehave, request by request.

A healthy server shows none of the faults that a builder must survive, so here they are scripted: cut answers, wrong
lengths, stalls, drips, redirects, HTML where JSON should be, content that changes between two pages. It records every
request that arrives, byte for byte, and how often its own rate limit was exceeded.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

LATE_S = 20.0
Mode = Literal["whole", "cut", "stall", "drip", "reset", "nothing", "raw"]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at: float
    number: int


@dataclass(frozen=True)
class Reply:
    """`mode`: whole; cut (the body ends after `cut` bytes and the connection closes); stall (after `cut` bytes nothing
    follows); drip (one byte every 50 ms); reset; nothing (closed without an answer); raw (only `body` is sent).
    """

    status: int = 200
    body: bytes | Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = "whole"
    cut: int = 10
    length: int | Literal["true"] | None = "true"
    keep: bool = False

    @property
    def bytes_(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def error(status: int, code: str, message: str = "said so", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"error": {"code": code, "message": message}}, named)


@dataclass
class Fault:
    """Applies to the first `times` requests whose path ends in `path` (and whose query holds `query`)."""

    reply: Reply | Callable[[Request], Reply | None]
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    times: int = 1_000_000
    skip: int = 0

    def applies(self, request: Request) -> bool:
        if not request.path.endswith(self.path) or any(request.query.get(k) != v for k, v in self.query.items()):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times <= 0:
            return False
        self.times -= 1
        return True


def post(number: int, **changes: Any) -> dict[str, Any]:
    """A published post as the API gives it singly."""
    made = {
        "id": f"post{number:011d}",
        "title": f"Post {number}",
        "slug": f"post-{number}",
        "status": "published",
        "excerpt": None,
        "tags": ["bread"],
        "published_at": f"2026-05-{number % 28 + 1:02d}T10:00:00.000Z",
        "created": "2026-04-01 09:12:44.120Z",
        "updated": f"2026-05-{number % 28 + 1:02d} 10:00:00.{number % 1000:03d}Z",
        "content_html": f"<p>Body {number}</p>",
        "content_json": {"type": "doc"},
        "seo_title": None,
    }
    return made | changes


class StandIn:
    """Contents, faults and records of one server. `with StandIn() as cms:` starts it on a free port."""

    def __init__(self, *, posts: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.posts: dict[str, dict[str, Any]] = {p["id"]: p for p in (post(n) for n in range(posts))}
        self.media: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = {"id": "s1", "site_name": "Salt & Water", "comments_enabled": True}
        self.faults: list[Fault] = []
        self.before: Callable[[Request], None] = lambda request: None
        self.requests: list[Request] = []
        self.tokens = {"velo_good"}
        self.per_page_max = 100
        self.list_bodies = False
        self.ignore_status = False
        self.extra_headers: dict[str, str] = {}
        self.limit: tuple[int, float] | None = None
        self.refuses = True
        self.violations = 0
        self._times: deque[float] = deque()
        self._context = context
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    @property
    def site(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.site}/api/v1"

    def fault(self, reply: Reply | Callable[[Request], Reply | None], path: str = "", **limits: Any) -> None:
        self.faults.append(Fault(reply, path, **limits))

    def count(self, ending: str) -> int:
        return sum(request.path.endswith(ending) for request in self.requests)

    def bodies(self) -> Counter[str]:
        """How often each post was asked for singly."""
        return Counter(r.path.rsplit("/", 1)[1] for r in self.requests if "/posts/" in r.path)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        # Closing a listening socket does not wake its accept everywhere; a last connection does.
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stop.is_set():
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(LATE_S)
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                with connection:
                    while self._answer_one(connection):
                        pass
        except OSError:
            return

    def _answer_one(self, connection: socket.socket) -> bool:
        raw = b""
        while b"\r\n\r\n" not in raw:
            part = connection.recv(65536)
            if not part:
                return False
            raw += part
        head, *lines = raw.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, _ = head.split(" ")
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        with self._lock:
            request = Request(method, url.path, query, headers, time.monotonic(), len(self.requests))
            self.requests.append(request)
            self.before(request)
            reply = self._limited() or self._fault(request) or self._healthy(request)
        return self._send(connection, reply)

    def _fault(self, request: Request) -> Reply | None:
        for fault in self.faults:
            if fault.applies(request):
                return fault.reply(request) if callable(fault.reply) else fault.reply
        return None

    def _limited(self) -> Reply | None:
        if self.limit is None:
            return None
        calls, window_s = self.limit
        now = time.monotonic()
        while self._times and self._times[0] <= now - window_s:
            self._times.popleft()
        if len(self._times) >= calls:
            self.violations += 1
            if self.refuses:
                return error(429, "RATE_LIMITED")
        self._times.append(now)
        return None

    def _healthy(self, request: Request) -> Reply:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return error(401, "UNAUTHORIZED")
        _, _, rest = request.path.partition("/api/v1/")
        match rest.split("/"):
            case ["posts"]:
                listed = [self._summary(p) for p in self.posts.values() if self._listed(p, request)]
                return self._page(listed, request)
            case ["posts", id]:
                found = self.posts.get(id)
                return Reply(200, found, self.extra_headers) if found else error(404, "NOT_FOUND")
            case ["media"]:
                return self._page(self.media, request)
            case ["comments"]:
                return self._page(self.comments, request)
            case ["site-settings"]:
                return Reply(200, self.settings, self.extra_headers)
            case _:
                return error(404, "NOT_FOUND")

    def _listed(self, item: Mapping[str, Any], request: Request) -> bool:
        wanted = request.query.get("status")
        return self.ignore_status or wanted is None or item.get("status") == wanted

    def _summary(self, item: Mapping[str, Any]) -> dict[str, Any]:
        if self.list_bodies:
            return dict(item)
        return {name: value for name, value in item.items() if not name.startswith(("content_", "seo_"))}

    def _page(self, items: list[dict[str, Any]], request: Request) -> Reply:
        per_page = min(int(request.query.get("per_page", "20")), self.per_page_max)
        page = int(request.query.get("page", "1"))
        body = {
            "page": page,
            "per_page": per_page,
            "total": len(items),
            "total_pages": -(-len(items) // per_page),
            "items": items[(page - 1) * per_page : page * per_page],
        }
        return Reply(200, body, self.extra_headers)

    def _send(self, connection: socket.socket, reply: Reply) -> bool:
        body = reply.bytes_
        if reply.mode == "nothing":
            return False
        if reply.mode == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if reply.mode == "raw":
            connection.sendall(body)
            return False
        headers = {"Content-Type": "application/json"} | dict(reply.headers)
        if reply.length is not None:
            headers["Content-Length"] = str(len(body) if reply.length == "true" else reply.length)
        else:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {reply.status} So\r\n{lines}\r\n".encode("latin-1")
        if reply.mode == "drip":
            for byte in head + body:
                if self._stop.wait(0.05):
                    return False
                connection.sendall(bytes([byte]))
            return True
        if reply.mode in ("cut", "stall"):
            connection.sendall(head + body[: reply.cut])
            if reply.mode == "stall":
                self._stop.wait(LATE_S)
            return False
        connection.sendall(head + body)
        return reply.keep or reply.length == "true"


@dataclass
class FakeTime:
    """A clock that moves only when someone sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


def together(arguments: list[str], count: int) -> list[str]:
    """Start so many equal processes, let all go at once when each has said "ready", and return what they print then."""
    running = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
        for _ in range(count)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [line for process in running for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in running] == [0] * count
    return lines
