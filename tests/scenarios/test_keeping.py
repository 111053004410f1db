"""What stays as it was when something cannot be shown, and what is let go when nobody shows it any more."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest
from tests.scenarios.test_publishing import POST, post_template


def break_body(site: SiteTest, *slugs: str) -> SiteTest:
    """Let the stored bodies of these posts be what no parser takes, as a damaged row would be."""
    connection = sqlite3.connect(site.root / ".velobuild/site.db")
    with connection:
        for slug in slugs:
            connection.execute("UPDATE body SET format = 'nonsense' WHERE post_id = ?", (site.ids[slug],))
        connection.execute("DELETE FROM memo")
    connection.close()
    return site


def objects(site: SiteTest) -> list[Path]:
    return sorted((site.root / ".velobuild/cache/objects").glob("[0-9a-f][0-9a-f]/*"))


def test_a_post_whose_body_cannot_be_shown_keeps_its_page_and_its_place_in_lists(site: SiteTest) -> None:
    site.posts(5).builds()
    page = site.text("post-3/index.html")

    break_body(site, "post-3").edit("post-1", title="Fine").builds()

    assert site.text("post-3/index.html") == page
    assert "Fine" in site.text("post-1/index.html")
    assert "/post-3/" in site.text("index.html")
    assert any("its last good page is kept" in one["what"] for one in site.ran.report["warnings"])


def test_if_no_body_can_be_shown_nothing_is_published(site: SiteTest) -> None:
    site.posts(4).builds()
    before = site.tree()

    break_body(site, "post-0", "post-1", "post-2", "post-3").does("build", "--clean").expects_exit(1, "VB3001")

    assert site.tree() == before


def test_a_kept_page_is_that_of_its_post_even_after_two_posts_swapped_addresses(site: SiteTest) -> None:
    site.posts(4).builds()
    page = site.text("post-1/index.html")
    site.edit("post-1", slug="free").edit("post-2", slug="post-1").edit("free", slug="post-2")
    raising = post_template(f'{{% if post.id == "{site.ids["free"]}" %}}{{{{ 1 / 0 }}}}{{% endif %}}')

    site.file("templates/post.html", raising).builds()

    assert site.text("post-2/index.html") == page, "the page that failed shows its own last good content"
    assert "Body of 2." in site.text("post-1/index.html")

    site.file("templates/post.html", POST).builds()
    assert "Body of 1." in site.text("post-2/index.html")


def test_a_media_file_that_changed_before_a_separate_sync_is_fetched_by_the_next_build(site: SiteTest) -> None:
    id, path = site.picture("tea.png", "red", (40, 30))
    site.post("tea", content_html=f'<img src="{path}">').builds()
    shown = [name for name in site.tree() if name.startswith("media/")]

    # The same record, new bytes: the file's name, and so its address, changes in this CMS; a post names it by hand.
    site.cms.replace_media(id, site.draw("tea.png", "blue"))
    site.edit("tea", content_html=f'<img src="{site.cms.media_path(id)}">').does("sync").expects_exit(0)
    site.builds()

    now = [name for name in site.tree() if name.startswith("media/")]
    assert now
    assert set(now).isdisjoint(shown)


def test_media_that_no_page_uses_leave_the_site_the_rows_and_the_store(site: SiteTest) -> None:
    _, red = site.picture("red.png", "red")
    _, blue = site.picture("blue.png", "blue")
    site.post("tea", content_html=f'<img src="{red}">').post("cup", content_html=f'<img src="{blue}">').builds()
    assert len(objects(site)) == 2

    site.edit("tea", content_html="<p>without</p>").builds()

    assert len(objects(site)) == 1
    assert len([name for name in site.tree() if name.startswith("media/")]) == 1


def test_an_emptied_output_is_no_reason_to_do_nothing(site: SiteTest, sites: Sites) -> None:
    plain = sites("plain", build={"publish": "in-place"})
    for one in (site.posts(3), plain):
        one.builds()
        before = one.contents()
        one.builds()
        assert one.ran.report["rewritten"] == one.ran.report["created"] == 0, "the control: a whole site is left alone"
        for place in one.public.resolve().iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()

        one.builds()

        assert one.contents() == before


def test_strict_refuses_warnings_that_an_earlier_build_has_told_already(site: SiteTest) -> None:
    site.posts(3).post("tea", content_html='<p>x</p><iframe src="https://video.example/1"></iframe>').builds()
    assert "VB3002" in site.ran.warnings
    site.builds()
    assert "VB3002" not in site.ran.warnings

    site.does("build", "--strict").expects_exit(1, "VB5006")


def test_a_local_page_shows_pictures_of_the_cms_and_says_what_was_left_out(site: SiteTest) -> None:
    _, path = site.picture("red.png", "red")
    address = f"{site.cms.url}{path}"
    site.posts(2).file(
        "pages/about.md", f'# About\n\n![Red]({address})\n\n<iframe src="https://video.example"></iframe>\n'
    )

    site.builds()

    picture = next(name for name in site.tree() if name.startswith("media/"))
    assert f'src="/{picture}"' in site.text("about/index.html")
    assert any(one["where"] == "page about" for one in site.ran.report["warnings"] if one["code"] == "VB3002")
