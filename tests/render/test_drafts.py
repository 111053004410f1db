"""Every page of a preview with drafts says what it is, whatever the theme."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from velobuild.render.drafts import DRAFT, EVERYTHING, as_preview, banner_text

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)


def post(*, draft: bool = False, published: datetime | None = NOW) -> Any:
    return SimpleNamespace(is_draft=draft, published=published)


@pytest.mark.parametrize(
    ("shown", "banner"),
    [
        (None, EVERYTHING),
        (post(), EVERYTHING),
        (post(published=None), EVERYTHING),
        (post(draft=True), DRAFT),
        (post(draft=True, published=None), DRAFT),
        (post(published=NOW + timedelta(days=2)), "Scheduled for 2026-05-05 10:00 UTC"),
    ],
)
def test_the_banner_tells_drafts_and_posts_of_the_future_from_all_others(shown: Any, banner: str) -> None:
    assert banner_text(shown, at=NOW) == banner


def test_banner_and_noindex_stand_where_a_theme_has_its_head_and_body() -> None:
    page = as_preview(
        '<!doctype html><html><HEAD lang="x"><title>a</title></HEAD><body class="b"><h1>a</h1></body>', "B <"
    )
    assert '<HEAD lang="x"><meta name="robots" content="noindex, nofollow"><title>' in page
    assert '<body class="b"><p data-velobuild-banner="post" role="note"><mark>B &lt;</mark></p><h1>' in page
    assert "style" not in page, "the page's policy may forbid it"


@pytest.mark.parametrize("page", ["", "just text", "<p>a</p>", "<header>no head</header>"])
def test_a_theme_without_head_or_body_is_marked_all_the_same(page: str) -> None:
    marked = as_preview(page, EVERYTHING)
    assert 'content="noindex, nofollow"' in marked
    assert EVERYTHING in marked
    assert page in marked
