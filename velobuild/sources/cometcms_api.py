"""CometCMS's public API: whole lists, and where a file of the media library is served."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from velobuild.errors import ConfigError, ProtocolError
from velobuild.http.client import ApiClient
from velobuild.http.errors import printable
from velobuild.http.limiter import Rate
from velobuild.http.strict_json import Twofold
from velobuild.model.keys import fingerprint
from velobuild.model.ports import Progress
from velobuild.sources.cometcms_refusals import other_api
from velobuild.sources.listing import no_progress
from velobuild.sources.records import ID

API_PATH = "/api/v1/workspaces"
START = Rate(20, 1.0)
"""CometCMS names no limit; this is for the small hosts it runs on."""
PER_PAGE = 200
PASSES_MAX = 3
PAGES_MAX = 5_000
HEAD_CHARS_MAX = 500
"""How much of an address may stand before the path of its file."""
SCHEME = re.compile(r"https?://$", re.IGNORECASE)
NOT_IN_ADDRESS = re.compile(r"[\s\"'<>()\\?#]")
UNREADABLE = frozenset({"body", "data"})
"""Names of fields that CometCMS takes out of every entry it reads, whatever was saved."""


# Lists.


class Entries:
    """Everything that a list holds, page by page; afterwards `ids` and `stable` say what to think of it.

    Pages go by offset, so one that is added or removed meanwhile shifts the others: when the total changed or an entry
    came twice, the list is read again, up to `PASSES_MAX` times, and what came before comes again. A page that is
    larger than the client takes is asked for in halves; `unread` counts entries that are so alone.

    Every reading carries a value of its own in its address, since the server keeps answers for five minutes with the
    host in them that asked first. Raises RecordMissing, ProtocolError, ConfigError for a list that is none, and
    whatever the client raises.
    """

    def __init__(
        self,
        client: ApiClient,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        key: str = "id",
        progress: Progress = no_progress,
    ) -> None:
        self._client = client
        self._path = path
        self._params = dict(params or {})
        self._key = key
        self._progress = progress
        self.ids: frozenset[str] = frozenset()
        self.passes = 0
        self.stable = False
        self.unread = 0

    def __iter__(self) -> Iterator[list[Any]]:
        while self.passes < PASSES_MAX and not self.stable:
            self.passes += 1
            self.unread = 0
            came: list[str] = []
            totals: set[int] = set()
            for items, total in self._pass(token_hex(6)):
                totals.add(total)
                named = (item.get(self._key) for item in items if isinstance(item, dict))
                came += [name for name in named if isinstance(name, str)]
                yield items
            self.ids = frozenset(came)
            self.stable = len(self.ids) == len(came) and len(totals) == 1

    def _pass(self, unique: str) -> Iterator[tuple[list[Any], int]]:
        offset, size = 0, PER_PAGE
        before: list[Any] = []
        for _ in range(PAGES_MAX):
            try:
                items, total = self._page(offset, size, unique)
            except ProtocolError as error:
                if error.code != "VB2203":
                    raise
                if size == 1:
                    self.unread += 1
                    offset, size = offset + 1, PER_PAGE
                else:
                    size //= 2
                continue
            if items and items == before:
                raise self._wrong("the list begins again: `offset` is ignored")
            self._progress(f"listing {self._path}", min(offset + len(items), total), total, None)
            yield items, total
            offset += len(items)
            if not items or offset >= total:
                return
            before = items
        raise self._wrong(f"the list still goes on after {PAGES_MAX} pages", code="VB2205")

    def _page(self, offset: int, size: int, unique: str) -> tuple[list[Any], int]:
        params: dict[str, str | int] = {**self._params, "limit": size, "offset": offset, "_": unique}
        body = self._client.get_json(self._path, params).body
        items, meta = (body.get("data"), body.get("meta")) if isinstance(body, dict) else (None, None)
        if isinstance(items, dict):
            raise ConfigError(
                f"`{self._path.rpartition('/')[2]}` is a singleton: one entry, and no list",
                code="VB1303",
                where="source.collections",
                hint="a singleton can be the settings, but neither posts nor pages",
            )
        total = meta.get("total") if isinstance(meta, dict) else None
        if isinstance(body, Twofold) or not isinstance(items, list):
            raise other_api(self._where, f"a list was expected, and this came: `{printable(repr(body), 80)}`")
        if isinstance(total, bool) or not isinstance(total, int) or total < 0:
            raise self._wrong(f"the list's total is {printable(repr(total), 40)}")
        return items, total

    def _wrong(self, what: str, code: str = "VB2201") -> ProtocolError:
        return ProtocolError(what, code=code, where=self._where, hint="nothing was changed; tell the CMS's operator")

    @property
    def _where(self) -> str:
        return f"{self._client.base_url}/{self._path}"


# Files of the media library.


def media_id(filename: str) -> str:
    """The id under which a file is kept: its name, which is what CometCMS knows it by."""
    return filename if ID.fullmatch(filename) else f"file-{fingerprint(filename).hex()}"


class Library:
    """Where a workspace's files are served: always at the configured address, whatever host an answer names.

    CometCMS writes the host of whoever asked first into answers that it keeps, and http:// behind a proxy.
    """

    def __init__(self, site: str, workspace: str) -> None:
        """`site` is the CMS's address without a slash at its end."""
        self._site = site
        self._workspace = workspace
        self._netloc = urlsplit(site).netloc.lower()
        self._place = re.compile(
            rf"/(?P<kind>media|media-thumbs)/{re.escape(workspace)}/(?P<file>[^\s\"'<>()\\?#/&]{{1,255}})"
        )

    def url(self, filename: str, kind: str = "media") -> str:
        return f"{self._site}/{kind}/{quote(self._workspace, safe='')}/{quote(filename, safe='')}"

    def filename(self, url: object) -> str | None:
        """The file's name out of an address as a media field holds it; None for what leads to no library's file."""
        if not isinstance(url, str):
            return None
        folder, _, name = url.partition("#")[0].partition("?")[0].rpartition("/")
        if not name or not re.search(r"/media(?:-thumbs)?/[^/]+$", folder):
            return None
        return unquote(name)

    def rebuilt(self, url: object) -> str | None:
        """A media field's address as it is fetched; another address unchanged, None for what is none."""
        name = self.filename(url)
        if name is not None:
            return self.url(name)
        return url if isinstance(url, str) and url else None

    def mended(self, text: str, files: Container[str]) -> str:
        """A body with the library's addresses rebuilt: those at the configured host, and of `files` at any."""

        if "/media" not in text:
            return text
        pieces: list[str] = []
        end = 0
        for found in self._place.finditer(text):
            # From the file backwards: looking for beginnings first would read a hostile text again at each of them.
            head = text[max(end, found.start() - HEAD_CHARS_MAX) : found.start()]
            scheme = SCHEME.search(head[: head.rfind("://") + 3])
            if scheme is None or NOT_IN_ADDRESS.search(head, scheme.end()):
                continue
            host, name = head[scheme.end() :].partition("/")[0].lower(), unquote(found["file"])
            if host == self._netloc or name in files:
                pieces += [text[end : found.start() - len(head) + scheme.start()], self.url(name, found["kind"])]
                end = found.end()
        return "".join([*pieces, text[end:]])
