"""What a PolyCMS and its tokens look like from here. Asks with GET alone, about seven calls a token."""

from __future__ import annotations

from collections.abc import Mapping

from velobuild.config.schema import SourceConfig
from velobuild.errors import ConfigError, SourceUnavailable, TokenError, VelobuildError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing, printable
from velobuild.sources.doctor import Finding, Verdict, tag_counts
from velobuild.sources.polycms_api import (
    LEGACY,
    V1,
    Generation,
    base_of,
    numbers_of,
    obj,
    other_api,
    record_of,
    rows_of,
)
from velobuild.sources.polycms_listing import page_of
from velobuild.sources.polycms_records import names_of
from velobuild.sources.records import PUBLISHED

NEEDED = ("media", "settings")


def diagnose(client: ApiClient, config: SourceConfig, *, has_token: bool) -> list[Finding]:
    """Which generation answers, what it shows to all, each token and what it may read. Never raises for the CMS."""
    if config.api == "legacy" and not has_token:
        return [_no_token(LEGACY)]
    findings: list[Finding] = []
    used, generation = client, V1
    try:
        if config.api == "legacy":
            used, generation = client.beside(base_of(config, LEGACY), LEGACY.dialect), LEGACY
            findings.append(_answering(used, generation))
        else:
            findings.append(_answering(client, V1))
    except VelobuildError as error:
        older = _older(client, config) if config.api == "auto" and not isinstance(error, SourceUnavailable) else None
        if older is None:
            findings.append(_of("token" if isinstance(error, TokenError) else "connection", error))
            return findings
        used, generation = older, LEGACY
        findings.append(Finding("connection", Verdict.OK, f"{used.base_url} answers as PolyCMS's older API should"))
    if generation is V1:
        findings += _shown_to_all(client, config)
    if not has_token:
        findings.append(_no_token(generation))
    else:
        for number, (token, single) in enumerate(used.one_by_one(), 1):
            findings += _token(single, token.origin or f"token {number}", generation)
    findings.append(
        Finding(
            "limit",
            Verdict.OK,
            f"velobuild keeps to {used.rate.calls} calls in {used.rate.window_s:g} s. "
            f"Calls from this machine today: {used.usage.calls_today}",
        )
    )
    return findings


def _answering(client: ApiClient, generation: Generation) -> Finding:
    """Raises VelobuildError if no list of posts comes."""
    total = _count(client, {"status": PUBLISHED}, generation)
    shown = "posts" if total is None else f"{total} published posts"
    return Finding("connection", Verdict.OK, f"{client.base_url} answers as PolyCMS should and shows {shown}")


def _older(client: ApiClient, config: SourceConfig) -> ApiClient | None:
    older = client.beside(base_of(config, LEGACY), LEGACY.dialect)
    try:
        _count(older, {"status": PUBLISHED}, LEGACY)
    except TokenError:
        return older
    except VelobuildError:
        return None
    return older


def _shown_to_all(client: ApiClient, config: SourceConfig) -> list[Finding]:
    """Drafts that anybody can read, and a list that one record breaks."""
    findings: list[Finding] = []
    try:
        drafts = _count(client, {"status": "draft"}, V1)
    except VelobuildError:
        drafts = None
    if drafts:
        findings.append(
            Finding(
                "drafts",
                Verdict.WARNING,
                f"anybody can read your {drafts} drafts at {client.base_url}/posts?status=draft, without any token. "
                "velobuild asks for published posts and checks each one again",
                "let the proxy before PolyCMS give /api/v1/posts to the build alone",
            )
        )
    try:
        asked: dict[str, str | int] = {"status": PUBLISHED, "type": config.types[0], "page": 1, "per_page": 100}
        rows = rows_of(client.get_json("posts", asked).body, "posts") or []
        tags = tag_counts([names_of(row.get("tags")) for row in rows if isinstance(row, dict)])
        findings.append(Finding("posts", Verdict.OK, f"{tags}" if rows else "none is published yet"))
    except SourceUnavailable as error:
        findings.append(
            Finding(
                "posts",
                Verdict.WARNING,
                f"the list of posts fails ({error}), as it does over a single post whose author is gone or that has "
                "no dates; velobuild then reads every post by itself, and names the broken one",
                "give that post an author in PolyCMS, and save it again",
                error.code,
            )
        )
    except VelobuildError as error:
        findings.append(_of("posts", error))
    return findings


def _no_token(generation: Generation) -> Finding:
    if generation is LEGACY:
        return _of("token", ConfigError("PolyCMS's older API gives nothing without a key", code="VB1201"))
    return Finding(
        "token",
        Verdict.WARNING,
        "there is none: posts, tags and categories come without, but no media (so no alternative texts) and of the "
        "settings the brand alone",
        "make a token of a user who may see media and settings and change nothing (docs/polycms.md)",
        "VB2207",
    )


def _token(client: ApiClient, name: str, generation: Generation) -> list[Finding]:
    findings: list[Finding] = []
    if generation is V1:
        try:
            user = record_of(client.get_json("auth/me").body, "user")
        except RecordMissing:
            user = None
        except VelobuildError as error:
            return [_of(name, error)]
        who = obj(obj(user).get("user", user)).get("name")
        shown = f", as “{printable(who, 60)}”" if isinstance(who, str) and who else ""
        findings.append(Finding(name, Verdict.OK, f"PolyCMS accepts it{shown}"))
    for path in NEEDED if generation is V1 else ("posts", "media"):
        why = _refused(client, path, {"per_page": 1} if path != "settings" else {})
        if isinstance(why, TokenError) and why.code == "VB2001":
            return [_of(name, why)]
        if why is None and path == "media":
            findings.append(_media(client))
        if why is not None:
            findings.append(
                Finding(
                    name,
                    Verdict.WARNING,
                    f"it may not read {path}: {why}",
                    f"give its user the right to see {path} in PolyCMS",
                    "VB2207",
                )
            )
    if generation is V1 and _refused(client, "webhooks", {}) is None:
        findings.append(
            Finding(
                name,
                Verdict.WARNING,
                "it is an administrator's, and a token of PolyCMS can do all that its user can",
                "make a user who may see media and settings and change nothing, and a token for that user",
            )
        )
    return findings


def _media(client: ApiClient) -> Finding:
    try:
        total = numbers_of(client.get_json("media", {"per_page": 1}).body).total
    except VelobuildError as error:
        return _of("media", error)
    return Finding("media", Verdict.OK, "can be read" if total is None else f"{total} files")


def _refused(client: ApiClient, path: str, params: Mapping[str, str | int]) -> VelobuildError | None:
    """Why the path cannot be read, or None if it can."""
    try:
        client.get_json(path, params)
    except VelobuildError as error:
        return error
    return None


def _count(client: ApiClient, params: Mapping[str, str], generation: Generation) -> int | None:
    asked: dict[str, str | int] = {**params, "page": 1, "per_page": 1, **({"compact": 1} if generation is V1 else {})}
    where = f"{client.base_url}/posts"
    try:
        body = client.get_json("posts", asked).body
    except RecordMissing as error:
        raise other_api(where, "there is no list of posts") from error
    page_of(body, 1, generation=generation, resource="posts", where=where)
    return numbers_of(body).total


def _of(check: str, error: VelobuildError) -> Finding:
    return Finding(check, Verdict.ERROR, str(error), error.hint, error.code, error.exit_code)
