"""The one way to a CMS: GET, JSON, a token, within the CMS's limits and ours.

What holds for every request: nothing but GET is ever sent, save a POST without a body to a path that the API's dialect
names (VeloCMS's names none); the token goes to the API's own origin alone and no
redirect is followed; the environment has no say (proxies, netrc, certificates); the answer arrives whole, in time and
within its limit, or not at all. Whatever goes wrong comes out as an error of ours, with a code and a remedy.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx

from velobuild import __version__
from velobuild.config.schema import Secret
from velobuild.errors import (
    ConfigError,
    Diagnostic,
    ProtocolError,
    SourceUnavailable,
    TokenError,
)
from velobuild.http.errors import VELOCMS, ApiDialect, Retryable, header_count, pause_s, printable, stamp
from velobuild.http.exchange import EXCERPT_CHARS, Exchanged, exchange
from velobuild.http.limiter import Limiter, Rate, Slot, key_name
from velobuild.http.origin import checked_base, checked_token
from velobuild.http.strict_json import NotJson, parse
from velobuild.http.transport import DeadlineTransport
from velobuild.model.ports import Clock, Warn, utc_now

DEADLINE_S = 30.0
WAIT_S_MAX = 600.0
"""The CMS may ask us to wait so long in all for one request; beyond it the run ends and says when to come back."""
ATTEMPTS = 4
RETRY_FOR_S = 60.0
PAUSES_MAX = 20
FEW_LEFT = 3
STALE_S = 5
NOBODY = Secret("", "no token")
"""Stands for the token of a client that has none; nothing of it is sent."""
T = TypeVar("T")
Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: the parsed JSON, the status, and the headers with lower-case names."""

    body: Any
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run cost. `limit` and `remaining` are the last that the CMS's headers said, calls a minute.

    `left_in_window` is `remaining`, or by our own count where no header said it.
    """

    calls: int = 0
    calls_today: int = 0
    limit: int | None = None
    remaining: int | None = None
    left_in_window: int | None = None


class ApiClient:
    """GETs JSON below `base_url`, such as `https://blog.example/api/v1`.

    `tokens` are tried in order when the CMS answers 401; the one that works is remembered. `sleep`, `monotonic` and
    `clock` are parameters so that tests need not wait; `limiter` is shared by every process that uses the same token.

    Raises ConfigError for an address or a token that must not be used, before anything is sent.
    """

    def __init__(
        self,
        base_url: str,
        tokens: tuple[Secret, ...],
        *,
        limiter: Limiter,
        dialect: ApiDialect = VELOCMS,
        clock: Clock = utc_now,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        warn: Warn = lambda finding: None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._base = checked_base(base_url)
        if not tokens and not dialect.tokenless:
            raise ConfigError("no token was found", code="VB1201", hint="export VELOCMS_API_KEY")
        self._tokens = tuple(checked_token(token) for token in tokens) or (NOBODY,)
        self._origin = f"{self._base.scheme}://{self._base.netloc.decode()}"
        self._limiter = limiter
        self._dialect = dialect
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._warn = warn
        self._deadline_s = deadline_s
        self._transport = transport or DeadlineTransport(deadline_s)
        self._active = 0
        self._warned_stale = False
        self._calls = 0
        self._limit: int | None = None
        self._remaining: int | None = None

    @property
    def base_url(self) -> str:
        return str(self._base)

    @property
    def origin(self) -> str:
        """Scheme, host and port: where the token may go."""
        return self._origin

    @property
    def token(self) -> Secret:
        """The token in use; an empty one, if there is none."""
        return self._tokens[self._active]

    @property
    def usage(self) -> Usage:
        key = self._key()
        left = self._limiter.left(key) if self._remaining is None else self._remaining
        return Usage(self._calls, self._limiter.calls_today(key), self._limit, self._remaining, left)

    def one_by_one(self) -> Iterator[tuple[Secret, ApiClient]]:
        """A client for each token alone, over the same connections and limits."""
        for token in self._tokens:
            yield token, self._sibling(self.base_url, (token,), self._dialect)

    def beside(self, base_url: str, dialect: ApiDialect) -> ApiClient:
        """A client of another API of the same CMS, over the same connections and limits. Raises ConfigError."""
        return self._sibling(base_url, self._tokens, dialect)

    def _sibling(self, base_url: str, tokens: tuple[Secret, ...], dialect: ApiDialect) -> ApiClient:
        return ApiClient(
            base_url,
            tuple(token for token in tokens if token is not NOBODY),
            limiter=self._limiter,
            dialect=dialect,
            clock=self._clock,
            transport=self._transport,
            sleep=self._sleep,
            monotonic=self._monotonic,
            warn=self._warn,
            deadline_s=self._deadline_s,
        )

    @property
    def rate(self) -> Rate:
        """The rate that is kept to now."""
        return self._limiter.rate(self._key())

    def estimate_s(self, calls: int) -> float:
        """How long so many further calls will take because of the rate limit, in seconds."""
        return self._limiter.estimate_s(self._key(), calls)

    def close(self) -> None:
        self._transport.close()

    def get_json(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """GET `path`, relative to the base. Waits for the rate limit and repeats what may pass.

        Raises RecordMissing (404 with `NOT_FOUND`), TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        url = self._url(path, params)
        return self._with_each_token(lambda token: self._repeated("GET", url, token))

    def post_nothing(self, path: str, *, only: Callable[[Secret], bool] = lambda token: True) -> Answer | None:
        """POST an empty body to `path`, which must be one that the dialect names. None, unsent, unless `only` agrees.

        Raises what `get_json` does, and ValueError for every other path.
        """
        if path not in self._dialect.posts:
            raise ValueError(f"velobuild reads: no POST is sent to {path}")
        url = self._url(path)
        return self._with_each_token(lambda token: self._repeated("POST", url, token) if only(token) else None)

    def _url(self, path: str, params: Mapping[str, str | int] | None = None) -> httpx.URL:
        whole = self._base.path.rstrip("/") + "/" + quote(path, safe="/")
        return self._base.copy_with(path=whole, params=httpx.QueryParams(params or {}))

    def _with_each_token(self, attempt: Callable[[Secret], T]) -> T:
        """The first answer that is not "this token is refused"; the token that got it is used from then on."""
        refused: TokenError | None = None
        for number in (self._active, *(n for n in range(len(self._tokens)) if n != self._active)):
            try:
                answer = attempt(self._tokens[number])
            except TokenError as error:
                if error.code != "VB2001":
                    raise
                refused = refused or error
                continue
            if refused is not None:
                self._remember(number, refused)
            return answer
        assert refused is not None
        raise refused

    def _remember(self, number: int, refused: TokenError) -> None:
        self._active = number
        first = refused.diagnostics[0]
        self._warn(
            Diagnostic(
                first.code,
                f"{first.what}; another token works and is used",
                first.where,
                "remove the old token from the configuration once the rotation is done",
            )
        )

    def _repeated(self, method: Method, url: httpx.URL, token: Secret) -> Answer:
        began = self._monotonic()
        failures = pauses = 0
        waited = 0.0
        while True:
            try:
                return self._once(method, url, token)
            except Retryable as failure:
                if failure.limited:
                    wait = max(
                        failure.wait_s if failure.wait_s is not None else min(2.0**pauses, self._dialect.pause_s_max),
                        1.0,
                    )
                    pauses += 1
                    if pauses > PAUSES_MAX:
                        raise failure.finally_ from failure
                else:
                    # What is left on a connection that misbehaved would be taken for the next answer.
                    self._transport.close()
                    failures += 1
                    wait = max(failure.wait_s or 0.0, _backoff_s(failures))
                    late = failure.wait_s is None and self._monotonic() - began + wait > RETRY_FOR_S
                    if failures >= ATTEMPTS or late:
                        raise failure.finally_ from failure
                waited += wait
                if waited > WAIT_S_MAX:
                    raise self._come_back(wait, url) from failure
                if failure.limited:
                    # Not slept here: the limiter makes every process with this token wait, this one among them.
                    self._limiter.pause(self._key(token), wait)
                else:
                    self._sleep(wait)

    def _come_back(self, wait_s: float, url: httpx.URL) -> SourceUnavailable:
        again = self._clock() + timedelta(seconds=wait_s)
        return SourceUnavailable(
            f"the CMS asked for a pause of {_duration(wait_s)}",
            code="VB2104",
            where=str(url),
            hint=f"what was fetched is kept; go on after {stamp(again)}",
            retry_at=again.timestamp(),
        )

    def _once(self, method: Method, url: httpx.URL, token: Secret) -> Answer:
        request = httpx.Request(
            method,
            url,
            headers={
                **({} if token is NOBODY else self._dialect.credentials(token)),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Cache-Control": "no-cache",
                "User-Agent": f"velobuild/{__version__}",
            },
        )
        with self._slot(token):
            self._calls += 1
            answer = exchange(self._transport, request, deadline_s=self._deadline_s)
        self._heed(answer.headers, token)
        return self._judged(answer, token, str(url))

    def _judged(self, answer: Exchanged, token: Secret, where: str) -> Answer:
        success = 200 <= answer.status < 300
        try:
            body = parse(answer.raw)
        except NotJson as error:
            if success:
                raise _no_json(answer, error, where) from error
            body = None
        if success:
            return Answer(body, answer.status, answer.headers)
        refused = self._dialect.refusal(answer.status, answer.headers, body, where=where, excerpt=_excerpt(answer.raw))
        raise self._dialect.meaning(refused, token, now=self._clock())

    def _slot(self, token: Secret) -> Slot:
        while isinstance(slot := self._limiter.take(self._key(token)), float):
            self._sleep(slot)
        return slot

    def _heed(self, headers: Mapping[str, str], token: Secret) -> None:
        """Learn the limit from the headers; slow down when few calls are left; notice a cache on the way."""
        key = self._key(token)
        limit, remaining = header_count(headers, "x-ratelimit-limit"), header_count(headers, "x-ratelimit-remaining")
        if limit and limit != self._limit:
            self._limiter.tell(key, limit)
            self._limit = limit
        if remaining is not None:
            self._remaining = remaining
            # Others use this token too, or our window is not the CMS's: share what is left over the time that is left.
            if remaining < FEW_LEFT and not self._limiter.fixed and "retry-after" not in headers:
                left = pause_s(headers, self._clock())
                self._limiter.pause(key, min(left if left is not None else 1.0, 60.0) / (remaining + 1))
        age = header_count(headers, "age")
        if age is not None and age >= STALE_S and not self._warned_stale:
            self._warned_stale = True
            self._warn(
                Diagnostic(
                    "VB2210",
                    f"an answer is {_duration(age)} old: a cache stands between",
                    self._origin,
                    "exclude /api/ from the cache or CDN in front of the CMS",
                )
            )

    def _key(self, token: Secret | None = None) -> str:
        return key_name(self._origin, (token or self._tokens[self._active]).reveal())


def _no_json(answer: Exchanged, error: NotJson, where: str) -> Retryable | ProtocolError:
    if error.cut:
        return Retryable(
            ProtocolError(
                f"the answer was cut short: {error}", code="VB2202", where=where, hint="try again; nothing was used"
            )
        )
    kind = printable(answer.headers.get("content-type", "no content type"), 60)
    return ProtocolError(
        f"the CMS answered {answer.status} with something that is not the API's ({kind}): {error}. "
        f"It begins: {_excerpt(answer.raw)}",
        code="VB2201",
        where=where,
        hint="is source.url the address of the site, and does nothing (a login page, a proxy) stand before /api/?",
    )


def _backoff_s(failures: int) -> float:
    """0.5, 1, 2, … s and up to half as much again, so that many sites that failed together do not return together."""
    return float(min(0.5 * 2.0 ** (failures - 1), 8.0) * (1 + random.random() / 2))  # noqa: S311


def _excerpt(raw: bytes) -> str:
    text = raw[: EXCERPT_CHARS * 4].decode("utf-8", "replace")
    return f"`{printable(text, EXCERPT_CHARS)}`" if raw else "nothing"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole / 3600:.1f} h"
