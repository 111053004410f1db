"""A body may say where its own relative addresses lead, but only to one of the site's own sources."""

from __future__ import annotations

import pytest

from velobuild.markup.base import own_base, with_base
from velobuild.markup.prepare import MarkupOptions, prepare
from velobuild.model.entries import BodyFormat

OPTIONS = MarkupOptions(
    base_url="https://cms.example", own_origins=("https://cms.example", "https://notes.folder.invalid")
)
NOTES = "https://notes.folder.invalid/tea/"


def addresses(body: str, format: BodyFormat = BodyFormat.HTML, options: MarkupOptions = OPTIONS) -> list[str]:
    return [ref.url for ref in prepare(body, format, options).refs]


@pytest.mark.parametrize(
    ("format", "body"),
    [
        (BodyFormat.HTML, '<p><img src="leaf.png" alt=""></p>'),
        (BodyFormat.MARKDOWN, "![](leaf.png)"),
        (
            BodyFormat.BLOCKS,
            '{"type": "doc", "content": [{"type": "image", "attrs": {"src": "leaf.png", "alt": ""}}]}',
        ),
    ],
)
def test_relative_addresses_are_read_against_the_bodys_own_base(format: BodyFormat, body: str) -> None:
    assert addresses(with_base(body, NOTES), format) == ["https://notes.folder.invalid/tea/leaf.png"]
    assert addresses(body, format) == ["https://cms.example/leaf.png"]


@pytest.mark.parametrize("html", ["sanitize", "trusted", "text"])
def test_the_base_itself_is_never_in_the_page(html: str) -> None:
    options = MarkupOptions(html=html, own_origins=OPTIONS.own_origins)  # type: ignore[arg-type]
    assert "base" in with_base("<p>Text</p>", NOTES), "the control"
    made = prepare(with_base("<p>Text</p>", NOTES), BodyFormat.HTML, options).html
    assert made == prepare("<p>Text</p>", BodyFormat.HTML, options).html
    assert "Text" in made


@pytest.mark.parametrize(
    "base",
    [
        "https://evil.example/",
        "http://notes.folder.invalid/",
        "//evil.example",
        "javascript:x",
        "https://cms.example.evil/",
    ],
)
def test_an_authors_base_counts_for_nothing(base: str) -> None:
    body = f'<base href="{base}"><p><img src="leaf.png" alt=""></p>'
    assert own_base(body, OPTIONS.own_origins) == (body, None)
    assert addresses(body) == ["https://cms.example/leaf.png"]


def test_a_base_counts_at_the_very_beginning_alone() -> None:
    body = f'<p>x</p><base href="{NOTES}"><img src="leaf.png" alt="">'
    assert addresses(body) == ["https://cms.example/leaf.png"]
