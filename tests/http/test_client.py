"""The catalogue of what can go wrong between us and the CMS, on real sockets."""

from __future__ import annotations

import gzip
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.standin import FakeTime, Reply, StandIn, error, post
from velobuild.config.schema import Secret
from velobuild.errors import (
    ConfigError,
    Diagnostic,
    ProtocolError,
    SourceUnavailable,
    TokenError,
    VelobuildError,
)
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing, pause_s
from velobuild.http.limiter import Limiter, Rate
from velobuild.http.transport import DeadlineTransport

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
GOOD = Secret("velo_good", "environment variable VELOCMS_API_KEY")
OLD = Secret("velo_old", "environment variable VELOCMS_API_KEY_2")
FAST = Rate(1000, 1)
TRUNCATED, NOT_OURS = "VB2202", "VB2201"


@pytest.fixture
def cms() -> Iterator[StandIn]:
    with StandIn(posts=3) as running:
        yield running


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def warnings() -> list[Diagnostic]:
    return []


Make = Callable[..., ApiClient]


@pytest.fixture
def connect(cms: StandIn, time: FakeTime, warnings: list[Diagnostic]) -> Iterator[Make]:
    made = []

    def make(
        url: str | None = None,
        tokens: tuple[Secret, ...] = (GOOD,),
        deadline_s: float = 5.0,
        fixed: Rate | None = FAST,
        **more: Any,
    ) -> ApiClient:
        limiter = Limiter(None, fixed=fixed, monotonic=time.monotonic)
        client = ApiClient(
            url or cms.url,
            tokens,
            limiter=limiter,
            clock=lambda: NOW,
            sleep=time.sleep,
            monotonic=time.monotonic,
            warn=warnings.append,
            deadline_s=deadline_s,
            **more,
        )
        made.append((client, limiter))
        return client

    yield make
    for client, limiter in made:
        client.close()
        limiter.close()


def fails(client: ApiClient, kind: type[VelobuildError], code: str, exit_code: int) -> VelobuildError:
    with pytest.raises(kind) as caught:
        client.get_json("posts", {"page": 1})
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
    shown = str(caught.value) + repr(caught.value.diagnostics)
    assert "velo_" not in shown.replace("it begins with `velo_`", "")
    return caught.value


def test_a_good_answer_is_its_json_with_status_and_headers(cms: StandIn, connect: Make) -> None:
    cms.extra_headers = {"X-Thing": "1"}
    answer = connect().get_json("posts", {"status": "published", "page": 1})
    assert (answer.status, answer.headers["x-thing"], answer.body["total"]) == (200, "1", 3)


def test_every_request_is_a_get_with_the_token_and_asks_for_plain_fresh_json(cms: StandIn, connect: Make) -> None:
    connect().get_json("posts/post00000000001")
    (request,) = cms.requests
    assert (request.method, request.path) == ("GET", "/api/v1/posts/post00000000001")
    assert request.headers["authorization"] == "Bearer velo_good"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["cache-control"] == "no-cache"
    assert "cookie" not in request.headers


def test_ids_are_percent_encoded_in_paths(cms: StandIn, connect: Make) -> None:
    with pytest.raises(RecordMissing):
        connect().get_json("posts/a b?c#d")
    assert cms.requests[0].path == "/api/v1/posts/a%20b%3Fc%23d"


# A1 to A4: no connection


def test_a1_a_refused_connection_is_tried_again_and_then_named(connect: Make, time: FakeTime) -> None:
    found = fails(connect("http://127.0.0.1:1/api/v1"), SourceUnavailable, "VB2101", 4)
    assert "127.0.0.1:1" in str(found.diagnostics[0].where)
    assert len(time.slept) == 3
    assert sum(time.slept) < 60


def test_a1_a_name_that_does_not_resolve_is_unreachable(connect: Make) -> None:
    fails(connect("https://no-such-host.invalid/api/v1"), SourceUnavailable, "VB2101", 4)


