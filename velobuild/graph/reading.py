"""Noting what is read: the posts that were seen, the queries and keys that were asked, and the answers to them.

The trace is made of these notes, so whatever gives content to a page is built on a Recorder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from velobuild.content.database import Connection
from velobuild.graph.answers import Answers, Where, count_key, posts_key, related_key, total_key
from velobuild.graph.order import Order
from velobuild.graph.site import Site
from velobuild.model.keys import Query
from velobuild.model.reads import Answer, Reads

if TYPE_CHECKING:
    from velobuild.graph.posts import PostView

T = TypeVar("T")
BUNDLES_KEPT = 2_000
ANSWERS_KEPT = 1_000


class Recorder:
    """Answers queries, each but once, and notes which were asked. Not thread-safe."""

    def __init__(self, connection: Connection, site: Site) -> None:
        self.site = site
        self.answers = Answers(connection, site)
        self.order = Order(self.answers)
        self._connection = connection
        self._known: dict[str, Any] = {}
        self._noted: dict[str, Answer] = {}
        self._views: list[PostView] | None = None
        self._asked: dict[str, None] = {}
        self._keys: set[str] = set()
        self._borrowed: list[tuple[int, int]] = []
        self._bundles: dict[frozenset[str], frozenset[str]] = {}
        self.recording_ns = 0
        """What it took to gather reads and to work out what the trace keeps of queries. The caller sets it back."""

    # What is read.

    def begin(self) -> None:
        """From here on, note what is read."""
        self._views, self._asked, self._keys, self._borrowed = [], {}, set(), []

    def taken(self) -> Reads:
        """All that was read since `begin`."""
        started = time.perf_counter_ns()
        fields: dict[int, int] = {}
        for view in self._views or ():
            if view.fields:
                fields[view.num] = fields.get(view.num, 0) | view.fields
        for num, own in self._borrowed:
            fields[num] = fields.get(num, 0) | own
        self._views, self._borrowed = None, []
        reads = Reads(tuple(sorted(fields.items())), tuple(self._asked), self._bundle())
        self.recording_ns += time.perf_counter_ns() - started
        return reads

    def apart(self, make: Callable[[], T]) -> tuple[T, Reads]:
        """What `make` gives and what it read, apart from all else; that counts as read by the page too."""
        views, asked, keys, borrowed = self._views, self._asked, self._keys, self._borrowed
        self._views, self._asked, self._keys, self._borrowed = [], {}, set(), []
        try:
            made = make()
            posts = [*((view.num, view.fields) for view in self._views if view.fields), *self._borrowed]
            reads = Reads(tuple(posts), tuple(self._asked), self._bundle())
        finally:
            self._views = None if views is None else [*views, *(self._views or ())]
            self._asked = {**asked, **self._asked}
            self._keys |= keys
            self._borrowed += borrowed
        return made, reads

    def _bundle(self) -> frozenset[str]:
        """The keys that were read. Thousands of pages read the same ones: they have them in common."""
        keys = frozenset(self._keys)
        if len(self._bundles) >= BUNDLES_KEPT:  # Each page reads something of its own.
            self._bundles.clear()
        return self._bundles.setdefault(keys, keys)

    def read_again(self, reads: Reads) -> None:
        """What a page uses that was made apart, for another page, counts as read by this one too."""
        self._keys |= reads.keys
        self._asked.update(dict.fromkeys(reads.queries))
        self._borrowed += reads.posts

    def saw(self, key: str) -> None:
        """Note the reading of a key that is no query."""
        self._keys.add(key)

    def saw_all(self, keys: frozenset[str]) -> None:
        self._keys |= keys

    # Queries.

    def ids(self, query: Query) -> tuple[str, ...]:
        key = posts_key(query)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = ids = self.order.ids(query)
            self._note(key, lambda: self.answers.posts_answer(query, ids))
        found: tuple[str, ...] = self._known[key]
        return found

    def count(self, query: Query) -> int:
        key = count_key(query)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = count = self.answers.count(query)
            self._note(key, lambda: self.answers.count_answer(query, count))
        return int(self._known[key])

    def page_total(self, where: Where, size: int) -> int:
        """How many pages the list of these posts has, with `size` posts a page."""
        key = total_key(where, size)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = total = self.answers.total(where, size)
            self._note(key, lambda: self.answers.count_answer(Query(where=where), total))
        return int(self._known[key])

    def related_ids(self, post_id: str, limit: int) -> tuple[str, ...]:
        """Of the newest posts of each tag, those that share the most tags."""
        key = related_key(post_id, limit)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = ids = self.answers.related(post_id, limit)
            self._note(key, lambda: self.answers.related_answer(post_id, ids))
        found: tuple[str, ...] = self._known[key]
        return found

    def _note(self, key: str, answer: Callable[[], Answer]) -> None:
        """Keep what the trace needs of a query that was asked for the first time."""
        started = time.perf_counter_ns()
        if len(self._known) > ANSWERS_KEPT:  # Nearly all are those of single pages, which nobody asks again.
            self._known = {key: self._known[key]}
        self._noted[key] = answer()
        self.recording_ns += time.perf_counter_ns() - started

    def new_answers(self) -> dict[str, Answer]:
        """The answers to all queries that were asked since this was asked last."""
        found, self._noted = self._noted, {}
        return found
