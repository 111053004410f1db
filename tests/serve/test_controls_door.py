"""The controls of the door: what happens where one of its defences is missing."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.serve.door import NOW, SITE, Door, Running, door, exchange, hook, request, running
from velobuild.serve.events import Event, Letter
from velobuild.serve.queue import Queue
from velobuild.serve.queue_commit import GroupCommit
from velobuild.serve.receiver import Receiver, SiteHook
from velobuild.serve.webhook import Dialect, Headers, Reading

SIGNED = "X-VeloCMS-Signature: " + "a" * 64 + "\r\n"
FILES = 100


# --- J2: large bodies


def test_control_j2_a_door_without_a_limit_waits_for_ten_gigabytes_and_holds_what_comes(tmp_path: Path) -> None:
    """With it the first is 413 at once, and of the second 64 KB are taken."""
    head = f"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n{SIGNED}"
    with running(tmp_path, mode="boundless", body_s=60) as server:
        before = server.resident_mb
        with server.connect(timeout_s=0.5) as peer:
            peer.sendall(f"{head}Content-Length: 10000000000\r\n\r\n".encode())
            with pytest.raises(TimeoutError):
                peer.recv(1)
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        with server.connect() as peer:
            peer.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(60_000_000 // 0x4000):
                peer.sendall(chunk)
            deadline = time.monotonic() + 20
            while server.resident_mb < before + 50:
                assert time.monotonic() < deadline
                time.sleep(0.05)


# --- J9: gone before the reply


class InTheHandler(GroupCommit):
    """Keeps a delivery in the task that answers it, one after the other: with the task ends the keeping."""

    def __init__(self, queue: Any) -> None:
        super().__init__(queue, lambda site: None, lambda: NOW)
        self._turn = asyncio.Lock()

    async def keep(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> bool:
        async with self._turn:
            await asyncio.get_running_loop().run_in_executor(None, self._queue.keep, events, letters)
        return True


@dataclass
class Slow:
    """A disk on which nothing comes to rest before `free` is set."""

    queue: Queue
    free: threading.Event

    def keep(self, events: Iterable[Event], letters: Iterable[Letter] = ()) -> None:
        assert self.free.wait(20)
        self.queue.keep(events, letters)

    def close(self) -> None:
        self.queue.close()


async def kept_of_two_that_leave(folder: Path, make: Any) -> int:
    """Events on the disk after two deliveries whose handlers were ended while the disk was busy with the first."""
    disk = Slow(Queue(folder / "queue.db", lambda: NOW), threading.Event())
    async with door(folder, queue=disk) as open_:
        open_.receiver._commit = make(disk)
        tasks = [asyncio.create_task(open_.deliver(post_id=f"p{number}")) for number in range(2)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        disk.free.set()
        await open_.receiver.close()
        await asyncio.sleep(0.05)
        return disk.queue.pending(SITE)


def test_j9_a_delivery_is_kept_even_if_its_handler_ends_while_the_disk_is_busy(tmp_path: Path) -> None:
    def ours(disk: Any) -> GroupCommit:
        return GroupCommit(disk, lambda site: None, lambda: NOW)

    assert asyncio.run(kept_of_two_that_leave(tmp_path, ours)) == 2


def test_control_j9_kept_by_the_handler_itself_the_one_that_waits_is_lost(tmp_path: Path) -> None:
    assert asyncio.run(kept_of_two_that_leave(tmp_path, InTheHandler)) == 1


# --- J10: few files


def answered(server: Running) -> bool:
    """Whether a delivery is taken within a moment while 200 others hold all the connections that they are given."""
    peers: list[socket.socket] = []
    try:
        for _ in range(200):
            peers.append(server.connect())
            peers[-1].sendall(b"POST /ho")
        with suppress(TimeoutError), server.connect(timeout_s=2.5) as peer:
            return exchange(peer, request(1)).startswith(b"HTTP/1.1 202 ")
        return False
    finally:
        for one in peers:
            one.close()


def test_j10_where_few_files_may_be_open_the_oldest_peer_leaves_and_a_delivery_is_taken(tmp_path: Path) -> None:
    with running(tmp_path, files=FILES) as server:
        assert answered(server)
        queue = server.queue()
        assert queue.pending(SITE) == 1
        queue.close()
    assert "out of system resource" not in (tmp_path / "log").read_text()


def test_control_j10_a_crowd_let_in_at_once_takes_more_files_than_there_are(tmp_path: Path) -> None:
    with running(tmp_path, files=FILES, at_once=1024) as server:
        answered(server)
    assert "out of system resource" in (tmp_path / "log").read_text()


def test_control_j10_without_files_to_spare_nobody_is_let_in_while_others_wait(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 300
    with running(tmp_path, files=FILES, mode="unspared") as server:
        assert not answered(server)


# --- K7: events that nobody knows


def read_hastily(payload: Any, headers: Headers) -> Reading:
    """Whatever its name, something happened to a post."""
    return Reading("post.updated", payload["event"], post_id=payload["payload"]["post_id"])


class Hasty(SiteHook):
    """Takes events that it does not know for such of posts."""

    def dialect_of(self, headers: Headers) -> Dialect | None:
        found = SiteHook.dialect_of(self, headers)
        return None if found is None else replace(found, read=read_hastily)


class Talkative(Receiver):
    """Says the same as often as it happens."""

    def _log_once(self, site: str, line: str) -> None:
        self._events_logged.clear()
        super()._log_once(site, line)


async def orders(open_: Door) -> int:
    """What is to be built after twenty orders were paid in a shop that the site does not show."""
    for number in range(20):
        assert await open_.deliver("order.paid", post_id=str(number)) == 202
    return open_.queue.pending(SITE)


def test_control_k7_taken_for_news_of_a_post_each_unknown_event_is_work(tmp_path: Path) -> None:
    async def go() -> int:
        made = hook()
        async with door(tmp_path, Hasty(made.dialects, made.secrets)) as open_:
            return await orders(open_)

    assert asyncio.run(go()) == 20


def test_control_k7_without_a_memory_of_the_types_each_event_is_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> int:
        async with door(tmp_path) as open_:
            open_.receiver.__class__ = Talkative
            return await orders(open_)

    assert asyncio.run(go()) == 0
    assert len(caplog.records) == 20


# --- K9: another tenant


def test_control_k9_where_no_tenant_is_named_anothers_events_are_work(tmp_path: Path) -> None:
    async def go() -> int:
        async with door(tmp_path) as open_:
            raw = json.dumps({"event": "post.updated", "payload": {"post_id": "p", "tenant_id": "theirs"}}).encode()
            assert await open_.deliver(raw=raw) == 202
            return open_.queue.pending(SITE)

    assert asyncio.run(go()) == 1
