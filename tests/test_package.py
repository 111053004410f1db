"""What users install is the wheel, not this checkout: it must hold all it needs, and nothing that strayed in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests.judges.installed import missing
from velobuild import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SHIPPED = ("themes", "docs", "example_site")
PACKAGED = ("velobuild", *SHIPPED, "tests/judges", "pyproject.toml", "README.md", "LICENSE")
NO_NETWORK = re.compile(
    r"Could not find a version|No matching distribution|name resolution|ConnectionError|NewConnection"
)
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Fresh:
    """A virtual environment that knows nothing of the checkout, and the empty folder it is used in."""

    venv: Path
    home: Path

    def run(self, *command: str, timeout_s: int = 5 * MINUTE_S) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VELO", "VIRTUAL"))}
        environment = {**kept, "HOME": str(self.home), "PIP_CACHE_DIR": str(cache()), "PIP_NO_INPUT": "1"}
        program, *arguments = command
        return subprocess.run(
            [self.venv / "bin" / program, *arguments],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def pip(self, *arguments: str) -> None:
        """Skips the test, or fails it in CI, where the package registry cannot be reached."""
        ended = self.run("python", "-m", "pip", "--disable-pip-version-check", *arguments)
        if ended.returncode != 0 and NO_NETWORK.search(ended.stderr):
            missing(f"pip cannot reach its registry: {ended.stderr.strip().splitlines()[-1]}")
        assert ended.returncode == 0, ended.stdout + ended.stderr


def cache() -> Path:
    """pip's cache of this user: nothing is fetched twice."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pip"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "home").mkdir()
    made = subprocess.run([sys.executable, "-m", "venv", folder / "venv"], capture_output=True, text=True)
    if made.returncode != 0:
        missing("this Python has no venv: apt install python3-venv")
    return Fresh(folder / "venv", folder / "home")


@pytest.fixture(scope="module")
def wheel(fresh: Fresh) -> Path:
    """The wheel of this checkout as somebody has it who worked with it: with bytecode and installed judges about."""
    source = fresh.home.parent / "source"
    for name in PACKAGED:
        part = ROOT / name
        if part.is_dir():
            shutil.copytree(part, source / name, ignore=shutil.ignore_patterns("node_modules"))
        else:
            shutil.copy2(part, source / name)
    for folder in ("velobuild/__pycache__", "example_site/__pycache__"):
        (source / folder).mkdir(parents=True, exist_ok=True)
        (source / folder / "stray.pyc").write_bytes(b"x")
    # hatchling asks git's list of what to ignore, as in the checkout.
    shutil.copy2(ROOT / ".gitignore", source)
    fresh.pip("wheel", "--no-deps", "--wheel-dir", str(fresh.home.parent / "dist"), str(source))
    (built,) = (fresh.home.parent / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(fresh: Fresh, wheel: Path) -> Fresh:
    fresh.pip("install", str(wheel))
    return fresh


def files(folder: Path) -> set[str]:
    """The files of a folder that git knows, relative to it."""
    listed = subprocess.run(["git", "ls-files", "-z", "."], cwd=folder, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name and (folder / name).is_file()}


def test_the_wheel_holds_every_theme_page_and_post_and_nothing_that_strayed_in(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    strays = [name for name in names if {"__pycache__", "node_modules"} & set(PurePosixPath(name).parts)]
    assert strays == []
    assert [name for name in names if name.endswith(".pyc")] == []
    tops = {PurePosixPath(name).parts[0] for name in names}
    assert tops == {"velobuild", f"velobuild-{__version__}.dist-info"}
    for part in SHIPPED:
        within = {name.removeprefix(f"velobuild/_shipped/{part}/") for name in names if f"_shipped/{part}/" in name}
        assert files(ROOT / part) - within == set(), part
    assert {f"velobuild/{name}" for name in files(ROOT / "velobuild")} - names == set()


def test_the_command_says_its_version_and_comes_from_where_it_was_installed(installed: Fresh) -> None:
    assert installed.run("velobuild", "--version").stdout.split()[:2] == ["velobuild", __version__]
    where = installed.run("python", "-c", "import velobuild; print(velobuild.__file__)").stdout.strip()
    assert Path(where).is_relative_to(installed.venv)


def test_help_has_its_pages_with_it(installed: Fresh) -> None:
    ended = installed.run("velobuild", "help", "VB1104")
    assert ended.returncode == 0, ended.stderr
    assert "unknown key" in ended.stdout
    assert "configuration.md" in ended.stdout


def test_a_new_site_is_made_and_its_build_asks_for_the_token(installed: Fresh) -> None:
    made = installed.run("velobuild", "init", "mine", "--url", "https://mine.velocms.example")
    assert made.returncode == 0, made.stderr
    built = installed.run("velobuild", "-C", "mine", "build")
    assert built.returncode == 2
    assert built.stderr.startswith("error[VB1201]: no token was found\n")
    assert not (installed.home / "mine/public").exists()


def test_the_demo_names_the_extra_it_needs_and_with_it_builds_the_example_site(installed: Fresh, wheel: Path) -> None:
    without = installed.run("velobuild", "demo", "--no-serve", "--folder", "early")
    assert without.returncode == 2
    assert "VB1501" in without.stderr
    assert "velobuild[demo]" in without.stderr
    assert not (installed.home / "early").exists()
    installed.pip("install", f"{wheel}[demo]")
    ended = installed.run("velobuild", "--json", "demo", "--no-serve", "--folder", "demo")
    assert ended.returncode == 0, ended.stderr
    index = Path(json.loads(ended.stdout)["index"])
    page = index.read_text("utf-8")
    assert "Ladle &amp; Spanner" in page
    assert len(list(index.parent.rglob("*.html"))) > 60
    (style,) = re.findall(r'href="(/assets/css/plain[^"]+)"', page)
    assert (index.parent / style.lstrip("/")).is_file()
