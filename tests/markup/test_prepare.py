"""From a body to a page: addresses, headings, tables, pictures, tasks, excerpts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from selectolax.lexbor import LexborHTMLParser

from velobuild.errors import ContentProblem
from velobuild.markup.links import Rewriting
from velobuild.markup.prepare import (
    Heading,
    MarkupOptions,
    Ref,
    Resolved,
    decode,
    encode,
    fill,
    prepare,
    prepare_comment,
    recipe,
    with_fragments_at,
)
from velobuild.model.entries import BodyFormat, slugify

CMS = MarkupOptions(base_url="https://cms.example/blog/x", own_origins=("https://site.example:443",))
HTML = BodyFormat.HTML


def same(ref: Ref) -> Resolved:
    return Resolved(ref.url, ref.width_px, ref.height_px)


def final(body: str, options: MarkupOptions = CMS, resolve: Callable[[Ref], Resolved | None] = same) -> str:
    return fill(prepare(body, HTML, options), resolve)


def test_every_address_is_asked_for_once_and_in_order() -> None:
    prepared = prepare(
        '<a href="/a#f">1</a><img src="b.png" alt="B" width="30" height="20"><a href="//c.example">2</a>'
        '<video src="v.mp4" poster="p.png"><source src="w.webm" type="video/webm"></video>',
        HTML,
        CMS,
    )
    assert [(ref.kind, ref.url, ref.external) for ref in prepared.refs] == [
        ("link", "https://cms.example/a#f", False),
        ("image", "https://cms.example/blog/b.png", False),
        ("link", "https://c.example", True),
        ("file", "https://cms.example/blog/v.mp4", False),
        ("file", "https://cms.example/blog/p.png", False),
        ("file", "https://cms.example/blog/w.webm", False),
    ]
    assert (prepared.refs[1].alt, prepared.refs[1].width_px, prepared.refs[1].height_px) == ("B", 30, 20)
    asked: list[Ref] = []
    fill(prepared, lambda ref: asked.append(ref))
    assert tuple(asked) == prepared.refs


def test_a_link_or_picture_without_an_answer_is_dropped_and_text_stays() -> None:
    html = final('<p>a <a href="/x" class="note">b <b>c</b></a> d<img src="/y"></p>', resolve=lambda ref: None)
    assert html == "<p>a b <b>c</b> d</p>"
    assert final('<video src="/v" poster="/p"></video>', resolve=lambda ref: None) == '<video controls=""></video>'


def test_links_that_leave_site_and_cms_are_marked() -> None:
    assert final('<a href="https://e.example/">x</a>') == '<a href="https://e.example/" rel="noopener external">x</a>'
    assert final('<a href="https://site.example/y">x</a>') == '<a href="https://site.example/y">x</a>'
    assert final('<a href="/y">x</a>') == '<a href="https://cms.example/y">x</a>'
    assert 'rel="sponsored noopener external"' in final('<a rel="sponsored opener" href="https://e.example/">x</a>')
    assert final('<a href="mailto:a@b.example">x</a>') == '<a href="mailto:a@b.example">x</a>'


def test_local_pages_keep_their_relative_addresses() -> None:
    prepared = prepare('<a href="../x/">x</a><img src="/media/a.png">', HTML, MarkupOptions())
    assert [ref.url for ref in prepared.refs] == ["../x/", "/media/a.png"]


def test_pictures_have_size_text_and_loading() -> None:
    def resolve(ref: Ref) -> Resolved:
        return Resolved("/media/1.jpg", 640, 480, 'a "pot"' if ref.alt is None else None)

    html = final('<img src="/a" title="t"><img src="/b" alt="own" srcset="x 2x" width="9" style="x">', resolve=resolve)
    assert html == (
        '<img src="/media/1.jpg" alt="a &quot;pot&quot;" width="640" height="480"'
        ' loading="eager" decoding="async" title="t">'
        '<img src="/media/1.jpg" alt="own" width="640" height="480" loading="lazy" decoding="async">'
    )


def test_a_missing_picture_leaves_a_box_of_its_size_with_its_text() -> None:
    html = final(
        '<img src="/media/pot.png" alt="A <pot>" width="300" height="200">',
        resolve=lambda ref: Resolved("", placeholder=True),
    )
    box = LexborHTMLParser(html, is_fragment=True).css_first("span.missing")
    assert box is not None
    assert box.text() == "A <pot>"
    size = box.css_first("svg")
    assert size is not None
    assert (size.attributes["width"], size.attributes["height"]) == ("300", "200")
    assert "style=" not in html
    unnamed = final('<img src="/media/pot.png?x=1">', resolve=lambda ref: Resolved("", placeholder=True))
    assert unnamed == '<span class="missing"><span>pot.png</span></span>'


def test_links_within_a_page_lead_to_it_from_elsewhere_and_text_that_looks_like_one_stays() -> None:
    body = (
        '<p id="x">See <a class="q" title="a > b" href="#x">this</a>, &lt;a href="#x"&gt;, href="#x",'
        ' <a href="/y#x">y</a></p>'
    )
    html = with_fragments_at(final(body), "https://blog.example/soup/?a&b")
    tree = LexborHTMLParser(html, is_fragment=True)
    assert [node.attributes["href"] for node in tree.css("a")] == [
        "https://blog.example/soup/?a&b#c-x",
        "https://cms.example/y#x",
    ]
    assert '<a href="#x">, href="#x",' in tree.css_first("p").text()  # type: ignore[union-attr]


def test_a_picture_that_cannot_be_shown_is_reported() -> None:
    prepared = prepare('<p>x<img src="data:image/png;base64,AAAA">y</p>', HTML, CMS)
    assert prepared.html == "<p>xy</p>"
    assert [w.what for w in prepared.warnings] == ["a picture without a usable address was left out"]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ("123", "234"),
        ("2232", "2232"),
        ("3443", "2332"),
        ("1416", "2323"),
        ("42", "22"),
        ("111", "222"),
        ("123456", "234566"),
    ],
)
def test_headings_begin_below_the_page_title_and_skip_no_level(levels: str, expected: str) -> None:
    html = final("".join(f"<h{level}>t</h{level}><p>x</p>" for level in levels))
    assert "".join(node.tag[1] for node in LexborHTMLParser(html).css("h1,h2,h3,h4,h5,h6") if node.tag) == expected


def test_headings_get_stable_ids_and_links_inside_the_body_reach_them() -> None:
    named = "<h2>Größe &amp; Maß</h2>"
    html = final(f'{named}{named}<h2 id="own">x</h2><h2>own</h2><a href="#own">go</a><h2>!</h2>')
    tree = LexborHTMLParser(html)
    ids = [node.id for node in tree.css("h2")]
    assert ids == [f"c-{slugify('Größe & Maß')}", f"c-{slugify('Größe & Maß')}-2", "c-own", "c-own-2", "c-section"]
    assert '<a href="#c-own">go</a>' in html


def test_many_headings_of_one_name_take_no_long_time() -> None:
    html = final("<h2>x</h2>" * 3_000)
    assert 'id="c-x-3000"' in html


def test_the_table_of_contents_is_a_tree_down_to_its_depth() -> None:
    body = "<h1>A <em>b</em></h1><h2>B</h2><h3>C</h3><h1>D</h1><h2></h2><h2><img src=/x alt=Pic></h2>"
    assert prepare(body, HTML, CMS).toc == (
        Heading(2, "c-a-b", "A b", (Heading(3, "c-b", "B"),)),
        Heading(2, "c-d", "D", (Heading(3, "c-pic", "Pic"),)),
    )
    assert len(prepare(body, HTML, replace(CMS, toc_depth=4)).toc[0].children[0].children) == 1


def test_tables_scroll_by_keyboard_under_a_name_of_their_own() -> None:
    table = '<table><caption>Prices</caption><tr><td align="right">1</td></tr></table>'
    tree = LexborHTMLParser(final(f"{table}{table}<h2>Sizes</h2><table><tr><td>1</table>"))
    regions = tree.css('div.table-scroll[tabindex="0"][role="region"]')
    assert [node.attributes["aria-label"] for node in regions] == ["Prices", "Prices (2)", "Sizes"]
    assert all(node.first_child is not None and node.first_child.tag == "table" for node in regions)
    assert tree.css_first("td.align-right") is not None
    assert "align=" not in (tree.html or "").replace("class=", "")


def test_tasks_are_labelled_and_other_inputs_go() -> None:
    html = final(
        '<ul><li><input type="checkbox" checked onclick=x> Buy <b>milk</b><ul><li>x</li></ul></li></ul><input name=q>'
    )
    assert html.startswith('<ul><li><input type="checkbox" checked="" disabled="" aria-label="Buy milk"> Buy')
    assert html.count("<input") == 1


def test_text_mode_shows_plain_paragraphs() -> None:
    html = final(
        "<h2>A</h2><p>b <b>c</b> &lt;i&gt;</p><ul><li>d</li></ul><script>x</script>", replace(CMS, html="text")
    )
    assert html == "<p>A</p>\n<p>b c &lt;i&gt;</p>\n<p>d</p>"


def test_trusted_bodies_keep_what_they_hold_but_their_addresses_are_rewritten() -> None:
    links = '<a href="/a" target="_blank">a</a><a href="#x">x</a><img src="i.png">'
    body = f'</div><style>p{{}}</style><p id="x" style="color:red">{links}</p>'
    html = final(body, replace(CMS, html="trusted"))
    assert "<style>p{}</style>" in html
    assert '<p id="x" style="color:red"><a href="https://cms.example/a" target="_blank">a</a><a href="#x">x</a>' in html
    assert 'src="https://cms.example/blog/i.png"' in html


def test_words_and_the_beginning_of_the_text() -> None:
    prepared = prepare(
        "<h2>Head</h2><p>one two<sup id=fnref:1><a href=#fn:1>1</a></sup> three</p><pre>code</pre><p>four</p>",
        HTML,
        replace(CMS, excerpt_words=3),
    )
    assert prepared.words == 7
    assert prepared.text == "one two three…"
    assert prepare("<ul><li>only a list</li></ul>", HTML, CMS).text == "only a list"


@pytest.mark.parametrize("wrapped", [True, False])
def test_items_and_captions_are_no_part_of_the_beginning_whether_they_are_paragraphs_or_not(wrapped: bool) -> None:
    def maybe(words: str) -> str:
        return f"<p>{words}</p>" if wrapped else words

    items = f"<ul><li>{maybe('salt')}<ol><li>{maybe('fine')}</li></ol></li><li>{maybe('water')}</li></ul>"
    picture = f"<figure><img src=a.png><figcaption>{maybe('A pot')}</figcaption></figure>"
    body = f"<p>You need:</p>{items}{picture}<p>And time.</p>"
    assert prepare(body, HTML, CMS).text == "You need: And time."
    assert prepare(items, HTML, CMS).text == "salt fine water"


def test_a_prepared_body_survives_storage() -> None:
    prepared = prepare(
        '<h2>A</h2><h3>B\u2028</h3><p>x\n<a href="/y" title="é">z</a><iframe></iframe><img src=q width=3></p>',
        HTML,
        CMS,
    )
    assert decode(encode(prepared)) == prepared
    with pytest.raises(ValueError, match="not an encoded body"):
        decode(b"{}")


def test_the_recipe_changes_with_each_option_and_names_the_engines() -> None:
    others = [
        replace(CMS, html="text"),
        replace(CMS, embeds=("a",)),
        replace(CMS, highlight=False),
        replace(CMS, toc_depth=2),
        replace(CMS, excerpt_words=1),
        replace(CMS, smart_quotes=False),
        replace(CMS, base_url=None),
        replace(CMS, own_origins=()),
    ]
    assert len({recipe(options) for options in [CMS, *others]}) == 9
    assert '"nh3"' in recipe(CMS)
    assert recipe(CMS) == recipe(replace(CMS))


def test_repaired_characters_are_reported_and_slots_cannot_be_forged() -> None:
    prepared = prepare("a\x00\ue000a0\ue001&#xE000;a0&#xE001;&#2;b", HTML, CMS)
    assert prepared.html == "aa0a0b"
    forged = prepare('<p title="\x02a0\x03&#2;a0&#3;">\x02a0\x03&#x2;z0&#x03;</p>', HTML, CMS)
    assert forged.html == '<p title="a0a0">a0z0</p>'
    assert [w.code for w in prepared.warnings] == ["VB3002"]


def test_blank_lines_at_the_start_of_preformatted_text_stay() -> None:
    html = final("<pre>\n\n\nx</pre>")
    node = LexborHTMLParser(html).css_first("pre")
    assert node is not None
    assert node.text() == "\n\nx"


def test_block_bodies_are_refused_with_a_reason() -> None:
    with pytest.raises(ContentProblem) as caught:
        prepare("{}", BodyFormat.BLOCKS, CMS)
    assert caught.value.code == "VB3001"


def test_comments_become_paragraphs_with_links_that_give_no_weight() -> None:
    assert prepare_comment("one\ntwo\n\nthree & <3") == "<p>one<br>\ntwo</p><p>three &amp; &lt;3</p>"
    assert prepare_comment('<p>x <a href="https://e.example/" onclick=y>l</a><img src=x></p>') == (
        '<p>x <a href="https://e.example/" rel="noopener nofollow ugc">l</a></p>'
    )
    assert "href" not in prepare_comment('<a href="/relative">x</a><a href="//e.example">y</a>')
    assert prepare_comment("<b>a\n\nb</b>").count("<p>") == 2
    assert prepare_comment(" \n ") == ""


def test_a_task_in_a_link_or_heading_is_named_by_its_words_alone() -> None:
    assert 'aria-label="buy milk"' in final('<h2><input type="checkbox"> buy <b>milk</b></h2><p>x</p>')
    assert 'aria-label="buy"' in final('<p><a href="/x"><input type="checkbox"> buy</a> milk</p>')
    assert 'aria-label="buy"' in final('<ul><li><input type="checkbox"> buy<ul><li>milk</li></ul></li></ul>')


def test_what_looks_like_a_tag_within_a_frame_or_a_comment_is_left_alone() -> None:
    framed = replace(CMS, embeds=("e.example",))
    html = final('<iframe src="https://e.example/x"><a href="/y">z</a></iframe><a href="/y">z</a>', framed)
    assert html.count("<a ") == html.count('<a href="https://cms.example/y">') == 1
    frame = '<iframe src="https://e.example/x">'
    hostile = f"{frame}</h2></pre></table><img src=x onerror=alert(1)></iframe>"
    for body in (
        f"<h2>{hostile}</h2>",
        f'<pre class="language-c">{hostile}</pre>',
        f"<table><tr><td>{hostile}</table>",
    ):
        assert "onerror" not in final(body, framed)
        assert "alert" not in prepare(body, HTML, framed).text
    trusted = replace(CMS, html="trusted")
    body = '<!-- <a href="/y"> --><script>"<a href=\\"/y\\"><h1>x</h1>"</script><p>words</p><h1>T</h1>'
    prepared = prepare(body, HTML, trusted)
    script = '<pre class="language-c">x<script>"</style></pre></h1>"</script></pre>'
    assert final(f"{script}<h1>T</h1>", trusted).endswith('</code></pre><h2 id="c-t">T</h2>')
    assert final("<h1><script>x</script></h1>", trusted) == "<h1><script>x</script></h1>"
    assert prepare("<h1>a<!-- b -->c</h1>", HTML, trusted).toc[0].title == "ac"
    table = '<table><tr><td align="left">x<script>"<td align=\\"left\\"></table>"</script></td></tr></table>'
    assert final(table, trusted).count('class="align-left"') == 1
    assert prepared.html == body.replace("<h1>T</h1>", '<h2 id="c-t">T</h2>')
    assert (prepared.refs, prepared.text) == ((), "words")


def test_the_check_of_frames_sees_what_their_content_could_do() -> None:
    """The rewriting alone takes an end tag within a frame for the heading's own: so no frame has content."""
    rewriting = Rewriting(base_url=None, own_origins=frozenset(), colour=False, trusted=False)
    assert "<b>out</b>" in rewriting.run('<h2><iframe src="https://e.example/x"></h2><b>out</b></iframe></h2>')
    framed = replace(CMS, embeds=("e.example",))
    assert "<b>" not in final('<h2><iframe src="https://e.example/x"></h2><b>out</b></iframe></h2>', framed)
