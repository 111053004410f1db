"""A build from the trace is byte for byte a clean build, whatever happened before."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.incremental.machine import Life, LifeInLanguages

CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
STEPS = 10


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_incremental_is_clean_in_random_lives(part: int) -> None:
    """300 of them, in four parts."""
    run_state_machine_as_test(Life, settings=settings(max_examples=75, stateful_step_count=STEPS, **CALM))


@pytest.mark.slow
def test_incremental_is_clean_in_random_lives_in_two_languages() -> None:
    run_state_machine_as_test(LifeInLanguages, settings=settings(max_examples=20, stateful_step_count=STEPS, **CALM))


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_incremental_is_clean_in_thousands_of_random_lives(part: int) -> None:
    """5,000 of them, in ten parts."""
    run_state_machine_as_test(Life, settings=settings(max_examples=500, stateful_step_count=2 * STEPS, **CALM))
