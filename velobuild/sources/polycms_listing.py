"""PolyCMS's lists. Its pages have numbers like VeloCMS's, and traps of their own.

`links.next` forgets every parameter but the page, so addresses are made here. One record that the CMS cannot show (its
author was removed, it has no dates) makes the whole page a 500: then the page's ids are read from its short form, and
each record by itself, so that one broken post costs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from velobuild.errors import ProtocolError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing, other_system, printable
from velobuild.http.strict_json import Twofold
from velobuild.model.ports import Progress
from velobuild.sources.dates import NoDate, parse_date
from velobuild.sources.listing import PER_PAGE, Listing, Page, no_progress
from velobuild.sources.polycms_api import (
    Generation,
    ServerFailed,
    num,
    numbers_of,
    obj,
    other_api,
    record_of,
    rows_of,
)
from velobuild.sources.posts import Listed

BROKEN = "velobuild:broken"
HELD = "velobuild:held"
BROKEN_MAX = 10
"""So many in one page mean that the CMS fails, and not over a record."""


class PolyListing(Listing):
    """Records with their ids as text. A record that the CMS cannot show comes as `{"id", BROKEN: why}`, and one that
    need not be read, because `held` knows its id and its date of change, as `{"id", HELD: True}`.

    `newest` is the newest date of change when the reading began. A list of several pages with a newer one was changed
    while it was read, so it is read again: one post that goes and one that comes leave its numbers as they were, and a
    third between two pages unseen.

    Raises ConfigError VB1302 where another API answers, and what `Listing` raises.
    """

    def __init__(
        self,
        client: ApiClient,
        generation: Generation,
        resource: str,
        params: Mapping[str, str] | None = None,
        *,
        order: Mapping[str, str] | None = None,
        held: Callable[[str, Any], bool] = lambda id, updated: False,
        newest: datetime | None = None,
        progress: Progress = no_progress,
        calls_after: int = 0,
    ) -> None:
        super().__init__(
            client,
            resource,
            {**(params or {}), **(generation.oldest_first if order is None else order)},
            progress=progress,
            calls_after=calls_after,
        )
        self._generation = generation
        self._held = held
        self._newest = newest
        self._dates: list[datetime] = []
        self._pages_read = 0

    def page(self, number: int) -> Page:
        """One page by itself. Raises as the whole list does."""
        return self._page(number)

    def _page(self, number: int) -> Page:
        try:
            return self._read(number, {})
        except ServerFailed as error:
            if self._path != "posts" or self._generation.name == "legacy":
                raise
            return self._one_by_one(self._read(number, {"compact": "1"}), error)

    def _read(self, number: int, more: Mapping[str, str]) -> Page:
        params: dict[str, str | int] = {**self._params, **more, "page": number, "per_page": PER_PAGE}
        body = self._client.get_json(self._path, params).body
        page = page_of(body, number, generation=self._generation, resource=self._path, where=self._where)
        self._pages_read += 1
        self._dates += filter(None, map(changed_at, page.items))
        return page

    def _was_quiet(self) -> bool:
        newest = max(self._dates, default=None)
        quiet = self._pages_read < 2 or None in (newest, self._newest) or newest == self._newest
        self._newest = newest if self._newest is not None else None
        self._dates, self._pages_read = [], 0
        return quiet

    def _one_by_one(self, short: Page, failed: ServerFailed) -> Page:
        records: list[Any] = []
        broken = 0
        for row in short.items:
            id = row.get("id") if isinstance(row, dict) else None
            if not isinstance(id, str):
                records.append(row)
                continue
            # Without an author it is broken now, however good the copy is that is here.
            if row.get("user", True) and self._held(id, row.get("updated_at")):
                records.append({"id": id, HELD: True})
                continue
            try:
                body = self._client.get_json(f"{self._path}/{id}").body
                records.append(with_id(record_of(body, self._path)))
            except RecordMissing:
                continue  # gone since: the counts will show it
            except ServerFailed as error:
                broken += 1
                if broken > BROKEN_MAX:
                    raise failed from error
                records.append({"id": id, "title": row.get("title"), BROKEN: str(error)})
        return Page(short.number, short.per_page, short.total, short.total_pages, records)


def page_of(body: Any, number: int, *, generation: Generation, resource: str, where: str) -> Page:
    """Raises ConfigError VB1302 for another API's list, ProtocolError for one that makes no sense."""
    rows = rows_of(body, resource)
    numbers = numbers_of(body)
    told = numbers.total is not None and numbers.last_page is not None and numbers.per_page
    legacy = generation.name == "legacy"
    if rows is None or isinstance(body, Twofold) or not (told or legacy) or (not legacy and "data" not in obj(body)):
        raise _no_list(body, where)
    if number != (numbers.page or number):
        raise _wrong(f"page {number} was asked for and page {numbers.page} came", where)
    items = [with_id(row) for row in rows]
    if told:
        return Page(number, numbers.per_page or PER_PAGE, numbers.total, numbers.last_page or 0, items)
    # Of a list that does not say how long it is, the end is where nothing more comes.
    return Page(number, numbers.per_page or PER_PAGE, None, number + bool(items), items)


def changed_at(record: Any) -> datetime | None:
    """When the record was changed last, to the second."""
    try:
        return parse_date(record["updated_at"])[0]
    except (NoDate, KeyError, TypeError):
        return None


def with_id(record: Any) -> Any:
    """The record with its id as text; PolyCMS counts, and another API may not be told apart by its kind of id."""
    if isinstance(record, dict):
        id = num(record.get("id", record.get("media_id")))
        if id is not None:
            record["id"] = str(id)
    return record


class Chained:
    """Several lists as one."""

    def __init__(self, lists: Sequence[Listed]) -> None:
        self._lists = lists

    @property
    def ids(self) -> frozenset[str]:
        return frozenset().union(*(one.ids for one in self._lists))

    @property
    def passes(self) -> int:
        return max(one.passes for one in self._lists)

    @property
    def stable(self) -> bool:
        return all(one.stable for one in self._lists)

    def __iter__(self) -> Iterator[list[Any]]:
        for one in self._lists:
            yield from one


def _no_list(body: Any, where: str) -> Exception:
    other = other_system(body)
    if other is None and isinstance(obj(body).get("items"), list):
        other = "VeloCMS's REST API" if "total_pages" in obj(body) else "PocketBase's own API"
    if other is not None:
        return other_api(where, f"but {other}")
    kind = "nothing" if body is None else f"a {type(body).__name__}"
    return _wrong(f"the CMS sent {kind} in place of a list: `{printable(repr(body), 80)}`", where)


def _wrong(what: str, where: str) -> Exception:
    return ProtocolError(what, code="VB2201", where=where, hint="nothing was changed; tell the CMS's operator")
