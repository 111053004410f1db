"""Pages of a preview with drafts say so themselves, whatever the theme: a banner for people, `noindex` for robots."""

from __future__ import annotations

import re
from datetime import datetime

from markupsafe import escape

from velobuild.graph.posts import PostView

HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
ROBOTS = '<meta name="robots" content="noindex, nofollow">'
DRAFT = "Draft: not published"
EVERYTHING = "Preview with drafts: not the published site"


def banner_text(post: PostView | None, *, at: datetime) -> str:
    """What the banner of a page says; `post` is the one that the page shows, `at` the present."""
    if post is None:
        return EVERYTHING
    if post.is_draft:
        return DRAFT
    if post.published is not None and post.published > at:
        return f"Scheduled for {post.published:%Y-%m-%d %H:%M %Z}".rstrip()
    return EVERYTHING


def as_preview(page: str, banner: str) -> str:
    """The page with both. Markup alone, since the page's own policy may forbid any style that is not a file."""
    kind = "site" if banner == EVERYTHING else "post"
    note = f'<p data-velobuild-banner="{kind}" role="note"><mark>{escape(banner)}</mark></p>'
    head = HEAD.search(page)
    page = f"{ROBOTS}{page}" if head is None else f"{page[: head.end()]}{ROBOTS}{page[head.end() :]}"
    body = BODY.search(page)
    return f"{page}{note}" if body is None else f"{page[: body.end()]}{note}{page[body.end() :]}"
