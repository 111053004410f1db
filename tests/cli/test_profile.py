"""`build --profile`: where the time went, as a table for people and as a part of the document."""

from __future__ import annotations

import io
from pathlib import Path

from tests.scenarios.written import Written
from velobuild.cli.main import run


def table(site: Written, *arguments: str) -> tuple[str, str]:
    """(stdout, stderr) of a build."""
    out, err = io.StringIO(), io.StringIO()
    code = run(("build", *arguments), environment={}, out=out, err=err, stdin=io.StringIO(), directory=site.root)
    assert code == 0, err.getvalue()
    return out.getvalue(), err.getvalue()


def test_a_build_tells_its_phases_templates_outputs_and_bodies(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=5)

    profile = site.builds("--profile")["profile"]

    assert profile["rendered"] == site.does("explain", "--all")["rendered"]
    by_name = {cost["name"]: cost for cost in profile["templates"]}
    assert by_name["post.html"]["count"] == 5
    assert sum(cost["us"] for cost in profile["templates"]) == profile["render_us"] > 0
    assert {cost["name"] for cost in profile["bodies"]} == {"P0", "P1", "P2", "P3", "P4"}
    for costs in (profile["templates"], profile["outputs"], profile["bodies"]):
        assert [cost["us"] for cost in costs] == sorted((cost["us"] for cost in costs), reverse=True)
    assert profile["recording_us"] > 0
    assert 0 < profile["recording_percent"] < 100


def test_an_update_is_profiled_alone(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=5)
    site.builds()
    site.post("p1", "Words.", day=27, tags="jam")

    profile = site.builds("--profile")["profile"]

    assert profile["rendered"] == 4
    assert [cost["name"] for cost in profile["bodies"]] == ["P1"]
    assert {cost["name"] for cost in profile["outputs"]} == {"/p1/", "/feed.xml", "/atom.xml", "/tags/jam/feed.xml"}


def test_the_table_goes_to_stderr_and_only_where_it_was_asked_for(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=2)

    out, err = table(site, "--profile")
    assert "post.html" in err
    assert "Slowest outputs" in err
    assert "Recording what pages read:" in err
    assert len(out.splitlines()) == 1
    assert "Slowest" not in table(site, "--clean")[1]
    assert "profile" not in site.builds()
