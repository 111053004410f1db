"""What is published, how, and when nothing is: themes that fail, strictness, going back, two builds at once."""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest, differing
from velobuild.config.shipped import folder as shipped

POST = (shipped("themes") / "plain/templates/post.html").read_text("utf-8")


def post_template(text: str, where: str = "{{ post.content }}") -> str:
    assert where in POST
    return POST.replace(where, text + where)


RAISES_FOR_TEA = post_template('{% if post.slug == "tea" %}{{ post.title / 2 }}{% endif %}')


def test_a_post_that_alone_makes_the_theme_fail_keeps_its_last_good_page(site: SiteTest) -> None:
    site.posts(5).post("tea", title="Good tea").builds()
    before = site.text("tea/index.html")

    site.file("templates/post.html", RAISES_FOR_TEA).edit("tea", title="Bad tea").edit("post-1", title="Fine").builds()

    assert site.text("tea/index.html") == before
    assert "Fine" in site.text("post-1/index.html")
    warning = next(one for one in site.ran.report["warnings"] if one["code"] == "VB3104")
    assert "its last good page is kept" in warning["what"]
    assert "templates/post.html:" in warning["where"]
    assert "Bad tea" in warning["where"]

    release = site.release()
    site.builds()  # tried again each time, and nothing is published for it
    assert (site.release(), site.ran.report["release"]) == (release, None)
    assert "VB3104" in site.ran.warnings

    site.file("templates/post.html", POST).builds()
    assert "Bad tea" in site.text("tea/index.html")
    assert "VB3104" not in site.ran.warnings


def test_a_page_that_is_kept_keeps_the_picture_and_the_styles_of_its_time(site: SiteTest) -> None:
    _, old = site.picture("tea.png", "red")
    _, new = site.picture("cup.png", "blue")
    site.file("static/css/mine.css", "body { color: red }")
    styled = post_template('<link rel="stylesheet" href="{{ asset("css/mine.css") }}">')
    site.posts(3).post("tea", content_html=f'<img src="{old}">').file("templates/post.html", styled).builds()
    page = site.text("tea/index.html")
    shown = [path for path in site.tree() if f"/{path}" in page and path.startswith(("media/", "assets/"))]
    assert {path.partition("/")[0] for path in shown} == {"media", "assets"}

    raising = styled.replace(
        "{{ post.content }}", '{% if post.slug == "tea" %}{{ 1 / 0 }}{% endif %}{{ post.content }}'
    )
    site.file("static/css/mine.css", "body { color: blue }").file("templates/post.html", raising)
    site.edit("tea", content_html=f'<img src="{new}">').builds()

    assert site.text("tea/index.html") == page
    assert set(shown) <= site.tree().keys()
    assert "color: blue" in "".join(site.text(path) for path in site.tree() if path.endswith(".css"))

    site.file("templates/post.html", styled).builds()
    assert not {path for path in shown if "mine" in path or path.startswith("media/")} & site.tree().keys()


def test_a_new_post_that_makes_the_theme_fail_is_left_out_and_linked_nowhere(site: SiteTest) -> None:
    site.posts(5).builds()
    site.file("templates/post.html", RAISES_FOR_TEA).post("tea", title="Bad tea", tags=["leaves"]).builds()

    site.expects_no_pages("tea", "tags/leaves").expects_nowhere("Bad tea", "/tea/")
    assert any("the post is left out" in one["what"] for one in site.ran.report["warnings"])
    assert site.ran.code == 0

    site.file("templates/post.html", POST).builds().expects_pages("tea", "tags/leaves")


def test_a_theme_that_uses_what_does_not_exist_stops_the_build_and_says_where(site: SiteTest) -> None:
    site.posts(3).builds()
    before = site.tree()
    site.file("templates/post.html", post_template("{{ post.titel }}")).edit("post-1", title="New")

    site.does("build").expects_exit(1, "VB3102", "templates/post.html:", "titel", "title")

    line = next(n for n, text in enumerate(post_template("{{ post.titel }}").splitlines(), 1) if "titel" in text)
    assert f"templates/post.html:{line}" in site.ran.err
    assert site.tree() == before
    site.file("templates/post.html", POST).builds()
    assert "New" in site.text("post-1/index.html")


