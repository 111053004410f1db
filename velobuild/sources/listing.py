"""A whole, stable list out of pages that may change while they are read.

Pages are numbered, nothing tells since when, and no order is promised: a post that is added or removed between two
pages shifts all others. So a pass counts only if no id came twice and as many came as every page said there are;
otherwise the list is read again. What no count can show (one added, one removed at the right moments) the caller
settles by asking for each entry that seems to have gone, or a list with dates of change by looking at those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from velobuild.errors import ConfigError, ProtocolError
from velobuild.http.client import ApiClient
from velobuild.http.errors import other_system, printable
from velobuild.http.strict_json import Twofold
from velobuild.model.ports import Progress
from velobuild.sources.records import Unusable, record_id

PER_PAGE = 100
PASSES_MAX = 3
PAGES_MAX = 1_000
PAGES_MORE = 5


@dataclass(frozen=True, slots=True)
class Page:
    """One page's records as they came, and the numbers beside them. `total` is None where the CMS does not say it."""

    number: int
    per_page: int
    total: int | None
    total_pages: int
    items: list[Any]


def no_progress(step: str, done: int, total: int | None, remaining_s: float | None) -> None:
    """Tells nobody."""


class Listing:
    """Iterate over it for the pages' records as they arrive; afterwards `ids` and `stable` say what to think of them.

    A record may come more than once; the later one is the truer. `calls_after` are those that follow the list and that
    the remaining time shall count too. Raises ProtocolError for numbers that make no sense,
    and whatever the client raises.
    """

    def __init__(
        self,
        client: ApiClient,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        progress: Progress = no_progress,
        calls_after: int = 0,
    ) -> None:
        self._client = client
        self._path = path
        self._params = dict(params or {})
        self._progress = progress
        self._calls_after = calls_after
        self.ids: frozenset[str] = frozenset()
        """The ids of the last pass."""
        self.total: int | None = None
        """How many records the CMS says there are, since the first page came; None where it does not say."""
        self.passes = 0
        self.stable = False
        """Whether the last pass was whole and nothing moved in it."""

    def __iter__(self) -> Iterator[list[Any]]:
        while self.passes < PASSES_MAX and not self.stable:
            self.passes += 1
            came: list[str] = []
            unnamed = 0
            totals: set[int | None] = set()
            for page in self._pass():
                totals.add(page.total)
                for item in page.items:
                    try:
                        came.append(record_id(item))
                    except Unusable:
                        unnamed += 1
                yield page.items
            self.ids = frozenset(came)
            whole = len(self.ids) == len(came) and totals in ({len(came) + unnamed}, {None})
            self.stable = self._was_quiet() and whole

    def _was_quiet(self) -> bool:
        """Whether the last pass shows no sign of a change that the numbers could hide. Asked once after each pass."""
        return True

    def _pass(self) -> Iterator[Page]:
        number, most = 1, PAGES_MAX
        before: list[Any] = []
        while True:
            page = self._page(number)
            if number == 1:
                self.total = page.total
                most = self._most(page)
            elif page.items and page.items == before:
                raise self._wrong(f"page {number} is page {number - 1} again: the CMS ignores `page`")
            remaining = self._client.estimate_s(max(page.total_pages - number, 0) + self._calls_after)
            self._progress(f"listing {self._path}", number, page.total_pages, remaining)
            yield page
            if not page.items or number >= page.total_pages:
                return
            number += 1
            if number > most:
                raise self._wrong(f"the list still goes on after {most} pages", code="VB2205")
            before = page.items

    def _most(self, page: Page) -> int:
        """Pages after which a list that keeps growing is given up. Raises ProtocolError if it cannot be read at all."""
        if page.total is None:
            return PAGES_MAX
        needed = -(-page.total // max(page.per_page, 1))
        if needed > PAGES_MAX:
            raise self._wrong(
                f"the CMS lists {page.total:,} records on {needed:,} pages; {PAGES_MAX:,} pages are the limit",
                code="VB2203",
            )
        return min(needed + PAGES_MORE, PAGES_MAX)

    def _page(self, number: int) -> Page:
        params: dict[str, str | int] = {**self._params, "page": number, "per_page": PER_PAGE}
        body = self._client.get_json(self._path, params).body
        if not isinstance(body, dict) or not isinstance(body.get("items"), list):
            raise self._no_list(body)
        if isinstance(body, Twofold):
            raise self._wrong(f"the list has {', '.join(body.names)} twice")
        page = Page(
            number=self._number(body, "page", 1),
            per_page=self._number(body, "per_page", 1),
            total=self._number(body, "total", 0),
            total_pages=self._number(body, "total_pages", 0),
            items=body["items"],
        )
        if page.number != number:
            raise self._wrong(f"page {number} was asked for and page {page.number} came")
        return page

    def _number(self, body: Mapping[str, Any], name: str, least: int) -> int:
        value = body.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            if "perPage" in body and "totalItems" in body:
                raise self._other("PocketBase's own API")
            raise self._wrong(f"`{name}` is {printable(repr(value), 40)}")
        return value

    def _no_list(self, body: Any) -> Exception:
        other = other_system(body)
        if other is not None:
            return self._other(other)
        kind = "nothing" if body is None else f"a {type(body).__name__}"
        return self._wrong(f"the CMS sent {kind} in place of a list: `{printable(repr(body), 80)}`")

    def _other(self, system: str) -> ConfigError:
        return ConfigError(
            f"this is not a VeloCMS REST API but {system}",
            code="VB1302",
            where=self._where,
            hint="source.url is the address of a VeloCMS site, such as https://NAME.velocms.org",
        )

    def _wrong(self, what: str, code: str = "VB2201") -> ProtocolError:
        return ProtocolError(what, code=code, where=self._where, hint="nothing was changed; tell the CMS's operator")

    @property
    def _where(self) -> str:
        return f"{self._client.base_url}/{self._path}"