@pytest.mark.parametrize("mode", ["reset", "nothing"])
def test_a1_a_reset_connection_is_tried_again(cms: StandIn, connect: Make, mode: Any) -> None:
    cms.fault(Reply(mode=mode), times=2)
    assert connect().get_json("posts").status == 200
    cms.fault(Reply(mode=mode))
    fails(connect(), SourceUnavailable, "VB2101", 4)


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {folder}/key.pem -out {folder}/cert.pem -days 2 "
    made += "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(made.split(), check=True, capture_output=True)
    return folder


def test_a2_a_certificate_that_is_not_trusted_ends_it_at_once(self_signed: Path, connect: Make) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed / "cert.pem", self_signed / "key.pem")
    with StandIn(posts=1, context=context) as cms:
        found = fails(connect(cms.url), SourceUnavailable, "VB2102", 4)
        assert "self-signed" in str(found)
        assert cms.requests == [], "nothing was sent"
        trusting = DeadlineTransport(5, context=ssl.create_default_context(cafile=self_signed / "cert.pem"))
        assert connect(cms.url, transport=trusting).get_json("posts").status == 200, "control: trusted, it works"
        fails(connect(cms.url.replace("127.0.0.1", "localhost"), transport=trusting), SourceUnavailable, "VB2102", 4)


@pytest.mark.parametrize(
    "url",
    ["http://blog.example/api/v1", "http://10.0.0.1/api/v1", "http://localhost.example/api/v1", "http://0.0.0.0/api"],
)
def test_a3_the_token_is_never_sent_unencrypted_beyond_this_machine(connect: Make, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(url)
    assert (caught.value.code, caught.value.exit_code) == ("VB1301", 2)
    connect("http://[::1]:1/api/v1")
    connect("http://localhost:1/api/v1")


@pytest.mark.parametrize(
    "url", ["blog.example", "ftp://blog.example", "https://u:p@blog.example", "https://", "https://a\nb"]
)
def test_an_address_that_is_none_is_refused(connect: Make, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(url)
    assert caught.value.code == "VB1101"


@pytest.mark.parametrize("mode", ["drip", "stall"])
def test_a4_an_answer_that_drips_or_stalls_meets_one_deadline(cms: StandIn, connect: Make, mode: Any) -> None:
    cms.fault(Reply(body={"items": ["x" * 500]}, mode=mode))
    client = connect(deadline_s=0.3)
    began = datetime.now()
    found = fails(client, SourceUnavailable, "VB2101", 4)
    assert "0.3 s" in str(found)
    assert (datetime.now() - began).total_seconds() < 4, "four attempts of 0.3 s each"


def test_a4_control_a_time_out_for_each_read_is_never_met_by_a_drip(cms: StandIn) -> None:
    cms.fault(Reply(body=b"{}" + b" " * 3, mode="drip"))
    began = datetime.now()
    request = urllib.request.Request(cms.url + "/posts")
    assert urllib.request.urlopen(request, timeout=0.3).read().strip() == b"{}"
    assert (datetime.now() - began).total_seconds() > 1


# A5 to A9: lengths and encodings


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body={"items": [1, 2, 3]}, mode="cut", cut=8),
        Reply(body=b'{"items":[1,2', length=None),
        Reply(
            body=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"ite\r\n',
            mode="raw",
        ),
        Reply(body=b'{"items": []}', length=9),
    ],
    ids=["a5 shorter than its length", "a7 no length, cut in JSON", "a5 chunked, cut", "a6 longer than its length"],
)
def test_a5_a6_a7_an_answer_that_is_not_whole_is_tried_again_and_never_used(
    cms: StandIn, connect: Make, reply: Reply
) -> None:
    cms.fault(reply, times=2)
    assert connect().get_json("posts").body["total"] == 3
    cms.fault(reply)
    before = len(cms.requests)
    fails(connect(), ProtocolError, TRUNCATED, 5)
    assert len(cms.requests) - before == 4


