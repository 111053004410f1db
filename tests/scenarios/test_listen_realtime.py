"""`velobuild listen` without any webhook: a real PocketBase tells of its changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay import Relay
from tests.scenarios.conftest import Sites
from tests.scenarios.listening import Listening, deliver, listening, until
from tests.scenarios.site import SiteTest
from tests.scenarios.watching import of_pocketbase
from velobuild.devcms import Running


@pytest.fixture
def relay(devcms: Running) -> Iterator[Relay]:
    wire = Relay(devcms.url)
    yield wire
    wire.close()


@pytest.fixture
def site(sites: Sites, devcms: Running) -> SiteTest:
    return of_pocketbase(sites(), devcms).posts(3).builds()


def subscribed(service: Listening) -> None:
    until(lambda: any("a new subscription" in row["reasons"] for row in builds(service)), service.log())
    service.settles(builds=2)


def builds(service: Listening) -> list[dict[str, object]]:
    found: list[dict[str, object]] = service.status()["status"]["builds"]
    return found


def test_an_edit_is_live_without_any_webhook_and_a_deletion_too(site: SiteTest, devcms: Running) -> None:
    with listening(site, secret="") as service:
        assert service.hooks == [], "without a secret nobody can deliver"
        assert deliver(f"{service.address}/hooks/site", "test.ping") == 404
        subscribed(service)
        devcms.clear_requests()
        site.edit("post-1", content_html="<p>Fresh from PocketBase</p>")
        until(lambda: "Fresh from PocketBase" in site.text("post-1/index.html"), "the edit is live")
        asked = [request.path for request in devcms.requests("/api/collections/")]
        assert asked == ["/api/collections/posts/records"], "one call for one post"
        site.delete("post-2")
        until(lambda: not (site.public / "post-2").exists(), "the page is gone")
        (record, *_) = service.get(f"/sites/site/posts/{site.ids['post-2']}.json").json()
        assert (record["kind"], record["dialect"]) == ("post.deleted", "realtime")
        service.settles(builds=4)
        site.post("draft", status="draft", published_at=None)
        fares = service.settles(builds=5)["status"]
        assert fares["follow_ups"] == 0, "nothing was claimed of a draft, so nobody waits for it"
    site.expects_no_pages("draft")
    before = site.contents()
    site.builds("--clean")
    assert site.contents() == before


def test_what_happened_while_the_connection_was_cut_is_found_once_it_is_back(
    site: SiteTest, relay: Relay, devcms: Running
) -> None:
    site.configured(source={"url": relay.url}).builds()
    with listening(site, secret="") as service:
        subscribed(service)
        relay.refuses = True
        relay.cut()
        until(lambda: "tells of no changes" in service.log(), "the loss is noticed")
        site.post("missed")  # nobody is told of this
        relay.refuses = False
        until(lambda: (site.public / "missed").exists(), service.log())
        site.edit("missed", content_html="<p>Heard again</p>")
        until(lambda: "Heard again" in site.text("missed/index.html"), "and it goes on as before")


def test_control_without_realtime_a_secret_is_needed_and_nothing_is_heard(site: SiteTest) -> None:
    site.configured(listen={"realtime": False}).apart("listen").expects_exit(2, "VB1205")
    with listening(site) as service:
        service.settles()
        site.edit("post-1", content_html="<p>Unheard</p>")
        # What is told comes within a second; the delivery behind it shows that the service is awake.
        assert service.delivers("post.updated", post_id=site.ids["post-0"], slug="post-0") == 202
        service.settles(builds=2)
        assert "Unheard" not in site.text("post-1/index.html")
