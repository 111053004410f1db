"""The guard before the door: slow, many, malformed and hostile peers (reliability catalogue, group J)."""

from __future__ import annotations

import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.serve.door import SITE, Running, exchange, reply, request, running
from velobuild.serve.accepting import connections_allowed

SHORT_S = 0.6
SHORT: dict[str, float] = {"idle_s": SHORT_S, "headers_s": SHORT_S, "body_s": SHORT_S}
SIGNED = "X-VeloCMS-Signature: " + "a" * 64 + "\r\n"
BODY_BEGUN = f"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n{SIGNED}".encode()
BEGINNINGS = {
    "nothing": b"",
    "a piece of the first line": b"POST /ho",
    "headers without an end": b"POST /hooks/blog HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "a piece of the body": BODY_BEGUN + b"Content-Length: 1000\r\n\r\n{",
    "a piece of a chunk": BODY_BEGUN + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
}


def closed_after_s(peers: Mapping[str, socket.socket], drip: bytes, patience_s: float) -> dict[str, float]:
    """How long the server bore peers that send one byte now and then; those it bore for `patience_s` are left out."""
    began = time.monotonic()
    found: dict[str, float] = {}
    while len(found) < len(peers) and time.monotonic() - began < patience_s:
        time.sleep(0.05)
        for name, peer in peers.items():
            if name not in found and _is_closed(peer, drip if BEGINNINGS.get(name) else b""):
                found[name] = time.monotonic() - began
    return found


def _is_closed(peer: socket.socket, drip: bytes) -> bool:
    try:
        if select.select([peer], [], [], 0)[0]:
            return not peer.recv(1000)
        if drip:
            peer.sendall(drip)
    except OSError:
        return True
    return False


@contextmanager
def begun(server: Running, names: Iterable[str] = BEGINNINGS) -> Iterator[dict[str, socket.socket]]:
    peers = {name: server.connect() for name in names}
    for name, peer in peers.items():
        peer.sendall(BEGINNINGS[name])
    yield peers
    for peer in peers.values():
        peer.close()


@pytest.mark.parametrize("drip", [b"", b"x"], ids=["silent", "dripping"])
def test_a_slow_peer_is_closed_when_its_time_is_over_however_it_drips(short: Running, drip: bytes) -> None:
    """J1."""
    with begun(short) as peers:
        found = closed_after_s(peers, drip, 10)
    assert set(found) == set(BEGINNINGS)
    assert min(found.values()) > SHORT_S * 0.5
    assert max(found.values()) < SHORT_S + 3


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> object:
    with running(tmp_path_factory.mktemp("short"), **SHORT) as server:
        yield server


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> object:
    with running(tmp_path_factory.mktemp("usual")) as server:
        yield server


def test_control_uvicorn_alone_bears_slow_peers(tmp_path: Path) -> None:
    """The control of J1: as uvicorn comes, slow headers and slow bodies are waited for."""
    names = ("headers without an end", "a piece of the body")
    with running(tmp_path, mode="plain") as server, begun(server, names) as peers:
        assert closed_after_s(peers, b"x", 3 * SHORT_S) == {}


def test_a_connection_that_was_used_and_idles_is_closed_too(short: Running) -> None:
    with short.connect() as peer:
        assert exchange(peer, request(1)).startswith(b"HTTP/1.1 202")
        found = closed_after_s({"idle": peer}, b"", 10)
    assert found["idle"] < SHORT_S + 3


def test_many_deliveries_on_one_connection_have_each_their_own_time(short: Running) -> None:
    with short.connect() as peer:
        until = time.monotonic() + 3 * SHORT_S
        number = 10
        while time.monotonic() < until:
            number += 1
            assert exchange(peer, request(number)).startswith(b"HTTP/1.1 202")
            time.sleep(SHORT_S / 6)


def test_legitimate_requests_are_served_while_slow_ones_hold_the_door(tmp_path: Path) -> None:
    """J1, J7, T7: more slow peers than places, and every probe is answered."""
    assert probes_lost(tmp_path, "good") == 0


def test_control_to_shed_the_newest_locks_everybody_out(tmp_path: Path) -> None:
    """The control of J7."""
    assert probes_lost(tmp_path, "newest") > 0


def probes_lost(folder: Path, mode: str) -> int:
    lost = 0
    with running(folder, connections=100, mode=mode) as server:
        slow = [server.connect() for _ in range(100)]
        try:
            for number, peer in enumerate(slow):
                peer.sendall(list(BEGINNINGS.values())[number % len(BEGINNINGS)])
            for number in range(40):
                try:
                    lost += server.post(number) != 202
                except OSError:
                    lost += 1
        finally:
            for peer in slow:
                peer.close()
    return lost


def test_one_peer_that_takes_more_than_its_share_evicts_itself_and_nobody_else(tmp_path: Path) -> None:
    with running(tmp_path, per_peer=10, connections=1000) as server:
        other = [server.connect(source="127.0.0.3") for _ in range(5)]
        greedy = [server.connect(source="127.0.0.2") for _ in range(30)]
        assert server.post() == 202
        deadline = time.monotonic() + 10
        while not all(select.select([peer], [], [], 0)[0] for peer in greedy[:20]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not select.select(greedy[20:], [], [], 0)[0]
        assert not select.select(other, [], [], 0)[0]
        for peer in [*greedy, *other]:
            peer.close()


def test_peers_of_a_unix_socket_are_not_taken_for_one(tmp_path: Path) -> None:
    """They have no address; what stands before such a socket is a proxy."""
    with running(tmp_path, per_peer=5, connections=1000, unix=str(tmp_path / "hooks.sock")) as server:
        peers = []
        for _ in range(20):
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(20)
            peer.connect(str(tmp_path / "hooks.sock"))
            peers.append(peer)
        assert exchange(peers[-1], request(1)).startswith(b"HTTP/1.1 202 ")
        assert exchange(peers[0], request(2)).startswith(b"HTTP/1.1 202 ")
        for peer in peers:
            peer.close()
        assert server.post(3) == 202


def test_behind_a_proxy_there_is_no_share_of_one_peer(tmp_path: Path) -> None:
    with running(tmp_path, per_peer=10, connections=1000) as server:
        peers = [server.connect() for _ in range(30)]
        assert server.post() == 202
        assert not select.select(peers, [], [], 0)[0]
        for peer in peers:
            peer.close()


@pytest.mark.slow
def test_a_thousand_slow_connections_are_held_off_at_the_usual_limits(tmp_path: Path) -> None:
    """J1, T7: closed at 5 s, while all probes are served and the memory stays small."""
    connections_allowed(2_000)
    with running(tmp_path) as server:
        began = time.monotonic()
        slow = [server.connect() for _ in range(1_000)]
        for number, peer in enumerate(slow):
            peer.sendall(list(BEGINNINGS.values())[number % len(BEGINNINGS)])
        probes = [server.post(number) for number in range(50)]
        assert set(probes) == {202}
        for peer in slow:
            peer.settimeout(max(0.1, 15 - (time.monotonic() - began)))
            assert reply(peer) == b""
            peer.close()
        assert time.monotonic() - began < 15
        assert server.post() == 202
        assert server.resident_mb < 80


# --- size and form


def test_a_header_that_never_ends_is_431(usual: Running) -> None:
    """J3."""
    for endless in (
        b"GET " + b"/" * 9_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000,
        b"GET / HTTP/1.1\r\n" + b"X" * 9_000,
    ):
        assert usual.ask(endless).startswith(b"HTTP/1.1 431 ")


def test_control_uvicorn_alone_reads_headers_without_end(tmp_path: Path) -> None:
    """The control of J3."""
    many = b"".join(b"X-%d: y\r\n" % number for number in range(1000))
    with running(tmp_path, mode="plain") as server:
        assert server.ask(b"POST /hooks/blog HTTP/1.1\r\n" + many + b"\r\n").startswith(b"HTTP/1.1 401 ")
        with pytest.raises(TimeoutError):
            server.ask(b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000, timeout_s=0.5)


def test_headers_that_are_too_large_or_too_many_are_431(usual: Running) -> None:
    """J3."""
    large = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(9))
    many = b"".join(b"X-%d: y\r\n" % number for number in range(101))
    for headers in (large, many, many * 99):
        assert usual.ask(b"POST /hooks/blog HTTP/1.1\r\n" + headers + b"\r\n").startswith(b"HTTP/1.1 431 ")


def test_control_headers_just_below_the_limits_are_read(usual: Running) -> None:
    fits = "".join(f"X-{number}: {'x' * 1000}\r\n" for number in range(7))
    assert usual.ask(request(1, extra=fits)).startswith(b"HTTP/1.1 202 ")
    many = "".join(f"X-{number}: y\r\n" for number in range(90))
    assert usual.ask(request(2, extra=many)).startswith(b"HTTP/1.1 202 ")


def test_headers_in_pieces_are_counted_once(usual: Running) -> None:
    whole = request(3, extra="".join(f"X-{number}: {'x' * 1000}\r\n" for number in range(7)))
    with usual.connect() as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), 700):
            peer.sendall(whole[start : start + 700])
            time.sleep(0.01)
        assert reply(peer).startswith(b"HTTP/1.1 202 ")