def test_a8_a_compressed_answer_is_refused_even_if_its_end_is_missing(cms: StandIn, connect: Make) -> None:
    cms.fault(Reply(body=gzip.compress(b'{"items":[]}')[:-8], headers={"Content-Encoding": "gzip"}))
    found = fails(connect(), ProtocolError, NOT_OURS, 5)
    assert "compressed" in str(found)


def test_a9_a_bomb_is_not_unpacked_and_20_mb_are_the_end(cms: StandIn, connect: Make) -> None:
    cms.fault(Reply(body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}), times=1)
    fails(connect(), ProtocolError, NOT_OURS, 5)
    cms.fault(Reply(body=b"{}", length=30_000_000), times=1)
    fails(connect(), ProtocolError, "VB2203", 5)
    cms.fault(Reply(body=b'"' + b"x" * 21_000_000, length=None), times=1)
    fails(connect(), ProtocolError, "VB2203", 5)


# A10 to A13: what is no JSON of ours


@pytest.mark.parametrize(
    "body",
    [b"<html><title>Sign in</title>\x1b[2J", b"", '{"a":"é"}'.encode("latin-1"), '{"items":[]}'.encode("utf-16")],
    ids=["a10 login page", "a10 empty", "a11 Latin-1", "a11 UTF-16"],
)
def test_a10_a11_what_is_no_json_is_named_with_status_type_and_beginning(
    cms: StandIn, connect: Make, body: bytes
) -> None:
    cms.fault(Reply(body=body, headers={"Content-Type": "text/html"}))
    found = fails(connect(), ProtocolError, NOT_OURS, 5)
    assert "200" in str(found)
    assert "text/html" in str(found)
    assert "\x1b" not in str(found)
    assert len(cms.requests) == 1, "it will be the same next time"


def test_a11_a_byte_order_mark_is_accepted(cms: StandIn, connect: Make) -> None:
    cms.fault(Reply(body=b"\xef\xbb\xbf" + b'{"items":[]}'))
    assert connect().get_json("posts").body == {"items": []}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=["NaN", "-Infinity", "1e400", "5,000 digits", "100,000 arrays", "300 arrays"],
)
def test_a12_numbers_and_depths_beyond_reason_are_refused(cms: StandIn, connect: Make, body: bytes) -> None:
    cms.fault(Reply(body=body))
    fails(connect(), ProtocolError, NOT_OURS, 5)


def test_a12_control_the_usual_parser_takes_them_or_breaks() -> None:
    assert json.loads("1e400") == float("inf")
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000 + "]" * 100_000)


def test_a13_a_name_that_stands_twice_is_marked_for_whoever_reads_the_record(cms: StandIn, connect: Make) -> None:
    raw = b'{"items":[{"id":"a","status":"draft","status":"published"},{"id":"b"}]}'
    cms.fault(Reply(body=raw))
    items = connect().get_json("posts").body["items"]
    assert items[0].names == ("status",)
    assert not hasattr(items[1], "names")
    assert json.loads(raw)["items"][0]["status"] == "published", "control: the last one would win"


# A14, A15: token, scope, plan


def test_a14_a_refused_token_is_not_tried_again_and_its_place_is_named(cms: StandIn, connect: Make) -> None:
    cms.tokens = set()
    found = fails(connect(), TokenError, "VB2001", 3)
    assert "environment variable VELOCMS_API_KEY" in str(found)
    assert "Admin → Settings → API Keys" in str(found.hint)
    assert len(cms.requests) == 1


def sent(cms: StandIn) -> list[str]:
    """The tokens of all requests so far."""
    return [request.headers["authorization"] for request in cms.requests]


def test_a14_a_second_token_is_tried_once_and_kept(cms: StandIn, connect: Make, warnings: list[Diagnostic]) -> None:
    client = connect(tokens=(OLD, GOOD))
    client.get_json("posts")
    client.get_json("posts")
    assert sent(cms) == ["Bearer velo_old", "Bearer velo_good", "Bearer velo_good"]
    assert [w.code for w in warnings] == ["VB2001"]
    cms.tokens = {"velo_old"}
    client.get_json("posts")
    assert sent(cms)[3:] == ["Bearer velo_good", "Bearer velo_old"], "and back, if the rotation is undone"
    cms.tokens = set()
    fails(client, TokenError, "VB2001", 3)


