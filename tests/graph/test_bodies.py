"""Each body is prepared once, until it or the options change, and the files that it uses are known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.graph.rig import CMS, CONFIG, Blog, post
from velobuild.config.schema import ContentConfig
from velobuild.errors import ContentProblem
from velobuild.graph.bodies import prepare_body, unprepared
from velobuild.model.entries import BodyFormat

PICTURE = '<p><img src="/media/a.png"> <a href="/media/b.pdf#page=2">b</a> <a href="/tea/">tea</a></p>'


def uses(blog: Blog) -> set[tuple[str, str]]:
    return set(blog.connection.execute("SELECT post_id, url FROM media_use"))


def missing(blog: Blog) -> list[str]:
    return unprepared(blog.connection, blog.site)[0]


def test_a_body_is_prepared_once_until_it_changes(blog: Blog) -> None:
    blog.posts(post("a"), post("b")).settle()
    assert missing(blog) == []
    blog.posts(post("a", title="Another title", tags=("x",)), post("b", body="<p>Edited.</p>"))
    assert missing(blog) == ["b"]


def test_other_options_prepare_every_body_anew_and_back_costs_nothing(blog: Blog) -> None:
    blog.posts(post("a"), post("b")).settle()
    blog.configured(content=ContentConfig(html="text"))
    assert missing(blog) == ["a", "b"]
    blog.configured(content=CONFIG.content)
    assert missing(blog) == []


def test_bodies_of_what_is_not_public_wait(blog: Blog) -> None:
    blog.posts(post("draft", status="draft", body=PICTURE)).settle()
    assert (missing(blog), uses(blog)) == ([], set())


def test_the_files_of_a_body_are_noted_and_forgotten_with_it(blog: Blog) -> None:
    blog.posts(post("a", body=PICTURE)).settle()
    assert uses(blog) == {("a", f"{CMS}/media/a.png"), ("a", f"{CMS}/media/b.pdf")}
    blog.posts(post("a", body="<p>None.</p>")).settle()
    assert uses(blog) == set()


def test_a_body_that_comes_back_brings_its_files_back_from_the_memo(blog: Blog) -> None:
    blog.posts(post("a", body=PICTURE)).settle()
    blog.posts(post("a", body="<p>None.</p>")).settle()
    blog.posts(post("a", body=PICTURE))
    assert missing(blog) == [], "the memo has it"
    assert len(uses(blog)) == 2


def test_a_reader_makes_a_body_that_the_memo_lacks(blog: Blog) -> None:
    blog.posts(post("a", body="<p>Here.</p>")).settle()
    blog.connection.execute("DELETE FROM memo")
    assert "Here." in blog.content("a")


def test_what_a_parser_stumbles_on_is_that_posts_problem(blog: Blog) -> None:
    blog.posts(post("a"))
    blog.connection.execute("UPDATE body SET format = 'nonsense'")
    with pytest.raises(ContentProblem) as failed:
        prepare_body(blog.connection, replace(blog.site), "a")
    (found,) = failed.value.diagnostics
    assert (found.code, found.where) == ("VB3001", "post “A” (id a)")
    assert "ValueError: 'nonsense' is not a valid BodyFormat" in found.what


def test_a_document_of_too_many_blocks_names_the_post_and_the_block(blog: Blog) -> None:
    body = json.dumps([{"type": "horizontalRule"}, {"type": "blockquote", "content": [""] * 100_000}])
    blog.posts(post("a", title="Long", body=body, body_format=BodyFormat.BLOCKS))
    with pytest.raises(ContentProblem) as caught:
        prepare_body(blog.connection, blog.site, "a")
    assert caught.value.diagnostics[0].where == "post “Long” (id a), block 2"
