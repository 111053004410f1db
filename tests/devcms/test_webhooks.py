"""Webhooks: what is announced, how it is signed, how it is delivered and tried again."""

from __future__ import annotations

import asyncio
import hmac
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from velobuild.devcms import DevCms, Running, processes, signature
from velobuild.devcms.admin import Admin
from velobuild.devcms.deliverer import Attempt, Deliverer, attempt, next_attempt_ms
from velobuild.errors import ConfigError

SECRET = "velobuild-test-secret"


@dataclass(frozen=True, slots=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """A webhook's other end. `answer` says with which status, or what else to do."""

    url: str
    inbox: queue.Queue[Received]
    status: int = 204


@contextmanager
def receiver(act: Callable[[BaseHTTPRequestHandler, Receiver], None] | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            end.inbox.put(Received({name.lower(): value for name, value in self.headers.items()}, body))
            if act is not None:
                act(self, end)
                return
            self.send_response(end.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    end = Receiver(f"http://127.0.0.1:{server.server_port}/hook", queue.Queue())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield end
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Fake:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        # Outbox rows carry the server's time: a second ahead, so that what was just written is due.
        self.now = datetime.now(UTC) + timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.now

    def pass_ms(self, ms: int) -> None:
        self.now += timedelta(milliseconds=ms)


def rounds(devcms: Running, clock: Fake, *waits_ms: int, timeout_s: float = 10.0) -> list[int]:
    """Look once at the start and once after each wait; returns how many deliveries were begun each time."""

    async def look() -> list[int]:
        admin = Admin(devcms.url, devcms.email, devcms.password)
        deliverer = Deliverer(admin, clock=clock, timeout_s=timeout_s)
        begun = []
        try:
            for wait_ms in (0, *waits_ms):
                clock.pass_ms(wait_ms)
                begun.append(await deliverer.send_due())
                await deliverer.settled()
        finally:
            await deliverer.close()
            admin.close()
        return begun

    return asyncio.run(look())


def received(end: Receiver) -> list[Received]:
    found = []
    while not end.inbox.empty():
        found.append(end.inbox.get())
    return found


# Signatures


def test_the_v1_signature_is_that_of_the_documents_test_vector() -> None:
    body = b'{"event":"post.published","timestamp":1714140000,"payload":{"post_id":"abc123","slug":"my-first-post"}}'
    assert signature.headers("v1", SECRET, body, 1714140000) == {
        "X-VeloCMS-Signature": "v1=bb1e267c4d7955813513332e1f5bca390031526beab849ed5f279b81c14dcd17",
        "X-VeloCMS-Timestamp": "1714140000",
    }


def test_the_raw_signature_is_that_of_the_documents_test_vector() -> None:
    body = (
        b'{"event":"post.published","timestamp":"2026-05-03T10:00:00Z","id":"dlv_01","data":{"slug":"my-first-post"}}'
    )
    assert signature.headers("raw", SECRET, body, 1) == {
        "X-VeloCMS-Signature": "c2ca0d8eddc51ecce854cac62aa1f8d16833558c130e6c32552fc3936d0f849d"
    }


def test_a_hex_secret_is_used_as_its_characters() -> None:
    secret = "ab" * 32
    expected = hmac.new(secret.encode(), b"{}", sha256).hexdigest()
    assert signature.headers("raw", secret, b"{}", 1)["X-VeloCMS-Signature"] == expected
    assert expected != hmac.new(bytes.fromhex(secret), b"{}", sha256).hexdigest()


# What is announced


def announced(devcms: Running) -> list[str]:
    return [delivery.event for delivery in devcms.deliveries()]


def test_events_are_those_that_change_what_the_public_sees(devcms: Running) -> None:
    devcms.add_webhook("http://127.0.0.1:9/")
    steps: list[tuple[str, list[str]]] = []

    def step(name: str) -> None:
        steps.append((name, announced(devcms)))
        for delivery in devcms.admin.records("webhook_deliveries"):
            devcms.admin.delete("webhook_deliveries", delivery["id"])

    id = devcms.create_post(title="Salt", status="draft")
    step("draft")
    devcms.update_post(id, title="Sea salt")
    step("draft edited")
    devcms.update_post(id, status="published")
    step("published")
    devcms.update_post(id, title="Salt again")
    step("edited")
    devcms.add_comment(id, "Lovely", status="pending")
    step("comment")
    devcms.update_post(id, status="draft")
    step("withdrawn")
    devcms.delete_post(id)
    step("draft deleted")
    devcms.delete_post(devcms.create_post(title="Short life"))
    step("made and deleted")
    assert steps == [
        ("draft", []),
        ("draft edited", []),
        ("published", ["post.published"]),
        ("edited", ["post.updated"]),
        ("comment", ["comment.received"]),
        ("withdrawn", ["post.updated"]),
        ("draft deleted", []),
        ("made and deleted", ["post.published", "post.deleted"]),
    ]


def test_a_webhook_gets_only_the_events_that_it_asked_for(devcms: Running) -> None:
    devcms.add_webhook("http://127.0.0.1:9/", ("post.deleted",))
    devcms.delete_post(devcms.create_post(title="Salt"))
    assert announced(devcms) == ["post.deleted"]
    with pytest.raises(ConfigError, match="no event"):
        devcms.add_webhook("http://127.0.0.1:9/", ("post.everything",))


def test_an_edit_in_the_dashboard_is_announced_like_any_other(devcms: Running) -> None:
    devcms.add_webhook("http://127.0.0.1:9/")
    devcms.admin.create("posts", {"title": "Salt", "slug": "salt", "status": "published"})
    assert announced(devcms) == ["post.published"]
    assert devcms.posts()[0]["published_at"] != ""


def test_both_variants_have_their_own_envelope_and_fields(devcms: Running) -> None:
    devcms.set_public_url("https://blog.example/")
    devcms.add_webhook("http://127.0.0.1:9/a", variant="v1")
    devcms.add_webhook("http://127.0.0.1:9/b", variant="raw")
    id = devcms.create_post(
        title="Salt", excerpt="How much.", tags=["pasta"], published_at="2026-05-03 10:00:00.000Z", author="Ana"
    )
    deliveries = {hook.id: hook.variant for hook in devcms.webhooks()}
    bodies = {deliveries[d.webhook_id]: (d.id, json.loads(d.body)) for d in devcms.deliveries()}
    _, v1 = bodies["v1"]
    assert (v1["event"], isinstance(v1["timestamp"], int)) == ("post.published", True)
    assert v1["payload"] == {
        "post_id": id, "title": "Salt", "slug": "salt", "published_at": "2026-05-03T10:00:00.000Z",
        "tenant_id": "tenant_dev",
    }  # fmt: skip
    delivery_id, raw = bodies["raw"]
    assert (raw["event"], raw["id"]) == ("post.published", f"dlv_{delivery_id}")
    assert datetime.fromisoformat(raw["timestamp"]).tzinfo is not None
    assert raw["data"] == {
        "slug": "salt", "title": "Salt", "url": "https://blog.example/salt", "excerpt": "How much.",
        "author": {"name": "Ana"}, "published_at": "2026-05-03T10:00:00.000Z", "tags": ["pasta"],
    }  # fmt: skip


# Delivery


def test_a_delivery_arrives_signed_and_is_not_sent_again(devcms: Running) -> None:
    clock = Fake()
    with receiver() as end:
        secret = devcms.add_webhook(end.url)
        devcms.create_post(title="Salt")
        assert rounds(devcms, clock, 60_000) == [1, 0]
        (got,) = received(end)
    sent_at = got.headers["x-velocms-timestamp"]
    signed = b"v1:" + sent_at.encode() + b":" + got.body
    assert got.headers["x-velocms-signature"] == "v1=" + hmac.new(secret.encode(), signed, sha256).hexdigest()
    assert got.headers["content-type"] == "application/json"
    assert abs(int(sent_at) - clock.now.timestamp()) < 62
    (delivery,) = devcms.deliveries()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 204)
    assert got.body.decode() == delivery.body


def test_a_failed_delivery_is_tried_again_after_one_two_and_four_seconds(devcms: Running) -> None:
    clock = Fake()
    with receiver() as end:
        end.status = 500
        devcms.add_webhook(end.url, variant="raw")
        devcms.create_post(title="Salt")
        begun = rounds(devcms, clock, 999, 1, 1999, 1, 3999, 1, 600_000)
        bodies = {got.body for got in received(end)}
    assert begun == [1, 0, 1, 0, 1, 0, 1, 0]
    assert len(bodies) == 1, "each attempt carries the same bytes, so that a receiver can tell a repetition"
    (delivery,) = devcms.deliveries()
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("failed", 4, "answered 500")
    assert devcms.webhooks()[0].failures_in_a_row == 1


def test_a_retry_that_gets_through_ends_the_failure(devcms: Running) -> None:
    clock = Fake()
    with receiver() as end:
        end.status = 503
        devcms.add_webhook(end.url)
        devcms.create_post(title="Salt")
        rounds(devcms, clock)
        end.status = 200
        rounds(devcms, clock, 1000)
    (delivery,) = devcms.deliveries()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert devcms.webhooks()[0].failures_in_a_row == 0


def test_five_failed_deliveries_in_a_row_switch_a_webhook_off(devcms: Running) -> None:
    clock = Fake()
    with receiver() as end:
        end.status = 500
        devcms.add_webhook(end.url)
        for n in range(4):
            devcms.create_post(title=f"Failing {n}")
        rounds(devcms, clock, 1000, 2000, 4000)
        assert (devcms.webhooks()[0].enabled, devcms.webhooks()[0].failures_in_a_row) == (True, 4)
        devcms.create_post(title="The fifth")
        rounds(devcms, clock, 1000, 2000, 4000)
        assert (devcms.webhooks()[0].enabled, devcms.webhooks()[0].failures_in_a_row) == (False, 5)
        devcms.create_post(title="Nobody is told")
        assert len(devcms.deliveries()) == 5
        end.status = 200
        devcms.ping_webhook(end.url)
        assert rounds(devcms, clock) == [1], "a ping goes to a webhook that is off too"


def test_one_success_between_failures_keeps_a_webhook_on(devcms: Running) -> None:
    clock = Fake()
    with receiver() as end:
        devcms.add_webhook(end.url)
        for status in (500, 500, 500, 500, 200, 500):
            end.status = status
            devcms.create_post(title=f"Post {len(devcms.posts())}")
            rounds(devcms, clock, 1000, 2000, 4000)
    assert (devcms.webhooks()[0].enabled, devcms.webhooks()[0].failures_in_a_row) == (True, 1)


def test_a_redirect_is_a_failure_and_is_not_followed(devcms: Running) -> None:
    def redirect(handler: BaseHTTPRequestHandler, end: Receiver) -> None:
        handler.send_response(307)
        handler.send_header("Location", end.url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with receiver(redirect) as end:
        devcms.add_webhook(end.url)
        devcms.create_post(title="Salt")
        rounds(devcms, Fake())
        assert len(received(end)) == 1
    assert devcms.deliveries()[0].last_error == "answered 307"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "nonsense", "ftp://127.0.0.1/", "http://[/"])
def test_an_address_that_cannot_be_reached_is_a_failure(url: str) -> None:
    delivery = {"body": "{}", "variant": "v1", "secret": "s", "url": url}

    async def send() -> Attempt:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await attempt(delivery, client, now=Fake(), timeout_s=5)

    ended = asyncio.run(send())
    assert (ended.delivered, ended.status) == (False, 0)
    assert ended.error


def test_a_receiver_that_drips_is_cut_off_at_the_time_out(devcms: Running) -> None:
    released = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, _end: Receiver) -> None:
        # A byte now and then: each single read is quick, the whole answer never ends.
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not released.wait(0.02):
                handler.wfile.write(b"x")
                handler.wfile.flush()
        except OSError:
            pass

    with receiver(drip) as end:
        devcms.add_webhook(end.url)
        devcms.create_post(title="Salt")
        rounds(devcms, Fake(), timeout_s=0.3)
        released.set()
    (delivery,) = devcms.deliveries()
    assert (delivery.state, delivery.last_error) == ("pending", "no answer within 0.3 s")


