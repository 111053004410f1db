"""The files of a long sitemap, found from a change alone: they are those that a walk through the site would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.graph.rig import NOON, Blog, dated, post
from velobuild.content.database import transaction
from velobuild.graph.reader import SPAN_POSTS_MAX
from velobuild.graph.routes import moves
from velobuild.graph.sitemaps import SITEMAP_POSTS_MAX, sitemap_targets
from velobuild.graph.trace import INSERT
from velobuild.model.entries import Post
from velobuild.model.outputs import Target

JULY = NOON + timedelta(days=60)


def crowd(count: int, **changes: object) -> list[Post]:
    return [post(f"q{n}", **({"published_at": JULY + timedelta(minutes=n)} | changes)) for n in range(count)]


FULL = crowd(SPAN_POSTS_MAX)
EARLY = dated(20)
BEFORE_ALL = post("first", published_at=NOON - timedelta(days=90))


def traced(blog: Blog, targets: Sequence[Target]) -> None:
    """As if a build had made these."""
    with transaction(blog.connection):
        for target in targets:
            place = (target.path, target.url, target.route, target.renderer, target.template)
            rest = ("{}", "lists", "", 0, 0, "[[],[]]", 0, 0, "", 1)
            blog.connection.execute(INSERT, (*place, *rest))


def lengths(before: Sequence[Post], after: Sequence[Post]) -> Counter[str]:
    found: Counter[str] = Counter()
    for posts, step in ((before, -1), (after, 1)):
        for one in posts:
            assert one.published_at is not None
            at = one.published_at.isoformat()
            found.update({"post": step, f"month={at[:7]}": step, f"day={at[:10]}": step})
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([*FULL, *EARLY], [*FULL, *EARLY, post("p020", published_at=NOON)], id="one more"),
        pytest.param([*FULL, *EARLY], [*FULL, *EARLY, BEFORE_ALL], id="a new month"),
        pytest.param([*FULL, *EARLY, BEFORE_ALL], [*FULL, *EARLY], id="a month goes"),
        pytest.param([*FULL, *EARLY], [*crowd(SPAN_POSTS_MAX + 1), *EARLY], id="a month is cut into days"),
        pytest.param([*crowd(SPAN_POSTS_MAX + 1), *EARLY], [*FULL, *EARLY], id="days become a month again"),
        pytest.param(crowd(SITEMAP_POSTS_MAX), crowd(SITEMAP_POSTS_MAX + 1), id="one sitemap becomes many"),
        pytest.param(crowd(SITEMAP_POSTS_MAX + 1), crowd(SITEMAP_POSTS_MAX), id="many become one"),
    ],
)
def test_what_moves_is_what_a_walk_would_find(tmp_path: Path, before: list[Post], after: list[Post]) -> None:
    blog = Blog(tmp_path).posts(*before)
    known = sitemap_targets(blog.reader)
    traced(blog, known)
    reader = blog.posts(*after).reader
    moved = moves(reader, {}, {}, lengths(before, after), ())
    now = {target.path: target for target in known if target.path not in moved.gone}
    now |= {target.path: target for target in moved.targets if target.route == "sitemap"}
    assert now == {target.path: target for target in sitemap_targets(reader)}


def test_one_more_post_asks_for_its_own_month_alone(tmp_path: Path) -> None:
    blog = Blog(tmp_path).posts(*FULL, *EARLY)
    traced(blog, sitemap_targets(blog.reader))
    reader = blog.posts(*FULL, *EARLY, post("p020", published_at=NOON)).reader
    moved = moves(reader, {}, {}, lengths([], [post("p020", published_at=NOON)]), ())
    assert [target.path for target in moved.targets if target.route == "sitemap"] == ["sitemap-2026-05.xml"]


@pytest.mark.parametrize("posts", [EARLY, [*FULL, *EARLY]], ids=["one sitemap", "many"])
def test_a_post_that_is_called_as_a_sitemap_stays(tmp_path: Path, posts: list[Post]) -> None:
    named = post("guide", slug="sitemap-2026-05-guide", published_at=NOON)
    blog = Blog(tmp_path).posts(*posts, named)
    traced(blog, blog.targets())
    more = post("p020", published_at=NOON)
    moved = moves(blog.posts(*posts, named, more).reader, {}, {}, lengths([], [more]), ())
    assert moved.gone == []
