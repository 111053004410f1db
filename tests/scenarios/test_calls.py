"""What is sent to the CMS, all in all, and what a run says of it."""

from __future__ import annotations

from dataclasses import replace
from http.client import HTTPConnection

from tests.scenarios.conftest import Sites
from velobuild.devcms import GENEROUS, Running


def test_every_request_is_a_get_whatever_velobuild_is_told_to_do(sites: Sites, devcms: Running) -> None:
    site = sites(source={"comments": True})
    _, picture = site.picture("pot.png")
    site.posts(3).post("tea", content_html=f'<p>Tea</p><img src="{picture}">')
    devcms.add_comment(site.ids["tea"], "Fine.")
    site.key("next", variable="VELOCMS_API_KEY_2")
    devcms.revoke_key(f"owner of {site.folder.name}")
    site.counting()

    site.does("doctor")
    site.does("sync").expects_exit(0)
    site.builds().expects_pages("tea")
    site.edit("tea", title="More tea").delete("post-1").builds().expects_no_pages("post-1")

    requests = devcms.requests("/")
    assert {request.method for request in requests} == {"GET"}
    asked = {request.path for request in requests}
    assert picture in asked, "the files themselves, beside the API"
    assert picture.startswith("/api/files/")
    assert asked >= {f"/api/v1/{name}" for name in ("posts", "media", "comments", "site-settings")}
    answers = {(request.key, request.status) for request in requests}
    assert ("next", 200) in answers
    assert 401 in {status for _, status in answers}, "both tokens were tried"

    connection = HTTPConnection("127.0.0.1", devcms.port, timeout=10)
    for path in ("/api/v1/posts", picture):
        connection.request("POST", path)
        connection.getresponse().read()
    connection.close()
    seen = {request.path for request in devcms.requests("/") if request.method == "POST"}
    assert seen == {"/api/v1/posts", picture}, "control: what is no GET would be seen, wherever it went"


def test_the_report_tells_this_runs_calls_todays_and_what_is_left(sites: Sites, devcms: Running) -> None:
    site = sites()
    devcms.set_switches(replace(GENEROUS, rate_limit=500, rate_headers=True))
    site.posts(5).counting().builds()
    first = len(site.calls())
    told = site.ran.report["sync"]
    assert (told["api_calls"], told["calls_today"], told["left_in_window"]) == (first, first, 500 - first)

    site.counting().does("sync")
    told = site.ran.report
    calls = len(site.calls())
    assert (told["api_calls"], told["calls_today"], told["left_in_window"]) == (
        calls,
        first + calls,
        500 - first - calls,
    )

    devcms.set_switches(GENEROUS)
    site.configured(source={"rate_limit": "60/h"}).does("sync")
    assert site.ran.report["left_in_window"] == 60 - first - 2 * calls, "no header says it: velobuild's own count"
