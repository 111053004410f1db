"""What `velobuild explain` tells the owner of a theme who never saw the source: the right cause, in plain words."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.scenarios.written import TOML, Written
from velobuild.publish.lock import SiteLock


@pytest.fixture
def site(tmp_path: Path) -> Written:
    return Written(tmp_path / "site")


@pytest.fixture
def built(site: Written) -> Written:
    site.builds()
    return site


def test_the_first_build_is_the_cause_of_all_pages(built: Written) -> None:
    assert built.why("/p1/").startswith("This was the first build")


def test_an_edited_body_is_named_with_what_shows_it(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="jam").builds()

    assert built.why("/p1/") == "The post “P1” was edited: its body. This is its page."
    assert built.why("/feed.xml") == "The post “P1” was edited: its body. This feed shows its body."
    # The negative: no list reads a body.
    assert built.rendered() == {"/p1/", "/feed.xml", "/atom.xml", "/tags/jam/feed.xml"}


def test_an_edited_body_that_brings_another_excerpt_says_why_lists_show_it(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="jam", excerpt='""').builds()
    built.post("p1", "Other words.", day=27, tags="jam", excerpt='""').builds()

    first = "The post “P1” was edited in its text, whose beginning is its excerpt."
    assert built.why("/") == f"{first} This page shows its excerpt."
    assert [group["because"] for group in built.does("explain", "--all")["groups"]] == [[first]]


def test_all_pages_of_an_edited_post_stand_together_whatever_they_show_of_it(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="jam", title="Plum").builds()

    (group,) = (one for one in built.does("explain", "--all")["groups"] if "/p1/" in one["rendered"])
    assert group["because"] == ["The post “Plum” was edited: its title and body."]
    assert {"/", "/p1/", "/feed.xml"} <= set(group["rendered"])


def test_a_page_that_stayed_says_what_changed_and_why_that_is_nothing_to_it(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="jam").builds()

    home = built.does("explain", "/")
    assert home["in_last_build"] is False
    (line,) = home["stayed"]
    assert line.startswith("The post “P1” was edited (body); of that post this page reads only: title")
    assert "body" not in line.partition("only:")[2]
    (body,) = (line for line in home["did_not_matter"] if "body" in line)
    assert body == "the body of the 5 posts that it names, as long as its excerpt and reading time stay the same"


def test_a_retag_names_the_list_that_it_altered(built: Written) -> None:
    built.post("p1", day=27, tags="bread").builds()

    assert built.why("/p1/").startswith("The post “P1” was edited: its tags.")
    assert "“P1” got other tags" in built.why("/tags/jam/")
    assert "with the tag “jam”" in built.why("/tags/jam/")
    assert built.why("/tags/bread/").startswith(
        "The tag “bread” has posts now, and had none before. So there is this page"
    )


def test_a_new_post_names_itself_and_the_lists_that_it_entered(built: Written) -> None:
    built.post("new", day=30, title="A new one").builds()

    assert built.why("/new/").startswith("The post “A new one” was published.")
    assert "“A new one” was published" in built.why("/")
    assert built.why("/p0/") == (
        "The post “A new one” was published. So the post “P0” has another post beside it. "
        "This page shows its link to the post after it."
    )


def test_a_deleted_post_is_named_where_it_was_and_where_it_was_shown(built: Written) -> None:
    built.without("posts/p1.md").builds()

    assert "The post “P1” is gone" in built.why("/")
    assert built.does("explain", "/p1/")["errors"][0]["code"] == "VB1107"
    assert built.code == 2
    assert "build 2" in built.err
    assert "The post “P1” is gone: it was deleted or unpublished" in built.err


def test_another_slug_is_told_at_both_addresses(built: Written) -> None:
    built.post("p1", day=27, tags="jam", slug="elsewhere").builds()

    assert built.why("/elsewhere/").startswith("The post “P1” was at /p1/ before.")
    assert built.why("/p1/") == "At this address was the page of a post before; now it is a redirect to /elsewhere/."
    assert "its address" in built.why("/")


def test_templates_are_named_whether_they_changed_or_appeared(built: Written) -> None:
    theme = '{% include "note.html" ignore missing %}{{ post.title }}'
    built.file("templates/post.html", theme).builds()
    assert built.why("/p1/") == "The template post.html was edited. This page is made with it."

    built.file("templates/note.html", "<p>Note</p>").builds()
    assert built.why("/p1/") == "The template note.html is new. This page is made with it."

    built.without("templates/note.html").builds()
    assert built.why("/p1/") == "The template note.html is gone. This page is made with it."

    built.file("templates/post.html", "{# said #}" + theme).builds()
    assert "note.html" in built.why("/p1/"), "a comment is no change"


def test_a_picture_is_named_by_its_file(site: Written) -> None:
    site.picture("posts/cat.png", "red").post("p1", "![Cat](cat.png)", day=27, tags="jam").builds()
    site.picture("posts/cat.png", "blue").builds()

    assert site.why("/p1/") == (
        "The file cat.png was replaced. So the post “P1” shows or links to the new one. "
        "This page shows its body and first picture."
    )
    (line,) = site.does("explain", "/")["stayed"]
    assert line.startswith("The file cat.png was replaced, so the post “P1” shows or links to the new one (body and")


def test_the_configuration_is_named_by_its_section(built: Written) -> None:
    built.toml(TOML.replace("[feeds]\nsize = 3", "[feeds]\nsize = 2")).builds()

    assert built.why("/p1/") == "[feeds] in velobuild.toml changed. So every page was rendered."


def test_a_static_file_is_named_and_traced_to_the_pages_that_link_to_it(site: Written) -> None:
    page = '<link rel="stylesheet" href="{{ asset("own.css") }}">{{ post.title }}'
    site.file("templates/post.html", page).file("static/own.css", "a {}").builds()
    site.file("static/own.css", "b {}").builds()

    assert site.why("/p1/").startswith("The static file own.css was edited. This page links to it")
    (file,) = (site.root / "public" / "assets").glob("own.*.css")
    copied = site.does("explain", str(file))
    assert copied["source"].endswith("static/own.css")
    assert "/p0/" in copied["shown_by"]


def test_a_file_that_was_edited_by_hand_is_called_so(built: Written) -> None:
    (built.root / "public" / "p1" / "index.html").write_text("by hand")
    built.builds()

    assert "changed or removed by hand" in built.why("/p1/")


@pytest.mark.parametrize(
    "name", ["/p1/", "p1", "/p1", "https://garden.example/p1/?x=1#y", "public/p1/index.html", "p1/index.html"]
)
def test_a_page_may_be_named_by_its_path_its_address_or_its_file(built: Written, name: str) -> None:
    assert built.does("explain", name)["path"] == "p1/index.html"


def test_a_name_that_is_nearly_one_gets_the_nearest(built: Written) -> None:
    built.does("explain", "/p11/")

    assert built.code == 2
    assert "did you mean /p1/" in built.err


def test_a_post_that_is_due_later_says_when_its_page_is_made(built: Written) -> None:
    built.post("someday", date="2999-01-01T08:30:00Z").builds()
    built.does("explain", "/someday/")

    assert built.code == 2
    assert "there is no page at /someday/ yet: the post “SOMEDAY” is dated 2999-01-01 08:30 UTC" in built.err
    assert "the next build after that makes its page" in built.err


def test_a_post_that_was_fetched_and_not_built_waits_for_the_next_build(built: Written) -> None:
    built.post("fresh").does("sync")
    built.does("explain", "/fresh/")

    assert "the post “FRESH” is dated 2026-01-01 00:00 UTC" in built.err
    built.builds()
    assert built.why("/fresh/").startswith("The post “FRESH” was published.")


def test_a_site_of_files_is_told_nothing_of_a_cms(built: Written) -> None:
    text = built.says("explain", "/") + built.says("explain", "/p1/") + built.says("explain", "--widest")

    assert "Templates:" in text, "the control: what pages read is told"
    assert "CMS" not in text
    assert "Settings" not in text


def test_nothing_is_known_before_the_first_build(site: Written) -> None:
    site.does("explain", "/")

    assert site.code == 2
    assert "velobuild build" in site.err


@pytest.mark.parametrize("arguments", [(), ("/", "--all"), ("--all", "--widest")])
def test_explain_wants_exactly_one_question(built: Written, arguments: tuple[str, ...]) -> None:
    built.does("explain", *arguments)

    assert built.code == 2


def test_explain_works_while_a_build_holds_the_site_and_changes_nothing(built: Written) -> None:
    with SiteLock(built.root / ".velobuild"):
        before = built.why("/p1/")
        assert built.does("build")["errors"][0]["code"] == "VB7001", "the control: the site is held"
        assert built.why("/p1/") == before


def test_a_database_of_another_version_is_left_to_a_build(built: Written) -> None:
    with closing(sqlite3.connect(built.root / ".velobuild" / "site.db")) as connection:
        connection.execute("PRAGMA user_version = 1")

    assert built.does("explain", "/")["errors"][0]["code"] == "VB6005"
    built.builds()
    assert built.why("/")


def test_what_changed_since_the_last_build_is_said(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="jam").does("sync")

    assert built.does("explain", "/p1/")["pending"] == ["the post “P1”"]
    assert built.does("explain", "/p6/")["pending"] == []


def test_the_last_build_is_grouped_by_cause_and_counts_what_it_let_be(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="jam").builds()

    account = built.does("explain", "--all")
    assert account["rendered"] == 4 < account["outputs"]
    assert [group["because"] for group in account["groups"]] == [["The post “P1” was edited: its body."]]
    built.builds()
    assert built.does("explain", "--all") == account, "a build that changes nothing is none to tell of"


def test_the_widest_names_pages_that_every_new_post_renders(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=24)
    post = '{% extends "base.html" %}{% block footer %}{{ site.posts.count() }}{% endblock %}'
    site.toml(TOML.replace("size = 3", "size = 100")).file("templates/post.html", post).builds()

    found = site.does("explain", "--widest")
    assert found["posts"] == 24
    assert {page["url"]: page["posts"] for page in found["pages"]}["/archive/"] == 24
    assert any(line.startswith("/archive/ reads all 24 posts") for line in found["advice"])
    assert any(line.startswith("How many posts there are:") for line in found["advice"])


def test_what_people_read_has_no_word_of_the_machinery(built: Written) -> None:
    built.post("p1", "Words.", day=27, tags="bread").post("new", day=30).without("posts/p4.md").builds()

    text = "".join(
        built.says("explain", url) for url in ("/", "/p1/", "/new/", "/tags/jam/", "/archive/", "/sitemap.xml")
    )
    text += built.says("explain", "--all", "-v") + built.says("explain", "--widest")
    assert "/tags/jam/" in text, "the control: something was said"
    for word in ('{"', "fingerprint", "facet", "posts:{", "count:{", "None", "setting:"):
        assert word not in text, word
