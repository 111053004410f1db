"""The preview of `velobuild watch`: the output as it is, and live reload that is in no file of it."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.serve.test_preview import PICTURE, ask, point, release
from velobuild.serve.preview import bound
from velobuild.serve.preview_live import LivePreview, Serving
from velobuild.serve.reload import Hub, allowing, mark_of

SHEET = '<link rel="stylesheet" href="/assets/site.0123456789.css">'
POLICY = "default-src 'self'; script-src 'none'; object-src 'none'"
PAGE = (
    "<!doctype html><html><head><meta charset=utf-8>"
    f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">{SHEET}</head><body><h1>Tea</h1></body></html>'
)


@dataclass
class Rig:
    root: Path
    hub: Hub
    preview: LivePreview
    url: str

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        status, found, body = ask(self.url, path, **headers)
        return status, found, body.decode()

    def mark(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get(f"/.velobuild/page?at={quote(path, safe='')}")[2])
        return found

    def page(self, text: str, number: int = 1, path: str = "tea/index.html") -> None:
        file = self.root / f".velobuild/releases/{number}" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    release(tmp_path, 1)
    hub = Hub()
    preview = LivePreview(tmp_path / "public", hub=hub)
    listener = bound("127.0.0.1", None)
    with listener, Serving(preview, listener, hub):
        made = Rig(tmp_path, hub, preview, f"http://127.0.0.1:{listener.getsockname()[1]}")
        made.page(PAGE)
        made.page("a{}", path="assets/site.0123456789.css")
        yield made


def script_of(page: str) -> dict[str, str]:
    """The attributes of the preview's script."""
    (tag,) = re.findall(r"<script src=\"[^\"]*/\.velobuild/reload\.js\"[^>]*>", page)
    return {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}


@contextmanager
def events(rig: Rig) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(rig.url).hostname or "", urlsplit(rig.url).port, timeout=20)
    connection.request("GET", "/.velobuild/events")
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    try:
        yield answer
    finally:
        answer.close()
        connection.close()


def next_state(stream: http.client.HTTPResponse) -> dict[str, Any]:
    while not (line := stream.readline()).startswith(b"data: "):
        assert line, "the stream ended"
    found: dict[str, Any] = json.loads(line[6:])
    return found


