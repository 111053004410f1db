"""PolyCMS, each trap of its API: what is read of it, and what a builder must not believe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sources.conftest import Shelf
from tests.standins.polycms import BEGAN, Call, OldPolyStandIn, PolyStandIn
from velobuild.config.schema import Config, LimitsConfig, Loaded, Secret, SourceConfig
from velobuild.errors import Diagnostic
from velobuild.model.entries import BodyFormat, Collection, Post
from velobuild.sources import open_source
from velobuild.sources.doctor import Finding
from velobuild.sources.polycms_api import num, numbers_of

PAGES, SETTINGS = Collection.PAGES, Collection.SETTINGS
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Site:
    """A site that syncs from a stand-in into a shelf; `calls` are the paths that the last synchronisation asked for."""

    def __init__(self, cms: PolyStandIn) -> None:
        self.cms = cms
        self.token: str | None = cms.token
        self.shelf = Shelf()
        self.warnings: list[Diagnostic] = []
        self.slept: list[float] = []
        self.now = NOW
        self.read = 0
        self.calls: list[str] = []
        self.url = cms.url

    def loaded(self, **config: Any) -> Loaded:
        limits = config.pop("limits", LimitsConfig())
        source = SourceConfig(type="polycms", **{"url": self.url, "rate_limit": "10000/s", **config})
        tokens = (Secret(self.token, "the test"),) if self.token else ()
        return Loaded(config=Config(source=source, limits=limits), file=Path("velobuild.toml"), tokens=tokens)

    def sync(self, *, stop_after: int | None = None, **config: Any) -> Site:
        self.warnings.clear()
        self.slept.clear()
        before = len(self.cms.calls)
        opened = open_source(
            self.loaded(**config),
            cache=None,
            clock=lambda: self.now,
            warn=self.warnings.append,
            sleep=self.slept.append,
        )
        with opened as at:
            try:
                for number, delta in enumerate(at.source.changes(self.shelf, self.shelf.cursor)):
                    self.shelf.take(delta)
                    if number == stop_after:
                        break
            finally:
                tally = at.source.tally
                self.read, self.listed, self.excluded = tally.bodies_fetched, tally.listed, tally.with_excluded_tags
                self.calls = [call.path.partition("/v1/")[2] for call in self.cms.calls[before:]]
        return self

    def diagnosed(self, **config: Any) -> list[Finding]:
        with open_source(self.loaded(**config), cache=None, sleep=lambda seconds: None) as at:
            return at.diagnose()

    def posts(self) -> dict[str, Post]:
        return self.shelf.of()

    def post(self) -> Post:
        (found,) = self.shelf.of().values()
        assert isinstance(found, Post)
        return found

    def titles(self) -> list[str]:
        return sorted(post.title for post in self.posts().values())

    def codes(self) -> list[str]:
        return sorted(warning.code for warning in self.warnings)


@pytest.fixture
def cms() -> Iterator[PolyStandIn]:
    with PolyStandIn() as running:
        yield running


@pytest.fixture
def site(cms: PolyStandIn) -> Iterator[Site]:
    made = Site(cms)
    yield made
    # Whatever a test did: only GET, never a preference of the token's owner, never a cut list of tags.
    for call in cms.calls:
        assert call.method == "GET"
        assert "lang" not in call.query
        assert "per_page" not in call.query or not call.path.endswith("/post-tags")
        assert call.headers["accept"] == "application/json"


# What is read.


def test_a_post_comes_with_all_that_a_page_shows(cms: PolyStandIn, site: Site) -> None:
    cms.put_post(
        title="Salting pasta water",
        slug="salting-pasta-water",
        content_html="<p>Use 10 g.</p>",
        tags=["Pasta", "Salt"],
        categories=["Basics"],
        author="Mia",
        excerpt="How much?",
        meta={"title": "Salt!", "description": "In grams", "keywords": "salt", "og_image": "/storage/media/og.png"},
        meta_fields={"subtitle": "Measured"},
        mood="new in a later version",
    )
    cms.put_settings(site_title="Salt & Water", tagline="Cooking", brand_logo="/storage/media/logo.png")
    post = site.sync().post()
    assert (post.title, post.slug, post.body, post.body_format) == (
        "Salting pasta water",
        "salting-pasta-water",
        "<p>Use 10 g.</p>",
        BodyFormat.HTML,
    )
    assert (post.tags, post.excerpt, post.seo_title, post.seo_description) == (
        ("Pasta", "Salt"),
        "How much?",
        "Salt!",
        "In grams",
    )
    assert post.published_at == datetime(2026, 5, 3, 10, tzinfo=UTC)
    assert post.author_id is not None
    assert post.extra["author"] == {"name": "Mia"}
    assert [category["name"] for category in post.extra["categories"]] == ["Basics"]
    assert post.extra["meta_fields"] == {"subtitle": "Measured"}
    assert post.extra["mood"] == "new in a later version"
    assert post.extra["og_image"] == f"{cms.url}/storage/media/og.png"
    settings = site.shelf.of(SETTINGS)["settings"]
    assert (settings.title, settings.description) == ("Salt & Water", "Cooking")
    assert settings.logo_url == f"{cms.url}/storage/media/logo.png"
    assert site.codes() == []


def test_an_empty_object_comes_as_a_list_and_is_an_empty_object(cms: PolyStandIn, site: Site) -> None:
    """PHP writes an array without anything in it as `[]`, whatever it would be with something in it."""
    id = cms.put_post(categories=["Basics"])
    assert cms.posts[int(id)]["meta_fields"] == cms.posts[int(id)]["categories"][0]["meta"] == [], "control"
    cms.rewritten = lambda raw: re.sub(rb'"meta": \{"title"[^}]*\}', b'"meta": []', raw)
    post = site.sync().post()
    assert post.extra["meta_fields"] == {}
    assert (post.seo_title, post.seo_description, post.extra["og_image"]) == (None, None, None)
    assert site.codes() == []


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("/storage/media/pot.jpg", "{site}/storage/media/pot.jpg"),
        ("/media/pot.jpg", "{site}/media/pot.jpg"),
        ("//cdn.example/pot.jpg", "//cdn.example/pot.jpg"),
        ("https://cdn.example/pot.jpg", "https://cdn.example/pot.jpg"),
    ],
)
def test_a_cover_is_found_however_its_address_is_stored(cms: PolyStandIn, site: Site, stored: str, shown: str) -> None:
    cms.put_post(featured_image=stored, meta={"og_image": stored})
    post = site.sync().post()
    (cover,) = site.shelf.of(Collection.MEDIA).values()
    assert cover.url == post.extra["og_image"] == shown.format(site=cms.url)


def test_files_on_another_disk_keep_the_address_of_their_cloud(cms: PolyStandIn, site: Site) -> None:
    address = "https://bucket.example/media/2026/05/pot.png"
    cms.put_media("pot.png", b"x", disk="s3", url=address, alt_text="A pot")
    cms.put_post(featured_image=address)
    post = site.sync().post()
    (media,) = site.shelf.of(Collection.MEDIA).values()
    assert (media.id, media.url, media.alt) == (post.cover_media_id, address, "A pot")


def test_an_author_s_address_is_kept_nowhere(cms: PolyStandIn, site: Site) -> None:
    cms.put_post(author="Mia", editor={"name": "Tom", "E-Mail": "tom@cms.example"}, contact_email="x@cms.example")
    site.sync()
    assert "mia@cms.example" in json.dumps(cms.posts), "control: the CMS sends it"
    assert "cms.example" not in repr(site.shelf.entries)
    assert site.post().extra["editor"] == {"name": "Tom"}


def test_numbers_are_read_however_they_come() -> None:
    assert [num(x) for x in (3, [42, 42], "15", [[1], 1], "x", True, None, 1.5, [])] == [3, 42, 15] + [None] * 6
    doubled = {"meta": {"current_page": [2, 2], "per_page": [15, 15], "total": [42, 42], "last_page": [3, 3]}}
    plain = {"meta": {"pagination": {"current_page": 2, "per_page": 15, "total": 42, "last_page": 3}}}
    assert numbers_of(doubled) == numbers_of(plain)


def test_every_page_is_read_by_a_unique_order_and_no_link_is_followed(cms: PolyStandIn, site: Site) -> None:
    for number in range(230):
        cms.put_post(title=f"Post {number:03d}", updated_at="2026-05-03T10:00:00.000000Z")
    site.sync()
    assert len(site.posts()) == 230
    pages = [call.query for call in cms.calls if call.path.endswith("/posts") and "compact" not in call.query]
    assert [query["page"] for query in pages] == ["1", "2", "3"]
    assert all(
        {**query, "page": ""}
        == {
            "status": "published",
            "type": "post",
            "per_page": "100",
            "sort_by": "id",
            "sort_order": "asc",
            "page": "",
        }
        for query in pages
    ), "links.next has lost the status"


def test_a_page_that_is_clamped_is_followed_by_the_answer_s_own_numbers(cms: PolyStandIn, site: Site) -> None:
    cms.per_page_max = 20
    for _ in range(45):
        cms.put_post()
    assert len(site.sync().posts()) == 45


def test_drafts_other_types_and_what_the_cms_lists_in_spite_of_the_filter_stay_out(
    cms: PolyStandIn, site: Site
) -> None:
    cms.put_post(title="Shown")
    cms.put_post(title="Draft", status="draft")
    cms.put_post(title="Old", status="archived")
    cms.put_post(title="Imprint", type="page")
    cms.put_post(title="Fair", type="news")
    assert site.sync().titles() == ["Shown"]
    assert site.codes() == []
    cms.ignores_status = True
    assert site.sync().titles() == ["Shown"]
    assert site.codes() == ["VB2208"]
    assert site.sync(types=("post", "news")).titles() == ["Fair", "Shown"]


def test_a_post_of_the_future_is_known_and_dated_and_one_without_a_date_is_dated_by_its_making(
    cms: PolyStandIn, site: Site
) -> None:
    cms.put_post(title="Later", published_at="2999-01-01T00:00:00.000000Z")
    cms.put_post(title="Undated", published_at=None)
    site.sync()
    later, undated = sorted(site.posts().values(), key=lambda post: post.title)
    assert later.published_at is not None
    assert later.published_at.year == 2999, "the store holds it back until then"
    assert undated.published_at is None
    assert datetime.fromisoformat(undated.extra["created"]) > BEGAN


# What changes.


def test_a_second_sync_reads_nothing_new_although_every_look_is_counted(cms: PolyStandIn, site: Site) -> None:
    ids = [cms.put_post() for _ in range(5)]
    site.sync()
    before = dict(site.shelf.committed)
    assert (site.sync().read, site.shelf.committed) == (0, before)
    assert cms.posts[int(ids[0])]["views"] == 2, "control: the views did change"


def test_edits_new_posts_slugs_deletions_and_unpublishing_are_seen(cms: PolyStandIn, site: Site) -> None:
    ids = [cms.put_post() for _ in range(6)]
    site.sync()
    cms.put_post(id=ids[0], slug="moved", title="Moved")
    cms.delete_post(ids[1])
    cms.set_status(ids[2], "draft")
    new = cms.put_post(title="New")
    site.sync()
    assert site.read == 3, "the edited one, the new one, and the one that is no longer listed"
    assert set(site.posts()) == {ids[0], *ids[3:], new}
    assert (site.posts()[ids[0]].slug, site.posts()[ids[0]].title) == ("moved", "Moved")


def test_a_renamed_tag_changes_its_posts_whose_dates_stay(cms: PolyStandIn, site: Site) -> None:
    id = cms.put_post(tags=["Pasta"])
    site.sync()
    dated = site.post().updated_at
    cms.rename_tag("Pasta", "Noodles")
    post = site.sync().post()
    assert (post.id, post.tags, post.updated_at) == (id, ("Noodles",), dated)


def test_posts_that_go_while_they_are_listed_cost_none_of_the_others(cms: PolyStandIn, site: Site) -> None:
    ids = [cms.put_post() for _ in range(150)]

    def before(call: Call) -> None:
        # Between the first page and the second: all later posts move up by one, over the page's edge.
        if call.query.get("page") == "2" and ids[0] in {str(id) for id in cms.posts}:
            cms.delete_post(ids[0])

    cms.before = before
    site.sync()
    assert set(site.posts()) == set(ids[1:])


def test_control_one_pass_alone_would_have_lost_a_post(cms: PolyStandIn) -> None:
    ids = [cms.put_post() for _ in range(150)]
    first = cms.answer(_listed(1)).body["data"]
    cms.delete_post(ids[0])
    second = cms.answer(_listed(2)).body["data"]
    assert set(ids[1:]) - {str(post["id"]) for post in first + second} == {ids[100]}


def _listed(page: int) -> Call:
    query = {"status": "published", "per_page": "100", "page": str(page), "sort_by": "id", "sort_order": "asc"}
    return Call("GET", "/api/v1/posts", query, {"accept": "application/json"})


def test_a_stop_in_the_middle_loses_nothing_that_came(cms: PolyStandIn, site: Site) -> None:
    for _ in range(230):
        cms.put_post()
    site.sync(stop_after=1)
    assert site.posts() == {}
    site.sync()
    assert len(site.posts()) == 230
    assert site.read == 130


# Many posts: the short reading.


@pytest.fixture
def many(cms: PolyStandIn, site: Site) -> Site:
    for number in range(320):
        cms.put_post(title=f"Post {number:03d}", tags=["Pasta"])
    return site.sync()


def test_a_large_blog_is_asked_for_its_newest_changes_alone(cms: PolyStandIn, many: Site) -> None:
    assert many.sync().calls == ["posts", "settings", "media", "post-tags", "categories", "posts"]
    assert (many.read, len(many.posts())) == (0, 320)
    cms.put_post(id=7, title="Edited")
    new = cms.put_post(title="New")
    many.sync()
    assert (many.calls.count("posts"), many.read) == (2, 2)
    assert (many.posts()["7"].title, many.posts()[new].title, len(many.posts())) == ("Edited", "New", 321)


@pytest.mark.parametrize("change", ["deleted", "unpublished", "deleted and added", "tag", "a day", "rules"])
def test_a_short_reading_is_not_believed_where_it_cannot_know(cms: PolyStandIn, many: Site, change: str) -> None:
    config: dict[str, Any] = {}
    match change:
        case "deleted":
            cms.delete_post("7")
        case "unpublished":
            cms.set_status("7", "draft")
        case "deleted and added":
            cms.delete_post("7")
            cms.put_post(title="New")
        case "tag":
            cms.rename_tag("Pasta", "Noodles")
        case "a day":
            cms.posts[7]["title"] = "Set in the database, without a date"
            many.now += timedelta(hours=25)
        case "rules":
            config["exclude_tags"] = ("Pasta",)
    many.sync(**config)
    assert many.calls.count("posts") >= 5, "the glance and all four pages"
    shown = {str(id): post["title"] for id, post in cms.posts.items() if post["status"] == "published"}
    assert {id: post.title for id, post in many.posts().items()} == shown
    assert {tag for post in many.posts().values() for tag in post.tags} == set(cms.tags)


def test_an_edit_in_the_second_of_the_last_one_is_seen(cms: PolyStandIn, many: Site) -> None:
    newest = max(cms.posts.values(), key=lambda post: str(post["updated_at"]))
    other = cms.posts[7]
    other |= {"title": "Edited", "updated_at": newest["updated_at"]}
    many.sync()
    assert (many.calls.count("posts"), many.posts()["7"].title) == (2, "Edited")


# Records that are not as they should be.


@pytest.mark.parametrize(
    "fields",
    [
        {"published_at": "soon"},
        {"title": "x" * 1001},
        {"content_html": "x" * 2_000_001},
        {"content_html": 7},
        {"slug": None},
        {"status": None},
    ],
    ids=["date", "title", "size", "body", "slug", "status"],
)
def test_one_record_that_cannot_be_used_is_named_and_costs_no_other(
    cms: PolyStandIn, site: Site, fields: dict[str, Any]
) -> None:
    cms.ignores_status = True
    good = cms.put_post()
    bad = cms.put_post(title="The bad one")
    site.sync()
    cms.put_post(id=bad, **fields)
    site.sync()
    assert set(site.posts()) == {good, bad}, "the good copy from before stays"
    assert site.posts()[bad].title == "The bad one"
    assert site.codes() == ["VB2206"]


def test_a_name_that_stands_twice_is_believed_in_neither_form(cms: PolyStandIn, site: Site) -> None:
    good = cms.put_post()
    cms.put_post(title="Twice")
    cms.rewritten = lambda raw: raw.replace(b'"title": "Twice"', b'"title": "Twice", "status": "draft"')
    assert set(site.sync().posts()) == {good}
    assert site.codes() == ["VB2206"]


@pytest.mark.parametrize(
    ("written", "hour", "codes"),
    [
        ("2026-05-03T10:00:00.000000Z", 10, []),
        ("2026-05-03T12:00:00+02:00", 10, []),
        ("2026-05-03 10:00:00", 10, ["VB3002"]),
    ],
)
def test_dates_are_read_in_their_zone(cms: PolyStandIn, site: Site, written: str, hour: int, codes: list[str]) -> None:
    cms.put_post(published_at=written)
    assert site.sync().post().published_at == datetime(2026, 5, 3, hour, tzinfo=UTC)
    assert site.codes() == codes


def test_lone_surrogates_and_control_characters_harm_nothing(cms: PolyStandIn, site: Site) -> None:
    cms.put_post(title="A\ud800\x00B", content_html="<p>\ud800</p>", tags=["\udfff"], meta_fields={"\ud800": "\x1b"})
    assert site.sync().post().title == "A\ufffdB"
    assert site.sync().read == 0


# Pages.


def test_pages_are_taken_where_they_are_wanted(cms: PolyStandIn, site: Site) -> None:
    post = cms.put_post()
    imprint = cms.put_post(
        type="page", slug="imprint", title="Imprint", content_html='<p><img src="/storage/a.png"></p>'
    )
    cms.put_post(type="page", slug="later", published_at="2999-01-01T00:00:00.000000Z")
    cms.put_post(type="page", slug="draft", status="draft")
    assert (set(site.sync().posts()), site.shelf.of(PAGES)) == ({post}, {})
    site.sync(types=("post", "page"))
    (page,) = site.shelf.of(PAGES).values()
    assert (page.id, page.path, page.title) == (imprint, "imprint", "Imprint")
    assert page.body == f'<p><img src="{cms.url}/storage/a.png"></p>'
    assert set(site.posts()) == {post}
    cms.put_post(id=imprint, title="Legal notice")
    site.sync(types=("post", "page"))
    assert [page.title for page in site.shelf.of(PAGES).values()] == ["Legal notice"]
    cms.delete_post(imprint)
    assert site.sync(types=("post", "page")).shelf.of(PAGES) == {}


def test_the_older_generation_keeps_its_pages_apart() -> None:
    with OldPolyStandIn() as old:
        site = Site(old)
        post, page = old.put_post(), old.put_page(slug="imprint")
        site.sync(types=("post", "page"))
        assert (set(site.posts()), set(site.shelf.of(PAGES))) == ({post}, {page})


def test_a_page_without_an_address_is_named(cms: PolyStandIn, site: Site) -> None:
    cms.put_post(type="page", slug="../..")
    assert site.sync(types=("post", "page")).shelf.of(PAGES) == {}
    assert site.codes() == ["VB2206"]


@pytest.mark.parametrize("seen", [True, False], ids=["dated now", "control: dated long ago"])
def test_a_post_between_two_pages_is_found_at_once_although_the_numbers_fit(
    cms: PolyStandIn, site: Site, seen: bool
) -> None:
    """One goes from the first page and one comes to the last: the 101st stands on the first when the second is read."""
    ids = [cms.put_post(slug=f"post-{number}") for number in range(150)]

    def stir(call: Call) -> None:
        if call.path.endswith("/posts") and call.query.get("page") == "2":
            cms.before = lambda call: None
            cms.delete_post(ids[0])
            cms.put_post(slug="new", **({} if seen else {"updated_at": "2026-01-01T10:00:00.000000Z"}))

    cms.before = stir
    site.sync()
    assert (ids[100] in site.posts()) == seen
    assert "VB2205" not in site.codes()
    site.sync()
    assert sorted(site.posts()) == sorted(str(id) for id in cms.posts)


def test_a_quiet_list_of_several_pages_is_read_once(cms: PolyStandIn, site: Site) -> None:
    for number in range(150):
        cms.put_post(slug=f"post-{number}")
    assert site.sync().calls.count("posts") == 3, "a glance and two pages"
