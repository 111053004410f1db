"""Where links and pictures in bodies lead on the published site."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.graph.rig import CMS, CONFIG, Blog, codes, media, page, post
from velobuild.config.schema import RedirectConfig, SiteConfig, TaxonomyConfig, UrlsConfig
from velobuild.graph import linking


def href(blog: Blog, url: str, **more: Any) -> str:
    """What a link in a body becomes, if a post /tea/ and a page /about/ are there."""
    blog.posts(post("tea", tags=("Green Tea",)), post("linking", body=f'<p><a href="{url}">x</a></p>', **more))
    blog.pages(page("about"))
    content = blog.content("linking")
    return content.partition('href="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("/tea/", "/tea/"),
        ("/tea", "/tea/"),
        ("/posts/tea", "/tea/"),  # by its slug, however the CMS's own site is laid out
        (f"{CMS}/tea", "/tea/"),
        (f"{CMS}/blog/tea/", "/tea/"),
        ("https://garden.example/tea/", "/tea/"),
        ("//cms.example/tea", "/tea/"),
        ("/tea/?utm=1#leaf", "/tea/?utm=1#c-leaf"),
        ("/about/", "/about/"),
        ("/about", "/about/"),
        ("/", "/"),
        (CMS, "/"),
        ("/archive", "/archive/"),
        ("/tags/green-tea", "/tags/green-tea/"),
        ("/feed.xml", "/feed.xml"),
        ("https://elsewhere.example/tea/", "https://elsewhere.example/tea/"),
        ("mailto:tea@garden.example", "mailto:tea@garden.example"),
    ],
)
def test_a_link_leads_to_the_published_page(blog: Blog, url: str, there: str) -> None:
    assert href(blog, url) == there


@pytest.mark.parametrize("url", ["/café/", "/caf%C3%A9/", "/cafe%CC%81/", "/cafe\u0301"])
def test_f6_spellings_of_one_address_lead_to_one_page(blog: Blog, url: str) -> None:
    blog.posts(post("a", slug="café"), post("linking", body=f'<a href="{url}">x</a>'))
    assert 'href="/caf%C3%A9/"' in blog.content("linking")


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("/tea", "/blog/tea/"),
        (f"{CMS}/tea", "/blog/tea/"),
        ("https://garden.example/blog/tea", "/blog/tea/"),
        ("https://garden.example/blog", "/blog/"),
        ("https://garden.example/blog/", "/blog/"),
        # Another program on the same host: no business of ours, though its address ends in a slug that we have.
        ("https://garden.example/shop/tea", "https://garden.example/shop/tea"),
        ("https://garden.example/blogs/tea", "https://garden.example/blogs/tea"),
    ],
)
def test_a_site_below_a_folder_links_within_it(blog: Blog, url: str, there: str) -> None:
    blog.configured(site=SiteConfig(title="Garden", base_url="https://garden.example/blog"))
    assert href(blog, url) == there
    assert blog.reader.warnings == []


def test_a_link_to_a_post_that_moved_or_to_a_redirect_leads_on(blog: Blog) -> None:
    blog.posts(post("tea", slug="old-tea")).settle()
    blog.configured(redirects=(RedirectConfig(source="/caf%C3%A9", target="/tea/"),))
    blog.posts(post("tea"), post("linking", body='<a href="/old-tea/">1</a><a href="/café">2</a>'))
    content = blog.content("linking")
    assert 'href="/tea/"' in content
    assert 'href="/caf%C3%A9"' in content


@pytest.mark.parametrize(
    "url", ["/tags/tea/", "/files/tea", "/shop/tea", "/archive/tea", "/media/tea", "/en/posts/tea", f"{CMS}/shop/tea"]
)
def test_a_slug_in_a_folder_of_other_things_is_no_post(blog: Blog, url: str) -> None:
    assert href(blog, url).endswith(url.removeprefix(CMS))
    reader = blog.reader
    assert reader.require_post("linking").content
    assert [(one.code, one.where) for one in reader.warnings] == [("VB3006", "post “Linking” (id linking)")]


def test_a_folder_of_ones_own_tags_holds_no_posts_and_that_of_the_posts_does(blog: Blog) -> None:
    tags = {"tags": TaxonomyConfig(path="/blog/{slug}/", index="")}
    blog.configured(taxonomies=tags, urls=UrlsConfig(post="/notes/in/{year}/{slug}/"))
    assert href(blog, "/notes/in/tea") == "/notes/in/2026/tea/"
    assert href(blog, "/posts/tea") == "/notes/in/2026/tea/"
    assert href(blog, "/blog/tea") == f"{CMS}/blog/tea"


def test_a_slug_means_the_post_that_has_it_here_before_the_one_that_has_it_in_the_cms(blog: Blog) -> None:
    blog.configured(urls=UrlsConfig(post="/notes/{slug}/"))
    blog.posts(
        post("a", slug="tea"),
        post("b", slug="tea"),
        post("linking", body='<a href="/posts/tea-b">x</a><a href="/posts/tea">y</a>'),
    )
    addresses = {id: path for id, path, _ in blog.reader.addresses()}
    assert (addresses["a"], addresses["b"]) == ("/notes/tea/", "/notes/tea-b/")
    content = blog.content("linking")
    assert 'href="/notes/tea-b/"' in content
    assert 'href="/notes/tea/"' in content


@pytest.mark.parametrize("query", linking.BY_SLUG)
def test_a_slug_is_looked_up_by_an_index(blog: Blog, query: str) -> None:
    plan = [row[3] for row in blog.connection.execute(f"EXPLAIN QUERY PLAN {query}", ("tea",))]
    assert not [step for step in plan if step.startswith("SCAN")], plan
    control = blog.connection.execute("EXPLAIN QUERY PLAN SELECT id FROM post WHERE title = ?", ("tea",)).fetchone()
    assert control[3].startswith("SCAN")


def test_a_dead_link_is_named_once_for_each_body_and_left_as_it_is(blog: Blog) -> None:
    dead = '<a href="/gone/">1</a> <a href="/gone/">2</a>'
    blog.posts(post("a", body=dead), post("b", body=dead))
    reader = blog.reader
    for _ in range(2):
        for id in ("a", "b"):
            view = reader.require_post(id)
            assert f'href="{CMS}/gone/"' in view.content
            assert f'href="{CMS}/gone/"' in view.absolute_content
    assert [(one.code, one.where) for one in reader.warnings] == [
        ("VB3006", "post “A” (id a)"),
        ("VB3006", "post “B” (id b)"),
    ]
    assert reader.warnings[0].what == "the link /gone/ leads to no page of the site"


def test_the_links_that_are_kept_are_bounded(blog: Blog) -> None:
    many = "".join(f'<a href="https://e.example/{n}">x</a>' for n in range(linking.LINKS_KEPT // 2 + 100))
    more = "".join(f'<a href="https://f.example/{n}">x</a>' for n in range(linking.LINKS_KEPT // 2 + 100))
    blog.posts(post("a", body=many), post("b", body=more))
    reader = blog.reader
    assert reader.require_post("a").content.count("e.example") == linking.LINKS_KEPT // 2 + 100
    assert reader.require_post("b").content.count("f.example") == linking.LINKS_KEPT // 2 + 100
    assert reader._linking._links.cache_info().currsize == linking.LINKS_KEPT


@pytest.mark.parametrize(
    "url", ["https://[half", "http://[::1/x", "//[", "https://a b/", "http://x:99999/", "/%ff%fe", "//ex\u2100mple/"]
)
def test_c10_an_address_that_cannot_be_taken_apart_harms_nobody(blog: Blog, url: str) -> None:
    blog.posts(post("a", body=f'<a href="{url}">x</a><img src="{url}"><video src="{url}"></video>'))
    view = blog.reader.require_post("a")
    assert "x" in view.content
    assert "x" in view.absolute_content


# Pictures


def picture(blog: Blog, url: str, attributes: str = "") -> str:
    blog.posts(post("a", body=f'<p><img src="{url}" {attributes}></p>'))
    return blog.content("a")


def test_a_fetched_picture_has_its_published_address_size_and_alt(blog: Blog) -> None:
    blog.media(media("m1")).asset(f"{CMS}/media/m1.png")
    content = picture(blog, "/media/m1.png")
    assert f'src="/media/{"ab" * 16}.png" alt="Alt of m1" width="640" height="480"' in content


def test_a_bodys_own_alt_text_wins(blog: Blog) -> None:
    blog.media(media("m1")).asset(f"{CMS}/media/m1.png")
    assert 'alt="Mine"' in picture(blog, "/media/m1.png", 'alt="Mine"')


def test_feeds_get_the_full_address(blog: Blog) -> None:
    blog.asset(f"{CMS}/media/m1.png")
    picture(blog, "/media/m1.png")
    assert f'src="https://garden.example/media/{"ab" * 16}.png"' in blog.reader.require_post("a").absolute_content


def test_a_missing_picture_of_the_cms_leaves_a_box_with_its_text(blog: Blog) -> None:
    blog.media(media("m1", width_px=300, height_px=200))
    content = picture(blog, "/media/m1.png")
    assert "<img" not in content
    assert 'class="missing"' in content
    assert "Alt of m1" in content


@pytest.mark.parametrize(("keep", "kept"), [("keep", True), ("drop", False)])
def test_somebody_elses_picture_is_kept_or_dropped(blog: Blog, keep: Any, kept: bool) -> None:
    blog.configured(source=replace(CONFIG.source, external_media=keep))
    assert ("https://elsewhere.example/a.png" in picture(blog, "https://elsewhere.example/a.png")) == kept


def unencrypted(blog: Blog, body: str) -> list[tuple[str, str, str | None]]:
    blog.posts(post("a", body=body))
    reader = blog.reader
    view = reader.require_post("a")
    assert view.content
    assert view.absolute_content
    return [(one.code, one.what, one.where) for one in reader.warnings]


def test_a_picture_that_browsers_would_not_load_unencrypted_is_named_once_for_each_post(blog: Blog) -> None:
    body = '<img src="http://elsewhere.example/a.png?key=s3"><img src="http://elsewhere.example/b.png">'
    what = (
        "the picture http://elsewhere.example/a.png would be loaded unencrypted, "
        "which the policy of the site's pages forbids to browsers"
    )
    assert unencrypted(blog, body) == [("VB4002", what, "post “A” (id a)")]
    assert "http://elsewhere.example/b.png" in blog.content("a")
    assert not unencrypted(blog, body.replace("http:", "https:"))
    assert not unencrypted(blog, body.replace("img src", "a href"))
    blog.configured(source=replace(CONFIG.source, external_media="drop"))
    assert not unencrypted(blog, f"<p>x</p>{body}")


def test_a_picture_of_a_site_that_is_unencrypted_itself_is_its_own(blog: Blog) -> None:
    blog.configured(site=SiteConfig(base_url="http://garden.example"))
    assert not unencrypted(blog, '<img src="http://garden.example/a.png">')


def test_a_host_named_for_media_is_not_somebody_else(blog: Blog) -> None:
    blog.configured(source=replace(CONFIG.source, media_hosts=("cdn.example",)))
    assert 'class="missing"' in picture(blog, "https://cdn.example/a.png")


def test_a_moment_in_a_video_is_kept(blog: Blog) -> None:
    blog.asset(f"{CMS}/media/v.mp4", extension="mp4")
    blog.posts(post("a", body='<video controls src="/media/v.mp4#t=5"></video><a href="/media/v.mp4#t=9">at 9 s</a>'))
    content = blog.content("a")
    assert f'src="/media/{"ab" * 16}.mp4#t=5"' in content
    assert f'href="/media/{"ab" * 16}.mp4#t=9"' in content


@pytest.mark.parametrize("base_url", ["https://garden.example", "https://garden.example/blog"])
def test_a_local_page_keeps_addresses_beside_it_and_finds_those_from_the_root(blog: Blog, base_url: str) -> None:
    blog.configured(site=SiteConfig(base_url=base_url))
    blog.pages(page("about", body="![a](me.png) ![b](/img/me.png) [c](team/) [d](/about)"))
    (view,) = blog.reader.local_pages
    prefix = base_url.removeprefix("https://garden.example")
    for there in ('src="me.png"', f'src="{prefix}/img/me.png"', 'href="team/"', f'href="{prefix}/about/"'):
        assert there in view.content, there


def test_a_body_of_a_post_without_a_trailing_slash_in_its_pattern(blog: Blog) -> None:
    blog.configured(urls=UrlsConfig(post="/{year}/{slug}"))
    assert href(blog, "/2026/tea/") == "/2026/tea"
    assert codes(blog.findings) == []
