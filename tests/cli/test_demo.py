"""The demo as a newcomer meets it: one command, and then those that it names."""

from __future__ import annotations

import re
import shlex
import stat
from pathlib import Path

import pytest

from tests.cli.command_line import velobuild


@pytest.mark.slow
def test_the_commands_that_the_demo_names_work_afterwards(tmp_path: Path) -> None:
    ended = velobuild("demo", "--no-serve", "--folder", "demo", directory=tmp_path)
    assert ended.code == 0, ended.err
    site = tmp_path / "demo/site"
    assert ended.out == f"{site}/public/index.html\n"
    assert (site / "public/index.html").is_file()
    assert stat.S_IMODE((site / ".env").stat().st_mode) == 0o600

    serve, start = (shlex.split(line)[1:] for line in re.findall(r"^  (\S+ (?:-C|cms) .+)$", ended.err, re.MULTILINE))
    assert serve == ["-C", str(site), "serve"]
    started = velobuild(*start, directory=tmp_path)
    try:
        assert started.code == 0, started.err
        again = velobuild("-C", str(site), "build", directory=tmp_path)
        assert again.code == 0, again.err
        assert again.out.startswith("Nothing to publish: ")
        assert "2 API calls" in again.err
    finally:
        data = start[start.index("--data") + 1]
        assert velobuild("cms", "--data", data, "stop", directory=tmp_path).code == 0


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/mine.txt").write_text("mine")
    ended = velobuild("demo", "--no-serve", "--folder", "demo", directory=tmp_path)
    assert ended.code == 2
    assert "VB1106" in ended.err
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["mine.txt"]