@pytest.mark.parametrize(
    ("code", "ours", "remedy"),
    [
        ("INVALID_SCOPE", "VB2002", "posts:read"),
        ("FORBIDDEN", "VB2002", "posts:read"),
        ("PLAN_UPGRADE_REQUIRED", "VB2003", "plan"),
    ],
)
def test_a15_scope_and_plan_have_two_remedies(cms: StandIn, connect: Make, code: str, ours: str, remedy: str) -> None:
    cms.fault(error(403, code))
    found = fails(connect(), TokenError, ours, 3)
    assert remedy in str(found.hint)
    assert len(cms.requests) == 1


def test_https_required_says_so(cms: StandIn, connect: Make) -> None:
    cms.fault(error(400, "HTTPS_REQUIRED"))
    fails(connect(), ConfigError, "VB1301", 2)


# A16 to A18: limits


def test_a16_retry_after_is_waited_for_and_the_work_goes_on(cms: StandIn, connect: Make, time: FakeTime) -> None:
    cms.fault(error(429, "RATE_LIMITED", Retry_After="7"), times=2)
    assert connect().get_json("posts").status == 200
    assert sum(time.slept) == pytest.approx(14, abs=0.1)


def test_a16_pauses_of_more_than_ten_minutes_in_all_end_it(cms: StandIn, connect: Make, time: FakeTime) -> None:
    cms.fault(error(429, "RATE_LIMITED", Retry_After="250"))
    found = fails(connect(), SourceUnavailable, "VB2104", 4)
    assert isinstance(found, SourceUnavailable)
    assert found.retry_at == NOW.timestamp() + 250
    assert sum(time.slept) <= 600


def test_a17_a_pause_of_a_day_is_not_slept_but_told(cms: StandIn, connect: Make, time: FakeTime) -> None:
    cms.fault(error(429, "RATE_LIMITED", Retry_After="86400"))
    found = fails(connect(), SourceUnavailable, "VB2104", 4)
    assert isinstance(found, SourceUnavailable)
    assert found.retry_at == NOW.timestamp() + 86400
    assert "2026-06-02 12:00 UTC" in str(found.hint)
    assert time.slept == []


def test_a17_without_a_usable_retry_after_pauses_double_up_to_a_minute(
    cms: StandIn, connect: Make, time: FakeTime
) -> None:
    cms.fault(error(429, "RATE_LIMITED", Retry_After="soon"), times=8)
    assert connect().get_json("posts").status == 200
    assert time.slept == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=0.01)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "Mon, 01 Jun 2026 12:00:09 GMT"}, 9),
        ({"retry-after": "Mon, 01 Jun 2026 12:00:09 GMT", "date": "Mon, 01 Jun 2026 12:00:04 GMT"}, 5),
        ({"retry-after": "-5", "x-ratelimit-reset": str(int(NOW.timestamp()) + 30)}, 30),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 30), "date": "Mon, 01 Jun 2026 12:00:20 GMT"}, 10),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 01 Jun 2020 12:00:09 GMT"}, None),
        ({"retry-after": "٧"}, None),
        ({"x-ratelimit-reset": "5"}, None),
        ({}, None),
    ],
)
def test_a17_how_long_the_answer_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_s(headers, NOW) == seconds


def test_a18_a_used_up_quota_ends_it_at_once_and_says_until_when(cms: StandIn, connect: Make, time: FakeTime) -> None:
    cms.fault(error(429, "QUOTA_EXCEEDED"), times=1)
    found = fails(connect(), SourceUnavailable, "VB2105", 4)
    assert isinstance(found, SourceUnavailable)
    assert found.retry_at == datetime(2026, 6, 2, tzinfo=UTC).timestamp()
    assert (len(cms.requests), time.slept) == (1, [])
    cms.fault(error(429, "QUOTA_EXCEEDED", Retry_After="3600"), times=1)
    found = fails(connect(), SourceUnavailable, "VB2105", 4)
    assert "2026-06-01 13:00 UTC" in str(found.hint)


