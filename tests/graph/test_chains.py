"""Causes as sentences that whoever writes posts can follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.graph.naming import HOME, POST, Plain
from velobuild.graph.chains import chain, gone_words, shared_chain
from velobuild.graph.changes import Cause, field_names, named_fields
from velobuild.model.outputs import Target
from velobuild.model.reads import EVERY_FIELD, Field

FEED = Target("tags/tea/feed.xml", "/tags/tea/feed.xml", "feed", "rss", None, {"tag": "tea"})
MAP = Target("sitemap.xml", "/sitemap.xml", "sitemap", "sitemap", None, {})
MOVED = Target("a/index.html", "/a/", "redirect", "template", "redirect.html", {"target_url": "/b/"})
OWN = Target("about/index.html", "/about/", "page", "template", "page.html", {"id": "7"})
NEWEST_TEA = Target(
    "tags/tea/index.html", "/tags/tea/", "tag", "template", "tag.html", {"tag": "tea", "newer_url": None}
)
OLDEST_TEA = replace(NEWEST_TEA, params={"tag": "tea", "newer_url": "/tags/tea/"})


def test_the_detail_of_a_cause_names_the_fields_again() -> None:
    assert named_fields("title, content") == Field.TITLE | Field.CONTENT
    assert named_fields("") == 0
    assert named_fields(field_names(int(EVERY_FIELD))) == EVERY_FIELD


@pytest.mark.parametrize(
    ("cause", "target", "words"),
    [
        (
            Cause("post", "Post 1", "content", "was edited"),
            POST,
            "The post “Post 1” was edited: its body. This is its page.",
        ),
        (
            Cause("post", "A", "title, tags", "was edited"),
            POST,
            "The post “A” was edited: its title and tags. This page shows its title and tags.",
        ),
        (
            Cause("post", "A", "published, previous, next", "was edited"),
            HOME,
            "The post “A” was edited: its date. "
            "This page shows its date, link to the post before it and link to the post after it.",
        ),
        (Cause("post", "A", "url", "got a cover"), HOME, "The post “A” got a cover. This page shows its address."),
        (Cause("post", "A", "title", "is gone"), HOME, "The post “A” is gone. This page showed its title."),
        (
            Cause("post", "A", "next", "has another post beside it, because the post “B” was published"),
            POST,
            "The post “B” was published. So the post “A” has another post beside it. "
            "This page shows its link to the post after it.",
        ),
        (
            Cause("post", "A", "content", "was edited"),
            FEED,
            "The post “A” was edited: its body. This feed shows its body.",
        ),
        (
            Cause("places", "all", behind="the post “A” got another address"),
            MAP,
            "The post “A” got another address. So this changed: the addresses and last changes of all posts. "
            "This sitemap lists them.",
        ),
        (Cause("page", "/about"), OWN, "The page “Page 7”, or something that it links to, was edited."),
        (
            Cause("template", "a.html", behind="the template a.html is new"),
            HOME,
            "The template a.html is new. This page is made with it.",
        ),
        (Cause("all", "--clean"), HOME, "The build was called with --clean. So every page was rendered."),
        (
            Cause("all", "velobuild itself and the package jinja2 changed"),
            HOME,
            "The version of velobuild and the version of the package jinja2 changed. So every page was rendered.",
        ),
        (Cause("failed", ""), POST, "This page could not be rendered before; it is tried again in every build."),
    ],
)
def test_a_cause_becomes_a_chain_that_ends_at_the_page(cause: Cause, target: Target, words: str) -> None:
    assert " ".join(chain(cause, target, Plain())) == words


@pytest.mark.parametrize(
    ("cause", "target", "words"),
    [
        (
            Cause("route", "/", "post home"),
            HOME,
            "At this address was the page of a post before; now it is the home page.",
        ),
        (
            Cause("route", "/a/", "post redirect"),
            MOVED,
            "At this address was the page of a post before; now it is a redirect to /b/.",
        ),
        (Cause("route", "/a/"), MOVED, "It is a redirect to /b/ now."),
        (Cause("route", "/a/", "post post"), POST, "This page is made with another template now."),
        (
            Cause("route", "/"),
            HOME,
            "Its list has more or fewer pages now. So this page begins, ends or links elsewhere.",
        ),
        (
            Cause("route", "/"),
            MAP,
            "A month or a day has its first posts, or lost its last ones. So this sitemap names other files.",
        ),
        (
            Cause("new", "/"),
            NEWEST_TEA,
            "The tag “Tea” has posts now, and had none before. So there is this page, which was not there before.",
        ),
        (
            Cause("new", "/"),
            OLDEST_TEA,
            "Its list has so many posts now that they fill one more page. "
            "So there is this page, which was not there before.",
        ),
        (
            Cause("new", "/"),
            FEED,
            "The tag “Tea” has posts now, and had none before. So there is this feed, which was not there before.",
        ),
        (Cause("new", "/"), OWN, "The page “Page 7” was added to the site's own pages."),
        (Cause("new", "/"), MAP, "There is a sitemap now where there was none before."),
    ],
)
def test_an_output_that_is_new_or_another_says_what_made_it_so(cause: Cause, target: Target, words: str) -> None:
    assert " ".join(chain(cause, target, Plain())) == words


def test_what_all_outputs_of_a_cause_share_leaves_out_what_is_of_one_alone() -> None:
    related = Cause("related", '{"id":"7","limit":3}', behind="the post “A” is gone")
    assert shared_chain(related, POST, Plain()) == (
        "The post “A” is gone.",
        "So other posts are most related to the posts of these pages.",
    )
    beside = Cause("post", "A", "next", "has another post beside it, because the post “B” was published")
    assert shared_chain(beside, POST, Plain()) == ("The post “B” was published.",)
    assert shared_chain(Cause("failed", ""), POST, Plain()) == chain(Cause("failed", ""), POST, Plain())


def test_a_removed_page_says_why_it_went() -> None:
    assert gone_words(Cause("gone", "/a/", behind="the post “A” is gone")) == "The post “A” is gone."
    assert gone_words(Cause("gone", "/page/2/", "list")) == "Its list has fewer posts now, or none."
    assert gone_words(Cause("gone", "/about/", "page")) == "It is not among the site's own pages any more."
    assert gone_words(Cause("gone", "/archive/", "archive")) == "The archive is not made here any more."


def test_the_file_is_named_once_for_several_tables_of_the_configuration() -> None:
    why = "velobuild itself and [site] in velobuild.toml and [menu] in velobuild.toml changed"
    (first, _) = chain(Cause("all", why), HOME, Plain())
    assert first == "The version of velobuild and [site] and [menu] in velobuild.toml changed."
    (first, _) = chain(Cause("all", "[site] in velobuild.toml changed"), HOME, Plain())
    assert first == "[site] in velobuild.toml changed."
