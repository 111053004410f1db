"""How many signed deliveries a second the door for webhooks keeps, and how it fares while slow peers hold it.

    .venv/bin/python benchmarks/webhooks.py            the whole run, about 110 s
    .venv/bin/python benchmarks/webhooks.py --quick    a few seconds of each, for a look
    .venv/bin/python benchmarks/webhooks.py --rate N   so many deliveries a second in the paced run, in place of 3,000

Over 64 connections two loads are put on it. Saturated, every connection sends its next delivery as soon as the last
one was answered: how many go through, and the time of each is then 64 divided by that. Paced, so many are due in each
second whatever becomes of those before; the time of each counts from when it was due, so that it includes any wait for
a free connection.

The server, the load and the slow peers are processes of their own on this machine; every delivery is signed, differs
from all others, and is answered when it is on the disk. Nothing is built.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from velobuild.config.schema import Secret
from velobuild.model.ports import utc_now
from velobuild.serve.accepting import Server, configured, connections_allowed
from velobuild.serve.guard import Guard, Limits
from velobuild.serve.queue import Queue
from velobuild.serve.receiver import SiteHook, application
from velobuild.serve.webhook_samples import Sample, body, headers

SECRET = "velobuild-test-secret"
CONNECTIONS = 64
SLOW = 1_000


# --- the server


def serve(folder: Path) -> None:
    queue = Queue(folder / "queue.db", utc_now)
    hook = SiteHook(("velocms",), (Secret(SECRET),))
    app = application({"blog": hook}, queue, lambda site: None, utc_now)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    (folder / "port").write_text(str(listener.getsockname()[1]))
    guard = Guard(Limits(connections=connections_allowed(1_000)))
    Server(configured(app, guard)).run(sockets=[listener])


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """(port, pid) of a server that keeps its queue in `folder`."""
    command = [sys.executable, __file__, "--serve", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (folder / "port").is_file() or not (folder / "port").read_text():
            assert process.poll() is None, "the server did not start"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)
        yield int((folder / "port").read_text()), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def processor_s(pid: int) -> float:
    """Processor time of the process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the load


