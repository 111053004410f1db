"""`python -m tests.incremental.random_lives COUNT [STEPS]`: the same random lives each time, without a search for the
smallest that goes wrong. Exits with 3 where a build was wrong."""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.incremental.lives import WRONG
from tests.incremental.machine import Life


def main() -> int:
    count, steps = [*map(int, sys.argv[1:]), 10][:2]
    calm = settings(
        max_examples=count,
        stateful_step_count=steps,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(Life, settings=calm)
    except AssertionError as error:
        sys.stderr.write(f"{error!s:.2000}\n")
        return WRONG
    return 0


if __name__ == "__main__":
    sys.exit(main())
