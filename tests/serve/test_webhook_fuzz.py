"""Whatever is sent to the door: a plain answer or a closed connection, never a 5xx, never silence (T16)."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from tests.serve.door import Running, reply, request, running

ALLOWED = {202, 400, 401, 404, 405, 413, 431}
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


def fuzzed(dice: random.Random, good: bytes) -> bytes:
    """A request that is wrong in some way: built of odd pieces, or a good one damaged."""
    if dice.random() < 0.5:
        found = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(found))
            match dice.randrange(4):
                case 0:
                    found[at] = dice.randrange(256)
                case 1:
                    del found[at : at + dice.randint(1, 20)]
                case 2:
                    found[at:at] = dice.randbytes(dice.randint(1, 20))
                case _:
                    found[at:at] = found[at : at + dice.randint(1, 200)]
            if not found:
                found = bytearray(b"x")
        return bytes(found)
    end = dice.choice((b"\r\n", b"\r\n", b"\r\n", b"\n"))
    lines = [b" ".join((dice.choice(METHODS), dice.choice(PATHS), dice.choice(VERSIONS)))]
    lines += [dice.choice(NAMES) + b": " + dice.choice(VALUES) for _ in range(dice.randint(0, 8))]
    return end.join(lines) + end * 2 + dice.randbytes(dice.choice((0, 0, 5, 200)))


def sent(server: Running, raw: bytes) -> bytes:
    """The beginning of what came back. Raises TimeoutError if nothing happens for `PATIENCE_S`."""
    with server.connect(timeout_s=PATIENCE_S) as peer:
        try:
            peer.sendall(raw)
            # An unfinished request is finished by the end of what is sent.
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            return reply(peer)
        except TimeoutError:
            raise
        except OSError:
            return b""


def fuzz(folder: Path, requests: int, seed: int) -> dict[int, int]:
    """Status → how often; 0 for a connection that was closed without a word."""
    dice = random.Random(seed)
    found: dict[int, int] = {}
    with running(folder, dialects="velocms,polycms,hmac,bearer", idle_s=1, headers_s=1, body_s=1) as server:
        for number in range(requests):
            raw = fuzzed(dice, request(number))
            answer = sent(server, raw)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), (raw, answer)
            status = int(answer.split(b" ")[1]) if answer else 0
            if status == 100:
                status = 0
            found[status] = found.get(status, 0) + 1
            assert status in ALLOWED | {0}, (raw, answer)
        assert server.post(requests) == 202
        assert server.process.poll() is None
        assert server.resident_mb < 80
    log = (folder / "log").read_bytes()
    assert b"Traceback" not in log, log
    return found


def test_fuzzed_requests_have_a_plain_answer(tmp_path: Path) -> None:
    found = fuzz(tmp_path, 1_500, seed=16)
    assert {400, 401, 404} <= set(found)


@pytest.mark.full
def test_twenty_thousand_fuzzed_requests_have_a_plain_answer(tmp_path: Path) -> None:
    found = fuzz(tmp_path, 20_000, seed=17)
    assert {400, 401, 404, 405, 413, 431} <= set(found)
