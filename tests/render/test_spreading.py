"""Pieces of work spread over processes: each is done once, what lies apart by one of them, and in one order."""

from __future__ import annotations

import os
import threading
from copy import copy

import pytest

from tests.leftovers import left_behind, names
from velobuild.render.spreading import AHEAD, Lanes, spread


@pytest.fixture(autouse=True)
def alone() -> None:
    others = left_behind([threading.main_thread()])
    assert not others, f"a process with other threads is not forked safely: {names(others)}"


def test_one_worker_begins_with_what_lies_apart_and_goes_on_with_the_rest() -> None:
    lanes = Lanes(([1, 2, 3], [11, 12]), threading)
    apart, other = copy(lanes), copy(lanes)  # as two forked processes have it
    apart.begin()
    other.begin()
    assert [apart.take(), other.take(), apart.take()] == [11, 1, 12]
    assert [apart.take(), other.take()] == [2, 3]


def test_the_others_help_with_what_lies_apart_once_nothing_else_is_left() -> None:
    lanes = Lanes(([1], [11, 12, 13]), threading)
    apart, other = copy(lanes), copy(lanes)
    apart.begin()
    other.begin()
    assert [other.take(), other.take(), apart.take(), other.take()] == [1, 11, 12, 13]


def test_nobody_runs_so_far_ahead_that_results_pile_up() -> None:
    lanes = Lanes((range(1000), range(1000, 1040)), threading)
    apart, other = copy(lanes), copy(lanes)
    apart.begin()
    other.begin()
    assert apart.take() == 1000
    taken = [other.take() for _ in range(1038)]  # while the one that began with the lists is still at its first
    begun_apart = 1
    for at, piece in enumerate(taken):
        begun_apart += piece >= 1000
        assert begun_apart == 40 or at + 1 - (begun_apart - 1) - begun_apart <= AHEAD
    assert apart.take() not in taken


@pytest.mark.parametrize(
    ("pieces", "apart", "order"),
    [
        ([0, 1, 2], [7], [0, 7, 1, 2]),
        ([0], [7, 8, 9], [0, 7, 8, 9]),
        ([0, 1, 2], [], [0, 1, 2]),
    ],
)
def test_results_come_in_one_order_from_any_number_of_processes(
    pieces: list[int], apart: list[int], order: list[int]
) -> None:
    ours = os.getpid()
    for workers in (0, 1, 2, 3):
        done = list(spread(lambda piece: (piece, os.getpid()), pieces, apart, workers))
        assert order == [piece for piece, _ in done]
        assert (workers == 0) == (ours in {process for _, process in done})
