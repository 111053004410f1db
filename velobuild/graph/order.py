"""The order of posts, asked for piece by piece: many pages ask for what stands beside them, one after the other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from velobuild.graph.answers import Answers, in_locale
from velobuild.model.keys import Query

AT_ONCE = 32
"""So many neighbours are looked up where one is asked for."""
BLOCK = 100
"""So many posts of a list are looked up where a page of it is asked for."""
KEPT = 20_000


class Order:
    """Answers for one revision. Pages are rendered in the order of their posts, so the next question is known."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._older: dict[str, str | None] = {}
        self._newer: dict[str, str | None] = {}
        self._block: tuple[Query, int, tuple[str, ...]] | None = None

    def older(self, id: str, locale: str) -> str | None:
        """The id of the next older public post of the language, which is the post's own."""
        if id not in self._older:
            self._forget_some()
            ids = self._answers.ids(Query(where=in_locale(locale), after_id=id, limit=AT_ONCE))
            for newer, older in pairwise((id, *ids)):
                self._older[newer], self._newer[older] = older, newer
            if len(ids) < AT_ONCE:
                self._older[ids[-1] if ids else id] = None
        return self._older[id]

    def newer(self, id: str, locale: str) -> str | None:
        """The id of the next newer one."""
        if id not in self._newer:
            self._forget_some()
            ids = self._answers.ids(Query(where=in_locale(locale), before_id=id, limit=1))
            self._newer[id] = ids[0] if ids else None
        return self._newer[id]

    def _forget_some(self) -> None:
        for known in (self._older, self._newer):
            if len(known) >= KEPT:
                known.clear()

    def ids(self, query: Query) -> tuple[str, ...]:
        """What the query answers. A page in the middle of a list is cut from a block that ends with it: the pages of
        a list come the newest first."""
        if query.order != "oldest" or query.limit is None or not query.offset:
            return self._answers.ids(query)
        end = query.offset + query.limit
        whole = replace(query, limit=None, offset=0)
        if self._block is None or self._block[0] != whole or not self._holds(query.offset, end):
            start = max(0, end - BLOCK)
            ids = self._answers.ids(replace(query, limit=end - start, offset=start))
            self._block = whole, start, ids
        _, start, ids = self._block
        return ids[query.offset - start : end - start]

    def _holds(self, start: int, end: int) -> bool:
        assert self._block is not None
        _, first, ids = self._block
        return first <= start and end <= first + len(ids)
