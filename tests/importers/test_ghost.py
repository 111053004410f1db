"""A Ghost export becomes a folder, whichever of its three kinds of body it holds."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Ended, velobuild
from tests.importers.exports import ghost, ghost_post
from velobuild.importers.ghostcards import NoDocument, lexical_html, mobiledoc_html
from velobuild.importers.jsonstream import BLOCK_CHARACTERS, BrokenJson, rows
from velobuild.markup.frontmatter import split

ID = "60c0ffee0000000000000001"


def imported(folder: Path, *arguments: str) -> Ended:
    ended = velobuild("import", "ghost", "export.json", *arguments, directory=folder)
    assert "Traceback" not in ended.err
    return ended


def entry(folder: Path, name: str, kind: str = "posts") -> tuple[dict[str, Any], str]:
    file = folder / "content" / kind / f"{name}.html"
    return split(file.read_text("utf-8"), where=str(file))


def test_a_post_keeps_slug_dates_tags_authors_ids_and_picture(tmp_path: Path) -> None:
    ghost(
        tmp_path,
        [
            ghost_post(1, feature_image="__GHOST_URL__/content/images/a.jpg", custom_excerpt="In short"),
            ghost_post(2, type="page", slug="about"),
        ],
        tags=[
            {"id": "t1", "name": "Bread", "slug": "bread", "visibility": "public"},
            {"id": "t2", "name": "#hidden", "slug": "hash-hidden", "visibility": "internal"},
            {"id": "t3", "name": "Rye", "slug": "rye", "visibility": "public"},
        ],
        posts_tags=[
            {"post_id": ID, "tag_id": "t1", "sort_order": 2},
            {"post_id": ID, "tag_id": "t2", "sort_order": 1},
            {"post_id": ID, "tag_id": "t3", "sort_order": 0},
        ],
        users=[{"id": "u1", "name": "Ada Byron", "email": "ada@private.example"}, {"id": "u2", "name": "Bo"}],
        posts_authors=[
            {"post_id": ID, "author_id": "u2", "sort_order": 1},
            {"post_id": ID, "author_id": "u1", "sort_order": 0},
        ],
        posts_meta=[{"post_id": ID, "meta_title": "For engines", "feature_image_alt": "A loaf"}],
    )
    ended = imported(tmp_path, "--url", "https://old.example/")
    assert ended.code == 0, ended.err
    front, body = entry(tmp_path, "post-1")
    assert body.strip() == "<p>Body 1</p>"
    assert (front["title"], front["slug"], front["id"], front["guid"]) == ("Post 1", "post-1", ID, ID)
    assert front["date"] == datetime(2021, 5, 2, 23, 30, tzinfo=UTC)
    assert front["updated"] == datetime(2021, 6, 1, 10, 0, tzinfo=UTC)
    assert front["tags"] == ["Rye", "Bread"], "in their order, without those that are internal"
    assert front["author"] == "Ada Byron, Bo"
    assert (front["cover"], front["cover_alt"]) == ("https://old.example/content/images/a.jpg", "A loaf")
    assert (front["excerpt"], front["seo_title"]) == ("In short", "For engines")
    assert entry(tmp_path, "about", "pages")[0]["path"] == "about"
    made = tomllib.loads((tmp_path / "velobuild.toml").read_text())
    assert made["urls"]["post"] == "/{slug}/"
    assert (made["site"]["title"], made["site"]["timezone"]) == ("Salt & Water", "Europe/Vienna")
    assert made["source"]["media_hosts"] == ["old.example"]
    assert "redirects" not in made
    for file in tmp_path.rglob("*.html"):
        assert "ada@private.example" not in file.read_text()


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"status": "draft"}, "draft", ""),
        ({"status": "scheduled", "published_at": "2999-01-01T00:00:00.000Z"}, "published", ""),
        ({"visibility": "paid"}, "draft", "it is for `paid` readers alone"),
        ({"visibility": "members"}, "draft", "it is for `members` readers alone"),
        ({"status": "sent"}, "draft", "it was sent by mail"),
    ],
)
def test_what_was_not_public_does_not_become_so(tmp_path: Path, fields: dict[str, Any], status: str, why: str) -> None:
    ghost(tmp_path, [ghost_post(1, **fields)])
    ended = imported(tmp_path)
    assert entry(tmp_path, "post-1")[0]["status"] == status
    assert why in ended.err
    assert ("VB3202" in ended.err) == bool(why)


def test_without_the_old_address_it_is_said_what_that_costs(tmp_path: Path) -> None:
    ghost(tmp_path, [ghost_post(1, html='<img src="__GHOST_URL__/content/images/a.jpg">')])
    ended = imported(tmp_path)
    assert "import with --url" in ended.err
    assert "__GHOST_URL__" not in entry(tmp_path, "post-1")[1]


@pytest.mark.parametrize("value", ["2021-05-02 23:30:00", 1619998200000, "2021-05-02T23:30:00.000Z"])
def test_dates_of_every_version_of_ghost_are_read(tmp_path: Path, value: Any) -> None:
    ghost(tmp_path, [ghost_post(1, published_at=value)])
    imported(tmp_path)
    assert entry(tmp_path, "post-1")[0]["date"] == datetime(2021, 5, 2, 23, 30, tzinfo=UTC)


# Bodies.


def lexical(*nodes: dict[str, Any]) -> str:
    return json.dumps({"root": {"children": list(nodes), "type": "root"}})


def text(words: str, format: int = 0) -> dict[str, Any]:
    return {"type": "extended-text", "text": words, "format": format}


@pytest.mark.parametrize(
    ("node", "html"),
    [
        (
            {"type": "paragraph", "children": [text("a "), text("b & c", 3)]},
            "<p>a <strong><em>b &amp; c</em></strong></p>",
        ),
        ({"type": "extended-heading", "tag": "h3", "children": [text("Head")]}, "<h3>Head</h3>"),
        ({"type": "heading", "tag": "script", "children": [text("Head")]}, "<h2>Head</h2>"),
        (
            {"type": "list", "listType": "number", "children": [{"type": "listitem", "children": [text("x")]}]},
            "<ol><li>x</li></ol>",
        ),
        (
            {"type": "paragraph", "children": [{"type": "link", "url": 'https://x/?a="', "children": [text("y")]}]},
            '<p><a href="https://x/?a=&quot;">y</a></p>',
        ),
        ({"type": "extended-quote", "children": [text("q")]}, "<blockquote>q</blockquote>"),
        (
            {"type": "image", "src": "/a.png", "alt": "A", "width": 3, "caption": "<b>C</b>"},
            '<figure><img src="/a.png" alt="A" width="3"><figcaption><b>C</b></figcaption></figure>',
        ),
        ({"type": "html", "html": "<aside>raw</aside>"}, "<aside>raw</aside>"),
        ({"type": "markdown", "markdown": "*m*"}, "<p><em>m</em></p>"),
        (
            {"type": "codeblock", "language": "py", "code": "a < b"},
            '<pre><code class="language-py">a &lt; b</code></pre>',
        ),
        ({"type": "horizontalrule"}, "<hr>"),
        ({"type": "callout", "calloutEmoji": "!", "calloutText": "Mind"}, "<blockquote><p>! Mind</p></blockquote>"),
        ({"type": "toggle", "heading": "H", "content": "<p>C</p>"}, "<details><summary>H</summary><p>C</p></details>"),
        ({"type": "button", "buttonText": "Go", "buttonUrl": "/x"}, '<p><a href="/x">Go</a></p>'),
        ({"type": "email", "html": "for subscribers"}, ""),
    ],
)
def test_lexical_nodes_become_html(node: dict[str, Any], html: str) -> None:
    assert lexical_html(lexical(node)) == (html, [])


def test_an_unknown_card_keeps_its_text_and_is_named(tmp_path: Path) -> None:
    node = {"type": "poll", "children": [text("Yes or no?")]}
    ghost(tmp_path, [ghost_post(1, html=None, lexical=lexical(node))])
    ended = imported(tmp_path)
    assert entry(tmp_path, "post-1")[1].strip() == "Yes or no?"
    assert "its cards of the kind poll are not known" in ended.err


def test_mobiledoc_becomes_html() -> None:
    document = {
        "version": "0.3.1",
        "atoms": [["soft-return", "", {}]],
        "cards": [["image", {"src": "/a.png", "caption": ""}], ["poll", {}]],
        "markups": [["strong"], ["a", ["href", "https://x/"]], ["script"]],
        "sections": [
            [1, "p", [[0, [0, 1], 1, "bold link"], [0, [], 1, " link"], [1, [], 0, 0], [0, [2], 1, "a < b"]]],
            [3, "ul", [[[0, [], 0, "one"]], [[0, [], 0, "two"]]]],
            [10, 0],
            [10, 1],
        ],
    }
    html, unknown = mobiledoc_html(json.dumps(document))
    assert html == (
        '<p><strong><a href="https://x/">bold link</a> link</strong><br>a &lt; b</p>\n'
        "<ul><li>one</li><li>two</li></ul>\n"
        '<figure><img src="/a.png" alt=""></figure>'
    )
    assert unknown == ["poll"]


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"sections": [[1, "p", [[0, [7], 0, "x"]]]]}', '{"sections": [[10, 4]]}', '{"sections": [5]}'],
)
def test_a_damaged_mobiledoc_is_named_and_harms_no_other(tmp_path: Path, document: str) -> None:
    with pytest.raises(NoDocument):
        mobiledoc_html(document)
    broken = document or "{"
    ghost(tmp_path, [ghost_post(1, html="", mobiledoc=broken), ghost_post(2)])
    ended = imported(tmp_path)
    assert "“Post 1”" in ended.err
    assert [file.name for file in (tmp_path / "content/posts").iterdir()] == ["post-2.html"]


def test_a_document_that_is_nested_without_end_is_refused() -> None:
    node: dict[str, Any] = text("x")
    for _ in range(150):
        node = {"type": "paragraph", "children": [node]}
    with pytest.raises(NoDocument, match="deeper than 100"):
        lexical_html(lexical(node))


# The file.


def test_an_export_that_breaks_off_gives_what_came_and_says_what_is_lost(tmp_path: Path) -> None:
    file = ghost(tmp_path, [ghost_post(number) for number in range(1, 9)])
    whole = file.read_text()
    file.write_text(whole[: whole.index("Post 6")])
    ended = imported(tmp_path)
    assert ended.code == 0
    assert len(list((tmp_path / "content/posts").iterdir())) == 5
    assert "the export breaks off after" in ended.err


@pytest.mark.parametrize(
    "document", ["", "<html>", "[]", "{}", '{"db": []}', "null", '"text"', '{"db": [{"data": {}}]}']
)
def test_what_is_no_export_is_refused_and_nothing_is_written(tmp_path: Path, document: str) -> None:
    (tmp_path / "export.json").write_text(document)
    ended = imported(tmp_path)
    assert (ended.code, "VB3201" in ended.err) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["export.json"]


def test_values_across_the_blocks_of_a_file_are_read_whole(tmp_path: Path) -> None:
    long = ["é" * (BLOCK_CHARACTERS - 3), "x" * (3 * BLOCK_CHARACTERS), 12345, "end"]
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"other": [1], "data": {"posts": long, "tags": []}}, ensure_ascii=False), "utf-8")
    assert [row for _, row in rows(file, frozenset({"posts"}))] == long
    file.write_text('{"data": {"posts": [1, 2,, 3]}}')
    found = rows(file, frozenset({"posts"}))
    assert [next(found), next(found)] == [("posts", 1), ("posts", 2)]
    with pytest.raises(BrokenJson):
        next(found)


@pytest.mark.slow
def test_a_large_export_is_read_in_a_stream(tmp_path: Path) -> None:
    """60 MB of posts in far less memory than that."""
    ghost(tmp_path, (ghost_post(number % 100, html="a word " * 15_000) for number in range(600)))
    code = (
        "import resource; from pathlib import Path; from velobuild.importers.ghost import Ghost\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(1 for _ in Ghost(Path('export.json'), print))\n"
        "print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    count, more_mb = map(int, said.split())
    assert count == 600
    assert more_mb < 30
