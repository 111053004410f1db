"""The plugin door: the very example of the documentation is built, installed and used; what is broken is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import Ended, velobuild
from velobuild.sources.plugins import contract_problem

DOCS = Path(__file__).parents[2] / "docs" / "sources.md"
FEED = {
    "version": "https://jsonfeed.org/version/1.1",
    "items": [
        {
            "id": "1",
            "title": "First flush",
            "content_html": "<p>Leaves</p>",
            "date_published": "2026-05-03T10:00:00+02:00",
            "tags": ["Tea"],
        },
        {"id": "2", "title": "Oolong", "content_html": "<p>Later</p>", "date_published": "2026-05-04T10:00:00Z"},
    ],
}


def documented() -> dict[str, str]:
    """File name → content, of the example in docs/sources.md."""
    text = DOCS.read_text("utf-8").partition("## A source of your own")[2]
    return dict(re.findall(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a wheel. hatchling makes it, as its pyproject.toml asks."""
    folder = tmp_path_factory.mktemp("velobuild-jsonfeed")
    for name in ("pyproject.toml", "velobuild_jsonfeed.py"):
        (folder / name).write_text(documented()[name], "utf-8")
    call = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", call, str(folder)], cwd=folder, check=True, capture_output=True, timeout=120)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as an installer leaves it: a wheel without scripts is unpacked and no more."""
    target = tmp_path_factory.mktemp("target")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "velobuild.toml").write_text(documented()["velobuild.toml"], "utf-8")
    (folder / "feed.json").write_text(json.dumps(FEED), "utf-8")
    return folder


