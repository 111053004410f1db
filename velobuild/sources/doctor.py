"""What a CMS, its tokens and their rights look like from here. Asks with GET alone, about five calls a token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from velobuild.errors import ConfigError, TokenError, VelobuildError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.markup.text import clean_text, one_line
from velobuild.sources.listing import Listing

NEEDED = {"posts": "posts:read", "media": "media:read", "site-settings": "site-settings:read"}
LEAST = "posts:read, media:read, site-settings:read, and comments:read only if source.comments is on"
KEY_BEGINS = "velo_"
TAGS_SHOWN = 8
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
    listing = Listing(client, "posts", {"status": "published"})
    first: list[Any] = []
    try:
        first = next(iter(listing), [])
    except RecordMissing:
        findings.append(_of("connection", ConfigError("this is not a VeloCMS REST API", code="VB1302")))
        return False
    except VelobuildError as error:
        check = name if isinstance(error, TokenError) else "connection"
        findings.append(_of(check, error))
        if error.code == "VB2001" and not client.token.reveal().startswith(KEY_BEGINS):
            findings[-1] = replace(
                findings[-1],
                what=f"{error}; a key of the REST API begins with {KEY_BEGINS}, and this one does not",
                hint=f'create a key under {KEYS_PAGE}; for a token of PocketBase set source.type = "pocketbase"',
            )
        return False
    findings.append(Finding("connection", Verdict.OK, f"{client.base_url} answers as the API should"))
    findings.append(Finding(name, Verdict.OK, "the CMS accepts it, and it may read posts"))
    findings.append(_content(first, listing.total))
    return True


def _content(first: list[Any], total: int | None) -> Finding:
    """How many posts there are, and the tags of those that came."""
    if not first:
        return Finding("posts", Verdict.OK, "none is published yet")
    counted = tag_counts(raw.get("tags") for raw in first if isinstance(raw, dict))
    return Finding("posts", Verdict.OK, f"{total or len(first)} are published; {counted}")


def tag_counts(of_posts: Iterable[Any]) -> str:
    """The tags of some posts in words, the most frequent first."""
    counts = Counter(
        one_line(clean_text(tag)[0])[:40]
        for tags in of_posts
        for tag in (tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else [])
        if isinstance(tag, str) and tag.strip()
    )
    shown = sorted(counts, key=lambda tag: (-counts[tag], tag))[:TAGS_SHOWN]
    more = f" and {len(counts) - len(shown)} more" if len(counts) > len(shown) else ""
    return f"tags: {', '.join(shown)}{more}" if shown else "no tags"


def _rights(client: ApiClient, name: str, findings: list[Finding], *, comments: bool) -> None:
    for path, scope in (NEEDED | ({"comments": "comments:read"} if comments else {})).items():
        if path != "posts":
            answer = _asked(client, path, {"per_page": 1} if path != "site-settings" else {})
            missing = answer if isinstance(answer, str) else None
            if isinstance(answer, dict) and path == "media" and isinstance(answer.get("total"), int):
                findings.append(Finding("media", Verdict.OK, f"{answer['total']} files"))
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
    answer = _asked(client, path, params)
    return answer if isinstance(answer, str) else None


def _asked(client: ApiClient, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | str | None:
    """The answer if it is an object, or why there is none."""
    try:
        body = client.get_json(path, params).body
    except VelobuildError as error:
        return str(error)
    return body if isinstance(body, dict) else None


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
