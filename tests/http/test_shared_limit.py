"""Several processes with one key against a server that counts for itself."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.standin import StandIn, together

PROCESS = """
import sys
from pathlib import Path
from velobuild.config.schema import Secret
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter, Rate
limiter = Limiter(Path(sys.argv[2]) if sys.argv[2] else None, fixed=Rate(8, 0.4))
client = ApiClient(sys.argv[1], (Secret("velo_good"),), limiter=limiter)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(12):
    client.get_json("posts")
"""


def violations(cache: str) -> int:
    with StandIn(posts=1) as cms:
        cms.limit, cms.refuses = (8, 0.4), False
        arguments = [sys.executable, "-c", PROCESS, cms.url, cache]
        together(arguments, 3)
        assert len(cms.requests) == 36
        return cms.violations


def test_the_server_never_sees_a_window_exceeded_by_processes_that_share_their_key(tmp_path: Path) -> None:
    assert violations(str(tmp_path)) == 0


def test_control_the_server_sees_it_exceeded_by_processes_that_do_not_share() -> None:
    assert violations("") > 0
