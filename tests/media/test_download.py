"""E7, E14 and the rest of a download: bounds in bytes and time, going on where it broke off, asking for news only."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.media.server import MediaServer, Reply, Request
from velobuild.errors import ProtocolError, SourceUnavailable
from velobuild.http.addresses import AddressPolicy
from velobuild.http.checked import Stopped
from velobuild.http.download import Downloader
from velobuild.http.downloaded import Downloaded, NotModified, Validators

LIMIT = 100_000
BODY = bytes(range(256)) * 200


@pytest.fixture
def cms() -> Iterator[MediaServer]:
    with MediaServer() as server:
        yield server


Open = Callable[..., Downloader]


@pytest.fixture
def loader() -> Iterator[Open]:
    with contextlib.ExitStack() as opened:

        def open_loader(cms: MediaServer, **options: Any) -> Downloader:
            settled = {"limit_bytes": LIMIT, "first_pause_s": 0, **options}
            return opened.enter_context(contextlib.closing(Downloader(AddressPolicy.of(cms.url), **settled)))

        yield open_loader


def endless(request: Request) -> None:
    request.head(200)
    while True:
        request.wfile.write(b"x" * 8192)


def announced(length: int) -> Reply:
    def reply(request: Request) -> None:
        request.head(200, Content_Length=str(length))
        request.wfile.write(b"x" * 1000)
        request.cut()

    return reply


def in_turn(*replies: Reply) -> Reply:
    turns = iter(replies)
    return lambda request: next(turns)(request)


def broken_after(count: int, *, etag: str = '"v1"', body: bytes = BODY) -> Reply:
    def reply(request: Request) -> None:
        request.head(200, Content_Length=str(len(body)), ETag=etag)
        request.wfile.write(body[:count])
        request.cut()

    return reply


def test_e7_a_body_without_end_is_given_up_at_the_limit(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    spent: list[int] = []
    with pytest.raises(ProtocolError) as caught:
        loader(cms).download(cms.serve("/endless", endless), tmp_path / "x", spend=spent.append)
    assert caught.value.code == "VB4004"
    assert sum(spent) <= LIMIT
    assert list(tmp_path.iterdir()) == []


def test_e7_four_gigabytes_announced_are_refused_before_they_come(
    cms: MediaServer, loader: Open, tmp_path: Path
) -> None:
    spent: list[int] = []
    with pytest.raises(ProtocolError, match="larger than"):
        loader(cms).download(cms.serve("/big", announced(4 << 30)), tmp_path / "x", spend=spent.append)
    assert (sum(spent), len(cms.requests)) == (0, 1)


def test_e7_control_within_the_limit_both_shapes_are_taken(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    def no_length(request: Request) -> None:
        request.head(200, Connection="close")
        request.wfile.write(BODY)
        request.cut()

    loader(cms).download(cms.serve("/a", no_length), tmp_path / "a")
    loader(cms).download(cms.serve("/b", BODY), tmp_path / "b")
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [BODY, BODY]


@pytest.mark.parametrize("headers_too", [True, False])
def test_e7_a_server_that_drips_is_left_at_the_deadline(
    cms: MediaServer, loader: Open, tmp_path: Path, headers_too: bool
) -> None:
    stop = threading.Event()

    def drip(request: Request) -> None:
        if not headers_too:
            request.head(200, Content_Length="50000")
        else:
            request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.02):
            request.wfile.write(b"X")

    url, began = cms.serve("/drip", drip), time.monotonic()
    with pytest.raises(SourceUnavailable, match="in time"):
        loader(cms, deadline_s=0.4).download(url, tmp_path / "x")
    assert time.monotonic() - began < 3
    # Control: a time-out for each read never ends, since each read succeeds.
    with pytest.raises(TimeoutError), httpx.Client(timeout=0.4, trust_env=False) as client:
        read_for(client, url, 1.2)
    stop.set()


def read_for(client: httpx.Client, url: str, seconds: float) -> None:
    """Raises TimeoutError if the client still reads after so long."""
    until = time.monotonic() + seconds
    timer = threading.Timer(seconds, client.close)
    timer.start()
    try:
        client.get(url)
    except Exception:
        if time.monotonic() >= until:
            raise TimeoutError from None
        raise
    finally:
        timer.join()


def test_a_stop_ends_a_download_that_waits(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    stop, arrived = threading.Event(), threading.Event()

    def silent(request: Request) -> None:
        arrived.set()
        stop.wait(20)

    waiting = loader(cms, stop=stop)
    threading.Thread(target=lambda: (arrived.wait(20), stop.set())).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        waiting.download(cms.serve("/silent", silent), tmp_path / "x")
    assert time.monotonic() - began < 5


def test_a_broken_download_goes_on_where_it_stood(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url = cms.serve("/a", BODY, etag='"v1"')
    good = cms.replies["/a"]
    cms.replies["/a"] = in_turn(broken_after(30_000), good)
    spent: list[int] = []
    got = loader(cms).download(url, tmp_path / "x", spend=spent.append)
    assert Downloaded(tmp_path / "x", len(BODY), Validators('"v1"', None)) == got
    assert (tmp_path / "x").read_bytes() == BODY
    assert [cms.requests[1].headers[name] for name in ("range", "if-range")] == ["bytes=30000-", '"v1"']
    assert len(BODY) == sum(spent)
    assert [tmp_path / "x"] == list(tmp_path.iterdir())


def test_a_later_run_goes_on_with_what_an_earlier_one_left(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url = cms.serve("/a", broken_after(20_000))
    with pytest.raises(SourceUnavailable):
        loader(cms, deadline_s=0).download(cms.url + "/a", tmp_path / "x")
    with pytest.raises(SourceUnavailable):
        loader(cms, first_pause_s=99).download(url, tmp_path / "x")
    cms.requests.clear()
    cms.serve("/a", BODY, etag='"v1"')
    loader(cms).download(url, tmp_path / "x")
    assert (
        (tmp_path / "x").read_bytes(),
        [seen.headers.get("range") for seen in cms.requests],
    ) == (BODY, ["bytes=20000-"])


def test_a_file_that_changed_meanwhile_starts_anew(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    new = b"new" * 9000
    url = cms.serve("/a", new, etag='"v2"')
    cms.replies["/a"] = in_turn(broken_after(30_000), cms.replies["/a"])
    loader(cms).download(url, tmp_path / "x")
    assert new == (tmp_path / "x").read_bytes()


def test_what_is_left_of_another_url_is_not_continued(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        loader(cms, first_pause_s=99).download(cms.serve("/a", broken_after(20_000)), tmp_path / "x")
    loader(cms).download(cms.serve("/b", BODY, etag='"v1"'), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert "range" not in cms.asked("/b")[0].headers


def test_a_weak_tag_is_no_promise_and_nothing_is_continued(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url = cms.serve("/a", BODY)
    cms.replies["/a"] = in_turn(broken_after(30_000, etag='W/"v1"'), cms.replies["/a"])
    loader(cms).download(url, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), "range" in cms.requests[1].headers) == (BODY, False)


@pytest.mark.parametrize("part", ["bytes 0-9/51200", "bytes 31000-51199/51200", "nonsense", ""])
def test_a_wrong_part_is_thrown_away(cms: MediaServer, loader: Open, tmp_path: Path, part: str) -> None:
    def wrong(request: Request) -> None:
        request.answer(206, b"wrong part", Content_Range=part, ETag='"v1"')

    url = cms.serve("/a", BODY, etag='"v1"')
    cms.replies["/a"] = in_turn(broken_after(30_000), wrong, cms.replies["/a"])
    loader(cms).download(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY


def test_a_416_starts_anew(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url = cms.serve("/a", BODY, etag='"v1"')
    no_range: Reply = lambda request: request.answer(416)  # noqa: E731
    cms.replies["/a"] = in_turn(broken_after(30_000), no_range, cms.replies["/a"])
    loader(cms).download(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.parametrize(("record", "served"), [(10_000, 9_990), (9_990, 10_000)])
def test_e14_another_size_than_the_record_says_is_tried_twice_and_refused(
    cms: MediaServer, loader: Open, tmp_path: Path, record: int, served: int
) -> None:
    url = cms.serve("/a", b"x" * served, etag='"v1"')
    with pytest.raises(SourceUnavailable, match=f"says {record} bytes, but the server sends {served}"):
        loader(cms).download(url, tmp_path / "x", expected_size=record)
    assert (len(cms.requests), list(tmp_path.iterdir())) == (2, [])


def test_e14_a_body_longer_than_its_length_is_found_out_by_the_record(
    cms: MediaServer, loader: Open, tmp_path: Path
) -> None:
    def overlong(request: Request) -> None:
        request.head(200, Content_Length="9990")
        request.wfile.write(b"x" * 10_000)
        request.cut()

    url = cms.serve("/a", overlong)
    with pytest.raises(SourceUnavailable, match="says 10000 bytes"):
        loader(cms).download(url, tmp_path / "x", expected_size=10_000)
    # Control: without the record the missing ten bytes go unnoticed.
    got = loader(cms).download(url, tmp_path / "x")
    assert isinstance(got, Downloaded)
    assert got.size_bytes == 9_990


def test_e14_the_size_is_checked_where_the_server_names_none(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    def no_length(request: Request) -> None:
        request.head(200, Connection="close")
        request.wfile.write(b"x" * 9_990)
        request.cut()

    with pytest.raises(SourceUnavailable, match="sends 9990"):
        loader(cms).download(cms.serve("/a", no_length), tmp_path / "x", expected_size=10_000)


def test_a_known_file_is_asked_for_news_only(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url = cms.serve("/a", BODY, etag='"v1"', modified="Sat, 01 Nov 2025 10:00:00 GMT")
    known = Validators('"v1"', "Sat, 01 Nov 2025 10:00:00 GMT")
    assert NotModified() == loader(cms).download(url, tmp_path / "x", known=known)
    assert known == Validators(*(cms.requests[0].headers[n] for n in ("if-none-match", "if-modified-since")))
    assert not (tmp_path / "x").exists()


def test_a_304_that_nobody_asked_for_is_no_file(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="answered 304"):
        loader(cms).download(cms.serve("/a", lambda request: request.head(304)), tmp_path / "x")


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (410, 1), (403, 1), (429, 4), (500, 4), (503, 4)])
def test_only_what_may_pass_is_tried_again(
    cms: MediaServer, loader: Open, tmp_path: Path, status: int, tries: int
) -> None:
    url = cms.serve("/a", lambda request: request.answer(status, b"x"))
    with pytest.raises(SourceUnavailable, match=f"answered {status}"):
        loader(cms).download(url, tmp_path / "x")
    assert tries == len(cms.requests)


def test_a_wait_beyond_the_deadline_is_not_begun(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url, began = cms.serve("/a", lambda request: request.answer(503, b"", Retry_After="3600")), time.monotonic()
    with pytest.raises(SourceUnavailable):
        loader(cms).download(url, tmp_path / "x")
    assert (len(cms.requests), time.monotonic() - began < 5) == (1, True)


def test_a_body_compressed_unasked_is_refused(cms: MediaServer, loader: Open, tmp_path: Path) -> None:
    url = cms.serve("/a", lambda request: request.answer(200, b"x", Content_Encoding="gzip"))
    with pytest.raises(ProtocolError, match="compressed"):
        loader(cms).download(url, tmp_path / "x")
    assert cms.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "x"])
def test_a_length_that_is_none_does_no_harm(cms: MediaServer, loader: Open, tmp_path: Path, length: str) -> None:
    def reply(request: Request) -> None:
        request.head(200, Content_Length=length)
        request.cut()

    with pytest.raises((SourceUnavailable, ProtocolError)):
        loader(cms, deadline_s=2).download(cms.serve("/a", reply), tmp_path / "x")


def test_nobody_listening_is_a_temporary_failure(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match="could not be reached"):
            Downloader(AddressPolicy.of(url), limit_bytes=9, first_pause_s=0).download(url + "/a", tmp_path / "x")


def test_the_certificate_is_that_of_the_name_though_the_connection_goes_to_a_number(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=media.example",
            "-addext",
            "subjectAltName=DNS:media.example",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=certificate)
    with MediaServer() as cms:
        cms._server.socket = ours.wrap_socket(cms._server.socket, server_side=True)
        cms.serve("/a", BODY)
        for host, tls, outcome in (
            ("media.example", trusting, None),
            ("other.example", trusting, "not valid for|Hostname mismatch"),
            ("media.example", None, "self-signed|self signed"),
        ):
            url = f"https://{host}:{cms.port}"
            secure = Downloader(
                AddressPolicy.of(url), limit_bytes=LIMIT, tls=tls, resolve=lambda *_: [ip_address("127.0.0.1")]
            )
            if outcome is None:
                secure.download(url + "/a", tmp_path / "x")
                assert (tmp_path / "x").read_bytes() == BODY
            else:
                with pytest.raises(SourceUnavailable, match=outcome):
                    secure.download(url + "/a", tmp_path / "x")
            secure.close()
