"""Targets as bytes: a site has more of them than posts, and a build and each of its workers hold them to the end."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import overload

from velobuild.model.outputs import Target

TOGETHER = 64


class PackedTargets(Sequence[Target]):
    """Targets in their order, each made anew whenever it is asked for. Slices are lists of neighbours.

    A target with its parameters takes 500 bytes and more, and here a quarter of that. `TOGETHER` of them are unpacked
    at once.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._packed: list[bytes] = []
        self._length = 0
        waiting = iter(targets)
        while rows := [row_of(target) for target in islice(waiting, TOGETHER)]:
            self._packed.append(marshal.dumps(rows))
            self._length += len(rows)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Target]:
        return chain.from_iterable(map(_targets, self._packed))

    @overload
    def __getitem__(self, place: int) -> Target: ...
    @overload
    def __getitem__(self, place: slice) -> list[Target]: ...
    def __getitem__(self, place: int | slice) -> Target | list[Target]:
        if isinstance(place, int):
            at = range(self._length)[place]  # which knows negative places, and those that are none
            return Target(*marshal.loads(self._packed[at // TOGETHER])[at % TOGETHER])  # noqa: S302 - our own bytes
        start, stop, step = place.indices(self._length)
        if step != 1:
            raise ValueError("packed targets are cut into neighbours only")
        first = start // TOGETHER
        near = list(chain.from_iterable(map(_targets, self._packed[first : -(-stop // TOGETHER)])))
        return near[start - first * TOGETHER : max(start, stop) - first * TOGETHER]


def row_of(target: Target) -> tuple[object, ...]:
    """What `Target(*row)` makes the target of, as `marshal` can keep it."""
    return target.path, target.url, target.route, target.renderer, target.template, target.params


def _targets(packed: bytes) -> list[Target]:
    return [Target(*row) for row in marshal.loads(packed)]  # noqa: S302 - our own bytes
