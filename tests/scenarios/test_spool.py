"""What waits for the trace comes out as it went in, from memory and from the disk, and leaves no file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from velobuild.errors import OutputError
from velobuild.graph.trace import Made
from velobuild.model.outputs import OutputFile, Phase, Target
from velobuild.model.reads import Answer, Footprint, Reads
from velobuild.pipeline.spool import IN_MEMORY_BYTES, Answers, Spool

KEYS = frozenset({"template:post.html", "term:tee"})


def chunk(number: int) -> list[Made]:
    name = f"é{number}"
    target = Target(f"{name}/index.html", f"/{name}/", "tag", "template", "tag.html", {"tag": name, "limit": None})
    reads = Reads(((number, 7), (2**40, 1)), (f"posts:{name}",), KEYS)
    file = OutputFile(target.path, "ab" * 32, number, Phase.LISTS)
    return [Made(target, file, reads, "{}", 12, failed=bool(number % 2)), Made(target, file, Reads(), "x" * 500)]


@pytest.mark.parametrize("count", [0, 3, IN_MEMORY_BYTES // 400])
def test_chunks_come_out_in_their_order_as_they_went_in(tmp_path: Path, count: int) -> None:
    spool = Spool(tmp_path)
    chunks = [chunk(number) for number in range(count)]
    for made in chunks:
        spool.add(iter(made))
    assert len(spool) == 2 * count
    assert list(spool) == [one for made in chunks for one in made]
    assert list(spool) == [one for made in chunks for one in made], "a second time too"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_is_told_of_with_the_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "gone")
    spool.add(chunk(1))  # into memory
    with pytest.raises(OutputError) as failed:
        spool.add([replace(chunk(2)[0], reason="x" * IN_MEMORY_BYTES)])
    assert (failed.value.code, failed.value.diagnostics[0].where) == ("VB6002", str(tmp_path / "gone"))


def test_an_answer_comes_out_as_it_went_in_and_once() -> None:
    answers = Answers()
    kept = Answer(b"\x00\xff", (Footprint("tag=tée", several=True), Footprint("post", "2026-01-01", "2026-12-31")))
    answers.add({"posts:1": Answer(b"", ()), "posts:2": kept})
    assert answers.take("posts:2") == kept
    assert answers.take("posts:2") is None
    assert answers.take("posts:3") is None
    assert answers.take("posts:1") == Answer(b"", ())
