"""The webhook service as a whole: a real process, a real CMS, real deliveries, and what is live afterwards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.scenarios.conftest import Sites
from tests.scenarios.listening import SECRET, Listening, deliver, listening, until
from tests.scenarios.site import SiteTest
from velobuild.devcms import GENEROUS, DevCms, Running


@pytest.fixture
def live(site: SiteTest) -> Iterator[Listening]:
    """The service of a site with three posts, after its first look."""
    with listening(site.posts(3)) as service:
        service.settles()
        yield service


def test_an_edit_in_the_cms_is_live_and_a_deletion_leaves_nothing_behind(devcms_folder: Path, tmp_path: Path) -> None:
    """The whole way: PocketBase → its own webhook → the service → the page. Done-when 1, T19."""
    with DevCms(devcms_folder).start() as cms:
        cms.set_switches(GENEROUS)
        site = SiteTest(tmp_path / "one", cms).posts(2)
        _, address = site.picture("pot.png")
        site.post("loaf", tags=["rye"], content_html=f'<p>Rye</p><img src="{address}" alt="pot">').builds()
        files = set(site.tree())
        assert any(path.startswith("media/") for path in files)
        assert "/loaf/" in site.text("feed.xml") + site.text("atom.xml")
        with listening(site) as service:
            service.settles()
            cms.add_webhook(service.hook, secret=SECRET)
            site.edit("post-1", content_html="<p>Sourdough at noon</p>")
            until(lambda: "Sourdough at noon" in site.text("post-1/index.html"), "the edit is live")
            site.delete("loaf")
            until(lambda: not (site.public / "loaf").exists(), "the page is gone")
            until(lambda: service.status()["status"]["state"] == "idle", "it rests")
            gone = files - set(site.tree())
            assert {"loaf/index.html", "tags/rye/index.html"} <= gone
            assert any(path.startswith("media/") for path in gone)
            site.expects_nowhere("Rye", "/loaf/")
            (record,) = service.get(f"/sites/site/posts/{site.ids['post-1']}.json").json()
            stages = [record[f"{stage}_at"] for stage in ("received", "fetched", "built", "published")]
            assert all(stages)
            assert stages == sorted(stages)
            assert "SIGTERM" not in service.log()
        site.does("status", "--post", site.ids["post-1"]).expects_exit(0)
        assert json.loads(site.ran.out)[0]["outcome"] == "built"
        before = site.contents()
        site.builds("--clean")
        assert site.contents() == before, "what the service published is what a clean build makes"
        site.expects_no_secret()
        assert SECRET not in service.log()


def test_one_named_post_costs_one_call(site: SiteTest, live: Listening) -> None:
    site.edit("post-1", content_html="<p>Fresh</p>").counting()
    assert live.delivers("post.updated", post_id=site.ids["post-1"], slug="post-1") == 202
    until(lambda: "Fresh" in site.text("post-1/index.html"), "the edit is live")
    site.expects_calls(f"posts/{site.ids['post-1']}")


def test_a_cms_is_heard_that_is_not_the_first_source_of_its_site(site: SiteTest) -> None:
    toml = site.posts(2).root / "velobuild.toml"
    folder = '[[source]]\nname = "notes"\ntype = "folder"\npath = "notes"\n'
    toml.write_text(toml.read_text().replace("[source]", f"{folder}[[source]]", 1))
    site.file("notes/note.md", "---\ndate: 2026-05-03\n---\nA note").builds().expects_pages("note", "post-1")
    with listening(site) as service:
        service.settles()
        site.edit("post-1", content_html="<p>Fresh</p>").counting()
        assert service.delivers("post.updated", post_id=site.ids["post-1"]) == 202
        until(lambda: "Fresh" in site.text("post-1/index.html"), "the edit is live")
        site.expects_calls(f"posts/{site.ids['post-1']}")


@pytest.mark.slow
def test_k5_ten_thousand_deliveries_in_ten_seconds_are_at_most_three_builds(site: SiteTest, live: Listening) -> None:
    """K5, T8: over real connections, as fast as they go; the last edit is live soon after."""
    before = live.status()["status"]["builds_total"]
    sent, ends = [0] * 8, time.monotonic() + 10.0

    def hammer(number: int) -> None:
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < ends and sum(sent) < 10_000:
                slug = f"post-{number % 3}"
                code = deliver(live.hook, "post.updated", post_id=site.ids[slug], slug=slug, client=client)
                assert code == 202
                sent[number] += 1

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(len(sent))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) > 1_000
    fares = live.settles(builds=before + 1)
    in_storm = (
        fares["status"]["builds_total"] - before - sum("follow-up" in b["reasons"] for b in fares["status"]["builds"])
    )
    assert 1 <= in_storm <= 3


def test_the_scheduled_end_of_a_wait_needs_no_event(site: SiteTest, live: Listening) -> None:
    """An event that another process puts back is taken up too: `velobuild events --replay`."""
    live.delivers("post.updated", post_id=site.ids["post-0"], slug="post-0")
    fares = live.settles(builds=2)
    number = fares["events"][0]["id"]
    site.does("events", "--replay", str(number)).expects_exit(0)
    until(lambda: live.status()["events"][0]["id"] > number and not live.status()["queue"]["new"], "it is taken up")


# --- death


def test_l7_a_killed_build_never_takes_the_service_along(site: SiteTest, live: Listening) -> None:
    """L7."""
    child = build_child(live)
    os.kill(child, signal.SIGKILL)
    site.edit("post-1", content_html="<p>After the kill</p>")
    assert live.delivers("post.updated", post_id=site.ids["post-1"]) == 202
    until(lambda: "After the kill" in site.text("post-1/index.html"), "another child builds it")
    assert build_child(live) != child
    assert live.get("/healthz").text == "ok\n"


def test_l5_sigterm_ends_within_five_seconds_and_the_build_child_with_it(site: SiteTest, live: Listening) -> None:
    """L5."""
    child = build_child(live)
    began = time.monotonic()
    assert live.ends() == 0
    assert time.monotonic() - began < 5
    assert not lives(child)
    assert site.does("status").ran.report["running"] is False


def test_l5_a_command_that_takes_long_does_not_hold_up_the_end(sites: Sites) -> None:
    """L5. The command itself goes on: what it was told of is live."""
    site = sites("one").posts(1).configured(listen={"after": [["sh", "-c", "echo > begun; sleep 20"]]})
    with listening(site) as service:
        until((site.root / "begun").exists, "the command runs")
        began = time.monotonic()
        assert service.ends() == 0
        assert time.monotonic() - began < 8, "five seconds, and the interpreter's own end on a busy machine"


@pytest.mark.slow
def test_l6_the_build_child_dies_with_a_killed_service(site: SiteTest, live: Listening) -> None:
    """L6."""
    child = build_child(live)
    live.process.kill()
    until(lambda: not lives(child), "the child is gone")
    site.does("build").expects_exit(0)


@pytest.mark.slow
def test_l3_an_acknowledged_event_of_a_killed_service_is_built_by_the_next(sites: Sites) -> None:
    """L3, INV2: taken or not, it is there at the next start."""
    site = sites("one").posts(2).builds()
    with listening(site) as first:
        first.settles()
        site.edit("post-0", content_html="<p>Acknowledged</p>")
        assert first.delivers("post.updated", post_id=site.ids["post-0"]) == 202
        first.process.kill()
        first.process.wait()
    with listening(site) as second:
        fares = second.settles()
        assert fares["queue"] == {"new": 0, "taken": 0, "done": fares["queue"]["done"], "dead": 0}
        assert fares["queue"]["done"] >= 1
    assert "Acknowledged" in site.text("post-0/index.html")


def test_k12_what_changed_while_the_service_was_down_is_live_after_its_start(sites: Sites) -> None:
    """K12, T10."""
    site = sites("one").posts(3).builds()
    site.edit("post-0", content_html="<p>Missed</p>").delete("post-1")
    with listening(site) as service:
        service.settles()
    assert "Missed" in site.text("post-0/index.html")
    site.expects_no_pages("post-1")


@pytest.mark.slow
def test_l8_sighup_reads_the_secrets_anew_and_a_bad_configuration_keeps_the_old(sites: Sites) -> None:
    """L8, 6.6."""
    site = sites("one").posts(1).builds()
    (site.root / "secrets").write_text("the-first-secret-of-all\n")
    (site.root / "secrets").chmod(0o600)
    site.configured(listen={"secret_file": "secrets"})
    with listening(site) as service:
        service.settles()
        assert deliver(service.hook, "test.ping", secret="another-secret-entirely") == 401
        (site.root / "secrets").write_text("the-first-secret-of-all\nanother-secret-entirely\n")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: deliver(service.hook, "test.ping", secret="another-secret-entirely") == 202, "it is read")
        assert deliver(service.hook, "test.ping", secret="the-first-secret-of-all") == 202
        good = (site.root / "velobuild.toml").read_text()
        (site.root / "velobuild.toml").write_text(good + "\n[nonsense]\n")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: "the old one stays" in service.log(), "it says so")
        assert deliver(service.hook, "test.ping", secret="another-secret-entirely") == 202
        assert "another-secret-entirely" not in service.log()


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [5, pytest.param(20, marks=pytest.mark.full)])
def test_t9_restarts_with_a_held_socket_refuse_no_delivery(sites: Sites, restarts: int) -> None:
    """T9: connections wait in the socket that the service manager holds."""
    site = sites("one").posts(1).builds()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}/hooks/site"
        codes: list[int | str] = []
        worst = 0.0
        stop = threading.Event()

        def client() -> None:
            nonlocal worst
            while not stop.is_set():
                began = time.monotonic()
                try:
                    codes.append(deliver(url, "test.ping"))
                except httpx.HTTPError as error:
                    codes.append(repr(error))
                worst = max(worst, time.monotonic() - began)

        thread = threading.Thread(target=client)
        for number in range(restarts + 1):
            with listening(site, handed=held):
                if number == 0:
                    thread.start()
                here = len(codes)
                until(lambda here=here: len(codes) >= here + 3, "deliveries are taken")
                if number == restarts:
                    stop.set()
                    thread.join()
        assert set(codes) == {202}
        assert len(codes) >= 3 * restarts
        assert worst < 10, "the CMS waits ten seconds"


def test_control_a_restart_without_a_held_socket_refuses_deliveries(sites: Sites) -> None:
    site = sites("one").posts(1).builds()
    with listening(site) as service:
        url = service.hook
    with pytest.raises(httpx.ConnectError):
        deliver(url, "test.ping")


# --- several sites


@pytest.mark.slow
def test_n4_several_sites_are_served_by_one_service_and_do_not_mix(sites: Sites) -> None:
    """N4: one limiter for what shares a key."""
    one, two = sites("one").posts(2), sites("two").posts(0)
    two.configured(site={"title": "Second"})
    two.variables["VELOCMS_API_KEY"] = one.variables["VELOCMS_API_KEY"]
    with listening(one, "--site", f"one={one.root}", "--site", f"two={two.root}") as service:
        for name in ("one", "two"):
            service.settles(site=name)
        assert [url.rpartition("/")[2] for url in service.hooks] == ["one", "two"]
        one.edit("post-0", content_html="<p>Only one</p>")
        assert deliver(service.hooks[0], "post.updated", post_id=one.ids["post-0"]) == 202
        until(lambda: "Only one" in one.text("post-0/index.html"), "the first is live")
        service.settles(site="one", builds=2)
        assert "Only one" not in two.text("post-0/index.html")
        assert deliver(service.hooks[0].replace("/one", "/three"), "test.ping") == 404
        one_pid, two_pid = build_child(service, 0), build_child(service, 1)
        assert one_pid != two_pid
    two.does("status").expects_exit(0)
    assert two.ran.report["site"] == "two"


# --- what people see


def test_the_status_page_is_for_this_machine_and_for_whoever_has_the_token(sites: Sites) -> None:
    site = sites("one").posts(1).builds().environment(VELOBUILD_STATUS_TOKEN="let-me-look-at-it")
    with listening(site) as service:
        service.settles()
        assert "Last builds" in service.get("/").text
        for path in ("/", "/status.json", "/metrics", "/sites/site/posts/post-0"):
            for trick in ({"x-forwarded-for": "203.0.113.9"}, {"host": "blog.example"}, {"forwarded": "for=_x"}):
                assert service.get(path, headers=trick).status_code == 401, (path, trick)
            far = {"x-forwarded-for": "203.0.113.9"}
            assert service.get(path, headers=far, auth=("anyone", "wrong")).status_code == 401
            assert service.get(path, headers=far, auth=("anyone", "let-me-look-at-it")).status_code != 401
            bearer = {**far, "authorization": "Bearer let-me-look-at-it"}
            assert service.get(path, headers=bearer).status_code != 401
        far = {"x-forwarded-for": "203.0.113.9"}
        assert service.get("/healthz", headers=far).text == "ok\n"
        assert service.get("/readyz", headers=far).text == "ready\n"
        assert "velobuild_builds_total" in service.get("/metrics").text
        assert service.get("/nonsense").status_code == 404
    assert "let-me-look-at-it" not in service.log()


def test_without_a_token_the_status_is_not_there_for_others(live: Listening) -> None:
    assert live.get("/", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404


def test_the_log_is_json_a_line_where_machines_read_it(sites: Sites) -> None:
    site = sites("one").posts(1)
    with listening(site, "--log-format", "json") as service:
        service.settles()
        assert deliver(service.hook, "test.ping", secret="a-wrong-secret-it-is") == 401
    lines = [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]
    assert {"built", "draining"} <= {line["event"] for line in lines}
    assert all({"at", "level", "event"} <= line.keys() for line in lines)


def test_a_failing_cms_makes_the_state_degraded_and_the_live_site_stays(sites: Sites, devcms: Running) -> None:
    """K11."""
    site = sites("one").posts(2).builds()
    before = site.contents()
    site.variables["VELOCMS_API_KEY"] = "velo_" + "0" * 64
    with listening(site) as service:
        until(lambda: service.status()["status"]["failures"] >= 1, "the failure is told")
        assert service.delivers("post.updated", post_id=site.ids["post-0"]) == 202
        fares = until(lambda: (found := service.status())["status"]["last_error"] and found, "it says why")
        assert "refused the token" in fares["status"]["last_error"]
        assert fares["queue"]["new"] + fares["queue"]["taken"] == 1, "the event stays"
        assert service.get("/readyz").status_code == 200
    assert site.contents() == before


@pytest.mark.slow
def test_i9_a_secret_that_cannot_be_used_is_refused_at_the_start(sites: Sites) -> None:
    """I9."""
    site = sites("one").posts(1)
    for secret in ("", "short"):
        site.environment(VELOBUILD_WEBHOOK_SECRET=secret).apart("listen").expects_exit(2, "VB1205")
    site.environment(VELOBUILD_WEBHOOK_SECRET=SECRET)
    site.apart("listen", "--address", "nowhere").expects_exit(2, "VB1101")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.apart("listen", "--address", f"127.0.0.1:{port}").expects_exit(6, "VB6006")


def build_child(service: Listening, number: int = 0) -> int:
    """The pid of a build child of the service, which is the oldest first."""

    def children() -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(service.process.pid)], capture_output=True, text=True, check=False
        )
        return sorted(int(pid) for pid in found.stdout.split())

    return int(until(lambda: len(children()) > number and children(), "there is a child")[number])


def lives(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
