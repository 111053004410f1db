"""The door from request to acknowledgement (reliability catalogue, groups I, J, K and M)."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.serve.door import NOW, SECRET, SITE, Answer, Door, ask, door, hook, request, running
from tests.serve.vectors import POLY
from velobuild.errors import ConfigError, OutputError
from velobuild.serve.dialects import LARGE, SMALL
from velobuild.serve.events import Event, Letter
from velobuild.serve.logs import Redacting
from velobuild.serve.queue import Queue
from velobuild.serve.receiver import LARGE_AT_ONCE
from velobuild.serve.webhook_samples import Sample, body, headers


def test_an_event_is_on_the_disk_before_it_is_acknowledged_and_then_its_site_is_woken(tmp_path: Path) -> None:
    """I1."""

    async def go() -> None:
        async with door(tmp_path) as open_:
            assert await open_.deliver("post.updated", post_id="p1", slug="soup") == 202
            assert open_.woken == [SITE]
            with sqlite3.connect(tmp_path / "queue.db") as other:
                assert other.execute("SELECT kind, post_id, slug FROM events").fetchall() == [
                    ("post.updated", "p1", "soup")
                ]
            other.close()

    asyncio.run(go())


def test_replies_tell_nothing(tmp_path: Path) -> None:
    async def go() -> list[Answer]:
        async with door(tmp_path) as open_:
            sample = Sample("velocms", "post.updated", "d", NOW, "p1")
            raw = body(sample)
            good = [(name.encode(), value.encode()) for name, value in headers(sample, SECRET, raw).items()]
            return [
                await ask(open_.receiver, good, [raw]),
                await ask(open_.receiver, good, [raw + b" "]),
                await ask(open_.receiver, [], [raw]),
                await ask(open_.receiver, good, [raw], path="/hooks/other"),
                await ask(open_.receiver, good, [raw], method="GET"),
            ]

    answers = asyncio.run(go())
    assert [answer.status for answer in answers] == [202, 401, 401, 404, 405]
    assert {answer.body for answer in answers} == {b""}
    assert answers[1].headers == {b"content-length": b"0"}
    assert {name for answer in answers for name in answer.headers} == {b"content-length", b"connection", b"allow"}


@pytest.mark.parametrize(
    "path", ["/", "/hooks", "/hooks/", "/hooks/blog/", "//hooks/blog", "/hooks//blog", "/hooks/Blog", "/x"]
)
def test_other_paths_are_404_even_when_signed(tmp_path: Path, path: str) -> None:
    """J5."""

    async def go() -> int:
        async with door(tmp_path) as open_:
            sample = Sample("velocms", "post.updated", "d", NOW, "p1")
            status = await open_.post(headers(sample, SECRET, body(sample)), body(sample), path)
            assert open_.queue.counts() == {}
            return status

    assert asyncio.run(go()) == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_405(tmp_path: Path, method: str) -> None:
    """J5."""

    async def go() -> Answer:
        async with door(tmp_path) as open_:
            return await ask(open_.receiver, [], [b""], method=method)

    answer = asyncio.run(go())
    assert (answer.status, answer.headers[b"allow"]) == (405, b"POST")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b'{"event":"post.updated"}',
        b'{"event":7,"payload":{}}',
        b'{"event":"post.updated","payload":{"post_id":{}}}',
        b'{"event":"post.updated","payload":{"post_id":"\\ud800"}}',
        b"[" * 60_000,
        b'{"a":NaN}',
        b'{"event":' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_authentic_and_of_no_use_is_taken_kept_apart_and_asks_for_one_look_at_all(
    tmp_path: Path, raw: bytes
) -> None:
    """I8: a 4xx would count towards the sender's giving up."""

    async def go() -> None:
        async with door(tmp_path) as open_:
            for _ in range(3):
                assert await open_.deliver(raw=raw) == 202
            (event,) = open_.queue.take(SITE)
            assert (event.kind, event.post_id, event.slug) == ("reconcile", None, None)
            dead = open_.queue.dead(SITE)
            assert [letter.body for letter in dead] == [raw] * 3
            assert all(letter.why for letter in dead)
            assert open_.receiver.seen(SITE).unusable == 3

    asyncio.run(go())


def test_control_the_same_bodies_unsigned_leave_no_trace(tmp_path: Path) -> None:
    async def go() -> None:
        async with door(tmp_path) as open_:
            assert await open_.deliver(raw=b"{", secret="x" * 20) == 401
            assert open_.queue.counts() == {}

    asyncio.run(go())


