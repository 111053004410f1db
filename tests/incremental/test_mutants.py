"""The proof proves something: a velobuild that forgets one thing is found out, by a short life made for it and by
random ones. A copy of the package is changed in one place and lives in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.incremental.lives import LIVES, WRONG
from tests.incremental.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
RANDOM_LIVES = 300


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of velobuild and of these tests. Its compiled modules are kept: only what is changed is compiled anew."""
    folder = tmp_path_factory.mktemp("copies") / "whole"
    for name in ("velobuild", "tests/incremental"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(ROOT / "themes", folder / "themes")
    (folder / "tests" / "__init__.py").touch()
    return folder


def live(copy: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", f"tests.incremental.{module}", *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=1200)


def changed(whole: Path, mutant: Mutant, folder: Path) -> Path:
    """A copy that shares all files but one, which forgets something."""
    copy = folder / "copy"
    shutil.copytree(whole, copy, copy_function=os.link)
    file = copy / mutant.file
    source = file.read_text()
    assert source.count(mutant.text) == 1, f"{mutant.file} has another text: what is this mutant to forget?"
    file.unlink()
    file.write_text(source.replace(mutant.text, mutant.other))
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_life_finds_out_who_forgets(mutant: Mutant, whole: Path, tmp_path: Path) -> None:
    assert mutant.life in LIVES
    done = live(changed(whole, mutant, tmp_path), "lives", mutant.life)
    assert done.returncode == WRONG, f"it was not found out: {done.stdout[-500:]}{done.stderr[-2_000:]}"


def test_control_a_copy_that_forgets_nothing_is_not_found_out(whole: Path) -> None:
    done = live(whole, "lives", *sorted({mutant.life for mutant in MUTANTS})[:4])
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_random_lives_find_out_who_forgets(mutant: Mutant, whole: Path, tmp_path: Path) -> None:
    done = live(changed(whole, mutant, tmp_path), "random_lives", str(RANDOM_LIVES))
    assert done.returncode == WRONG, f"it was not found out: {done.stdout[-500:]}{done.stderr[-2_000:]}"
