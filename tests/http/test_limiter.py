"""The window that all processes share."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest

from tests.standin import FakeTime, together
from velobuild.errors import ConfigError
from velobuild.http.limiter import FILE_NAME, START, Limiter, Rate, Slot, key_name, parse_rate

KEY = key_name("https://blog.example", "velo_secret")

# Takes slots as fast as it gets them, and prints when each call began and ended.
PROCESS = """
import sys, time
from pathlib import Path
from velobuild.http.limiter import Limiter, Rate
folder = Path(sys.argv[1]) if sys.argv[1] else None
limiter = Limiter(folder, fixed=Rate(int(sys.argv[2]), float(sys.argv[3])))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[4])):
    while isinstance(slot := limiter.take("k"), float):
        time.sleep(slot)
    with slot:
        print(time.monotonic())
"""


def take(limiter: Limiter, time: FakeTime, calls: int = 1, *, call_s: float = 0.0) -> list[float]:
    """The moments at which so many calls are let through, one after the other, each of which takes so long."""
    moments = []
    for _ in range(calls):
        while isinstance(slot := limiter.take(KEY), float):
            time.sleep(slot)
        with slot:
            moments.append(time.now)
            time.now += call_s
    return moments


def worst(moments: list[float], window_s: float) -> int:
    """The most calls in any window."""
    ordered = sorted(moments)
    return max(sum(1 for t in ordered if start <= t < start + window_s) for start in ordered)


def limiter_of(time: FakeTime, folder: Path | None = None, fixed: Rate | None = None) -> Limiter:
    return Limiter(folder, fixed=fixed, monotonic=time.monotonic)


def test_no_window_ever_holds_more_calls_than_the_rate_allows() -> None:
    time = FakeTime()
    moments = take(limiter_of(time, fixed=Rate(5, 10)), time, 23)
    assert worst(moments, 10.0) == 5
    assert moments[-1] - moments[0] < 10.1 * 4 + 1, "and no time is wasted"


def test_it_begins_below_the_lowest_documented_limit_and_follows_what_a_header_tells() -> None:
    time = FakeTime()
    limiter = limiter_of(time)
    assert limiter.rate(KEY) == START == Rate(25, 60)
    limiter.tell(KEY, 100)
    assert limiter.rate(KEY) == Rate(95, 60)
    limiter.tell(KEY, 10)
    assert limiter.rate(KEY) == Rate(9, 60)
    limiter.tell(KEY, 1)
    assert limiter.rate(KEY) == Rate(1, 60)


def test_a_configured_rate_overrides_what_headers_tell() -> None:
    limiter = limiter_of(FakeTime(), fixed=parse_rate("2/s"))
    limiter.tell(KEY, 100)
    assert limiter.rate(KEY) == Rate(2, 1)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("95/min", Rate(95, 60)),
        ("2/s", Rate(2, 1)),
        ("1000/h", Rate(1000, 3600)),
        (" 30 / 10s ", Rate(30, 10)),
        ("5/0.5s", Rate(5, 0.5)),
    ],
)
def test_a_rate_is_written_as_calls_per_time(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "95", "0/min", "-1/s", "5/fortnight", "5/0s", "9" * 30 + "/s", "٣/min"])
def test_a_rate_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a rate") as caught:
        parse_rate(text)
    assert caught.value.code == "VB1101"


def test_a_call_counts_until_a_window_after_its_answer_not_after_its_sending() -> None:
    """A server that is reached late counts late: control is the window counted from the sending."""
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(1, 10))
    slot = limiter.take(KEY)
    assert isinstance(slot, Slot)
    with slot:
        time.now += 9.0  # the server sees it only now, perhaps
    (next_,) = take(limiter, time)
    assert next_ >= 1000 + 9 + 10
    naive = 1000 + 10
    assert next_ > naive


def test_a_call_under_way_holds_its_place_however_long_it_takes() -> None:
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(1, 1))
    assert isinstance(limiter.take(KEY), Slot)
    time.now += 30
    assert isinstance(limiter.take(KEY), float)


def test_a_call_of_a_process_that_died_gives_its_place_back(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from velobuild.http.limiter import *; "
    script += f"Limiter(Path(sys.argv[1]), fixed=Rate(1, 1)).take({KEY!r}); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, cwd=tmp_path).returncode == 9
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        assert database.execute("SELECT COUNT(*) FROM calls WHERE ended IS NULL").fetchone() == (1,)
        (sent,) = database.execute("SELECT sent FROM calls").fetchone()
    database.close()
    time = FakeTime(now=sent + 0.1)
    (moment,) = take(limiter_of(time, tmp_path, Rate(1, 1)), time)
    assert 1 <= moment - sent < 3


def test_a_pause_holds_for_every_limiter_of_the_key_and_for_no_other_key(tmp_path: Path) -> None:
    time = FakeTime()
    one, other = limiter_of(time, tmp_path), limiter_of(time, tmp_path)
    one.pause(KEY, 7.0)
    assert other.take(KEY) == pytest.approx(7.0)
    assert isinstance(other.take(key_name("https://blog.example", "velo_other")), Slot)
    one.pause(KEY, 3.0)
    assert other.take(KEY) == pytest.approx(7.0), "a shorter pause does not end a longer one"
    time.now += 7.1
    assert isinstance(other.take(KEY), Slot)


def test_what_was_written_before_the_machine_restarted_neither_blocks_nor_is_forgotten(tmp_path: Path) -> None:
    before = FakeTime(now=1_000_000.0)
    old = limiter_of(before, tmp_path, Rate(1, 10))
    take(old, before)
    old.pause(KEY, 600)
    after = FakeTime(now=5.0)
    (moment,) = take(limiter_of(after, tmp_path, Rate(1, 10)), after)
    assert 15 <= moment < 16


def test_the_file_holds_the_token_nowhere(tmp_path: Path) -> None:
    time = FakeTime()
    limiter = limiter_of(time, tmp_path)
    take(limiter, time, 3)
    limiter.tell(KEY, 100)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert KEY.encode() in written, "control: what is written would be found"
    assert b"velo_secret" not in written
    assert b"blog.example" not in written


def test_a_damaged_file_is_replaced_and_an_unwritable_folder_limits_this_process_alone(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 100)
    assert limiter_of(FakeTime(), tmp_path).shared
    (tmp_path / "file").write_text("no folder")
    alone = limiter_of(FakeTime(), tmp_path / "file" / "cache", Rate(1, 10))
    assert not alone.shared
    assert isinstance(alone.take(KEY), Slot)
    assert isinstance(alone.take(KEY), float)


def test_calls_are_counted_by_the_day() -> None:
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(100, 1))
    take(limiter, time, 7)
    assert limiter.calls_today(KEY) == 7
    assert limiter.calls_today("another") == 0


@pytest.mark.parametrize("gap_s", [0.0, 1.7])
@pytest.mark.parametrize("call_s", [0.0, 0.2, 3.0])
@pytest.mark.parametrize("calls", [1, 24, 25, 26, 49, 51, 107])
@pytest.mark.parametrize("before", [1, 7, 24, 25, 31])
def test_the_estimate_of_remaining_time_is_what_it_then_takes(
    before: int, calls: int, call_s: float, gap_s: float
) -> None:
    """Calls go out in bursts, whole windows apart; where each takes 3 s the limit never bites."""
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(25, 60))
    for _ in range(before):
        take(limiter, time, call_s=call_s)
        time.now += gap_s
    estimate, began = limiter.estimate_s(KEY, calls), time.now
    take(limiter, time, calls, call_s=call_s)
    assert time.now - began == pytest.approx(estimate, abs=1)


def test_control_an_even_rate_says_two_seconds_where_a_window_must_pass() -> None:
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(25, 60))
    assert limiter.estimate_s(KEY, 25) == 0
    estimate, began = limiter.estimate_s(KEY, 26), time.now
    take(limiter, time, 26)
    assert time.now - began == pytest.approx(estimate, abs=0.1)
    even = (26 - 25) / 25 * 60
    assert even < 3 < 60 < estimate


def test_the_estimate_counts_a_pause_a_lowered_limit_and_calls_under_way() -> None:
    time = FakeTime()
    paused = limiter_of(time, fixed=Rate(25, 60))
    paused.pause(KEY, 90)
    assert paused.estimate_s(KEY, 0) == 0
    assert paused.estimate_s(KEY, 26) == pytest.approx(90 + 60, abs=0.1)

    lowered = limiter_of(time)
    lowered.tell(KEY, 100)
    take(lowered, time, 40)
    lowered.tell(KEY, 11)
    estimate, began = lowered.estimate_s(KEY, 11), time.now
    take(lowered, time, 11)
    assert time.now - began == pytest.approx(estimate, abs=0.1)
    assert estimate > 120, "the ten of the lowered limit go out once the forty are forgotten, the last a window later"

    busy = limiter_of(time, fixed=Rate(2, 60))
    slots = [busy.take(KEY) for _ in range(2)]
    assert all(isinstance(slot, Slot) for slot in slots)
    assert busy.estimate_s(KEY, 1) == pytest.approx(60, abs=0.1)


def test_an_estimate_is_made_in_a_moment_however_much_is_to_do() -> None:
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(1000, 3600))
    take(limiter, time, 1000)
    began = process_time()
    assert limiter.estimate_s(KEY, 100_500) == pytest.approx(101 * 3600, rel=0.01)
    assert process_time() - began < 0.2


def test_what_is_left_is_the_room_in_the_window() -> None:
    time = FakeTime()
    limiter = limiter_of(time, fixed=Rate(25, 60))
    take(limiter, time, 7)
    assert limiter.left(KEY) == 18
    time.now += 61
    assert limiter.left(KEY) == 25


def run_processes(folder: str, processes: int, calls: int, rate: Rate) -> list[float]:
    arguments = [sys.executable, "-c", PROCESS, folder, str(rate.calls), str(rate.window_s), str(calls)]
    return [float(line) for line in together(arguments, processes)]


def test_processes_that_share_a_key_never_exceed_it_together(tmp_path: Path) -> None:
    rate = Rate(8, 0.4)
    moments = run_processes(str(tmp_path), 4, 12, rate)
    assert len(moments) == 48
    assert worst(moments, rate.window_s) <= rate.calls


def test_control_processes_that_do_not_share_their_window_exceed_it() -> None:
    rate = Rate(8, 0.4)
    assert worst(run_processes("", 4, 12, rate), rate.window_s) > rate.calls
