"""What pages may know of posts, tags, years, comments and settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.graph.rig import CMS, CONFIG, NOON, Blog, dated, media, page, post
from velobuild.config.schema import MenuItem, SiteConfig, UrlsConfig
from velobuild.graph.reader import Reader
from velobuild.graph.views import PostList, SiteView, TermView
from velobuild.model.entries import Collection, Comment, SiteSettings
from velobuild.model.keys import Query


def tag(reader: Reader, name: str) -> TermView:
    return next(term for term in reader.tags if term.name == name)


# Tags


def test_spellings_of_a_tag_are_one_tag_under_the_name_that_most_posts_use(blog: Blog) -> None:
    blog.posts(post("a", tags=("tea",)), post("b", tags=("Tea",)), post("c", tags=("Tea",)), post("d", tags=("TEA",)))
    assert [(term.name, term.slug, term.count) for term in blog.reader.tags] == [("Tea", "tea", 4)]
    assert [view.id for view in blog.reader.posts(Query(where=(("tag", "tea"),)))] == ["d", "c", "b", "a"]


def test_equally_many_spellings_are_decided_by_the_alphabet(blog: Blog) -> None:
    blog.posts(post("a", tags=("tea",)), post("b", tags=("Tea",)))
    assert [term.name for term in blog.reader.tags] == ["Tea"]


def test_f6_normal_forms_of_a_tag_are_one_tag(blog: Blog) -> None:
    blog.posts(post("a", tags=("Café",)), post("b", tags=("cafe\u0301",)))
    assert [(term.slug, term.count) for term in blog.reader.tags] == [("café", 2)]


def test_c4_c_and_its_relatives_have_pages_of_their_own(blog: Blog) -> None:
    blog.posts(post("a", tags=("C", "C++", "C#", "c#", "F#", ".NET", "R&D")))
    assert {term.name: term.slug for term in blog.reader.tags} == {
        "C": "c",
        "C++": "c-plus-plus",
        "C#": "c-sharp",
        "F#": "f-sharp",
        ".NET": "net",
        "R&D": "r-and-d",
    }


def test_tags_that_would_share_a_slug_or_have_none_get_one(blog: Blog) -> None:
    blog.posts(post("a", tags=("a b", "a-b", "🍵", "🫖", "../x", "con", "long " * 90)))
    slugs = [term.slug for term in blog.reader.tags]
    assert len(slugs) == len({slug.casefold() for slug in slugs}) == 7
    assert not {"", "con"} & set(slugs)
    assert all("/" not in slug and len(slug.encode()) < 220 for slug in slugs)


def test_excluded_tags_are_nowhere(blog: Blog) -> None:
    blog.configured(source=replace(CONFIG.source, exclude_tags=("INTERNAL",)))
    blog.posts(post("a", tags=("tea", "internal")), post("b", tags=("Internal",)))
    reader = blog.reader
    assert [term.name for term in reader.tags] == ["tea"]
    assert [term.name for term in reader.require_post("a").tags] == ["tea"]
    assert reader.require_post("b").tags == []
    assert reader.require_post("a").related(5) == []


def test_tags_of_drafts_are_no_tags(blog: Blog) -> None:
    blog.posts(post("a", tags=("tea",)), post("b", tags=("secret",), status="draft"))
    assert [term.name for term in blog.reader.tags] == ["tea"]


def test_a_posts_tags_keep_its_order_each_once(blog: Blog) -> None:
    blog.posts(post("a", tags=("Zen", "tea", "ZEN", "Art")), post("b", tags=("Tea",)), post("c", tags=("Tea",)))
    assert [term.name for term in blog.reader.require_post("a").tags] == ["Zen", "Tea", "Art"]


def test_a_selection_takes_a_tags_slug_its_name_or_the_tag(blog: Blog) -> None:
    blog.posts(post("a", tags=("C#",)), post("b", tags=("Green Tea",)), post("c", tags=("c-sharp rooms",)))
    posts = PostList(blog.reader)
    for wanted in ("c-sharp", "C#", "c#", tag(blog.reader, "C#")):
        assert [view.id for view in posts.where(tag=wanted)] == ["a"], wanted
    assert [view.id for view in posts.where(tag="green-tea")] == ["b"]
    assert posts.where(tag="none").count() == 0


# Posts


def test_related_posts_share_the_most_tags_and_are_bounded(blog: Blog) -> None:
    blog.posts(
        post("me", tags=("x", "y")),
        post("both", tags=("X", "y"), published_at=NOON - timedelta(9)),
        *dated(100, tags=("x",)),
        post("none", tags=("z",)),
    )
    reader = blog.reader
    related = reader.require_post("me").related(3)
    assert [view.id for view in related] == ["both", "p099", "p098"]
    assert len(reader.require_post("me").related(500)) <= 60
    assert reader.require_post("none").related(3) == []


def test_neighbours_are_the_next_older_and_newer(blog: Blog) -> None:
    blog.posts(*dated(3))
    middle = blog.reader.require_post("p001")
    assert (middle.previous, middle.next) == (blog.reader.post("p000"), blog.reader.post("p002"))
    assert blog.reader.require_post("p000").previous is None
    assert blog.reader.require_post("p002").next is None


def test_neighbours_are_the_same_whichever_post_is_asked_first(blog: Blog) -> None:
    # Two of one moment: their ids decide.
    blog.posts(*dated(6), replace(dated(1)[0], id="p000b", slug="p000b")).settle()
    order = ["p000", "p000b", "p001", "p002", "p003", "p004", "p005"]
    wanted = {id: (order[at - 1] if at else None, ([*order, None])[at + 1]) for at, id in enumerate(order)}
    for asked in (order, order[::-1], ["p003", "p000b", "p005", "p001", "p000", "p004", "p002"]):
        reader = blog.reader
        found = {}
        for id in asked:
            post = reader.require_post(id)
            found[id] = tuple(other and other.id for other in (post.previous, post.next))
        assert wanted == found


@pytest.mark.parametrize(
    ("author", "name"),
    [("Ann", "Ann"), ({"name": "Ann", "id": 7}, "Ann"), ({"id": 7}, None), ("", None), (None, None), (["Ann"], None)],
)
def test_the_author_is_who_the_cms_names(blog: Blog, author: Any, name: str | None) -> None:
    blog.posts(post("a", extra={"author": author}))
    assert blog.reader.require_post("a").author == name


def test_a_post_without_a_publication_date_shows_its_creation_in_the_sites_zone(blog: Blog) -> None:
    blog.configured(site=SiteConfig(timezone="Europe/Vienna"))
    blog.posts(post("a", published_at=None, extra={"created": "2026-05-01 22:30:00"}), post("b", published_at=None))
    shown = blog.reader.require_post("a").published
    assert shown is not None
    assert shown.isoformat() == "2026-05-02T00:30:00+02:00"
    assert blog.reader.require_post("b").published is None
    assert blog.reader.require_post("b").updated == NOON


@pytest.mark.parametrize(("pattern", "path"), [("/{slug}.html", "/tea.html"), ("/{slug}/{id}/", "/tea/a/")])
def test_a_posts_slug_is_its_slug_whatever_the_pattern(blog: Blog, pattern: str, path: str) -> None:
    blog.configured(urls=UrlsConfig(post=pattern))
    blog.posts(post("a", slug="tea"))
    view = blog.reader.require_post("a")
    assert (view.slug, view.url) == ("tea", path)


def test_what_is_not_public_is_not_there(blog: Blog) -> None:
    blog.posts(post("draft", status="draft"), post("soon", published_at=NOON + timedelta(days=900)))
    assert (blog.reader.post("draft"), blog.reader.post("soon"), blog.reader.post("never")) == (None, None, None)


def test_an_excerpt_is_the_cmss_own_or_the_beginning(blog: Blog) -> None:
    blog.posts(post("a", excerpt="Mine & <yours>"), post("b", body="<p>" + "word " * 60 + "</p>"))
    assert blog.reader.require_post("a").excerpt == "Mine & <yours>"
    assert blog.reader.require_post("b").excerpt == "word " * 39 + "word…"


def test_the_cover_is_a_published_file_or_none_and_the_first_picture_stands_in(blog: Blog) -> None:
    blog.media(media("m1"), media("m2")).asset(f"{CMS}/media/m1.png").asset(f"{CMS}/media/x.png", sha256="cd" * 32)
    body = '<img src="/media/lost.png"><img src="/media/x.png" alt="X">'
    blog.posts(
        post("a", cover_media_id="m1"), post("b", cover_media_id="m2", body=body), post("c", cover_media_id="gone")
    )
    cover = blog.reader.require_post("a").cover
    assert cover is not None
    assert (cover.url, cover.width, cover.alt) == (f"/media/{'ab' * 16}.png", 640, "Alt of m1")
    fallback = blog.reader.require_post("b")
    assert fallback.cover is None
    assert fallback.image is not None
    assert (fallback.image.url, fallback.image.alt) == (f"/media/{'cd' * 16}.png", "X")
    assert blog.reader.require_post("c").image is None


def test_views_print_without_a_place_in_memory(blog: Blog) -> None:
    blog.posts(post("a")).pages(page("about"))
    reader = blog.reader
    shown = [reader.post("a"), reader.local_pages[0], PostList(reader), SiteView(reader, "/"), *reader.years]
    assert [str(one) for one in shown if " at 0x" in str(one)] == []


def test_a_reader_forgets_old_posts_but_not_the_answers(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    blog.posts(*dated(30))
    reader = blog.reader
    first = [view.title for view in reader.posts(Query())]
    assert [view.title for view in reader.posts(Query())] == first


# Years, comments, settings


def test_years_are_those_of_posts_with_an_address(blog: Blog) -> None:
    blog.posts(
        post("a", published_at=datetime(1950, 6, 1, tzinfo=UTC)),
        post("b", published_at=datetime(2025, 6, 1, tzinfo=UTC)),
        post("c", slug="../x", published_at=datetime(2024, 6, 1, tzinfo=UTC)),
    )
    assert [(year.year, year.url, year.count) for year in blog.reader.years] == [
        (2025, "/archive/2025/", 1),
        (1950, "/archive/1950/", 1),
    ]


def test_comments_stand_in_the_order_of_their_times(blog: Blog) -> None:
    def comment(id: str, minutes: int, post_id: str = "a") -> Comment:
        return Comment(id, post_id, f"Name <{id}>", f"Body <script>x</script> {id}", NOON + timedelta(minutes=minutes))

    blog.posts(post("a"))
    blog.sync(
        Collection.COMMENTS, comment("z", 1), comment("y", 0), comment("b", 2), comment("a", 2), comment("o", 0, "?")
    )
    comments = blog.reader.require_post("a").comments
    assert [one.author_name for one in comments] == ["Name <y>", "Name <z>", "Name <a>", "Name <b>"]
    assert "<script" not in comments[0].body


def test_the_configuration_wins_over_the_cmss_settings(blog: Blog) -> None:
    settings = SiteSettings(title="From the CMS", description="Its words", logo_url="/media/logo.png")
    blog.sync(Collection.SETTINGS, settings).asset(f"{CMS}/media/logo.png")
    view = SiteView(blog.reader, "/")
    assert (view.title, view.description) == ("Garden", "Its words")
    assert view.logo is not None
    blog.configured(site=SiteConfig())
    assert SiteView(blog.reader, "/").title == "From the CMS"
    blog.sync(Collection.SETTINGS)
    assert SiteView(blog.reader, "/").title == "Untitled site"


def test_the_menu_knows_the_page_that_is_shown(blog: Blog) -> None:
    blog.configured(
        site=SiteConfig(base_url="https://garden.example/blog"),
        menu=(MenuItem(title="Home", url="/"), MenuItem(title="Shop", url="https://shop.example/")),
    )
    menu = SiteView(blog.reader, "/blog/").menu
    assert [(item.title, item.url, item.current) for item in menu] == [
        ("Home", "/blog/", True),
        ("Shop", "https://shop.example/", False),
    ]
