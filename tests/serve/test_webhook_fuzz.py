"""Whatever is sent to the door: a plain answer or a closed connection, never a 5xx, never silence (T16)."""

from __future__ import annotations

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.serve.door import SECRET, Running, reply, request, running
from velobuild.model.ports import utc_now
from velobuild.serve.webhook_samples import Sample, headers

# 0: closed in the middle of a request that was not finished in time. 100: the body of an expectation never came.
ALLOWED = {0, 100, 202, 400, 401, 404, 405, 413, 431}
PATIENCE_S = 10.0
METHODS = (b"POST", b"GET", b"PUT", b"post", b"PO\x00ST", b"", b"CONNECT", b"PRI", b"OPTIONS", b"X" * 200)
PATHS = (
    b"/hooks/blog",
    b"/hooks/",
    b"*",
    b"//",
    b"/hooks/%00",
    b"http://x/hooks/blog",
    b"/\xff",
    b"/" * 500,
    b"",
    b"/ /",
)
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.", b"", b"HTTP/1.1 x")
NAMES = (
    *(b"X-VeloCMS-Signature", b"X-VeloCMS-Timestamp", b"x-velocms-signature", b"Content-Length", b"Transfer-Encoding"),
    *(b"Expect", b"Connection", b"Host", b"Content-Encoding", b"Upgrade", b"", b" X", b"X\x00", b"webhook-id"),
    *(b"webhook-timestamp", b"webhook-signature", b"X-PolyCMS-Signature", b"Authorization"),
)
VALUES = (
    *(b"", b"v1=", b"v1=" + b"a" * 64, b"a" * 64, b"1714140000", b" 1_7", b"+5", b"0", b"5", b"chunked", b"close"),
    *(b"100-continue", b"gzip", b"websocket", b"\x00", b"\xff" * 20, b"x" * 3000, b"9" * 30, b"v1,AAAA", b"Bearer x"),
    *(b"Bearer velobuild-test-secret", b"\r", b"a\nb", b"identity, chunked"),
)


TEXT = "".join(map(chr, range(33, 127)))
PIECES: tuple[Any, ...] = (
    *(None, True, 7, -1, 1e300, "", "post.updated", "test.ping", "\x00", "\u202e", "ä" * 300, [], {}, [[]], 10**25),
    *({"id": 7, "slug": "x"}, {"post_id": {}}, {"payload": {"slug": "a"}}, [{"id": []}], "2026-05-03T10:00:00Z"),
)
KEYS = ("event", "payload", "data", "timestamp", "id", "hook", "args", "type", "ping", "occurred_at", "", "x")


def damaged(dice: random.Random, good: bytes) -> bytes:
    """A good request with a few bytes changed, removed, put in or repeated."""
    found = bytearray(good)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(found) or 1)
        match dice.randrange(4):
            case 0:
                found[at : at + 1] = dice.randbytes(1)
            case 1:
                del found[at : at + dice.randint(1, 20)]
            case 2:
                found[at:at] = dice.randbytes(dice.randint(1, 20))
            case _:
                found[at:at] = found[at : at + dice.randint(1, 200)]
    return bytes(found)


def odd(dice: random.Random) -> bytes:
    """Pieces of requests that do not belong together."""
    end = dice.choice((b"\r\n", b"\r\n", b"\r\n", b"\n"))
    lines = [b" ".join((dice.choice(METHODS), dice.choice(PATHS), dice.choice(VERSIONS)))]
    lines += [dice.choice(NAMES) + b": " + dice.choice(VALUES) for _ in range(dice.randint(0, 8))]
    return end.join(lines) + end * 2 + dice.randbytes(dice.choice((0, 0, 5, 200)))


def formed(dice: random.Random) -> bytes:
    """A request that any parser reads, with values that no sender would give."""
    size = dice.choice((0, 5, 500, 70_000, 5_000_000, 10**12))
    values = [value for value in VALUES if value.isascii() and b"\n" not in value and b"\0" not in value]
    values.append("".join(dice.choices(TEXT, k=dice.randint(1, 90))).encode())
    names = [
        name
        for name in NAMES
        if name[:1].isalpha() and b"\0" not in name and name[:8] not in (b"Content-", b"Transfer")
    ]
    lines = [dice.choice((b"POST", b"POST", b"POST", b"GET", b"PUT")) + b" " + dice.choice(PATHS[:2]) + b" HTTP/1.1"]
    lines += [dice.choice(names) + b": " + dice.choice(values).strip(b"\r") for _ in range(dice.randint(0, 12))]
    lines += [b"Content-Length: %d" % size]
    return b"\r\n".join(lines) + b"\r\n\r\n" + dice.randbytes(min(size, 500))


def signed(dice: random.Random, number: int) -> bytes:
    """An authentic delivery whose body is anything at all: it must be taken."""
    shown = {dice.choice(KEYS): dice.choice(PIECES) for _ in range(dice.randint(0, 5))}
    raw = json.dumps(shown).encode() if dice.random() < 0.8 else dice.randbytes(dice.randint(0, 300))
    dialect = dice.choice(("velocms", "polycms", "hmac", "bearer"))
    sample = Sample(dialect, "post.updated", f"d{number}", utc_now())
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers(sample, SECRET, raw).items())
    return f"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def sent(server: Running, raw: bytes) -> int:
    """The status, or 0 where the connection was closed without a word. Fails if nothing happens for `PATIENCE_S`."""
    with server.connect(timeout_s=PATIENCE_S) as peer:
        with suppress(OSError):
            peer.sendall(raw)
        try:
            answer = reply(peer)
        except TimeoutError as error:
            raise AssertionError(f"no reply and no end: {raw!r}") from error
    assert answer == b"" or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), (raw, answer)
    return int(answer.split(b" ")[1]) if answer else 0


def fuzz(folder: Path, requests: int, seed: int) -> Counter[int]:
    """Status → how often. Sent by many at a time, since an unfinished request is waited for until its deadline."""
    found: Counter[int] = Counter()
    with running(folder, dialects="velocms,polycms,hmac,bearer", idle_s=5, headers_s=0.5, body_s=0.5) as server:

        def one(number: int) -> int:
            dice = random.Random(seed * 1_000_000 + number)
            kind = dice.random()
            if kind < 0.3:
                status = sent(server, raw := signed(dice, number))
                assert status == 202, (status, raw)
                return status
            raw = damaged(dice, request(number)) if kind < 0.55 else odd(dice) if kind < 0.65 else formed(dice)
            status = sent(server, raw)
            assert status in ALLOWED, (status, raw)
            return status

        with ThreadPoolExecutor(32) as pool:
            found.update(pool.map(one, range(requests)))
        assert server.post(requests) == 202
        assert server.process.poll() is None
        assert server.resident_mb < 80
    log = (folder / "log").read_bytes()
    assert b"Traceback" not in log, log
    return found


def test_fuzzed_requests_have_a_plain_answer(tmp_path: Path) -> None:
    found = fuzz(tmp_path, 1_000, seed=16)
    assert min(found[status] for status in (202, 400, 401, 404, 405, 413)) > 5


@pytest.mark.full
def test_twenty_thousand_fuzzed_requests_have_a_plain_answer(tmp_path: Path) -> None:
    found = fuzz(tmp_path, 20_000, seed=17)
    assert min(found[status] for status in (202, 400, 401, 404, 405, 413, 431)) > 10