def test_ten_gigabytes_are_refused_before_they_are_sent_and_cost_no_memory(usual: Running) -> None:
    """J2."""
    before = usual.resident_mb
    for _ in range(20):
        head = f"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n{SIGNED}Content-Length: 10000000000\r\n\r\n"
        assert usual.ask(head.encode()).startswith(b"HTTP/1.1 413 ")
    assert usual.resident_mb < before + 5


def test_endless_chunks_are_refused_and_cost_no_memory(usual: Running) -> None:
    """J2."""
    before = usual.resident_mb
    head = f"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n{SIGNED}Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    with usual.connect() as peer:
        peer.sendall(head.encode())
        sent = 0
        with suppress(OSError):
            while sent < 500_000_000:
                peer.sendall(chunk)
                sent += len(chunk)
    assert sent < 50_000_000
    assert usual.resident_mb < before + 10


HEAD = b"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        HEAD + b"Content-Length: +5\r\n\r\nhello",
        HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
        HEAD + b"Content-Length: 0x5\r\n\r\nhello",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 5\n\nhello",
        b"POST /hooks/blog HTTP/1.1\r\nHost: x\nContent-Length: 5\r\n\r\nhello",
        HEAD + b" folded: yes\r\n\r\n",
        HEAD + b"X: a\0b\r\n\r\n",
        HEAD + b"X\x01: a\r\n\r\n",
        b"POST /hooks/blog HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n",
        b"\x00" * 64,
        bytes(range(128, 256)),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n",
    ],
    ids=lambda raw: repr(raw.removeprefix(HEAD)[:40]),
)
def test_what_is_no_clear_http_is_400_and_the_end(usual: Running, raw: bytes) -> None:
    """J4, J8: where a proxy before us might read another request, there is none."""
    with usual.connect() as peer:
        answer = exchange(peer, raw)
        assert answer == b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        assert peer.recv(1) == b""