def test_a_ping_is_taken_shown_and_never_built(tmp_path: Path) -> None:
    """K8."""

    async def go() -> None:
        async with door(tmp_path) as open_:
            assert await open_.deliver("test.ping") == 202
            assert open_.receiver.seen(SITE).ping_at == NOW
            assert open_.queue.pending(SITE) == 0
            assert [kept.event.kind for kept in open_.queue.recent(SITE, 10)] == ["ping"]

    asyncio.run(go())


def test_an_unknown_event_is_taken_logged_once_a_type_and_no_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """K7."""

    async def go() -> None:
        async with door(tmp_path) as open_:
            for number in range(20):
                assert await open_.deliver("order.paid", post_id=str(number)) == 202
            assert await open_.deliver("order.sent") == 202
            assert open_.queue.pending(SITE) == 0

    asyncio.run(go())
    assert [record.getMessage() for record in caplog.records] == [
        "events `'order.paid'` need no build",
        "events `'order.sent'` need no build",
    ]


def test_the_log_says_of_which_site_a_delivery_was_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        async with door(tmp_path) as open_:
            assert await open_.deliver(secret="x" * 20) == 401

    asyncio.run(go())
    (line,) = [Redacting("text", lambda: ()).format(record) for record in caplog.records]
    assert line.endswith("warning refused a delivery: the signature is not that of any secret site=blog")


def test_what_a_log_says_of_an_event_cannot_forge_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        async with door(tmp_path) as open_:
            await open_.deliver(raw=b'{"event":"x\\u001b[31m\\nERROR all is lost","payload":{}}')
            await open_.deliver(raw=b'{"event":"x\\u202eevil","payload":{}}')

    asyncio.run(go())
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_a_delivery_for_another_tenant_is_taken_ignored_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """K9."""

    async def go() -> None:
        async with door(tmp_path, hook(tenant_id="ours")) as open_:
            for tenant, pending in (("theirs", 0), ("ours", 1)):
                raw = json.dumps(
                    {"event": "post.updated", "payload": {"post_id": tenant, "tenant_id": tenant}}
                ).encode()
                assert await open_.deliver(raw=raw) == 202
                assert open_.queue.pending(SITE) == pending
            assert await open_.deliver("post.updated", post_id="unnamed") == 202
            assert open_.queue.pending(SITE) == 2

    asyncio.run(go())
    assert "another tenant" in caplog.text


def test_an_unknown_post_is_taken_like_any_other(tmp_path: Path) -> None:
    """K3: whether there is anything to do is decided where the posts are known."""

    async def go() -> int:
        async with door(tmp_path) as open_:
            return await open_.deliver("post.deleted", post_id="never-seen")

    assert asyncio.run(go()) == 202


def test_a_comment_is_left_to_the_build_to_judge(tmp_path: Path) -> None:
    """K8: whether the theme shows comments is not the door's business."""

    async def go() -> list[str]:
        async with door(tmp_path) as open_:
            await open_.deliver("comment.received", post_id="p1")
            return [event.kind for event in open_.queue.take(SITE)]

    assert asyncio.run(go()) == ["comment.changed"]


def test_an_entry_that_is_no_post_may_be_shown_anywhere_so_all_is_looked_at(tmp_path: Path) -> None:
    """CometCMS's collections have the names that their owner gave them: here posts are `blogpost`."""

    async def go() -> list[tuple[str, str | None, str | None]]:
        async with door(tmp_path, hook("cometcms", collections=frozenset({"blogpost"}))) as open_:
            for collection in ("blogpost", "posts", "tags"):
                sample = Sample("cometcms", "post.updated", "d", NOW, f"of-{collection}", "soup", collection=collection)
                raw = body(sample)
                assert await open_.post(headers(sample, SECRET, raw), raw) == 202
            return [(event.kind, event.post_id, event.slug) for event in open_.queue.take(SITE)]

    assert asyncio.run(go()) == [
        ("post.updated", "of-blogpost", "soup"),
        ("reconcile", None, None),
        ("reconcile", None, None),
    ]


def test_a_delivery_is_judged_by_the_dialect_of_its_header_and_by_no_other(tmp_path: Path) -> None:
    async def go() -> list[int]:
        async with door(tmp_path, hook("velocms", "polycms")) as open_:
            sample = Sample("polycms", "post.updated", "d", NOW, "7", "soup")
            raw = body(sample)
            good = headers(sample, SECRET, raw)
            both = {**good, "X-VeloCMS-Signature": "v1=" + "0" * 64, "X-VeloCMS-Timestamp": "1714140000"}
            comet = Sample("cometcms", "post.updated", "d", NOW, "7", "soup")
            return [
                await open_.post(good, raw),
                await open_.post(both, raw),
                await open_.post(headers(comet, SECRET, body(comet)), body(comet)),
            ]

    assert asyncio.run(go()) == [202, 401, 401]


