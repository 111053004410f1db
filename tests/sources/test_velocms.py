"""What a synchronisation reads, how often, and what it makes of a CMS that changes or errs meanwhile."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sources.conftest import Rig
from tests.standin import Reply, Request, error, post
from velobuild.config.schema import LimitsConfig
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError
from velobuild.http.limiter import Limiter, Rate
from velobuild.model.entries import BodyFormat, Collection

MEDIA, COMMENTS, SETTINGS = Collection.MEDIA, Collection.COMMENTS, Collection.SETTINGS


def fill(rig: Rig, count: int, **changes: Any) -> None:
    for number in range(count):
        made = post(number, **changes)
        rig.cms.posts[made["id"]] = made


def id_of(number: int) -> str:
    return str(post(number)["id"])


def picture(number: int, **changes: Any) -> dict[str, Any]:
    made = {
        "id": f"media{number}",
        "filename": f"{number}.png",
        "url": f"/media/{number}.png",
        "mime_type": "image/png",
    }
    return (
        made | {"size": 100, "width": 10, "height": 5, "alt": "A pot", "created": "2026-05-01 09:10:00.000Z"} | changes
    )


# The fewest calls


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_a_first_sync_costs_a_call_a_hundred_a_call_a_post_media_and_settings(rig: Rig, count: int) -> None:
    fill(rig, count)
    listing = max(math.ceil(count / 100), 1)
    assert rig.sync() == listing + count + 2
    assert set(rig.shelf.of()) == set(rig.cms.posts)
    assert rig.source is not None
    assert (rig.source.tally.bodies_fetched, rig.source.tally.usage.calls) == (count, listing + count + 2)


def test_a_sync_without_changes_costs_the_list_and_the_settings(rig: Rig) -> None:
    fill(rig, 250)
    rig.sync()
    before = rig.shelf.of()
    assert rig.sync() == 3 + 1
    assert rig.shelf.of() == before


def test_one_edited_post_costs_one_more_call_and_the_media_list(rig: Rig) -> None:
    fill(rig, 150)
    rig.sync()
    rig.cms.posts[id_of(7)] |= {"content_html": "<p>New</p>", "updated": "2026-05-30 10:00:00.000Z"}
    assert rig.sync() == 2 + 1 + 1 + 1
    assert rig.shelf.of()[id_of(7)].body == "<p>New</p>"
    assert rig.sync() == 2 + 1


def test_media_are_listed_once_a_day_even_if_nothing_changed(rig: Rig) -> None:
    fill(rig, 1)
    rig.cms.media = [picture(1)]
    rig.sync()
    rig.cms.media = [picture(1, alt="Another text")]
    rig.later(23)
    assert rig.sync() == 2
    assert rig.shelf.of(MEDIA)["media1"].alt == "A pot"
    rig.later(2)
    assert rig.sync() == 3
    assert rig.shelf.of(MEDIA)["media1"].alt == "Another text"
    assert rig.sync() == 2


def test_media_are_due_next_time_if_the_sync_stopped_before_them(rig: Rig) -> None:
    fill(rig, 2)
    rig.cms.media = [picture(1)]
    rig.cms.fault(error(500, "INTERNAL_ERROR"), "/media", times=4)
    with pytest.raises(SourceUnavailable):
        rig.sync()
    rig.sync()
    assert set(rig.shelf.of(MEDIA)) == {"media1"}


def test_where_the_list_carries_bodies_none_is_fetched_singly(rig: Rig) -> None:
    fill(rig, 150)
    rig.cms.list_bodies = True
    assert rig.sync() == 2 + 2
    assert rig.shelf.of()[id_of(3)].body == "<p>Body 3</p>"
    assert rig.sync() == 2 + 1
    rig.cms.posts[id_of(7)] |= {"content_html": "<p>New</p>", "updated": "2026-05-30 10:00:00.000Z"}
    rig.sync()
    assert rig.shelf.of()[id_of(7)].body == "<p>New</p>"
    assert rig.cms.bodies() == {}


def test_another_spelling_of_the_same_dates_fetches_nothing_again(rig: Rig) -> None:
    fill(rig, 5)
    rig.sync()
    for each in rig.cms.posts.values():
        each["updated"] = each["updated"].replace(" ", "T")
    assert rig.sync() == 2


def test_a_list_whose_dates_are_less_exact_than_the_posts_fetches_nothing_again(rig: Rig) -> None:
    fill(rig, 3)
    summary = rig.cms._summary
    rig.cms._summary = lambda item: summary(item) | {"updated": item["updated"][:19] + "Z"}  # type: ignore[method-assign]
    rig.sync()
    assert rig.sync() == 2


def test_a_post_without_an_update_date_is_known_by_its_summary(rig: Rig) -> None:
    fill(rig, 2)
    for each in rig.cms.posts.values():
        del each["updated"]
    rig.sync()
    assert rig.sync() == 2
    rig.cms.posts[id_of(1)]["title"] = "Another title"
    rig.sync()
    assert rig.shelf.of()[id_of(1)].title == "Another title"
    assert rig.cms.bodies() == {id_of(0): 1, id_of(1): 2}


def test_nothing_but_get_is_ever_sent_and_only_published_posts_are_asked_for(rig: Rig) -> None:
    fill(rig, 3)
    rig.sync(comments=True)
    rig.cms.posts.popitem()
    rig.sync(comments=True)
    assert {request.method for request in rig.cms.requests} == {"GET"}
    assert {r.query["status"] for r in rig.cms.requests if r.path.endswith("/posts")} == {"published"}
    assert {r.query["status"] for r in rig.cms.requests if r.path.endswith("/comments")} == {"approved"}


# Resuming


def test_a_sync_killed_at_any_moment_goes_on_where_it_stood(rig: Rig) -> None:
    fill(rig, 60)
    for stop in (7, 20, 20):
        rig.sync(stop_after=stop)
        assert rig.shelf.of() == {}, "nothing half is ever seen"
    rig.sync()
    assert len(rig.shelf.of()) == 60
    # A kill after the answer and before it was kept loses that one answer.
    assert sum(rig.cms.bodies().values()) <= 60 + 3


def test_a_sync_stopped_by_the_quota_goes_on_where_it_stood_and_says_when(rig: Rig) -> None:
    fill(rig, 50)
    rig.cms.fault(error(429, "QUOTA_EXCEEDED"), skip=31, times=1)
    with pytest.raises(SourceUnavailable) as caught:
        rig.sync()
    assert (caught.value.code, caught.value.retry_at) == ("VB2105", datetime(2026, 6, 2, tzinfo=UTC).timestamp())
    assert rig.source is not None
    assert rig.source.tally.bodies_fetched == 30
    assert rig.sync() == 1 + 20 + 2
    assert set(rig.cms.bodies().values()) == {1, 2}, "the refused call is the only one sent twice"
    assert sum(rig.cms.bodies().values()) == 51


@pytest.mark.parametrize("comments", [False, True])
@pytest.mark.parametrize("count", [26, 28, 29, 30, 49, 51])
def test_progress_tells_honestly_how_long_the_limit_will_make_it_take(rig: Rig, count: int, comments: bool) -> None:
    fill(rig, count)
    rig.limiter = Limiter(None, fixed=Rate(10, 60), monotonic=rig.time.monotonic)
    began: list[float] = []
    rig.on_progress = lambda: began.append(rig.time.now)
    rig.sync(comments=comments)
    end = rig.time.now
    posts = [(told, at) for told, at in zip(rig.told, began, strict=True) if told[0] == "posts"]
    assert [told[1] for told, _ in posts] == list(range(count + 1))
    assert {told[2] for told, _ in posts} == {count}
    for (step, _, _, remaining), at in zip(rig.told, began, strict=True):
        if step != "listing posts":  # nobody knows yet how many bodies there are to fetch
            assert remaining == pytest.approx(end - at, abs=2), "the media, the comments and the settings included"
    assert posts[0][0][3] > 100, "control: there is something to wait for"
    rig.limiter.close()


# B: a list that changes while it is read


def at_page_two(rig: Rig, change: Any) -> None:
    """Runs the change between the first and the second page, once."""
    done = []

    def before(request: Request) -> None:
        if request.query.get("page") == "2" and request.path.endswith("/posts") and not done:
            done.append(True)
            change()

    rig.cms.before = before


def test_b1_a_post_added_in_front_between_pages_makes_it_read_again(rig: Rig) -> None:
    fill(rig, 150)

    def add() -> None:
        rig.cms.posts = {id_of(900): post(900)} | rig.cms.posts

    at_page_two(rig, add)
    rig.sync()
    assert set(rig.shelf.of()) == set(rig.cms.posts)
    assert rig.codes() == []
    assert rig.cms.count("/posts") == 4


def test_b2_a_post_deleted_between_pages_hides_none_of_the_others(rig: Rig) -> None:
    fill(rig, 150)
    at_page_two(rig, lambda: rig.cms.posts.pop(id_of(0)))
    rig.sync()
    assert len(rig.shelf.of()) == 149
    assert set(rig.shelf.of()) == set(rig.cms.posts)


def test_b3_a_post_that_no_count_shows_to_be_missed_is_asked_for_and_stays(rig: Rig) -> None:
    fill(rig, 150)
    rig.sync()

    def swap() -> None:
        # The first page loses one, so post 100 slides onto it unseen; a new one at the end keeps the total.
        del rig.cms.posts[id_of(5)]
        rig.cms.posts[id_of(900)] = post(900)

    at_page_two(rig, swap)
    rig.sync()
    assert rig.cms.count("/posts") == 4, "control: two whole readings in all, so no count gave it away"
    assert id_of(100) in rig.shelf.of(), "the list did not show it, but the CMS did when asked"
    assert id_of(900) in rig.shelf.of()
    rig.sync()
    assert set(rig.shelf.of()) == set(rig.cms.posts)


def test_b4_a_list_that_never_rests_is_used_as_a_whole_with_a_warning(rig: Rig) -> None:
    fill(rig, 150)
    count = [900]

    def restless(request: Request) -> None:
        if request.query.get("page") == "2":
            count[0] += 1
            rig.cms.posts = {id_of(count[0]): post(count[0])} | rig.cms.posts

    rig.cms.before = restless
    rig.sync()
    assert rig.codes() == ["VB2205"]
    assert set(rig.shelf.of()) >= {id_of(n) for n in range(150)}


def listing(**changes: Any) -> Reply:
    body = {"page": 1, "per_page": 100, "total": 1, "total_pages": 1, "items": [post(1)]}
    return Reply(200, {name: value for name, value in (body | changes).items() if value is not ...})


def refused(rig: Rig, code: str, kind: type[Exception] = ProtocolError) -> None:
    with pytest.raises(kind) as caught:
        rig.sync()
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert not any(delta for delta in rig.shelf.committed.values())


def test_b5_a_list_that_grows_for_ever_is_given_up(rig: Rig) -> None:
    def endless(request: Request) -> Reply:
        page = int(request.query["page"])
        items = [post(page * 100 + n) for n in range(100)]
        return listing(page=page, total=200, total_pages=page + 1, items=items)

    rig.cms.fault(endless, "/posts")
    refused(rig, "VB2205")
    assert len(rig.cms.requests) == 2 + 5


def test_b6_a_cms_that_ignores_the_page_is_given_up(rig: Rig) -> None:
    items = [post(n) for n in range(100)]
    rig.cms.fault(listing(total=500, total_pages=5, items=items), "/posts")
    refused(rig, "VB2201")
    rig.cms.faults.clear()
    echo = lambda request: listing(page=int(request.query["page"]), total=500, total_pages=5, items=items)  # noqa: E731
    rig.cms.fault(echo, "/posts")
    refused(rig, "VB2201")
    assert len(rig.cms.requests) == 4


def test_b6_another_page_than_the_one_asked_for_ends_it(rig: Rig) -> None:
    def astray(request: Request) -> Reply:
        page = int(request.query["page"])
        return listing(page=page * 2 - 1, total=200, total_pages=2, items=[post(page * 100 + n) for n in range(100)])

    rig.cms.fault(astray, "/posts")
    refused(rig, "VB2201")


def test_b7_smaller_pages_than_asked_for_are_followed(rig: Rig) -> None:
    fill(rig, 95)
    rig.cms.per_page_max = 20
    assert rig.sync() == 5 + 95 + 2
    assert len(rig.shelf.of()) == 95


@pytest.mark.parametrize(
    "changes",
    [
        {"total": "120"},
        {"total": -1},
        {"total": 1.5},
        {"total": True},
        {"total": ...},
        {"total_pages": None},
        {"page": 0},
        {"per_page": 0},
        {"items": None},
        {"items": {}},
    ],
)
def test_b8_numbers_that_make_no_sense_end_it(rig: Rig, changes: dict[str, Any]) -> None:
    rig.cms.fault(listing(**changes), "/posts")
    refused(rig, "VB2201")


def test_b9_an_empty_list_where_many_posts_were_must_be_said_twice(rig: Rig) -> None:
    fill(rig, 150)
    rig.sync()
    empty = listing(total=0, total_pages=0, items=[])
    rig.cms.fault(empty, "/posts", times=1)
    with pytest.raises(ProtocolError) as caught:
        rig.sync()
    assert caught.value.code == "VB2205"
    assert len(rig.shelf.of()) == 150
    rig.cms.fault(empty, "/posts", times=2)
    calls = rig.sync()
    assert rig.shelf.of() == {}, "said twice it is so, and the shrink guard has the last word"
    assert calls == 2 + 2, "150 single requests were not made"


def test_b9_up_to_a_hundred_absences_are_asked_for_one_by_one(rig: Rig) -> None:
    fill(rig, 100)
    rig.sync()
    rig.cms.fault(listing(total=0, total_pages=0, items=[]), "/posts")
    rig.sync()
    assert len(rig.shelf.of()) == 100
    rig.cms.posts.clear()
    rig.sync()
    assert rig.shelf.of() == {}


def test_b10_drafts_in_the_list_are_never_taken(rig: Rig) -> None:
    fill(rig, 5)
    rig.sync()
    rig.cms.ignore_status = True
    for number, status in ((1, "draft"), (2, "scheduled"), (3, "trashed")):
        rig.cms.posts[id_of(number)]["status"] = status
    rig.cms.posts[id_of(4)] |= {"status": "Published "}
    rig.sync()
    assert set(rig.shelf.of()) == {id_of(0)}
    assert rig.codes() == ["VB2208"]
    assert rig.source is not None
    assert rig.source.tally.drafts == 4


def test_b10_a_post_unpublished_between_list_and_body_is_not_taken(rig: Rig) -> None:
    fill(rig, 2)
    rig.cms.fault(lambda r: Reply(200, post(1, status="draft")), id_of(1))
    rig.cms.fault(error(404, "NOT_FOUND"), id_of(0))
    rig.sync()
    assert rig.shelf.of() == {}


def test_b11_an_id_that_comes_twice_counts_as_it_came_last(rig: Rig) -> None:
    first, last = post(1, title="First"), post(1, title="Last", updated="2026-05-30 10:00:00.000Z")
    rig.cms.posts[first["id"]] = last
    rig.cms.fault(listing(total=2, items=[first, last]), "/posts", times=1)
    rig.sync()
    assert rig.shelf.of()[id_of(1)].title == "Last"
    assert rig.cms.count("/posts") == 2
    assert rig.sync() == 2


def test_b12_a_failing_page_alone_is_asked_for_again(rig: Rig) -> None:
    fill(rig, 450)
    rig.cms.list_bodies = True
    rig.cms.fault(error(503, "INTERNAL_ERROR"), "/posts", query={"page": "3"}, times=2)
    assert rig.sync() == 5 + 2 + 2
    rig.cms.fault(error(503, "INTERNAL_ERROR"), "/posts", query={"page": "3"})
    rig.cms.posts.clear()
    fill(rig, 300)
    with pytest.raises(SourceUnavailable):
        rig.sync()
    assert len(rig.shelf.of()) == 450, "a part of a list is no list"


# Absences


def test_a_deleted_post_is_confirmed_by_one_call_and_goes(rig: Rig) -> None:
    fill(rig, 10)
    rig.sync()
    del rig.cms.posts[id_of(3)]
    assert rig.sync() == 1 + 1 + 2
    assert id_of(3) not in rig.shelf.of()
    assert rig.sync() == 2


def test_a_404_without_the_apis_words_removes_nothing(rig: Rig) -> None:
    fill(rig, 10)
    rig.sync()
    rig.cms.fault(listing(total=9, items=[post(n) for n in range(9)]), "/posts")
    rig.cms.fault(Reply(404, b"<html>Not found"), id_of(9))
    with pytest.raises(ProtocolError):
        rig.sync()
    assert len(rig.shelf.of()) == 10


# C: records


@pytest.mark.parametrize(
    "broken",
    [{"id": None}, {"id": 7}, {"id": "../media/1"}, {"id": "x" * 10_000}, {"id": ".."}, {"status": None}],
)
def test_c1_a_record_without_a_usable_id_harms_no_other(rig: Rig, broken: dict[str, Any]) -> None:
    fill(rig, 2)
    rig.cms.fault(listing(total=3, items=[post(0), post(9) | broken, post(1)]), "/posts")
    rig.sync()
    assert set(rig.shelf.of()) == {id_of(0), id_of(1)}
    assert rig.codes() == ["VB2206"]
    assert all("media/1" not in request.path for request in rig.cms.requests)


@pytest.mark.parametrize(
    "broken",
    [
        {"content_html": None},
        {"content_html": 7},
        {"content_html": []},
        {"content_html": "x" * 2_000_001},
        {"content_html": "é" * 1_000_001},
        {"title": "x" * 1_000_000},
        {"title": "e" + "\u0301" * 10_000},
        {"slug": None},
        {"published_at": "2026-02-30T00:00:00Z"},
        {"published_at": 1714140000},
        {"published_at": "2026-04-26T10:00:60Z"},
        {"published_at": "0001-01-01T00:00:00Z"},
        {"published_at": "9999-12-31T23:59:59-01:00"},
        {"published_at": "10000-01-01T00:00:00Z"},
        {"published_at": "2026-04-26T10:00:00+25:00"},
        {"id": "another"},
    ],
    ids=lambda broken: str(broken)[:40],
)
def test_c2_c3_g2_a_post_that_cannot_be_used_keeps_its_last_good_copy(rig: Rig, broken: dict[str, Any]) -> None:
    fill(rig, 3)
    rig.sync()
    good = rig.shelf.of()[id_of(1)]
    edited = post(1, updated="2026-05-30 10:00:00.000Z", title="Edited") | broken
    rig.cms.posts[id_of(1)] = post(1, updated="2026-05-30 10:00:00.000Z", title="Edited")
    rig.cms.posts[id_of(8)] = post(8)
    rig.cms.fault(Reply(200, edited), id_of(1))
    rig.cms.fault(Reply(200, post(8) | broken | ({"id": "x"} if "id" in broken else {})), id_of(8))
    rig.sync()
    assert set(rig.shelf.of()) == {id_of(0), id_of(1), id_of(2)}
    assert rig.shelf.of()[id_of(1)] == good
    assert rig.codes() == ["VB2206", "VB2206"]
    assert all("post" in str(w.where) for w in rig.warnings)
    assert rig.sync() == 2, "and it is not fetched again to be left out again"
    assert rig.codes() == ["VB2206", "VB2206"], "but it is told again"
    rig.cms.faults.clear()
    rig.cms.posts[id_of(1)] = post(1, updated="2026-05-31 10:00:00.000Z", title="Mended")
    rig.sync()
    assert rig.shelf.of()[id_of(1)].title == "Mended"


def test_c3_other_limits_look_at_what_was_left_out_again(rig: Rig) -> None:
    fill(rig, 1, content_html="x" * 500)
    rig.sync(limits=LimitsConfig(post_bytes=100))
    assert rig.shelf.of() == {}
    rig.sync(limits=LimitsConfig(post_bytes=1000))
    assert len(rig.shelf.of()) == 1


@pytest.mark.parametrize("title", [None, "", "  ", "\x00", ...])
def test_c2_a_post_without_a_title_is_called_by_its_slug(rig: Rig, title: Any) -> None:
    fill(rig, 1, title=title)
    if title is ...:
        del rig.cms.posts[id_of(0)]["title"]
    rig.sync()
    assert rig.shelf.of()[id_of(0)].title == "post-0"
    assert set(rig.codes()) == {"VB3002"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a, b,,a", ("a", "b")),
        (None, ()),
        (["", " x ", "x", 7, None, "C#", "c#"], ("x", "C#", "c#")),
        (7, ()),
        ([f"t{n}" for n in range(10_000)], tuple(f"t{n}" for n in range(50))),
        (["../x"], ("../x",)),
    ],
)
def test_c4_tags_are_put_in_order(rig: Rig, given: Any, kept: tuple[str, ...]) -> None:
    fill(rig, 1, tags=given)
    rig.sync()
    assert rig.shelf.of()[id_of(0)].tags == kept


def test_c5_c6_characters_that_cannot_be_written_are_gone_everywhere(rig: Rig) -> None:
    raw = '{"a": "\\ud800", "deep": [{"\\ud800": "x\\u0000"}]}'
    nasty = "A\ud800B\x00C\x1bD\ufffeE"
    fill(rig, 1, title=nasty, content_html=nasty, tags=[nasty], excerpt=nasty, slug=nasty, odd=[{"deep": nasty}])
    rig.sync()
    kept = rig.shelf.of()[id_of(0)]
    for text in (kept.title, kept.body, kept.tags[0], kept.excerpt, kept.slug, kept.extra["odd"][0]["deep"]):
        assert text == "A\ufffdBCDE"
    assert set(rig.codes()) == {"VB3002"}
    with pytest.raises(UnicodeEncodeError):
        nasty.encode()
    assert raw


def test_c9_unknown_fields_are_kept_for_templates_in_a_stable_order(rig: Rig) -> None:
    fill(rig, 1, zebra=1, apple={"b": [1, None]}, content_json={"type": "doc"})
    rig.sync()
    extra = rig.shelf.of()[id_of(0)].extra
    assert list(extra) == ["apple", "created", "zebra"]
    assert extra["apple"] == {"b": [1, None]}


SALT = {
    "type": "doc",
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Ten grams per litre."}]}],
}


@pytest.mark.parametrize("html", [None, "", " \n", ...])
@pytest.mark.parametrize(
    "document", [SALT, json.dumps(SALT), [SALT], {"blocks": [SALT]}], ids=["doc", "text", "list", "{}"]
)
def test_blocks_are_the_body_of_a_post_without_html(rig: Rig, html: Any, document: Any) -> None:
    fill(rig, 1, content_html=html, content_json=document)
    if html is ...:
        del rig.cms.posts[id_of(0)]["content_html"]
    rig.sync()
    kept = rig.shelf.of()[id_of(0)]
    assert kept.body_format is BodyFormat.BLOCKS
    assert json.loads(kept.body) == (SALT if isinstance(document, str) else document)
    assert rig.codes() == []
    assert rig.sync() == 2, "and it is fetched once"


@pytest.mark.parametrize("document", [SALT, json.dumps(SALT), 7, None])
def test_html_is_the_body_wherever_there_is_any(rig: Rig, document: Any) -> None:
    fill(rig, 1, content_json=document)
    rig.sync()
    assert (rig.shelf.of()[id_of(0)].body_format, rig.shelf.of()[id_of(0)].body) == (BodyFormat.HTML, "<p>Body 0</p>")


@pytest.mark.parametrize("document", [None, {}, {"type": "doc"}, {"type": "doc", "content": []}, "", "null", 7, ...])
def test_a_post_without_html_and_blocks_is_left_out_but_an_empty_one_is_empty(rig: Rig, document: Any) -> None:
    fill(rig, 2, content_json=document)
    rig.cms.posts[id_of(0)]["content_html"] = ""
    rig.cms.posts[id_of(1)]["content_html"] = None
    for kept in rig.cms.posts.values():
        if document is ...:
            del kept["content_json"]
    rig.sync()
    assert {id: post.body for id, post in rig.shelf.of().items()} == {id_of(0): ""}
    assert rig.codes() == ["VB2206"]
    assert "no content_json" in rig.warnings[0].what


def test_blocks_in_a_list_are_used_and_a_list_without_them_decides_nothing(rig: Rig) -> None:
    rig.cms.list_bodies = True
    fill(rig, 2, content_html="", content_json=SALT)
    rig.sync()
    assert rig.cms.bodies() == {}
    assert {kept.body_format for kept in rig.shelf.of().values()} == {BodyFormat.BLOCKS}
    shown = [{name: value for name, value in post(2).items() if name != "content_json"} | {"content_html": ""}]
    rig.cms.posts[id_of(2)] = post(2, content_html="", content_json=SALT)
    rig.cms.fault(listing(total=1, items=shown), "/posts", times=1)
    rig.cms.list_bodies = False
    rig.sync()
    assert rig.cms.bodies()[id_of(2)] == 1
    assert rig.shelf.of()[id_of(2)].body_format is BodyFormat.BLOCKS


def test_blocks_are_held_to_the_limit_and_cleaned(rig: Rig) -> None:
    fill(rig, 2, content_html=None, content_json=SALT)
    rig.cms.posts[id_of(0)]["content_json"] = [{"type": "text", "text": "x" * 3_000}]
    rig.cms.posts[id_of(1)]["content_json"] = [{"type": "text", "text": "A\ud800\x00B\ue000"}]
    rig.sync(limits=LimitsConfig(post_bytes=2_000))
    assert {id: json.loads(kept.body) for id, kept in rig.shelf.of().items()} == {
        id_of(1): [{"type": "text", "text": "A\ufffdB"}]
    }
    assert sorted(rig.codes()) == ["VB2206", "VB3002"]


def test_a13_a_record_with_a_name_twice_is_left_out(rig: Rig) -> None:
    fill(rig, 2)
    rig.sync()
    one = b'{"id":"post00000000000","status":"draft","status":"published","updated":"2027-01-01 00:00:00Z"}'
    other = json.dumps(rig.cms._summary(post(1))).encode()
    twice = b'{"page":1,"per_page":100,"total":2,"total_pages":1,"items":[%s,%s]}' % (one, other)
    rig.cms.fault(Reply(body=twice), "/posts")
    rig.sync()
    assert rig.codes() == ["VB2206"]
    assert len(rig.shelf.of()) == 2
    assert rig.cms.bodies() == {id_of(0): 1, id_of(1): 1}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-03T10:00:00.000Z", "2026-05-03T10:00:00+00:00"),
        ("2026-05-03 10:00:00.310Z", "2026-05-03T10:00:00.310000+00:00"),
        ("2026-05-03 10:00:00", "2026-05-03T10:00:00+00:00"),
        ("2026-05-03T10:00:00+02:00", "2026-05-03T08:00:00+00:00"),
        ("2026-05-03t10:00:00.123456789z", "2026-05-03T10:00:00.123456+00:00"),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read_in_every_documented_spelling(rig: Rig, text: str | None, moment: str | None) -> None:
    fill(rig, 1, published_at=text)
    rig.sync()
    found = rig.shelf.of()[id_of(0)].published_at
    assert (found and found.isoformat()) == moment


def test_g1_dates_without_a_zone_are_utc_and_warned_of_once(rig: Rig) -> None:
    fill(rig, 3, published_at="2026-05-03T10:00:00")
    rig.sync()
    assert rig.codes() == ["VB3002"]


def test_g3_a_future_date_is_handed_over_for_the_store_to_hold_back(rig: Rig) -> None:
    fill(rig, 1, published_at="2099-01-01T00:00:00Z")
    rig.sync()
    assert rig.shelf.of()[id_of(0)].published_at.year == 2099


def test_a_wrapped_post_is_unwrapped(rig: Rig) -> None:
    fill(rig, 1)
    rig.cms.fault(lambda r: Reply(200, {"data": post(0)}), id_of(0))
    rig.cms.fault(Reply(200, {"data": {"id": "s1", "site_name": "Wrapped"}}), "/site-settings")
    rig.sync()
    kept = rig.shelf.of()[id_of(0)]
    assert (kept.title, kept.body_format) == ("Post 0", BodyFormat.HTML)
    assert rig.shelf.of(SETTINGS)["settings"].title == "Wrapped"


# Members, excluded tags

FOR_MEMBERS: list[dict[str, Any]] = [
    {"visibility": "members"},
    {"visibility": "paid"},
    {"access": "private"},
    {"tier": "gold"},
    {"tiers": ["gold"]},
    {"members_only": True},
    {"members_only": "yes"},
]


@pytest.mark.parametrize("field", FOR_MEMBERS, ids=str)
@pytest.mark.parametrize("shown", ["in the list", "in the post alone"])
def test_posts_for_members_are_left_out_and_counted(rig: Rig, field: dict[str, Any], shown: str) -> None:
    fill(rig, 3)
    rig.cms.posts[id_of(1)] |= field
    if shown == "in the post alone":
        summary = rig.cms._summary
        hide = lambda item: {k: v for k, v in summary(item).items() if k not in field}  # noqa: E731
        rig.cms._summary = hide  # type: ignore[method-assign]
    rig.sync()
    assert set(rig.shelf.of()) == {id_of(0), id_of(2)}
    assert rig.codes() == ["VB2209"]
    assert rig.source is not None
    assert rig.source.tally.members_only == 1
    assert rig.sync() == 2, "and its body is not fetched again to be left out again"
    assert rig.codes() == ["VB2209"]
    rig.sync(members_only="include")
    assert len(rig.shelf.of()) == 3
    assert rig.codes() == []
    rig.sync(members_only="skip")
    assert set(rig.shelf.of()) == {id_of(0), id_of(2)}, "taken back without its body being fetched"
    rig.cms.posts[id_of(1)] = post(1, updated="2026-05-30 10:00:00.000Z")
    rig.sync()
    assert len(rig.shelf.of()) == 3, "opened to everyone, it comes"


@pytest.mark.parametrize(
    "field", [{"visibility": "public"}, {"access": None}, {"tier": ""}, {"tiers": []}, {"members_only": False}], ids=str
)
def test_posts_for_everyone_stay(rig: Rig, field: dict[str, Any]) -> None:
    fill(rig, 1, **field)
    rig.sync()
    assert len(rig.shelf.of()) == 1


def test_a_published_post_that_becomes_one_for_members_goes(rig: Rig) -> None:
    fill(rig, 2)
    rig.sync()
    rig.cms.posts[id_of(1)] |= {"visibility": "members", "updated": "2026-05-30 10:00:00.000Z"}
    rig.sync()
    assert set(rig.shelf.of()) == {id_of(0)}


def test_posts_with_an_excluded_tag_are_counted(rig: Rig) -> None:
    fill(rig, 3)
    rig.cms.posts[id_of(1)]["tags"] = ["Needs-Editing", "bread"]
    rig.sync(exclude_tags=("needs-editing",))
    assert rig.source is not None
    assert rig.source.tally.with_excluded_tags == 1
    assert len(rig.shelf.of()) == 3


# Media, comments, settings


def test_media_and_settings_become_typed_entries(rig: Rig) -> None:
    rig.cms.media = [picture(1), picture(2, width=None, height="5", size=-1, alt=None, url="https://cdn.example/2.png")]
    rig.cms.settings |= {"site_description": None, "site_logo": "/logo.png", "theme": "x", "updated": "2026"}
    rig.sync()
    one, two = rig.shelf.of(MEDIA)["media1"], rig.shelf.of(MEDIA)["media2"]
    assert (one.width_px, one.height_px, one.size_bytes, one.alt) == (10, 5, 100, "A pot")
    assert (two.width_px, two.height_px, two.size_bytes, two.alt) == (None, None, None, None)
    settings = rig.shelf.of(SETTINGS)["settings"]
    assert (settings.title, settings.logo_url, settings.comments_enabled) == ("Salt & Water", "/logo.png", True)
    assert dict(settings.extra) == {"theme": "x"}


def test_a_broken_media_record_keeps_its_last_good_copy(rig: Rig) -> None:
    rig.cms.media = [picture(1), picture(2)]
    rig.sync()
    rig.cms.media = [picture(1, url=None), picture(3, url="  ")]
    rig.later(25)
    rig.sync()
    assert set(rig.shelf.of(MEDIA)) == {"media1"}
    assert rig.shelf.of(MEDIA)["media1"].url == "/media/1.png"
    assert rig.codes() == ["VB2206", "VB2206"]


@pytest.mark.parametrize("code", ["INVALID_SCOPE", "FORBIDDEN"])
@pytest.mark.parametrize("path", ["media", "comments", "site-settings"])
def test_a_missing_scope_for_an_optional_part_is_a_warning_and_what_was_known_stays(
    rig: Rig, path: str, code: str
) -> None:
    fill(rig, 1)
    rig.cms.media = [picture(1)]
    rig.cms.comments = [comment(1)]
    rig.sync(comments=True)
    rig.cms.fault(error(403, code), path)
    rig.later(25)
    rig.cms.posts[id_of(5)] = post(5)
    rig.sync(comments=True)
    assert rig.codes() == ["VB2207"]
    assert len(rig.shelf.of()) == 2
    assert all(len(rig.shelf.of(each)) == 1 for each in (MEDIA, COMMENTS, SETTINGS))


def test_a_missing_scope_for_posts_stops_it(rig: Rig) -> None:
    rig.cms.fault(error(403, "INVALID_SCOPE"), "/posts")
    refused(rig, "VB2002", TokenError)


def test_a_token_revoked_on_the_way_stops_it(rig: Rig) -> None:
    fill(rig, 1)
    rig.cms.fault(error(401, "UNAUTHORIZED"), "/site-settings")
    with pytest.raises(TokenError) as caught:
        rig.sync()
    assert caught.value.code == "VB2001"


def comment(number: int, **changes: Any) -> dict[str, Any]:
    made = {"id": f"c{number}", "post_id": id_of(0), "author_name": "Ada", "author_email": "ada@example.org"}
    made |= {"body": "Fine.", "status": "approved", "created": "2026-05-01 09:10:00.000Z", "parent_id": None}
    return made | changes


def test_comments_are_read_only_if_wanted(rig: Rig) -> None:
    fill(rig, 1)
    rig.sync()
    assert rig.cms.count("/comments") == 0


def test_only_approved_comments_of_published_posts_come_and_never_an_address(rig: Rig) -> None:
    fill(rig, 1)
    rig.cms.comments = [
        comment(1),
        comment(2, status="pending"),
        comment(3, post_id="elsewhere"),
        comment(4, parent_id="c1"),
        comment(5, body=None),
    ]
    deltas = list(rig.deltas(comments=True))
    for delta in deltas:
        rig.shelf.take(delta)
    assert set(rig.shelf.of(COMMENTS)) == {"c1", "c4"}
    assert rig.shelf.of(COMMENTS)["c4"].parent_id == "c1"
    assert "ada@example.org" not in repr(deltas)
    assert rig.codes() == ["VB2206"]
    rig.cms.comments = [comment(1, author_email="other@example.org")]
    rig.sync(comments=True)
    assert set(rig.shelf.of(COMMENTS)) == {"c1"}


# Another system at the address


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(200, {"page": 1, "perPage": 30, "totalItems": 1, "totalPages": 1, "items": []}), ConfigError),
        (Reply(200, {"message": "API is healthy.", "code": 200, "data": {}}), ConfigError),
        (error(404, "NOT_FOUND"), ConfigError),
        (Reply(200, None), ProtocolError),
        (Reply(200, [{"id": 1}]), ProtocolError),
        (Reply(200, "posts"), ProtocolError),
        (Reply(200, {"items": "many"}), ProtocolError),
    ],
)
def test_a10_a24_what_is_no_list_of_posts_is_refused(rig: Rig, reply: Reply, kind: type[Exception]) -> None:
    rig.cms.fault(reply, "/posts")
    refused(rig, "VB1302" if kind is ConfigError else "VB2201", kind)


def test_c11_more_posts_than_the_limit_are_refused_before_work(rig: Rig) -> None:
    rig.cms.fault(listing(total=100_001, total_pages=1_001), "/posts")
    refused(rig, "VB2203")
    assert len(rig.cms.requests) == 1


def test_a_cursor_that_cannot_be_read_is_as_none(rig: Rig) -> None:
    fill(rig, 1)
    rig.sync()
    for cursor in ("", "nonsense", "[]", '{"rules":1}', "null"):
        rig.shelf.cursor = cursor
        assert rig.sync() == 3, "the media are listed again, no body is"