def test_the_limiter_keeps_below_what_the_headers_tell(cms: StandIn, connect: Make, time: FakeTime) -> None:
    cms.extra_headers = {"X-RateLimit-Limit": "40", "X-RateLimit-Remaining": "20"}
    client = connect(fixed=None)
    for _ in range(39):
        client.get_json("posts")
    assert time.now == pytest.approx(1000 + 60, abs=1), "38 in the first minute: 95 % of 40"
    assert (client.usage.calls, client.usage.limit, client.usage.remaining) == (39, 40, 20)
    assert client.usage.left_in_window == 20, "as the CMS says: others may use the key too"


def test_without_headers_what_is_left_is_by_our_own_count(cms: StandIn, connect: Make, time: FakeTime) -> None:
    client = connect(fixed=None)
    for _ in range(7):
        client.get_json("posts")
    assert (client.usage.remaining, client.usage.left_in_window) == (None, 25 - 7)
    time.now += 61
    assert client.usage.left_in_window == 25


def test_few_calls_left_slow_us_down_until_the_reset(cms: StandIn, connect: Make, time: FakeTime) -> None:
    reset = str(int(NOW.timestamp()) + 30)
    cms.extra_headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": reset}
    client = connect(fixed=None)
    client.get_json("posts")
    client.get_json("posts")
    assert time.now == pytest.approx(1015, abs=1), "one call left for 30 s: half of them"
    cms.extra_headers["X-RateLimit-Remaining"] = "50"
    client.get_json("posts")
    before = time.now
    client.get_json("posts")
    assert time.now == before, "control: with enough left nothing waits"


# A19 to A25


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a19_a_failing_cms_is_tried_four_times(cms: StandIn, connect: Make, time: FakeTime, status: int) -> None:
    cms.fault(error(status, "INTERNAL_ERROR"), times=3)
    assert connect().get_json("posts").status == 200
    assert sum(time.slept) < 6
    cms.fault(error(status, "INTERNAL_ERROR"), times=5)
    fails(connect(), SourceUnavailable, "VB2103", 4)


@pytest.mark.parametrize("target", ["https://evil.example/x", "http://127.0.0.1:{port}/steal", "//evil.example", ""])
def test_a20_a_redirect_is_not_followed_and_the_token_stays(cms: StandIn, connect: Make, target: str) -> None:
    with StandIn() as other:
        headers = {"Location": target.format(port=other.port)} if target else {}
        cms.fault(Reply(302, b"", headers))
        fails(connect(), ProtocolError, "VB2204", 5)
        assert other.requests == []
    assert len(cms.requests) == 1


def test_a20_control_urllib_follows_and_takes_the_token_along(cms: StandIn) -> None:
    with StandIn(posts=1) as other:
        cms.fault(Reply(302, b"", {"Location": other.url + "/posts"}))
        request = urllib.request.Request(cms.url + "/posts", headers={"Authorization": "Bearer velo_good"})
        urllib.request.urlopen(request).read()
        assert other.requests[0].headers["authorization"] == "Bearer velo_good"


def test_a21_a_proxys_502_is_judged_by_its_status(cms: StandIn, connect: Make) -> None:
    cms.fault(Reply(502, b"<html>Bad gateway"))
    fails(connect(), SourceUnavailable, "VB2103", 4)


def test_a22_a_404_that_the_api_does_not_explain_is_no_missing_record(cms: StandIn, connect: Make) -> None:
    with pytest.raises(RecordMissing):
        connect().get_json("posts/gone")
    cms.fault(Reply(404, b"<html>Not found"))
    found = fails(connect(), ProtocolError, NOT_OURS, 5)
    assert not isinstance(found, RecordMissing)