TWO_LENGTHS = HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


def test_two_lengths_are_refused_even_where_the_parser_lets_them_pass(tmp_path: Path) -> None:
    """J4: two fences, since parsers have been lenient here before."""
    with running(tmp_path, mode="lenient") as server:
        assert server.ask(TWO_LENGTHS).startswith(b"HTTP/1.1 400 ")
        assert server.post() == 202


def test_control_a_lenient_parser_alone_takes_two_lengths(tmp_path: Path) -> None:
    with running(tmp_path, mode="plain-lenient") as server:
        assert server.ask(TWO_LENGTHS).startswith(b"HTTP/1.1 401 ")


def test_control_uvicorn_alone_says_who_it_is_and_what_was_wrong(tmp_path: Path) -> None:
    """The control of J8's empty reply."""
    with running(tmp_path, mode="plain") as server, server.connect() as peer:
        peer.sendall(b"\x16\x03\x01\r\n\r\n")
        answer = b""
        while piece := peer.recv(1000):
            answer += piece
    assert b"server: uvicorn" in answer
    assert answer.endswith(b"Invalid HTTP request received.")


def test_what_no_parser_reads_shows_in_no_log(tmp_path: Path) -> None:
    """J8: nothing of it is repeated, so that no control character reaches a terminal."""
    with running(tmp_path) as server:
        for _ in range(50):
            server.ask(b"\x1b[31mGET / \r\n\r\n")
        assert server.post() == 202
    assert b"\x1b" not in (tmp_path / "log").read_bytes()
    assert (tmp_path / "log").read_bytes().count(b"\n") < 10


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /hooks/blog HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"POST //hooks/blog HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST http://evil.example/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST http://evil.example/hooks/blog HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 401),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /hooks/%62log HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 401),
        (b"POST /hooks/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"GET /hooks/blog HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 405),
        (b"GET /hooks/blog HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", 405),
        (b"POST /hooks/blog HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 401),
    ],
    ids=lambda value: repr(value[:50]) if isinstance(value, bytes) else str(value),
)
def test_odd_requests_have_plain_answers(usual: Running, raw: bytes, status: int) -> None:
    """J5, J6."""
    assert usual.ask(raw).startswith(b"HTTP/1.1 %d " % status)


