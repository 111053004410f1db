"""A body that shows that it needs no cleaning is what cleaning would have made of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markup.payloads import PAYLOADS
from velobuild.markup import sanitize
from velobuild.markup.bounds import UNCHECKED_TAGS
from velobuild.markup.plain import TAGS, plain_tree
from velobuild.markup.text import clean_text
from velobuild.markup.tree import parsed

PLAIN = [
    "",
    'words alone, "quoted" &amp; &lt;escaped&gt;&nbsp;',
    '<p>One <strong>two</strong><br><a href="/a/?b=1&amp;c=2#d">three</a></p>\n<hr>',
    '<h2 id="a">A</h2><h3 id="c-b" title="é">B</h3><p><a href="#a">up</a> <a href="#c-b">down</a> id="no"</p>',
    '<p><img src="https://cdn.a-b.example/x%20y.jpg" alt="what it shows" width="20" height="10"></p>',
    '<table><caption>c</caption><thead><tr><th colspan="2">h</th></tr></thead>'
    '<tbody><tr><td align="left">1</td><td>2</td></tr></tbody></table>',
    '<p>"a" &quot;b&quot; id=&quot;no&quot;<br />c</p><hr /><p><a href="/&amp;quot;" /><img src="/x" alt="" /></a></p>',
    '<pre><code class="language-c++">if (a &lt; b)\n  c();\n</code></pre>',
]
# What cleaning changes, or what may only be told by it.
NOT_PLAIN = [
    "<p>open",
    "</div><div>",
    "<table><p>moved</p></table>",
    "<table><tr><td>a row without a body of rows</td></tr></table>",
    "<pre>\nwith a line feed that a parser drops</pre>",
    "<P>large</P>",
    "<p >spaced</p>",
    "<p>a raw > sign</p>",
    "<p>a raw & sign</p>",
    "<p>&#106;</p>",
    '<p title="&quot;">x</p>',
    "<p title=x />",
    "<p>no\xa0break</p>",
    "\ufeff<p>x</p>",
    "<p>one\rline</p>",
    "<p><!-- c --></p>",
    '<p onclick="x()">x</p>',
    '<p style="color:red">x</p>',
    '<p href="/x">x</p>',
    '<p class="site-header">x</p>',
    '<p id="">x</p>',
    '<p id="a b">x</p>',
    '<p id="a" id="b">x</p>',
    '<p title=" id=">x</p>',
    "<p id='a'>x</p>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="//evil.example/">x</a>',
    '<a href="https://u@evil.example/">x</a>',
    '<a href="https://xn--a.example/">x</a>',
    '<a href="https://1.2.3.256/">x</a>',
    '<a href="https://a.example:99999/">x</a>',
    '<a href="/a\\b">x</a>',
    '<a href="/" target="_blank">x</a>',
    '<img src="data:image/png,x">',
    '<img src="/x" srcset="/y 2x">',
    '<video src="/x"></video>',
    '<input type="checkbox">',
    "<script>x</script>",
    "<svg><p>x</p></svg>",
    "<unknown>x</unknown>",
]


@pytest.mark.parametrize("body", PLAIN)
def test_what_needs_no_cleaning_is_known(body: str) -> None:
    found = plain_tree(body)
    assert found is not None
    root, html = found
    cleaned_root, cleaned = sanitize.sanitized_tree(body)
    assert (html, root.html) == (cleaned, cleaned_root.html)


@pytest.mark.parametrize("body", NOT_PLAIN)
def test_what_may_need_cleaning_is_cleaned(body: str) -> None:
    assert plain_tree(body) is None


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_passes_in_another_form_than_the_cleaner_gives_it(payload: str) -> None:
    found = plain_tree(clean_text(payload)[0])
    assert found is None or found[1] == sanitize.sanitize(payload)


def test_no_tag_passes_that_the_policy_does_not_know() -> None:
    assert set(re.sub(r"h\[1-6\]", "h1|h6", TAGS).split("|")) <= sanitize.TAGS


def test_a_body_that_is_large_enough_to_hurt_is_never_plain() -> None:
    assert plain_tree("<b>" * UNCHECKED_TAGS + "</b>" * UNCHECKED_TAGS) is None


TEXTS = [
    "a",
    " ",
    "é",
    "中",
    "\n",
    "&amp;",
    "&lt;",
    "&nbsp;",
    ' id="q" ',
    "&quot;",
    " id=&quot;",
    " /",
    "\ufeff",
    "\u2028",
    "=",
    "&",
    ">",
]
ADDRESSES = ["/a/b?x=1&amp;y=2#f", "https://a-b.example/%", "https://xn--a.example/x", "#f", "#c-f", "#", "//e", "a"]
VALUES = {
    "id": ["x", "c-y", "é", "a b"],
    "class": ["language-c++", "wide", "x"],
    "title": ["t’s\n", " id="],
    "href": ADDRESSES,
    "src": ADDRESSES,
    "alt": ["", "x"],
    "width": ["012", "1px"],
    "colspan": ["2"],
    "align": ["left", "LEFT"],
    "lang": ["de"],
}
ATTRIBUTES = st.lists(
    st.sampled_from([f' {name}="{value}"' for name, values in VALUES.items() for value in values]), max_size=2
).map("".join)
NAMES = st.sampled_from(
    ["a", "b", "p", "pre", "li", "ul", "h2", "div", "table", "tbody", "tr", "td", "th", "code", "nav"]
)
TEXT = st.lists(st.sampled_from(TEXTS), max_size=4).map("".join)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    element = st.tuples(NAMES, ATTRIBUTES, inner).map(lambda one: f"<{one[0]}{one[1]}>{one[2]}</{one[0]}>")
    void = st.tuples(st.sampled_from(["br", "hr", "img"]), ATTRIBUTES, st.sampled_from([">", " />"])).map(
        lambda one: f"<{one[0]}{one[1]}{one[2]}"
    )
    rows = st.lists(inner, max_size=3).map(lambda cells: "".join(f"<tr><td>{cell}</td></tr>" for cell in cells))
    return st.lists(element | void | rows.map("<table><tbody>{}</tbody></table>".format), max_size=3).map("".join)


@settings(max_examples=500)
@given(st.recursive(TEXT, nested, max_leaves=12))
def test_whatever_passes_is_what_the_cleaner_leaves(body: str) -> None:
    found = plain_tree(body)
    if found is not None:
        _, html = found
        assert html == sanitize.sanitize(body)
        assert sanitize.losses(body) == ()
        assert parsed(html).html == found[0].html
