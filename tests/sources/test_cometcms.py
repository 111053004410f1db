"""CometCMS read from a stand-in: what everybody is shown becomes the site, and every trap of its contract is here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.sources.comet_blog import PLAIN, ROLES, Blog, blog
from tests.standins.comet import MARKDOWN, TAGS, TEXT, Call, CometStandIn, schema
from velobuild.config.schema import CollectionsConfig, FieldsConfig
from velobuild.errors import ConfigError, ProtocolError, TokenError
from velobuild.model.entries import BodyFormat, Collection

__all__ = ["blog"]


# --- What comes


def test_a_post_comes_with_its_tags_author_cover_and_summary(blog: Blog) -> None:
    blog.cms.put_entry("tags", "pasta", title="Pasta & more")
    blog.cms.put_entry("people", "jane", title="Jane Doe", email="jane@example.org")
    blog.cms.put_media("hero.png", b"123", alt="A pot", width=4, height=3)
    id = blog.cms.put_post(content="# Hi", summary="Salt it", cover=["hero.png"], tags=["pasta"], author="jane")
    blog.sync()
    post = blog.post()
    assert (post.id, post.title, post.body, post.body_format) == (id, "A post", "# Hi", BodyFormat.MARKDOWN)
    assert (post.excerpt, post.tags, post.extra["author"]) == ("Salt it", ("Pasta & more",), {"name": "Jane Doe"})
    assert post.published_at == datetime(2026, 5, 3, 12, tzinfo=UTC)
    cover = blog.media()[post.cover_media_id or ""]
    assert (cover.alt, cover.width_px, cover.size_bytes) == ("A pot", 4, 3)
    assert "jane@example.org" not in repr(blog.shelf.entries)
    assert blog.warnings == []


def test_nothing_but_get_is_sent_and_no_token(blog: Blog) -> None:
    blog.cms.put_post()
    blog.sync()
    assert {call.method for call in blog.cms.calls} == {"GET"}
    assert not any("authorization" in call.headers for call in blog.cms.calls)


def test_a_second_synchronisation_costs_a_call_a_list_and_brings_nothing(blog: Blog) -> None:
    for number in range(3):
        blog.cms.put_post(f"post-{number}", content="x")
    blog.sync()
    before = blog.shelf.entries
    blog.sync()
    assert blog.sent() == ["content-types", "media", "content/posts", "content/pages", "content/site/site"]
    assert blog.tally.bodies_fetched == 0
    assert blog.shelf.entries == before


def test_an_edit_brings_that_post_alone(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}", content="x") for number in range(3)]
    blog.sync()
    blog.cms.edit(ids[1], content="y", title="New")
    blog.sync()
    assert blog.tally.bodies_fetched == 1
    assert (blog.posts()[ids[1]].title, blog.posts()[ids[1]].body) == ("New", "y")


def test_what_leaves_no_trace_in_a_posts_own_date_is_found(blog: Blog) -> None:
    tag = blog.cms.put_entry("tags", "pasta")
    blog.cms.put_post(content="x", tags=["pasta"])
    blog.cms.put_media("a.png", b"1")
    blog.sync()
    blog.cms.edit(tag, title="Noodles")
    blog.cms.put_media("a.png", b"1", alt="A dot")
    blog.sync()
    assert blog.post().tags == ("Noodles",)
    assert blog.media()["a.png"].alt == "A dot"


def test_a_slug_that_changes_leaves_the_post_its_id(blog: Blog) -> None:
    id = blog.cms.put_post("old", content="x")
    blog.sync()
    blog.cms.edit(id, slug="new")
    blog.sync()
    assert blog.slugs() == ["new"]
    assert list(blog.posts()) == [id]


@pytest.mark.parametrize("id", ["-rFBDMBj0aa", "_rFBDMBj0aa", "0a1b2c3d4e5f"])
def test_an_id_may_begin_like_an_option_or_come_from_an_older_version(blog: Blog, id: str) -> None:
    blog.cms.put_post(id=id, content="x")
    blog.sync()
    blog.cms.set_status(id, "draft")
    blog.sync()
    assert blog.posts() == {}
    assert blog.warnings == []


def test_an_entry_without_fields_whose_data_is_a_list_is_a_post_without_text(blog: Blog) -> None:
    blog.cms.put_post()
    blog.sync()
    assert blog.post().body == ""


def test_unknown_fields_and_keys_are_kept_and_editors_names_are_not(blog: Blog) -> None:
    blog.cms.put_post(content="x", mood="salty", status_note="ok", tags_extra=[1, {"a": None}])
    blog.cms.types["posts"]["fields"]["excerpt"] = TEXT
    blog.sync()
    extra = blog.post().extra
    assert (extra["mood"], extra["status_note"], extra["tags_extra"]) == ("salty", "ok", [1, {"a": None}])
    assert "updated_by" not in extra


def test_a_field_whose_name_means_something_else_elsewhere_is_an_extra(blog: Blog) -> None:
    blog.cms.types["posts"]["fields"] |= {"status": TEXT, "updated": TEXT}
    blog.cms.put_post("a-post")
    blog.cms.entries["posts"][0]["data"] |= {"status": "half done", "updated": "often", "content": "x"}
    blog.sync()
    assert (blog.post().extra["status"], blog.post().extra["updated"]) == ("half done", "often")
    assert blog.post().status == "published"


@pytest.mark.parametrize(
    ("kind", "value", "body", "format"),
    [
        ("markdown", "# Hi\n\n*x*", "# Hi\n\n*x*", BodyFormat.MARKDOWN),
        ("html", "<p>Hi</p>", "<p>Hi</p>", BodyFormat.HTML),
        ("textarea", "1 < 2\nand\n\nmore", "<p>1 &lt; 2<br>\nand</p>\n<p>more</p>", BodyFormat.HTML),
        ("markdown", None, "", BodyFormat.MARKDOWN),
        ("json", None, "", BodyFormat.HTML),
        ("json", [{"type": "paragraph"}], '[{"type":"paragraph"}]', BodyFormat.BLOCKS),
    ],
)
def test_the_schema_says_how_a_body_is_written(blog: Blog, kind: str, value: Any, body: str, format: str) -> None:
    blog.cms.types["posts"] = schema("posts", {"text_of_it": {"type": kind}})
    blog.cms.put_post(text_of_it=value)
    blog.sync(fields=FieldsConfig(body="text_of_it"), collections=PLAIN)
    assert (blog.post().body, blog.post().body_format) == (body, format)


def test_the_first_formatted_field_of_the_editor_is_the_body(blog: Blog) -> None:
    fields = {"aside": TEXT, "article": {"type": "html"}, "sidebar": {"type": "html"}}
    blog.cms.types["posts"] = schema("posts", fields)
    blog.cms.put_post(aside="a", article="<p>b</p>", sidebar="<p>c</p>")
    blog.sync(collections=PLAIN)
    assert blog.post().body == "<p>b</p>"
    assert blog.post().extra["sidebar"] == "<p>c</p>"


def test_collections_and_fields_may_have_any_name(blog: Blog) -> None:
    blog.cms.types["blog-post"] = schema(
        "blog-post",
        {
            "artikel": {"type": "html"},
            "bild": {"type": "media"},
            "labels": {"type": "relation", "target": "tags", "multiple": True},
            "von": {"type": "relation", "target": "people"},
            "am": {"type": "datetime"},
        },
    )
    blog.cms.put_entry("tags", "salt")
    blog.cms.put_entry("people", "jane", title="Jane")
    blog.cms.put_media("b.png", b"1")
    blog.cms.put_entry(
        "blog-post", "x", artikel="<p>x</p>", bild=["b.png"], labels=["salt"], von="jane", am="2026-05-09T10:00"
    )
    blog.sync(
        collections=replace(ROLES, posts="blog-post"),
        fields=FieldsConfig(body="artikel", cover="bild", published_at="am"),
    )
    post = blog.post("x")
    assert (post.body, post.tags, post.cover_media_id) == ("<p>x</p>", ("Salt",), "b.png")
    assert post.extra["author"] == {"name": "Jane"}
    assert post.published_at == datetime(2026, 5, 9, 10, tzinfo=UTC)
    assert blog.codes() == ["VB3002"]  # the zone, which was missing


def test_tags_may_be_a_choice_or_a_text(blog: Blog) -> None:
    blog.cms.types["posts"] = schema("posts", {"content": MARKDOWN, "tags": {"type": "select", "multiple": True}})
    blog.cms.put_post("a", tags=["salt", "water"])
    blog.cms.put_post("b", tags="salt, oil")
    blog.sync(collections=PLAIN)
    assert (blog.post("a").tags, blog.post("b").tags) == (("salt", "water"), ("salt", "oil"))


def test_a_tag_that_was_deleted_shows_as_its_slug_and_is_left_out_with_a_word(blog: Blog) -> None:
    blog.cms.put_entry("tags", "salt")
    blog.cms.put_post(content="x", tags=["salt", "gone"])
    blog.sync()
    assert blog.post().tags == ("Salt",)
    assert [(w.code, w.what) for w in blog.warnings] == [("VB3002", "1 of its tags do not exist any more")]


def test_users_have_the_names_that_the_configuration_gives_them(blog: Blog) -> None:
    blog.cms.put_post("a", content="x", author_id="admin")
    blog.cms.put_post("b", content="x", author_id="tok_6e2aa3dea0")
    blog.cms.put_post("c", content="x", author_id=None)
    blog.sync(author_names={"admin": "Jane Doe"})
    assert blog.post("a").extra["author"] == {"name": "Jane Doe"}
    assert (blog.post("a").author_id, blog.post("b").author_id, blog.post("c").author_id) == (
        "admin",
        "tok_6e2aa3dea0",
        None,
    )
    assert "author" not in blog.post("b").extra


def test_repeaters_relations_and_files_in_other_fields_reach_the_templates(blog: Blog) -> None:
    inner = [{"key": "q", "type": "text"}, {"key": "pic", "type": "media"}, {"key": "see", "type": "relation"}]
    inner[2]["target"] = "tags"
    blog.cms.types["posts"]["fields"] |= {
        "faq": {"type": "repeater", "subfields": inner},
        "gallery": {"type": "media", "multiple": True},
        "related": {"type": "relation", "target": "posts", "multiple": True},
        "none": {"type": "relation", "target": "posts"},
    }
    blog.cms.put_entry("tags", "salt")
    other = blog.cms.put_post("other", content="a whole text of its own")
    faq = [{"q": "Why?", "pic": ["a.png"], "see": "salt"}]
    blog.cms.put_post(content="x", faq=faq, gallery=["a.png", "b c.png"], related=["other"], none=None)
    blog.sync()
    extra = blog.post().extra
    base = f"{blog.cms.url}/media/site-a"
    assert extra["faq"] == [{"q": "Why?", "pic": [f"{base}/a.png"], "see": None}]
    assert extra["gallery"] == [f"{base}/a.png", f"{base}/b%20c.png"]
    assert extra["related"] == [{"id": other, "slug": "other", "type": "posts", "title": "Other"}]
    assert extra["none"] is None


def test_values_of_every_other_type_reach_the_templates_as_they_are(blog: Blog) -> None:
    kinds = {
        "rating": ("number", 4.5),
        "share": ("range", 0),
        "hot": ("boolean", False),
        "raw": ("json", {"a": [1]}),
        "day": ("date", "2026-06-01"),
        "at": ("datetime", "2026-06-01T10:00"),
        "accent": ("color", "#ff0000"),
        "kind": ("select", "news"),
        "unset": ("number", None),
    }
    blog.cms.types["posts"]["fields"] |= {name: {"type": kind} for name, (kind, _) in kinds.items()}
    blog.cms.put_post(content="x", cover=[], tags=[], **{name: value for name, (_, value) in kinds.items()})
    blog.sync()
    post = blog.post()
    assert {name: post.extra[name] for name in kinds} == {name: value for name, (_, value) in kinds.items()}
    assert (post.cover_media_id, post.tags) == (None, ())


def test_a_post_that_cannot_be_used_is_left_out_and_a_good_copy_stays(blog: Blog) -> None:
    id = blog.cms.put_post("good", content="x")
    blog.cms.put_post("fine", content="x")
    blog.sync()
    blog.cms.edit(id, content=["not", "a", "text"])
    blog.sync()
    assert blog.posts()[id].body == "x"
    assert blog.codes() == ["VB2206"]


# --- What is published


@pytest.mark.parametrize("status", ["draft", "archived", "protected"])
@pytest.mark.parametrize("token", [False, True])
def test_what_is_not_published_is_kept_out_whoever_asks(blog: Blog, status: str, token: bool) -> None:
    blog.tokens = (blog.cms.token,) * token
    blog.cms.put_post("public", content="x")
    blog.cms.put_post("hidden", content="x", status=status)
    blog.sync()
    assert blog.slugs() == ["public"]
    assert blog.warnings == []


def test_drafts_are_kept_out_even_where_the_filter_is_ignored(blog: Blog) -> None:
    blog.tokens = (blog.cms.token,)
    blog.cms.ignores_filters = True
    blog.cms.put_post("public", content="x")
    blog.cms.put_post("hidden", content="x", status="draft")
    blog.sync()
    assert blog.slugs() == ["public"]
    assert blog.codes() == ["VB2208"]


def test_an_entry_of_tomorrow_comes_to_a_token_with_its_date_and_to_nobody_else(blog: Blog) -> None:
    blog.cms.put_post("later", content="x", published_at="2026-06-02T12:00:00Z")
    blog.sync()
    assert blog.slugs() == []
    blog.tokens = (blog.cms.token,)
    blog.sync()
    # Held back by its date until then, like every post of the future: see the store.
    assert blog.post("later").published_at == datetime(2026, 6, 2, 12, tzinfo=UTC)


def test_scheduled_is_taken_for_published_where_a_server_knows_it(blog: Blog) -> None:
    blog.tokens = (blog.cms.token,)
    blog.cms.ignores_filters = True
    blog.cms.put_post("past", content="x", status="scheduled")
    blog.cms.put_post("undated", content="x", status="scheduled", published_at=None)
    blog.sync()
    assert blog.slugs() == ["past"]


def test_drafts_among_tags_authors_pages_and_settings_are_kept_out_too(blog: Blog) -> None:
    blog.tokens = (blog.cms.token,)
    tomorrow = {"published_at": "2026-06-02T12:00:00Z"}
    blog.cms.put_entry("tags", "secret", status="draft")
    blog.cms.put_entry("tags", "soon", **tomorrow)
    blog.cms.put_entry("tags", "salt")
    blog.cms.put_entry("people", "jane", status="archived")
    blog.cms.put_entry("pages", "hidden", status="draft", content="x")
    blog.cms.put_entry("pages", "soon", content="x", **tomorrow)
    blog.cms.put_settings(site_name="Not yet", status="draft")
    blog.cms.put_post(content="x", tags=["secret", "soon", "salt"], author="jane")
    blog.sync()
    assert blog.post().tags == ("Salt",)
    assert "author" not in blog.post().extra
    assert blog.pages() == []
    assert blog.shelf.of(Collection.SETTINGS) == {}


def test_posts_for_members_are_left_out_with_a_word(blog: Blog) -> None:
    blog.cms.put_post("open", content="x")
    blog.cms.put_post("closed", content="x", visibility="members")
    blog.sync()
    assert blog.slugs() == ["open"]
    assert blog.codes() == ["VB2209"]
    blog.sync(members_only="include")
    assert blog.slugs() == ["closed", "open"]


# --- What goes


def test_a_post_that_is_in_no_list_goes_only_when_the_cms_says_404_of_it(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}", content="x") for number in range(3)]
    blog.sync()
    blog.cms.delete_post(ids[0])
    blog.sync()
    assert f"content/posts/{ids[0]}" in blog.sent()
    assert sorted(blog.posts()) == sorted(ids[1:])
    assert (blog.tally.gone, blog.warnings) == (1, [])


@pytest.mark.parametrize("status", ["draft", "archived", "protected"])
def test_a_post_that_is_taken_back_goes(blog: Blog, status: str) -> None:
    id = blog.cms.put_post(content="x")
    blog.sync()
    blog.cms.set_status(id, status)
    blog.sync()
    assert blog.posts() == {}


def test_many_posts_go_when_two_lists_agree_and_none_is_asked_for_singly(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}") for number in range(110)]
    blog.sync()
    for id in ids[:105]:
        blog.cms.delete_post(id)
    blog.sync()
    assert sorted(blog.posts()) == sorted(ids[105:])
    assert blog.sent().count("content/posts") == 2
    assert not any("content/posts/" in path for path in blog.sent())


def test_many_posts_stay_when_two_lists_do_not_agree(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}") for number in range(110)]
    blog.sync()
    rows = blog.cms.entries["posts"]
    blog.cms.entries["posts"] = rows[105:]
    lists = 0

    def flicker(call: Call) -> None:
        nonlocal lists
        if call.path.endswith("/content/posts"):
            lists += 1
            if lists > 1:
                blog.cms.entries["posts"] = rows[100:]

    blog.cms.before = flicker
    with pytest.raises(ProtocolError) as raised:
        blog.sync()
    assert (raised.value.code, raised.value.exit_code) == ("VB2205", 5)
    assert sorted(blog.posts()) == sorted(ids)


@pytest.mark.parametrize("narrowed", ["withheld", "locales"])
def test_a_grant_that_was_narrowed_is_no_deletion(blog: Blog, narrowed: str) -> None:
    blog.tokens = (blog.cms.token,)
    ids = [blog.cms.put_post(f"post-{number}", content="x") for number in range(120)]
    blog.sync()
    if narrowed == "withheld":
        blog.cms.withheld = set(ids[:115])
    else:
        grant = {**blog.cms.grants[0], "conditions": {"locales": ["de"]}}
        blog.cms.grants = (grant, *blog.cms.grants[1:])
    blog.cms.delete_post(ids[2])  # the control: among the withheld, one that is really gone
    blog.sync()
    assert sorted(blog.posts()) == sorted(set(ids) - {ids[2]})
    assert set(blog.codes()) - {"VB2207"} == {"VB2002"}  # the settings are withheld as well
    assert blog.tally.gone == 1


def test_a_condition_on_the_status_forbids_lists_and_ends_the_build(blog: Blog) -> None:
    blog.tokens = (blog.cms.token,)
    blog.cms.put_post(content="x")
    blog.sync()
    blog.cms.grants = ({**blog.cms.grants[0], "conditions": {"status": ["published"]}}, *blog.cms.grants[1:])
    with pytest.raises(TokenError) as raised:
        blog.sync()
    assert (raised.value.code, raised.value.exit_code) == ("VB2002", 3)
    assert "condition on the status" in (raised.value.hint or "")
    assert blog.slugs() == ["a-post"]


def test_another_entry_in_place_of_the_one_asked_for_removes_nothing(blog: Blog) -> None:
    id = blog.cms.put_post("first", content="x")
    blog.sync()
    blog.cms.delete_post(id)
    blog.cms.put_post(id, content="the slug is the other's id")
    blog.sync()
    assert id in blog.posts()
    assert blog.codes() == ["VB2206"]


def test_posts_of_the_cms_that_was_read_before_go_without_being_asked_for(blog: Blog) -> None:
    id = blog.cms.put_post(content="x")
    blog.sync()
    blog.shelf.entries[Collection.POSTS]["notes/old.md"] = replace(blog.post(), id="notes/old.md")
    blog.shelf.committed[Collection.POSTS]["notes/old.md"] = "1"
    blog.sync()
    assert list(blog.posts()) == [id]


# --- Lists


def test_long_lists_come_in_pages_that_add_up(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}") for number in range(450)]
    blog.sync()
    assert sorted(blog.posts()) == sorted(ids)
    assert blog.sent().count("content/posts") == 3


@pytest.mark.parametrize("event", ["deleted", "added"])
def test_a_list_that_changes_between_two_pages_loses_nothing(blog: Blog, event: str) -> None:
    ids = [blog.cms.put_post(f"post-{number}", created_at=f"2026-05-01T09:{number // 60:02d}:{number % 60:02d}Z")
           for number in range(401)]  # fmt: skip
    blog.sync()
    lists = 0

    def meanwhile(call: Call) -> None:
        nonlocal lists
        if call.path.endswith("/content/posts"):
            lists += 1
            if lists == 2 and event == "deleted":
                blog.cms.delete_post(ids[0])
            elif lists == 2:
                ids.append(blog.cms.put_post("new", created_at="2026-05-01T08:00:00Z"))

    blog.cms.before = meanwhile
    blog.sync()
    assert sorted(blog.posts()) == sorted(ids[1:] if event == "deleted" else ids)
    assert blog.sent().count("content/posts") == (2 + 2 if event == "deleted" else 3 + 3)
    assert blog.warnings == []


def test_a_list_that_never_settles_is_used_with_a_warning_and_loses_nothing(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}") for number in range(201)]

    def always(call: Call) -> None:
        if call.path.endswith("/content/posts"):
            ids.append(blog.cms.put_post(f"more-{len(ids)}"))

    blog.cms.before = always
    blog.sync()
    assert set(ids[:201]) <= blog.posts().keys()
    assert blog.codes() == ["VB2205"]


def test_a_server_that_ignores_the_offset_is_not_read_for_ever(blog: Blog) -> None:
    blog.cms.ignores_offset = True
    for number in range(201):
        blog.cms.put_post(f"post-{number}")
    with pytest.raises(ProtocolError) as raised:
        blog.sync()
    assert raised.value.code == "VB2201"


def test_a_page_that_is_too_large_is_asked_for_in_halves(blog: Blog) -> None:
    for number in range(3):
        blog.cms.put_post(f"large-{number}", content="x" * 8_000_000)
    blog.cms.put_post("small", content="x")
    blog.sync()
    assert blog.slugs() == ["small"]
    assert blog.codes() == ["VB2206"] * 3
    assert blog.sent().count("content/posts") > 1


def test_an_entry_that_is_too_large_alone_is_left_out_and_its_good_copy_stays(blog: Blog) -> None:
    id = blog.cms.put_post("grows", content="x")
    blog.cms.put_post("small", content="x")
    blog.sync()
    blog.cms.edit(id, content="x" * 21_000_000)
    blog.cms.put_post("new", content="x")
    blog.sync()
    assert blog.posts()[id].body == "x"
    assert blog.slugs() == ["grows", "new", "small"]
    assert set(blog.codes()) == {"VB2206"}


def test_after_a_kill_nothing_is_staged_twice(blog: Blog) -> None:
    for number in range(120):
        blog.cms.put_post(f"post-{number}", content="x")
    blog.sync(stop_after=2)
    assert blog.posts() == {}
    blog.sync()
    assert len(blog.posts()) == 120
    assert blog.tally.bodies_fetched == 120 - 2 * 50


# --- Addresses and the server's cache


def poison(cms: CometStandIn, path: str) -> str:
    """Ask as a stranger under another host's name; returns what the server then keeps for five minutes."""
    with httpx.Client(trust_env=False) as client:
        client.get(f"{cms.url}{path}", headers={"Host": "evil.example"})
        return client.get(f"{cms.url}{path}").text


