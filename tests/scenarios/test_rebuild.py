"""What a second build costs and touches: nothing, or what differs."""

from __future__ import annotations

from tests.scenarios.site import SiteTest, differing, touched


def test_a_second_build_writes_nothing_and_asks_for_the_list_and_the_settings_alone(site: SiteTest) -> None:
    site.posts(130).builds()
    before, releases = site.tree(), site.releases()

    site.counting().builds()

    site.expects_calls("posts", "posts", "site-settings")
    assert site.ran.report["sync"]["api_calls"] == 3
    assert site.ran.report["release"] is None
    assert site.tree() == before
    assert site.releases() == releases


def test_one_edit_costs_one_body_and_the_list_of_media(site: SiteTest) -> None:
    site.posts(130).builds()
    site.edit("post-7", content_html="<p>Corrected.</p>")

    site.counting().builds()

    site.expects_calls("posts", "posts", f"posts/{site.ids['post-7']}", "media", "site-settings")
    assert site.release() == 1, "an edit changes files of the live release; what makes a new one is a full build"
    site.counting().builds().expects_calls("posts", "posts", "site-settings")


def test_an_edit_of_a_body_touches_the_pages_that_show_it_and_no_other_file(site: SiteTest) -> None:
    site.posts(40).builds()
    before = site.tree()

    site.edit("post-7", content_html="<h2>Part 7</h2><p>Corrected.</p>").builds()

    after = site.tree()
    # Its own page, the lists that show its excerpt, its tag's feed, the sitemap, which says when it was changed. Not
    # the site's feeds: their twenty newest posts are others.
    lists = {path for path in after if path.endswith("index.html") and "Corrected." in site.text(path)}
    assert "post-7/index.html" in lists
    assert differing(before, after) == lists | {"tags/tag-1/feed.xml", "sitemap.xml"}
    assert touched(before, after) == differing(before, after)


def test_an_edit_that_shows_nowhere_but_on_its_own_page(site: SiteTest) -> None:
    words = " ".join(["word"] * 60)
    site.posts(40, content_html=f"<p>{words}</p>").configured(seo={"sitemap": False}).builds()
    before = site.tree()

    site.edit("post-3", content_html=f"<p>{words} and more</p>").builds()

    changed = {path for path in differing(before, site.tree()) if not path.startswith("tags/")}
    assert changed == {"post-3/index.html"}
