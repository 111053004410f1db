"""What a person is told of a synchronisation's cost."""

from __future__ import annotations

from velobuild.cli.build import sync_line
from velobuild.model.outputs import SyncReport


def test_the_cost_is_this_runs_calls_todays_and_what_the_window_has_left() -> None:
    report = SyncReport(revision=1, changed=35, api_calls=39, calls_today=39, left_in_window=61)
    assert sync_line(report) == "Synced: 35 posts new or changed (39 API calls, 39 today; 61 left in this window)"


def test_what_nobody_knows_is_not_said() -> None:
    report = SyncReport(revision=2, removed=1, api_calls=1, calls_today=40)
    assert sync_line(report) == "Synced: no post changed, 1 removed (1 API call, 40 today)"


def test_one_post_is_one_post() -> None:
    report = SyncReport(revision=1, changed=1, api_calls=2, calls_today=2)
    assert sync_line(report) == "Synced: 1 post new or changed (2 API calls, 2 today)"
