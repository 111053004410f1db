"""What is authentic and what is not (reliability catalogue, group I)."""

from __future__ import annotations

import asyncio
import hmac
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tests.serve import vectors
from tests.serve.door import NOW, SECRET, SENT_S, STANDARD_SECRET, door, hook, running
from tests.serve.vectors import VECTORS, Vector
from velobuild.config.schema import Secret
from velobuild.errors import ConfigError
from velobuild.serve import webhook
from velobuild.serve.dialects import DIALECTS
from velobuild.serve.queue import Queue
from velobuild.serve.webhook import keys, proven


def status(folder: Path, vector: Vector) -> int:
    """What the door answers at the vector's time."""
    made = hook(vector.dialect, secrets=vector.secrets, variant=vector.variant)

    async def ask() -> int:
        now = datetime.fromtimestamp(vector.now_s, UTC)
        async with door(folder, made, clock=lambda: now) as open_:
            return await open_.post(vector.headers, vector.body)

    return asyncio.run(ask())


def test_there_are_at_least_sixty_vectors_and_no_two_are_the_same() -> None:
    assert len({vector.name for vector in VECTORS}) == len(VECTORS) >= 60
    assert len({(v.headers, v.body, v.now_s, v.secrets, v.variant) for v in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_judged_right(tmp_path: Path, vector: Vector) -> None:
    """I1, I2, I3, I4, I5, I6: 202 or 401, and never anything else."""
    assert status(tmp_path, vector) == (202 if vector.taken else 401)


def test_the_published_library_signs_what_we_take_and_takes_what_we_sign(tmp_path: Path) -> None:
    library = Webhook(STANDARD_SECRET)
    now = datetime.now(UTC)
    sent = str(int(now.timestamp()))
    body = vectors.BODY_STANDARD
    # The library means a naive UTC time.
    signed = library.sign("msg_2KWP", datetime.fromtimestamp(int(sent), UTC).replace(tzinfo=None), body.decode())
    headers = {"webhook-id": "msg_2KWP", "webhook-timestamp": sent, "webhook-signature": signed}

    async def ask() -> int:
        async with door(tmp_path, hook("standard", secrets=(STANDARD_SECRET,)), clock=lambda: now) as open_:
            return await open_.post(headers, body)

    assert asyncio.run(ask()) == 202
    ours = vectors.standard(b"msg_3", sent.encode(), body).decode()
    headers = {"webhook-id": "msg_3", "webhook-timestamp": sent, "webhook-signature": ours}
    assert library.verify(body, headers)["type"] == "post.updated"
    with pytest.raises(WebhookVerificationError):
        library.verify(body + b" ", headers)


def test_control_a_timestamp_read_as_a_number_is_recut_and_read_in_other_scripts() -> None:
    """The control of I6: these pass a verifier that trusts `int()`, and ours refuses them."""

    def loose(vector: Vector) -> bool:
        sent = dict(vector.headers)[b"X-VeloCMS-Timestamp"]
        right = hmac.new(SECRET.encode(), b"v1:" + sent + b":" + vector.body, "sha256").hexdigest()
        return hmac.compare_digest(b"v1=" + right.encode(), dict(vector.headers)[b"X-VeloCMS-Signature"])

    moved = next(vector for vector in VECTORS if "is moved into the timestamp" in vector.name)
    assert loose(moved)
    read = [vector for vector in VECTORS if vector.dialect == "velocms" and "the timestamp has" in vector.name]
    taken = []
    for vector in read:
        try:
            int(dict(vector.headers)[b"X-VeloCMS-Timestamp"].decode())
        except ValueError:
            continue
        taken.append(vector)
        assert loose(vector)
    assert len(taken) >= 4


def test_control_without_its_own_prefix_refused_a_captured_v1_delivery_would_be_good_for_ever() -> None:
    """The raw signature of what v1 signed is right; only its form tells that it was made for something else."""
    captured = next(vector for vector in VECTORS if vector.name.endswith("what variant v1 signed, as a body"))
    assert vectors.mac(SECRET.encode(), captured.body) == captured.headers[0][1]


def test_a_signature_that_is_not_ascii_is_refused_and_not_an_error() -> None:
    """The control of I4: comparing texts instead of bytes raises."""
    with pytest.raises(TypeError):
        hmac.compare_digest("ä" * 64, "a" * 64)


def test_every_secret_is_compared_also_after_a_hit() -> None:
    """I10, I11: as many comparisons for the first secret as for the last, and all of them in constant time."""
    compared: list[bytes] = []

    def proof(key: bytes, body: bytes) -> bytes:
        compared.append(key)
        return webhook.hex_mac(key, body)

    right = vectors.mac(b"first-key-123456", b"body")
    claim = webhook.Claim((right,), proof)
    assert proven(claim, {0: b"first-key-123456", 1: b"second-key-12345", 2: b"third-key-123456"}, b"body") == 0
    assert compared == [b"first-key-123456", b"second-key-12345", b"third-key-123456"]
    source = inspect.getsource(proven)
    assert "hmac.compare_digest(right, given)" in source
    assert "return" not in source.partition("for number")[2].rpartition("return found")[0]


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "fewer than 16 characters"),
        ("short", "fewer than 16 characters"),
        ("fifteen-letters", "fewer than 16 characters"),
        ("one line and\nanother line", "line break"),
        (" spaces-around-it-1234 ", "space at its end"),
        ("größer-als-sechzehn", "no printable ASCII"),
    ],
)
def test_a_secret_that_cannot_protect_is_refused_with_its_place_and_never_shown(secret: str, why: str) -> None:
    """I9: the service does not start."""
    with pytest.raises(ConfigError, match=why) as caught:
        hook(secrets=(secret,))
    (found,) = caught.value.diagnostics
    assert (found.code, found.where, caught.value.exit_code) == ("VB1205", "the test", 2)
    assert not secret or secret not in repr(caught.value.diagnostics)


