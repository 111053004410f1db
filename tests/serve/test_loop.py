"""When the service builds, and what it asks for: on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.serve.loop_stage import BEGAN, SITE, Stage, done, failing, named_done
from velobuild.config.schema import SourceConfig
from velobuild.errors import ConfigError, GuardRefused, SiteLocked
from velobuild.model.outputs import SyncReport
from velobuild.model.ports import NamedPost
from velobuild.serve.child import BuildRequest, Built, Crashed, Failed
from velobuild.serve.loop_after import run_hook
from velobuild.serve.loop_follow import FollowUp, again
from velobuild.serve.loop_pace import LONGEST_BACKOFF_S, Pace, backoff_s
from velobuild.serve.loop_work import floor, work_of


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.queue.close()


# --- coalescing


def test_the_first_event_starts_a_build_at_once(stage: Stage) -> None:
    stage.started().arrives(stage.event(post="a"))
    stage.settles()
    assert stage.builder.at_s == [60]
    assert [post.id for post in stage.builder.requests[0].named] == ["a"]


def test_k6_whatever_comes_during_a_build_becomes_one_more(stage: Stage) -> None:
    """K6."""
    stage.started()
    stage.builder.during = lambda: stage.arrives(*(stage.event(post=f"p{n}") for n in range(50)))
    stage.arrives(stage.event(post="a"))
    stage.loop.step()
    stage.builder.during = lambda: None
    stage.passes(30)
    assert stage.builds == 2
    assert len(stage.builder.requests[1].named) == 50
    assert stage.queue.pending(SITE) == 0


def storm(stage: Stage, *, events: int, seconds: float, together: int = 50) -> None:
    """So many events, evenly, so many of them kept at a time, while the loop works."""
    begin = stage.hours.seconds
    for number in range(0, events, together):
        at = begin + number * seconds / events
        while stage.hours.seconds < at:
            wait_s = stage.loop.step()
            stage.hours.seconds = min(at, stage.hours.seconds + wait_s) if wait_s else stage.hours.seconds
        stage.arrives(*(stage.event(post=f"p{(number + n) % 40}", delivery_id=None) for n in range(together)))
    stage.passes(30)


def test_k5_a_storm_of_ten_thousand_events_in_ten_seconds_is_at_most_three_builds(stage: Stage) -> None:
    """K5, T8. The last event is live soon after the storm."""
    stage.started()
    begin = stage.hours.seconds
    storm(stage, events=10_000, seconds=10)
    assert 2 <= stage.builds <= 3
    assert stage.builder.at_s[0] == begin
    assert stage.builder.at_s[-1] - begin <= 10 + 0.5 + 2 * 0.1 + 1
    assert stage.queue.pending(SITE) == 0


def test_control_without_pacing_the_same_storm_is_many_builds(tmp_path: Path) -> None:
    stage = Stage(tmp_path, quiet_ms=0, latest_s=1).started()
    storm(stage, events=500, seconds=10, together=5)
    assert stage.builds > 3
    stage.queue.close()


def test_t8_a_minute_of_storm_keeps_to_its_number_of_builds(stage: Stage) -> None:
    """T8: at most 60 / max(build, 5 s) + 2."""
    storm(stage.started(), events=6_000, seconds=60)
    assert stage.builds <= 60 / 5 + 2


def test_a_persons_second_edit_waits_for_a_blink_and_no_longer(stage: Stage) -> None:
    stage.started().arrives(stage.event(post="a"))
    stage.settles()
    stage.hours.seconds += 1
    stage.arrives(stage.event(post="a"))
    at = stage.hours.seconds
    stage.passes(1)
    assert stage.builder.at_s[1] - at == pytest.approx(0.05, abs=0.002)


def test_k1_a_delivery_that_comes_twice_is_one_build(stage: Stage) -> None:
    """K1."""
    twice = stage.event(post="a")
    stage.started().arrives(twice, twice)
    stage.passes(3)
    assert stage.builds == 1


def test_k10_an_equal_event_after_the_builds_read_is_work_again(stage: Stage) -> None:
    """K10: two edits within a second look alike; the second came after the CMS was asked."""
    same = stage.event(post="a", delivery_id=None)
    stage.started()
    stage.builder.during = lambda: stage.arrives(same)
    stage.arrives(same)
    stage.loop.step()
    stage.builder.during = lambda: None
    stage.passes(10)
    assert stage.builds == 2


# --- what is asked for


def test_k2_the_order_of_events_does_not_matter(stage: Stage) -> None:
    """K2: where events contradict each other, the CMS is asked without a claim."""
    deleted, published = stage.event("post.deleted", "a"), stage.event("post.published", "a")
    assert work_of([deleted, published], comments=False) == work_of([deleted, published], comments=False)
    for events in ([deleted, published], [published, deleted]):
        work = work_of(events, comments=False)
        assert [(post.id, post.there) for post in work.named] == [("a", None)]


def test_k8_pings_and_subscribers_need_no_build_and_comments_only_where_they_are_shown(stage: Stage) -> None:
    """K7, K8."""
    events = [stage.event("ping"), stage.event("other"), stage.event("comment.changed")]
    stage.started().arrives(*events)
    stage.passes(3)
    assert stage.builds == 0
    assert stage.queue.pending(SITE) == 0
    assert work_of(events, comments=True).everything


def test_an_event_that_names_no_post_is_a_look_at_everything(stage: Stage) -> None:
    for kind in ("settings.changed", "media.changed", "terms.changed", "reconcile", "post.updated"):
        assert work_of([stage.event(kind), stage.event(post="a")], comments=False).everything, kind


def test_posts_of_two_cmses_with_the_same_id_are_two_where_the_dialect_tells_them_apart(stage: Stage) -> None:
    events = [stage.event(post="7", dialect=dialect) for dialect in ("velocms", "polycms", "hmac")]
    work = work_of(events, comments=False, sources={"velocms": "", "polycms": "shop"})
    assert [(post.id, post.source) for post in work.named] == [("7", ""), ("7", "shop"), ("7", None)]
    assert len(work_of(events, comments=False).named) == 1


def test_the_time_in_an_event_becomes_the_floor() -> None:
    assert floor("2026-05-03 10:00:00.123Z") == datetime(2026, 5, 3, 10, 0, 0, 123000, UTC)
    assert [floor(text) for text in (None, "", "rev-7", "2026-13-01T00:00:00Z")] == [None] * 4


def test_an_answer_that_stays_older_is_followed_up_a_few_times_and_no_more(stage: Stage) -> None:
    stage.started()
    stage.builder.answer = lambda request: named_done(request, stale=True)
    stage.arrives(stage.event(post="a"))
    stage.passes(200)
    assert stage.builds == 4
    waits = [later - sooner for sooner, later in zip(stage.builder.at_s, stage.builder.at_s[1:], strict=False)]
    assert waits == pytest.approx([5.1, 30.1, 120.1], abs=0.1)
    assert stage.loop.status.follow_ups == 0


@pytest.mark.parametrize("stale", [True, False], ids=["older", "unseen"])
@pytest.mark.parametrize("late", ["shop", "news"])
def test_of_two_cmses_with_a_post_of_one_id_the_one_that_was_late_is_asked_again(
    stage: Stage, late: str, stale: bool
) -> None:
    shop, news = SourceConfig(type="polycms", name="shop"), SourceConfig(type="cometcms", name="news")
    stage.started()
    stage.loop.reload(replace(stage.loaded, config=replace(stage.loaded.config, source=shop, more_sources=(news,))))

    def answer(request: BuildRequest) -> Built:
        return done(changed=0, named=request.named, stale=tuple(post for post in request.named if post.source == late))

    stage.builder.answer = answer if stale else lambda request: done(changed=0, named=request.named)
    stage.arrives(*(stage.event(post="7", dialect=dialect) for dialect in ("polycms", "cometcms")))
    stage.passes(200)
    first, *more = (sorted((post.source, post.id) for post in request.named) for request in stage.builder.requests)
    assert first == [("news", "7"), ("shop", "7")]
    assert more == ([[(late, "7")]] * 3 if stale else [[("news", "7"), ("shop", "7")]])


def test_follow_ups_of_two_posts_of_one_id_are_counted_each_for_itself() -> None:
    shop, news = (NamedPost("7", there=True, source=name) for name in ("shop", "news"))
    sync = SyncReport(1, named=(shop, news), stale=(shop, news))
    asked = [FollowUp(shop, 0.0, 1), FollowUp(news, 0.0, 2)]
    assert again(sync, asked, at_s=10.0) == [FollowUp(shop, 40.0, 2), FollowUp(news, 130.0, 3)]


def test_an_announced_edit_that_is_not_to_be_seen_is_asked_for_once_more(stage: Stage) -> None:
    stage.started()
    stage.builder.answer = lambda request: named_done(request, changed=0)
    stage.arrives(stage.event(post="a"))
    stage.passes(120)
    assert stage.builds == 2


# --- failures


def test_k11_failures_back_off_from_five_seconds_and_the_event_stays(stage: Stage) -> None:
    """K11, A19: nothing is lost, the state says so, and the next success ends it."""
    stage.started()
    stage.builder.answer = lambda request: failing()
    stage.arrives(stage.event(post="a"))
    stage.passes(160)
    waits = [later - sooner for sooner, later in zip(stage.builder.at_s, stage.builder.at_s[1:], strict=False)]
    assert waits == pytest.approx([5.1, 10.1, 20.1, 40.1, 80.1], abs=0.05)
    status = stage.loop.status
    assert (status.state, status.failures) == ("degraded", 6)
    assert status.last_error == "the CMS is away"
    assert stage.queue.pending(SITE) == 1
    stage.builder.answer = lambda request: done()
    stage.passes(200)
    assert (stage.loop.status.state, stage.loop.status.failures) == ("idle", 0)
    assert stage.queue.pending(SITE) == 0


def test_the_log_says_how_a_failure_is_mended(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.started()
    wrong = ConfigError("the secret is short", code="VB1205", hint="copy it from the CMS as it is shown there")
    stage.builder.answer = lambda request: Failed(wrong)
    stage.arrives(stage.event(post="a"))
    stage.settles()
    told = [record.__dict__["fields"] for record in caplog.records if record.getMessage() == "the build failed"]
    assert [fields["hint"] for fields in told] == ["copy it from the CMS as it is shown there"]


@pytest.mark.parametrize("refused", ["is the secret wrong?", None], ids=["refused", "the control"])
def test_i12_where_every_delivery_is_refused_the_state_is_degraded_and_the_operator_told_once(
    tmp_path: Path, refused: str | None
) -> None:
    """I12: silence by itself is no trouble."""
    stage = Stage(tmp_path, degraded=(("sh", "-c", 'echo "$VELOBUILD_ERROR" >> told'),)).started()
    stage.shut_out = refused
    stage.passes(9_000)
    assert stage.builds > 3, "the looks at the whole CMS go on, and tell nobody again"
    file = stage.loaded.root / "told"
    assert stage.loop.status.state == ("degraded" if refused else "idle")
    assert (file.read_text() if file.exists() else None) == (f"{refused}\n" if refused else None)
    stage.shut_out = None
    stage.passes(60)
    assert stage.loop.status.state == "idle"
    stage.queue.close()


def test_the_longest_wait_is_fifteen_minutes_and_many_sites_do_not_return_together() -> None:
    assert [backoff_s(n, chance=lambda: 0.0) for n in (1, 2, 3, 8, 9, 1000)] == [5, 10, 20, 640, 900, 900]
    assert backoff_s(50, chance=lambda: 1.0) == pytest.approx(LONGEST_BACKOFF_S * 0.9)


def test_new_events_do_not_shorten_a_wait_after_failures(stage: Stage) -> None:
    stage.started()
    stage.builder.answer = lambda request: failing()
    stage.arrives(stage.event(post="a"))
    stage.settles()
    stage.hours.seconds += 1
    stage.arrives(stage.event(post="b"))
    assert stage.loop.step() == pytest.approx(4, abs=0.2)
    assert stage.builds == 1


def test_after_a_streak_of_errors_everything_is_looked_at(stage: Stage) -> None:
    stage.started()
    stage.builder.answer = lambda request: failing()
    stage.arrives(stage.event(post="a"))
    stage.passes(17)
    assert [bool(request.named) for request in stage.builder.requests] == [True, True, False]


@pytest.mark.parametrize(
    ("outcome", "state", "waits_s"),
    [
        (Crashed("it was ended by SIGKILL"), "waiting", 5),
        (Failed(SiteLocked("another build", code="VB7001")), "waiting", 5),
        (Failed(GuardRefused("held", code="VB5007")), "held", 60),
        (Failed(ConfigError("typo", code="VB1101")), "waiting", 5),
        (failing("VB2105"), "waiting", 900),
        (failing("VB2104", retry_at=(BEGAN + timedelta(seconds=400)).timestamp()), "waiting", 340),
    ],
)
def test_what_went_wrong_decides_when_to_try_again(
    stage: Stage, outcome: Failed | Crashed, state: str, waits_s: float
) -> None:
    """L7, N3, N8, A18: a crash, another build, a rollback that is held, a used-up quota, a pause the CMS asked for."""
    stage.started()
    stage.builder.answer = lambda request: outcome
    stage.arrives(stage.event(post="a"))
    wait_s = stage.settles()
    assert wait_s == pytest.approx(waits_s, abs=0.2)
    assert stage.loop.status.state == state
    assert stage.queue.pending(SITE) == 1


def test_l8_a_new_configuration_is_tried_at_once(stage: Stage) -> None:
    """L8."""
    stage.started()
    stage.builder.answer = lambda request: failing()
    stage.arrives(stage.event(post="a"))
    stage.passes(30)
    before = stage.builds
    stage.builder.answer = lambda request: done()
    stage.loop.reload(stage.loaded)
    stage.settles()
    assert stage.builds == before + 1


# --- looks


def test_k12_the_start_looks_at_everything(stage: Stage) -> None:
    """K12: whatever was missed while the service was down."""
    stage.arrives(stage.event(post="a"))
    stage.settles()
    assert stage.builds == 1
    assert stage.builder.requests[0].named == ()
    assert stage.queue.pending(SITE) == 0


def test_an_idle_day_costs_at_most_a_twentieth_of_the_quota(tmp_path: Path) -> None:
    """T12."""
    for calls, quota in ((3, 10_000), (102, 10_000), (3, 1_000)):
        stage = Stage(tmp_path / f"{calls}-{quota}", daily_calls=quota)
        stage.builder.answer = lambda request, calls=calls: done(changed=0, api_calls=calls)  # type: ignore[misc]
        stage.started().passes(86_400)
        assert stage.builds * calls <= 0.05 * quota, (calls, quota)
        assert stage.builds >= 1
        stage.queue.close()


def test_a_post_that_falls_due_is_built_when_it_does(stage: Stage) -> None:
    """G3."""
    due = BEGAN + timedelta(seconds=200)
    stage.builder.answer = lambda request: done(changed=0, next_due_at=due)
    stage.started()
    stage.builder.answer = lambda request: done()
    stage.passes(139)
    assert stage.builds == 0
    stage.passes(3)
    assert stage.builds == 1
    assert stage.builder.at_s[0] == pytest.approx(200, abs=0.2)


def test_k12_silence_while_looks_find_changes_says_that_the_webhook_seems_disabled(stage: Stage) -> None:
    """K12."""
    stage.started()
    stage.passes(1_100)
    assert stage.builds == 2
    assert not stage.loop.status.warnings
    stage.passes(550)
    stage.loop.step()
    assert "the webhook seems disabled" in stage.loop.status.warnings[0]
    stage.arrives(stage.event(post="a"))
    stage.passes(1)
    assert not stage.loop.status.warnings


def test_control_a_silence_in_which_nothing_changed_is_no_warning(stage: Stage) -> None:
    stage.builder.answer = lambda request: done(changed=0)
    stage.started().passes(90_000)
    assert not stage.loop.status.warnings


def test_n13_a_day_that_is_nearly_used_up_is_left_to_events(stage: Stage) -> None:
    """N13."""
    stage.builder.answer = lambda request: done(changed=0, calls_today=8_000)
    stage.started()
    assert "8000 of the day's 10000" in stage.loop.status.warnings[0]
    stage.builder.answer = lambda request: done(changed=0, calls_today=9_600)
    stage.passes(550)
    before = stage.builds
    stage.passes(3_600)
    assert stage.builds == before
    stage.arrives(stage.event(post="a"))
    stage.passes(1)
    assert stage.builds == before + 1
    stage.builder.answer = lambda request: done(changed=0, calls_today=5)
    stage.passes(14 * 3600)
    assert stage.builds > before + 1, "at midnight the count begins anew"


def test_n1_a_wall_clock_that_is_set_back_stops_nothing(stage: Stage) -> None:
    """N1: waits are of the monotonic clock."""
    stage.started()
    stage.hours.clock = lambda: datetime(2020, 1, 1, tzinfo=UTC)  # type: ignore[method-assign]
    stage.loop._clock = stage.hours.clock
    stage.arrives(stage.event(post="a"))
    stage.passes(600)
    assert stage.builds >= 2


# --- records


def test_an_events_way_is_recorded_from_received_to_published(stage: Stage) -> None:
    stage.started().arrives(stage.event(post="a", slug="bread"))
    stage.settles()
    (record,) = stage.queue.post_record(SITE, "bread")
    times = [record.event.received_at, record.fetched_at, record.built_at, record.published_at]
    assert all(time is not None for time in times)
    assert times == sorted(times)  # type: ignore[type-var]
    assert (record.state, record.outcome) == ("done", "built")


def test_hooks_run_after_something_was_published_and_never_see_a_secret(tmp_path: Path) -> None:
    script = 'env > hook.txt; echo "$VELOBUILD_RELEASE" >> releases.txt; echo "$1" >> releases.txt'
    stage = Stage(tmp_path, after=(("sh", "-c", script, "sh", "; touch pwned"), ("no-such-command",)))
    from velobuild.config.schema import Secret

    stage.loop._loaded = type(stage.loaded)(
        config=stage.loaded.config, file=stage.loaded.file, tokens=(Secret("velo_abcdef"),)
    )
    stage.loop._variables = {"PATH": "/usr/bin:/bin", "SOME_KEY": "velo_abcdef", "KEPT": "yes"}
    stage.settles()
    said = (tmp_path / "hook.txt").read_text()
    assert "KEPT=yes" in said
    assert "velo_abcdef" not in said
    assert (tmp_path / "releases.txt").read_text() == "7\n; touch pwned\n"
    assert not (tmp_path / "pwned").exists(), "no shell reads the words"
    assert "no-such-command" in (stage.loop.status.last_error or "")
    stage.builder.answer = lambda request: done(changed=0)
    (tmp_path / "hook.txt").unlink()
    stage.loop.look("test")
    stage.passes(10)
    assert not (tmp_path / "hook.txt").exists(), "nothing was published"
    stage.queue.close()


def test_somebody_is_told_once_when_builds_have_begun_to_fail(tmp_path: Path) -> None:
    told = ("sh", "-c", 'echo "$VELOBUILD_ERROR" >> told.txt')
    stage = Stage(tmp_path, degraded=(told,))
    stage.builder.answer = lambda request: failing()
    stage.settles()
    assert not (tmp_path / "told.txt").exists(), "a single failure happens to everybody"
    stage.passes(100)
    assert stage.loop.status.failures > 3
    assert (tmp_path / "told.txt").read_text() == "the CMS is away\n"
    stage.queue.close()


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    ran = run_hook(("sh", "-c", "echo begun; sleep 60"), folder=tmp_path, environment={"PATH": "/bin"}, within_s=0.5)
    assert ran.code is None
    assert ran.said == "it took longer than 0.5 s and was ended. begun"


def test_pace_has_only_so_many_moments_of_quiet_in_store() -> None:
    pace = Pace(quiet_s=0.5, latest_s=6)
    at, builds = 0.0, 0
    while at < 60:
        wait = pace.wait_s(at, pending=1, newest_s=at - 1)
        if wait == 0:
            pace.started(at)
            pace.ended(at)
            builds += 1
        at += wait or 0.01
    assert builds <= 60 / 6 + 6