def test_a_template_with_a_syntax_error_stops_the_build(site: SiteTest) -> None:
    site.posts(3).builds()
    before = site.tree()
    site.file("templates/post.html", post_template("{% if %}"))
    site.does("build").expects_exit(1, "VB3101", "templates/post.html:")
    assert site.tree() == before


def test_strict_refuses_to_publish_with_warnings(site: SiteTest) -> None:
    site.posts(2).builds("--strict")
    before = site.tree()
    site.edit("post-0", content_html='<p>A <a href="/nowhere/">dead link</a>.</p>')

    site.does("build", "--strict").expects_exit(1, "VB5006", "VB3006")
    assert site.tree() == before

    site.builds()  # a warning alone changes no exit code
    assert "VB3006" in site.ran.warnings
    assert "dead link" in site.text("post-0/index.html")
    # The same content again: it is live, and still not clean.
    site.does("build", "--strict").expects_exit(1, "VB5006")


def test_offline_builds_from_what_is_there_without_one_call(site: SiteTest) -> None:
    site.posts(3).does("--offline", "build").expects_exit(4, "VB2106", "velobuild sync")
    assert not site.public.exists()
    site.does("sync").expects_exit(0).counting()

    site.configured(source={"url": "http://127.0.0.1:9"}).does("--offline", "build").expects_exit(0)

    site.expects_calls().expects_pages("post-0", "post-2")


def test_in_place_gives_the_same_files_in_a_plain_folder(sites: Sites) -> None:
    linked, plain = sites("linked").posts(6), sites("plain", build={"publish": "in-place"})
    linked.builds()
    plain.builds()
    assert not plain.public.is_symlink()
    assert plain.tree_hash() == linked.tree_hash()

    before = plain.tree()
    linked.edit("post-1", title="Changed")
    plain.builds()
    after = plain.tree()
    assert {path for path in after if path in before and after[path] != before[path]} == differing(before, after)
    linked.delete("post-2")
    plain.builds().expects_no_pages("post-2")
    assert plain.tree_hash() == linked.builds().tree_hash()


def test_switching_to_in_place_and_back_needs_a_new_folder_and_says_so(site: SiteTest) -> None:
    site.posts(3).builds()
    before = site.tree()
    site.configured(build={"publish": "in-place"}).does("build").expects_exit(6, "VB6003")
    site.configured(build={"publish": "release"}).builds()
    assert site.tree() == before

    site.configured(build={"publish": "in-place", "out": "plain"}).builds()
    assert not differing(before, site.tree())
    site.configured(build={"publish": "release"}).does("build").expects_exit(6, "VB6003")
    site.configured(build={"out": "public"}).edit("post-1", title="Later").builds()
    assert "Later" in site.text("post-1/index.html")


def test_after_a_rollback_builds_are_refused_until_resume(site: SiteTest) -> None:
    site.posts(3).builds()
    first = site.contents()
    site.edit("post-1", title="Mistake").builds("--clean")

    site.does("rollback").expects_exit(0)
    assert site.contents() == first
    site.edit("post-1", title="Mended").does("build").expects_exit(5, "VB5007", "velobuild resume")
    assert site.contents() == first

    site.does("resume").expects_exit(0).builds()
    assert "Mended" in site.text("post-1/index.html")


def test_a_rollback_goes_to_the_last_full_build_and_says_how_many_updates_that_undoes(site: SiteTest) -> None:
    site.posts(3).builds()
    first = site.contents()
    site.edit("post-1", title="Full").builds("--clean")
    site.edit("post-1", title="Once").builds()
    assert site.ran.report["release"] is None, "an update"
    assert site.ran.report["rendered"] >= 1
    site.edit("post-1", title="Twice").builds()

    site.does("rollback").expects_exit(0)
    assert site.ran.report == {"release": 1, "updates_undone": 2}
    assert site.contents() == first
    site.does("resume").does("rollback", "2").expects_exit(0)
    assert site.ran.report["updates_undone"] == 0
    assert "Twice" in site.text("post-1/index.html")


