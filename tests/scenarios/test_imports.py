"""What a command loads: nothing that it does not use, for most of its time is loading."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.scenarios.site import SiteTest

SCRIPT = """
import sys
sys.argv = ["velobuild", *{arguments!r}]
from velobuild.cli.main import main
code = main()
assert code == 0, code
sys.stdout.flush()
sys.stderr.write("\\nloaded: " + " ".join(name for name in {names!r} if name in sys.modules))
"""
VALIDATING = ("pydantic", "velobuild.config.settle")
PREPARING = ("nh3", "selectolax", "velobuild.markup.body", "markdown", "pymdownx", "pyromark", "yaml")
RENDERING = ("jinja2", "feedgen", "lxml", "babel")
SERVING = ("uvicorn", "starlette", "watchdog", "asyncio")
WORKING = ("velobuild.pipeline.steps", "velobuild.pipeline.tracing", "velobuild.graph", "velobuild.content.store")
REST = ("PIL", "sqlite3", "velobuild.devcms")


def loaded(site: SiteTest, *arguments: str) -> set[str]:
    """The modules of those above that one command has loaded, in a process of its own."""
    names = (*VALIDATING, *PREPARING, *RENDERING, *SERVING, *WORKING, *REST)
    script = SCRIPT.format(arguments=["-C", str(site.root), *arguments], names=names)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ})
    assert ended.returncode == 0, ended.stderr
    return set(ended.stderr.rpartition("loaded: ")[2].split())


def test_a_build_of_an_unchanged_site_loads_nothing_of_what_would_change_it(site: SiteTest) -> None:
    site.posts(3).builds()
    loaded(site, "build", "--offline")  # This one keeps the configuration as this very command line settles it.

    assert loaded(site, "build", "--offline") == {"sqlite3"}


def test_each_kind_of_work_loads_its_own(site: SiteTest) -> None:
    site.posts(3).builds()
    loaded(site, "build", "--offline")
    found = loaded(site, "--set", "content.toc_depth=2", "build", "--offline", "--jobs", "1")

    assert {"pydantic", "nh3", "selectolax", "velobuild.markup.body", "jinja2"} <= found
    assert not found & {"markdown", "pyromark", *SERVING}


def test_a_single_edit_loads_nothing_of_the_calendar(site: SiteTest) -> None:
    site.posts(3).builds().edit("post-1", content_html="<p>Otherwise.</p>").does("sync")

    found = loaded(site, "build", "--offline")
    assert "jinja2" in found
    assert "babel" not in found


@pytest.mark.parametrize("arguments", [["releases"], ["config", "show"]], ids=["releases", "config show"])
def test_what_only_reads_loads_neither_parsers_nor_templates(site: SiteTest, arguments: list[str]) -> None:
    site.posts(1).builds()
    loaded(site, *arguments)

    assert loaded(site, *arguments) <= {"sqlite3"}
