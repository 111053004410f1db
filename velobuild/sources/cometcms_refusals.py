"""What CometCMS's refusals mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError
from velobuild.http.errors import (
    ApiDialect,
    RecordMissing,
    Refusal,
    asked_to_pause,
    is_passing,
    keeps_failing,
    redirected,
    refusal,
)


def meaning(answer: Refusal, token: Secret, *, now: datetime) -> Exception:
    """The exception for an answer that is no success: one of our family, or `Retryable`."""
    status = answer.status
    if answer.code == "not_set_up":
        return SourceUnavailable(
            f"CometCMS is not set up yet ({answer.said})",
            code="VB2103",
            where=answer.where,
            hint="finish its setup in a browser, then build again",
        )
    if status == 429:
        return asked_to_pause(_with_pause(answer), now)
    if is_passing(status):
        return keeps_failing(answer, now)
    if 300 <= status < 400:
        return redirected(answer)
    if status == 401:
        return _token_refused(answer, token)
    if status == 403:
        return _forbidden(answer, token)
    if not answer.enveloped:
        return other_api(answer.where, f"{status} without CometCMS's own words: {answer.excerpt}")
    if answer.code == "workspace_required":
        return ConfigError(
            f"CometCMS wants a workspace ({answer.said})",
            code="VB1105",
            where="source.workspace",
            hint="write the workspace's name as source.workspace",
        )
    if status == 404 and "workspace" in answer.message.lower():
        return ConfigError(
            "CometCMS has no such workspace, or it is archived",
            code="VB1303",
            where=f"source.workspace ({answer.where})",
            hint="its name stands in the admin's address; capital letters count",
        )
    if status == 404:
        return RecordMissing("CometCMS has no such entry or collection", code="VB2201", where=answer.where)
    return ProtocolError(
        f"CometCMS refused a request of ours ({answer.said})",
        code="VB2201",
        where=answer.where,
        hint="`velobuild doctor` tells what answers there",
    )


COMETCMS = ApiDialect(refusal, meaning, tokenless=True)


def other_api(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"this is not CometCMS's API ({why})",
        code="VB1302",
        where=where,
        hint="source.url is the address of the CometCMS installation, with its folder if it lies in one",
    )


def _with_pause(answer: Refusal) -> Refusal:
    """CometCMS says how long in the body rather than in a header."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    for place in (error, answer.body):
        wait = place.get("retry_after") if isinstance(place, dict) else None
        if isinstance(wait, int) and not isinstance(wait, bool) and 0 <= wait < 1_000_000:
            return replace(answer, headers={"retry-after": str(wait), **answer.headers})
    return answer


def _token_refused(answer: Refusal, token: Secret) -> TokenError:
    if not token.reveal():
        return TokenError(
            f"something before the content wants a login ({answer.said})",
            code="VB2001",
            where=answer.where,
            hint="CometCMS shows published content to everybody: is there a password in front of it?",
        )
    origin = f" from {token.origin}" if token.origin else ""
    return TokenError(
        f"CometCMS refused the token{origin} ({answer.said})",
        code="VB2001",
        where=answer.where,
        hint="published content needs none: take the token away, or make a new one (docs/cometcms.md)",
    )


def _forbidden(answer: Refusal, token: Secret) -> TokenError:
    if not token.reveal():
        hint = "CometCMS shows published content to everybody: what stands in front of it?"
    else:
        hint = (
            "without its own right a token may read less than nobody's: take it away, or grant it content.read on "
            "content:* and media.read on media:*, without a condition on the status, which forbids lists"
        )
    return TokenError(f"the token may not read this ({answer.said})", code="VB2002", where=answer.where, hint=hint)
