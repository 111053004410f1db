"""Hostile bodies cost no time. Limits are counted, not timed: what is left is small."""

from __future__ import annotations

import pytest

from velobuild.markup.bounds import COST_MAX, DEPTH_MAX, bounded
from velobuild.markup.prepare import MarkupOptions, prepare
from velobuild.markup.sanitize import sanitize
from velobuild.model.entries import BodyFormat

FORMATS = "".join(f"<b id=x{i}>" for i in range(5_000))
HOSTILE = {
    "deep blocks": "<div>" * 100_000,
    "deep and closed": "<div>" * 50_000 + "</div>" * 50_000,
    "ends hidden by a barrier": "<div><object></div></object>" * 20_000,
    "ends hidden in a table": "<div><table><td></div></table>" * 20_000,
    "ends hidden in comments": "<div><!--</div>-->" * 20_000,
    "ends hidden in attributes": '<div title="</div>">' * 20_000,
    "ends hidden in raw text": "<div><style></div></style>" * 20_000,
    "ends hidden in svg": "<div><svg></div></svg>" * 20_000,
    "formatting opened again": f"<p>{FORMATS}" + "<p>x" * 100_000,
    "deep lists": "<ul><li>" * 50_000,
    "unclosed bold": "<b>" * 20_000,
    "attributes": "<p " + " ".join(f"a{i}=1" for i in range(100_000)) + ">",
    "unclosed scripts": "<script>" * 100_000,
    "unclosed comments": "<!--" * 200_000,
    "less-than": "<" * 1_000_000,
    "one line": "x" * 1_000_000,
    "end tags": "<b><div>" * 200 + "</i>" * 300_000,
}


def depth(html: str) -> int:
    deepest = now = 0
    for piece in html.split("<")[1:]:
        if piece.startswith("/"):
            now -= 1
        elif piece.split(">")[0].split(" ")[0] not in {"br", "img", "hr", "input"}:
            now += 1
            deepest = max(deepest, now)
    return deepest


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_parser_gets_is_bounded(name: str) -> None:
    clean = sanitize(bounded(HOSTILE[name])[0])
    # Tracked elements nest at most so deep; each may hold a table's or list's inner elements.
    assert depth(clean) <= 4 * DEPTH_MAX
    assert clean.count("<") <= 2 * COST_MAX


def test_without_the_bound_the_tree_would_be_as_deep_as_the_text_is_long() -> None:
    # The control, at a size that does no harm.
    assert depth(sanitize("<div>" * 3_000)) == 3_000
    assert depth(sanitize(bounded("<div>" * 3_000)[0])) <= DEPTH_MAX


def test_hidden_ends_would_deceive_a_plain_count_of_tags() -> None:
    body = "<div><object></div></object>" * 1_500
    assert body.count("<div>") == body.count("</div>")
    assert depth(sanitize(body)) == 1_500
    assert depth(sanitize(bounded(body)[0])) <= DEPTH_MAX


def test_large_honest_bodies_come_through_unchanged() -> None:
    section = (
        '<h2 id="a">T</h2><p>x <b>y</b> <a href="/z" title="a > b">z</a><br>w<ul><li>1<li>2</ul>'
        "<table><tr><td>1<td><i>2</i></table><blockquote><p>q</blockquote><pre><code>a &lt; b</code></pre>"
    )
    body = section * 2_000
    html, cut = bounded(body)
    assert not cut
    assert html == body


def test_text_survives_where_elements_are_dropped() -> None:
    html, cut = bounded("<div>" * 2_000 + "kept &amp; <3 <b onclick=x>bold</b>" + "</div>" * 2_000)
    assert cut
    assert "kept &amp; &lt;3 bold" in html


def test_frames_are_kept_only_if_asked_for_and_empty() -> None:
    body = "<p>x</p>" * 1_000 + '<iframe src="https://v.example/"><div></iframe>'
    assert bounded(body, frames=True)[0].endswith('<iframe src="https://v.example/"></iframe>')
    assert "iframe" not in bounded(body)[0]


def test_a_body_that_was_cut_is_reported() -> None:
    prepared = prepare("<div>" * 5_000 + "end", BodyFormat.HTML, MarkupOptions())
    assert "end" in prepared.html
    assert any("nested without end" in warning.what for warning in prepared.warnings)