def test_a_slow_receiver_holds_up_neither_another_nor_the_editor(devcms: Running) -> None:
    released = threading.Event()

    def stall(handler: BaseHTTPRequestHandler, _end: Receiver) -> None:
        released.wait()
        handler.send_response(204)
        handler.end_headers()

    async def story() -> None:
        admin = Admin(devcms.url, devcms.email, devcms.password)
        deliverer = Deliverer(admin, clock=Fake())
        try:
            id = await asyncio.to_thread(lambda: devcms.create_post(title="Salt"))
            assert await deliverer.send_due() == 2
            await asyncio.to_thread(slow.inbox.get)
            await asyncio.to_thread(quick.inbox.get)
            # The slow one has the request and does not answer; saving goes on all the same.
            await asyncio.to_thread(lambda: devcms.update_post(id, title="Sea salt"))
            assert not released.is_set()
            released.set()
            await deliverer.settled()
        finally:
            released.set()
            await deliverer.close()
            admin.close()

    with receiver(stall) as slow, receiver() as quick:
        devcms.add_webhook(slow.url)
        devcms.add_webhook(quick.url)
        asyncio.run(story())
    assert [delivery.state for delivery in devcms.deliveries()].count("delivered") == 2


def test_retries_end_after_the_third() -> None:
    assert [next_attempt_ms(attempts, 10_000) for attempts in (1, 2, 3, 4)] == [11_000, 12_000, 14_000, None]


