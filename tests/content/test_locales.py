"""Posts of several languages in one store: each query, number and term is of one language."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.content.conftest import NOON, no_warning, paths, post, settled, synced
from tests.content.test_query import MOMENTS, TAGS, VIENNA
from velobuild.content.codec import tag_key
from velobuild.content.database import Connection, open_database
from velobuild.content.locales import arrange
from velobuild.content.query import PostQueries
from velobuild.content.store import Store
from velobuild.content.tallies import Tallies
from velobuild.model.entries import Post
from velobuild.model.keys import Query
from velobuild.model.locales import Locales, plain_tag, tag_locale, year_value

LOCALES = Locales(("en", "de"))
posts = st.lists(
    st.builds(
        post,
        id=st.integers(0, 11).map(lambda number: f"p{number:02d}"),
        published_at=st.sampled_from(MOMENTS[:5]),
        tags=st.lists(st.sampled_from(TAGS), max_size=3).map(tuple),
        extra=st.sampled_from([{}, {"locale": "en"}, {"locale": "de"}, {"locale": "fr"}, {"locale": ["de"]}]),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)


def year_in_vienna(one: Post) -> int:
    assert one.published_at is not None
    return one.published_at.astimezone(VIENNA).year


@given(posts, st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_lists_and_numbers_of_a_locale_are_those_of_its_posts(all_posts: list[Post], arranged_first: bool) -> None:
    with TemporaryDirectory() as folder, closing(open_database(Path(folder), warn=no_warning)) as connection:
        if arranged_first:
            arrange(connection, LOCALES)
        synced(Store(connection), *all_posts)
        arrange(connection, LOCALES)
        settled(connection, zone=VIENNA)
        queries, tallies = PostQueries(connection, zone=VIENNA), Tallies(connection)
        for locale in LOCALES.codes:
            own = [one for one in all_posts if LOCALES.of(one.extra) == locale]
            newest = [one.id for one in sorted(own, key=lambda one: (one.published_at, one.id), reverse=True)]
            assert list(queries.ids(Query(where=(("locale", locale),)))) == newest
            assert tallies.posts(f"locale={locale}") == len(own)
            for key in {"tea", "jam", "none"}:
                tagged = {one.id for one in own if key in map(tag_key, one.tags)}
                named = LOCALES.tag(key, locale)
                assert set(queries.ids(Query(where=(("tag", named),)))) == tagged
                assert tallies.posts(f"tag={named}") == len(tagged)
            for year in (2024, 2025, 2026):
                ids = {one.id for one in own if year_in_vienna(one) == year}
                value = year_value(year, locale)
                assert set(queries.ids(Query(where=(("year", value),)))) == ids
                assert set(queries.ids(Query(where=(("tag", LOCALES.tag("tea", locale)), ("year", value))))) == {
                    one.id for one in own if one.id in ids and "tea" in map(tag_key, one.tags)
                }
                assert tallies.posts(f"year={value}") == len(ids)


def test_a_tag_has_one_slug_in_each_locale(connection: Connection) -> None:
    arrange(connection, LOCALES)
    synced(Store(connection), post("a", tags=("C#",)), post("b", tags=("c#",), extra={"locale": "de"}))
    settled(connection)
    terms = Tallies(connection).terms()
    assert sorted((tag_locale(term.key), plain_tag(term.key), term.slug) for term in terms) == [
        ("", "c#", "c-sharp"),
        ("de", "c#", "c-sharp"),
    ]


def test_an_excluded_tag_is_excluded_in_every_locale(connection: Connection) -> None:
    arrange(connection, LOCALES)
    synced(Store(connection), post("a", tags=("jam",)), post("b", tags=("Jam",), extra={"locale": "de"}))
    settled(connection, exclude_tags=frozenset({"jam"}))
    assert Tallies(connection).terms() == []


def test_posts_of_two_locales_may_have_one_slug_and_a_locales_name_is_no_slug(connection: Connection) -> None:
    arrange(connection, LOCALES)
    synced(Store(connection), post("a", slug="tea"), post("b", slug="tea", extra={"locale": "de"}))
    assert settled(connection) == []
    assert paths(connection) == {"a": "/tea/", "b": "/de/tea/"}


def test_other_locales_lay_out_the_posts_that_are_there_anew_and_back(connection: Connection) -> None:
    synced(Store(connection), post("a", tags=("tea",)), post("b", tags=("tea",), extra={"locale": "de"}))
    settled(connection)
    plain = (
        list(connection.execute("SELECT * FROM tag ORDER BY 1, 2, 3")),
        list(connection.execute("SELECT * FROM tally")),
    )
    arrange(connection, LOCALES)
    settled(connection)
    assert Tallies(connection).posts("tag=tea") == 1
    arrange(connection, Locales())
    settled(connection)
    assert plain == (
        list(connection.execute("SELECT * FROM tag ORDER BY 1, 2, 3")),
        list(connection.execute("SELECT * FROM tally")),
    )


def test_years_of_another_zone_are_counted_anew_although_nothing_else_changed(connection: Connection) -> None:
    connection.execute("INSERT INTO meta (key, value) VALUES ('trace', 'r1|recipe')")
    synced(Store(connection), post("a", published_at=MOMENTS[2]))
    settled(connection, zone=VIENNA)
    connection.execute("DELETE FROM dirty")
    assert Tallies(connection).years() == [(2026, 1)]
    settled(connection, zone=ZoneInfo("UTC"))
    assert Tallies(connection).years() == [(2025, 1)]


def test_a_post_is_found_by_its_locale_through_an_index(connection: Connection) -> None:
    arrange(connection, LOCALES)
    synced(Store(connection), *(post(f"p{n}", extra={"locale": "de"}, published_at=NOON) for n in range(3)))
    settled(connection)
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT p.id FROM post AS p JOIN permalink AS l ON l.post_id = p.id WHERE "
        "p.status = 'published' AND p.locale = ? AND p.locale <> '' ORDER BY p.sort_at DESC, p.id DESC LIMIT 5",
        ("de",),
    ).fetchall()
    assert "post_locale" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
