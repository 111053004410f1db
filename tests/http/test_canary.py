"""The token, looked for in everything that a run leaves behind."""

from __future__ import annotations

import base64
import gzip
import logging
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.standin import Reply, StandIn, error
from velobuild.config.schema import Secret
from velobuild.errors import VelobuildError
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter, Rate

CANARY = "velo_canary+7f3/a9c1"
FORMS = (CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode())

FAULTS = [
    error(401, "UNAUTHORIZED"),
    error(403, "INVALID_SCOPE"),
    error(403, "PLAN_UPGRADE_REQUIRED"),
    error(429, "QUOTA_EXCEEDED"),
    error(500, "INTERNAL_ERROR"),
    Reply(302, b"", {"Location": "https://evil.example/"}),
    Reply(404, b"<html>"),
    Reply(200, b"<html>"),
    Reply(200, b'{"a":', length=None),
    Reply(mode="reset"),
    Reply(mode="stall", cut=0),
    Reply(body=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", mode="raw"),
]


def test_o3_the_token_is_in_no_message_log_traceback_or_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    left: list[str] = []
    with StandIn(posts=1) as cms, StandIn() as other:
        cms.tokens = {CANARY}
        for fault in [*FAULTS, Reply(302, b"", {"Location": other.url + "/posts"})]:
            cms.faults.clear()
            cms.fault(fault)
            limiter = Limiter(tmp_path / "cache", fixed=Rate(1000, 1))
            secret = Secret(CANARY, "environment variable X")
            client = ApiClient(
                cms.url, (secret,), limiter=limiter, sleep=lambda seconds: None, deadline_s=0.3, warn=lambda f: None
            )
            with pytest.raises(VelobuildError) as caught:
                client.get_json("posts", {"page": 1})
            left += traceback.format_exception(caught.value)
            left += [repr(caught.value.diagnostics), repr(client), repr(secret), repr(limiter)]
            client.close()
            limiter.close()
        sent = [request.headers["authorization"] for request in cms.requests]
        assert set(sent) == {f"Bearer {CANARY}"}, "control: it was sent where it belongs"
        assert other.requests == []
    left += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) > 10, "control: there is a log to look at"
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    left += [file.read_bytes().decode("latin-1") for file in files]
    assert [text[:200] for text in left for form in FORMS if form in text] == []


BOMB = """
import resource, sys
from velobuild.config.schema import Secret
from velobuild.errors import VelobuildError
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter
client = ApiClient(sys.argv[1], (Secret("velo_good"),), limiter=Limiter(None))
client.get_json("site-settings")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    client.get_json("posts")
except VelobuildError as error:
    print(error.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
@pytest.mark.parametrize("kind", ["compressed", "plain, no length", "length says so"])
def test_a9_no_answer_makes_the_process_grow_by_more_than_64_mb(kind: str) -> None:

    bomb = {
        "compressed": Reply(body=gzip.compress(b" " * 300_000_000, 1), headers={"Content-Encoding": "gzip"}),
        "plain, no length": Reply(body=b'"' + b" " * 100_000_000, length=None),
        "length says so": Reply(body=b'"' + b" " * 100_000_000),
    }[kind]
    with StandIn() as cms:
        cms.fault(bomb, "/posts")
        arguments = [sys.executable, "-c", BOMB, cms.url]
        code, grown_kb = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd="/").stdout.split()
    assert code in ("VB2201", "VB2203")
    assert int(grown_kb) < 64_000
