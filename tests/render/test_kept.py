"""A theme that a process has read is read again only after something of it changed, and then always."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from velobuild.config.schema import Config, SiteConfig, SourceConfig, ThemeConfig
from velobuild.render import kept
from velobuild.render.kept import current_theme
from velobuild.render.theme import Theme

LONG_AGO_S = 1_700_000_000
MANIFEST = 'name = "own"\ndescription = "Own"\nversion = "1"\nlicence = "MIT"\nextends = "plain"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "theme"
    (made / "templates" / "parts").mkdir(parents=True)
    (made / "static").mkdir()
    (made / "theme.toml").write_text(MANIFEST)
    (made / "templates" / "parts" / "box.html").write_text("a box")
    (made / "static" / "site.css").write_text("body {}")
    return tmp_path


@pytest.fixture
def nothing_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "RESTED_NS", -1)


def rested(root: Path) -> None:
    for path in [root / "theme", *(root / "theme").rglob("*")]:
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))


def read(root: Path) -> Theme:
    config = Config(
        site=SiteConfig(title="T", base_url="https://site.example"),
        source=SourceConfig(url="https://cms.example"),
        theme=ThemeConfig(name="own", path="theme"),
    )
    return current_theme(config, root)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a template is edited": lambda theme: (theme / "templates/parts/box.html").write_text("a bin"),
    "a template comes": lambda theme: (theme / "templates/parts/new.html").write_text("new"),
    "a template goes": lambda theme: (theme / "templates/parts/box.html").unlink(),
    "a template is replaced by one of its time": lambda theme: replaced(theme / "templates/parts/box.html"),
    "a static file comes": lambda theme: (theme / "static/new.css").write_text("p {}"),
    "a folder that was not there comes": lambda theme: (theme / "locales").mkdir(),
    "a file comes, and the folder gets its old time": lambda theme: restored(theme / "static/new.css"),
    "the manifest is edited": lambda theme: (theme / "theme.toml").write_text(f"{MANIFEST}\n"),
}


def replaced(file: Path) -> None:
    """Other bytes in as many, and the same time."""
    new = file.with_name("new")
    new.write_text("b" * file.stat().st_size)
    os.utime(new, (LONG_AGO_S, LONG_AGO_S))
    new.rename(file)
    os.utime(file.parent, (LONG_AGO_S, LONG_AGO_S))


def restored(file: Path) -> None:
    """As archives are unpacked."""
    file.write_text("p {}")
    for path in (file, file.parent):
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))


@pytest.mark.usefixtures("nothing_is_young")
def test_a_theme_that_is_as_it_was_is_not_read_again(root: Path) -> None:
    rested(root)
    assert read(root) is read(root)


@pytest.mark.usefixtures("nothing_is_young")
@pytest.mark.parametrize("change", CHANGES)
def test_it_is_read_again_when(root: Path, change: str) -> None:
    rested(root)
    before = read(root)
    CHANGES[change](root / "theme")
    assert read(root) is not before


def test_files_that_may_still_be_changing_are_read_each_time(root: Path) -> None:
    assert read(root) is not read(root)
    rested(root)
    assert read(root) is not read(root), "unpacked just now, with old times"
