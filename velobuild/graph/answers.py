"""Queries by name: what each answers now, and where a change must fall to alter the answer.

A query's name is its kind and its canonical encoding: `posts:{…}`, `count:{…}`, `related:{…}`. So the trace can keep it
as text and ask it again.
"""

from __future__ import annotations

import json
from typing import Any

from velobuild.content.codec import tag_key
from velobuild.content.database import Connection
from velobuild.content.query import NEWEST_OF_A_TAG, PostQueries
from velobuild.content.tallies import Tallies
from velobuild.graph.site import Site
from velobuild.model.entries import Collection
from velobuild.model.keys import Field as Condition
from velobuild.model.keys import Query, canonical, fingerprint
from velobuild.model.reads import Answer, Footprint

POSTS, COUNT, TOTAL, RELATED = "posts", "count", "total", "related"
Where = tuple[tuple[Condition, str], ...]
ENTRY = "SELECT value FROM entry WHERE collection = ? AND id = ?"


def in_locale(locale: str) -> Where:
    """The condition for all posts of a locale; none where the site has one language."""
    return (("locale", locale),) if locale else ()


def posts_key(query: Query) -> str:
    return _key(POSTS, _values(query))


def count_key(query: Query) -> str:
    return _key(COUNT, {"where": query.where})


def total_key(where: Where, size: int) -> str:
    return _key(TOTAL, {"where": where, "size": size})


def related_key(post_id: str, limit: int) -> str:
    return _key(RELATED, {"id": post_id, "limit": limit})


def is_query(key: str) -> bool:
    return key.partition(":")[0] in {POSTS, COUNT, TOTAL, RELATED}


class Answers:
    """Asks one revision. `ids`, `count` and `related` give values; `answer` gives what the trace keeps of them."""

    def __init__(self, connection: Connection, site: Site) -> None:
        self._connection = connection
        self._queries = PostQueries(connection, zone=site.zone)
        self._tallies = Tallies(connection)
        self._excluded = site.excluded_tags
        self._locales = site.locales

    def ids(self, query: Query) -> tuple[str, ...]:
        """The ids in the query's order."""
        known = self._known_count(query)
        if known is None or query.order != "oldest" or query.offset <= known // 2:
            return self._queries.ids(query)
        # The later pages of a list lie near the newest end, and SQLite walks over all that an offset passes.
        there = max(0, known - query.offset)
        limit = there if query.limit is None else min(query.limit, there)
        turned = Query(query.type, query.where, "newest", limit, there - limit)
        return tuple(reversed(self._queries.ids(turned)))

    def count(self, query: Query) -> int:
        known = self._known_count(query)
        return self._queries.count(query) if known is None else known

    def total(self, where: Where, size: int) -> int:
        """How many pages a list has: each of `size` posts, the newest of up to twice as many less one."""
        return max(1, self.count(Query(where=where)) // size)

    def related(self, post_id: str, limit: int) -> tuple[str, ...]:
        """Of the newest posts of each of the post's tags, those that share the most."""
        return tuple(self._queries.sharing(post_id, self._tags_of(post_id), limit))

    def answer(self, key: str) -> Answer:
        """What a query answers now. Raises KeyError for a key of another kind."""
        kind, _, text = key.partition(":")
        values: dict[str, Any] = json.loads(text)
        if kind == RELATED:
            return self.related_answer(values["id"], self.related(values["id"], values["limit"]))
        size = values.pop("size", 1)
        query = _query(values)
        if kind == TOTAL:
            return self.count_answer(query, self.total(query.where, size))
        if kind == COUNT:
            return self.count_answer(query, self.count(query))
        if kind == POSTS:
            return self.posts_answer(query, self.ids(query))
        raise KeyError(key)

    def posts_answer(self, query: Query, ids: tuple[str, ...]) -> Answer:
        facet, several = _facet(query)
        low, high = self._window(query, ids)
        prints = [Footprint(facet, low, high, several)]
        # An anchor that moves, comes or goes alters the answer wherever it stands.
        prints += [Footprint(f"id={anchor}") for anchor in (query.after_id, query.before_id) if anchor is not None]
        return Answer(fingerprint(ids), tuple(prints))

    def count_answer(self, query: Query, count: int) -> Answer:
        facet, several = _facet(query)
        return Answer(fingerprint(count), (Footprint(facet, several=several),))

    def related_answer(self, post_id: str, ids: tuple[str, ...]) -> Answer:
        prints = [Footprint(f"id={post_id}")]
        for tag in self._tags_of(post_id):
            newest = self._queries.ids(Query(where=(("tag", tag),), limit=NEWEST_OF_A_TAG))
            low = self._queries.sort_at(newest[-1]) if len(newest) == NEWEST_OF_A_TAG else None
            # Among several tags, a post that keeps one and gets another is counted otherwise.
            prints.append(Footprint(f"tag={tag}", low or "", several=True))
        return Answer(fingerprint(ids), tuple(prints))

    def _window(self, query: Query, ids: tuple[str, ...]) -> tuple[str, str]:
        """Between which moments a post must come, go or move to alter the answer. Open where a limit is not reached."""
        everything = Footprint("")
        if query.order == "title" or query.limit is None or len(ids) < query.limit or not ids:
            return everything.low, everything.high
        last = self._queries.sort_at(ids[-1])
        assert last is not None
        descending = (query.order == "newest") != (query.before_id is not None)
        return (last, everything.high) if descending else (everything.low, last)

    def _known_count(self, query: Query) -> int | None:
        """The number of matching posts, where it is a kept one."""
        if query.after_id or query.before_id or len(query.where) > 1:
            return None
        return self._tallies.posts(f"{query.where[0][0]}={query.where[0][1]}" if query.where else "post")

    def _tags_of(self, post_id: str) -> list[str]:
        row = self._connection.execute(ENTRY, (Collection.POSTS, post_id)).fetchone()
        if row is None:
            return []
        values = json.loads(row[0])
        locale = self._locales.of(values["extra"])
        return sorted(self._locales.tag(key, locale) for key in {*map(tag_key, values["tags"])} - self._excluded)


def _facet(query: Query) -> tuple[str, bool]:
    """The one condition under which a query is looked for, and whether it has more. Tags are the narrowest."""
    if not query.where:
        return "post", False
    rank = {"tag": 0, "author": 1, "year": 2, "locale": 3}
    name, value = min(query.where, key=lambda pair: rank[pair[0]])
    return f"{name}={value}", len(query.where) > 1


def _key(kind: str, values: dict[str, Any]) -> str:
    return f"{kind}:{canonical(values).decode()}"


def _values(query: Query) -> dict[str, Any]:
    """Only what is not the default: most names stay short."""
    plain = Query()
    names = ("where", "order", "limit", "offset", "after_id", "before_id")
    return {name: value for name in names if (value := getattr(query, name)) != getattr(plain, name)}


def _query(values: dict[str, Any]) -> Query:
    where = tuple((name, value) for name, value in values.pop("where", ()))
    return Query(where=where, **values)