def test_files_come_from_the_configured_address_whatever_host_an_answer_names(blog: Blog) -> None:
    blog.cms.put_media("a b.png", b"1")
    blog.cms.put_post(content="![x](https://evil.example/media/site-a/a%20b.png)", cover=["a b.png"])
    assert "evil.example" in poison(blog.cms, "/api/v1/workspaces/site-a/media")  # the control
    blog.cms.scheme = "https"
    blog.sync()
    url = f"{blog.cms.url}/media/site-a/a%20b.png"
    assert [media.url for media in blog.media().values()] == [url]
    assert blog.post().body == f"![x]({url})"


def test_the_address_of_an_installation_in_a_folder_is_kept() -> None:
    with CometStandIn(folder="/cms") as cms:
        blog = Blog(cms)
        cms.put_media("a.png", b"1")
        cms.put_post(content="x", cover=["a.png"])
        blog.sync()
        assert blog.media()["a.png"].url == f"{cms.url}/media/site-a/a.png"
        assert cms.url.endswith("/cms")


def test_a_picture_of_another_host_stays_what_it_is(blog: Blog) -> None:
    text = "![x](https://cdn.example/media/site-a/other.png) ![y](https://cdn.example/y.png)"
    blog.cms.put_media("a.png", b"1")
    blog.cms.put_post(content=text)
    blog.sync()
    assert blog.post().body == text


