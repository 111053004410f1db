"""A site at rest: a build with nothing to do looks whether all is there, and whatever is otherwise ends the rest."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.site import MADE, SiteTest

LATER = "2100-01-01T10:00:00Z"
RAISES_FOR_TEA = "{{ post.title }}{{ post.nothing if post.slug == 'tea' }}"


def rested(site: SiteTest) -> bool:
    """Whether the last build found out that it had nothing to do before it planned anything."""
    return set(site.ran.report["elapsed_ms"]) == {"plan"}


@pytest.fixture
def at_rest(site: SiteTest) -> SiteTest:
    site.file("pages/about.md", "# About\n\nUs.").posts(3).post("dawn", published_at="2099-01-01 10:00:00.000Z")
    site.builds().builds("--offline").builds("--offline")
    assert rested(site)
    return site


def test_it_begins_with_the_build_that_leaves_nothing_to_do(site: SiteTest) -> None:
    site.posts(2).does("sync").builds("--offline")
    assert not rested(site)

    assert rested(site.builds("--offline"))


def test_it_tells_what_the_long_way_tells(at_rest: SiteTest) -> None:
    quick = at_rest.ran.report
    long = at_rest.builds("--offline", "--profile").ran.report

    names = ("pages", "created", "rewritten", "unchanged", "removed", "release", "revision", "next_due_at", "rendered")
    assert {name: quick[name] for name in names} == {name: long[name] for name in names}
    assert not rested(at_rest)


def _edit_theme(site: SiteTest) -> None:
    site.file("templates/post.html", "{{ post.title }}")


def _add_static(site: SiteTest) -> None:
    site.file("static/robots-too.txt", "hello")


def _edit_page(site: SiteTest) -> None:
    site.file("pages/about.md", "# About\n\nThem.")


def _add_page(site: SiteTest) -> None:
    site.file("pages/more.markdown", "# More\n\nOf it.")


def _remove_page(site: SiteTest) -> None:
    (site.root / "pages/about.md").unlink()


def _configure(site: SiteTest) -> None:
    site.configured(site={"title": "Another title"})


def _edit_post(site: SiteTest) -> None:
    site.edit("post-1", content_html="<p>Otherwise.</p>", updated=MADE.replace(month=3)).does("sync")


@pytest.mark.parametrize(
    "change", [_edit_theme, _add_static, _edit_page, _add_page, _remove_page, _configure, _edit_post]
)
def test_whatever_a_page_may_show_ends_it(at_rest: SiteTest, change: Callable[[SiteTest], None]) -> None:
    before = at_rest.contents()
    change(at_rest)
    at_rest.builds("--offline")

    assert not rested(at_rest)
    assert at_rest.contents() != before
    assert rested(at_rest.builds("--offline"))


def test_a_page_that_cannot_be_read_is_told_of_as_ever(at_rest: SiteTest) -> None:
    (at_rest.root / "pages" / "folder.md").mkdir()

    at_rest.does("build", "--offline").expects_exit(6)
    assert at_rest.ran.errors[0]["code"] == "VB6002"


def test_a_post_that_falls_due_ends_it(at_rest: SiteTest) -> None:
    at_rest.expects_no_pages("dawn").builds("--offline", "--now", LATER)

    assert not rested(at_rest)
    at_rest.expects_pages("dawn")
    assert rested(at_rest.builds("--offline", "--now", LATER))


def test_a_clock_that_went_back_ends_it(at_rest: SiteTest) -> None:
    at_rest.builds("--offline", "--now", LATER).builds("--offline")

    assert not rested(at_rest)
    at_rest.expects_no_pages("dawn")


@pytest.mark.parametrize("path", ["post-1/index.html", "feed.xml"])
def test_a_live_file_that_is_gone_or_cut_short_ends_it(at_rest: SiteTest, path: str) -> None:
    before = at_rest.contents()
    (at_rest.public / path).unlink()
    assert not rested(at_rest.builds("--offline"))
    assert at_rest.contents() == before

    at_rest.builds("--offline")
    os.truncate(at_rest.public / path, 10)
    assert not rested(at_rest.builds("--offline"))
    assert at_rest.contents() == before


def test_an_asset_of_the_theme_that_is_gone_ends_it(at_rest: SiteTest) -> None:
    before = at_rest.contents()
    next((at_rest.public / "assets").rglob("*.css")).unlink()

    assert not rested(at_rest.builds("--offline"))
    assert at_rest.contents() == before


def test_another_version_of_a_package_ends_it(
    at_rest: SiteTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packages" / "jinja2-99.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))

    assert not rested(at_rest.builds("--offline"))


def test_another_live_release_ends_it(at_rest: SiteTest) -> None:
    at_rest.file("pages/more.md", "# More").builds("--clean").builds("--offline")
    newest = at_rest.contents()
    assert rested(at_rest.builds("--offline"))
    at_rest.does("rollback").does("resume").builds("--offline")

    assert not rested(at_rest)
    assert at_rest.contents() == newest


def test_a_database_that_lost_its_trace_ends_it(at_rest: SiteTest) -> None:
    with sqlite3.connect(at_rest.root / ".velobuild" / "site.db") as connection:
        connection.execute("DELETE FROM meta WHERE key = 'trace'")
    connection.close()

    assert not rested(at_rest.builds("--offline"))


@pytest.mark.parametrize("flag", ["--clean", "--strict", "--profile"])
def test_who_asks_for_more_than_a_build_gets_it(at_rest: SiteTest, flag: str) -> None:
    assert not rested(at_rest.builds("--offline", flag))


def test_a_build_that_asks_the_cms_is_never_at_rest(at_rest: SiteTest) -> None:
    assert not rested(at_rest.builds())


def test_a_post_that_cannot_be_shown_keeps_it_from_beginning(site: SiteTest) -> None:
    site.file("templates/post.html", RAISES_FOR_TEA).posts(2).post("tea").builds().builds("--offline")
    site.builds("--offline")

    assert not rested(site)
    site.expects_no_pages("tea")


def test_another_site_at_the_same_address_has_its_own_rest(at_rest: SiteTest) -> None:
    at_rest.builds("--offline", "--out", "elsewhere")
    assert not rested(at_rest)
    assert rested(at_rest.builds("--offline", "--out", "elsewhere"))
    assert not rested(at_rest.builds("--offline"))


def test_a_page_that_was_another_while_a_build_read_it_is_read_again(
    at_rest: SiteTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edited when the build had begun, and edited back when it had read it: it is what it was, and the site is not."""
    before = at_rest.contents()
    read = Path.read_bytes
    times: list[Path] = []

    def edited_after_the_first_time(file: Path) -> bytes:
        if file.name != "about.md":
            return read(file)
        times.append(file)
        return read(file) if len(times) == 1 else b"# About\n\nThem."

    _edit_post(at_rest)
    with monkeypatch.context() as edited:
        edited.setattr(Path, "read_bytes", edited_after_the_first_time)
        at_rest.builds("--offline")
    assert "Them." in (at_rest.public / "about/index.html").read_text()
    assert len(times) == 2

    at_rest.builds("--offline")
    name = "about/index.html"
    assert at_rest.contents()[name] == before[name]
    assert rested(at_rest.builds("--offline"))
