"""The demo as somebody sees it who edits a post in the CMS and looks at an open page. Nobody touches the page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from tests.judges.accessibility import browser
from tests.scenarios.listening import until
from velobuild.devcms import GENEROUS, DevCms, Running

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Demo:
    """A running `velobuild demo`. `said` is all that it said on stderr so far."""

    def __init__(self, folder: Path, home: Path) -> None:
        variables = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "velobuild", "demo", "--json", "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=variables,
            cwd=home,
        )
        self._said: list[str] = []
        self._ears = threading.Thread(target=self._hear, daemon=True)
        self._ears.start()
        assert self.process.stdout is not None
        document = ""
        for line in self.process.stdout:
            document += line
            with suppress(ValueError):
                self.tells: dict[str, Any] = json.loads(document)
                break
        else:
            raise AssertionError(self.said)
        self.url = self.tells["url"].rstrip("/")
        self.out = folder / "site/public"

    def _hear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)

    @property
    def said(self) -> str:
        return "".join(self._said)

    def ends(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self._ears.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("home")
    running = Demo(home / "demo", home)
    try:
        yield running
    finally:
        running.ends()


@pytest.fixture(scope="module")
def cms(demo: Demo) -> Iterator[Running]:
    """The demo's CMS as its owner has it, who logs in to the dashboard."""
    running = DevCms(demo.folder / "cms").attach()
    assert running.dashboard_url == demo.tells["dashboard"]
    running.set_switches(GENEROUS)
    yield running
    running.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def becomes(page: Page, expression: str) -> None:
    """Wait until it is true; the page may be loaded anew meanwhile."""

    def true() -> bool:
        with suppress(BrowserError):
            return bool(page.evaluate(expression))
        return False

    until(true, expression)


def gone(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        return error.code == 404
    return False


def post_of(cms: Running, slug: str) -> dict[str, Any]:
    return next(post for post in cms.posts() if post["slug"] == slug)


def test_the_open_page_changes_when_its_post_is_edited_in_the_cms(demo: Demo, cms: Running, page: Page) -> None:
    """Done-when 1: through PocketBase's own API, as its dashboard saves a record."""
    page.goto(f"{demo.url}/four-winters-in/")
    page.evaluate("window.untouched = true")
    other = page.context.new_page()
    other.goto(f"{demo.url}/about/")
    other.evaluate("window.untouched = true")
    cms.admin.update("posts", post_of(cms, "four-winters-in")["id"], {"content_html": "<p>The fifth has begun.</p>"})
    page.get_by_text("The fifth has begun.").wait_for()
    assert not page.evaluate("window.untouched === true")
    assert other.evaluate("window.untouched === true"), "the control: a page that did not change was left alone"
    until(lambda: "four-winters-in: received" in demo.said, demo.said)
    line = r"received → fetched in \d+ ms → built in \d+ ms → live in \d+ ms: \d+ files? written \(\d+ pages\)"
    until(lambda: re.search(line, demo.said), demo.said)


def test_a_deleted_post_leaves_nothing_behind(demo: Demo, cms: Running, page: Page, tmp_path: Path) -> None:
    """Done-when 1: its page, its tag's pages, its feed items and its media are gone."""
    Image.new("RGB", (90, 60), "purple").save(tmp_path / "plum.png")
    picture = cms.upload_media(tmp_path / "plum.png", alt="A plum")
    before = {path.name for path in (demo.out / "media").iterdir()}
    body = f'<p>It keeps.</p><img src="{cms.media_path(picture)}" alt="A plum">'
    id = cms.create_post(title="Zwetschge", slug="zwetschge", tags=["powidl"], content_html=body)
    page.goto(demo.url)
    page.get_by_role("link", name="Zwetschge").first.wait_for()
    own, tag = page.context.new_page(), page.context.new_page()
    own.goto(f"{demo.url}/zwetschge/")
    assert own.locator("main img").evaluate("image => image.complete && image.naturalWidth > 0")
    answer = tag.goto(f"{demo.url}/tags/powidl/")
    assert answer is not None
    assert answer.status == 200
    media = {path.name for path in (demo.out / "media").iterdir()} - before
    feeds = [path.relative_to(demo.out.resolve()) for path in demo.out.resolve().rglob("*.xml")]
    assert media, "the control: there is a picture to go"
    assert any("Zwetschge" in (demo.out / feed).read_text() for feed in feeds), "the control: feeds have it"
    cms.delete_post(id)
    page.get_by_role("link", name="Zwetschge").first.wait_for(state="detached")
    becomes(own, "!document.title.includes('Zwetschge')")
    becomes(tag, "!document.title.includes('powidl')")
    until(lambda: gone(f"{demo.url}/zwetschge/") and gone(f"{demo.url}/tags/powidl/"), "both answer 404")
    assert not media & {path.name for path in (demo.out / "media").iterdir()}
    left = [path for path in demo.out.resolve().rglob("*") if path.is_file() and b"Zwetschge" in path.read_bytes()]
    assert left == []


def test_an_event_that_needs_no_build_is_shown_too(demo: Demo, cms: Running) -> None:
    (webhook,) = cms.webhooks()
    assert webhook.url == f"{demo.tells['status']}hooks/site"
    cms.ping_webhook(webhook.id)
    until(lambda: "ping: received, nothing to build" in demo.said, demo.said)


def test_a_failed_build_is_told_and_laid_over_the_open_page_until_it_is_mended(
    demo: Demo, cms: Running, page: Page
) -> None:
    page.goto(f"{demo.url}/four-winters-in/")
    own = demo.folder / "site/templates/post.html"
    own.parent.mkdir(exist_ok=True)
    assert not own.exists()
    own.write_text("{% broken %}")
    id = post_of(cms, "four-winters-in")["id"]
    cms.update_post(id, content_html="<p>Unseen for now.</p>")
    page.locator("velobuild-findings").get_by_text("VB3101").first.wait_for()
    until(lambda: "the site stays as it was" in demo.said, demo.said)
    own.unlink()
    page.get_by_text("Unseen for now.").wait_for()  # the next try, five seconds later
    page.locator("velobuild-findings").wait_for(state="detached")


def test_ctrl_c_ends_the_service_the_preview_and_the_cms(tmp_path: Path) -> None:
    ended = Demo(tmp_path / "demo", tmp_path)
    cms = DevCms(ended.folder / "cms")
    assert cms.running() is not None
    assert ended.ends() == 0, ended.said
    assert cms.running() is None
    assert "Traceback" not in ended.said
    for address in (ended.url, ended.tells["status"], ended.tells["dashboard"]):
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(address, timeout=5)
    secret = re.search(r"^VELOBUILD_WEBHOOK_SECRET=(\w{64})$", (ended.folder / "site/.env").read_text(), re.MULTILINE)
    assert secret is not None
    assert secret[1] not in ended.said