def test_http_of_the_cms_itself_in_a_body_becomes_the_configured_address(blog: Blog) -> None:
    # As a body holds it that was written behind a proxy: the file need not even be in the list.
    blog.cms.put_post(content=f"![x](HTTPS://127.0.0.1:{blog.cms.port}/media-thumbs/site-a/private.png)")
    blog.sync()
    assert blog.post().body == f"![x]({blog.cms.url}/media-thumbs/site-a/private.png)"


def test_a_scheduled_post_appears_when_its_time_comes_although_the_server_keeps_old_answers(blog: Blog) -> None:
    path = "/api/v1/workspaces/site-a/content/posts"
    due = blog.now + timedelta(seconds=30)
    blog.cms.put_post("due", content="x", published_at=due.strftime("%Y-%m-%dT%H:%M:%SZ"))
    blog.sync()
    poison(blog.cms, path)
    blog.now += timedelta(seconds=60)
    assert '"due"' not in poison(blog.cms, path)  # the control: who asks plainly is told what was
    blog.sync()
    assert blog.slugs() == ["due"]


# --- Files


def test_a_picture_nobody_described_is_no_decoration(blog: Blog) -> None:
    blog.cms.put_media("a.png", b"1", alt="")
    blog.sync()
    assert blog.media()["a.png"].alt is None


