"""Bodies are hostile until they are clean; clean stays clean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markup.judge import dangers
from tests.markup.payloads import PAYLOADS
from velobuild.errors import VelobuildError
from velobuild.markup.prepare import MarkupOptions, Prepared, Ref, Resolved, fill, prepare, prepare_comment
from velobuild.markup.sanitize import losses, sanitize
from velobuild.model.entries import BodyFormat

OPTIONS = MarkupOptions(base_url="https://cms.example/", own_origins=("https://site.example",))
LOCAL = MarkupOptions()


def final(body: str, options: MarkupOptions = OPTIONS, format: BodyFormat = BodyFormat.HTML) -> str:
    return fill(prepare(body, format, options), lambda ref: Resolved(ref.url))


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("options", [OPTIONS, LOCAL], ids=["cms", "local"])
def test_nothing_in_a_body_can_run(payload: str, options: MarkupOptions) -> None:
    assert dangers(final(payload, options)) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_markdown_can_run(payload: str) -> None:
    assert dangers(final(f"# t\n\n{payload}\n\n*x*\n", LOCAL, BodyFormat.MARKDOWN)) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_a_comment_can_run(payload: str) -> None:
    html = prepare_comment(payload)
    assert dangers(html) == []
    assert "<img" not in html


@pytest.mark.parametrize("payload", PAYLOADS)
def test_cleaning_twice_changes_nothing(payload: str) -> None:
    once = sanitize(payload)
    assert once == sanitize(once)


def test_the_judge_sees_raw_payloads_as_dangerous() -> None:
    # The control: if it did not, the tests above would show nothing.
    assert sum(bool(dangers(payload)) for payload in PAYLOADS) >= 120


def test_trusted_html_is_what_the_sanitizer_would_have_stopped() -> None:
    html = final("<script>alert(1)</script><p onclick=x>y</p>", MarkupOptions(html="trusted"))
    assert "<script>alert(1)</script>" in html
    assert 'onclick="x"' in html


PIECES = st.sampled_from(
    [
        *(
            "<b>",
            "</b>",
            "<p>",
            "</p>",
            "<a href='/x'>",
            "</a>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<svg>",
            "</svg>",
        ),
        *("<math>", "<mtext>", "<style>", "</style>", "<!--", "-->", "<pre>\n", "</pre>", "<h1>", "</h2>", "<code>"),
        *("<img src=x onerror=alert(1)>", "<a href=javascript:alert(1)>", "<template>", "<noscript>", "<select>"),
        *(
            "<li>",
            "<ul>",
            "</ul>",
            "<details>",
            "<input type=checkbox>",
            "<video src=/v>",
            "<source src=x>",
            "&#xE000;",
        ),
        *(
            '<p title="',
            '">',
            "&lt;",
            "&amp;",
            "\x00",
            "\ud800",
            "\ufffe",
            "\ue000a0\ue001",
            "\x02a0\x03",
            "&#2;i0&#x3;",
            "text",
            " ",
            "\n",
            "<",
            '"',
        ),
    ]
)
BODIES = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=200))


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_any_body_is_made_safe_and_stable(body: str) -> None:
    html = final(body)
    assert dangers(html) == []
    html.encode()
    clean = sanitize(body.encode("utf-8", "replace").decode())
    assert clean == sanitize(clean)


@settings(max_examples=150, deadline=None)
@given(BODIES, st.sampled_from(list(BodyFormat)), st.sampled_from(["sanitize", "trusted", "text"]))
def test_only_our_own_errors_are_raised(body: str, format: BodyFormat, html: str) -> None:
    try:
        prepared = prepare(body, format, MarkupOptions(html=html))  # type: ignore[arg-type]
    except VelobuildError as error:
        assert format is BodyFormat.BLOCKS, error  # noqa: PT017
    else:
        fill(prepared, lambda ref: None).encode()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=40))
def test_no_answer_can_leave_its_attribute(url: str, alt: str, rest: str) -> None:
    refs = (Ref("link", "/a"), Ref("image", "/b", alt=rest), Ref("file", "/c"))
    html = fill(
        Prepared("\x02a0\x03x\x02z0\x03\x02i1\x03<video\x02v2\x03\x02p2\x03></video>", refs),
        lambda ref: Resolved(url, 1, 2, alt),
    )
    if any(c in url + alt + rest for c in "\x02\x03"):
        return
    assert html.count("<") == 5
    assert html.count('"') == 2 * 7


def test_frames_are_written_alike_in_every_process() -> None:
    html = sanitize("<iframe width=1 src=https://a.example/ allowfullscreen></iframe>", ("a.example",))
    assert html == (
        '<iframe allowfullscreen="" loading="lazy" referrerpolicy="strict-origin-when-cross-origin" '
        'sandbox="allow-popups allow-presentation allow-same-origin allow-scripts" src="https://a.example/" width="1">'
        "</iframe>"
    )
    assert sanitize(html, ("a.example",)) == html


def test_losses_name_what_is_left_out_and_how_to_keep_a_frame() -> None:
    found = losses('<iframe src="//www.video.example/1"></iframe><SVG></SVG><svg/>', ("other.example",))
    assert [w.what for w in found] == ["<iframe from www.video.example> was left out", "2 × <svg> was left out"]
    assert "embeds" in (found[0].hint or "")
    assert losses('<iframe src="https://www.video.example/1">', ("www.video.example",)) == ()
    assert losses("<p>&lt;script&gt; is how it is written</p>") == ()


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("https://video.example/embed/1", True),
        ("//video.example/embed/1", False),
        ("http://video.example/embed/1", False),
        ("https://video.example.evil.example/", False),
        ("https://video.example@evil.example/", False),
        ("https://video.example:8443/", False),
        ("https://evil.example/?https://video.example/", False),
        ("https:\\\\evil.example\\video.example", False),
        ("javascript:alert(1)//https://video.example/", False),
        ("/own", False),
    ],
)
def test_only_frames_of_named_hosts_are_kept(source: str, kept: bool) -> None:
    html = final(
        f'<iframe src="{source}" srcdoc="<p>" allow="camera" onload=x></iframe>',
        MarkupOptions(embeds=("video.example",)),
    )
    assert ("<iframe" in html) is kept
    if kept:
        assert dangers(html, frames=True) == []
        assert 'sandbox="allow-popups allow-presentation allow-same-origin allow-scripts"' in html
        assert 'loading="lazy"' in html
        assert 'title="Embedded content from video.example"' in html
        assert "srcdoc" not in html
        assert "camera" not in html


def test_names_and_looks_of_the_theme_cannot_be_borrowed() -> None:
    html = final('<div id="main" class="skip-link note language-py" style="position:fixed" name="body">x</div>')
    assert html == '<div id="c-main" class="note language-py">x</div>'


def test_comments_and_server_side_includes_are_taken_out() -> None:
    assert final('a<!--#include file="/etc/passwd"-->b<!--[if IE]>c<![endif]-->d') == "abd"


def test_content_is_never_a_template() -> None:
    text = "{{7*7}} {% include 'x' %} {{ config }}"
    assert final(f"<p>{text}</p>") == f"<p>{text}</p>"
