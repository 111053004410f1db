"""`velobuild audit` finds whatever is not what velobuild believes, and nothing where all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.written import TOML, Written


@pytest.fixture
def site(tmp_path: Path) -> Written:
    site = Written(tmp_path / "site")
    site.file("pages/about.md", "---\ntitle: About\n---\nAbout *us*.").builds()
    return site


def found(site: Written, *arguments: str) -> set[tuple[str, str]]:
    """(kind, subject) of all findings."""
    report = site.does("audit", "--all", *arguments)
    assert site.code == (1 if report["findings"] else 0)
    assert all(finding["matters"] and finding["what"] for finding in report["findings"])
    return {(finding["kind"], finding["subject"]) for finding in report["findings"]}


def test_a_sound_site_has_no_findings_after_any_kind_of_build(site: Written) -> None:
    assert found(site) == set()
    site.post("p1", "Words.", day=27, tags="bread, tea").without("posts/p3.md").builds()
    site.post("new", day=30).file("templates/note.html", "x").builds()
    site.post("p2", day=26, slug="elsewhere").builds()

    report = site.does("audit", "--all")
    assert report["findings"] == []
    assert report["rendered"] == report["outputs"] > 20
    assert report["files_read"] == report["files"]


def test_it_changes_nothing(site: Written) -> None:
    files = {file: file.read_bytes() for file in (site.root / "public").rglob("*") if file.is_file()}
    found(site)

    assert files == {file: file.read_bytes() for file in (site.root / "public").rglob("*") if file.is_file()}
    assert site.builds()["rewritten"] == 0


# Each of these is one thing that is not true any more, and what must be found because of it.
TAMPERED: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "a key's fingerprint": (
        "UPDATE key SET fingerprint = x'00' WHERE name = 'pages'",
        {("key", "pages")},
    ),
    "a query's fingerprint": (
        "UPDATE key SET fingerprint = x'00' WHERE name = (SELECT min(name) FROM key WHERE name LIKE 'posts:%')",
        {("key", "*")},
    ),
    "the hash of an output": (
        "UPDATE output SET sha256 = 'ab' WHERE path = 'p2/index.html'",
        {("row", "/p2/"), ("page", "/p2/")},
    ),
    "the readers of a post": (
        "DELETE FROM post_read WHERE output = (SELECT id FROM output WHERE path = 'index.html')",
        {("row", "/index.html")},
    ),
    "the keys that an output read": (
        "UPDATE output SET bundle = (SELECT bundle FROM output WHERE path = 'robots.txt') WHERE path = 'p2/index.html'",
        {("page", "/p2/")},
    ),
    "an output's row": (
        "DELETE FROM output WHERE path = 'p3/index.html'",
        {("row", "*"), ("row", "/p3/index.html"), ("page", "/p3/")},
    ),
    "a body": (
        "UPDATE body SET body = '<p>Other.</p>' WHERE post_id LIKE '%p2%'",
        {("entry", "*")},
    ),
    "an entry's title": (
        "UPDATE entry SET value = replace(value, 'P2', 'Q2') WHERE collection = 'posts' AND value LIKE '%\"P2\"%'",
        {("entry", "*"), ("page", "/p2/"), ("page", "/")},
    ),
    "what a list sorts by": (
        "UPDATE post SET sort_at = '2020' || substr(sort_at, 5) WHERE title = 'P7'",
        {("entry", "*")},
    ),
    "a tag's row": (
        "DELETE FROM tag WHERE tag = 'jam' AND post_id = (SELECT id FROM post WHERE title = 'P1')",
        {("entry", "*")},
    ),
    "a number of posts": (
        "UPDATE tally SET posts = posts + 1 WHERE facet = 'tag=tea'",
        {("key", "*")},
    ),
    "a prepared body": (
        "UPDATE memo SET value = (SELECT value FROM memo ORDER BY length(value) DESC LIMIT 1)",
        {("entry", "*")},
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_row_that_was_changed_behind_the_stores_back_is_found(site: Written, what: str) -> None:
    statement, expected = TAMPERED[what]
    site.sql(statement)

    subjects = found(site)
    for kind, subject in expected:
        assert any(one[0] == kind and subject in ("*", one[1]) for one in subjects), (kind, subject, subjects)


def test_people_are_told_in_words_what_differs_what_it_matters_and_how_to_mend_it(site: Written) -> None:
    site.sql("UPDATE key SET fingerprint = x'00' WHERE name LIKE 'posts:%' AND name LIKE '%jam%'")
    (site.root / "public" / "p2" / "index.html").write_text("x")
    text = site.says("audit", "--all")

    assert "posts with the tag “jam”: that is another now, and no change was noted that says why." in text
    assert "page may show how it was. `velobuild build --clean` makes every page anew" in text
    assert "file /p2/index.html\n  it has 1 bytes, and " in text
    assert "Visitors get something else than was built. `velobuild build` mends it." in text
    assert "posts:" not in text, "the name of a key"


def test_a_file_that_was_changed_is_found_and_so_is_one_that_is_missing(site: Written) -> None:
    public = site.root / "public"
    same_size = (public / "p2/index.html").read_bytes()[::-1]
    (public / "p2/index.html").write_bytes(same_size)
    (public / "p4/index.html").unlink()

    assert found(site) == {("file", "/p2/index.html"), ("file", "/p4/index.html")}
    report = site.does("audit", "--sample", "0")
    assert [finding["subject"] for finding in report["findings"]] == ["/p4/index.html"], "sizes are looked at anyway"


def test_what_waits_for_the_next_build_is_no_finding(site: Written) -> None:
    site.post("p1", "Words.", day=27, tags="bread").post("new", day=30).does("sync")

    report = site.does("audit", "--all")
    assert report["findings"] == []
    assert report["pending"] > 0
    assert site.code == 0
    site.builds()
    assert found(site) == set()


def test_an_edited_template_waits_for_the_next_build_too(site: Written) -> None:
    site.file("templates/post.html", "{{ post.title }}")

    report = site.does("audit", "--all")
    assert report["findings"] == []
    assert report["pending"] == 8


@pytest.mark.parametrize("case", ["never built", "another configuration"])
def test_where_the_next_build_makes_all_anew_there_is_nothing_to_audit(tmp_path: Path, case: str) -> None:
    site = Written(tmp_path / "site")
    if case != "never built":
        site.builds()
        site.toml(TOML.replace("[feeds]\nsize = 3", "[feeds]\nsize = 2"))

    report: dict[str, Any] = site.does("audit")
    assert site.code == 2
    assert report["errors"][0]["code"] == "VB1107"