def test_an_unknown_dialect_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError) as caught:
        hook("morse")
    assert caught.value.code == "VB1101"


# --- size


async def sized(open_: Door, dialect: str, announced: int | None, chunks: list[bytes]) -> int:
    """The status; what is left of `chunks` was never asked for."""
    name = {"velocms": b"x-velocms-signature", "polycms": b"x-polycms-signature"}[dialect]
    pairs = [(name, b"0" * 64), (b"x-velocms-timestamp", b"1714140000")]
    pairs.append((b"transfer-encoding", b"chunked") if announced is None else (b"content-length", b"%d" % announced))
    return (await ask(open_.receiver, pairs, chunks)).status


@pytest.mark.parametrize(
    ("dialect", "size", "expected"),
    [
        ("velocms", SMALL, 401),
        ("velocms", SMALL + 1, 413),
        ("velocms", 10_000_000_000, 413),
        ("polycms", LARGE, 401),
        ("polycms", LARGE + 1, 413),
    ],
)
def test_a_body_that_is_announced_as_too_large_is_not_read(
    tmp_path: Path, dialect: str, size: int, expected: int
) -> None:
    """J2: 413 comes before the first byte of the body."""

    async def go() -> int:
        async with door(tmp_path, hook("velocms", "polycms")) as open_:
            unread = [b"never wanted"]
            status = await sized(open_, dialect, size, unread)
            assert unread == ([] if expected == 401 else [b"never wanted"])
            return status

    assert asyncio.run(go()) == expected


def test_endless_chunks_end_at_the_limit(tmp_path: Path) -> None:
    """J2."""

    async def go() -> tuple[int, int]:
        async with door(tmp_path, hook("velocms", "polycms")) as open_:
            piece = b"x" * 10_000
            return await sized(open_, "velocms", None, [piece] * 7), await sized(open_, "polycms", None, [piece] * 420)

    assert asyncio.run(go()) == (413, 413)


def test_a_large_body_is_taken_where_the_dialect_has_large_ones(tmp_path: Path) -> None:
    model = {"id": 7, "slug": "hello", "content": "x" * 3_000_000}

    async def go() -> int:
        async with door(tmp_path, hook("polycms")) as open_:
            raw = json.dumps({"hook": "post.saved", "args": [model]}).encode()
            sample = Sample("polycms", "post.updated", "d", NOW)
            pairs = [(name.encode(), value.encode()) for name, value in headers(sample, SECRET, raw).items()]
            pairs.append((b"content-length", b"%d" % len(raw)))
            pieces = [raw[start : start + 65536] for start in range(0, len(raw), 65536)]
            return (await ask(open_.receiver, pairs, pieces)).status

    assert asyncio.run(go()) == 202


def test_only_a_few_large_bodies_are_in_memory_at_a_time_and_small_ones_do_not_wait_for_them(tmp_path: Path) -> None:
    """INV6: a thousand peers with 4 MB each would be 4 GB."""

    async def go() -> None:
        async with door(tmp_path, hook("polycms")) as open_:
            reading: list[int] = []
            hold = asyncio.Event()

            async def slow(number: int) -> None:
                pieces = iter([b"x" * 65536, b"x" * 65536])

                async def receive() -> dict[str, Any]:
                    piece = next(pieces, None)
                    if piece is None:
                        reading.append(number)
                        await hold.wait()
                        return {"type": "http.disconnect"}
                    return {"type": "http.request", "body": piece, "more_body": True}

                async def send(message: Any) -> None:
                    raise AssertionError("nobody is there to be answered")

                pairs = [(b"x-polycms-signature", b"0" * 64), (b"content-length", b"4000000")]
                scope = {"type": "http", "method": "POST", "path": "/hooks/blog", "headers": pairs}
                await open_.receiver(scope, receive, send)

            tasks = [asyncio.create_task(slow(number)) for number in range(20)]
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(reading) == LARGE_AT_ONCE
            assert await open_.post(POLY.headers, POLY.body) == 202
            hold.set()
            await asyncio.gather(*tasks)
            assert len(reading) == 20

    asyncio.run(go())


def test_a_sender_that_leaves_in_mid_body_leaves_no_event_and_one_that_leaves_after_it_leaves_one(
    tmp_path: Path,
) -> None:
    """J9."""
    whole = request(1)
    with running(tmp_path) as server:
        with server.connect() as peer:
            peer.sendall(request(2)[:-5])
        with server.connect() as peer:
            peer.sendall(whole)
        deadline = time.monotonic() + 10
        queue = server.queue()
        while not queue.pending(SITE):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert server.post(3) == 202
        assert [event.post_id for event in queue.take(SITE)] == ["p1", "p3"]
        queue.close()


