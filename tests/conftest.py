"""Fixtures for every test, and the rule that in CI nothing is skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

# Files that take minutes: begun last, they would leave all processes but one without work.
LONGEST = ("test_incremental.py", "test_mutants.py", "test_random_lives.py", "test_death.py", "test_same_site.py")

pytest_plugins = ["tests.devcms_fixtures", "tests.leftovers", "tests.needs"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On a user's machine a test may be skipped for want of a tool; in CI that is a failure, whoever skipped it."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI must not skip: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; else the order stays."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
