"""How often a CMS is asked that tells of nothing, within what it allows."""

from __future__ import annotations

from velobuild.model.outputs import SyncReport
from velobuild.serve.watch_pace import AWAY_S, FAR_S, IDLE_POLLS, LONGEST_S, NEAR_S, Pace, pace_for

NOTHING = SyncReport(1, api_calls=2, calls_today=40, left_in_window=80)


def idle(pace: Pace, times: int) -> Pace:
    for _ in range(times):
        pace = pace.asked(NOTHING, changed=False)
    return pace


def test_a_cms_on_this_machine_is_asked_more_often() -> None:
    assert (pace_for(near=True, chosen_s=None).pause_s, pace_for(near=False, chosen_s=None).pause_s) == (NEAR_S, FAR_S)


def test_pauses_grow_while_nothing_changes_and_are_short_again_once_something_does() -> None:
    pace = pace_for(near=False, chosen_s=None)
    assert idle(pace, IDLE_POLLS).pause_s == FAR_S
    assert FAR_S < idle(pace, IDLE_POLLS + 2).pause_s < LONGEST_S
    assert idle(pace, 500).pause_s == LONGEST_S
    assert idle(pace, 500).stirred().pause_s == FAR_S
    assert idle(pace, 500).asked(NOTHING, changed=True).pause_s == FAR_S


def test_an_idle_day_stays_far_below_the_smallest_quota() -> None:
    pace, calls, seconds = pace_for(near=False, chosen_s=None), 0, 0.0
    while seconds < 86_400:
        calls += 2
        seconds += pace.pause_s
        pace = pace.asked(SyncReport(1, api_calls=2, calls_today=calls, left_in_window=80), changed=False)
    assert calls < 1_600


def test_a_busy_day_stops_asking_often_before_the_smallest_quota_is_gone() -> None:
    pace, calls, seconds = pace_for(near=False, chosen_s=None), 0, 0.0
    while seconds < 86_400:
        calls += 2
        seconds += pace.pause_s
        pace = pace.asked(SyncReport(1, api_calls=2, calls_today=calls, left_in_window=80), changed=True)
    assert 3_000 < calls < 5_000


def test_a_window_that_is_nearly_used_up_is_left_to_others() -> None:
    full = SyncReport(1, api_calls=2, left_in_window=3)
    held = pace_for(near=True, chosen_s=None).asked(full, changed=True)
    assert held.pause_s == 60
    assert held.stirred().pause_s == 60, "an edit does not make room"
    assert held.asked(NOTHING, changed=False).pause_s == NEAR_S


def test_a_cms_that_is_away_is_asked_ever_less_but_never_forgotten() -> None:
    pace = pace_for(near=True, chosen_s=None)
    pauses = []
    for _ in range(6):
        pace = pace.failed(None)
        pauses.append(pace.pause_s)
    assert pauses == [4, 8, 16, AWAY_S, AWAY_S, AWAY_S]
    assert pace.failed(500).pause_s == 500, "one that said for how long is left alone so long"
    assert pace.asked(NOTHING, changed=False).pause_s == NEAR_S


def test_a_pause_that_somebody_chose_stays() -> None:
    pace = pace_for(near=False, chosen_s=3)
    assert idle(pace, 500).pause_s == 3
    assert pace.asked(SyncReport(1, api_calls=2, calls_today=9_000), changed=False).pause_s == 3
    assert pace.asked(SyncReport(1, api_calls=2, left_in_window=0), changed=False).pause_s == 60
