"""What PolyCMS's server loses of a text, and what velobuild shows instead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.markup.test_blocks import doc, mark, node, p, text
from tests.sources.test_polycms import Site
from tests.standins.polycms import PolyStandIn, server_html
from velobuild.markup.prepare import MarkupOptions, Resolved, fill, prepare
from velobuild.model.entries import BodyFormat
from velobuild.sources.polycms_bodies import body_of, with_addresses

PLAIN = doc(p("Use 10 g."))
HERO = {"heading": "Bake bread", "subheading": "At home", "button_text": "Start", "button_link": "/posts/start"}
Show = Callable[..., str]


@pytest.fixture
def site() -> Iterator[Site]:
    with PolyStandIn() as cms:
        yield Site(cms)


@pytest.fixture
def show(site: Site) -> Show:
    """What a reader sees of a document, once the CMS's server has made its HTML of it, or of the fields of a post."""

    def shown(document: Any = None, **fields: Any) -> str:
        if document is not None:
            fields = {"content_raw": document, "content_html": server_html(document)} | fields
        site.cms.put_post(id=1, **fields)
        post = site.sync().post()
        options = MarkupOptions(base_url=site.cms.url, highlight=False)
        prepared = prepare(post.body, post.body_format, options)
        site.warnings += prepared.warnings
        return fill(prepared, lambda ref: Resolved(ref.url, ref.width_px, ref.height_px))

    return shown


def test_the_cms_s_html_is_used_where_it_says_it_all(site: Site, show: Show) -> None:
    html = show(doc(p("Use ", text("10 g", mark("bold")), ".")), content_html="<p>Use <b>10 g</b>.</p>")
    assert html == "<p>Use <b>10 g</b>.</p>"
    assert site.post().body_format is BodyFormat.HTML


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (doc(p("He said:"), node("blockquote", p("Salt!"))), "<blockquote><p>Salt!</p></blockquote>"),
        (doc(p("Run:"), node("codeBlock", "a < b", language="sh")), "a &lt; b"),
        (doc(p("Press ", text("Q", mark("code")))), "<code>Q</code>"),
        (doc(p("H", text("2", mark("subscript")), "O")), "<sub>2</sub>"),
        (doc(p("m", text("2", mark("superscript")))), "<sup>2</sup>"),
        (doc(p(text("Salt", mark("highlight")))), "<mark>Salt</mark>"),
        (doc(node("orderedList", node("listItem", p("Three")), start=3)), '<ol start="3">'),
        (doc(node("image", src="/storage/a.png", caption="A pot")), "<figcaption>A pot</figcaption>"),
        (doc(node("image", src="/storage/a.png", title="Five litres")), 'title="Five litres"'),
        (doc(node("landingBlock", id="x", type="hero_section", data=HERO)), "<h2"),
    ],
    ids=["quote", "code block", "code", "subscript", "superscript", "highlight", "list", "caption", "title", "landing"],
)
def test_what_its_html_loses_is_shown_from_the_document(
    site: Site, show: Show, document: dict[str, Any], expected: str
) -> None:
    assert expected not in server_html(document), "control: the CMS's own HTML has lost it"
    assert expected in show(document)
    assert site.post().body_format is BodyFormat.BLOCKS
    assert [code for code in site.codes() if code != "VB3002"] == []


def test_a_version_that_writes_such_marks_is_believed(show: Show) -> None:
    document = doc(p("Press ", text("Q", mark("code"))))
    html = "<p>Press <code>Q</code> quickly</p>"
    assert show(document, content_html=html) == html


@pytest.mark.parametrize("html", ["", None, "  "])
@pytest.mark.parametrize(
    "raw",
    [
        PLAIN,
        PLAIN["content"],
        {"blocks": [{"type": "paragraph", "data": {"text": "Use 10 g."}}]},
        json.dumps(PLAIN),
        json.dumps(json.dumps(PLAIN["content"])),
    ],
    ids=["document", "list", "blocks", "text", "text in a text"],
)
def test_without_html_each_shape_of_a_document_is_read(show: Show, raw: Any, html: str | None) -> None:
    assert show(content_raw=raw, content_html=html) == "<p>Use 10 g.</p>"


@pytest.mark.parametrize("raw", [None, [], {}, "", "{broken", '{"type":"doc"}', 7])
def test_without_either_the_post_is_empty_and_not_lost(site: Site, show: Show, raw: Any) -> None:
    assert show(content_raw=raw, content_html="") == ""
    assert site.codes() == []


# Landing pages.

SECTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("heading", {"text": "Bread", "level": 3}, ">Bread</h"),
    ("text", {"content": "<p>Slowly.</p>"}, "<p>Slowly.</p>"),
    ("button", {"label": "Start", "url": "/posts/start"}, ">Start</a>"),
    ("image", {"src": "/storage/a.png", "alt": "A loaf"}, 'alt="A loaf"'),
    ("gallery", {"images": [{"src": "/storage/a.png"}]}, "/storage/a.png"),
    ("video", {"url": "/storage/a.mp4"}, "/storage/a.mp4"),
    ("divider", {"style": "solid"}, "<hr>"),
    ("html_block", {"html": "<p>Raw</p>"}, "<p>Raw</p>"),
    ("section", {"blocks": [{"type": "text", "data": {"content": "Inside"}}]}, "Inside"),
    ("row", {"columns_data": [{"blocks": [{"type": "text", "data": {"content": "Left"}}]}]}, "Left"),
    ("accordion", {"items": [{"title": "Why?", "content": "Because."}]}, "<summary>Why?</summary>"),
    ("tabs", {"items": [{"title": "One", "content": "First"}]}, "First"),
    ("hero_section", HERO, "At home"),
    ("text_image", {"heading": "Oven", "content": "<p>Hot.</p>", "image_url": "/storage/o.png"}, "Hot."),
    ("features_grid", {"features": [{"title": "Fast", "description": "One hour"}]}, "One hour"),
    ("stats_bar", {"stats": [{"value": "10", "label": "loaves"}]}, "loaves"),
    ("cta_section", {"heading": "Join", "text": "Come.", "stats": [{"number": "3", "label": "bakers"}]}, "bakers"),
    ("showcase", {"demo_title": "How", "steps": [{"title": "Mix", "text": "All of it"}]}, "All of it"),
    ("what_you_get", {"features": ["A recipe"]}, "A recipe"),
    ("fw_hero_section", HERO, "At home"),
    ("somebody_s_own", {"text": "Their words"}, "Their words"),
]


@pytest.mark.parametrize(("kind", "data", "expected"), SECTIONS, ids=[kind for kind, _, _ in SECTIONS])
def test_each_landing_block_shows_its_words(kind: str, data: dict[str, Any], expected: str) -> None:
    html = "<!-- Missing renderer for landing block type: X -->"
    for document in (
        doc(node("landingBlock", id="x", type=kind, data=data)),
        {"blocks": [{"type": kind, "data": data}]},
        json.dumps([{"type": kind, "data": data}]),
    ):
        blocks = body_of(html, document)[1]
        prepared = prepare(json.dumps(blocks), BodyFormat.BLOCKS, MarkupOptions(base_url="https://cms.example"))
        assert expected in fill(prepared, lambda ref: Resolved(ref.url, ref.width_px, ref.height_px))
        named = [warning.what for warning in prepared.warnings if "not known" in warning.what]
        assert bool(named) == (kind == "somebody_s_own")


@pytest.mark.parametrize("kind", ["latest_posts", "pricing_matrix", "fw_latest_posts"])
def test_what_only_the_cms_can_fill_is_named(site: Site, show: Show, kind: str) -> None:
    show(doc(node("landingBlock", id="x", type=kind, data={"count": 3})))
    assert "VB3002" in site.codes()


def test_markers_in_html_that_has_no_document_beside_it_are_filled(site: Site, show: Show) -> None:
    hero = json.dumps({"id": "x", "type": "hero_section", "data": HERO})
    stats = json.dumps({"stats": [{"value": "10", "label": "Mia's loaves"}]}).replace("'", "&#039;")
    html = (
        f"<p>Before</p><!-- landing_block:{hero} --><p>Between</p>"
        f'<div class="x" data-type="landing-block" data-block-type="stats_bar" data-block-data=\'{stats}\'></div>'
        "<p>After</p>"
    )
    shown = show(content_html=html)
    places = [shown.find(words) for words in ("Before", "At home", "Between", "Mia's loaves", "After")]
    assert -1 not in places
    assert places == sorted(places)


def test_markers_give_way_to_the_document(show: Show) -> None:
    html = '<!-- landing_block:{"type":"text","data":{"content":"old"}} -->'
    assert show(PLAIN, content_html=html) == "<p>Use 10 g.</p>"


def test_text_that_is_lost_for_good_is_said(site: Site, show: Show) -> None:
    assert "Left" in show(content_html="<p>Left</p><!-- Unknown block type: blockquote -->", content_raw=None)
    assert any("missing" in warning.what for warning in site.warnings if warning.code == "VB3002")


def test_a_picture_that_is_known_by_number_alone_is_found_among_the_media(site: Site, show: Show) -> None:
    address = site.cms.put_media("pot.png", b"x", alt_text="A pot")
    (number,) = site.cms.media
    document = doc(p("Look:"), node("image", media_id=number))
    assert f'src="/media/{number}"' in server_html(document), "control: the CMS writes an address that need not exist"
    assert f'src="{site.cms.url}{address}"' in show(document)
    quoting = doc(node("blockquote", p("Look:")), node("image", media_id=number))
    assert f'src="{site.cms.url}{address}" alt="A pot"' in show(quoting)


def test_no_body_makes_the_choice_slow() -> None:
    for html in (
        "<!-- landing_block:{" * 100_000,
        '<div data-type="landing-block" x="' * 60_000,
        "<div landing-block" + " " * 1_000_000,
        "<img src=" * 200_000,
        '<div data-type="landing-block">' * 60_000,
    ):
        began = time.monotonic()
        body_of(html + "<div data-type=landing-block>", None)
        with_addresses(html, None, {"7": ("/a", None)})
        assert time.monotonic() - began < 3
