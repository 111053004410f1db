"""A first synchronisation that is ended from outside, again and again, and pays for no body twice."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.scenarios.site import SiteTest
from velobuild.devcms import LoggedRequest, Running, Switches

POSTS = 300
# Forty calls in any 700 ms, and velobuild told to make more: the limit bites again and again.
BITING = {"rate_limit": 40, "rate_window_ms": 700, "hourly_limit": 0}


def until(met: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_sync_killed_twice_and_stopped_by_the_quota_fetches_every_body_exactly_once(
    site: SiteTest, devcms: Running
) -> None:
    site.configured(source={"rate_limit": "500/s"}).posts(POSTS)
    devcms.set_switches(Switches(**BITING))
    site.counting()

    def limited_since(seen: int) -> bool:
        calls: list[LoggedRequest] = devcms.requests()
        return len(calls) > seen and calls[-1].status == 429

    for _ in range(2):
        seen = len(devcms.requests())
        process = site.start("sync")
        # It now waits for a second at least, so that no answer is under way that it could not keep.
        until(lambda seen=seen: limited_since(seen))  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL

    before = sum(site.bodies_fetched().values())
    assert 0 < before < POSTS
    made = sum(call.status == 200 for call in devcms.requests())
    devcms.set_switches(Switches(**BITING, daily_quota=made + 100))
    site.apart("sync").expects_exit(4, "VB2105", "what was fetched is kept", "go on after")
    told = re.search(r"go on after (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", site.ran.err)
    assert told
    again = datetime.strptime(told[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert abs(again - tomorrow) <= timedelta(minutes=1)
    stopped = sum(site.bodies_fetched().values())
    assert before < stopped < POSTS

    devcms.set_switches(Switches(**BITING))
    site.apart("sync").expects_exit(0)

    assert site.bodies_fetched() == {site.ids[f"post-{number}"]: 1 for number in range(POSTS)}
    assert {call.method for call in devcms.requests()} == {"GET"}
    assert sum(call.status == 429 for call in devcms.requests()) >= 5, "the limit never bit"
    site.counting().does("--offline", "build").expects_exit(0).expects_calls()
    site.expects_pages("post-0", f"post-{POSTS - 1}")


def test_a_first_build_that_is_killed_goes_on_with_what_it_has(site: SiteTest, devcms: Running) -> None:
    devcms.set_switches(Switches(rate_limit=30, rate_window_ms=1500, hourly_limit=0))
    site.configured(source={"rate_limit": "500/s"}).posts(50).counting()
    process = site.start("build")
    until(lambda: any(call.status == 429 for call in devcms.requests()))
    process.kill()
    process.communicate()
    assert not site.public.exists()
    kept = sum(site.bodies_fetched().values())

    site.apart("build").expects_exit(0)

    assert site.ran.report["sync"]["bodies_fetched"] == 50 - kept
    assert set(site.bodies_fetched().values()) == {1}
    site.expects_pages("post-0", "post-49")


def test_nothing_that_was_fetched_is_visible_before_all_of_it_is(site: SiteTest, devcms: Running) -> None:
    site.posts(5).builds()
    before = site.tree()
    site.posts(20, start=5).edit("post-1", title="Half arrived")
    devcms.set_switches(Switches(rate_limit=0, hourly_limit=0, daily_quota=len(devcms.requests()) + 10))

    site.does("build").expects_exit(4, "VB2105")
    site.does("--offline", "build").expects_exit(0)

    assert site.tree() == before
