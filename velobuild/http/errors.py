"""What an answer other than success means, in words of ours: the one place that knows VeloCMS's error envelope.

Another API brings an `ApiDialect` of its own, made from the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError, VelobuildError

UNKNOWN = "UNKNOWN_ERROR"
RETRIED = frozenset({408, 425})


class RecordMissing(ProtocolError):
    """The API itself says that there is no such record: a 404 with `NOT_FOUND` in its envelope, and nothing less."""


class Retryable(Exception):
    """This attempt failed in a way that another may not; it never leaves the client.

    `finally_` is raised when no attempt is left.
    """

    def __init__(self, finally_: VelobuildError, *, wait_s: float | None = None, limited: bool = False) -> None:
        super().__init__(str(finally_))
        self.finally_ = finally_
        self.wait_s = wait_s
        self.limited = limited


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success. `code` is the envelope's, or `UNKNOWN_ERROR`; `enveloped` tells which."""

    status: int
    code: str
    message: str
    enveloped: bool
    where: str
    headers: Mapping[str, str]
    body: Any = None
    excerpt: str = ""

    @property
    def said(self) -> str:
        """`404 NOT_FOUND: No such post`, fit for one line."""
        code = f" {self.code}" if self.enveloped and self.code else ""
        return f"{self.status}{code}" + (f": {printable(self.message)}" if self.message else "")


def refusal(status: int, headers: Mapping[str, str], body: Any, *, where: str, excerpt: str) -> Refusal:
    """Read an error answer; `body` is the parsed JSON, or None if it was none."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(error, dict) and isinstance(code, str) and code:
        message = error.get("message")
        said = message if isinstance(message, str) else ""
        return Refusal(status, printable(code, 40), said, True, where, headers, body, excerpt)
    return Refusal(status, UNKNOWN, "", False, where, headers, body, excerpt)


def meaning(answer: Refusal, token: Secret, *, now: datetime) -> Exception:
    """The exception for an answer that is no success: one of our family, or `Retryable`."""
    status, code = answer.status, answer.code
    if code == "HTTPS_REQUIRED":
        return ConfigError(
            "the CMS accepts https only",
            code="VB1301",
            where=answer.where,
            hint="write https:// in source.url",
        )
    other = None if answer.enveloped else other_system(answer.body)
    if other is not None and status in (400, 401, 403, 404):
        return ConfigError(
            f"this is not a VeloCMS REST API but {other}",
            code="VB1302",
            where=answer.where,
            hint="source.url is the address of the site itself, such as https://NAME.velocms.org",
        )
    if status == 401 or code == "UNAUTHORIZED":
        return token_refused(answer, token)
    if status == 429:
        return _limited(answer, now)
    if is_passing(status):
        return keeps_failing(answer, now)
    if 300 <= status < 400:
        return redirected(answer)
    if status == 403:
        return _forbidden(answer)
    if status == 404:
        return _missing(answer)
    return ProtocolError(
        f"the CMS refused a request of ours ({answer.said})",
        code="VB2201",
        where=answer.where,
        hint="this looks like another version of the API: `velobuild doctor` tells what answers there",
    )


def is_passing(status: int) -> bool:
    """Whether another try may end better."""
    return status in RETRIED or status >= 500


def keeps_failing(answer: Refusal, now: datetime) -> Retryable:
    return Retryable(
        SourceUnavailable(
            f"the CMS keeps failing ({answer.said})",
            code="VB2103",
            where=answer.where,
            hint="nothing was changed; try again later",
        ),
        wait_s=pause_s(answer.headers, now) if "retry-after" in answer.headers else None,
    )


def asked_to_pause(answer: Refusal, now: datetime) -> Retryable:
    return Retryable(
        SourceUnavailable(
            f"the CMS keeps asking for a pause ({answer.said})",
            code="VB2104",
            where=answer.where,
            hint="what was fetched is kept; go on later, or set source.rate_limit lower",
        ),
        wait_s=pause_s(answer.headers, now),
        limited=True,
    )


def token_refused(answer: Refusal, token: Secret) -> TokenError:
    origin = f" from {token.origin}" if token.origin else ""
    return TokenError(
        f"the CMS refused the token{origin} ({answer.said})",
        code="VB2001",
        where=answer.where,
        hint="create a key under Admin → Settings → API Keys (it begins with `velo_`); a token of Admin → Settings → "
        "Developer → API Tokens belongs to another API and does not work here",
    )


def redirected(answer: Refusal) -> ProtocolError:
    target = printable(answer.headers.get("location", "nowhere"), 100)
    return ProtocolError(
        f"the CMS redirected the request to {target} ({answer.status})",
        code="VB2204",
        where=answer.where,
        hint="the token is never sent on; if the address is right, write it in source.url",
    )


def _forbidden(answer: Refusal) -> TokenError:
    if answer.code == "PLAN_UPGRADE_REQUIRED":
        return TokenError(
            f"the CMS's plan does not include the API ({answer.said})",
            code="VB2003",
            where=answer.where,
            hint="the API needs the plan Pro or a higher one: Admin → Settings → Billing",
        )
    return TokenError(
        f"the token may not read this ({answer.said})",
        code="VB2002",
        where=answer.where,
        hint="create a key with the scopes posts:read, media:read and site-settings:read "
        "under Admin → Settings → API Keys",
    )


def _missing(answer: Refusal) -> VelobuildError:
    if answer.code == "NOT_FOUND":
        return RecordMissing("the CMS has no such record", code="VB2201", where=answer.where)
    return ProtocolError(
        f"404 without the API's own words: {answer.excerpt}",
        code="VB2201",
        where=answer.where,
        hint="a 404 that the API does not explain removes nothing; is source.url the address of the site?",
    )


def other_system(body: Any) -> str | None:
    """Which other system's error or greeting this JSON is, or None."""
    if not isinstance(body, dict):
        return None
    if "message" in body and "data" in body and ("code" in body or "status" in body):
        if isinstance(body.get("code"), str) and str(body["code"]).startswith("rest_"):
            return "WordPress"
        return "PocketBase's own API"
    if isinstance(body.get("errors"), list):
        return "another CMS"
    return None


