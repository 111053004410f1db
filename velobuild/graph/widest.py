"""What makes a change costly: the keys that most outputs read, and the outputs that read most posts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from velobuild.content.database import Connection
from velobuild.graph.explain import SETTING, Names
from velobuild.graph.trace import Trace
from velobuild.graph.wording import fields_listed, key_words

OF_QUERIES = "SELECT name, count(*) AS readers FROM query_read JOIN key ON key.id = key GROUP BY key"
OF_KEYS = (
    "SELECT name, sum(outputs) AS readers FROM bundle_key JOIN key ON key.id = key "
    "JOIN (SELECT bundle, count(*) AS outputs FROM output GROUP BY bundle) USING (bundle) GROUP BY key"
)
OF_POSTS = "SELECT post, count(*) AS readers FROM post_read GROUP BY post ORDER BY readers DESC, post LIMIT ?"
OF_OUTPUTS = "SELECT output, count(*) AS posts FROM post_read GROUP BY output ORDER BY posts DESC, output LIMIT ?"
OF_THEME = ("template:", "asset:")
FEW_POSTS = 20
"""A site of fewer posts has no wide pages: reading all of them costs nothing."""
EVERYWHERE = 0.5
"""A key that this share of all outputs reads changes the whole site."""


@dataclass(frozen=True, slots=True)
class Wide:
    """A thing that a page can read, and how many outputs do. `name` is its key, or a post's title."""

    name: str
    words: str
    readers: int


@dataclass(frozen=True, slots=True)
class WidePage:
    """An output that reads very many posts: of each of them the `fields`, a change of which renders it again."""

    url: str
    posts: int
    fields: str


@dataclass(frozen=True, slots=True)
class Widest:
    """The widest of each kind, the widest first. `content` are keys of content, `theme` files of the theme."""

    outputs: int
    posts: int
    content: tuple[Wide, ...]
    theme: tuple[Wide, ...]
    by_post: tuple[Wide, ...]
    pages: tuple[WidePage, ...]
    advice: tuple[str, ...]


def widest(connection: Connection, *, limit: int) -> Widest:
    """The `limit` widest of each kind. Walks over the whole trace."""
    trace, names = Trace(connection), Names(connection)
    outputs = _number(connection, "SELECT count(*) FROM output")
    posts = _number(connection, "SELECT count(*) FROM permalink")
    rows = [*connection.execute(OF_QUERIES), *connection.execute(OF_KEYS)]
    if not names.has_settings:
        rows = [row for row in rows if not row[0].startswith(SETTING)]
    rows.sort(key=lambda row: (-row[1], row[0]))
    # Most of a large site's keys are read by one output: those are never shown, so nobody need put them into words.
    shown = [row for number, row in enumerate(rows) if number < 50 + 2 * limit or row[1] >= outputs * EVERYWHERE]
    wide = [Wide(name, key_words(name, names), readers) for name, readers in shown]
    theme = [one for one in wide if one.name.startswith(OF_THEME)]
    content = [one for one in wide if not one.name.startswith(OF_THEME)]
    by_post = [
        Wide(names.numbered(num), _fields_of_post(connection, num), readers)
        for num, readers in connection.execute(OF_POSTS, (limit,)).fetchall()
    ]
    pages = [_page(trace, id, posts_read) for id, posts_read in connection.execute(OF_OUTPUTS, (limit,)).fetchall()]
    advice = [*_on_keys(content, outputs), *_on_pages(pages, posts)]
    return Widest(
        outputs, posts, tuple(content[:limit]), tuple(theme[:limit]), tuple(by_post), tuple(pages), tuple(advice)
    )


def _page(trace: Trace, id: int, posts: int) -> WidePage:
    together = 0
    for _, fields in trace.reads_of(id)[0]:
        together |= fields
    return WidePage(trace.output(id).target.url, posts, fields_listed(together))


def _fields_of_post(connection: Connection, num: int) -> str:
    together = 0
    for (fields,) in connection.execute("SELECT fields FROM post_read WHERE post = ?", (num,)):
        together |= fields
    return fields_listed(together)


def _on_keys(content: Iterable[Wide], outputs: int) -> list[str]:
    """Which content makes the whole site new."""
    return [
        f"{one.words[:1].upper()}{one.words[1:]}: {one.readers} of {outputs} outputs read this, so a change of it "
        "renders nearly the whole site. If a layout shows it on every page, consider showing it on fewer."
        for one in content
        if outputs >= FEW_POSTS and one.readers >= outputs * EVERYWHERE and not one.name.startswith(SETTING)
    ]


def _on_pages(pages: Iterable[WidePage], posts: int) -> list[str]:
    """Which pages every change must touch."""
    return [
        f"{page.url} reads all {posts} posts, of each {page.fields}: every new post, and every change of "
        "one of these, renders it again, at a cost that grows with the site."
        for page in pages
        if posts >= FEW_POSTS and page.posts >= posts
    ]


def _number(connection: Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
