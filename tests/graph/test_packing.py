"""Packed targets are the targets that were packed, in whatever pieces they are asked for."""

from __future__ import annotations

import pytest

from tests.graph.rig import Blog, dated
from velobuild.graph.packing import TOGETHER, PackedTargets
from velobuild.graph.routes import expand
from velobuild.model.outputs import Target

MANY = 2 * TOGETHER + 5


def numbered(count: int) -> list[Target]:
    return [
        Target(f"p{n}/index.html", f"/p{n}/", "post", "template", "post.html", {"id": f"p{n}"}) for n in range(count)
    ]


def test_every_kind_of_target_of_a_site_comes_back_as_it_was(blog: Blog) -> None:
    blog.posts(*dated(MANY, tags=("tea",)))
    targets = list(expand(blog.reader))
    assert len({target.renderer for target in targets}) >= 3, "the control: there are kinds"
    assert list(PackedTargets(targets)) == targets


@pytest.mark.parametrize("count", [0, 1, TOGETHER, MANY])
def test_it_is_as_long_as_what_was_packed_and_has_its_neighbours_at_their_places(count: int) -> None:
    targets = numbered(count)
    packed = PackedTargets(iter(targets))
    assert len(packed) == count
    assert [packed[at] for at in range(-count, count)] == targets * 2
    for start in (0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER, MANY + 9):
        for length in (0, 1, TOGETHER, MANY):
            assert packed[start : start + length] == targets[start : start + length]
    assert packed[3:1] == []
    assert packed[:] == targets
    with pytest.raises(IndexError):
        packed[count]
    with pytest.raises(ValueError, match="neighbours"):
        packed[::2]
