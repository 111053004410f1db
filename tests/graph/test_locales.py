"""A site in several languages: a tree for each, and nothing of one in the pages of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.graph.rig import CONFIG, NOON, Blog, codes, page, post
from velobuild.config.schema import MenuItem, PaginationConfig, UrlsConfig
from velobuild.graph.languages import Versions
from velobuild.graph.views import SiteView

LANGUAGES = ("en", "de")
SPOKEN = replace(CONFIG, source=replace(CONFIG.source, locales=LANGUAGES))


@pytest.fixture
def blog(tmp_path: Path) -> Any:
    made = Blog(tmp_path / "site", SPOKEN)
    yield made
    made.connection.close()


def german(id: str, **changes: Any) -> Any:
    extra = {"locale": "de"} | ({"translation_of": of} if (of := changes.pop("of", None)) else {})
    return post(id, extra=extra, **changes)


def versions(blog: Blog, path: str) -> Versions:
    target = blog.by_path()[path]
    return Versions(blog.reader, target.params.get("locale", "en"), target.route, target.params)


def test_each_locale_has_a_tree_and_the_first_has_no_folder(blog: Blog) -> None:
    blog.posts(post("tea", tags=("leaf",)), german("tee", tags=("blatt",)))
    paths = set(blog.by_path())
    tree = {"index.html", "archive/index.html", "archive/2026/index.html", "tags/index.html", "feed.xml", "atom.xml"}
    assert tree | {f"de/{path}" for path in tree} <= paths
    assert {"tea/index.html", "tags/leaf/index.html", "de/tee/index.html", "de/tags/blatt/feed.xml"} <= paths
    assert not {"tags/blatt/index.html", "de/tags/leaf/index.html", "de/tea/index.html", "de/404.html"} & paths
    assert {"404.html", "sitemap.xml", "robots.txt"} <= paths


def test_one_locale_alone_changes_nothing(tmp_path: Path) -> None:
    trees = []
    for number, locales in enumerate(((), ("de",))):
        config = replace(CONFIG, source=replace(CONFIG.source, locales=locales))
        own = Blog(tmp_path / str(number), config).posts(post("tea", tags=("leaf",)), german("tee"))
        trees.append(own.targets())
        own.connection.close()
    assert trees[0] == trees[1]


def test_a_locale_without_posts_has_a_home_page(blog: Blog) -> None:
    assert {"de/index.html", "de/feed.xml", "de/tags/index.html"} <= set(blog.posts(post("tea")).by_path())


def test_lists_neighbours_tags_and_years_are_of_the_posts_own_language(blog: Blog) -> None:
    blog.posts(
        post("a", tags=("x",)),
        german("b", tags=("x",), published_at=NOON + timedelta(hours=1)),
        post("c", tags=("x", "y"), published_at=NOON + timedelta(hours=2)),
        german("d", tags=("x",), published_at=NOON + timedelta(days=300)),
    )
    reader = blog.reader
    seen = {id: reader.require_post(id) for id in "abcd"}
    assert [seen["a"].next, seen["c"].previous, seen["b"].next, seen["d"].previous] == [seen[id] for id in "cadb"]
    assert [seen["a"].previous, seen["b"].previous, seen["c"].next, seen["d"].next] == [None] * 4
    assert [one.id for one in seen["a"].related(5)] == ["c"]
    assert [tag.url for tag in seen["d"].tags] == ["/de/tags/x/"]
    english, deutsch = SiteView(reader, "/", "en"), SiteView(reader, "/de/", "de")
    assert [[one.id for one in site.posts] for site in (english, deutsch)] == [["c", "a"], ["d", "b"]]
    assert [[(tag.name, tag.count) for tag in site.tags] for site in (english, deutsch)] == [
        [("x", 2), ("y", 1)],
        [("x", 2)],
    ]
    assert [[(year.url, year.count) for year in site.years] for site in (english, deutsch)] == [
        [("/archive/2026/", 2)],
        [("/de/archive/2027/", 1), ("/de/archive/2026/", 1)],
    ]
    assert [one.id for one in deutsch.posts.where(tag="x", year=2026)] == ["b"]
    assert english.posts.where(tag="x").count() == deutsch.posts.where(tag="x").count() == 2
    assert (deutsch.language, deutsch.home_url, deutsch.archive_url, deutsch.tags_url) == (
        "de",
        "/de/",
        "/de/archive/",
        "/de/tags/",
    )


def test_every_post_is_on_one_page_of_its_own_languages_lists(blog: Blog) -> None:
    blog.configured(pagination=PaginationConfig(size=2))
    blog.posts(*(post(f"p{n}", extra={"locale": LANGUAGES[n % 2]}, title=str(n)) for n in range(9)))
    homes = [target for target in blog.targets() if target.route in {"home", "list"}]
    english = [id for target in homes if "locale" not in target.params for id in blog.shown_ids(target)]
    deutsch = [id for target in homes if target.params.get("locale") == "de" for id in blog.shown_ids(target)]
    assert (english, deutsch) == (["p8", "p6", "p4", "p2", "p0"], ["p7", "p5", "p3", "p1"])
    assert "de/page/1/index.html" in blog.by_path()


def test_a_post_with_a_locales_name_gives_way_to_its_home_page(blog: Blog) -> None:
    blog.posts(post("a1", slug="de"), german("b1", slug="tags"))
    assert {"de/index.html", "de/tags/index.html", "de-a1/index.html", "de/tags-b1/index.html"} <= set(blog.by_path())
    assert codes(blog.findings) == ["VB3004", "VB3004"]


def test_a_pattern_with_dates_stands_below_the_folder(blog: Blog) -> None:
    blog.configured(urls=UrlsConfig(post="/{year}/{slug}/")).posts(german("tee"))
    assert "de/2026/tee/index.html" in blog.by_path()


def test_translations_name_each_other_and_a_lone_post_none(blog: Blog) -> None:
    blog.posts(post("tea"), german("tee", of="tea"), post("alone"), german("allein"))
    for path in ("tea/index.html", "de/tee/index.html"):
        found = versions(blog, path).there()
        assert [(one.language, one.canonical, one.is_default) for one in found] == [
            ("en", "https://garden.example/tea/", True),
            ("de", "https://garden.example/de/tee/", False),
        ]
    assert [(one.url, one.is_home) for one in versions(blog, "tea/index.html").elsewhere()] == [("/de/tee/", False)]
    assert versions(blog, "alone/index.html").there() == []
    assert [(one.url, one.is_home) for one in versions(blog, "alone/index.html").elsewhere()] == [("/de/", True)]
    assert [(one.url, one.is_home) for one in versions(blog, "de/allein/index.html").elsewhere()] == [("/", True)]


def test_homes_archives_and_years_are_versions_of_each_other_and_tags_are_not(blog: Blog) -> None:
    blog.posts(post("a", tags=("x",)), german("b", tags=("x",)), german("c", published_at=NOON + timedelta(days=300)))
    for path in ("index.html", "archive/index.html", "tags/index.html", "archive/2026/index.html"):
        urls = [one.url for one in versions(blog, path).there()]
        assert urls == [one.url for one in versions(blog, f"de/{path}").there()]
        assert urls == [f"/{path.removesuffix('index.html')}", f"/de/{path.removesuffix('index.html')}"]
    assert versions(blog, "tags/x/index.html").there() == versions(blog, "de/archive/2027/index.html").there() == []


def test_a_drafts_translation_is_not_named(blog: Blog) -> None:
    blog.posts(post("tea"), german("tee", of="tea", status="draft"))
    assert versions(blog, "tea/index.html").there() == []


def test_local_pages_are_in_the_language_of_their_folder_or_as_they_say(blog: Blog) -> None:
    blog.posts(post("a")).pages(
        page("about"),
        page("de/about"),
        page("imprint"),
        page("impressum", extra={"locale": "de", "translation_of": "imprint"}),
    )
    reader = blog.reader
    assert [[one.url for one in reader.pages_in(locale)] for locale in LANGUAGES] == [
        ["/about/", "/imprint/"],
        ["/de/about/", "/impressum/"],
    ]
    assert [one.url for one in versions(blog, "about/index.html").there()] == ["/about/", "/de/about/"]
    assert [one.url for one in versions(blog, "impressum/index.html").there()] == ["/imprint/", "/impressum/"]


def test_a_link_leads_to_the_same_language_unless_it_is_the_full_address(blog: Blog) -> None:
    addresses = ("/tea/", "/archive", "https://garden.example/tea/", "/only/")
    body = " ".join(f'<a href="{address}">x</a>' for address in addresses)
    blog.posts(post("tea", body=body), german("tea-de", slug="tea", body=body), post("only"))
    assert 'href="/de/tea/"' not in blog.content("tea")
    found = blog.content("tea-de")
    assert [f'href="{url}"' in found for url in ("/de/tea/", "/de/archive/", "/tea/", "/only/")] == [True] * 4


def test_a_slug_in_a_link_means_the_post_in_the_same_language(blog: Blog) -> None:
    blog.configured(urls=UrlsConfig(post="/{year}/{slug}/"))
    body = '<a href="/blog/tea">1</a> <a href="/de/tea">2</a>'
    blog.posts(post("a", slug="tea", body=body), german("b", slug="tea", body=body))
    assert blog.content("a").count('href="/2026/tea/"') == blog.content("a").count('href="/de/2026/tea/"') == 1
    assert blog.content("b").count('href="/de/2026/tea/"') == 2


def test_a_menu_entry_for_one_language_stands_in_its_pages_alone(blog: Blog) -> None:
    entries = (MenuItem(title="Home", url="/", locale="en"), MenuItem(title="Chat", url="https://chat.example"))
    reader = blog.configured(menu=entries).posts(post("a")).reader
    assert [[one.title for one in SiteView(reader, "/", locale).menu] for locale in LANGUAGES] == [
        ["Home", "Chat"],
        ["Chat"],
    ]


@pytest.mark.parametrize(
    ("language", "locales", "expected"),
    [
        ("en", ("en", "de"), ["en", "de"]),
        ("en-GB", ("en", "de"), ["en-GB", "de"]),
        ("en", ("de", "pt_BR"), ["de", "pt-BR"]),
        ("en-GB", ("en", "en-GB"), ["en", "en-GB"]),
        ("fr", (), ["fr"]),
    ],
)
def test_the_language_of_a_tree_is_its_locale_or_what_the_site_says_more_exactly(
    blog: Blog, language: str, locales: tuple[str, ...], expected: list[str]
) -> None:
    config = replace(
        SPOKEN, site=replace(CONFIG.site, language=language), source=replace(CONFIG.source, locales=locales)
    )
    site = replace(blog.site, config=config)
    assert [site.language(locale) for locale in site.locales.trees] == expected