def in_a_process(site: Path, target: Path, *arguments: str) -> Ended:
    """The command line in a process that has `target` on its path, as an environment with the package would."""
    done = subprocess.run(
        [sys.executable, "-m", "velobuild", *arguments],
        cwd=site,
        env={"PYTHONPATH": str(target), "PATH": "", "HOME": str(site.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_the_documented_example_has_at_most_sixty_lines() -> None:
    lines = documented()["velobuild_jsonfeed.py"].splitlines()
    assert 20 < len(lines) <= 60


def test_the_documented_example_is_installed_and_builds_a_site(site: Path, installed: Path) -> None:
    ended = in_a_process(site, installed, "build")
    assert ended.code == 0, ended.err
    page = (site / "public" / "first-flush" / "index.html").read_text("utf-8")
    assert "<p>Leaves</p>" in page
    assert (site / "public" / "tags" / "tea").is_dir()
    again = in_a_process(site, installed, "build")
    assert "Synced: no post changed" in again.err
    (site / "feed.json").write_text(json.dumps({**FEED, "items": FEED["items"][:1]}), "utf-8")
    assert in_a_process(site, installed, "build").code == 0
    assert not (site / "public" / "oolong").exists()
    assert '"jsonfeed" of velobuild-jsonfeed 1.0 was opened' in in_a_process(site, installed, "doctor").out


def test_without_the_package_the_type_is_unknown(site: Path) -> None:
    ended = velobuild("build", directory=site)
    assert ended.code == 2
    assert 'there is no source "jsonfeed"' in ended.err


def test_a_plugin_stands_beside_a_folder(site: Path, installed: Path) -> None:
    toml = documented()["velobuild.toml"].replace("[source]", '[[source]]\nname = "feed"')
    (site / "velobuild.toml").write_text(f'{toml}\n[[source]]\nname = "own"\ntype = "folder"\n', "utf-8")
    (site / "content").mkdir()
    (site / "content" / "2026-05-05-own.md").write_text("Text", "utf-8")
    ended = in_a_process(site, installed, "build")
    assert ended.code == 0, ended.err
    assert (site / "public" / "own").is_dir()
    assert (site / "public" / "oolong").is_dir()


def test_what_the_plugin_says_of_its_options_reaches_the_user(site: Path, installed: Path) -> None:
    (site / "velobuild.toml").write_text('[source]\ntype = "jsonfeed"\n', "utf-8")
    ended = in_a_process(site, installed, "build")
    assert (ended.code, "the feed's file is missing" in ended.err) == (2, True)
    assert "[source.options]" in ended.err


def test_a_failing_plugin_is_named_and_the_live_site_stays(site: Path, installed: Path) -> None:
    in_a_process(site, installed, "build")
    (site / "feed.json").write_text('{"items": [{"id": 7}]}', "utf-8")
    ended = in_a_process(site, installed, "build")
    assert ended.code == 5
    assert "VB2201" in ended.err
    assert '"jsonfeed" of velobuild-jsonfeed 1.0' in ended.err
    assert "Traceback" not in ended.err
    assert (site / "public" / "first-flush").is_dir()


# --- broken packages


BROKEN = {
    "no module": ("missing_module:open_source", "", 2, "it cannot be loaded: ModuleNotFoundError"),
    "no name": ("broken_source:nothing", "", 2, "it cannot be loaded: AttributeError"),
    "fails at import": ("broken_source:f", "1 / 0", 2, "it cannot be loaded: ZeroDivisionError"),
    "no function": ("broken_source:f", "f = 3", 2, "nothing that can be called"),
    "fails at opening": (
        "broken_source:f",
        "def f(context): raise ValueError('no')",
        2,
        "cannot be opened: ValueError",
    ),
    "no source": ("broken_source:f", "def f(context): return 3", 2, "a int without a method `changes`"),
    "another signature": (
        "broken_source:f",
        "class S:\n def changes(self): ...\ndef f(context): return S()",
        2,
        "cannot be called with (known, cursor)",
    ),
    "no deltas": (
        "broken_source:f",
        "class S:\n def changes(self, known, cursor): yield 3\ndef f(context): return S()",
        5,
        "it gave a int in place of a Delta",
    ),
    "no iterator": (
        "broken_source:f",
        "class S:\n def changes(self, known, cursor): return None\ndef f(context): return S()",
        5,
        "it failed: TypeError",
    ),
    "another entry": (
        "broken_source:f",
        "from velobuild.model.entries import *\nclass S:\n def changes(self, known, cursor):\n"
        "  yield Delta(Collection.POSTS, (Media('a', '/a'),), {'a': '1'})\ndef f(context): return S()",
        5,
        "among its posts is a Media",
    ),
    "no version": (
        "broken_source:f",
        "from velobuild.model.entries import *\nclass S:\n def changes(self, known, cursor):\n"
        "  yield Delta(Collection.MEDIA, (Media('a', '/a'),), {})\ndef f(context): return S()",
        5,
        "names no version of `a`",
    ),
    "no zone": (
        "broken_source:f",
        "from datetime import datetime\nfrom velobuild.model.entries import *\nclass S:\n"
        " def changes(self, known, cursor):\n  at = datetime(2026, 5, 3)\n"
        "  p = Post('a', 'a', 'A', '', BodyFormat.HTML, 'published', at)\n"
        "  yield Delta(Collection.POSTS, (p,), {'a': '1'}, complete=True)\ndef f(context): return S()",
        5,
        "`updated_at` of `a` has no time zone",
    ),
}


@pytest.fixture
def on_the_path(tmp_path: Path) -> Iterator[Path]:
    """A folder of packages that this process finds; what came from it is forgotten at the end."""
    folder = tmp_path / "packages"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("broken_source", None)


def package(folder: Path, name: str, entry: str) -> None:
    made = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    (made / "entry_points.txt").write_text(f"[velobuild.sources]\nbroken = {entry}\n", "utf-8")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_is_named_with_what_is_wrong(tmp_path: Path, on_the_path: Path, name: str) -> None:
    entry, code, exit_code, says = BROKEN[name]
    package(on_the_path, "velobuild-broken", entry)
    (on_the_path / "broken_source.py").write_text(code, "utf-8")
    (tmp_path / "velobuild.toml").write_text('[source]\ntype = "broken"\n', "utf-8")
    ended = velobuild("sync", directory=tmp_path)
    assert ended.code == exit_code, ended.err
    assert says in ended.err
    assert '"broken" of velobuild-broken 1.0' in ended.err
    assert ("VB1108" if exit_code == 2 else "VB2201") in ended.err


def test_two_packages_for_one_type_are_refused(tmp_path: Path, on_the_path: Path) -> None:
    package(on_the_path, "velobuild-one", "one:f")
    package(on_the_path, "velobuild-two", "two:f")
    (tmp_path / "velobuild.toml").write_text('[source]\ntype = "broken"\n', "utf-8")
    ended = velobuild("sync", directory=tmp_path)
    assert ended.code == 2
    assert "velobuild-one 1.0" in ended.err
    assert "velobuild-two 1.0" in ended.err


def test_a_package_gets_a_token_only_if_one_is_named_for_it(tmp_path: Path, on_the_path: Path) -> None:
    """The token of the CMS lies in the environment of many sites that use a package."""
    package(on_the_path, "velobuild-asking", "broken_source:f")
    code = "def f(context): raise ValueError(str([t.origin for t in context.tokens]))"
    (on_the_path / "broken_source.py").write_text(code, "utf-8")
    environment = {"VELOCMS_API_KEY": "velo_cms", "VELOBUILD_TOKEN": "velo_any", "OWN": "own"}
    for toml, given in (("", "ValueError: []"), ('token_env = "OWN"\n', "environment variable OWN")):
        (tmp_path / "velobuild.toml").write_text(f'[source]\ntype = "broken"\n{toml}', "utf-8")
        ended = velobuild("sync", directory=tmp_path, environment=environment)
        assert given in ended.err


def test_a_secret_in_a_packages_options_is_refused(tmp_path: Path, on_the_path: Path) -> None:
    package(on_the_path, "velobuild-broken", "x:y")
    toml = '[source]\ntype = "broken"\n[source.options]\napi_key = "hush-hush"\n'
    (tmp_path / "velobuild.toml").write_text(toml, "utf-8")
    ended = velobuild("config", "validate", directory=tmp_path)
    assert (ended.code, "VB1203" in ended.err, "hush" in ended.err) == (2, True, False)


def test_options_keep_their_types(tmp_path: Path, on_the_path: Path) -> None:
    package(on_the_path, "velobuild-asking", "broken_source:f")
    (on_the_path / "broken_source.py").write_text("def f(context): raise ValueError(repr(context.options))", "utf-8")
    toml = '[source]\ntype = "broken"\n[source.options]\nsince = 2026-05-03\ndeep = { list = [1, "a"] }\n'
    (tmp_path / "velobuild.toml").write_text(toml, "utf-8")
    ended = velobuild("sync", directory=tmp_path)
    assert "{'since': datetime.date(2026, 5, 3), 'deep': {'list': [1, 'a']}}" in ended.err


def test_a_source_of_another_language_is_taken_at_its_word() -> None:
    class Foreign:
        changes = staticmethod(iter)

    assert contract_problem(Foreign()) is None
    assert contract_problem(object()) is not None