def _limited(answer: Refusal, now: datetime) -> Exception:
    if answer.code == "QUOTA_EXCEEDED":
        wait = pause_s(answer.headers, now)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        again = midnight if wait is None else now + timedelta(seconds=wait)
        return SourceUnavailable(
            f"the CMS's daily quota is used up ({answer.said})",
            code="VB2105",
            where=answer.where,
            hint=f"what was fetched is kept; go on after {stamp(again)}",
            retry_at=again.timestamp(),
        )
    return asked_to_pause(answer, now)


def pause_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the answer asks us to wait: Retry-After in seconds or as a date, else X-RateLimit-Reset, else None.

    Times are compared with the answer's own Date, so that a clock of ours that is wrong changes nothing.
    """
    there = http_date(headers.get("date", "")) or now
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit() and len(after) < 10:
        return float(after)
    until = http_date(after)
    if until is not None and until >= there:
        return (until - there).total_seconds()
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isascii() and reset.isdigit() and len(reset) < 12 and int(reset) >= there.timestamp() - 1:
        return max(int(reset) - there.timestamp(), 0.0)
    return None


def header_count(headers: Mapping[str, str], name: str) -> int | None:
    """A header that counts something, or None if it is absent or no plain number."""
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def printable(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, everything unprintable escaped: it came from outside."""
    cut = text[:limit]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return shown + ("…" if len(text) > limit else "")


def bearer(token: Secret) -> Mapping[str, str]:
    """The token as RFC 6750 sends it."""
    return {"Authorization": f"Bearer {token.reveal()}"}


@dataclass(frozen=True, slots=True)
class ApiDialect:
    """What the client must know of one API. `refusal` reads an answer that is no success, `meaning` makes it an error.

    `posts` are the only paths to which a POST may be sent, always without a body: none that changes anything in the
    CMS. `pause_s_max` bounds our own pauses where an API that wants one does not say how long. `credentials` are the
    headers that carry a token; `tokenless` tells that the API answers to somebody without one, too.
    """

    refusal: Callable[..., Refusal]
    meaning: Callable[..., Exception]
    posts: frozenset[str] = frozenset()
    pause_s_max: float = 60.0
    credentials: Callable[[Secret], Mapping[str, str]] = bearer
    tokenless: bool = False


VELOCMS = ApiDialect(refusal, meaning)
