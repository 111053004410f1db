"""What can be wrong with the CMS, the key or the network: the live site stays, and the message says what to do."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest
from tests.standin import Reply, StandIn, error
from velobuild.devcms import GENEROUS, Running, Switches

FREE = {"rate_limit": 0, "hourly_limit": 0}


@pytest.fixture
def live(site: SiteTest) -> SiteTest:
    """A site that is live, with an edit waiting in the CMS."""
    return site.posts(6).builds().edit("post-1", title="Waiting")


def expects_kept_then_mended(
    site: SiteTest, mend: Callable[[], object], code: int, found: str, *said: str, apart: bool = False
) -> None:
    """The build fails as documented and changes nothing; once mended, the next one publishes the edit."""
    before = site.tree()
    (site.apart if apart else site.does)("build")
    site.expects_exit(code, found, *said)
    assert site.tree() == before
    mend()
    site.builds()
    assert "Waiting" in site.text("post-1/index.html")


def test_a_wrong_key(live: SiteTest) -> None:
    good = live.variables["VELOCMS_API_KEY"]
    live.environment(VELOCMS_API_KEY="velo_" + "0" * 64)
    expects_kept_then_mended(
        live,
        lambda: live.environment(VELOCMS_API_KEY=good),
        3,
        "VB2001",
        "Admin → Settings → API Keys",
        "environment variable VELOCMS_API_KEY",
    )


def test_a_revoked_key(live: SiteTest, devcms: Running) -> None:
    devcms.revoke_key("owner of one")
    expects_kept_then_mended(live, lambda: live.key("another"), 3, "VB2001", "Admin → Settings → API Keys")


def test_no_key_at_all(live: SiteTest) -> None:
    good = live.variables.pop("VELOCMS_API_KEY")
    expects_kept_then_mended(live, lambda: live.environment(VELOCMS_API_KEY=good), 2, "VB1201", ".env", "posts:read")


def test_a_key_without_the_scope_for_posts(live: SiteTest) -> None:
    live.key("media only", ("media:read", "site-settings:read"))
    expects_kept_then_mended(live, lambda: live.key("full"), 3, "VB2002", "posts:read")


def test_a_plan_without_the_api(live: SiteTest, devcms: Running) -> None:
    devcms.set_switches(Switches(**FREE, plan_too_low=True))
    expects_kept_then_mended(live, lambda: devcms.set_switches(GENEROUS), 3, "VB2003", "Billing")


def test_a_cms_that_wants_https(live: SiteTest, devcms: Running) -> None:
    devcms.set_switches(Switches(**FREE, https_required=True))
    expects_kept_then_mended(live, lambda: devcms.set_switches(GENEROUS), 2, "VB1301", "https://")


@pytest.mark.parametrize(
    ("scope", "part"), [("media:read", "media"), ("site-settings:read", "settings"), ("comments:read", "comments")]
)
def test_a_key_without_an_optional_scope_costs_a_warning_alone(live: SiteTest, scope: str, part: str) -> None:
    live.configured(source={"comments": True})
    live.key("narrow", tuple({"posts:read", "media:read", "site-settings:read", "comments:read"} - {scope}))

    live.builds()

    warning = next(one for one in live.ran.report["warnings"] if one["code"] == "VB2207")
    assert part in warning["what"]
    assert scope in warning["hint"]
    assert "Waiting" in live.text("post-1/index.html")


def test_settings_that_cannot_be_read_any_more_stay_as_they_were(site: SiteTest) -> None:
    site.cms.update_settings(site_name="Salt & Water")
    site.posts(2).builds().key("narrow", ("posts:read",)).edit("post-1", title="Later").builds()
    assert "Salt &amp; Water" in site.text("post-1/index.html")
    assert "Later" in site.text("post-1/index.html")


def test_of_two_tokens_the_second_works_when_the_first_is_revoked(live: SiteTest, devcms: Running) -> None:
    live.key("next", variable="VELOCMS_API_KEY_2")
    devcms.revoke_key("owner of one")

    live.builds()

    assert "Waiting" in live.text("post-1/index.html")
    warning = next(one for one in live.ran.report["warnings"] if one["code"] == "VB2001")
    assert "another token works" in warning["what"]
    assert "environment variable VELOCMS_API_KEY " in warning["what"]

    live.key("third").builds()  # the rotation is done
    assert "VB2001" not in live.ran.warnings


@pytest.mark.parametrize("retry_after", ["seconds", "date", "none"])
@pytest.mark.parametrize("headers", [True, False], ids=["headers", "bare"])
def test_a_limit_that_bites_is_waited_for(live: SiteTest, devcms: Running, retry_after: str, headers: bool) -> None:
    devcms.set_switches(
        Switches(rate_limit=3, rate_window_ms=900, hourly_limit=0, rate_headers=headers, retry_after=retry_after)  # type: ignore[arg-type]
    )
    live.counting().builds()
    assert "Waiting" in live.text("post-1/index.html")
    assert 429 in {call.status for call in devcms.requests()}


def test_a_limit_that_asks_for_a_long_pause_ends_the_build_and_says_when_to_go_on(
    live: SiteTest, devcms: Running
) -> None:
    devcms.set_switches(Switches(rate_limit=1, rate_window_ms=3_600_000, hourly_limit=0))
    expects_kept_then_mended(
        live,
        lambda: (devcms.set_switches(GENEROUS), devcms.forget_calls()),
        4,
        "VB2104",
        "go on after",
        "what was fetched is kept",
    )


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503])
def test_a_cms_that_fails(live: SiteTest, devcms: Running, status: int) -> None:
    devcms.set_switches(Switches(**FREE, failing=status))  # type: ignore[arg-type]
    expects_kept_then_mended(live, lambda: devcms.set_switches(GENEROUS), 4, "VB2103", "try again later")


@pytest.mark.slow
def test_no_network(live: SiteTest) -> None:
    good = live.cms.url
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    live.configured(source={"url": f"http://127.0.0.1:{port}"})
    expects_kept_then_mended(live, lambda: live.configured(source={"url": good}), 4, "VB2101")


# What a healthy server does not show.


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with StandIn(posts=6) as cms:
        yield cms


@pytest.fixture
def scripted(sites: Sites, standin: StandIn) -> SiteTest:
    """A live site of the stand-in, with an edit waiting."""
    site = sites("scripted", standin).builds()
    first = standin.posts["post00000000001"]
    first |= {"title": "Waiting", "updated": "2026-09-01 10:00:00.000Z"}
    return site


HTML = Reply(200, b"<!doctype html><title>Please log in</title>", {"Content-Type": "text/html"})
POST_1 = "posts/post00000000001"
FAULTS = {
    "a login page": (HTML, "posts", 5, "VB2201", ["Please log in", "source.url"]),
    "a login page in place of a post": (HTML, POST_1, 5, "VB2201", ["Please log in"]),
    "an HTML error page": (Reply(404, b"<h1>Not here</h1>"), "posts", 5, "VB2201", ["source.url"]),
    "a list that is none": (Reply(200, {"items": "many"}), "posts", 5, "VB2201", []),
    "a redirect": (Reply(302, b"", {"Location": "https://evil.example/"}), "posts", 5, "VB2204", ["never sent on"]),
    "an empty object": (Reply(200, {}), "posts", 5, "VB2201", []),
    "another system": (Reply(200, {"data": {}, "message": "", "code": 200}), "posts", 2, "VB1302", ["PocketBase"]),
    "a long pause": (error(429, "RATE_LIMITED", Retry_After="7200"), "posts", 4, "VB2104", ["go on after"]),
    "no quota left": (error(429, "QUOTA_EXCEEDED"), POST_1, 4, "VB2105", ["go on after"]),
    "too much": (Reply(200, b"[" + b" " * 21_000_000 + b"]"), "posts", 5, "VB2203", []),
}
SLOW_FAULTS = {
    "a cut list": (Reply(200, {"page": 1, "items": []}, mode="cut"), "posts", 5, "VB2202", ["try again"]),
    "a cut post": (Reply(200, {"id": "post00000000001"}, mode="cut"), POST_1, 5, "VB2202", ["try again"]),
    "no answer": (Reply(mode="nothing"), "posts", 4, "VB2101", []),
    "a reset": (Reply(mode="reset"), POST_1, 4, "VB2101", []),
    "an HTML 502": (Reply(502, b"<h1>Bad gateway</h1>", {"Content-Type": "text/html"}), "posts", 4, "VB2103", []),
}


@pytest.mark.parametrize("name", [*FAULTS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_FAULTS)])
def test_an_answer_that_breaks_the_protocol(scripted: SiteTest, standin: StandIn, name: str) -> None:
    reply, path, code, found, said = (FAULTS | SLOW_FAULTS)[name]
    standin.fault(reply, path)
    before = scripted.tree()

    scripted.does("build").expects_exit(code, found, *said)

    assert scripted.tree() == before
    standin.faults.clear()
    scripted.builds()
    assert "Waiting" in scripted.text("post-1/index.html")
    assert {request.method for request in standin.requests} == {"GET"}


def test_a_failure_that_passes_is_not_noticed(scripted: SiteTest, standin: StandIn) -> None:
    standin.fault(Reply(503, b""), "posts", times=1)
    standin.fault(Reply(200, {"id": "post00000000001"}, mode="cut"), POST_1, times=1)
    scripted.builds()
    assert "Waiting" in scripted.text("post-1/index.html")


def test_a_404_without_the_api_s_own_words_removes_nothing(scripted: SiteTest, standin: StandIn) -> None:
    standin.posts.pop("post00000000002")
    standin.fault(Reply(404, b"<h1>Not here</h1>"), "posts/post00000000002")
    before = scripted.tree()
    scripted.does("build").expects_exit(5, "VB2201", "removes nothing")
    assert scripted.tree() == before
    standin.faults.clear()
    scripted.builds().expects_no_pages("post-2")


def test_a_post_that_left_the_list_but_still_exists_stays(scripted: SiteTest, standin: StandIn) -> None:
    hidden = standin.posts.pop("post00000000002")
    standin.fault(Reply(200, hidden), "posts/post00000000002")
    scripted.builds().expects_pages("post-2")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_build_leaves_the_site_and_says_so(
    live: SiteTest, devcms: Running, sent: signal.Signals, code: int
) -> None:
    before = live.tree()
    devcms.set_switches(Switches(rate_limit=1, rate_window_ms=60_000, hourly_limit=0))
    process = live.counting().start("build")
    end = time.monotonic() + 30
    while not any(call.status == 429 for call in devcms.requests()):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert live.tree() == before
