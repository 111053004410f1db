"""What happens in the CMS is what the site shows after one build: all of it, and nothing that has gone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SCOPES, SiteTest, differing
from tests.standin import Reply, StandIn
from velobuild.devcms import Running, Switches

REFRESH = 'http-equiv="refresh"'


def media_files(site: SiteTest) -> set[str]:
    return {path for path in site.tree() if path.startswith("media/")}


def test_a_deleted_post_takes_its_page_list_entries_feed_items_tag_page_and_picture_along(site: SiteTest) -> None:
    _, url = site.picture("tea.png")
    site.posts(3).post("tea", title="Oolong", tags=["leaves"], content_html=f'<p>Steeped</p><img src="{url}">').builds()
    assert "Oolong" in site.text("index.html") + site.text("feed.xml") + site.text("atom.xml")
    site.expects_pages("tea", "tags/leaves")
    assert len(media_files(site)) == 1

    site.delete("tea").builds()

    site.expects_no_pages("tea", "tags/leaves").expects_nowhere("Oolong", "Steeped", "/tea/", "leaves")
    assert media_files(site) == set()
    assert site.ran.report["sync"]["removed"] == 1


def test_an_unpublished_post_goes_like_a_deleted_one_and_comes_back_as_it_was(site: SiteTest) -> None:
    site.posts(3).post("tea", title="Oolong", tags=["leaves"]).builds()
    before = site.tree()

    site.edit("tea", status="draft").builds()
    site.expects_no_pages("tea", "tags/leaves").expects_nowhere("Oolong")

    site.edit("tea", status="published").builds()
    # These say when it was last changed; all else is as it was.
    feeds = {"atom.xml", "feed.xml", "tags/leaves/feed.xml"}
    assert differing(before, site.tree()) == {"tea/index.html", "sitemap.xml", *feeds}


def test_a_site_that_would_shrink_too_much_is_refused_until_it_is_allowed(site: SiteTest) -> None:
    site.posts(20).builds()
    before = site.tree()
    site.delete(*(f"post-{number}" for number in range(6)))

    site.does("build").expects_exit(5, "VB5001", "6 of 20 posts", "--allow-shrink")
    assert site.tree() == before
    site.does("sync").expects_exit(5, "VB5001")
    site.does("--offline", "build").expects_exit(0)
    assert site.tree() == before  # the refused answer did not reach the store either

    site.builds("--allow-shrink").expects_no_pages("post-0").expects_pages("post-6")


def test_five_posts_may_vanish_at_once(site: SiteTest) -> None:
    site.posts(20).builds().delete(*(f"post-{number}" for number in range(5))).builds()
    site.expects_no_pages("post-4").expects_pages("post-5")


def test_a_post_whose_slug_changed_leaves_a_redirect_behind(site: SiteTest) -> None:
    site.posts(2).post("tea", content_html='<p>See <a href="/post-0/">the first</a>.</p>').builds()

    site.edit("post-0", slug="first").builds()

    site.expects_pages("first", "post-0")
    assert REFRESH in site.text("post-0/index.html")
    assert 'href="https://blog.example/first/"' in site.text("post-0/index.html")
    assert 'href="/first/"' in site.text("tea/index.html")
    assert "VB3006" not in site.ran.warnings
    assert "/post-0/" not in site.text("sitemap.xml") + site.text("feed.xml") + site.text("index.html")


def test_a_slug_that_changes_twice_leads_to_where_the_post_is_now(site: SiteTest) -> None:
    site.post("a").builds().edit("a", slug="b").builds().edit("b", slug="c").builds()
    for old in ("a", "b"):
        assert "/c/" in site.text(f"{old}/index.html")
        assert "/b/" not in site.text("a/index.html")
    site.edit("c", slug="a").builds()
    assert REFRESH not in site.text("a/index.html")


def test_two_posts_that_swap_slugs_are_both_right_after_one_build(site: SiteTest) -> None:
    site.post("tea", title="About tea").post("coffee", title="About coffee").builds()

    site.cms.update_post(site.ids["tea"], slug="between")
    site.cms.update_post(site.ids["coffee"], slug="tea")
    site.cms.update_post(site.ids["tea"], slug="coffee")
    site.builds()

    assert '<h1 dir="auto">About tea</h1>' in site.text("coffee/index.html")
    assert '<h1 dir="auto">About coffee</h1>' in site.text("tea/index.html")
    assert REFRESH not in site.text("tea/index.html") + site.text("coffee/index.html")


def test_a_scheduled_post_appears_when_it_is_due_and_not_before(site: SiteTest) -> None:
    due = datetime(2100, 5, 3, 10, tzinfo=UTC)
    site.posts(2).post("later", title="Not yet", published_at=due).builds()
    site.expects_no_pages("later").expects_nowhere("Not yet", "/later/")
    assert site.ran.report["next_due_at"] == "2100-05-03T10:00:00+00:00"

    site.builds("--now", "2100-05-03T09:59:59Z").expects_no_pages("later")
    site.builds("--now", "2100-05-03T10:00:00Z").expects_pages("later")
    assert "Not yet" in site.text("index.html")
    site.builds().expects_no_pages("later").expects_nowhere("Not yet")


def test_posts_for_members_are_left_out_and_counted(site: SiteTest) -> None:
    site.posts(2).post("inside", title="For friends", visibility="members").post("club", tier="gold").builds()

    site.expects_no_pages("inside", "club").expects_nowhere("For friends")
    assert site.ran.report["sync"]["members_only_skipped"] == 2
    assert "VB2209" in site.ran.warnings

    site.configured(source={"members_only": "include"}).builds().expects_pages("inside", "club")


def test_a_post_that_becomes_one_for_members_leaves_the_site(site: SiteTest) -> None:
    site.posts(3).builds().edit("post-1", visibility="members").builds().expects_no_pages("post-1")
    assert site.builds().ran.report["release"] is None


def test_excluded_tags_are_shown_nowhere_although_their_posts_are(site: SiteTest) -> None:
    site.configured(source={"exclude_tags": ["Needs-Editing"]})
    site.posts(2, tags=["needs-editing", "tea"]).builds()

    site.expects_pages("post-0", "tags/tea").expects_no_pages("tags/needs-editing")
    site.expects_nowhere("needs-editing", "Needs-Editing")


def test_settings_of_the_cms_name_the_site_and_a_change_reaches_every_page(site: SiteTest) -> None:
    site.cms.update_settings(site_name="Salt & Water", site_description="Two things.")
    site.posts(2).builds()
    assert "Salt &amp; Water" in site.text("post-0/index.html")

    site.cms.update_settings(site_name="Sand & Stone")
    site.builds()

    site.expects_nowhere("Salt &amp; Water")
    assert "Sand &amp; Stone" in site.text("post-0/index.html")
    assert "Sand &amp; Stone" in site.text("feed.xml")


def test_a_replaced_picture_gets_a_new_name_and_the_old_one_goes(site: SiteTest) -> None:
    id, url = site.picture("tea.png", "red")
    site.post("tea", content_html=f'<img src="{url}">').builds()
    (old,) = media_files(site)
    assert old in site.text("tea/index.html")

    site.cms.replace_media(id, site.draw("tea.png", "blue"))
    site.edit("tea", content_html=f'<img src="{site.cms.media_path(id)}">').builds()

    (new,) = media_files(site)
    assert new != old
    assert new in site.text("tea/index.html")
    site.expects_nowhere(old)


def test_a_missing_picture_leaves_a_place_for_it_and_is_mended_once_it_is_there(site: SiteTest) -> None:
    _, url = site.picture("tea.png", "red")
    site.post("tea", content_html=f'<img src="{url.replace("tea", "gone")}" alt="A cup">').builds()

    assert "VB4001" in site.ran.warnings
    warning = next(one for one in site.ran.report["warnings"] if one["code"] == "VB4001")
    assert f"post “Tea” (id {site.ids['tea']})" in warning["where"]
    assert "/gone" in warning["where"]
    assert 'class="missing"' in site.text("tea/index.html")
    assert "A cup" in site.text("tea/index.html")
    assert media_files(site) == set()

    site.edit("tea", content_html=f'<img src="{url}" alt="A cup">').builds()
    assert "VB4001" not in site.ran.warnings
    assert len(media_files(site)) == 1
    assert 'class="missing"' not in site.text("tea/index.html")


def test_a_picture_that_the_server_could_not_give_is_fetched_by_a_later_build_without_any_edit(sites: Sites) -> None:
    with StandIn(posts=3) as cms:
        cms.posts["post00000000001"]["content_html"] = f'<img src="{cms.site}/files/a.png" alt="A cup">'
        site = sites("scripted", cms).builds()
        assert "VB4001" in site.ran.warnings
        assert 'class="missing"' in site.text("post-1/index.html")
        site.builds()
        assert "VB4001" in site.ran.warnings
        assert site.ran.report["release"] is None

        picture = site.draw("a.png", "green").read_bytes()
        cms.fault(Reply(200, picture, {"Content-Type": "image/png"}), "/files/a.png")
        site.builds()

        assert len(media_files(site)) == 1
        assert 'class="missing"' not in site.text("post-1/index.html")
        assert site.ran.warnings == []
        assert all("authorization" not in asked.headers for asked in cms.requests if asked.path.startswith("/files/"))


def test_pictures_whose_local_copies_were_lost_are_fetched_again(site: SiteTest) -> None:
    _, url = site.picture("tea.png")
    site.posts(2).post("tea", content_html=f'<img src="{url}">').builds()
    before = site.contents()
    shutil.rmtree(site.root / ".velobuild/cache")
    site.edit("post-1", title="Edited").builds()
    assert media_files(site) == {path for path in before if path.startswith("media/")}
    assert 'class="missing"' not in site.text("tea/index.html")


def test_a_new_post_may_take_an_address_that_another_has_left(site: SiteTest) -> None:
    site.post("tea", title="Old tea").builds().edit("tea", slug="oolong").builds()
    assert REFRESH in site.text("tea/index.html")
    site.post("tea", title="New tea").builds()
    assert "New tea" in site.text("tea/index.html")
    assert REFRESH not in site.text("tea/index.html")
    assert "Old tea" in site.text("oolong/index.html")


def test_old_addresses_lead_nowhere_where_that_is_wished_or_the_post_is_gone(site: SiteTest) -> None:
    site.posts(2).post("tea").builds().edit("tea", slug="oolong").builds().expects_pages("tea", "oolong")
    site.configured(urls={"redirects_from_old_slugs": False}).builds().expects_no_pages("tea")
    site.configured(urls={"redirects_from_old_slugs": True}).builds().expects_pages("tea")
    site.delete("oolong").builds().expects_no_pages("tea", "oolong").expects_nowhere("oolong")


def test_an_alt_text_that_changes_alone_is_seen_with_the_next_edit(site: SiteTest) -> None:
    id, url = site.picture("tea.png")
    site.posts(1).post("tea", content_html=f'<img src="{url}">').builds()
    assert 'alt="A red square"' in site.text("tea/index.html")

    site.cms.update_media(id, alt="A cup of tea")
    site.edit("post-0", title="Another").builds()

    assert 'alt="A cup of tea"' in site.text("tea/index.html")


def test_comments_are_fetched_and_shown_only_where_they_are_asked_for(site: SiteTest) -> None:
    site.posts(1).cms.add_comment(site.ids["post-0"], "<b>Well</b> said<script>alert(1)</script>", author_name="Ida")
    site.cms.add_comment(site.ids["post-0"], "Buy pills", status="spam")
    site.counting().builds().expects_nowhere("Ida")
    assert "comments" not in site.calls()

    site.key("with comments", (*SCOPES, "comments:read"))
    site.configured(source={"comments": True}).builds()

    assert "Ida" in site.text("post-0/index.html")
    assert "said" in site.text("post-0/index.html")
    site.expects_nowhere("alert(1)", "Buy pills")


def test_a_cms_that_ignores_the_status_filter_does_not_get_drafts_published(site: SiteTest, devcms: Running) -> None:
    devcms.set_switches(Switches(rate_limit=0, hourly_limit=0, ignore_status_filter=True))
    site.posts(2).post("draft", title="Secret plan", status="draft").builds()
    site.expects_no_pages("draft").expects_nowhere("Secret plan")
    assert "VB2208" in site.ran.warnings


def test_tags_and_titles_that_change_leave_nothing_of_the_old_ones(site: SiteTest) -> None:
    site.posts(3).edit("post-0", tags=["Oolong"], title="Old name").builds().expects_pages("tags/oolong")
    site.edit("post-0", tags=["Sencha"], title="New name").builds()
    site.expects_pages("tags/sencha").expects_no_pages("tags/oolong").expects_nowhere("Oolong", "oolong", "Old name")


def test_an_empty_blog_is_a_site_with_a_home_page(sites: Sites) -> None:
    site = sites().builds()
    assert (site.public / "index.html").is_file()
    site.post("first").builds().delete("first").builds().expects_no_pages("first")


def test_a_post_kept_as_blocks_has_its_page_pictures_and_feed_items_and_a_broken_one_harms_no_other(
    site: SiteTest,
) -> None:
    _, url = site.picture("tea.png")
    link = {"type": "link", "attrs": {"href": "/post-0/"}}
    document = {
        "type": "doc",
        "content": [
            {"type": "heading", "attrs": {"level": 2}, "content": [{"type": "text", "text": "Leaves"}]},
            {"type": "paragraph", "content": [{"type": "text", "text": "Steep & pour", "marks": [link]}]},
            {"type": "image", "attrs": {"src": url, "alt": "A cup"}},
            {"type": "carousel", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Kept"}]}]},
        ],
    }
    site.posts(2).post("tea", title="Oolong", content_html="", content_json=document)
    site.post("broken", title="Broken", content_html="", content_json="{never closed").builds()

    page = site.text("tea/index.html")
    for html in (
        '<h2 id="c-leaves">Leaves</h2>',
        '<a href="/post-0/">Steep &amp; pour</a>',
        'alt="A cup"',
        "<p>Kept</p>",
    ):
        assert html in page
    assert len(media_files(site)) >= 1
    assert "Steep &amp;amp; pour" in site.text("feed.xml")
    site.expects_pages("post-0", "post-1").expects_no_pages("broken")
    told = {(warning["code"], warning["where"]): warning["what"] for warning in site.ran.report["warnings"]}
    unknown, left_out = sorted(told, key=lambda place: place[0], reverse=True)
    assert unknown[0] == "VB3002"
    assert "“carousel”" in told[unknown]
    assert unknown[1].startswith("post “Oolong”")
    assert left_out[0] == "VB3001"
    assert left_out[1].startswith("post “Broken”")
    assert "cannot be read" in told[left_out]
