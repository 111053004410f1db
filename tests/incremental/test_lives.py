"""Short lives, each of which one forgotten thing would spoil: see test_mutants for the proof that it would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.incremental.lives import LIVES, lived


@pytest.mark.parametrize("name", LIVES)
def test_every_build_is_a_clean_one_when(name: str, tmp_path: Path) -> None:
    lived(name, tmp_path)
