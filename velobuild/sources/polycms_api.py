"""PolyCMS's API as both of its generations speak it: refusals, envelopes, numbers, and the addresses it writes.

The present generation (`/api/v1`) answers in four shapes when it refuses: `{"error": {"code", "message"}}` of its own,
Laravel's `{"message"}`, `{"success": false, "message"}`, and HTML. A list's numbers come as pairs
(`"total": [42, 42]`), because two layers each add theirs. The older one (`/cms/api/v1`) is known from its documents
alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

from velobuild.config.schema import Secret, SourceConfig
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError
from velobuild.http.errors import (
    UNKNOWN,
    ApiDialect,
    RecordMissing,
    Refusal,
    Retryable,
    asked_to_pause,
    is_passing,
    keeps_failing,
    other_system,
    printable,
    redirected,
)
from velobuild.http.limiter import Rate
from velobuild.sources.opening import site_of

START = Rate(55)
"""A little below what PolyCMS's documents promise to keep to: 60 calls a minute."""
NO_MODEL = "No query results for model"
STORED = re.compile(r"(?:https?:)?//([^/\s\"'<>]+)(?=/storage/)", re.IGNORECASE)
TOKENS_PAGE = "Settings → API Tokens"


class ServerFailed(SourceUnavailable):
    """A 500: the whole answer fails over one record that PolyCMS cannot show, or everything does."""


def refusal(status: int, headers: Mapping[str, str], body: Any, *, where: str, excerpt: str) -> Refusal:
    """The first of error.message, message and the status's own name; enveloped unless nothing of the API's is there."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    if not isinstance(said, str) and isinstance(body, dict):
        said = body.get("message")
    if isinstance(said, str) or isinstance(code, str):
        code = printable(code, 40) if isinstance(code, str) else ""
        return Refusal(status, code, said if isinstance(said, str) else "", True, where, headers, body, excerpt)
    return Refusal(status, UNKNOWN, responses.get(status, ""), False, where, headers, body, excerpt)


def meaning(answer: Refusal, token: Secret, *, now: datetime) -> Exception:
    """The exception for an answer that is no success: one of our family, or `Retryable`."""
    status = answer.status
    if status == 429:
        return asked_to_pause(answer, now)
    if status == 500:
        return _failed(answer)
    if is_passing(status):
        return keeps_failing(answer, now)
    if status == 401 or (300 <= status < 400 and _to_own_login(answer)):
        return _token_refused(answer, token)
    if 300 <= status < 400:
        return redirected(answer)
    if status == 403:
        return TokenError(
            f"the token may not read this ({answer.said})",
            code="VB2002",
            where=answer.where,
            hint="let the token's user see media and settings: give its role those rights in PolyCMS",
        )
    if status == 404:
        if answer.code == "NOT_FOUND" or answer.message.startswith(NO_MODEL):
            return RecordMissing("PolyCMS has no such record", code="VB2201", where=answer.where)
        other = other_system(answer.body)
        return other_api(answer.where, f"but {other}" if other else f"{answer.said or answer.excerpt}")
    return ProtocolError(
        f"PolyCMS refused a request of ours ({answer.said})",
        code="VB2201",
        where=answer.where,
        hint="this looks like another version of its API: `velobuild doctor` tells what answers there",
    )


def key_header(token: Secret) -> Mapping[str, str]:
    """The older generation's key. It also takes `?api_key=`, which would leave the key in every log on the way."""
    return {"X-PolyCMS-API-Key": token.reveal()}


def other_api(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"no API of PolyCMS answers here ({why})",
        code="VB1302",
        where=where,
        hint="source.url is the address of the PolyCMS site, such as https://blog.example; source.api names the API",
    )


def _failed(answer: Refusal) -> Retryable:
    return Retryable(
        ServerFailed(
            f"the CMS keeps failing ({answer.said})",
            code="VB2103",
            where=answer.where,
            hint="nothing was changed; storage/logs/laravel.log on its server says why",
        )
    )


def _to_own_login(answer: Refusal) -> bool:
    """Whether it leads to the CMS's own login page: so PolyCMS says 401 to whom it takes for a browser."""
    target = urlsplit(answer.headers.get("location", ""))
    return target.netloc in ("", urlsplit(answer.where).netloc) and "login" in target.path


