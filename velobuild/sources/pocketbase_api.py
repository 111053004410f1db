"""PocketBase's own API as both of its generations speak it: refusals, tokens, stable lists, addresses of files."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import quote

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError, Diagnostic, ProtocolError, TokenError
from velobuild.http.client import ApiClient
from velobuild.http.errors import (
    UNKNOWN,
    ApiDialect,
    RecordMissing,
    Refusal,
    asked_to_pause,
    is_passing,
    keeps_failing,
    printable,
    redirected,
    stamp,
)
from velobuild.http.limiter import Rate
from velobuild.http.strict_json import Twofold
from velobuild.model.ports import Warn

API_PATH = "/api"
START = Rate(20, 1.0)
"""Below what a PocketBase that limits calls allows by default: 300 in 10 s."""
FILE_TOKEN = "files/token"  # noqa: S105 - a path
PER_PAGE = 500
PER_SWEEP_PAGE = 1000
WINDOW_S = 10.0
EXPIRES_SOON = timedelta(days=14)
FILE_TOKEN_KEPT_S = 60.0
SUPERUSERS = "pbc_3142635823"
"""The id that every PocketBase since 0.23 gives to its collection of superusers."""


class RequestRefused(ProtocolError):
    """A 400: a filter, a sort or a parameter that this collection does not know. Why, PocketBase never says."""


def refusal(status: int, headers: Mapping[str, str], body: Any, *, where: str, excerpt: str) -> Refusal:
    """`{"status": 400, "message": …, "data": …}`; the number's key was `code` up to 0.22."""
    if isinstance(body, dict) and isinstance(body.get("message"), str) and "data" in body:
        number = body.get("status", body.get("code"))
        if isinstance(number, int):
            return Refusal(status, "", body["message"], True, where, headers, body, excerpt)
    return Refusal(status, UNKNOWN, "", False, where, headers, body, excerpt)


def meaning(answer: Refusal, token: Secret, *, now: datetime) -> Exception:
    """The exception for an answer that is no success: one of our family, or `Retryable`."""
    status = answer.status
    if status == 429:
        return asked_to_pause(answer, now)
    if is_passing(status):
        return keeps_failing(answer, now)
    if 300 <= status < 400:
        return redirected(answer)
    if status == 401 or (status in (400, 403) and answer.enveloped and answer.where.endswith(f"/{FILE_TOKEN}")):
        return _token_refused(answer, token, now)
    if status == 403:
        return TokenError(
            f"the token may not read this ({answer.said})",
            code="VB2002",
            where=answer.where,
            hint="in PocketBase, let the user of this token list and view the collection (its API rules)",
        )
    if not answer.enveloped:
        return other_api(answer.where, f"{answer.status} without PocketBase's own words: {answer.excerpt}")
    if status == 404:
        return RecordMissing("PocketBase has no such record or collection", code="VB2201", where=answer.where)
    return RequestRefused(
        f"PocketBase refused a request of ours ({answer.said})",
        code="VB2201",
        where=answer.where,
        hint="`velobuild doctor` tells what answers there",
    )


POCKETBASE = ApiDialect(refusal, meaning, posts=frozenset({FILE_TOKEN}), pause_s_max=WINDOW_S)


def other_api(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"this is not PocketBase's API ({why})",
        code="VB1302",
        where=where,
        hint='source.url is the address of PocketBase itself; for VeloCMS\'s REST API write type = "velocms"',
    )


def _token_refused(answer: Refusal, token: Secret, now: datetime) -> TokenError:
    origin = f" from {token.origin}" if token.origin else ""
    claims = claims_of(token)
    expired = claims is not None and claims.expires_at is not None and claims.expires_at <= now
    because = f": it expired on {stamp(claims.expires_at)}" if expired and claims and claims.expires_at else ""
    return TokenError(
        f"PocketBase refused the token{origin}{because} ({answer.said})",
        code="VB2001",
        where=answer.where,
        hint="make a new token for the reading user (docs/pocketbase.md) and put it beside the old one",
    )


# Tokens.


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of itself; nothing of it is checked here."""

    expires_at: datetime | None
    superuser: bool


def claims_of(token: Secret) -> Claims | None:
    """The claims of a JSON web token; None for a token that shows nothing, such as VeloCMS's own for this API."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or not all(parts):
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        expires_at = datetime.fromtimestamp(float(said["exp"]), UTC) if "exp" in said else None
        return Claims(expires_at, said.get("type") == "admin" or said.get("collectionId") == SUPERUSERS)
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        return Claims(None, False)