def test_a_file_that_is_replaced_under_its_name_is_a_change_and_another_spelling_of_its_date_is_none(
    blog: Blog,
) -> None:
    def version() -> str:
        blog.sync()
        return blog.shelf.versions(Collection.MEDIA)["a.png"]

    blog.cms.put_post(content="x")
    blog.cms.put_media("a.png", b"1", uploaded_at="2026-05-01T08:00:00+00:00")
    first = version()
    blog.cms.put_media("a.png", b"1", uploaded_at="2026-05-01T08:00:00Z")
    assert version() == first
    blog.cms.put_media("a.png", b"22", uploaded_at="2026-05-01T08:00:00Z")
    second = version()
    assert second != first
    blog.cms.put_media("a.png", b"22", uploaded_at="2026-05-02T08:00:00Z")
    assert version() not in (first, second)


def test_a_private_cover_is_known_by_its_address_alone(blog: Blog) -> None:
    blog.cms.put_media("secret.png", b"123", visibility="private", alt="Not for all")
    blog.cms.put_post(content="x", cover=["secret.png"])
    blog.sync()
    (media,) = blog.media().values()
    assert (media.id, media.alt, media.size_bytes) == (blog.post().cover_media_id, None, None)
    blog.tokens = (blog.cms.token,)
    blog.sync()
    (media,) = blog.media().values()
    assert media.alt == "Not for all"