def test_resuming_without_a_change_in_the_cms_publishes_what_the_cms_says(site: SiteTest) -> None:
    site.posts(3).builds().edit("post-1", title="Second").builds("--clean")
    second = site.tree_hash()
    site.does("rollback").does("resume").builds()
    assert site.tree_hash() == second


def test_of_two_builds_at_once_one_goes_on_and_the_other_says_so(site: SiteTest) -> None:
    site.posts(3).builds()
    before = site.tree()
    with (site.root / ".velobuild/lock").open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        try:
            # Locks of this kind belong to a process, so the other build must be one of its own.
            site.apart("build").expects_exit(7, "VB7001", "--wait")
            site.apart("sync").expects_exit(7, "VB7001")
        finally:
            fcntl.lockf(lock, fcntl.LOCK_UN)
    assert site.tree() == before
    site.apart("build").expects_exit(0)


def test_a_build_that_waits_goes_on_when_the_other_ends(site: SiteTest) -> None:
    site.posts(3).builds().edit("post-1", title="Waited for")
    with (site.root / ".velobuild/lock").open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with site.start("build", "--wait") as process:
            try:
                with pytest.raises(TimeoutError):
                    wait_for_end(process.pid, 1.0)
                fcntl.lockf(lock, fcntl.LOCK_UN)
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()  # Whatever failed here, no later test is to hear of it.
    assert process.returncode == 0, err
    assert "Waited for" in site.text("post-1/index.html")
    assert out


def wait_for_end(pid: int, seconds: float) -> None:
    """Raises TimeoutError if the process still runs after so long."""
    import select

    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], seconds)[0]:
            raise TimeoutError
    finally:
        os.close(descriptor)


PAGE_BYTES = 4096


def damage(site: SiteTest, first: int = 0, last: int = 2) -> None:
    """Overwrite pages of the database with nonsense."""
    file = site.root / ".velobuild/site.db"
    assert not (file.parent / "site.db-wal").exists(), "the database was not closed properly"
    assert file.stat().st_size > last * PAGE_BYTES
    with file.open("r+b") as opened:
        opened.seek(first * PAGE_BYTES)
        opened.write(os.urandom((last - first) * PAGE_BYTES))


def remove(site: SiteTest) -> None:
    for file in (site.root / ".velobuild").glob("site.db*"):
        file.unlink()


@pytest.mark.parametrize("lose", [damage, remove])
def test_without_its_database_the_site_comes_out_byte_for_byte_the_same(site: SiteTest, lose: object) -> None:
    _, url = site.picture("tea.png")
    site.file("pages/about.md", "---\ntitle: About\n---\n\nUs.\n")
    site.posts(8).post("tea", content_html=f'<img src="{url}">').builds().edit("post-3", slug="third").builds()
    before = site.tree_hash()
    assert callable(lose)
    lose(site)

    site.builds()

    assert site.tree_hash() == before
    assert ("VB6004" in site.ran.warnings) == (lose is damage)
    site.counting().builds().expects_calls("posts", "site-settings")


@pytest.mark.parametrize("lose", [damage, remove])
def test_an_edit_made_while_the_database_was_lost_is_published(site: SiteTest, lose: object) -> None:
    site.posts(3).builds()
    assert callable(lose)
    lose(site)
    site.edit("post-1", title="Meanwhile").builds()
    assert "Meanwhile" in site.text("post-1/index.html")


@pytest.mark.parametrize(("first", "last"), [(2, 4), (4, 20), (10, 13)])
def test_damage_in_the_middle_of_the_database_is_noticed_when_it_is_met(site: SiteTest, first: int, last: int) -> None:
    site.posts(40).builds()
    damage(site, first, last)
    site.edit("post-1", title="Meanwhile").builds()
    assert "Meanwhile" in site.text("post-1/index.html")
    assert site.ran.warnings.count("VB6004") == 1
    assert list((site.root / ".velobuild").glob("site.db.damaged-*"))
    mended = site.contents()
    site.builds("--clean")
    assert (site.contents(), site.ran.warnings) == (mended, [])