def check_token(client: ApiClient, *, now: datetime, warn: Warn) -> None:
    """Make sure that the token counts: PocketBase takes everyone whose token does not for a guest, without a word.

    A guest gets 200 and fewer records, which would look like deletions. `POST files/token` is the one call that tells
    in both generations and for every kind of user; it changes nothing. A token that is no JSON web token is unknown
    to it and not checked: VeloCMS answers 401 by itself where such a token was revoked.

    Raises TokenError VB2001 if no token counts, ConfigError VB1302 if this is no place to ask.
    """
    try:
        client.post_nothing(FILE_TOKEN, only=lambda token: claims_of(token) is not None)
    except RecordMissing as error:
        raise other_api(f"{client.base_url}/{FILE_TOKEN}", "404 where tokens are checked") from error
    claims = claims_of(client.token)
    if claims is None or claims.expires_at is None or claims.expires_at - now >= EXPIRES_SOON:
        return
    days = max((claims.expires_at - now).days, 0)
    warn(
        Diagnostic(
            "VB2004",
            f"the token expires on {stamp(claims.expires_at)}, in {days} days",
            client.token.origin or None,
            "make a new one in PocketBase and put it beside this one (docs/pocketbase.md)",
        )
    )


class FileTokens:
    """Short-lived tokens for protected files, for any thread; one serves a minute's downloads.

    `connect` opens a client that is closed again after the call.
    """

    def __init__(
        self,
        connect: Callable[[], tuple[ApiClient, Callable[[], None]]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._lock = Lock()
        self._token: Secret | None = None
        self._got_at = 0.0

    def __call__(self) -> Secret:
        """Raises TokenError, SourceUnavailable, ProtocolError or ConfigError."""
        with self._lock:
            if self._token is None or self._monotonic() - self._got_at > FILE_TOKEN_KEPT_S:
                client, close = self._connect()
                try:
                    answer = client.post_nothing(FILE_TOKEN)
                finally:
                    close()
                token = answer.body.get("token") if answer is not None and isinstance(answer.body, dict) else None
                if not isinstance(token, str) or not token:
                    raise ProtocolError("PocketBase gave no token for files", code="VB2201", where=client.base_url)
                self._token, self._got_at = Secret(token, "PocketBase's file token"), self._monotonic()
            return self._token


# Lists.


class Pages:
    """All records of a collection that `filter` leaves, by their ids, a page at a time.

    Each page asks for ids beyond the last one seen. So what is added or removed meanwhile shifts nothing: whatever
    exists from beginning to end comes exactly once, which numbered pages cannot promise under any order. A page that
    is larger than the client takes is asked for in halves; afterwards `too_large` names records that are so alone.

    Raises RequestRefused for a field that the collection lacks, ProtocolError for a list that keeps to no order, and
    whatever the client raises.
    """

    def __init__(
        self,
        client: ApiClient,
        collection: str,
        *,
        filter: str = "",
        fields: str = "",
        expand: str = "",
        size: int = PER_PAGE,
    ) -> None:
        self._client = client
        self._path = f"collections/{collection}/records"
        self._filter = filter
        self._params = {name: text for name, text in (("fields", fields), ("expand", expand)) if text}
        self._size = size
        self.too_large: list[str] = []

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        size, last = self._size, ""
        while True:
            try:
                items, per_page = self._page(last, size, self._params)
            except ProtocolError as error:
                if error.code != "VB2203":
                    raise
                if size > 1:
                    size //= 2
                    continue
                items, per_page = self._page(last, 1, {"fields": "id"})
                self.too_large += [item["id"] for item in items]
                last, size = (items[-1]["id"], self._size) if items else (last, size)
                if not items:
                    return
                continue
            yield items
            if len(items) < per_page:
                return
            last = items[-1]["id"]

    def _page(self, last: str, size: int, params: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
        asked: dict[str, str | int] = {**params, "page": 1, "perPage": size, "skipTotal": 1, "sort": "id"}
        beyond = f"id > {quoted(last)}" if last else ""
        if filter := " && ".join(part for part in (self._filter, beyond) if part):
            asked["filter"] = filter
        body = self._client.get_json(self._path, asked).body
        items, per_page = (body.get("items"), body.get("perPage")) if isinstance(body, dict) else (None, None)
        if isinstance(body, Twofold) or not isinstance(items, list) or not isinstance(per_page, int) or per_page < 1:
            raise other_api(self._where, f"a list was expected, and this came: `{printable(repr(body), 80)}`")
        before = last
        for item in items:
            id = item.get("id") if isinstance(item, dict) else None
            if not isinstance(id, str) or id <= before:
                raise ProtocolError(
                    "the list does not keep to the order that was asked for",
                    code="VB2205",
                    where=self._where,
                    hint="nothing was changed; does something between here and PocketBase drop `sort` and `filter`?",
                )
            before = id
        return items, per_page

    @property
    def _where(self) -> str:
        return f"{self._client.base_url}/{self._path}"


def quoted(text: str) -> str:
    """A text in PocketBase's filter language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def spaced(moment: datetime) -> str:
    """A date as PocketBase stores it and compares it, which is as text: with a `T` it would lie after its whole day."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def file_url(base: str, record: Mapping[str, Any], filename: str) -> str:
    """Where a stored file of the record is served. `base` is the API's."""
    collection = record.get("collectionName") or record.get("collectionId")
    return f"{base}/files/{'/'.join(quote(str(part), safe='') for part in (collection, record.get('id'), filename))}"