def test_without_any_secret_nothing_is_listened_to() -> None:
    """I9."""
    with pytest.raises(ConfigError) as caught:
        hook(secrets=())
    assert caught.value.code == "VB1205"


def test_a_secret_of_another_dialect_is_left_out_and_refused_only_where_none_is_left() -> None:
    both = hook("velocms", "standard", secrets=(SECRET, STANDARD_SECRET))
    assert set(both.keys_of(DIALECTS["velocms"])) == {0, 1}
    assert set(both.keys_of(DIALECTS["standard"])) == {1}
    with pytest.raises(ConfigError, match="not base64") as caught:
        hook("standard", secrets=(SECRET,))
    assert caught.value.code == "VB1205"


def test_keys_and_secrets_show_in_no_text() -> None:
    made = hook("velocms", "standard", secrets=(SECRET, STANDARD_SECRET))
    assert "velobuild-test" not in repr(made)
    assert "MfKQ9r8" not in repr(made)
    assert keys(DIALECTS["velocms"], [Secret(SECRET)]) == {0: SECRET.encode()}


def seen_after(folder: Path, act: Callable[..., object]) -> object:
    async def go() -> object:
        async with door(folder, hook(secrets=("another-secret-1234", SECRET))) as open_:
            await act(open_)  # type: ignore[misc]
            return open_.receiver.seen("blog")

    return asyncio.run(go())


def test_the_operator_sees_which_secret_is_still_in_use(tmp_path: Path) -> None:
    """I2: so the old one can be dropped."""

    async def act(open_: object) -> None:
        assert await open_.deliver() == 202  # type: ignore[attr-defined]
        assert await open_.deliver(secret="another-secret-1234") == 202  # type: ignore[attr-defined]
        assert await open_.deliver(post_id="p2") == 202  # type: ignore[attr-defined]

    seen = seen_after(tmp_path, act)
    assert dict(seen.by_secret) == {1: 2, 0: 1}  # type: ignore[attr-defined]


