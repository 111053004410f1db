"""The controls of the service's defences: what happens where one of them is missing."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.serve import vectors
from tests.serve.door import NOW, SITE, door, hook
from tests.serve.loop_stage import Stage, done, failing
from velobuild.config.schema import Secret
from velobuild.serve.child import BuildChild
from velobuild.serve.dialects import DIALECTS
from velobuild.serve.events import Event
from velobuild.serve.loop_work import THERE, work_of
from velobuild.serve.webhook import Claim, keys


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path).started()


# --- who may speak


def test_control_i2_a_secret_that_is_not_configured_proves_nothing(tmp_path: Path) -> None:
    async def go() -> list[int]:
        async with door(tmp_path, hook(secrets=("velobuild-test-secret",))) as open_:
            return [await open_.deliver(), await open_.deliver(secret="another-secret-1234")]

    assert asyncio.run(go()) == [202, 401]


def test_control_i3_what_the_vectors_were_tampered_from_is_taken(tmp_path: Path) -> None:
    """Were the untampered ones refused too, their refusal would say nothing."""
    whole = (vectors.V1, vectors.RAW, vectors.COMET, vectors.POLY, vectors.STANDARD, vectors.HUB, vectors.BEARER)
    assert all(vector.taken for vector in whole)
    assert {vector.dialect for vector in whole} >= {vector.dialect for vector in vectors.VECTORS if not vector.taken}


def test_control_i5_the_time_alone_is_what_refuses_an_old_delivery(tmp_path: Path) -> None:
    async def go() -> list[int]:
        times = [NOW + timedelta(seconds=301)]
        async with door(tmp_path, clock=lambda: times[0]) as open_:
            late = await open_.deliver(sent_at=NOW)
            times[0] = NOW + timedelta(seconds=299)
            return [late, await open_.deliver(sent_at=NOW)]

    assert asyncio.run(go()) == [401, 202]


def test_control_i7_deliveries_that_are_no_replays_do_not_merge(tmp_path: Path) -> None:
    async def go() -> int:
        async with door(tmp_path) as open_:
            answers = await asyncio.gather(*(open_.deliver(post_id=f"p{number}") for number in range(50)))
            assert set(answers) == {202}
            return open_.queue.pending(SITE)

    assert asyncio.run(go()) == 50


def test_control_i9_a_secret_of_sixteen_characters_is_enough() -> None:
    assert keys(DIALECTS["velocms"], [Secret("s" * 16)]) == {0: b"s" * 16}


def test_control_i11_to_stop_at_the_first_hit_compares_less_for_some_secrets() -> None:
    """What the defence forbids, and what an attacker could measure."""
    compared: list[bytes] = []

    def hasty(claim: Claim, keys: dict[int, bytes], body: bytes) -> int | None:
        for number, key in keys.items():
            compared.append(key)
            if any(hmac.compare_digest(claim.proof(key, body), given) for given in claim.signatures):
                return number
        return None

    def proof(key: bytes, body: bytes) -> bytes:
        return hmac.digest(key, body, "sha256").hex().encode()

    claim = Claim((proof(b"first", b"body"),), proof)
    assert hasty(claim, {0: b"first", 1: b"second"}, b"body") == 0
    assert compared == [b"first"]


# --- what events mean


def test_control_k1_the_same_delivery_after_its_build_is_another_build(stage: Stage) -> None:
    twice = stage.event(post="a")
    for _ in range(2):
        stage.arrives(twice)
        stage.passes(10)
    assert stage.builds == 2


def test_control_k2_to_believe_the_last_event_depends_on_the_order(stage: Stage) -> None:
    def believing(events: Iterable[Event]) -> dict[str | None, bool | None]:
        return {event.post_id: THERE[event.kind] for event in events}

    deleted, published = stage.event("post.deleted", "a"), stage.event("post.published", "a")
    assert believing([deleted, published]) != believing([published, deleted])
    assert work_of([deleted], comments=False).named[0].there is False  # and alone it is a claim for us too


def test_control_k6_a_build_during_which_nothing_comes_is_the_only_one(stage: Stage) -> None:
    stage.arrives(stage.event(post="a"))
    stage.passes(30)
    assert stage.builds == 1


def test_control_k8_an_event_of_a_post_among_those_without_work_is_built(stage: Stage) -> None:
    stage.arrives(stage.event("ping"), stage.event("other"), stage.event(post="a"))
    stage.passes(3)
    assert stage.builds == 1


def test_control_k10_a_queue_that_merges_with_what_is_being_built_loses_the_second_edit(stage: Stage) -> None:
    same = stage.event(post="a", delivery_id=None)
    seen: set[str] = set()

    def arrives(events: Sequence[Event]) -> None:
        stage.arrives(*(event for event in events if event.same not in seen))
        seen.update(event.same for event in events)

    stage.builder.during = lambda: arrives([same])
    arrives([same])
    stage.loop.step()
    stage.passes(10)
    assert stage.builds == 1


def test_control_k11_without_the_wait_a_failing_cms_is_asked_without_end(stage: Stage) -> None:
    stage.builder.answer = lambda request: failing()
    stage.arrives(stage.event(post="a"))
    until = stage.hours.seconds + 160
    while stage.hours.seconds < until:
        stage.loop._not_before = 0.0
        stage.hours.seconds += stage.loop.step()
    assert stage.builds > 20, "six with it"


def test_control_k12_between_two_looks_what_nobody_announces_is_not_found(stage: Stage) -> None:
    stage.passes(200)
    assert stage.builds == 0
    stage.passes(9_000)
    assert stage.builds >= 1


def test_control_n1_a_wait_by_the_wall_clock_lasts_as_long_as_the_clock_was_set_back(stage: Stage) -> None:
    began = stage.hours.monotonic
    set_back_s = [0.0]
    stage.loop._monotonic = lambda: began() - set_back_s[0]
    stage.passes(10)
    set_back_s[0] = 6 * 365 * 86_400.0
    stage.arrives(stage.event(post="a"))
    stage.passes(3_600)
    assert stage.builds == 0, "neither for the event nor for the look that is due"


def test_control_n13_a_day_with_quota_to_spare_is_looked_at(stage: Stage) -> None:
    stage.builder.answer = lambda request: done(changed=0, calls_today=100)
    stage.passes(550)
    before = stage.builds
    stage.passes(3_600)
    assert stage.builds > before


# --- processes

ORPHAN = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
PARENT = """
import sys, time
from velobuild.serve import child
made = child.BuildChild(program=sys.argv[1] or child.PROGRAM)
made.start()
print(made.pid, flush=True)
time.sleep(60)
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("program", "outlives"), [("", False), (ORPHAN, True)], ids=["ours", "without asking"])
def test_control_l6_a_child_that_did_not_ask_to_die_with_its_parent_outlives_it(program: str, outlives: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    try:
        deadline = time.monotonic() + (1 if outlives else 20)
        while lives(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert lives(pid) is outlives
    finally:
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def test_control_l5_a_child_that_is_only_asked_may_never_end() -> None:
    child = BuildChild(program=DEAF)
    child.start()
    pid = child.pid
    assert pid is not None
    deadline = time.monotonic() + 20
    while not ignores_sigterm(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.3)
    assert lives(pid)
    child.end()
    assert not lives(pid)


def ignores_sigterm(pid: int) -> bool:
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("SigIgn:")]
    return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
