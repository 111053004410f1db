"""A judge is worth something only if it finds a bad page bad: every test has a good page beside the bad one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.judges import installed
from tests.judges.accessibility import axe
from tests.judges.feeds import feeds, judge
from tests.judges.html import nu_html
from velobuild.render.feeds import FeedItem, FeedSource, atom, entry_id, rss
from velobuild.render.sitemap import SitemapUrl, sitemap

GOOD_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Soup</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; style-src 'unsafe-inline'">
<style>:root { color-scheme: light dark } body { background: light-dark(#fff, #111) }
main a { color: %s }</style></head>
<body><main><h1>Soup</h1><p>Read about <a href="/bread/">bread</a>.</p></main></body></html>
"""
READABLE = "light-dark(#0044aa, #99bbff)"
GOOD = GOOD_PAGE % READABLE
BAD_MARKUP = GOOD.replace("<p>", "<p><div>").replace("</p>", "</div></p>")
WITHOUT_ALT = GOOD.replace("<p>", '<p><img src="/soup.png">')
NO_BACKGROUND = GOOD.replace("body { background: light-dark(#fff, #111) }", "")
PALE_IN_THE_DARK = GOOD_PAGE % "light-dark(#0044aa, #223344)"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def page(folder: Path, name: str, html: str) -> None:
    (folder / name).write_text(html, encoding="utf-8")


def feed(**changes: object) -> FeedSource:
    moment = datetime(2026, 5, 3, 10, tzinfo=UTC)
    item = FeedItem(
        id=entry_id("https://cms.example", "1"),
        title="Soup",
        url="https://blog.example/soup/",
        published=moment,
        updated=moment,
        content_html='<p><a href="https://blog.example/bread/">bread</a></p>',
    )
    fields = {
        "title": "Kitchen",
        "description": "Soup and bread",
        "home_url": "https://blog.example/",
        "self_url": "https://blog.example/feed.xml",
        "language": "en",
        "author": "Ada",
        "updated": moment,
        "items": (item,),
    }
    return FeedSource(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_html_checker_passes_a_good_page_and_names_the_place_in_a_bad_one(tmp_path: Path) -> None:
    page(tmp_path, "good.html", GOOD)
    page(tmp_path, "bad.html", BAD_MARKUP)
    findings = nu_html(tmp_path)
    assert findings
    assert all(finding.startswith("bad.html:7:") for finding in findings), findings


def test_the_html_checker_reads_paths_in_any_script_whatever_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "味噌汁の朝").mkdir()
    page(tmp_path / "味噌汁の朝", "index.html", BAD_MARKUP)
    assert any(finding.startswith("味噌汁の朝/index.html:7:") for finding in nu_html(tmp_path))


def test_the_html_checker_does_not_pass_what_it_could_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "味噌汁の朝").mkdir()
    page(tmp_path / "味噌汁の朝", "index.html", BAD_MARKUP)
    with pytest.raises(AssertionError, match="did not read"):
        nu_html(tmp_path, locale="C")


def test_the_html_checker_refuses_to_pass_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no HTML"):
        nu_html(tmp_path)


@pytest.mark.browser
def test_axe_passes_a_good_page_behind_a_strict_policy_and_finds_a_missing_alt(tmp_path: Path, served: str) -> None:
    page(tmp_path, "good.html", GOOD)
    page(tmp_path, "bad.html", WITHOUT_ALT)
    findings = axe([f"{served}/good.html", f"{served}/bad.html"], "light")
    assert [finding for finding in findings if "image-alt" in finding]
    assert not [finding for finding in findings if "good.html" in finding]


@pytest.mark.browser
def test_axe_judges_the_colours_of_the_scheme_it_was_asked_for(tmp_path: Path, served: str) -> None:
    page(tmp_path, "index.html", PALE_IN_THE_DARK)
    assert axe([f"{served}/index.html"], "light") == []
    assert any("color-contrast" in finding for finding in axe([f"{served}/index.html"], "dark"))


@pytest.mark.browser
def test_a_dark_page_without_a_background_is_a_finding_since_axe_would_take_white(tmp_path: Path, served: str) -> None:
    page(tmp_path, "index.html", NO_BACKGROUND)
    assert axe([f"{served}/index.html"], "light") == []
    assert any("no background colour" in finding for finding in axe([f"{served}/index.html"], "dark"))


@pytest.mark.browser
def test_axe_refuses_to_pass_a_page_that_is_not_there(served: str) -> None:
    with pytest.raises(Exception, match=r"ERR_CONNECTION_REFUSED|ERR_UNSAFE_PORT"):
        axe(["http://127.0.0.1:1/"], "light")


def test_the_feed_judge_passes_our_feeds_and_sitemap(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_bytes(rss(feed()))
    (tmp_path / "atom.xml").write_bytes(atom(feed()))
    (tmp_path / "sitemap.xml").write_bytes(sitemap([SitemapUrl("https://blog.example/")]))
    assert feeds(tmp_path) == []


def test_the_feed_judge_refuses_to_pass_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no feed"):
        feeds(tmp_path)


@pytest.mark.parametrize(
    ("write", "old", "new", "expected"),
    [
        (atom, "</feed>", "", "not well-formed"),
        (atom, "<updated>2026-05-03T10", "<updated>yesterday", "RFC 4287"),
        (atom, "<name>Ada</name>", "", "RFC 4287"),
        (atom, '"alternate" type="text/html"/>\n    <published>', '"alternate"/><published>', "a link without type"),
        (atom, "https://blog.example/bread/", "/bread/", "'/bread/' is not absolute"),
        (atom, 'rel="self"', 'rel="related"', "no link to itself"),
        (rss, "https://blog.example/bread/", "../bread/", "'../bread/' is not absolute"),
        (rss, "Sun, 03 May 2026", "31 Smarch 2026", "is no date"),
        (rss, "<link>https://blog.example/</link>", "<link>https://blog.example/feed.xml</link>", "links to itself"),
        (rss, "<description>Soup and bread</description>", "", "no description"),
    ],
)
def test_the_feed_judge_finds_a_damaged_feed(write: object, old: str, new: str, expected: str) -> None:
    document = write(feed()).decode()  # type: ignore[operator]
    if old not in document:
        pytest.fail(f"{old!r} does not stand in the feed, so nothing would be damaged:\n{document}")
    damaged = document.replace(old, new).encode()
    assert re.search(expected, "\n".join(judge(damaged))), judge(damaged)


def test_the_feed_judge_finds_an_entry_without_any_author() -> None:
    document = atom(feed()).decode()
    author = document[document.index("<author>") : document.index("</author>") + len("</author>")]
    assert any("has an author" in finding for finding in judge(document.replace(author, "").encode()))


def test_the_feed_judge_finds_an_item_that_stands_twice() -> None:
    item = feed().items[0]
    assert any("2 times" in finding for finding in judge(rss(feed(items=(item, item)))))
    assert any("2 times" in finding for finding in judge(atom(feed(items=(item, item)))))


def test_the_feed_judge_does_not_pass_a_document_of_another_kind() -> None:
    assert judge(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == [
        "unknown kind of document: {http://www.w3.org/2000/svg}svg"
    ]


def test_what_is_missing_skips_a_test_on_a_desk_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="java is missing"):
        installed.missing("java is missing")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="java is missing"):
        installed.missing("java is missing")
