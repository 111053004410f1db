"""Which files a site has: every post once, lists that grow at their newest end, and no two claims on one file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.graph.rig import CONFIG, NOON, Blog, codes, dated, page, post
from velobuild.config.schema import (
    FeedsConfig,
    PaginationConfig,
    RedirectConfig,
    SeoConfig,
    SiteConfig,
    TaxonomyConfig,
    UrlsConfig,
)
from velobuild.content.places import collision_key
from velobuild.errors import ContentProblem
from velobuild.model.outputs import Target
from velobuild.publish.paths import Claims


def home_pages(blog: Blog) -> list[Target]:
    return [target for target in blog.targets() if target.route in {"home", "list"}]


def claimed(targets: Iterable[Target]) -> None:
    """Raises GuardRefused if two targets could not both be published."""
    claims = Claims()
    for target in targets:
        claims.take(target.path)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 19, 20, 21, 100])
def test_every_post_is_on_exactly_one_list_page_and_pages_count_from_the_oldest(blog: Blog, count: int) -> None:
    pages = home_pages(blog.posts(*dated(count)))
    shown = [blog.shown_ids(page) for page in pages]
    assert [id for ids in shown for id in ids] == [f"p{n:03d}" for n in reversed(range(count))]
    assert [page.params["number"] for page in pages] == list(range(len(pages), 0, -1))
    assert all(len(ids) == 10 for ids in shown[1:])
    assert len(shown[0]) == count if count < 20 else 10 <= len(shown[0]) < 20
    assert [page.path for page in pages] == [
        "index.html",
        *(f"page/{n}/index.html" for n in range(len(pages) - 1, 0, -1)),
    ]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 18, 20, 28, 98])
def test_a_new_post_changes_the_newest_page_alone(blog: Blog, count: int) -> None:
    before = home_pages(blog.posts(*dated(count)))
    shown = {page.path: blog.shown_ids(page) for page in before}
    after = home_pages(blog.posts(*dated(count + 1)))
    kept = {page.path: page for page in after if page.path in shown}
    changed = {page.path for page in before if kept.get(page.path) != page}
    changed |= {path for path, page in kept.items() if blog.shown_ids(page) != shown[path]}
    assert changed == {"index.html"}


def test_where_the_newest_page_overflows_the_older_pages_keep_their_posts(blog: Blog) -> None:
    before = home_pages(blog.posts(*dated(29)))
    after = home_pages(blog.posts(*dated(30)))
    kept = {page.path: (page.params["start"], page.params["limit"]) for page in before[1:]}
    assert {page.path: (page.params["start"], page.params["limit"]) for page in after if page.path in kept} == kept


def test_pagers_lead_to_each_other(blog: Blog) -> None:
    pages = home_pages(blog.posts(*dated(35)))
    assert [page.url for page in pages] == ["/", "/page/2/", "/page/1/"]
    for newer, older in pairwise(pages):
        assert newer.params["older_url"] == older.url
        assert older.params["newer_url"] == newer.url
    assert (pages[0].params["newer_url"], pages[-1].params["older_url"]) == (None, None)
    assert {(page.params["newest_url"], page.params["oldest_url"]) for page in pages} == {("/", "/page/1/")}


def test_an_empty_site_has_its_fixed_pages(blog: Blog) -> None:
    assert sorted(blog.by_path()) == [
        "404.html",
        "archive/index.html",
        "atom.xml",
        "feed.xml",
        "index.html",
        "robots.txt",
        "sitemap.xml",
        "tags/index.html",
    ]


def test_what_is_switched_off_is_not_made(blog: Blog) -> None:
    blog.configured(
        urls=UrlsConfig(archive="", year=""),
        taxonomies={"tags": TaxonomyConfig(index="", feed=False)},
        feeds=FeedsConfig(rss=False, atom=False),
        seo=SeoConfig(sitemap=False, robots=False),
    )
    assert sorted(blog.posts(post("tea", tags=("x",))).by_path()) == [
        "404.html",
        "index.html",
        "tags/x/index.html",
        "tea/index.html",
    ]


def test_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    posts = [post(f"p{n}", slug=f"s{n % 3}", tags=("a", "B", f"t{n}"), published_at=NOON) for n in range(9)]
    pages = [page("about"), page("team")]
    made = []
    for name, order in (("one", 1), ("two", -1)):
        other = Blog(tmp_path / name).posts(*posts[::order]).pages(*pages[::order])
        made.append([(t.path, t.url, t.route, t.template, t.params) for t in other.targets()])
        other.connection.close()
    assert made[0] == made[1]


# Collisions


def test_f9_pages_redirects_and_static_files_keep_their_addresses_from_posts(blog: Blog) -> None:
    static = blog.site.root / "static"
    static.mkdir()
    (static / "CNAME").write_text("garden.example")
    blog.configured(redirects=(RedirectConfig(source="/old/", target="/about/"),))
    blog.pages(page("about"), page("Docs/Intro"))
    blog.posts(*(post(slug, slug=slug) for slug in ("about", "old", "cname", "docs", "archive", "tea")))
    targets = blog.by_path()
    assert {path for path, target in targets.items() if target.route == "post"} == {
        "about-about/index.html",
        "old-old/index.html",
        "cname-cname/index.html",
        "docs/index.html",
        "archive-archiv/index.html",
        "tea/index.html",
    }
    assert codes(blog.findings) == ["VB3004"] * 4
    claimed(targets.values())


@pytest.mark.parametrize("own", ["robots.txt", "404.html", "feed.xml", "sitemap.xml", "tags/index.html", "index.html"])
def test_a_file_of_the_sites_own_wins_over_the_one_that_would_be_made(blog: Blog, own: str) -> None:
    before = blog.posts(post("tea", tags=("x",))).by_path()
    assert own in before
    file = blog.site.root / "static" / own
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    after = blog.settle().targets()
    assert {target.path for target in after} == before.keys() - {own}
    claimed([*after, Target(own, f"/{own}", "static", "static")])


def test_a_local_page_and_a_file_of_the_sites_own_in_one_place_are_named(blog: Blog) -> None:
    (blog.site.root / "static/about").mkdir(parents=True)
    (blog.site.root / "static/about/index.html").write_text("mine")
    blog.pages(page("about"))
    with pytest.raises(ContentProblem, match=r"which static/about/index\.html has") as caught:
        blog.targets()
    assert caught.value.code == "VB3004"


@pytest.mark.parametrize(
    ("path", "url", "rival"),
    [
        ("archive", "/archive/", "/archive/"),
        ("Tags", "/Tags/", "/tags/"),
        ("feed.xml", "/feed.xml/", "/feed.xml"),
        ("page/2", "/page/2/", "/page/2/"),
        ("archive/2026", "/archive/2026/", "/archive/2026/"),
    ],
)
def test_f9_a_local_page_that_would_replace_another_is_an_error(blog: Blog, path: str, url: str, rival: str) -> None:
    blog.posts(*dated(35)).pages(page(path, title="Mine"))
    with pytest.raises(ContentProblem) as refused:
        blog.targets()
    (found,) = refused.value.diagnostics
    assert (found.code, found.what) == ("VB3004", f"the page “Mine” wants the address {url}, which {rival} has")


def test_f9_local_pages_that_differ_in_case_alone_are_an_error(blog: Blog) -> None:
    blog.pages(page("About"), page("about"))
    with pytest.raises(ContentProblem):
        blog.targets()


def test_f10_a_renamed_post_leaves_a_redirect_in_one_step(blog: Blog) -> None:
    blog.posts(post("a", slug="one")).settle()
    blog.posts(post("a", slug="two")).settle()
    targets = blog.posts(post("a", slug="three")).by_path()
    redirects = {path: t.params["target_url"] for path, t in targets.items() if t.route == "redirect"}
    assert redirects == {"one/index.html": "/three/", "two/index.html": "/three/"}
    blog.configured(urls=UrlsConfig(redirects_from_old_slugs=False))
    assert not [target for target in blog.targets() if target.route == "redirect"]


def test_a_slug_that_changes_in_case_alone_leaves_no_redirect_over_the_page(blog: Blog) -> None:
    blog.posts(post("a", slug="Tea")).settle()
    targets = blog.posts(post("a", slug="tea")).targets()
    claimed(targets)
    assert [target.path for target in targets if target.route in {"post", "redirect"}] == ["tea/index.html"]


@pytest.mark.parametrize(
    "source", ["/feed.xml", "/tea/", "/TEA", "/tags/", "/index.html", "/robots.txt", "/tags/x", "/", "/favicon.ico"]
)
def test_redirects_never_shadow_what_is_there(blog: Blog, source: str) -> None:
    (blog.site.root / "static").mkdir()
    (blog.site.root / "static" / "favicon.ico").write_bytes(b"x")
    blog.posts(post("tea", tags=("x",))).settle()
    before = {target.path for target in blog.targets()}
    blog.configured(redirects=(RedirectConfig(source=source, target="/elsewhere/"),))
    targets = blog.targets()
    claimed([*targets, Target("favicon.ico", "/favicon.ico", "static", "static")])
    pages = {target.path for target in targets if target.route != "redirect"}
    # A configured redirect takes its address from a post, which moves; from nothing else.
    assert pages == (
        before if source not in {"/tea/", "/TEA"} else before - {"tea/index.html"} | {"tea-tea/index.html"}
    )


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("/old", "old/index.html"),
        ("/caf%C3%A9/", "café/index.html"),
        ("/a.php", "a.php/index.html"),
        ("/b.html", "b.html"),
    ],
)
def test_a_redirect_lies_where_hosts_look_for_it(blog: Blog, source: str, path: str) -> None:
    blog.configured(
        site=SiteConfig(base_url="https://garden.example/blog"),
        redirects=(RedirectConfig(source=source, target="/tea/"),),
    )
    assert blog.by_path()[path].params == {"target_url": "/blog/tea/"}


def test_of_two_redirects_from_one_address_the_first_counts(blog: Blog) -> None:
    rows = (RedirectConfig(source="/old", target="/a/"), RedirectConfig(source="/OLD/", target="https://b.example/"))
    found = [target for target in blog.configured(redirects=rows).targets() if target.route == "redirect"]
    assert [(target.path, target.params["target_url"]) for target in found] == [("old/index.html", "/a/")]


@pytest.mark.parametrize(
    ("tags", "year"),
    [
        ("/tags/{slug}.html", "/{year}.html"),
        ("/tags/{slug}", "/{year}"),
        ("/{slug}/", "/{year}/"),
        ("/t-{slug}/", "/y{year}/"),
    ],
)
@pytest.mark.parametrize(
    "pattern", ["/{slug}/", "/{slug}.html", "/{slug}", "/{year}/{slug}/", "/{id}/", "/tags/{slug}/"]
)
@pytest.mark.parametrize("pages", ["page/{number}/", "{number}.html", "/p{number}"])
def test_any_patterns_give_each_file_one_maker(blog: Blog, tags: str, year: str, pattern: str, pages: str) -> None:
    blog.configured(
        urls=UrlsConfig(post=pattern, year=year),
        taxonomies={"tags": TaxonomyConfig(path=tags, paginate=2)},
        pagination=PaginationConfig(size=2, path=pages),
    )
    slugs = ["tea", "Tea", "2026", "y2026", "tags", "page", "p1", "1", "feed.xml", "t-tea", "archive", "x.html", "atom"]
    blog.posts(*(post(f"id{n}", slug=slug, tags=("tea", "Page")) for n, slug in enumerate(slugs)))
    targets = blog.targets()
    claimed(targets)
    assert sum(target.route == "post" for target in targets) == len(slugs)


slugs = st.text(st.sampled_from("aAéb-./ 4İ"), max_size=4) | st.sampled_from(
    ["tags", "page", "archive", "about", "2026"]
)
tag_names = st.text(st.sampled_from("aAé#+ /."), min_size=1, max_size=3).filter(str.strip)


@given(
    st.lists(st.tuples(slugs, st.lists(tag_names, max_size=2)), max_size=14),
    st.lists(slugs, max_size=14),
    st.sampled_from(["/{slug}/", "/{year}/{slug}/", "/{slug}.html"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_published_and_renamed_each_file_has_one_maker(
    tmp_path_factory: pytest.TempPathFactory, made: list[Any], renamed: list[str], pattern: str
) -> None:
    blog = Blog(tmp_path_factory.mktemp("site"), replace(CONFIG, urls=UrlsConfig(post=pattern)))
    try:
        posts = [post(f"i{n}", slug=slug, tags=tuple(tags)) for n, (slug, tags) in enumerate(made)]
        blog.posts(*posts).pages(page("about")).settle()
        other = [replace(one, slug=slug) for one, slug in zip(posts, renamed, strict=False)]
        targets = blog.posts(*other, *posts[len(other) :]).targets()
        claimed(targets)
        assert len({collision_key(target.path) for target in targets}) == len(targets)
        lists = [set(blog.shown_ids(target)) for target in targets if target.route in {"home", "list"}]
        assert set().union(*lists) == {target.params["id"] for target in targets if target.route == "post"}
    finally:
        blog.connection.close()


def test_scheduled_posts_have_no_target_before_their_time(blog: Blog) -> None:
    blog.posts(post("now"), post("soon", published_at=NOON + timedelta(days=900)))
    assert [target.path for target in blog.targets() if target.route == "post"] == ["now/index.html"]
