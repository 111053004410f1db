"""`velobuild watch` by what it says and does, without a browser."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.relay import Relay
from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest
from tests.scenarios.watching import of_pocketbase, wait_for, watching, with_own_theme
from velobuild.devcms import Running

POST = "theme/templates/post.html"


@pytest.fixture
def themed(sites: Sites) -> SiteTest:
    return with_own_theme(sites("themed")).posts(3)


@pytest.fixture
def relay(devcms: Running) -> Iterator[Relay]:
    made = Relay(devcms.url)
    yield made
    made.close()


def text_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        found: str = answer.read().decode()
    return found


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def append(site: SiteTest, path: str, text: str) -> None:
    with (site.root / path).open("a", encoding="utf-8") as file:
        file.write(text)


def test_it_says_in_plain_lines_what_changed_and_what_came_of_it(themed: SiteTest, devcms: Running) -> None:
    with watching(themed, "--poll", "3600") as watched:
        greeting = watched.says("built →")
        assert re.search(r"^  Site   http://127\.0\.0\.1:\d+/  \(output in public/\)$", greeting, re.MULTILINE)
        assert "  Theme  theme, then base\n" in greeting
        assert "\x1b" not in greeting, "no terminal, no colours"
        assert re.search(r"^\d\d:\d\d:\d\d  ✓ built → \d+ files written \(\d+ pages\) in \d+\.\d\d s$", greeting, re.M)
        themed.counting()
        append(themed, POST, "{# #}<!-- a mark -->")
        said = watched.says("post.html", after=greeting)
        assert re.search(r"✓ theme/templates/post\.html → nothing to write \(\d+ pages\)", said)
        (themed.root / POST).write_text((themed.root / POST).read_text().replace("<article", "<!-- mark --><article"))
        said = watched.says("3 files written", after=watched.said)
        assert re.search(r"✓ theme/templates/post\.html → 3 files written \(\d+ pages\) in \d+\.\d\d s\n$", said)
        assert "<!-- mark -->" in text_of(f"{watched.url}/post-1/")
        assert devcms.requests() == [], "a change of the theme asks the CMS nothing"


def test_reading_touching_and_an_editors_own_files_build_nothing(themed: SiteTest) -> None:
    with watching(themed, "--poll", "3600") as watched:
        file = themed.root / POST
        watched.says("built →")
        before = watched.builds
        for _ in range(3):
            file.read_bytes()
            file.touch()
            file.write_bytes(file.read_bytes())
            (file.parent / ".post.html.swp").write_text("x")
            (file.parent / "post.html~").write_text("x")
        (themed.root / "notes.txt").write_text("not of the site")
        said = watched.said
        append(themed, "theme/static/css/plain.css", "\n/* control */\n")
        assert "plain.css" in watched.says("plain.css", after=said)
        assert watched.builds == before + 1


def test_whatever_comes_during_a_build_becomes_one_more(themed: SiteTest) -> None:
    themed.posts(60, start=100)  # So that a build takes longer than a few files.
    with watching(themed, "--poll", "3600") as watched:
        watched.says("built →")
        before = watched.builds
        for number in range(60):
            themed.file(f"pages/page-{number:02d}.md", f"# Page {number}\n\nText.\n")
        wait_for(lambda: status_of(f"{watched.url}/page-59/") == 200, lambda: watched.said)
        assert [status_of(f"{watched.url}/page-{number:02d}/") for number in (0, 17, 42)] == [200] * 3
        wait_for(lambda: watched.builds > before, lambda: watched.said)
        assert watched.builds - before <= 6


def test_a_cms_that_tells_of_nothing_is_asked(themed: SiteTest) -> None:
    with watching(themed, "--poll", "1") as watched:
        assert ", asked every 1 s" in watched.said
        themed.edit("post-1", title="Another title")
        said = watched.says("1 post new or changed")
        assert "CMS: 1 post new or changed" in said
        assert "Another title" in text_of(f"{watched.url}/post-1/")


@pytest.mark.slow
def test_work_goes_on_while_the_cms_is_away_and_what_it_has_comes_once_it_is_back(
    sites: Sites, devcms: Running, relay: Relay
) -> None:
    site = with_own_theme(of_pocketbase(sites("away"), devcms)).posts(2).configured(source={"url": relay.url})
    with watching(site) as watched:
        watched.says("built →")
        relay.refuses = True
        relay.cut()
        watched.says("no word from the CMS")
        site.edit("post-0", title="Edited meanwhile")
        said = watched.said
        (site.root / POST).write_text((site.root / POST).read_text().replace("<article", "<!-- mark --><article"))
        watched.says("✓ theme/templates/post.html", after=said)
        assert "<!-- mark -->" in text_of(f"{watched.url}/post-0/")
        relay.refuses = False
        wait_for(lambda: "Edited meanwhile" in text_of(f"{watched.url}/post-0/"), lambda: watched.said, patience_s=40)
        watched.says("the CMS answers again")
        assert watched.said.count("no word from the CMS") == 1


def test_offline_nothing_is_asked(themed: SiteTest, devcms: Running) -> None:
    themed.builds().counting()
    with watching(themed, "--offline") as watched:
        assert "not asked (offline)" in watched.said
        append(themed, "theme/static/css/plain.css", "\n/* control */\n")
        watched.says("plain.css")
        themed.file("pages/about.md", "# About\n")
        watched.says("pages/about.md")
    assert devcms.requests("/api/") == []


def test_a_changed_configuration_counts_at_once(themed: SiteTest) -> None:
    with watching(themed, "--poll", "3600") as watched:
        themed.configured(site={"title": "Renamed", "base_url": "https://blog.example/notes"})
        watched.says("velobuild.toml")
        assert "Renamed" in text_of(f"{watched.url}/notes/post-1/")
        assert status_of(f"{watched.url}/post-1/") == 404
        said = watched.said
        themed.configured(site={"base_url": "https://blog.example"}, theme={"path": "other"})
        watched.says("✗ velobuild.toml", after=said)
        said = watched.said
        (themed.root / "theme").rename(themed.root / "other")
        watched.says("✓ mended", after=said)  # A theme that comes to where it is looked for is found by itself.
        append(themed, "other/static/css/plain.css", "\n/* control */\n")
        watched.says("other/static/css/plain.css")


@pytest.mark.slow
def test_a_post_whose_hour_comes_appears_by_itself(sites: Sites, devcms: Running) -> None:
    site = of_pocketbase(sites("due"), devcms).posts(1)
    site.post("soon", title="Soon", published_at=datetime.now(UTC) + timedelta(seconds=6))
    with watching(site) as watched:
        assert status_of(f"{watched.url}/soon/") == 404
        watched.says("a scheduled post is due")
        assert status_of(f"{watched.url}/soon/") == 200


def test_drafts_of_velocms_are_shown_where_it_lists_them_and_missed_aloud_where_it_does_not(sites: Sites) -> None:
    site = sites("drafts").posts(2)
    with watching(site, "--drafts", "--poll", "1") as watched:
        assert "VB2207" in watched.says("the CMS listed no draft to this token")
        site.post("idea", status="draft", published_at=None)
        watched.says("1 post new or changed")
        assert "Draft: not published" in text_of(f"{watched.url}/idea/")
        site.edit("idea", status="published")
        wait_for(lambda: "Draft: not" not in text_of(f"{watched.url}/idea/"), lambda: watched.said)
    assert not (site.root / "public").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_when_it_is_asked_to_and_the_site_can_be_built_at_once(
    sites: Sites, devcms: Running, number: signal.Signals, code: int
) -> None:
    site = of_pocketbase(sites(f"ends-{code}"), devcms).posts(1)
    with watching(site) as watched:
        with urllib.request.urlopen(f"{watched.url}/.velobuild/events", timeout=20) as stream:
            assert stream.readline().startswith(b"data:")
            began = time.monotonic()
            os.kill(watched.process.pid, number)
            assert watched.process.wait(20) == code
            assert time.monotonic() - began < 10
        assert "Traceback" not in watched.said
    site.builds()


def test_a_post_that_alone_cannot_be_rendered_is_named_and_its_old_page_stays(themed: SiteTest) -> None:
    with watching(themed, "--poll", "3600") as watched:
        before = text_of(f"{watched.url}/post-1/")
        file = themed.root / POST
        file.write_text(
            file.read_text().replace("<article", '{% if post.slug == "post-1" %}{{ post.nonsense }}{% endif %}<article')
        )
        said = watched.says("VB3102")
        assert 'post "Post 1"' in said
        old, new = (
            re.sub(r"data-(version|session)=\S+", "", text) for text in (before, text_of(f"{watched.url}/post-1/"))
        )
        assert old == new
        with urllib.request.urlopen(f"{watched.url}/.velobuild/events", timeout=20) as stream:
            assert "unknown field `post.nonsense`" in stream.readline().decode()


def test_a_folder_of_posts_is_watched_and_nothing_is_asked(themed: SiteTest, devcms: Running) -> None:
    (themed.root / "velobuild.toml").write_text(
        '[site]\ntitle = "Local"\n\n[source]\ntype = "folder"\npath = "notes"\n'
    )
    themed.file("notes/2026-05-03-tea.md", "# Tea\n\nHot.\n").counting()
    themed.file("notes/2026-05-04-soup.md", "---\ndraft: true\n---\n# Soup\n\nNot yet.\n")
    with watching(themed) as watched:
        assert "none: all posts are on this machine" in watched.said
        assert "Hot." in text_of(f"{watched.url}/tea/")
        assert status_of(f"{watched.url}/soup/") == 404
        themed.file("notes/2026-05-03-tea.md", "# Tea\n\nCold.\n")
        watched.says("notes/2026-05-03-tea.md →")
        assert "Cold." in text_of(f"{watched.url}/tea/")
    with watching(themed, "--drafts") as watched:
        assert "Draft: not published" in text_of(f"{watched.url}/soup/")
    assert devcms.requests("/api/") == []


@pytest.mark.slow
def test_a_preview_without_any_site_waits_for_the_cms(themed: SiteTest) -> None:
    themed.configured(source={"url": "http://127.0.0.1:9"})
    with watching(themed, "--poll", "3600") as watched:
        assert "VB2101" in watched.says("the first build failed")
        assert status_of(watched.url) == 503


def test_a_refusal_is_said_once_however_often_the_cms_is_asked(themed: SiteTest, devcms: Running) -> None:
    themed.environment(VELOCMS_API_KEY="velo_" + "0" * 64)
    with watching(themed, "--poll", "1") as watched:
        watched.says("the first build failed")
        devcms.clear_requests()
        wait_for(lambda: len(devcms.requests("/api/v1/")) >= 2, lambda: watched.said)
        assert watched.said.count("VB2001") == 1


def test_an_edit_that_is_told_of_costs_one_call(sites: Sites, devcms: Running) -> None:
    site = of_pocketbase(sites("told"), devcms).posts(3)
    with watching(site) as watched:
        watched.says("which tells of changes")
        wait_for(
            lambda: any((one.method, one.status) == ("POST", 204) for one in devcms.requests("/api/realtime")),
            lambda: watched.said,
        )
        site.edit("post-0", content_html="<p>Once.</p>")
        watched.says("“Post 0” was changed")  # and the look with which the subscription begins is over
        devcms.clear_requests()
        site.edit("post-1", content_html="<p>Twice.</p>")
        wait_for(lambda: "Twice." in text_of(f"{watched.url}/post-1/"), lambda: watched.said)
        asked = [request.path for request in devcms.requests("/api/collections/")]
        assert asked == ["/api/collections/posts/records"]
        site.delete("post-2")
        wait_for(lambda: status_of(f"{watched.url}/post-2/") == 404, lambda: watched.said)


@pytest.mark.slow
def test_nobody_at_work_waits_for_a_cms_that_is_away(sites: Sites, devcms: Running) -> None:
    """Asking one that does not listen takes four seconds, since it might be about to come back."""
    site = with_own_theme(sites("alone")).posts(2)
    with watching(site, "--poll", "1") as watched:
        devcms.stop()
        watched.says("no word from the CMS")
        for number in range(3):
            said = watched.said
            (site.root / POST).write_text((site.root / POST).read_text() + f"{{# {number} #}}\n")
            watched.says("✓ theme/templates/post.html", after=said)
        took = [float(found) for found in re.findall(r"post\.html.* in ([\d.]+) s", watched.said)]
    assert len(took) == 3
    assert min(took) < 2.5
