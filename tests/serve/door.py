"""The door for webhooks under test: asked within the process, or run as a process of its own.

python -m tests.serve.door FOLDER [KEY=VALUE ...]
KEY is a limit of the guard, `dialects`, `unix`, `mode`, `files` (how many may be open) or
`at_once` (how many connections are let in together).
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from velobuild.config.schema import Secret
from velobuild.model.ports import Clock, utc_now
from velobuild.serve.accepting import Server, configured, connections_allowed
from velobuild.serve.events import Event, Letter
from velobuild.serve.guard import Guard, Guarded, Limits
from velobuild.serve.queue import Queue
from velobuild.serve.queue_commit import GroupCommit
from velobuild.serve.receiver import Receiver, SiteHook, application
from velobuild.serve.webhook import Dialect, Headers
from velobuild.serve.webhook_samples import Sample, body, headers

SECRET = "velobuild-test-secret"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SITE = "blog"
SENT_S = 1_714_140_000
NOW = datetime.fromtimestamp(SENT_S, UTC)

Pairs = Sequence[tuple[bytes, bytes]]


def hook(*dialects: str, secrets: Sequence[str] = (SECRET,), **options: Any) -> SiteHook:
    return SiteHook(dialects or ("velocms",), tuple(Secret(secret, "the test") for secret in secrets), **options)


@dataclass
class Answer:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


async def ask(
    app: Any,
    pairs: Iterable[tuple[bytes, bytes]],
    chunks: list[bytes],
    path: str = f"/hooks/{SITE}",
    method: str = "POST",
) -> Answer:
    """One request as the server would hand it to the application, which takes the pieces of its body from `chunks`."""
    waiting = chunks
    answer = Answer()

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], dict(message["headers"])
        else:
            answer.body += message["body"]

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.lower(), value) for name, value in pairs],
    }
    await app(scope, receive, send)
    return answer


@dataclass
class Door:
    """A receiver with its queue, and what it was asked to wake."""

    receiver: Receiver
    queue: Queue
    sites: dict[str, SiteHook]
    woken: list[str]

    async def post(self, pairs: Mapping[str, str] | Pairs, body: bytes, path: str = f"/hooks/{SITE}") -> int:
        found = pairs.items() if isinstance(pairs, Mapping) else pairs
        encoded = [tuple(part.encode("latin-1") if isinstance(part, str) else part for part in pair) for pair in found]
        encoded.append((b"content-length", str(len(body)).encode()))
        answer = await ask(self.receiver, encoded, [body], path)  # type: ignore[arg-type]
        assert answer.body == b""
        return answer.status

    async def deliver(
        self, event: str = "post.updated", *, secret: str = SECRET, raw: bytes | None = None, **fields: Any
    ) -> int:
        """A signed delivery; `raw` is signed in place of the usual body."""
        sample = Sample(**{"dialect": "velocms", "event": event, "id": "dlv_1", "sent_at": NOW, **fields})
        content = body(sample) if raw is None else raw
        return await self.post(headers(sample, secret, content), content)

    @property
    def kinds(self) -> list[str]:
        return [kept.event.kind for kept in reversed(self.queue.recent(SITE, 1000)) if kept.state != "dead"]


@asynccontextmanager
async def door(
    folder: Path,
    made: SiteHook | None = None,
    *,
    clock: Clock = lambda: NOW,
    queue: Any = None,
    **patience: float,
) -> AsyncIterator[Door]:
    kept = queue or Queue(folder / "queue.db", clock)
    sites = {SITE: made or hook()}
    woken: list[str] = []
    receiver = application(sites, kept, woken.append, clock, **patience)
    try:
        yield Door(receiver, kept, sites, woken)
    finally:
        await receiver.close()
        kept.close()


# --- as a process


@dataclass(frozen=True)
class Running:
    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def connect(self, *, source: str = "127.0.0.1", timeout_s: float = 20.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout_s, source_address=(source, 0))

    def ask(self, request: bytes, timeout_s: float = 20.0) -> bytes:
        """All that comes back until the server closes or a whole reply is there."""
        with self.connect(timeout_s=timeout_s) as peer:
            return exchange(peer, request)

    def post(self, number: int = 0, **fields: Any) -> int:
        answer = self.ask(request(number, **fields))
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0

    @property
    def resident_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise LookupError("VmHWM")

    def queue(self) -> Queue:
        return Queue(self.folder / "queue.db", utc_now)


def exchange(peer: socket.socket, request: bytes) -> bytes:
    peer.sendall(request)
    return reply(peer)


def reply(peer: socket.socket) -> bytes:
    """One reply without a body, or what there is when the server closes."""
    found = b""
    while b"\r\n\r\n" not in found:
        try:
            piece = peer.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        found += piece
    return found


def request(number: int = 0, *, secret: str = SECRET, sent_at: datetime | None = None, extra: str = "") -> bytes:
    """A signed delivery that differs from every other, as bytes on the wire."""
    sample = Sample("velocms", "post.updated", f"d{number}", sent_at or utc_now(), f"p{number}", f"post-{number}")
    content = body(sample)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers(sample, secret, content).items())
    return (
        f"POST /hooks/{SITE} HTTP/1.1\r\nHost: x\r\n{lines}{extra}Content-Length: {len(content)}\r\n\r\n".encode()
        + content
    )


@contextmanager
def running(folder: Path, **options: float | str) -> Iterator[Running]:
    """The door as a process in a group of its own. `options` are limits of the guard, `mode` and `dialects`."""
    (folder / "port").unlink(missing_ok=True)
    arguments = [f"{name}={value}" for name, value in options.items()]
    log = (folder / "log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.serve.door", str(folder), *arguments],
        cwd=Path(__file__).parents[2],
        stderr=log,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (folder / "port").is_file():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the door did not open"
            time.sleep(0.01)
        yield Running(int((folder / "port").read_text()), process, folder)
    finally:
        log.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)


class Boundless(SiteHook):
    """Reads a body however large it is: what the control needs."""

    def dialect_of(self, headers: Headers) -> Dialect | None:
        found = SiteHook.dialect_of(self, headers)
        return None if found is None else replace(found, body_limit=2**50)


class Newest(Guard):
    """A guard that keeps who came first: what the control needs."""

    def joined(self, connection: Guarded) -> None:
        super().joined(connection)

    def _oldest_waiting(self) -> Guarded | None:
        return None


def lenient(protocol: type[Any]) -> type[Any]:
    """The protocol with a parser that lets two lengths pass, as older ones did."""

    class Lenient(protocol):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.parser.set_dangerous_leniencies(lenient_chunked_length=True, lenient_transfer_encoding=True)

    return Lenient


class Early(GroupCommit):
    """Acknowledges what is not on the disk yet: what the control needs."""

    async def keep(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> bool:
        async def later() -> None:
            await asyncio.sleep(0.05)
            await GroupCommit.keep(self, events, letters)

        self._late = getattr(self, "_late", set())
        task = asyncio.get_running_loop().create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return True


def main(folder: Path, options: dict[str, str]) -> None:
    mode = options.pop("mode", "good")
    unix = options.pop("unix", "")
    dialects = options.pop("dialects", "velocms").split(",")
    at_once = int(options.pop("at_once", "0"))
    if files := int(options.pop("files", "0")):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    kinds: dict[str, Callable[[str], Any]] = dict.fromkeys(("header_bytes", "headers", "connections", "per_peer"), int)
    limits = Limits(**{name: kinds.get(name, float)(value) for name, value in options.items()})
    if mode != "unspared":
        limits = replace(limits, connections=connections_allowed(limits.connections))
    queue = Queue(folder / "queue.db", utc_now)
    queue.recover()
    made = hook(*dialects)
    if mode == "boundless":
        made = Boundless(made.dialects, made.secrets)
    app = application({SITE: made}, queue, lambda site: None, utc_now)
    if mode == "early":
        app._commit = Early(queue, lambda site: None, utc_now)
    config = configured(app, (Newest if mode == "newest" else Guard)(limits))
    config.backlog = at_once or config.backlog
    if mode.startswith("plain"):
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_keep_alive=5)
    if mode.endswith("lenient"):
        config.http = lenient(HttpToolsProtocol if mode.startswith("plain") else config.http)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listeners = [listener]
    if unix:
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[1].bind(unix)
        listeners[1].listen()
    (folder / "port.new").write_text(str(listener.getsockname()[1]))
    os.replace(folder / "port.new", folder / "port")
    Server(config).run(sockets=listeners)


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:]))  # type: ignore[arg-type]