def test_a_webhook_that_is_removed_while_a_delivery_is_under_way_takes_it_along(devcms: Running) -> None:
    def remove(handler: BaseHTTPRequestHandler, end: Receiver) -> None:
        devcms.remove_webhook(end.url)
        handler.send_response(204)
        handler.end_headers()

    with receiver(remove) as end:
        devcms.add_webhook(end.url)
        devcms.create_post(title="Salt")
        assert rounds(devcms, Fake(), 60_000) == [1, 0]
    assert devcms.deliveries() == []
    outcome = {"delivered": True, "status": 204, "error": "", "next_at_ms": None}
    assert devcms.admin.call("POST", "/api/dev/outbox/abcdefghijklmno", json=outcome) is None


def test_the_process_beside_the_server_delivers_and_ends_with_it(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    with receiver() as end, cms.start() as running:
        running.add_webhook(end.url, variant="raw")
        running.create_post(title="Salt")
        assert json.loads(end.inbox.get(timeout=20).body)["event"] == "post.published"
        running.ping_webhook(end.url)
        assert json.loads(end.inbox.get(timeout=20).body)["event"] == "test.ping"
        deliverer = json.loads((cms.folder / "server.json").read_text())["deliverer_pid"]
        assert processes.is_running(deliverer, str(cms.folder))
        running.remove_webhook(end.url)
        assert (running.webhooks(), running.deliveries()) == ([], [])
    assert not processes.is_running(deliverer, str(cms.folder))
    assert (cms.folder / "deliverer.log").read_text() == ""


def test_what_was_left_undelivered_is_delivered_after_the_next_start(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    with receiver() as end:
        with cms.start(deliver=False) as running:
            running.add_webhook(end.url)
            running.create_post(title="Salt")
        assert end.inbox.empty()
        before = int(time.time())
        with cms.start():
            got = end.inbox.get(timeout=20)
    assert int(got.headers["x-velocms-timestamp"]) >= before, "signed when it is sent, not when it happened"
