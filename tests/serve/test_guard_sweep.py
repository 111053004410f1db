"""What is late is closed without keeping others waiting."""

from __future__ import annotations

import asyncio
from typing import Any

from velobuild.serve.guard import SWEPT_AT_ONCE, Guard, Limits, Phase


class Dropped:
    """A connection as the guard sees it."""

    phase: Phase = "idle"
    peer = ""
    requests = 0

    def __init__(self) -> None:
        self.gone = False

    def drop(self) -> None:
        self.gone = True


def test_many_that_are_late_together_are_closed_a_few_at_a_time_and_all_of_them_soon() -> None:
    """J1: or whoever else is to be answered waits for the closing of a thousand."""

    async def go() -> tuple[int, int]:
        now = [0.0]
        guard = Guard(Limits(), monotonic=lambda: now[0])
        peers: list[Any] = [Dropped() for _ in range(200)]
        for peer in peers:
            guard.joined(peer)
        now[0] = Limits().idle_s
        guard.sweep()
        at_once = sum(peer.gone for peer in peers)
        async with asyncio.timeout(10):
            while guard.connections:
                await asyncio.sleep(0.001)
        return at_once, sum(peer.gone for peer in peers)

    assert asyncio.run(go()) == (SWEPT_AT_ONCE, 200)