def test_an_expectation_is_met_before_the_body_and_refused_without_it(usual: Running) -> None:
    """J6."""
    head, _, content = request(20, extra="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with usual.connect() as peer:
        peer.sendall(head + b"\r\n\r\n")
        assert reply(peer) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(content)
        assert reply(peer).startswith(b"HTTP/1.1 202 ")
    refused = f"POST /hooks/blog HTTP/1.1\r\nHost: x\r\n{SIGNED}Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n"
    assert usual.ask(refused.encode()).startswith(b"HTTP/1.1 413 ")


def test_a_compressed_body_is_no_other_than_its_bytes(usual: Running) -> None:
    """J6: what is signed is what was sent; nothing is unpacked, so no bomb goes off."""
    assert usual.ask(request(21, extra="Content-Encoding: gzip\r\n")).startswith(b"HTTP/1.1 202 ")


def test_an_old_client_is_served(usual: Running) -> None:
    """J6."""
    old = request(22).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with usual.connect() as peer:
        assert exchange(peer, old).startswith(b"HTTP/1.1 202 ")
        assert peer.recv(1) == b""


def test_deliveries_sent_ahead_are_answered_in_their_order(usual: Running) -> None:
    """J6: pipelining."""
    bad = request(31, secret="x" * 20)
    with usual.connect() as peer:
        peer.sendall(request(30) + bad + request(32))
        found = b""
        while found.count(b"\r\n\r\n") < 3:
            piece = peer.recv(65536)
            assert piece
            found += piece
    assert [line.split(b" ")[1] for line in found.split(b"\r\n") if line.startswith(b"HTTP/")] == [
        b"202",
        b"401",
        b"202",
    ]


def test_a_peer_that_sends_ahead_and_then_dawdles_is_closed(short: Running) -> None:
    with short.connect() as peer:
        peer.sendall(request(33) + b"POST /hooks/blog HTTP/1.1\r\nX-Slow: ")
        assert reply(peer).startswith(b"HTTP/1.1 202 ")
        assert closed_after_s({"headers without an end": peer}, b"x", 10)


def test_ipv6_and_a_name_of_a_site_that_is_long_do_no_harm(usual: Running) -> None:
    assert usual.ask(b"POST /hooks/" + b"x" * 7000 + b" HTTP/1.1\r\nHost: [::1]\r\n\r\n").startswith(b"HTTP/1.1 404 ")


def test_files_are_spared_where_few_may_be_open() -> None:
    """J10: a process that may open 200 files takes 136 connections, less 4 for each site, and can open its queue."""
    code = (
        "import resource; from velobuild.serve.accepting import connections_allowed as allowed;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)); "
        "print(allowed(1000), allowed(50), allowed(1000, sites=3));"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["136", "50", "124", "200", "200"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 0


def test_more_peers_than_files_do_not_stop_the_service(tmp_path: Path) -> None:
    """J10: with as many connections as are allowed open, events are still written."""
    with running(tmp_path, connections=20) as server:
        peers = [server.connect() for _ in range(200)]
        assert server.post(1) == 202
        for peer in peers:
            peer.close()
        queue = server.queue()
        assert queue.pending(SITE) == 1
        queue.close()


def hammer(server: Running, act: Callable[[Running], int], threads: int, times: int) -> list[int]:
    found: list[int] = []

    def go() -> None:
        for _ in range(times):
            found.append(act(server))

    started = [threading.Thread(target=go) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    return found


def test_connections_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert set(hammer(server, lambda door: door.post(7), 8, 50)) == {202}
        files = Path(f"/proc/{server.process.pid}/fd")
        deadline = time.monotonic() + 10
        while sum(_is_connection(file) for file in files.iterdir()) > 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _is_connection(file: Path) -> bool:
    try:
        return str(file.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False