def test_a_page_gets_the_script_and_its_file_does_not(rig: Rig) -> None:
    status, headers, body = rig.get("/tea/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert int(headers["content-length"]) == len(body.encode())
    script = script_of(body)
    assert script["src"] == f"{rig.url}/.velobuild/reload.js"
    assert (script["data-session"], script["data-version"]) == (rig.hub.session, "0")
    assert body.index("reload.js") < body.index("</head>")
    assert (rig.root / "public/tea/index.html").read_text() == PAGE
    assert rig.get("/.velobuild/reload.js")[1]["content-type"].startswith("text/javascript")


def test_everything_that_is_no_page_goes_through_as_it_is(rig: Rig) -> None:
    for path, body in (("/feed.xml", b"<rss/>"), ("/style.css", b"a{}"), ("/pot.webp", PICTURE)):
        assert ask(rig.url, path)[2] == body
    status, headers, part = ask(rig.url, "/pot.webp", Range="bytes=10-19")
    assert (status, part) == (206, PICTURE[10:20])
    etag = ask(rig.url, "/pot.webp")[1]["etag"]
    assert ask(rig.url, "/pot.webp", If_None_Match=etag)[0] == 304
    assert "x-robots-tag" not in headers


def test_the_sites_own_404_page_gets_the_script_too(rig: Rig) -> None:
    status, _, body = rig.get("/nowhere/")
    assert (status, "<h1>lost</h1>" in body) == (404, True)
    script_of(body)


def test_a_browser_with_an_older_copy_gets_the_whole_page(rig: Rig) -> None:
    """`velobuild serve` on the same port told it that its copy may be asked for; that copy has no script."""
    from starlette.staticfiles import StaticFiles

    file = rig.root / ".velobuild/releases/1/tea/index.html"
    etag = StaticFiles(directory=rig.root).file_response(file, file.stat(), {"headers": [], "method": "GET"})
    assert rig.get("/tea/", If_None_Match=etag.headers["etag"])[0] == 200
    assert rig.get("/tea/", Range="bytes=0-3")[0] == 200
    assert "etag" not in rig.get("/tea/")[1]


def test_a_head_request_has_no_body_and_claims_no_length(rig: Rig) -> None:
    status, headers, body = ask(rig.url, "/tea/", "HEAD")
    assert (status, body) == (200, b"")
    assert "content-length" not in headers


def test_before_anything_is_built_there_is_a_page_that_waits(tmp_path: Path) -> None:
    hub = Hub()
    listener = bound("127.0.0.1", None)
    with listener, Serving(LivePreview(tmp_path / "public", hub=hub), listener, hub):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        status, _, body = ask(url, "/anything/")
        assert (status, b"Nothing is built yet" in body) == (503, True)
        waiting = script_of(body.decode())["data-page"]
        assert json.loads(ask(url, "/.velobuild/page?at=/anything/")[2])["page"] == waiting
        release(tmp_path, 1)
        assert ask(url, "/")[0] == 200
        assert json.loads(ask(url, "/.velobuild/page?at=/anything/")[2])["page"] != waiting


# What a page is told.


def test_a_page_that_is_the_same_has_the_same_mark_as_when_it_was_served(rig: Rig) -> None:
    for path in ("/tea/", "/", "/soup/", "/nowhere/", "/soup/index.html"):
        assert rig.mark(path)["page"] == script_of(rig.get(path)[2])["data-page"], path
    served = json.loads(script_of(rig.get("/tea/")[2])["data-styles"])
    assert rig.mark("/tea/")["styles"] == served
    assert served[0][0] == "/assets/site.0123456789.css"


def test_another_text_is_another_page_and_another_sheet_is_not(rig: Rig) -> None:
    before = rig.mark("/tea/")
    rig.page(PAGE.replace("0123456789", "9876543210"))
    rig.page("a{color:red}", path="assets/site.9876543210.css")
    restyled = rig.mark("/tea/")
    assert restyled["page"] == before["page"]
    assert restyled["styles"][0] != before["styles"][0]
    rig.page(PAGE.replace("Tea", "Coffee"))
    assert rig.mark("/tea/")["page"] != before["page"]
    rig.page(PAGE.replace(SHEET, SHEET + SHEET))
    assert rig.mark("/tea/")["page"] != before["page"], "one sheet more is another page"


def test_a_sheet_that_keeps_its_address_is_known_by_its_content(rig: Rig) -> None:
    rig.page('<head><link href=/style.css rel="stylesheet"></head>')
    before = rig.mark("/tea/")["styles"]
    rig.page("b{}", path="style.css")
    after = rig.mark("/tea/")["styles"]
    assert before[0][0] == after[0][0] == "/style.css"
    assert before[0][1] != after[0][1]


def test_other_links_belong_to_the_page() -> None:
    icon = '<link rel="icon" href="/a.svg">'
    assert mark_of(icon, lambda path: None).page != mark_of(icon.replace("a.svg", "b.svg"), lambda path: None).page
    assert mark_of(icon, lambda path: None).styles == ()


def test_a_waiting_page_is_told_of_builds_and_of_failures_at_once(rig: Rig) -> None:
    with events(rig) as stream:
        assert next_state(stream) == {"session": rig.hub.session, "version": 0, "assets": 0, "findings": []}
        rig.hub.built(assets=False)
        assert next_state(stream)["version"] == 1
        rig.hub.failed([{"what": "broken"}])
        failed = next_state(stream)
        assert (failed["version"], failed["findings"]) == (1, [{"what": "broken"}])
        rig.hub.built(assets=True)
        mended = next_state(stream)
        assert (mended["version"], mended["assets"], mended["findings"]) == (2, 2, [])
        rig.hub.built(assets=False)
        assert next_state(stream)["assets"] == 2
    assert script_of(rig.get("/tea/")[2])["data-version"] == "3"
    with events(rig) as late:
        assert next_state(late)["version"] == 3, "whoever comes later is told how things stand"


def test_open_streams_do_not_keep_the_preview_from_ending(tmp_path: Path) -> None:
    release(tmp_path, 1)
    hub = Hub()
    listener = bound("127.0.0.1", None)
    preview = LivePreview(tmp_path / "public", hub=hub)
    rig = Rig(tmp_path, hub, preview, f"http://127.0.0.1:{listener.getsockname()[1]}")
    with ExitStack() as open_streams:
        with listener, Serving(preview, listener, hub) as serving:
            stream = open_streams.enter_context(events(rig))
            next_state(stream)
        assert not serving._thread.is_alive()
        assert b"data" not in stream.read()


# Releases.


def test_a_page_read_before_a_swap_still_finds_the_pictures_of_its_release(rig: Rig) -> None:
    rig.get("/tea/")
    second = release(rig.root, 2)
    assert not (second / "assets/site.0123456789.css").exists()
    assert ask(rig.url, "/assets/site.0123456789.css")[::2] == (200, b"a{}")
    assert rig.get("/tea/")[0] == 404, "the control: pages are those of the live release alone"
    point(rig.root, 1)
    assert rig.get("/tea/")[0] == 200


# Who may ask, and for what.


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "blog.localhost"])
def test_names_that_nobody_else_can_make_lead_here_are_answered(rig: Rig, host: str) -> None:
    assert rig.get("/tea/", Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/tea/", "/.velobuild/events", "/.velobuild/page?at=/"])
def test_a_foreign_name_that_leads_here_is_told_nothing(rig: Rig, host: str, path: str) -> None:
    status, _, body = rig.get(path, Host=host)
    assert (status, "Tea" in body) == (421, False)


@pytest.mark.parametrize(
    "at", ["/../velobuild.toml", "/../../velobuild.toml", "/%2e%2e/velobuild.toml", "//etc/passwd", "/\0"]
)
def test_the_marks_of_files_outside_the_site_are_not_to_be_had(rig: Rig, at: str) -> None:
    (rig.root / ".velobuild/velobuild.toml").write_text("secret")
    assert rig.mark(at)["page"] == rig.mark("/nowhere/")["page"]


def test_drafts_are_kept_from_robots_whatever_they_ask_for(tmp_path: Path) -> None:
    release(tmp_path, 1)
    hub = Hub()
    listener = bound("127.0.0.1", None)
    with listener, Serving(LivePreview(tmp_path / "public", hub=hub, noindex=True), listener, hub):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert [ask(url, path)[1]["x-robots-tag"] for path in ("/", "/feed.xml", "/no/")] == ["noindex, nofollow"] * 3


def test_a_site_that_lives_in_a_folder_is_shown_below_it_and_can_move(rig: Rig) -> None:
    rig.preview.show(rig.root / "public", "/blog")
    assert rig.get("/blog/tea/")[0] == 200
    assert rig.get("/tea/")[0] == 404
    assert rig.get("/")[1]["location"] == "/blog/"
    assert rig.mark("/blog/tea/")["page"] == script_of(rig.get("/blog/tea/")[2])["data-page"]
    assert rig.mark("/tea/")["page"] == rig.mark("/nowhere/")["page"]
    rig.preview.show(rig.root / "public", "")
    assert rig.get("/tea/")[0] == 200


# The page's own policy.

ORIGIN = "http://127.0.0.1:8000"
SCRIPT = f"{ORIGIN}/.velobuild/reload.js"
ASK = f"{ORIGIN}/.velobuild/"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("default-src 'none'", f"default-src 'none'; script-src {SCRIPT}; connect-src {ASK}"),
        ("script-src 'none'; img-src 'self'", f"script-src {SCRIPT}; img-src 'self'"),
        (
            "default-src 'self'; script-src a.example",
            f"default-src 'self'; script-src a.example {SCRIPT}; connect-src 'self' {ASK}",
        ),
        ("script-src-elem 'self'; script-src 'none'", f"script-src-elem 'self' {SCRIPT}; script-src {SCRIPT}"),
        ("object-src 'none'", "object-src 'none'"),
        ("", ""),
    ],
)
def test_a_policy_lets_in_the_preview_alone_and_stays_as_strict_as_it_was(policy: str, expected: str) -> None:
    assert allowing(policy, ORIGIN) == expected


def test_the_policy_in_a_served_page_is_widened_and_still_in_its_place(rig: Rig) -> None:
    body = rig.get("/tea/")[2]
    (served,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', body)
    assert unescape(served) == allowing(POLICY, rig.url)