def test_a_clock_that_is_off_is_told_apart_from_a_forgery(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """I5: 401 both times, and the log says which."""

    async def act(open_: object) -> None:
        assert await open_.deliver(sent_at=NOW - timedelta(seconds=301)) == 401  # type: ignore[attr-defined]
        assert await open_.deliver(secret="x" * 20) == 401  # type: ignore[attr-defined]

    seen = seen_after(tmp_path, act)
    assert seen.skew_s == -301  # type: ignore[attr-defined]
    assert [record.getMessage() for record in caplog.records] == [
        "refused a delivery: valid signature, clock skew -301 s",
        "refused a delivery: the signature is not that of any secret",
    ]
    assert seen.refused_in_a_row == 2  # type: ignore[attr-defined]
    assert seen.refused_since == NOW  # type: ignore[attr-defined]


def test_only_refusals_of_what_carries_a_signature_speak_for_a_wrong_secret(tmp_path: Path) -> None:
    """I12: anybody can send what nobody signed."""

    async def act(open_: Any) -> None:
        large = {"x-velocms-signature": f"v1={'0' * 64}", "x-velocms-timestamp": str(SENT_S)}
        assert [await open_.post({}, b""), await open_.post({"x-polycms-signature": "sha256=00"}, b"")] == [401, 401]
        assert await open_.post(large, b"x" * 1_000_000) == 413
        assert await open_.post(large, b"", path="/hooks/another") == 404
        seen = open_.receiver.seen("blog")
        assert (seen.refused.total(), seen.refused_in_a_row, seen.refused_since) == (3, 0, None)
        assert seen.refused_at == NOW, "they are shown all the same"
        assert await open_.post({"x-velocms-signature": "v1=00"}, b"") == 401
        assert await open_.deliver(secret="x" * 20) == 401
        assert await open_.deliver(sent_at=NOW - timedelta(seconds=301)) == 401
        assert (seen.refused.total(), seen.refused_in_a_row, seen.refused_until) == (6, 3, NOW)

    seen_after(tmp_path, act)


def test_a_flood_of_forgeries_is_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(open_: object) -> None:
        for _ in range(200):
            assert await open_.deliver(secret="x" * 20) == 401  # type: ignore[attr-defined]

    seen = seen_after(tmp_path, act)
    assert len(caplog.records) == 1
    assert seen.refused.total() == 200  # type: ignore[attr-defined]


def test_secrets_are_replaced_while_it_runs(tmp_path: Path) -> None:
    async def go() -> list[int]:
        async with door(tmp_path) as open_:
            answers = [await open_.deliver(), await open_.deliver(secret="a-new-secret-1234")]
            open_.sites["blog"] = hook(secrets=("a-new-secret-1234",))
            return [*answers, await open_.deliver(), await open_.deliver(secret="a-new-secret-1234")]

    assert asyncio.run(go()) == [202, 401, 401, 202]


def test_a_captured_delivery_is_worth_one_event_while_it_is_fresh_and_none_later(tmp_path: Path) -> None:
    """I7: a thousand replays merge into the untaken event; after five minutes they are refused."""

    async def go() -> tuple[set[int], int, int]:
        times = [NOW]
        async with door(tmp_path, clock=lambda: times[0]) as open_:
            fresh = set(await asyncio.gather(*(open_.deliver() for _ in range(1000))))
            pending = open_.queue.pending("blog")
            times[0] = NOW + timedelta(seconds=301)
            return fresh, pending, await open_.deliver(sent_at=NOW)

    assert asyncio.run(go()) == ({202}, 1, 401)


ANY_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            sorted({dialect.header for dialect in DIALECTS.values()} | {b"x-velocms-timestamp", b"webhook-id"})
        ),
        st.one_of(
            st.binary(max_size=80),
            st.from_regex(rb"(v1=|sha256=|v1,|Bearer )?[0-9a-f]{64}", fullmatch=True),
            st.sampled_from([b"1714140000", b"msg_1", vectors.STANDARD.headers[2][1]]),
        ),
    ),
    max_size=6,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(pairs=ANY_HEADERS, body=st.binary(max_size=200), variant=st.sampled_from(["auto", "v1", "raw"]))
def test_no_headers_and_no_body_are_authentic_by_chance_or_an_error(
    pairs: list[tuple[bytes, bytes]], body: bytes, variant: webhook.Variant
) -> None:
    """I4: whatever stands there, it is refused without an exception."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        headers.setdefault(name, []).append(value)
    for dialect in DIALECTS.values():
        claim = dialect.claim(headers, variant)
        if isinstance(claim, webhook.Claim):
            made_keys = (
                {0: SECRET.encode()} if dialect.name != "standard" else {0: webhook.standard_key(STANDARD_SECRET)}
            )
            assert proven(claim, made_keys, body) is None


def test_vectors_are_judged_the_same_over_the_wire(tmp_path: Path) -> None:
    """What a header's parser lets through or not is part of the door; fresh ones are checked elsewhere."""
    refused = [v for v in VECTORS if v.dialect == "velocms" and not v.taken and v.variant == "auto"]
    with running(tmp_path) as server:
        for vector in refused:
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in vector.headers)
            head = b"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n" + lines
            answer = server.ask(head + b"Content-Length: %d\r\n\r\n" % len(vector.body) + vector.body)
            assert answer.split(b" ")[1] in (b"401", b"400", b"431"), (vector.name, answer)
        assert server.post() == 202
    with_queue = Queue(tmp_path / "queue.db", lambda: NOW)
    assert with_queue.pending("blog") == 1
    with_queue.close()
