"""Queries give what a naive reading of all posts gives, in every order, cut and filter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.content.conftest import NOON, no_warning, paths, post, settled, synced
from velobuild.content.codec import sort_time, tag_key
from velobuild.content.database import Connection, open_database
from velobuild.content.query import PostQueries
from velobuild.content.store import Store
from velobuild.content.tallies import Tallies
from velobuild.content.terms import Term
from velobuild.model.entries import Post
from velobuild.model.keys import Query

AS_OF = datetime(2027, 1, 1, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")
MOMENTS = [
    NOON,
    NOON + timedelta(microseconds=1),
    datetime(2025, 12, 31, 23, 30, tzinfo=UTC),  # 2026 in Vienna
    datetime(2024, 12, 31, 22, 59, tzinfo=UTC),  # 2024 in both
    datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
    datetime(2028, 1, 1, tzinfo=UTC),  # not yet due
]
TAGS = ["Tea", "tea", "Jam", "C++"]
ids = st.integers(0, 11).map(lambda number: f"p{number:02d}")
posts = st.lists(
    st.builds(
        post,
        id=ids,
        published_at=st.sampled_from(MOMENTS),
        status=st.sampled_from(["published", "published", "published", "draft"]),
        tags=st.lists(st.sampled_from(TAGS), max_size=3).map(tuple),
        title=st.sampled_from(["b", "a", "B", "ä", ""]),
        author_id=st.sampled_from([None, "ann", "bob"]),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)
wheres = st.lists(
    st.tuples(st.just("tag"), st.sampled_from(["tea", "jam", "c++", "none"]))
    | st.tuples(st.just("year"), st.sampled_from(["2024", "2025", "2026", "2028", "1", "0", "9999", "10000"]))
    | st.tuples(st.just("author"), st.sampled_from(["ann", "nobody"])),
    max_size=2,
).map(tuple)
anchors = st.none() | st.sampled_from([f"p{number:02d}" for number in range(12)]) | st.just("no-such-post")
queries = st.builds(
    Query,
    where=wheres,
    order=st.sampled_from(["newest", "oldest", "title"]),
    limit=st.none() | st.integers(0, 5),
    offset=st.integers(0, 3),
    after_id=anchors,
    before_id=anchors,
)


@dataclass(frozen=True)
class Model:
    """The same questions, answered by looking at everything."""

    posts: Sequence[Post]

    def ids(self, query: Query) -> tuple[str, ...]:
        found = self._ordered(query)
        if query.before_id is not None:
            found.reverse()
        end = None if query.limit is None else query.offset + query.limit
        return tuple(found[query.offset : end])

    def count(self, query: Query) -> int:
        return len(self._ordered(query))

    def _ordered(self, query: Query) -> list[str]:
        def place(one: Post) -> tuple[str, str]:
            return (one.title if query.order == "title" else sort_time(one), one.id)

        in_order = sorted(self.posts, key=place, reverse=query.order == "newest")
        positions = {one.id: number for number, one in enumerate(in_order)}
        after = -1 if query.after_id is None else positions.get(query.after_id, len(in_order))
        before = len(in_order) if query.before_id is None else positions.get(query.before_id, -1)
        return [
            one.id
            for number, one in enumerate(in_order)
            if after < number < before and self._public(one) and all(self._holds(one, *pair) for pair in query.where)
        ]

    @staticmethod
    def _public(one: Post) -> bool:
        return one.status == "published" and one.published_at is not None and one.published_at <= AS_OF

    @staticmethod
    def _holds(one: Post, name: str, value: str) -> bool:
        if name == "tag":
            return value in map(tag_key, one.tags)
        if name == "author":
            return one.author_id == value
        return one.published_at is not None and one.published_at.astimezone(VIENNA).year == int(value)


@given(posts, st.lists(queries, min_size=5, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_query_gives_what_looking_at_everything_gives(all_posts: list[Post], asked: list[Query]) -> None:
    with TemporaryDirectory() as folder, closing(open_database(Path(folder), warn=no_warning)) as connection:
        synced(Store(connection), *all_posts)
        settled(connection, as_of=AS_OF, zone=VIENNA)
        answers, model = PostQueries(connection, zone=VIENNA), Model(all_posts)
        for query in asked:
            assert answers.ids(query) == model.ids(query), query
            assert answers.count(query) == model.count(query), query
        years = [(year, model.count(Query(where=(("year", str(year)),)))) for year in range(2030, 2020, -1)]
        assert Tallies(connection).years() == [(year, number) for year, number in years if number]


def answers_for(connection: Connection, *all_posts: Post, zone: Any = UTC, as_of: datetime = AS_OF) -> PostQueries:
    synced(Store(connection), *all_posts)
    settled(connection, as_of=as_of, zone=zone)
    return PostQueries(connection, zone=zone)


def test_neighbours_walk_the_whole_blog_one_by_one(connection: Connection) -> None:
    made = [post(f"p{n}", published_at=NOON + timedelta(hours=n // 2)) for n in range(7)]  # pairs at one moment
    answers = answers_for(connection, *made)
    walked = [answers.ids(Query(limit=1))[0]]
    while older := answers.ids(Query(after_id=walked[-1], limit=1)):
        walked += older
    assert tuple(walked) == answers.ids(Query())
    back = [walked[-1]]
    while newer := answers.ids(Query(before_id=back[-1], limit=1)):
        back += newer
    assert back == walked[::-1]


def test_g5_two_posts_at_one_moment_are_ordered_by_id(connection: Connection) -> None:
    answers = answers_for(connection, post("b"), post("c"), post("a"))
    assert answers.ids(Query()) == ("c", "b", "a")
    assert answers.ids(Query(order="oldest")) == ("a", "b", "c")


def test_an_anchor_that_vanished_has_no_neighbours(connection: Connection) -> None:
    answers = answers_for(connection, post("a"))
    for order in ("newest", "oldest", "title"):
        assert (
            answers.ids(Query(order=order, after_id="gone")) == answers.ids(Query(order=order, before_id="gone")) == ()
        )


def test_a_year_is_that_of_the_sites_zone(connection: Connection) -> None:
    silvester = post("silvester", published_at=datetime(2025, 12, 31, 23, 30, tzinfo=UTC))
    for zone, year in ((UTC, 2025), (VIENNA, 2026), (ZoneInfo("America/New_York"), 2025)):
        answers_for(connection, silvester, zone=zone)
        assert Tallies(connection).years() == [(year, 1)]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_first_and_the_last_year_are_counted_without_counting_the_years_between(
    connection: Connection, zone: str
) -> None:
    first = post("first", published_at=datetime(1, 6, 1, tzinfo=UTC))
    last = post("last", published_at=datetime(9999, 6, 1, tzinfo=UTC))
    answers_for(connection, first, last, zone=ZoneInfo(zone), as_of=datetime(9999, 12, 31, tzinfo=UTC))
    steps = count()
    connection.set_trace_callback(lambda statement: next(steps) and None)
    assert Tallies(connection).years() == [(9999, 1), (1, 1)]
    assert next(steps) < 10


def test_a_post_of_the_last_microsecond_has_a_year(connection: Connection) -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    answers_for(connection, post("end", published_at=end), as_of=end)
    assert Tallies(connection).years() == [(9999, 1)]


def test_a_year_that_no_calendar_has_is_empty(connection: Connection) -> None:
    answers = answers_for(connection, post("a"))
    assert [answers.count(Query(where=(("year", year),))) for year in ("0", "-5", "10000", "2026")] == [0, 0, 0, 1]


def test_tags_are_counted_for_public_posts_by_spelling(connection: Connection) -> None:
    answers_for(
        connection, post("a", tags=("Tea",)), post("b", tags=("tea", "Jam")), post("c", tags=("Tea",), status="draft")
    )
    assert Tallies(connection).terms() == [Term("jam", "Jam", "jam", 1), Term("tea", "Tea", "tea", 2)]
    assert set(paths(connection)) == {"a", "b"}