def _token_refused(answer: Refusal, token: Secret) -> TokenError:
    if not token.reveal():
        return TokenError(
            f"PolyCMS shows this to nobody without a token ({answer.said})",
            code="VB2001",
            where=answer.where,
            hint=f"make a token under {TOKENS_PAGE} in PolyCMS (docs/polycms.md)",
        )
    origin = f" from {token.origin}" if token.origin else ""
    return TokenError(
        f"PolyCMS refused the token{origin} ({answer.said})",
        code="VB2001",
        where=answer.where,
        hint=f"posts come without: take it away, or make a new one under {TOKENS_PAGE}; "
        "the older generation needs one, from Blog → Settings (docs/polycms.md)",
    )


@dataclass(frozen=True, slots=True)
class Generation:
    """One of the two APIs. `oldest_first` is the order in which its lists are read."""

    name: str
    path: str
    dialect: ApiDialect
    oldest_first: Mapping[str, str]


V1 = Generation(
    "v1",
    "/api/v1",
    ApiDialect(refusal, meaning, tokenless=True),
    # Not by date: rows of one second have no order, and a page's edge may skip one of them.
    {"sort_by": "id", "sort_order": "asc"},
)
LEGACY = Generation(
    "legacy",
    "/cms/api/v1",
    ApiDialect(refusal, meaning, credentials=key_header, tokenless=True),
    {"sort_by": "created_at", "sort_order": "ASC"},
)


def base_of(config: SourceConfig, generation: Generation) -> str:
    """The generation's base below the site's address, which may already end in one. Raises ConfigError VB1105."""
    site = site_of(config)
    for known in (LEGACY, V1):
        site = site.removesuffix(known.path).rstrip("/")
    return site + generation.path


# What an answer holds.


def num(value: Any) -> int | None:
    """A number however PolyCMS writes it: plain, as a pair of equals, or as digits in a text."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def obj(value: Any) -> Mapping[str, Any]:
    """An object; PHP writes an empty one as `[]`."""
    return value if isinstance(value, dict) else {}


def rows_of(body: Any, resource: str) -> list[Any] | None:
    """The records of a list: `{"data": […]}`, or what the older generation may send: `items`, the resource, bare."""
    if isinstance(body, list):
        return body
    for name in ("data", "items", resource):
        if isinstance(found := obj(body).get(name), list):
            return found
    inner = obj(body).get("data")
    return rows_of(inner, resource) if isinstance(inner, dict) else None


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a list says of itself; None where it does not."""

    page: int | None
    per_page: int | None
    total: int | None
    last_page: int | None


def numbers_of(body: Any) -> Numbers:
    """From `meta`, from `meta.pagination` (media), or from beside the records."""
    meta = obj(obj(body).get("meta"))
    places = (obj(meta.get("pagination")), meta, obj(body))

    def first(*names: str) -> int | None:
        found = (num(place.get(name)) for name in names for place in places)
        return next((number for number in found if number is not None), None)

    return Numbers(
        first("current_page", "page"), first("per_page"), first("total"), first("last_page", "total_pages", "pages")
    )


def record_of(body: Any, resource: str) -> Any:
    """A single record, out of whatever it is wrapped in."""
    for name in ("data", resource.removesuffix("s")):
        if isinstance(inner := obj(body).get(name), dict) and "id" not in obj(body):
            return inner
    return body


# Addresses.


@dataclass(frozen=True, slots=True)
class Addresses:
    """Under which names the CMS knows itself. It writes the addresses of its files with the host that it was asked by,
    or believes it was: behind a proxy often another one, or http. They are all brought back to `site`.
    """

    site: str
    hosts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, site: str, body: Any = None) -> Addresses:
        """`body` is a list's, which names the host in `meta.path`."""
        path = obj(obj(body).get("meta")).get("path")
        told = urlsplit(path).netloc.lower() if isinstance(path, str) and len(path) < 1000 else ""
        own = urlsplit(site)
        hosts = {told, own.netloc.lower(), (own.hostname or "").lower()} - {""}
        return cls(site, frozenset(hosts))

    def settled(self, text: str) -> str:
        """A text, or one address, in which the CMS's own `/storage/` addresses begin with the configured site."""

        def replaced(match: re.Match[str]) -> str:
            host = match[1].lower()
            return self.site if host in self.hosts or host.partition(":")[0] in self.hosts else match[0]

        return STORED.sub(replaced, text)

    def full(self, address: str) -> str:
        """An address of a file in full. A bare path of the storage disk (`media/x.jpg`) is not guessed at."""
        settled = self.settled(address.strip())
        return self.site + settled if settled.startswith("/") and not settled.startswith("//") else settled