def test_a23_headers_without_end_are_bounded(cms: StandIn, connect: Make) -> None:
    for head in (b"X-Long: " + b"x" * 1_000_000, b"".join(b"X-%d: 1234567890\r\n" % n for n in range(20_000))):
        cms.fault(Reply(body=b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n{}", mode="raw"), times=1)
        with pytest.raises(VelobuildError) as caught:
            connect().get_json("posts")
        assert caught.value.exit_code in (4, 5)
    cms.fault(Reply(body=b"HTTP/1.1 103 Early\r\n\r\n" * 200_000, mode="raw"))
    with pytest.raises(VelobuildError) as caught:
        connect(deadline_s=0.5).get_json("posts")
    assert caught.value.exit_code in (4, 5)


def test_a23_what_speaks_no_http_is_named(cms: StandIn, connect: Make) -> None:
    cms.fault(Reply(body=b"SSH-2.0-OpenSSH_9.2\r\n\r\n", mode="raw"))
    fails(connect(), ProtocolError, NOT_OURS, 5)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"data": {}, "message": "The requested resource wasn't found.", "status": 404}, "PocketBase"),
        ({"code": 404, "message": "Nope.", "data": {}}, "PocketBase"),
        ({"code": "rest_no_route", "message": "No route", "data": {"status": 404}}, "WordPress"),
        ({"errors": [{"message": "Resource not found"}]}, "another CMS"),
    ],
)
def test_a24_another_system_at_the_address_is_recognised(
    cms: StandIn, connect: Make, body: dict[str, Any], named: str
) -> None:
    for status in (401, 403, 404):
        cms.fault(Reply(status, body), times=1)
        fails(connect(), ConfigError, "VB1302", 2)
    cms.fault(Reply(404, body))
    assert named in str(fails(connect(), ConfigError, "VB1302", 2))


def test_a25_an_answer_from_a_cache_is_warned_of_once(cms: StandIn, connect: Make, warnings: list[Diagnostic]) -> None:
    client = connect()
    client.get_json("posts")
    assert warnings == []
    cms.extra_headers = {"Age": "3600"}
    client.get_json("posts")
    client.get_json("posts")
    assert [w.code for w in warnings] == ["VB2210"]


# O2, O5


@pytest.mark.parametrize("token", ["velo_a\nX: 1", "velo_é", "velo a", "", "velo_\x00"])
def test_o2_a_token_that_cannot_be_sent_is_refused_and_not_shown(connect: Make, token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(tokens=(Secret(token, "file secrets"),))
    assert caught.value.code == "VB1202"
    assert "velo" not in str(caught.value) + repr(caught.value.diagnostics) + repr(caught.value.__cause__)


def test_o5_the_environment_has_no_say(
    cms: StandIn, connect: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with StandIn(posts=1) as proxy:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.site)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
        connect().get_json("posts")
        assert cms.requests[0].headers["authorization"] == "Bearer velo_good"
        assert proxy.requests == []
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        urllib.request.build_opener().open(
            urllib.request.Request(cms.url + "/posts", headers={"Authorization": "Bearer velo_good"})
        )
        assert len(proxy.requests) == 1, "control: others ask the environment"


def test_a_connection_is_used_again(cms: StandIn, connect: Make) -> None:
    client = connect()
    for number in range(3):
        client.get_json(f"posts/{post(number)['id']}")
    assert client.usage.calls == 3
    assert client.usage.calls_today == 3


def test_what_follows_an_answer_is_not_taken_for_the_next_one(cms: StandIn, connect: Make) -> None:
    """A server that says too short a length and keeps the connection open: its rest must not answer another request."""
    smuggled = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"items":["fake"]}'
    cms.fault(Reply(body=b'{"items": []}' + smuggled, length=9, keep=True), times=1)
    answer = connect().get_json("posts").body
    assert answer["total"] == 3
    assert len(cms.requests) == 2


def test_a_length_is_checked_whatever_carries_the_answer(connect: Make) -> None:
    """HTTP's own reader counts too; this holds for a transport that does not."""

    def short(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": "30"}, stream=httpx.ByteStream(b'{"items": []}'))

    fails(connect(transport=httpx.MockTransport(short)), ProtocolError, TRUNCATED, 5)
