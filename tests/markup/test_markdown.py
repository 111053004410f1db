"""Markdown, with every extension through to the safe page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown.treeprocessors import InlineProcessor
from selectolax.lexbor import LexborHTMLParser

from velobuild.errors import ContentProblem
from velobuild.markup.markdown import (
    TAB_INPUT,
    TAB_LABEL,
    TRIGGERS,
    NeededPatterns,
    every_pattern,
    tamed,
    to_html,
)
from velobuild.markup.prepare import MarkupOptions, Resolved, fill, prepare
from velobuild.model.entries import BodyFormat


def final(text: str, **options: object) -> str:
    prepared = prepare(text, BodyFormat.MARKDOWN, MarkupOptions(**options))  # type: ignore[arg-type]
    return fill(prepared, lambda ref: Resolved(ref.url))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~~a~~ ==b== H~2~O x^2^", "<p><del>a</del> <mark>b</mark> H<sub>2</sub>O x<sup>2</sup></p>"),
        ("*[CSS]: Sheets\n\nCSS", '<p><abbr title="Sheets">CSS</abbr></p>'),
        ("Term\n:   Def", "<dl>\n<dt>Term</dt>\n<dd>Def</dd>\n</dl>"),
        ('!!! tip "T"\n    x', '<div class="admonition tip">\n<p class="admonition-title">T</p>\n<p>x</p>\n</div>'),
        ("> [!NOTE]\n> x", '<div class="admonition note">\n<p class="admonition-title">Note</p>\n<p>x</p>\n</div>'),
        ("??? note\n    x", '<details class="note">\n<summary>Note</summary>\n<p>x</p>\n</details>'),
        ("$a_b_c$", '<p><span class="arithmatex">\\(a_b_c\\)</span></p>'),
        ("It costs $5 and $10.", "<p>It costs $5 and $10.</p>"),
        (
            "a_b_c https://e.example",
            '<p>a_b_c <a href="https://e.example" rel="noopener external">https://e.example</a></p>',
        ),
        ('"q" -- ...', "<p>“q” – …</p>"),
        ("# T {#own .note}", '<h2 id="c-own" class="note">T</h2>'),
        ("1. a\n\n- b", "<ol>\n<li>a</li>\n</ol>\n<ul>\n<li>b</li>\n</ul>"),
    ],
)
def test_what_markdown_becomes(text: str, expected: str) -> None:
    assert final(text) == expected


def test_quotes_stay_straight_if_asked() -> None:
    assert final('"q" -- ...', smart_quotes=False) == '<p>"q" -- ...</p>'
    assert final('"q"') == "<p>“q”</p>"


def test_footnotes_link_there_and_back() -> None:
    tree = LexborHTMLParser(final("x[^1]\n\n[^1]: Note\n"))
    (there,) = tree.css("a.footnote-ref")
    (back,) = tree.css("a.footnote-backref")
    targets = [(link.attributes["href"] or "").removeprefix("#") for link in (there, back)]
    assert [[node.tag for node in tree.css("[id]") if node.id == target] for target in targets] == [["li"], ["sup"]]


def test_table_alignment_becomes_a_class() -> None:
    html = final("| a | b |\n|:-:|--:|\n| 1 | 2 |\n")
    assert '<td class="align-center">1</td>' in html
    assert '<td class="align-right">2</td>' in html


def test_task_lists_are_labelled() -> None:
    assert 'type="checkbox" disabled="" checked="" aria-label="done"' in final("- [x] done\n- [ ] not\n")


def test_tabs_are_shown_one_below_the_other() -> None:
    html = final('=== "A"\n    x\n\n=== "B"\n    y\n')
    assert [node.text() for node in LexborHTMLParser(html).css("p")] == ["A", "x", "B", "y"]
    assert "<input" not in html


def test_code_is_coloured_like_that_of_html_bodies() -> None:
    html = final("```python\nx = 1\n```\n")
    assert html.startswith('<pre class="highlight" tabindex="0"><code class="language-python"><span')
    plain = final("```\n{{ a }} <b>\n```", highlight=False)
    assert plain == '<pre tabindex="0"><code>{{ a }} &lt;b&gt;</code></pre>'


def test_raw_html_passes_the_same_sanitizer() -> None:
    html = final('<p onclick="x">a</p>\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)){ onclick=y }')
    assert html.split() == ["<p>a</p>", "<p><a>x</a></p>"]


def test_no_file_is_read_for_a_text() -> None:
    assert final('--8<-- "/etc/passwd"\n\n{!/etc/passwd!}\n').split("\n") == [
        "<p>–8&lt;– “/etc/passwd”</p>",
        "<p>{!/etc/passwd!}</p>",
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 4_000, "[a](" * 3_000, "<a " * 3_000, "![" * 3_000, "> " * 2_000 + "x", ">" * 2_000, "*a _b " * 3_000),
        *("`" * 5_000, "**" * 5_000, "- " * 3_000, "[^1]: x\n" * 2_000, "<div>" * 2_000, "$" * 4_000, "~" * 4_000),
        "|" * 4_000,
    ],
    ids=lambda text: text[:5],
)  # fmt: skip
def test_hostile_markdown_is_shown_or_refused_with_our_own_error(text: str) -> None:
    try:
        final(text)
    except ContentProblem as error:
        assert error.code == "VB3001"  # noqa: PT017


def test_unclosed_brackets_are_calmed_and_code_and_honest_texts_are_not() -> None:
    assert tamed("[" * 100) == "&#91;" * 100
    assert tamed("<a " * 100) == "&lt;a " * 100
    assert tamed("[a](" * 100).count("[") == 0
    links = "[a](b) " * 300
    assert tamed(links) == links
    code = "```\n" + "[" * 200 + "\n\n" + "<" * 200 + "\n```"
    assert tamed(code) == code


def test_endless_paragraphs_are_divided_and_tables_and_code_are_not() -> None:
    prose = "word *em* `c` " * 3_000
    assert max(map(len, tamed(prose).split("\n\n"))) <= 10_000
    assert tamed(prose).split() == prose.split()
    table = "| a | b |\n|---|---|\n" + "| *x* | y |\n" * 2_000
    assert tamed(table) == table
    code = "```\n" + "a *b* [c](d)\n" * 2_000 + "```"
    assert tamed(code) == code


def test_a_footnote_used_without_end_is_shown_as_written() -> None:
    assert "footnote-ref" not in to_html("[^1] " * 100 + "\n\n[^1]: x")
    assert to_html("[^1] " * 10 + "\n\n[^1]: x").count("footnote-ref") == 10
    many = "\n\n".join(f"[^{i}]\n\n[^{i}]: x" for i in range(60))
    assert tamed(many) == many


def test_one_text_does_not_change_the_next() -> None:
    first = to_html("# A\n\n[^1]\n\n[^1]: x\n\n*[B]: C\n")
    to_html("[x]: /y\n\n# A\n# A")
    assert to_html("# A\n\n[^1]\n\n[^1]: x\n\n*[B]: C\n") == first
    assert "<a" not in to_html("[x]")


PIECES = st.sampled_from(
    [
        *(
            "word",
            " ",
            "\n",
            "\n\n",
            "  \n",
            "*",
            "**",
            "_",
            "`",
            "~~",
            "~",
            "==",
            "^^",
            "^",
            "$",
            "\\",
            "\\\\(",
            "\\)",
            "[",
            "]",
        ),
        *(
            "(",
            ")",
            "![",
            "](/x)",
            "[^1]",
            "\n\n[^1]: note\n",
            "<",
            ">",
            "<b>",
            "</b>",
            "<https://a.example>",
            "&",
            "&amp;",
        ),
        *(
            "...",
            "--",
            "---",
            "'",
            '"',
            "''",
            "it's",
            '"q"',
            "'80s",
            "https://a.example",
            "me@a.example",
            "- ",
            "1. ",
            "> ",
        ),
        *(
            "# ",
            "    ",
            "```\n",
            "| a | b |\n|---|---|\n",
            "{ .note }",
            '<div markdown="1">\n',
            "</div>\n",
            "*[CSS]: S\n",
            "CSS",
        ),
        *(
            "!!! note\n    ",
            "[TOC]\n\n",
            "=== ",
            "- [ ] ",
            "\n[ref]: /y\n",
            "[ref]",
            ":   d",
            "\n=====\n",
            "\\*",
            "\\'",
            '\\"',
        ),
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join), st.booleans())
def test_patterns_that_are_left_out_would_have_matched_nothing(text: str, smart_quotes: bool) -> None:
    whole = every_pattern(smart_quotes)
    expected = TAB_LABEL.sub(r'<p class="tabbed-title">\1</p>', TAB_INPUT.sub("", whole.convert(tamed(text))))
    assert to_html(text, smart_quotes=smart_quotes) == expected


def test_a_pattern_is_tried_if_what_it_needs_is_there() -> None:
    assert to_html("plain") == "<p>plain</p>"
    assert to_html('<div markdown="1">\n*a* "b" `c`\n</div>').count("<em>") == 1
    assert to_html("a `b` *c*") == "<p>a <code>b</code> <em>c</em></p>"
    assert to_html("x[^1]\n\n[^1]: a *b*\n").count("<em>") == 1


def test_the_check_of_patterns_sees_one_that_is_left_out_wrongly() -> None:
    engine = every_pattern(False)
    wrong = {**TRIGGERS, "backtick": ("never",)}
    engine.preprocessors.register(NeededPatterns(engine, wrong), "needed-patterns", -1)
    assert engine.convert("a `b`") == "<p>a `b`</p>"


def test_every_trigger_belongs_to_a_pattern() -> None:
    engine = every_pattern(True)
    steps = [step for step in engine.treeprocessors if isinstance(step, InlineProcessor)]
    known = {name for name in TRIGGERS if any(name in step.inlinePatterns for step in steps)}
    assert set(TRIGGERS) - known <= {"smarty-em-dashes"}
