"""Entries come back from the store as they went in, and text order is time order."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.content.conftest import NOON, post
from velobuild.content.codec import decode, encode, published_at, sort_time
from velobuild.content.moments import timestamp
from velobuild.model.entries import BodyFormat, Collection, Comment, Entry, Media, Page, Post, SiteSettings

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = texts.filter(bool)
edge = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.sampled_from(edge) | st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones)
maybe = st.none() | texts
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries(texts, json_values, max_size=3).map(MappingProxyType)
posts = st.builds(
    Post,
    id=ids, slug=texts, title=texts, body=texts, body_format=st.sampled_from(BodyFormat), status=texts,
    updated_at=times, published_at=st.none() | times, excerpt=maybe, tags=st.lists(texts, max_size=3).map(tuple),
    author_id=maybe, cover_media_id=maybe, seo_title=maybe, seo_description=maybe, extra=extras,
)  # fmt: skip
numbers = st.none() | st.integers(0, 2**53)
entries = st.one_of(
    posts.map(lambda entry: (Collection.POSTS, entry)),
    st.builds(
        Media, id=ids, url=texts, filename=texts, mime_type=texts, size_bytes=numbers, width_px=numbers,
        height_px=numbers, alt=maybe, extra=extras,
    ).map(lambda entry: (Collection.MEDIA, entry)),
    st.builds(
        Page, id=ids, path=texts, title=texts, body=texts, description=maybe, template=maybe, extra=extras
    ).map(lambda entry: (Collection.PAGES, entry)),
    st.builds(
        Comment, id=ids, post_id=ids, author_name=texts, body=texts, created_at=times, parent_id=maybe
    ).map(lambda entry: (Collection.COMMENTS, entry)),
    st.builds(
        SiteSettings, title=maybe, description=maybe, comments_enabled=st.booleans(), extra=extras
    ).map(lambda entry: (Collection.SETTINGS, entry)),
)  # fmt: skip


@given(entries)
def test_every_entry_comes_back_as_it_went_in(row: tuple[Collection, Entry]) -> None:
    kind, entry = row
    assert decode(kind, encode(entry)) == entry


@given(posts)
def test_the_encoding_does_not_depend_on_the_order_of_fields(entry: Post) -> None:
    turned = replace(entry, extra=dict(reversed(entry.extra.items())))
    assert encode(turned) == encode(entry)


@given(times, times)
def test_text_order_is_time_order(first: datetime, second: datetime) -> None:
    assert len(timestamp(first)) == 27
    assert (timestamp(first) < timestamp(second)) == (first < second)
    assert datetime.fromisoformat(timestamp(first)) == first


def test_years_of_less_than_four_digits_are_padded() -> None:
    assert timestamp(datetime(1, 2, 3, tzinfo=UTC)) == "0001-02-03T00:00:00.000000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        timestamp(datetime(2026, 5, 3))


# The date of a post


def created(text: Any, **changes: Any) -> Post:
    return post("tea", **({"published_at": None, "extra": {"created": text}} | changes))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01 09:12:44.120Z", datetime(2026, 5, 1, 9, 12, 44, 120_000, tzinfo=UTC)),
        ("2026-05-01T09:12:44+02:00", datetime(2026, 5, 1, 7, 12, 44, tzinfo=UTC)),
        ("2026-05-01T09:12:44", datetime(2026, 5, 1, 9, 12, 44, tzinfo=UTC)),
        ("2026-05-01", None),
        ("a while ago, in spring", None),
        ("2026-02-30T09:12:44Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        (1714140000, None),
        (None, None),
    ],
)
def test_creation_stands_in_for_a_missing_publication(text: Any, moment: datetime | None) -> None:
    assert published_at(created(text)) == moment
    assert sort_time(created(text)) == timestamp(moment or NOON)


def test_a_publication_counts_more_than_a_creation() -> None:
    assert sort_time(created("2020-01-01T00:00:00Z", published_at=NOON)) == timestamp(NOON)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_g7_a_time_without_a_zone_is_utc_wherever_the_build_runs(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as machine:
        machine.setenv("TZ", zone)
        time.tzset()
        stamp = sort_time(created("2026-05-01 09:12:44"))
        naive = datetime(2026, 5, 1, 9, 12, 44).astimezone(UTC)  # the control: what the machine would make of it
    time.tzset()
    assert stamp == "2026-05-01T09:12:44.000000Z"
    assert (timestamp(naive) == stamp) == (zone == "UTC")
