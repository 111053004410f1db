from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG of 40 by 30 pixels, named pot.png."""
    path = tmp_path / "pot.png"
    Image.new("RGB", (40, 30), "teal").save(path)
    return path
