"""What a CMS, its tokens and their rights look like from here. Asks with GET alone, about five calls a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from velobuild.errors import ConfigError, TokenError, VelobuildError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.sources.listing import Listing

NEEDED = {"posts": "posts:read", "media": "media:read", "site-settings": "site-settings:read"}
LEAST = "posts:read, media:read, site-settings:read, and comments:read only if source.comments is on"
KEYS_PAGE = "Admin → Settings → API Keys"


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `exit_code` is what the same trouble would end a build with, 0 if it would not."""

    check: str
    verdict: Verdict
    what: str
    hint: str | None = None
    code: str | None = None
    exit_code: int = 0


def diagnose(client: ApiClient, *, comments: bool = False) -> list[Finding]:
    """Connection, kind of API, each token, its rights as far as reads tell, and the limit. Never raises for the CMS."""
    findings: list[Finding] = []
    for number, (token, single) in enumerate(client.one_by_one(), 1):
        name = token.origin or f"token {number}"
        answered = _posts(single, name, findings)
        if answered:
            _rights(single, name, findings, comments=comments)
            _limit(single, findings)
        elif findings[-1].code != "VB2001":
            # Not about this token: the next one would meet the same.
            break
    return findings


def _posts(client: ApiClient, name: str, findings: list[Finding]) -> bool:
    try:
        for _ in Listing(client, "posts", {"status": "published"}):
            break
    except RecordMissing:
        findings.append(_of("connection", ConfigError("this is not a VeloCMS REST API", code="VB1302")))
        return False
    except VelobuildError as error:
        check = name if isinstance(error, TokenError) else "connection"
        findings.append(_of(check, error))
        return False
    findings.append(Finding("connection", Verdict.OK, f"{client.base_url} answers as the API should"))
    findings.append(Finding(name, Verdict.OK, "the CMS accepts it, and it may read posts"))
    return True


def _rights(client: ApiClient, name: str, findings: list[Finding], *, comments: bool) -> None:
    for path, scope in (NEEDED | ({"comments": "comments:read"} if comments else {})).items():
        if path != "posts":
            missing = _refused(client, path, {"per_page": 1} if path != "site-settings" else {})
            if missing is not None:
                findings.append(
                    Finding(
                        name,
                        Verdict.WARNING,
                        f"it may not read {path}: {missing}",
                        f"give it the scope {scope} under {KEYS_PAGE}",
                        "VB2207",
                    )
                )
    more = [right for path, right in _beyond(comments).items() if _refused(client, path, {"per_page": 1}) is None]
    if _lists_drafts(client):
        findings.append(
            Finding(
                name,
                Verdict.WARNING,
                "it can read drafts, as every key with posts:read can; velobuild asks for published posts "
                "and checks each one again",
                "keep it where only the build can read it",
            )
        )
    if more:
        findings.append(
            Finding(
                name,
                Verdict.WARNING,
                f"it can do more than it needs: {', '.join(more)}",
                f"make a key with no more than {LEAST} under {KEYS_PAGE}, and revoke this one",
            )
        )
    else:
        findings.append(
            Finding(name, Verdict.OK, f"reads show no right beyond need; it needs {LEAST}. Write rights do not show")
        )


def _beyond(comments: bool) -> Mapping[str, str]:
    return {"members": "members:read"} | ({} if comments else {"comments": "comments:read"})


def _lists_drafts(client: ApiClient) -> bool:
    try:
        body = client.get_json("posts", {"status": "draft", "page": 1, "per_page": 1}).body
    except VelobuildError:
        return False
    items = body.get("items") if isinstance(body, dict) else None
    return bool(items)


def _refused(client: ApiClient, path: str, params: Mapping[str, str | int]) -> str | None:
    """Why the path cannot be read, or None if it can."""
    try:
        client.get_json(path, params)
    except VelobuildError as error:
        return str(error)
    return None


def _limit(client: ApiClient, findings: list[Finding]) -> None:
    usage = client.usage
    told = "names no limit" if usage.limit is None else f"allows {usage.limit} calls a minute"
    findings.append(
        Finding(
            "limit",
            Verdict.OK,
            f"the CMS {told}; velobuild keeps to {client.rate.calls} in {client.rate.window_s:g} s. "
            f"Calls from this machine today: {usage.calls_today}",
        )
    )


def _of(check: str, error: VelobuildError) -> Finding:
    return Finding(check, Verdict.ERROR, str(error), error.hint, error.code, error.exit_code)