def test_a_file_name_that_is_no_id_gets_one(blog: Blog) -> None:
    name = "Fünf Eier (1).png"
    blog.cms.put_media(name, b"1")
    blog.cms.put_post(content="x", cover=[name])
    blog.sync()
    (media,) = blog.media().values()
    assert (media.filename, media.id) == (name, blog.post().cover_media_id)
    assert media.url.endswith("/F%C3%BCnf%20Eier%20%281%29.png")


def test_files_stay_known_where_the_token_may_not_list_them(blog: Blog) -> None:
    blog.tokens = (blog.cms.token,)
    blog.cms.put_media("a.png", b"1", alt="A dot")
    blog.cms.put_post(content="x", cover=["a.png"])
    blog.sync()
    blog.cms.grants = blog.cms.grants[:1]
    blog.sync()
    assert blog.codes() == ["VB2207"]
    assert "a.png" in blog.media()
    assert blog.post().cover_media_id == "a.png"


def test_a_file_that_is_deleted_goes(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.cms.put_media("a.png", b"1")
    blog.sync()
    del blog.cms.files["a.png"]
    blog.sync()
    assert blog.media() == {}


# --- The field that cannot be read


def test_a_body_named_body_is_diagnosed_and_not_taken_for_empty(blog: Blog) -> None:
    blog.cms.types["posts"] = schema("posts", {"summary": TEXT, "body": MARKDOWN, "sidebar": {"type": "html"}})
    blog.cms.put_post(body="# The text", sidebar="<p>Not the text</p>")
    with pytest.raises(ConfigError) as raised:
        blog.sync(collections=PLAIN)
    assert (raised.value.code, raised.value.exit_code) == ("VB1303", 2)
    assert "`body` of `posts` cannot be read" in str(raised.value)
    assert "rename it in CometCMS" in (raised.value.hint or "")


def test_a_body_named_data_is_diagnosed_where_the_configuration_names_it(blog: Blog) -> None:
    blog.cms.types["posts"]["fields"]["data"] = MARKDOWN
    with pytest.raises(ConfigError, match="`data` of `posts` cannot be read"):
        blog.sync(fields=FieldsConfig(body="data"))


def localized(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return schema("posts", fields, locales=["en", "de"], default_locale="en", **changes)


def test_a_body_named_body_is_read_where_its_locale_is_translated(blog: Blog) -> None:
    blog.source["collections"] = PLAIN
    blog.cms.types["posts"] = localized({"body": MARKDOWN})
    id = blog.cms.put_post("a", body="x", translations={"en": {"body": "in English"}})
    blog.cms.put_post("b", body="x", translations={"de": {"body": "auf Deutsch"}})
    blog.sync()
    assert {post.slug: post.body for post in blog.posts().values()} == {"a": "in English"}
    assert blog.codes() == ["VB2206"]
    assert "cannot be read in the locale en" in blog.warnings[0].what
    blog.cms.delete_post(id)
    with pytest.raises(ConfigError, match="`body` of `posts` cannot be read"):
        blog.sync()


# --- Locales


def test_each_locale_brings_its_posts_and_what_was_not_translated_is_none(blog: Blog) -> None:
    blog.cms.types["posts"] = localized(
        {"content": MARKDOWN, "mood": {"type": "text", "localized": False}, "tags": TAGS}
    )
    blog.source["collections"] = replace(ROLES, authors="")
    both = blog.cms.put_post("both", content="Hi", translations={"de": {"title": "Beide", "content": "Hallo"}})
    only = blog.cms.put_post("only", content="Alone", mood="salty")
    blog.sync(locales=("en", "de"))
    posts = blog.posts()
    assert sorted(posts) == sorted([both, f"{both}~de", only])
    assert (posts[f"{both}~de"].title, posts[f"{both}~de"].body, posts[f"{both}~de"].slug) == ("Beide", "Hallo", "both")
    assert [posts[id].extra["locale"] for id in (both, f"{both}~de", only)] == ["en", "de", "en"]
    assert {posts[id].extra["translation_of"] for id in (both, f"{both}~de")} == {both}
    # Only what may differ between locales tells a translation.
    blog.cms.entries["posts"][1]["translations"]["de"] = {"mood": "salzig"}
    blog.sync(locales=("en", "de"))
    assert f"{only}~de" not in blog.posts()


def test_without_configured_locales_the_default_one_alone_is_read(blog: Blog) -> None:
    blog.cms.types["posts"] = localized({"content": MARKDOWN})
    blog.source["collections"] = PLAIN
    id = blog.cms.put_post(content="Hi", translations={"de": {"content": "Hallo"}})
    blog.sync()
    assert list(blog.posts()) == [id]
    assert not {"locale", "translation_of"} & blog.post().extra.keys()
    blog.sync(locales=("en", "de"))
    assert sorted(blog.posts()) == [id, f"{id}~de"]
    blog.sync()
    assert list(blog.posts()) == [id]


def test_a_site_may_leave_out_the_default_locale(blog: Blog) -> None:
    blog.cms.types["posts"] = localized({"content": MARKDOWN})
    blog.source["collections"] = PLAIN
    id = blog.cms.put_post("a", content="Hi", translations={"de": {"content": "Hallo"}})
    blog.cms.put_post("b", content="Hi")
    blog.sync(locales=("de",))
    assert {id: post.body for id, post in blog.posts().items()} == {f"{id}~de": "Hallo"}


def test_related_names_in_another_language_are_no_translation(blog: Blog) -> None:
    blog.cms.types["posts"] = localized({"content": MARKDOWN, "tags": TAGS, "cover": {"type": "media"}})
    blog.cms.types["tags"] = schema("tags", {}, locales=["en", "de"], default_locale="en")
    blog.source["collections"] = replace(ROLES, authors="")
    blog.cms.put_entry("tags", "salt", translations={"de": {"title": "Salz"}})
    id = blog.cms.put_post(content="Hi", tags=["salt"], cover=["a.png"])
    blog.sync(locales=("en", "de"))
    assert list(blog.posts()) == [id]
    blog.cms.entries["posts"][0]["translations"]["de"] = {"content": "Hallo"}
    blog.cms._cache.clear()
    blog.sync(locales=("en", "de"))
    assert blog.posts()[f"{id}~de"].tags == ("Salz",)


def test_a_translation_that_is_taken_back_or_withheld_is_told_apart(blog: Blog) -> None:
    blog.tokens = (blog.cms.token,)
    blog.cms.types["posts"] = localized({"content": MARKDOWN})
    blog.source |= {"collections": PLAIN, "locales": ("en", "de")}
    ids = [blog.cms.put_post(slug, content="Hi", translations={"de": {"content": "Hallo"}}) for slug in ("a", "b")]
    blog.sync()
    assert len(blog.posts()) == 4
    del blog.cms.entries["posts"][0]["translations"]["de"]
    blog.sync()
    assert sorted(blog.posts()) == sorted([*ids, f"{ids[1]}~de"])
    blog.cms.grants = ({**blog.cms.grants[0], "conditions": {"locales": ["en"]}}, *blog.cms.grants[1:])
    blog.sync()
    assert sorted(blog.posts()) == sorted([*ids, f"{ids[1]}~de"])
    assert "VB2002" in blog.codes()


@pytest.mark.parametrize("locales", [["en", "de"], []])
def test_a_locale_that_does_not_exist_is_refused_since_cometcms_would_show_the_default(
    blog: Blog, locales: list[str]
) -> None:
    blog.cms.types["posts"] = schema("posts", {"content": MARKDOWN}, locales=locales, default_locale="en")
    blog.source["collections"] = PLAIN
    with pytest.raises(ConfigError) as raised:
        blog.sync(locales=("en", "fr"))
    assert raised.value.code == "VB1303"
    assert "has no locale" in str(raised.value)


# --- Pages and settings


def test_pages_are_a_collection_of_their_own(blog: Blog) -> None:
    blog.cms.put_entry("pages", "imprint", title="Imprint", content="<p>Us</p>")
    blog.cms.put_entry("pages", "draft", content="x", status="draft")
    blog.sync()
    (page,) = blog.pages()
    assert (page.path, page.title, page.body, page.body_format) == ("imprint", "Imprint", "<p>Us</p>", BodyFormat.HTML)
    blog.cms.entries["pages"].clear()
    blog.sync()
    assert blog.pages() == []


def test_a_translated_page_lies_below_its_locale(blog: Blog) -> None:
    blog.cms.types["posts"] = localized({"content": MARKDOWN})
    blog.cms.types["pages"] = replace_schema(blog.cms.types["pages"], locales=["en", "de"], default_locale="en")
    blog.cms.put_entry("pages", "imprint", content="Us", translations={"de": {"content": "Wir"}})
    blog.cms.put_entry("pages", "about", content="Us")
    blog.sync(locales=("en", "de"), collections=PLAIN)
    assert sorted((page.path, page.body) for page in blog.pages()) == [
        ("about", "Us"),
        ("de/imprint", "Wir"),
        ("imprint", "Us"),
    ]


def replace_schema(kind: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**kind, **changes}


@pytest.mark.parametrize("old", [False, True])
def test_settings_are_a_singleton_in_either_version(blog: Blog, old: bool) -> None:
    blog.cms.old = old
    blog.cms.types["site"]["fields"] |= {"logo": {"type": "media"}, "smtp_password": {"type": "text"}}
    blog.cms.put_media("logo.png", b"1")
    blog.cms.put_settings(site_name="Salt", tagline="And water", logo=["logo.png"], smtp_password="hunter2-secret")
    blog.sync()
    settings = blog.settings()
    assert (settings.title, settings.description) == ("Salt", "And water")
    assert settings.logo_url == f"{blog.cms.url}/media/site-a/logo.png"
    assert "hunter2-secret" not in repr(settings)


def test_settings_that_cannot_be_had_are_kept_as_they_were(blog: Blog) -> None:
    blog.cms.put_settings(site_name="Salt")
    blog.sync()
    blog.cms.set_status("0000000site", "draft")
    blog.sync()
    assert blog.settings().title == "Salt"
    assert blog.codes() == ["VB2207"]


def test_a_list_is_no_settings_and_a_singleton_no_posts(blog: Blog) -> None:
    with pytest.raises(ConfigError, match="`tags` is no singleton"):
        blog.sync(collections=replace(ROLES, settings="tags"))
    blog.cms.put_settings(site_name="x")
    blog.cms.types["site"]["fields"]["text"] = MARKDOWN
    with pytest.raises(ConfigError, match="`site` is a singleton"):
        blog.sync(collections=CollectionsConfig(posts="site"))


def test_a_site_needs_no_settings_pages_tags_or_authors(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.sync(collections=CollectionsConfig())
    assert blog.slugs() == ["a-post"]
    assert blog.warnings == []
