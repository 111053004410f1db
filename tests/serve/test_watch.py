"""Files are watched by what is in them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers.api import BaseObserver

from velobuild.errors import Diagnostic
from velobuild.serve import watch
from velobuild.serve.watch import FileWatch, Places, is_temporary

PATIENCE_S = 10.0


class Ears:
    """A watch, and whether it stirred."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stirred = threading.Event()
        self.warnings: list[Diagnostic] = []
        self.watch = FileWatch(
            Places((root / "templates", root / "static", root / "pages"), (root / "velobuild.toml", root / ".env")),
            stirred=self.stirred.set,
            warn=self.warnings.append,
        )

    def changes(self) -> list[str]:
        """What changed, once it stirs."""
        assert self.stirred.wait(PATIENCE_S), "it never stirred"
        self.stirred.clear()
        return [path.relative_to(self.root).as_posix() for path in self.watch.changes()]

    def until(self, *wanted: str) -> None:
        """What changed is exactly this, however often it stirs on the way."""
        found: set[str] = set()
        while found != set(wanted):
            found |= set(self.changes())
            assert found <= set(wanted)


@pytest.fixture
def ears(tmp_path: Path) -> Iterator[Ears]:
    (tmp_path / "templates/parts").mkdir(parents=True)
    (tmp_path / "static").mkdir()
    (tmp_path / "templates/post.html").write_text("post")
    (tmp_path / "templates/parts/head.html").write_text("head")
    (tmp_path / "velobuild.toml").write_text("a = 1")
    made = Ears(tmp_path)
    with made.watch:
        assert made.changes() == []  # It stirs once by itself: what changed before it began must be looked for.
        yield made


def test_a_changed_file_a_new_one_and_a_removed_one_are_changes(ears: Ears) -> None:
    (ears.root / "templates/post.html").write_text("other")
    ears.until("templates/post.html")
    (ears.root / "static/new.css").write_text("a{}")
    ears.until("static/new.css")
    (ears.root / "templates/parts/head.html").unlink()
    ears.until("templates/parts/head.html")
    (ears.root / "velobuild.toml").write_text("a = 2")
    ears.until("velobuild.toml")
    (ears.root / ".env").write_text("TOKEN=1")
    ears.until(".env")


def test_a_file_of_the_same_size_and_time_is_a_change_if_its_content_is_another(ears: Ears) -> None:
    file = ears.root / "templates/post.html"
    status = file.stat()
    file.write_text("tsop")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    ears.until("templates/post.html")


def test_saving_it_as_it_was_touching_it_and_reading_it_change_nothing(ears: Ears) -> None:
    file = ears.root / "templates/post.html"
    file.write_text("post")
    file.touch()
    os.replace(_copy(file, ears.root / "templates/x.tmp"), file)
    assert ears.changes() == []
    ears.stirred.clear()
    for _ in range(20):
        file.read_bytes()
        list((ears.root / "templates").iterdir())
    # The control follows on the heels: had reading stirred anything, it would be told by now, in order.
    (ears.root / "templates/parts/head.html").write_text("control")
    ears.until("templates/parts/head.html")


def test_reading_alone_never_stirs(ears: Ears) -> None:
    ears.watch.changes()
    ears.stirred.clear()
    (ears.root / "templates/post.html").read_bytes()
    assert not ears.stirred.wait(0.5)
    (ears.root / "templates/post.html").write_text("control")
    assert ears.stirred.wait(PATIENCE_S)


def _copy(file: Path, to: Path) -> Path:
    to.write_bytes(file.read_bytes())
    return to


@pytest.mark.parametrize(
    "name",
    [".post.html.swp", "4913", "post.html~", "#post.html#", ".#post.html", "post.html.tmp", "post.html___jb_tmp___"],
)
def test_what_editors_put_beside_a_file_is_not_looked_at(ears: Ears, name: str) -> None:
    (ears.root / "templates" / name).write_text("x")
    (ears.root / "templates" / name).unlink()
    (ears.root / "templates" / name).write_text("y")
    (ears.root / "static/control.css").write_text("a{}")
    ears.until("static/control.css")


@pytest.mark.parametrize("name", ["post.html", "favicon.ico", ".env", ".well-known", "backup.html", "temp.css"])
def test_ordinary_names_are_not_taken_for_an_editors(name: str) -> None:
    assert not is_temporary(name)


def test_an_editors_way_of_replacing_a_file_is_one_change(ears: Ears) -> None:
    file = ears.root / "templates/post.html"
    file.rename(file.with_name("post.html~"))
    file.with_name(".new").write_text("replaced")
    file.with_name(".new").rename(file)
    file.with_name("post.html~").unlink()
    ears.until("templates/post.html")


def test_a_folder_that_comes_later_is_watched_from_then_on(ears: Ears) -> None:
    (ears.root / "pages/deep").mkdir(parents=True)
    (ears.root / "pages/deep/about.md").write_text("# About")
    ears.until("pages/deep/about.md")
    (ears.root / "pages/deep/about.md").write_text("# Us")
    ears.until("pages/deep/about.md")


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "post.html"
    file.write_text("before")
    parts = ["half ", "and ", "then ", "whole"]

    def meanwhile(seconds: float) -> None:
        if parts:
            with file.open("a") as opened:
                opened.write(parts.pop(0))

    made = FileWatch(Places((tmp_path,), ()), stirred=lambda: None, warn=lambda finding: None, sleep=meanwhile)
    file.write_text("")
    assert made.changes() == (file,)
    assert file.read_text() == "half and then whole"
    assert made.changes() == (), "nothing of it came after it was taken for whole"


def test_other_places_are_watched_after_a_move_and_what_comes_into_view_is_no_change(
    ears: Ears, tmp_path: Path
) -> None:
    theme = tmp_path / "theme"
    theme.mkdir()
    (theme / "base.html").write_text("base")
    ears.watch.move(Places((theme,), ()))
    ears.stirred.clear()
    assert ears.watch.changes() == ()
    (ears.root / "templates/post.html").write_text("nobody looks")
    (theme / "base.html").write_text("other")
    ears.until("theme/base.html")


@pytest.mark.parametrize("method", ["__init__", "schedule", "on_thread_start"])
def test_where_the_system_has_no_watches_left_files_are_looked_at_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    exhausted = type("Exhausted", (watch.Observer,), {method: refused})
    monkeypatch.setattr(watch, "Observer", exhausted)  # The system's answer, not ours.
    (tmp_path / "templates").mkdir()
    ears = Ears(tmp_path)
    with ears.watch:
        assert [warning.code for warning in ears.warnings] == ["VB6007"]
        assert isinstance(ears.watch._observer, BaseObserver)
        assert ears.changes() == []
        (tmp_path / "templates/post.html").write_text("new")
        ears.until("templates/post.html")