# --- the disk


class Refusing:
    """A queue whose disk is full while it is told so."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.full = True

    def keep(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> None:
        if self.full:
            raise OutputError("the disk is full", code="VB6001")
        self.queue.keep(events, letters)

    def close(self) -> None:
        self.queue.close()


def test_a_full_disk_is_503_and_what_was_missed_is_looked_for_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """M1: the sender tries again, and if it does not, one reconciliation makes up for it."""

    async def go() -> None:
        queue = Queue(tmp_path / "queue.db", lambda: NOW)
        disk = Refusing(queue)
        async with door(tmp_path, queue=disk) as open_:
            assert await open_.deliver(post_id="p1") == 503
            assert await open_.deliver(post_id="p2") == 503
            assert open_.woken == []
            assert open_.receiver.seen(SITE).accepted == 0
            disk.full = False
            assert await open_.deliver(post_id="p3") == 202
            assert [(event.kind, event.post_id) for event in queue.take(SITE)] == [
                ("post.updated", "p3"),
                ("reconcile", None),
            ]
            # One reconciliation pays for all of it.
            assert await open_.deliver(post_id="p4") == 202
            assert [event.post_id for event in queue.take(SITE)] == ["p4"]

    asyncio.run(go())
    assert "deliveries cannot be kept: the disk is full" in caplog.text


def test_the_debt_is_paid_even_if_no_further_delivery_comes(tmp_path: Path) -> None:
    async def go() -> None:
        queue = Queue(tmp_path / "queue.db", lambda: NOW)
        disk = Refusing(queue)
        async with door(tmp_path, queue=disk, try_again_s=0.05) as open_:
            assert await open_.deliver(post_id="p1") == 503
            disk.full = False
            deadline = time.monotonic() + 10
            while not open_.woken:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            assert [event.kind for event in queue.take(SITE)] == ["reconcile"]
            assert open_.woken == [SITE]

    asyncio.run(go())


def test_a_disk_that_takes_long_is_503_before_the_sender_gives_up(tmp_path: Path) -> None:
    """M13: and what it then does keep is no harm."""

    class Slow(Refusing):
        def keep(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> None:
            assert free.wait(20)
            self.queue.keep(events, letters)

    free = threading.Event()

    async def go() -> None:
        queue = Queue(tmp_path / "queue.db", lambda: NOW)
        async with door(tmp_path, queue=Slow(queue), patience_s=0.2) as open_:
            began = time.monotonic()
            assert await open_.deliver(post_id="p1") == 503
            assert time.monotonic() - began < 5
            # The event loop was free all the time.
            assert await open_.post({}, b"") == 401
            free.set()
            await open_.receiver.close()
            assert queue.pending(SITE) == 1

    asyncio.run(go())


def test_many_deliveries_share_one_flush(tmp_path: Path) -> None:
    class Counting(Refusing):
        commits = 0

        def keep(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> None:
            self.commits += 1
            time.sleep(0.005)
            self.queue.keep(events, letters)

    async def go() -> tuple[int, int]:
        queue = Queue(tmp_path / "queue.db", lambda: NOW)
        disk = Counting(queue)
        async with door(tmp_path, queue=disk) as open_:
            answers = await asyncio.gather(*(open_.deliver(post_id=f"p{number}") for number in range(500)))
            assert set(answers) == {202}
            return disk.commits, queue.pending(SITE)

    commits, pending = asyncio.run(go())
    assert pending == 500
    assert commits <= 3


def test_old_deliveries_of_a_raw_dialect_are_known_by_the_time_in_their_body(tmp_path: Path) -> None:
    async def go() -> list[int]:
        async with door(tmp_path) as open_:
            return [
                await open_.deliver(variant="raw", slug="soup", sent_at=NOW + timedelta(seconds=late))
                for late in (-301, -299, 0, 299, 301)
            ]

    assert asyncio.run(go()) == [401, 202, 202, 202, 401]


def test_a_time_that_is_none_asks_for_a_look_at_all(tmp_path: Path) -> None:
    async def go() -> list[str]:
        async with door(tmp_path) as open_:
            for time_ in (b'"soon"', b"true", b"[]", b'"2026-02-30T00:00:00Z"', b'"2026-02-20T00:00:00"'):
                raw = b'{"event":"post.updated","timestamp":' + time_ + b',"data":{"slug":"x"}}'
                assert await open_.deliver(raw=raw, variant="raw") == 202
            return [event.kind for event in open_.queue.take(SITE)]

    assert asyncio.run(go()) == ["reconcile"]
