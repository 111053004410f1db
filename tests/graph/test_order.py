"""What is looked up for many pages at once is what each of them would have been told alone."""

from __future__ import annotations

import pytest

from tests.graph.rig import Blog, dated
from velobuild.graph.order import AT_ONCE, BLOCK
from velobuild.model.keys import Query


@pytest.mark.parametrize("step", [1, -1, 7])
def test_neighbours_beyond_those_looked_up_at_once(blog: Blog, step: int) -> None:
    count = 2 * AT_ONCE + 3
    blog.posts(*dated(count))
    ids = [None, *blog.reader.ids(Query())[::-1], None]
    order = blog.reader.order
    for place in [1 + at * step % count for at in range(count)]:
        id = ids[place]
        assert id is not None
        assert (order.older(id, ""), order.newer(id, "")) == (ids[place - 1], ids[place + 1])


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_of_a_list_beyond_a_block(blog: Blog, newest_first: bool) -> None:
    count = 2 * BLOCK + 8
    blog.posts(*dated(count, tags=("x",)))
    ids = blog.reader.ids(Query(order="oldest"))
    order = blog.reader.order
    starts = range(0, count, 10)
    for start in reversed(starts) if newest_first else starts:
        for where in ((), (("tag", "x"),)):
            assert order.ids(Query(where=where, order="oldest", limit=10, offset=start)) == ids[start : start + 10]
    assert order.ids(Query(order="oldest", limit=10, offset=count)) == ()
