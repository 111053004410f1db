"""Files that workers wrote: read back at once, and looked at again before they go live."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.publish.conftest import Site
from velobuild.errors import OutputError
from velobuild.model.outputs import UNMARKED, OutputFile
from velobuild.publish.marks import create_marked, is_untouched
from velobuild.publish.releases import Writer
from velobuild.publish.staging import Staging

PAGE = b"a page as it was made"
OTHER = b"a page that was defaced"[: len(PAGE)]


def page_of(content: bytes = PAGE) -> OutputFile:
    return OutputFile("posts/a/index.html", sha256(content).hexdigest(), len(content))


def recorded(staging: Staging) -> Path:
    with Writer(staging.folder, staging.stamp) as write:
        mark = write(page_of(), PAGE)
    staging.record(page_of(), stamped=True, mark=mark)
    file = staging.folder / page_of().path
    let_time_pass(file)
    return file


def let_time_pass(file: Path) -> None:
    """Until the file system's clock, which goes by ticks of some milliseconds, shows another time."""
    scratch = file.with_name("scratch")
    scratch.touch()
    while scratch.stat().st_ctime_ns <= file.stat().st_ctime_ns:
        scratch.touch()
    scratch.unlink()


def overwrite(file: Path) -> None:
    file.write_bytes(OTHER)


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(OTHER)
    other.replace(file)


def lead_elsewhere(file: Path) -> None:
    outside = file.parents[3] / "outside"
    outside.mkdir()
    (outside / file.name).write_bytes(OTHER)
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(outside)


@pytest.mark.parametrize("harm", [overwrite, replace])
def test_what_somebody_does_to_a_written_file_stops_the_release_whatever_its_times_say(
    site: Site, harm: Callable[[Path], None]
) -> None:
    with site.releases.begin() as staging:
        file = recorded(staging)
        before = file.stat()
        harm(file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert file.stat().st_size == before.st_size, "the control: size and mtime tell nothing"
        with pytest.raises(OutputError) as caught:
            staging.publish({})
    assert (caught.value.code, caught.value.diagnostics[0].where) == ("VB6002", page_of().path)


@pytest.mark.parametrize("harm", [Path.unlink, lead_elsewhere])
def test_a_written_file_that_is_gone_or_leads_elsewhere_stops_the_release(
    site: Site, harm: Callable[[Path], None]
) -> None:
    with site.releases.begin() as staging:
        harm(recorded(staging))
        with pytest.raises(OutputError) as caught:
            staging.publish({})
    assert "not what was written" in str(caught.value)


def test_a_file_that_was_touched_and_holds_its_bytes_goes_live(site: Site) -> None:
    with site.releases.begin() as staging:
        os.utime(recorded(staging), (1, 1))
        staging.publish({})
    assert site.served() == {page_of().path: PAGE.decode()}


def test_a_file_whose_writer_gave_no_mark_is_read(site: Site) -> None:
    with site.releases.begin() as staging:
        with Writer(staging.folder, staging.stamp) as write:
            write(page_of(), OTHER)
        staging.record(page_of(), stamped=True)
        with pytest.raises(OutputError):
            staging.publish({})


def test_a_mark_is_of_one_file_and_one_moment(tmp_path: Path) -> None:
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        one, other = (create_marked(parent, name, PAGE, mtime_s=7) for name in ("one", "other"))
    finally:
        os.close(parent)
    file = OutputFile("one", page_of().sha256, len(PAGE))
    assert is_untouched(tmp_path, file, one)
    assert not is_untouched(tmp_path, file, other)
    assert not is_untouched(tmp_path, file, UNMARKED)
    let_time_pass(tmp_path / "one")
    os.utime(tmp_path / "one", (7, 7))
    assert not is_untouched(tmp_path, file, one), "the same time once more is a change"
