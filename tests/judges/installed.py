"""What the judges need on this machine. Where it is missing a test is skipped with the reason; in CI it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

MODULES = Path(__file__).parent / "node_modules"
VNU_JAR = MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"
AXE_SCRIPT = MODULES / "axe-core" / "axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def java() -> str:
    """The path of java, with the checker's jar known to be there."""
    _need(VNU_JAR.is_file(), f"{VNU_JAR.name} is missing: npm ci --prefix tests/judges")
    return shutil.which("java") or missing("java is missing: apt install default-jre-headless")


def axe_script() -> str:
    """The text of axe-core."""
    _need(AXE_SCRIPT.is_file(), f"{AXE_SCRIPT.name} is missing: npm ci --prefix tests/judges")
    return AXE_SCRIPT.read_text(encoding="utf-8")


def chromium() -> str:
    """The path of a Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or missing("chromium is missing: apt install chromium")


def _need(here: bool, reason: str) -> None:
    if not here:
        missing(reason)


def missing(reason: str) -> NoReturn:
    """Skip the running test, or fail it in CI, where nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