def delivery(number: int) -> bytes:
    """A whole request, ready to be sent."""
    sample = Sample("velocms", "post.updated", f"d{number}", utc_now(), f"p{number:012d}", f"post-{number}")
    content = body(sample)
    lines = [f"{name}: {value}" for name, value in headers(sample, SECRET, content).items()]
    head = ["POST /hooks/blog HTTP/1.1", "Host: x", *lines, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(head).encode() + content


class Sender(asyncio.Protocol):
    """One connection; it asks its rig what to send next when the last delivery was answered."""

    transport: asyncio.Transport

    def __init__(self, rig: Load) -> None:
        self.rig = rig

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rig.free(self)

    def send(self, due: float | None = None) -> None:
        self.rig.number += 1
        request = delivery(self.rig.number)
        self.sent = due or time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        took = time.perf_counter() - self.sent
        assert data.startswith(b"HTTP/1.1 202"), data
        self.rig.took.append(took)
        self.rig.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.rig.open -= 1
        if exc is not None:
            self.rig.lost += 1
        if not self.rig.open:
            self.rig.over.set()


class Load:
    """Saturated, or paced at `rate` deliveries a second."""

    def __init__(self, connections: int, seconds: float, rate: int | None = None) -> None:
        self.open = connections
        self.connections = connections
        self.seconds = seconds
        self.rate = rate
        self.took: list[float] = []
        self.number = 0
        self.lost = 0
        self.over = asyncio.Event()
        self._waiting: deque[Sender] = deque()

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.until = time.perf_counter() + self.seconds
        for _ in range(self.connections):
            await loop.create_connection(partial(Sender, self), "127.0.0.1", port)
        if self.rate is not None:
            await self._pace(self.rate)
        await self.over.wait()

    def free(self, sender: Sender) -> None:
        """The sender has nothing to wait for."""
        if time.perf_counter() > self.until:
            sender.transport.close()
        elif self.rate is None:
            sender.send()
        else:
            self._waiting.append(sender)

    async def _pace(self, rate: int) -> None:
        began, due = time.perf_counter(), 0
        while (now := time.perf_counter()) < self.until:
            while self._waiting and began + due / rate <= now:
                self._waiting.popleft().send(began + due / rate)
                due += 1
            await asyncio.sleep(0.0005)
        for sender in self._waiting:
            sender.transport.close()


def share(values: list[float], part: float) -> float:
    """The value below which `part` of them lie, in ms."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000


def load(folder: Path, connections: int, seconds: float, rate: int | None = None) -> dict[str, object]:
    with server(folder) as (port, pid):
        rig = Load(connections, seconds, rate)
        before = processor_s(pid)
        asyncio.run(rig.run(port))
        used = processor_s(pid) - before
        resident = resident_mb(pid, "VmHWM")
    with sqlite3.connect(folder / "queue.db") as database:
        (kept,) = database.execute("SELECT count(*) FROM events").fetchone()
    assert kept == len(rig.took) == rig.number - rig.lost, (kept, len(rig.took), rig.number)
    return {
        "connections": connections,
        "wanted_per_second": rate or "as many as go through",
        "deliveries": len(rig.took),
        "per_second": round(len(rig.took) / seconds),
        "median_ms": round(share(rig.took, 0.5), 2),
        "p99_ms": round(share(rig.took, 0.99), 2),
        "worst_ms": round(max(rig.took) * 1000, 2),
        "lost": rig.lost,
        "processor_us_each": round(used / len(rig.took) * 1e6),
        "resident_peak_mb": round(resident, 1),
    }


# --- slow peers


BEGINNINGS = (
    b"",
    b"POST /hooks/blog HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"POST /hooks/blog HTTP/1.1\r\nHost: x\r\nX-VeloCMS-Signature: " + b"a" * 64 + b"\r\nContent-Length: 1000\r\n\r\n{",
)


class Slow(asyncio.Protocol):
    """A connection that begins a request and goes on by a byte a second."""

    transport: asyncio.Transport

    def __init__(self, holder: Holder, number: int) -> None:
        self.holder = holder
        self.number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.holder.open.add(transport)
        transport.write(BEGINNINGS[self.number % len(BEGINNINGS)])

    def connection_lost(self, exc: Exception | None) -> None:
        self.holder.open.discard(self.transport)
        self.holder.closed += 1


class Holder:
    def __init__(self) -> None:
        self.open: set[asyncio.Transport] = set()
        self.closed = 0

    async def run(self, port: int) -> None:
        """Hold SLOW connections, each replaced when the server closes it; for ever."""
        connections_allowed(SLOW)
        loop = asyncio.get_running_loop()
        number = 0
        dripped = time.monotonic()
        while True:
            while len(self.open) < SLOW:
                number += 1
                await loop.create_connection(partial(Slow, self, number), "127.0.0.1", port)
                if number == SLOW:
                    print("held", flush=True)
            if time.monotonic() - dripped > 1:
                dripped = time.monotonic()
                for transport in list(self.open):
                    transport.write(b"x")
            await asyncio.sleep(0.02)


def open_sockets(pid: int) -> int:
    """How many sockets a process holds, but for those that it closes while they are counted."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += "socket:" in os.readlink(descriptor)
    return count


def hold(folder: Path, seconds: float) -> dict[str, object]:
    took: list[float] = []
    failed = 0
    with server(folder) as (port, pid):
        holder = subprocess.Popen([sys.executable, __file__, "--hold", str(port)], stdout=subprocess.PIPE)
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                request = delivery(len(took) + failed)
                began = time.perf_counter()
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as probe:
                        probe.sendall(request)
                        answer = probe.recv(1000)
                except OSError:
                    answer = b""
                took.append(time.perf_counter() - began)
                failed += not answer.startswith(b"HTTP/1.1 202")
                time.sleep(0.1)
            resident = resident_mb(pid, "VmHWM")
            sockets = open_sockets(pid)
        finally:
            holder.kill()
            holder.wait()
    return {
        "slow_connections": SLOW,
        "sockets_of_the_server": sockets,
        "seconds": seconds,
        "probes": len(took),
        "not_202": failed,
        "median_ms": round(share(took, 0.5), 2),
        "p99_ms": round(share(took, 0.99), 2),
        "resident_peak_mb": round(resident, 1),
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--rate", type=int, default=3_000)
    arguments.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--hold", type=int, help=argparse.SUPPRESS)
    wanted = arguments.parse_args()
    if wanted.serve:
        return serve(wanted.serve)
    if wanted.hold:
        return asyncio.run(Holder().run(wanted.hold))
    seconds = 3.0 if wanted.quick else 15.0
    runs: tuple[Callable[[Path], dict[str, object]], ...] = (
        partial(load, connections=CONNECTIONS, seconds=seconds),
        partial(load, connections=CONNECTIONS, seconds=seconds, rate=wanted.rate),
        partial(load, connections=1, seconds=seconds / 3),
        partial(hold, seconds=6.0 if wanted.quick else 60.0),
    )
    print(f"# {' '.join(['python', *sys.argv])}; Python {platform.python_version()}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="webhooks-") as name:
        for number, run in enumerate(runs):
            folder = Path(name) / str(number)
            folder.mkdir()
            print(json.dumps(run(folder)), flush=True)
    return None


if __name__ == "__main__":
    main()
