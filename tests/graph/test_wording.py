"""Lists, fields and keys as a person reads them."""

from __future__ import annotations

import pytest

from tests.graph.naming import HOME, Plain
from velobuild.graph.answers import count_key, in_locale, posts_key, related_key, total_key
from velobuild.graph.chains import chain
from velobuild.graph.changes import Cause
from velobuild.graph.wording import (
    FIELDS,
    field_words,
    fields_listed,
    key_words,
    listed,
    query_words,
)
from velobuild.model.keys import Query
from velobuild.model.locales import Locales, year_value
from velobuild.model.reads import EVERY_FIELD, Field

TEA = (("tag", "tea"),)
ONE_OF_TWO = Locales(("en", "de"))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (posts_key(Query()), "all posts"),
        (posts_key(Query(limit=5)), "the newest 5 posts"),
        (posts_key(Query(limit=1)), "the newest post"),
        (posts_key(Query(order="oldest", limit=2, where=TEA)), "the oldest 2 posts with the tag “Tea”"),
        (
            posts_key(Query(where=(*TEA, ("year", "2026")), limit=3)),
            "the newest 3 posts with the tag “Tea” and of the year 2026",
        ),
        (posts_key(Query(order="oldest", offset=20, limit=10)), "posts 21 to 30, counted from the oldest"),
        (posts_key(Query(order="oldest", offset=20)), "posts 21 and later, counted from the oldest"),
        (posts_key(Query(order="title")), "all posts, in the order of titles"),
        (posts_key(Query(after_id="7", limit=1)), "the next older post beside “Post 7”"),
        (posts_key(Query(before_id="7", limit=1)), "the next newer post beside “Post 7”"),
        (count_key(Query(where=TEA)), "how many posts there are with the tag “Tea”"),
        (total_key((), 10), "how many pages the list of posts has"),
        (posts_key(Query(where=in_locale("de"), limit=5)), "the newest 5 posts in the language “de”"),
        (
            count_key(Query(where=(("tag", ONE_OF_TWO.tag("tea", "de")),))),
            "how many posts there are with the tag “tea” (de)",
        ),
        (count_key(Query(where=(("year", year_value(2026, "de")),))), "how many posts there are of the year 2026 (de)"),
        (related_key("7", 3), "the 3 posts most related to “Post 7”"),
    ],
)
def test_a_query_reads_as_what_it_asks(key: str, words: str) -> None:
    assert query_words(key, Plain()) == words


@pytest.mark.parametrize(
    "key",
    [
        *("terms", "years", "months", "pages", "places:", "places:2026-05", "setting:title", "term:tea", "named:tea"),
        *("page:/about", "media:/a.png", "template:post.html", "asset:a.css"),
        *("terms:de", "years:de", "pages:de", "term:de\x1ftea", "named:de\x1ftea"),
        *("translations:7", "page-translations:/about", "places:all", "places:2026-05-03:1000"),
    ],
)
def test_every_kind_of_key_has_words(key: str) -> None:
    words = key_words(key, Plain())
    assert words
    assert ":" not in words
    assert words.isprintable()
    # And a cause of that kind makes sentences.
    kind, _, name = key.partition(":")
    for step in chain(Cause(kind, name, behind="something changed"), HOME, Plain()):
        assert step.endswith(".")
        assert step[0].isupper()


def test_every_field_has_a_word_of_its_own() -> None:
    assert set(FIELDS) == set(Field)
    assert len(set(FIELDS.values())) == len(FIELDS)
    assert len(field_words(int(EVERY_FIELD))) == len(FIELDS)


def test_nearly_all_fields_are_told_by_those_that_are_missing() -> None:
    assert fields_listed(int(EVERY_FIELD)) == "everything"
    assert fields_listed(int(EVERY_FIELD & ~Field.SLUG)) == "everything but slug"
    assert fields_listed(int(Field.TITLE | Field.URL | Field.TAGS)) == "title, address and tags"
    assert listed([]) == ""


def test_a_tag_of_another_language_is_called_by_its_name_and_its_language() -> None:
    assert key_words("term:de\x1ftea", Plain()) == "the name and address of the tag “tea” (de)"
    assert key_words("named:de\x1ftea", Plain()) == "which tag “tea” is (de)"
    assert key_words("term:tea", Plain()) == "the name and address of the tag “Tea”"


def test_the_sitemap_s_parts_are_told_by_what_they_list() -> None:
    assert key_words("places:all", Plain()) == "the addresses and last changes of all posts"
    assert key_words("places:2026-05", Plain()) == "the addresses and last changes of all posts of 2026-05"
    assert key_words("places:2026-05-03:1000", Plain()).endswith("of all posts of 2026-05-03, without the first 1000")
