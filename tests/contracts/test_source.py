"""The contract of every source: one suite for all. What a CMS cannot do is said by its adapter, and asserted."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.contracts.cms import ABILITIES, DAY, TOKEN, Blog
from tests.contracts.conftest import SOURCES
from tests.contracts.gate import Call, Gate, Shape
from velobuild.config.source_schema import BUILT_IN
from velobuild.errors import TokenError, VelobuildError
from velobuild.model.entries import Collection
from velobuild.model.ports import NamedPost

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
AUTHOR = "Ada Byron"
SOON = datetime(2999, 1, 1, 10, 0, tzinfo=UTC)


def test_every_kind_of_source_is_held_to_this_and_says_why_where_it_cannot() -> None:
    assert {adapter.type for _, adapter in SOURCES.values()} == set(BUILT_IN)
    for _, adapter in SOURCES.values():
        assert set(adapter.cannot) <= ABILITIES
        assert all(adapter.cannot.values())


# Full and delta.


def test_a_first_sync_brings_every_published_post_as_it_was_written(blog: Blog) -> None:
    if "settings" not in blog.cms.cannot:
        blog.cms.put_settings(title="A blog", description="")
    for number in range(4):
        blog.cms.put_post(f"post-{number}", title=f"Title {number}", body=f"<p>Body <b>{number}</b></p>")
    blog.sync()
    assert sorted(blog.posts()) == [f"post-{number}" for number in range(4)]
    post = blog.posts()["post-2"]
    assert (post.title, post.status, post.published_at) == ("Title 2", "published", DAY)
    assert post.body.strip().endswith("<p>Body <b>2</b></p>"), "a folder's begins with where it lies"
    assert [warning for warning in blog.warnings if warning.code.startswith(("VB22", "VB30"))] == []


def test_an_idle_sync_fetches_no_body_and_changes_nothing(blog: Blog) -> None:
    for number in range(5):
        blog.cms.put_post(f"post-{number}")
    blog.sync()
    before = dict(blog.shelf.committed)
    blog.sync()
    assert blog.read == 0
    assert blog.shelf.committed == before


def test_a_delta_brings_the_edited_post_and_no_other(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}", title=f"Title {number}") for number in range(5)]
    blog.sync()
    before = blog.posts()
    blog.cms.edit_post(ids[3], title="Changed")
    blog.sync()
    assert blog.read == 1
    changed = {slug for slug, post in blog.posts().items() if post != before[slug]}
    assert changed == {"post-3"}
    assert blog.posts()["post-3"].title == "Changed"


def test_a_new_post_comes_by_itself(blog: Blog) -> None:
    blog.cms.put_post("first")
    blog.sync()
    blog.cms.put_post("second")
    blog.sync()
    assert blog.read == 1
    assert sorted(blog.posts()) == ["first", "second"]


def test_the_same_content_built_twice_publishes_nothing_the_second_time(blog: Blog) -> None:
    blog.cms.put_post("one", tags=("Bread",))
    assert blog.run("build").code == 0, blog.said
    before = blog.tree()
    assert blog.run("build").code == 0
    assert blog.tree() == before


def test_posts_that_change_while_they_are_listed_lose_none_of_the_others(blog: Blog) -> None:
    """The list is longer than a page; between its pages one post goes and another comes, again and again."""
    ids = [blog.cms.put_post(f"post-{number:04d}") for number in range(blog.cms.page + 20)]
    if reason := blog.cms.cannot.get("http"):
        blog.sync()
        assert reason
        assert blog.gate.calls == [], "nothing is listed page by page"
        return
    turn = seen = 0

    def stir(call: Call) -> None:
        nonlocal seen
        if call.path.startswith(blog.cms.posts_path):
            seen += 1
            if seen in (2, 3):
                blog.cms.delete_post(ids[turn + seen])
                blog.cms.put_post(f"new-{turn + seen}")

    blog.gate.before = stir
    blog.sync()
    assert seen >= 2, "control: the list was longer than a page"
    # What came between two pages of the very first list may come with the next one; what is known must never go.
    blog.gate.before = lambda call: None
    blog.sync()
    known = set(blog.posts())
    assert {f"post-{number:04d}" for number in range(4, len(ids))} <= known
    turn, seen = 10, 0
    blog.cms.edit_post(ids[-1], title="So that there is something to list")
    blog.gate.before = stir
    blog.sync()
    assert seen >= 2, "control: it was listed again"
    assert known - {"post-0012", "post-0013"} <= set(blog.posts())
    blog.gate.before = lambda call: None
    blog.sync()
    gone = {f"post-{turn + number:04d}" for number in (2, 3) if number <= seen}
    came = {f"new-{turn + number}" for number in (2, 3) if number <= seen}
    assert set(blog.posts()) == (known - gone) | came


def test_posts_that_are_named_are_what_a_whole_reading_brings(blog: Blog) -> None:
    if reason := blog.cms.cannot.get("named posts"):
        with pytest.raises(AssertionError):
            blog.fetch("post-1")
        assert reason
        return
    address = blog.cms.put_media("dot.png", DOT, alt="One dot")
    body = f'<p>Fresh <img src="{address}" alt=""></p>'
    ids = [blog.cms.put_post(f"post-{number}", tags=("Bread",), author=AUTHOR) for number in range(4)]
    blog.sync()
    blog.cms.edit_post(ids[0], title="Changed", body=body)
    blog.cms.delete_post(ids[1])
    blog.cms.set_status(ids[2], "draft")
    said = [delta for delta in blog.fetch(*ids[:3], "../media/1") if delta.collection is Collection.POSTS]
    assert not any(delta.complete for delta in said)
    gone = {id for delta in said for id in delta.deletes}
    assert gone == (set() if "named absences" in blog.cms.cannot else {ids[1], ids[2]})
    (post,) = [entry for delta in said for entry in delta.upserts]
    (version,) = [delta.versions[ids[0]] for delta in said if delta.upserts]
    blog.sync()
    assert blog.shelf.of()[ids[0]] == post
    assert post.title == "Changed", "control: it is the new one"
    assert blog.shelf.versions(Collection.POSTS)[ids[0]] == version, "so that it is not read again"


def test_a_build_for_a_named_post_makes_the_site_that_a_whole_build_makes(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}", tags=("Bread",), author=AUTHOR) for number in range(3)]
    assert blog.run("build").code == 0, blog.said
    before = blog.tree()
    blog.cms.edit_post(ids[1], title="Changed", body="<p>Fresh</p>")
    report = blog.build_named(ids[1])
    if "named posts" not in blog.cms.cannot:
        assert report.sync is not None
        assert report.sync.named == (NamedPost(ids[1]),), "control: nothing else was read"
    after = blog.tree()
    assert after != before
    assert blog.run("build").code == 0
    assert blog.tree() == after


def test_a_sync_that_is_killed_goes_on_where_it_stood(blog: Blog) -> None:
    for number in range(12):
        blog.cms.put_post(f"post-{number}")
    blog.sync(stop_after=1)
    first = len(blog.shelf.staged[Collection.POSTS])
    assert blog.posts() == {}, "nothing of half a sync can be seen"
    blog.sync()
    assert len(blog.posts()) == 12
    assert first + blog.read == 12, "and no body is fetched twice"
    assert first > 0, "control: something had been kept"


# What must not be there.


def test_a_deleted_post_goes(blog: Blog) -> None:
    blog.cms.put_post("stays")
    id = blog.cms.put_post("goes")
    blog.sync()
    blog.cms.delete_post(id)
    blog.sync()
    assert sorted(blog.posts()) == ["stays"]


def test_an_unpublished_post_goes_and_comes_back(blog: Blog) -> None:
    blog.cms.put_post("stays")
    id = blog.cms.put_post("wavers")
    blog.sync()
    blog.cms.set_status(id, "draft")
    blog.sync()
    assert sorted(blog.posts()) == ["stays"]
    blog.cms.set_status(id, "published")
    blog.sync()
    assert sorted(blog.posts()) == ["stays", "wavers"]


def test_drafts_and_posts_of_the_future_are_not_published(blog: Blog) -> None:
    blog.cms.put_post("ready", title="Ready")
    blog.cms.put_post("unfinished", title="Unfinished words", status="draft")
    blog.cms.put_post("tomorrow", title="Words of tomorrow", published_at=SOON)
    assert blog.run("build").code == 0, blog.said
    everything = b"".join(blog.tree().values())
    assert "ready/index.html" in blog.pages()
    for words in (b"Unfinished words", b"Words of tomorrow"):
        assert words not in everything


def test_a_site_that_would_shrink_is_refused_and_the_live_one_stays(blog: Blog) -> None:
    ids = [blog.cms.put_post(f"post-{number}") for number in range(12)]
    assert blog.run("build").code == 0, blog.said
    before = blog.tree()
    for id in ids[:10]:
        blog.cms.delete_post(id)
    ended = blog.run("build")
    assert ended.code == 5, ended.err
    assert "VB5001" in ended.err
    assert blog.tree() == before
    assert blog.run("build", "--allow-shrink").code == 0
    assert len([page for page in blog.pages() if page.startswith("post-")]) == 2


# Content.


def test_tags_come_in_their_order_and_spelling(blog: Blog) -> None:
    blog.cms.put_post("tagged", tags=("Rye bread", "Basics", "Ünïcode"))
    blog.cms.put_post("bare")
    blog.sync()
    assert blog.posts()["tagged"].tags == ("Rye bread", "Basics", "Ünïcode")
    assert blog.posts()["bare"].tags == ()


def test_dates_are_the_same_moment_whatever_zone_they_were_written_in(blog: Blog) -> None:
    vienna = timezone(timedelta(hours=2))
    blog.cms.put_post("late", published_at=datetime(2026, 5, 3, 0, 30, tzinfo=vienna))
    blog.sync()
    at = blog.posts()["late"].published_at
    assert at == datetime(2026, 5, 2, 22, 30, tzinfo=UTC)
    assert at is not None
    assert at.utcoffset() == timedelta(0), "and always in UTC"


def test_another_slug_is_the_same_post_and_leaves_a_redirect(blog: Blog) -> None:
    id = blog.cms.put_post("old-name")
    blog.sync()
    known = blog.posts()["old-name"].id
    assert blog.run("build").code == 0, blog.said
    blog.cms.edit_post(id, slug="new-name")
    blog.sync()
    assert {slug: post.id for slug, post in blog.posts().items()} == {"new-name": known}
    assert blog.run("build").code == 0
    assert "new-name/index.html" in blog.pages()
    assert "/new-name/" in blog.pages()["old-name/index.html"]


def test_the_authors_name_comes_where_the_cms_has_one(blog: Blog) -> None:
    blog.cms.put_post("signed", author="Ada Byron")
    assert blog.run("build").code == 0, blog.said
    page = blog.pages()["signed/index.html"]
    if reason := blog.cms.cannot.get("authors"):
        assert reason
        assert "Ada Byron" not in page
    else:
        assert "Ada Byron" in page


def test_fields_that_velobuild_does_not_know_are_kept_for_themes(blog: Blog) -> None:
    if reason := blog.cms.cannot.get("unknown fields"):
        blog.cms.put_post("long")
        blog.sync()
        assert reason
        assert "reading_time" not in blog.posts()["long"].extra
        return
    blog.cms.put_post("long", extra={"reading_time": "7 minutes"})
    blog.sync()
    assert blog.posts()["long"].extra["reading_time"] == "7 minutes"


def test_media_come_with_their_words_and_are_published(blog: Blog) -> None:
    address = blog.cms.put_media("dot.png", DOT, alt="One dot")
    blog.cms.put_post("picture", body=f'<p><img src="{address}" alt="Here"></p>')
    blog.sync()
    if "media records" not in blog.cms.cannot:
        assert [(media.alt, media.filename) for media in blog.media()] == [("One dot", "dot.png")]
    else:
        assert blog.media() == []
    assert blog.run("build").code == 0, blog.said
    pictures = [path for path in blog.tree() if path.startswith("media/") and path.endswith(".png")]
    assert len(pictures) == 1
    assert f"/{pictures[0]}" in blog.pages()["picture/index.html"]


def test_the_settings_name_the_site(blog: Blog) -> None:
    blog.cms.put_post("one")
    if reason := blog.cms.cannot.get("settings"):
        blog.sync()
        assert reason
        assert blog.settings() is None
        return
    blog.cms.put_settings(title="Salt & Water", description="About cooking")
    blog.sync()
    settings = blog.settings()
    assert settings is not None
    assert (settings.title, settings.description) == ("Salt & Water", "About cooking")
    assert blog.run("build").code == 0, blog.said
    assert "Salt &amp; Water" in blog.pages()["index.html"]


# Tokens.


def test_the_token_goes_to_the_cms_and_to_nobody_else(blog: Blog, elsewhere: Gate) -> None:
    if reason := blog.cms.cannot.get("tokens"):
        blog.cms.put_post("one")
        blog.sync()
        assert reason
        assert blog.loaded().tokens == ()
        return
    blog.cms.put_post("one", body=f'<p><img src="{elsewhere.url}/p.png" alt=""></p>')
    # The foreign picture may be fetched, on purpose.
    blog.configure(media_hosts=["127.0.0.1"])
    blog.run("build")
    assert any(call.holds(blog.token) for call in blog.gate.calls), "control: the CMS gets it"
    blog.gate.answer(Shape(302, b"", headers={"Location": f"{elsewhere.url}/api/"}), blog.cms.posts_path)
    assert blog.run("build").code == 5
    assert not any(call.holds(blog.token) for call in elsewhere.calls)
    assert not any("authorization" in call.headers for call in elsewhere.calls)


@pytest.mark.parametrize("kind", ["garbage", "expired"])
def test_a_token_that_does_not_count_ends_with_3_and_the_live_site_stays(blog: Blog, kind: str) -> None:
    for number in range(3):
        blog.cms.put_post(f"post-{number}")
    assert blog.run("build").code == 0, blog.said
    before = blog.tree()
    if reason := blog.cms.cannot.get("tokens"):
        assert reason
        blog.use("of-no-use")
        assert blog.run("build").code == 0, "a token that is not needed is not looked at"
        assert blog.tree() == before
        return
    good = blog.token
    blog.use("velo_" + "0" * 64 if kind == "garbage" and blog.cms.type == "velocms" else blog.cms.expired_token())
    if kind == "garbage" and blog.cms.type != "velocms":
        blog.use(f"{good[:-8]}AAAAAAAA")
    ended = blog.run("build")
    assert ended.code == 3, ended.err
    assert "VB2001" in ended.err
    assert TOKEN in ended.err, "it is said where the token came from"
    assert blog.tree() == before
    blog.use(good)
    assert blog.run("build").code == 0, "control: with a good one it goes on"


def test_without_a_token_nothing_is_asked(blog: Blog) -> None:
    blog.cms.put_post("one")
    good = blog.token
    blog.token = ""
    ended = blog.run("build")
    if reason := blog.cms.cannot.get("needed tokens"):
        assert reason
        assert ended.code == 0, ended.err
    else:
        assert ended.code == 2
        assert "VB1201" in ended.err
        assert blog.gate.calls == []
    blog.use(good)


def test_nothing_is_sent_that_could_change_the_cms(blog: Blog) -> None:
    blog.cms.put_post("one")
    blog.cms.put_media("dot.png", DOT, alt="")
    assert blog.run("build").code == 0, blog.said
    sent = {(call.method, call.path) for call in blog.gate.calls}
    writes = {(method, path) for method, path in sent if method not in ("GET", "HEAD")}
    # PocketBase's own check of a token; it has no body and leaves nothing behind.
    assert writes <= {("POST", "/api/files/token")}
    assert writes == set() or blog.cms.type == "pocketbase"


# Refusals.


def test_a_limit_is_waited_for_and_the_work_is_done(blog: Blog) -> None:
    for number in range(3):
        blog.cms.put_post(f"post-{number}")
    if reason := blog.cms.cannot.get("http"):
        blog.sync()
        assert reason
        assert blog.slept == []
        return
    blog.gate.answer(
        Shape(429, {"status": 429, "message": "Too Many Requests.", "data": {}}, headers={"Retry-After": "1"}),
        blog.cms.posts_path,
        times=1,
    )
    blog.sync()
    assert sum(blog.slept) > 0, "control: it was waited"
    assert len(blog.posts()) == 3


def test_one_failing_answer_is_asked_for_again(blog: Blog) -> None:
    blog.cms.put_post("one")
    if reason := blog.cms.cannot.get("http"):
        assert reason
        blog.sync()
        assert blog.gate.calls == []
        return
    blog.gate.answer(Shape(503, b""), blog.cms.posts_path, times=1)
    blog.sync()
    assert sorted(blog.posts()) == ["one"]
    assert blog.slept, "control: the failure came, and was waited out"


def test_every_refusal_ends_as_documented_and_keeps_what_is_there(synced: Blog, refused: Shape) -> None:
    before = synced.posts()
    assert len(before) == 3
    synced.gate.answer(refused, synced.cms.posts_path)
    with pytest.raises(VelobuildError) as caught:
        synced.sync()
    assert (caught.value.exit_code, caught.value.code) == (refused.exit_code, refused.code), str(caught.value)
    assert caught.value.hint
    assert synced.token not in f"{caught.value} {caught.value.diagnostics}"
    assert synced.posts() == before
    if isinstance(caught.value, TokenError) and refused.status == 401:
        assert TOKEN in str(caught.value)
    synced.gate.faults.clear()
    synced.sync()
    assert synced.posts() == before, "control: it is well again"


def test_a_dead_cms_ends_with_4_and_the_live_site_stays(blog: Blog) -> None:
    blog.cms.put_post("one")
    assert blog.run("build").code == 0, blog.said
    if reason := blog.cms.cannot.get("http"):
        assert reason
        assert blog.gate.calls == []
        return
    before = blog.tree()
    with Gate() as gone:
        url = gone.url
    blog.configure(url=url)
    with pytest.raises(VelobuildError) as caught:
        blog.sync()
    assert (caught.value.exit_code, caught.value.code) == (4, "VB2101")
    assert blog.run("--offline", "build").code == 0, "and what is there can be built"
    assert blog.tree() == before
