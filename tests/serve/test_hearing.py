"""What a subscription says, as work for a site's loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serve.loop_stage import SITE, Stage
from velobuild.config.schema import Config, ListenConfig, Loaded, SourceConfig
from velobuild.errors import TokenError
from velobuild.model.entries import Collection
from velobuild.serve.hearing import Hearing, event_of, is_told
from velobuild.serve.loop_work import work_of
from velobuild.sources.pocketbase_realtime import Hint, HintKind

POSTS = Collection.POSTS


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path).started()


@pytest.fixture
def hearing(stage: Stage) -> Hearing:
    return Hearing(SITE, stage.loop, stage.queue, clock=stage.hours.clock)


@pytest.mark.parametrize(
    ("hint", "kind", "names"),
    [
        (Hint(HintKind.CHANGED, POSTS, "a1", "create"), "post.changed", "a1"),
        (Hint(HintKind.CHANGED, POSTS, "a1", "update"), "post.changed", "a1"),
        (Hint(HintKind.CHANGED, POSTS, "a1", "delete"), "post.deleted", "a1"),
        (Hint(HintKind.CHANGED, POSTS), "reconcile", None),
        (Hint(HintKind.CHANGED, Collection.MEDIA, "m1", "delete"), "media.changed", None),
        (Hint(HintKind.CHANGED, Collection.SETTINGS, "s1", "update"), "settings.changed", None),
        (Hint(HintKind.CHANGED), "reconcile", None),
    ],
)
def test_each_change_is_an_event_that_names_the_post_where_there_is_one(
    stage: Stage, hint: Hint, kind: str, names: str | None
) -> None:
    event = event_of(SITE, hint, stage.hours.clock())
    assert (event.kind, event.post_id, event.version) == (kind, names, None)
    work = work_of([event], comments=False)
    assert bool(work)
    assert work.everything is (names is None)


def test_a_changed_record_claims_nothing_of_what_it_is_now(stage: Stage) -> None:
    """It may be a draft: were it claimed to be published, its absence would be asked for over and over."""
    event = event_of(SITE, Hint(HintKind.CHANGED, POSTS, "a1", "update"), stage.hours.clock())
    (post,) = work_of([event], comments=False).named
    assert post.there is None
    (claimed,) = work_of([stage.event("post.updated", post="a1")], comments=False).named  # the control
    assert claimed.there is True


def test_a_new_subscription_looks_at_the_whole_and_a_change_asks_for_its_post_alone(
    stage: Stage, hearing: Hearing
) -> None:
    hearing.tell(Hint(HintKind.SUBSCRIBED))
    stage.settles()
    assert [request.named for request in stage.builder.requests] == [()]
    hearing.tell(Hint(HintKind.CHANGED, POSTS, "a1", "update"))
    stage.passes(10)
    assert [[post.id for post in request.named] for request in stage.builder.requests] == [[], ["a1"]]


def test_a_change_that_the_disk_does_not_take_is_a_look_at_the_whole(stage: Stage, hearing: Hearing) -> None:
    stage.queue._database.execute("PRAGMA query_only = ON")  # as a disk that has become read-only
    hearing.tell(Hint(HintKind.CHANGED, POSTS, "a1", "update"))
    stage.queue._database.execute("PRAGMA query_only = OFF")
    stage.settles()
    assert [request.named for request in stage.builder.requests] == [()]


def test_silence_of_the_subscription_is_told_after_a_minute_and_a_refusal_at_once(
    stage: Stage, hearing: Hearing
) -> None:
    hearing.tell(Hint(HintKind.SUBSCRIBED))
    stage.hours.seconds += 600
    assert hearing.warning() is None
    hearing.tell(Hint(HintKind.LOST, retry_s=1.0))
    assert hearing.warning() is None, "PocketBase ends every stream from time to time"
    stage.hours.seconds += 61
    assert "has not told of changes since 2026-05-03" in (hearing.warning() or "")
    hearing.tell(Hint(HintKind.SUBSCRIBED))
    assert hearing.warning() is None
    hearing.tell(Hint(HintKind.LOST, error=TokenError("the CMS refused the token", code="VB2001")))
    assert "the CMS refused the token" in (hearing.warning() or "")


@pytest.mark.parametrize(
    ("types", "realtime", "told"),
    [
        (("pocketbase",), True, True),
        (("pocketbase", "folder"), True, True),
        (("pocketbase",), False, False),
        (("pocketbase", "polycms"), True, False),
        (("velocms",), True, False),
        (("folder",), True, False),
    ],
)
def test_no_webhook_is_needed_where_every_cms_tells_by_itself(
    types: tuple[str, ...], realtime: bool, told: bool
) -> None:
    first, *more = (SourceConfig(type=type, name=type, url="http://127.0.0.1:1") for type in types)
    config = Config(source=first, more_sources=tuple(more), listen=ListenConfig(realtime=realtime))
    assert is_told(Loaded(config=config, file=Path("velobuild.toml"))) is told
