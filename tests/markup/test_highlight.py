"""Code in colour."""

from __future__ import annotations

import re

import pytest
from selectolax.lexbor import LexborHTMLParser

from velobuild.markup.highlight import (
    CODE_CHARACTERS_MAX,
    contrast,
    highlight,
    readable,
    stylesheet,
)
from velobuild.markup.prepare import MarkupOptions, prepare
from velobuild.markup.stylesheet import shipped_stylesheet
from velobuild.model.entries import BodyFormat

CODE = 'def a(b):  # <c> & "d"\n\n    return f"{b!r}" < 1\n'


@pytest.mark.parametrize(
    "language", ["python", "html", "js", "rust", "console", "diff", "yaml", "C++", "text", "go", "json"]
)
def test_colours_never_change_the_text(language: str) -> None:
    for code in (CODE, "\n\n" + CODE + "\n\n", "  x", ""):
        html = highlight(code, language)
        assert html is not None
        assert LexborHTMLParser(f"<pre>\n{html}</pre>").css_first("pre").text() == code  # type: ignore[union-attr]


def test_tokens_carry_classes_and_no_styles() -> None:
    html = highlight(CODE, "python") or ""
    assert '<span class="k">def </span>' in html
    assert "style=" not in html
    assert "<c>" not in html


def test_an_unknown_language_stays_plain_with_a_warning() -> None:
    prepared = prepare('<pre><code class="language-klingon">a &lt; b</code></pre>', BodyFormat.HTML, MarkupOptions())
    assert prepared.html == '<pre tabindex="0"><code class="language-klingon">a &lt; b</code></pre>'
    assert [w.what for w in prepared.warnings] == [
        "the language 'klingon' of a code block is not known; it stays plain"
    ]


def test_long_code_stays_plain_with_one_warning() -> None:
    block = f'<pre><code class="language-python">{"x = 1 " * (CODE_CHARACTERS_MAX // 6 + 1)}</code></pre>'
    prepared = prepare(block * 2, BodyFormat.HTML, MarkupOptions())
    assert "<span" not in prepared.html
    assert [w.what for w in prepared.warnings] == ["a long code block was left without colours"]


def test_colours_can_be_turned_off() -> None:
    body = '<pre><code class="language-python">x = 1</code></pre>'
    assert "<span" not in prepare(body, BodyFormat.HTML, MarkupOptions(highlight=False)).html
    assert "<span" in prepare(body, BodyFormat.HTML, MarkupOptions()).html


def test_markup_inside_code_is_only_text_in_a_coloured_block() -> None:
    body = '<pre><code class="lang-js">a <a href="/x">link</a> <img src="/y"> b</code></pre><p><a href="/z">z</a></p>'
    prepared = prepare(body, BodyFormat.HTML, MarkupOptions())
    assert [ref.url for ref in prepared.refs] == ["/z"]
    assert "link" in prepared.html


@pytest.mark.parametrize("styles", [("default", "github-dark"), ("friendly", "monokai"), ("vs", "solarized-dark")])
def test_every_colour_can_be_read(styles: tuple[str, str]) -> None:
    css = stylesheet(*styles)
    pairs = [re.findall(rf"{name}: light-dark\(#(\w{{6}}), #(\w{{6}})\)", css) for name in ("background", " color")]
    ((day, night),), colours = pairs
    assert len(colours) > 50
    assert min(contrast(light, day) for light, _ in colours) >= 4.5
    assert min(contrast(dark, night) for _, dark in colours) >= 4.5


def test_without_the_correction_a_style_would_fail() -> None:
    # The control: Pygments' own comment colour on white.
    assert contrast("bbbbbb", "ffffff") < 4.5 <= contrast(readable("bbbbbb", "ffffff"), "ffffff")


def test_the_style_sheet_is_always_the_same_and_follows_the_scheme_of_the_page_not_of_the_device() -> None:
    css = stylesheet()
    assert css == stylesheet() == shipped_stylesheet()
    assert "@media" not in css
    assert css.count("light-dark(") == css.count("color: ") + css.count("background: ")
    with pytest.raises(ValueError, match="no style"):
        stylesheet("nonesuch")
