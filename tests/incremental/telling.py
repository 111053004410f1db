"""The short lives that there are, by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.incremental.rig import Living, later

LIVES: dict[str, Callable[[Living], None]] = {}


def life(story: Callable[[Living], None]) -> Callable[[Living], None]:
    LIVES[story.__name__] = story
    return story


def begun(living: Living, *tags: tuple[str, ...]) -> Living:
    """Posts p0 (the newest), p1, …, each with its tags, built for the first time."""
    for number, own in enumerate(tags):
        living.post(f"p{number}", tags=own, published_at=later(-5 * number))
    return living.same_as_clean()
