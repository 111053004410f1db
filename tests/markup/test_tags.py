"""HTML as a serializer wrote it, read as text: the answers are those that a tree gives."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from velobuild.markup.prepare import MarkupOptions, Resolved, fill, prepare
from velobuild.markup.sanitize import sanitized_tree
from velobuild.markup.tags import attributes_of, end_of, serialized_value, text_of
from velobuild.markup.tree import inside, parsed
from velobuild.model.entries import BodyFormat

NAMES = "a b code pre h2 h3 table tr td caption p ul li div blockquote figure sup section details video iframe"
TAGS = st.sampled_from(NAMES.split())
ATTRIBUTES = st.sampled_from(
    [
        'href="/x?a=1&amp;b"',
        "title='a>b\"c'",
        'title="&lt;p&gt;&nbsp;"',
        "id=one",
        'id="fnref:1"',
        "class=note",
        "align=left",
        "src=/p.png",
        "alt='&quot;'",
        "type=checkbox",
        "",
    ]
)
TEXTS = st.sampled_from(
    ["word ", "\n", "&amp;lt;", "x < y > z", "&nbsp;", "é", '"', "日本", "<!-- <p> -->", "<br>", "<hr>"]
)
TAG = st.tuples(TAGS, st.lists(ATTRIBUTES, max_size=2)).map(lambda tag: f"<{tag[0]} {' '.join(tag[1])}>")
BODIES = st.lists(st.one_of(TAG, TAGS.map(lambda tag: f"</{tag}>"), TEXTS), max_size=30).map("".join)


def each(root: LexborNode) -> list[LexborNode]:
    return [node for node in root.css("*") if node.mem_id != root.mem_id]


@settings(max_examples=200, deadline=None)
@given(BODIES)
def test_attributes_ends_and_texts_are_those_of_the_tree(body: str) -> None:
    root, html = sanitized_tree(body)
    tags = list(re.finditer("<[a-z][^>]*>", html))
    nodes = each(root)
    assert [tag[0][1:-1].split(" ")[0] for tag in tags] == [node.tag for node in nodes]
    for tag, node in zip(tags, nodes, strict=True):
        assert attributes_of(tag[0]) == {name: value or "" for name, value in node.attributes.items()}
        if f"</{node.tag}>" in html:
            inner = html[tag.end() : end_of(html, node.tag or "", tag.end())]
            assert inner == (node.inner_html or "")
            assert text_of(inner) == node.text()


@given(st.text("<>&\"' \xa0abé"))
def test_a_value_is_written_as_the_serializer_writes_it(value: str) -> None:
    root = parsed("<p></p>")
    node = root.css_first("p")
    assert node is not None
    node.attrs["title"] = value
    assert inside(root) == f'<p title="{serialized_value(value)}"></p>'


@settings(max_examples=150, deadline=None)
@given(BODIES)
def test_what_is_rewritten_is_still_balanced(body: str) -> None:
    """A start tag without its end, or the other way round, would be mended by a parser: the text would change."""
    html = fill(prepare(body, BodyFormat.HTML, MarkupOptions()), lambda ref: Resolved(ref.url))
    again = LexborHTMLParser(f"<div>{html}</div>", is_fragment=True).root
    assert again is not None
    for name in ("a", "h2", "h3", "h4", "table", "div", "pre"):
        assert (
            len(re.findall(f"<{name}[ >]", html)) == html.count(f"</{name}>") == len(again.css(name)) - (name == "div")
        )


def test_an_end_tag_of_the_same_name_inside_is_not_the_end() -> None:
    html = '<div>a<div class="x">b</div><divan></divan>c</div>d'
    assert html[5 : end_of(html, "div", 5)] == 'a<div class="x">b</div><divan></divan>c'
    assert end_of("<p>x", "p", 3) == len("<p>x")
