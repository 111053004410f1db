"""A build from the trace is byte for byte a clean build, whatever happened before."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.incremental.machine import Life, LifeInLanguages

CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


@pytest.mark.slow
def test_incremental_is_clean_in_random_lives() -> None:
    run_state_machine_as_test(Life, settings=settings(max_examples=40, stateful_step_count=8, **CALM))


@pytest.mark.slow
def test_incremental_is_clean_in_random_lives_in_two_languages() -> None:
    run_state_machine_as_test(LifeInLanguages, settings=settings(max_examples=20, stateful_step_count=8, **CALM))
