"""A theme developer's work in a real browser: nobody touches the page, and it follows all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from tests.judges.accessibility import browser
from tests.scenarios.site import SiteTest
from tests.scenarios.watching import Watched, of_pocketbase, watching, with_own_theme
from velobuild.devcms import GENEROUS, DevCms, Running

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TIMEOUT_MS = 20_000
OVERLAY = "velobuild-findings"
POST = "theme/templates/post.html"
CSS = "theme/static/css/plain.css"


@pytest.fixture(scope="module")
def cms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with DevCms(tmp_path_factory.mktemp("cms")).start(deliver=False) as running:
        running.set_switches(GENEROUS)
        yield running


@pytest.fixture(scope="module")
def site(cms: Running, tmp_path_factory: pytest.TempPathFactory) -> SiteTest:
    made = SiteTest(tmp_path_factory.mktemp("site"), cms)
    return with_own_theme(of_pocketbase(made, cms)).posts(4).file("pages/about.md", "# About\n\nUs.\n")


@pytest.fixture(scope="module")
def watched(site: SiteTest) -> Iterator[Watched]:
    with watching(site) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1100, "height": 800})
    context.set_default_timeout(TIMEOUT_MS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    # Of deleted pages, and of a preview that has ended, the browser tells that they are gone.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def mark(page: Page) -> None:
    """Leave something in the page that goes if it is loaded again."""
    page.evaluate("window.untouched = true")


def is_marked(page: Page) -> bool:
    return bool(page.evaluate("window.untouched === true"))


def becomes(page: Page, expression: str) -> None:
    """Wait until it is true. (Playwright's own way evaluates a text in the page, which the page's policy forbids.)"""
    for _ in range(TIMEOUT_MS // 50):
        with suppress(BrowserError):  # The page was on its way.
            if page.evaluate(expression):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def changed(site: SiteTest, path: str, old: str, new: str) -> None:
    file = site.root / path
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_editing_a_post_through_the_cms_changes_the_open_page(site: SiteTest, watched: Watched, page: Page) -> None:
    page.goto(f"{watched.url}/post-1/")
    site.edit("post-1", content_html="<p>Fresh from the <b>kitchen</b>.</p>")
    page.get_by_text("Fresh from the kitchen.").wait_for()
    assert "“Post 1” was changed" in watched.says("“Post 1” was changed")


def test_a_page_that_an_edit_does_not_concern_stays_as_it_is(site: SiteTest, watched: Watched, page: Page) -> None:
    page.goto(f"{watched.url}/about/")
    mark(page)
    with page.expect_response(re.compile("/page\\?at=")):
        site.edit("post-2", content_html="<p>Quite another text.</p>")
    assert is_marked(page)
    page.goto(f"{watched.url}/post-2/")  # the control: the edit is there
    assert "Quite another text." in page.inner_text("main")


def test_a_deleted_posts_page_goes_and_so_does_its_place_in_lists(
    site: SiteTest, watched: Watched, page: Page, chromium: Browser
) -> None:
    site.post("short-lived", title="Short-lived", tags=["brief"])
    page.goto(watched.url)
    page.get_by_role("link", name="Short-lived").first.wait_for()
    other = page.context.new_page()
    other.goto(f"{watched.url}/short-lived/")
    tag = page.context.new_page()
    assert tag.goto(f"{watched.url}/tags/brief/").status == 200  # type: ignore[union-attr]
    site.delete("short-lived")
    page.get_by_role("link", name="Short-lived").first.wait_for(state="detached")
    other.get_by_role("heading", name="Page not found").or_(other.locator("h1")).first.wait_for()
    becomes(other, "!document.title.includes('Short-lived')")
    becomes(tag, "!document.title.includes('brief')")
    out = site.root / "public"
    left = [file for file in out.resolve().rglob("*") if file.is_file() and b"Short-lived" in file.read_bytes()]
    assert left == []


def test_a_changed_colour_is_there_without_the_page_being_loaded_again(
    site: SiteTest, watched: Watched, page: Page
) -> None:
    page.goto(f"{watched.url}/post-0/")
    mark(page)
    page.evaluate("window.scrollTo(0, 120)")
    with (site.root / CSS).open("a", encoding="utf-8") as sheet:
        sheet.write("\nmain h1 { color: rgb(1, 2, 3) !important; }\n")
    becomes(page, "getComputedStyle(document.querySelector('main h1')).color === 'rgb(1, 2, 3)'")
    assert is_marked(page)
    becomes(page, "document.querySelectorAll('link[rel=stylesheet]').length === 1")
    with (site.root / CSS).open("a", encoding="utf-8") as sheet:  # and again, in the page that was restyled
        sheet.write("\nmain h1 { color: rgb(4, 5, 6) !important; }\n")
    becomes(page, "getComputedStyle(document.querySelector('main h1')).color === 'rgb(4, 5, 6)'")
    assert is_marked(page)
    page.reload()  # the control: a page that is loaded is another one
    assert not is_marked(page)


def test_a_broken_template_is_shown_over_the_last_good_page_and_goes_when_it_is_mended(
    site: SiteTest, watched: Watched, page: Page
) -> None:
    page.goto(f"{watched.url}/post-0/")
    before = page.inner_text("main")
    good = (site.root / POST).read_text("utf-8")
    changed(site, POST, "{% block main %}", "{% block main %}\n{{ post.titel }}")
    overlay = page.locator(OVERLAY)
    overlay.get_by_role("alertdialog").wait_for()
    shown = overlay.get_by_role("alertdialog").inner_text()
    for part in ("unknown field `post.titel`", "templates/post.html:", "id ", "did you mean `title`?", "VB3102"):
        assert part in shown
    assert "{{ post.titel }}" in overlay.locator("pre .at").first.inner_text()
    assert len(overlay.locator("article").first.locator("pre span").all()) > 3
    page.keyboard.press("Escape")
    overlay.get_by_role("alertdialog").wait_for(state="detached")
    assert page.inner_text("main") == before
    overlay.get_by_role("button", name="1 problem").click()
    overlay.get_by_role("button", name="Show the last good page").click()
    (site.root / POST).write_text(good, "utf-8")
    overlay.wait_for(state="detached")
    assert page.inner_text("main") == before


def test_a_broken_configuration_is_shown_and_nothing_else_covers_it_up(
    site: SiteTest, watched: Watched, page: Page
) -> None:
    page.goto(watched.url)
    file = site.root / "velobuild.toml"
    good = file.read_text("utf-8")
    file.write_text(f"{good}\n[nonsense]\na = 1\n", "utf-8")
    overlay = page.locator(OVERLAY)
    overlay.get_by_text("VB1104").first.wait_for()
    said = watched.said
    changed(site, POST, "{% block main %}", "{% block main %}\n")
    watched.says("velobuild.toml is still to be mended", after=said)
    assert overlay.count() == 1
    file.write_text(good, "utf-8")
    overlay.wait_for(state="detached")


def test_the_output_holds_nothing_of_the_preview(site: SiteTest, watched: Watched, page: Page) -> None:
    page.goto(watched.url)
    assert "/.velobuild/reload.js" in page.content()  # the control: the page in the browser does
    for file in (site.root / "public").resolve().rglob("*.html"):
        assert b".velobuild" not in file.read_bytes(), file


def test_a_first_build_that_fails_is_shown_and_the_site_comes_by_itself_once_it_is_mended(
    cms: Running, tmp_path: Path, page: Page
) -> None:
    site = with_own_theme(SiteTest(tmp_path / "broken", cms))
    good = (site.root / POST).read_text("utf-8")
    (site.root / POST).write_text("{% block main %}", "utf-8")
    with watching(site, "--poll", "60") as running:
        page.goto(running.url)
        page.locator(OVERLAY).get_by_text("templates/post.html").first.wait_for()
        (site.root / POST).write_text(good, "utf-8")
        page.get_by_role("link", name="Post 3").first.wait_for()
        assert page.locator(OVERLAY).count() == 0


def test_drafts_and_posts_of_the_future_are_seen_with_a_banner_and_never_in_the_live_output(
    cms: Running, tmp_path: Path, page: Page
) -> None:
    site = of_pocketbase(SiteTest(tmp_path / "drafts", cms), cms).builds()
    live = site.tree()
    site.post("not-yet", title="Not yet", status="draft", published_at=None)
    site.post("in-2099", title="In 2099", published_at="2099-05-03 10:00:00.000Z")
    with watching(site, "--drafts") as running:
        page.goto(f"{running.url}/not-yet/")
        banner = page.locator("[data-velobuild-banner]")
        assert banner.inner_text() == "Draft: not published"
        assert banner.is_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('[data-velobuild-banner]')).position") == "fixed"
        page.goto(f"{running.url}/in-2099/")
        assert banner.inner_text() == "Scheduled for 2099-05-03 10:00 UTC"
        page.goto(running.url)
        assert banner.inner_text() == "Preview with drafts: not the published site"
        site.post("written-now", title="Written now", status="draft", published_at=None)
        page.get_by_role("link", name="Written now").first.wait_for()
    pages = list((site.root / ".velobuild/drafts/public").resolve().rglob("*.html"))
    assert len(pages) > 5
    assert all(b'content="noindex' in file.read_bytes() for file in pages)
    assert site.tree() == live
    site.builds()
    site.expects_nowhere("Not yet", "In 2099", "Written now")