def test_a_damaged_database_cannot_be_rebuilt_offline_and_the_site_stays(site: SiteTest) -> None:
    site.posts(40).builds()
    before = site.tree()
    damage(site, 2, 24)
    site.does("--offline", "build", "--clean").expects_exit(4, "VB2106", "velobuild sync")
    assert site.tree() == before
    site.builds()
    assert site.tree() == before


def test_without_any_state_a_new_folder_gets_the_same_bytes(sites: Sites) -> None:
    one, two = sites("one").posts(12), sites("two")
    one.builds().edit("post-5", title="Edited").builds().delete("post-6").builds()
    two.builds()
    assert two.tree_hash() == one.tree_hash()


def test_files_that_somebody_changed_below_the_output_are_mended_by_a_clean_build(site: SiteTest) -> None:
    site.posts(3).builds()
    before = site.tree_hash()
    page = site.public / "post-1/index.html"
    page.chmod(0o644)
    page.write_text("Hacked", "utf-8")
    site.builds("--clean")
    assert site.tree_hash() == before


def test_a_database_from_a_newer_velobuild_is_left_alone(site: SiteTest) -> None:
    site.posts(2).builds()
    before = site.tree()
    database = sqlite3.connect(site.root / ".velobuild/site.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    site.does("build").expects_exit(6, "VB6005", "upgrade velobuild")
    assert site.tree() == before


def test_a_removed_output_is_published_again(site: SiteTest) -> None:
    site.posts(2).builds()
    before = site.tree_hash()
    Path(site.root / "public").unlink()
    site.builds()
    assert site.tree_hash() == before


def test_a_change_of_configuration_theme_or_local_page_alone_is_published(site: SiteTest) -> None:
    site.posts(2).builds()
    site.configured(site={"title": "Another name"}).builds()
    assert "Another name" in site.text("index.html")
    site.file("pages/about.md", "---\ntitle: About\n---\n\nFirst words.\n").builds().expects_pages("about")
    site.file("pages/about.md", "---\ntitle: About\n---\n\nOther words.\n").builds()
    assert "Other words." in site.text("about/index.html")
    (site.root / "pages/about.md").unlink()
    site.builds().expects_no_pages("about")
    site.file("static/robots-note.txt", "hello").builds()
    assert site.text("robots-note.txt") == "hello"


def test_a_robots_txt_and_a_404_of_ones_own_are_published_in_place_of_those_that_would_be_made(site: SiteTest) -> None:
    site.posts(2).builds()
    assert {"robots.txt", "404.html"} <= site.tree().keys()
    site.file("static/robots.txt", "mine").file("static/404.html", "gone").builds()
    assert (site.text("robots.txt"), site.text("404.html")) == ("mine", "gone")


def test_a_removed_plain_folder_is_published_again(sites: Sites) -> None:
    site = sites("plain", build={"publish": "in-place"}).posts(3).builds()
    before = site.contents()
    shutil.rmtree(site.public)
    site.builds()
    assert site.contents() == before


def test_a_token_that_stands_in_a_post_is_never_published(site: SiteTest) -> None:
    site.posts(3).builds()
    before = site.tree()
    token = site.variables["VELOCMS_API_KEY"]
    site.edit("post-1", content_html=f"<p>Our key is {token}.</p>")
    site.does("build").expects_exit(5, "VB5002", "environment variable VELOCMS_API_KEY", "replace the secret")
    assert token not in site.ran.err + site.ran.out
    assert site.tree() == before
    # Until the key is replaced the store holds the post; the folder is not searched for it after this test.
    site.keys.clear()
    site.edit("post-1", content_html="<p>Our key is gone.</p>").builds()
    assert "Our key is gone." in site.text("post-1/index.html")
    remove(site)


@pytest.mark.parametrize("encode", [str.encode, lambda text: base64.b64encode(b"x" + text.encode())])
def test_control_a_token_left_in_any_file_is_found(site: SiteTest, encode: Callable[[str], bytes]) -> None:
    left = site.root / ".velobuild/left.log"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"GET " + encode(site.variables["VELOCMS_API_KEY"]) + b" 200")
    with pytest.raises(AssertionError):
        site.expects_no_secret()
    left.unlink()
