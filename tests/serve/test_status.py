"""What is told of the service: the status file, the page, the metrics, the log; and to whom."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError
from velobuild.serve.activation import inherited, listening, url_of, without
from velobuild.serve.logs import NAME, log_to, say
from velobuild.serve.metrics import exposition
from velobuild.serve.reconcile import Silence, Timetable, budget, interval_s
from velobuild.serve.seen import Seen, door_warning
from velobuild.serve.status import BuildRow, SiteStatus, read_status, status_json, write_status
from velobuild.serve.status_page import is_near, page, pages

NOW = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"
DOOR = {"accepted": 5, "refused": 2, "unusable": 1, "ping_at": None}


def overview(**status: Any) -> dict[str, Any]:
    row = BuildRow(NOW, (f"post.updated {HOSTILE}",), "failed", 40, error=HOSTILE)
    values = {"builds": (row,), "builds_total": 3, "failed_total": 1, "last_error": HOSTILE, "state": "degraded"}
    event = {
        "kind": "post.updated",
        "post_id": "a",
        "slug": HOSTILE,
        "state": "done",
        "outcome": "built",
        "received_at": NOW.isoformat(),
        "fetched_at": None,
        "built_at": None,
        "published_at": None,
        "live_after_ms": 51,
    }
    return {
        "blog": {
            "status": status_json(SiteStatus("blog", **{**values, **status})),
            "queue": {"new": 1, "taken": 0, "done": 7, "dead": 2},
            "door": DOOR,
            "events": [event],
        }
    }


class Shown:
    def __init__(self, *, ready: bool = True) -> None:
        self._ready = ready

    def overview(self) -> dict[str, Any]:
        return overview()

    def post(self, site: str, post: str) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = overview()["blog"]["events"]
        return found if (site, post) == ("blog", "a/b") else None

    def ready(self) -> bool:
        return self._ready

    def metrics(self) -> tuple[bytes, str] | None:
        return exposition(overview())


def test_the_page_shows_what_came_from_outside_as_text() -> None:
    html = page(overview())
    assert LexborHTMLParser(html).css("script") == []
    assert "&lt;script&gt;" in html
    assert "degraded" in html


def ask(path: str, **options: Any) -> httpx.Response:
    """What the pages answer to somebody on this machine."""
    transport = httpx.ASGITransport(pages(Shown(**options), lambda: None), client=("127.0.0.1", 5))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    return asyncio.run(asked())


def test_the_pages_answer_and_forbid_scripts() -> None:
    answer = ask("/")
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ask("/sites/blog/posts/a/b").status_code == 200
    assert ask("/sites/blog/posts/a/b.json").json()[0]["live_after_ms"] == 51
    assert ask("/sites/blog/posts/none").status_code == 404
    assert ask("/readyz").status_code == 200
    assert ask("/readyz", ready=False).status_code == 503
    assert ask("/healthz", ready=False).status_code == 200


@pytest.mark.parametrize(
    ("peer", "headers", "near"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8787"}, True),
        ("::1", {"host": "[::1]:8787"}, True),
        ("127.0.0.1", {"host": "localhost"}, True),
        ("203.0.113.9", {"host": "127.0.0.1:8787"}, False),
        ("127.0.0.1", {"host": "evil.example:8787"}, False),
        ("127.0.0.1", {"host": "127.0.0.1", "x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"host": "127.0.0.1", "via": "1.1 proxy"}, False),
        ("127.0.0.1", {}, False),
        ("", {"host": "127.0.0.1"}, False),
    ],
)
def test_near_is_only_who_asks_from_this_machine_and_through_no_proxy(
    peer: str, headers: dict[str, str], near: bool
) -> None:
    assert is_near(peer, headers) is near


def test_metrics_are_those_of_the_overview() -> None:
    found = exposition(overview())
    assert found is not None
    text, kind = found
    assert kind.startswith("text/plain")
    lines = text.decode().splitlines()
    assert 'velobuild_builds_total{site="blog"} 3.0' in lines
    assert 'velobuild_state{site="blog",state="degraded"} 1.0' in lines
    assert 'velobuild_deliveries_total{outcome="refused",site="blog"} 2.0' in lines


def test_the_status_file_is_whole_and_says_whether_the_service_lives(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    write_status(tmp_path, SiteStatus("blog", state="idle", pid=os.getpid(), since=NOW))
    found = read_status(tmp_path)
    assert found is not None
    assert (found["running"], found["since"]) == (True, "2026-05-03T10:00:00.000+00:00")
    write_status(tmp_path, SiteStatus("blog", state="idle", pid=2**22 + 1))
    assert (read_status(tmp_path) or {})["running"] is False
    (tmp_path / "listen.json").write_text('{"half')
    assert read_status(tmp_path) is None
    write_status(tmp_path / "nowhere", SiteStatus("blog"))
    assert [file.name for file in tmp_path.iterdir()] == ["listen.json"]


# --- the log


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_line_holds_no_secret_and_no_control_character(form: Any) -> None:
    """O3, J8."""
    said = io.StringIO()
    log_to(said, form, lambda: [Secret('se"cret-of-mine')])
    hostile = 'got se"cret-of-mine\r\n\x1b[2J and velo_0123456789abcdef01 ‮'
    say(logging.WARNING, "refused", why=hostile, site="blog")
    logging.getLogger(NAME).warning("%s", hostile)
    try:
        raise RuntimeError(hostile)
    except RuntimeError:
        logging.getLogger(NAME).exception("it failed")
    text = said.getvalue()
    assert len(text.splitlines()) == 3
    for secret in ('se"cret', 'se\\"cret', "velo_0123", "\x1b", "‮"):
        assert secret not in text
    if form == "json":
        line = json.loads(text.splitlines()[0])
        assert (line["event"], line["level"], line["site"]) == ("refused", "warning", "blog")
        assert json.loads(text.splitlines()[2])["exception"] == "RuntimeError"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_m12_a_log_that_cannot_be_written_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """M12, L9."""
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115
    log_to(full, "text", lambda: ())
    say(logging.WARNING, "a line that finds no room")
    log_to(sys.stderr, "text", lambda: ())
    with suppress(OSError):
        full.close()
    assert "Traceback" not in capfd.readouterr().err


# --- sockets


def test_sockets_that_were_handed_over_are_taken_only_by_whom_they_are_meant_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        variables = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "PATH": "/bin"}
        assert inherited(variables, pid=2) == []
        assert inherited({}, pid=1) == []
        assert without(variables) == {"PATH": "/bin"}
        assert url_of(held) == f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("address", ["", "8787", ":8787", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        listening(address, {})
    assert refused.value.code == "VB1101"


# --- warnings and times


def test_i12_an_hour_of_refusals_is_a_warning_and_a_single_forgery_is_none() -> None:
    """I12."""
    later = [NOW + timedelta(minutes=minutes) for minutes in (0, 30, 59, 60)]
    seen = Seen()
    assert door_warning(seen, NOW) is None
    for at in later:
        assert door_warning(seen, at) is None
        seen.refuse("the signature is not that of any secret", at, signed=True)
    assert "is the secret wrong" in (door_warning(seen, later[-1]) or "")
    seen.begin_anew()
    assert door_warning(seen, later[-1]) is None, "an accepted delivery ends it"
    once = Seen(refused_in_a_row=1, refused_since=NOW, refused_until=NOW)
    assert door_warning(once, NOW + timedelta(minutes=30)) is None


def test_refusals_of_one_instant_are_no_hour_of_them_and_an_hour_without_any_ends_the_warning() -> None:
    """I12: a stranger holds nobody `degraded`."""
    seen, hour = Seen(), timedelta(hours=1)
    for _ in range(3):
        seen.refuse("the signature is not that of any secret", NOW, signed=True)
    assert [door_warning(seen, NOW + hours * hour) for hours in (0, 0.9, 1, 24)] == [None] * 4
    seen.refuse("the signature is not that of any secret", NOW + hour, signed=True)
    warned = [door_warning(seen, NOW + hours * hour) is not None for hours in (1, 1.9, 2, 24)]
    assert warned == [True, True, False, False]


def test_the_timers_share_of_the_day() -> None:
    assert interval_s(1, 10_000) == 300
    assert interval_s(10, 10_000) * 500 == pytest.approx(10 * 86_400)
    assert interval_s(10, 10_000, poll_s=7) == 7
    assert [budget(used, 100) for used in (0, 79, 80, 94, 95, 200)] == [
        *("enough", "enough", "scarce", "scarce", "events only", "events only")
    ]


def test_a_look_that_fetched_much_does_not_make_idle_ones_rare() -> None:
    times = Timetable(10_000).looked(0.0, calls=1_013, bodies=1_000)
    assert times.calls == 13
    assert times.due(times.interval_s - 1, NOW) is None
    assert times.due(times.interval_s, NOW) == "timer"


def test_a_day_of_silence_counts_once_something_was_found() -> None:
    silent = Silence(NOW)
    later = NOW + timedelta(hours=25)
    assert silent.warning(later) is None
    assert "the webhook seems disabled" in (silent.looked(2).warning(later) or "")
    assert silent.looked(2).heard(later).warning(later) is None
