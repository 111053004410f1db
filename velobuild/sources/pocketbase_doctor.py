"""What a PocketBase, its tokens and their rights look like from here: five calls a token, none of which writes."""

from __future__ import annotations

from typing import Any

from velobuild.config.schema import SourceConfig
from velobuild.errors import Diagnostic, TokenError, VelobuildError
from velobuild.http.client import ApiClient
from velobuild.model.ports import Clock
from velobuild.sources.doctor import Finding, Verdict, tag_counts
from velobuild.sources.pocketbase_api import check_token, claims_of
from velobuild.sources.pocketbase_records import SYSTEM, PostMapping

REST_KEY = "velo_"
LIMIT = "PocketBase names no limit; velobuild keeps to {rate.calls} calls in {rate.window_s:g} s. Today: {today}"


def diagnose(client: ApiClient, config: SourceConfig, *, clock: Clock) -> list[Finding]:
    """Each token: does it count, for how long, may it read what is configured, could it do more? Never raises."""
    findings: list[Finding] = []
    for number, (token, single) in enumerate(client.one_by_one(), 1):
        name = token.origin or f"token {number}"
        soon: list[Diagnostic] = []
        try:
            check_token(single, now=clock(), warn=soon.append)
            findings += _posts(single, config, name)
        except VelobuildError as error:
            findings.append(_of(name if isinstance(error, TokenError) else "connection", error))
            if error.code != "VB2001":
                # Not about this token: the next one would meet the same.
                break
            continue
        findings += [Finding(name, Verdict.WARNING, found.what, found.hint, found.code) for found in soon]
        findings += _rights(single, config, name)
        claims = claims_of(token)
        if token.reveal().startswith(REST_KEY):
            findings.append(
                Finding(
                    name,
                    Verdict.WARNING,
                    "it is a key of the REST API of VeloCMS; to PocketBase whoever sends it is a guest",
                    'set source.type = "velocms", or make a token for PocketBase (docs/pocketbase.md)',
                )
            )
        elif claims is None:
            findings.append(
                Finding(
                    name,
                    Verdict.WARNING,
                    "PocketBase cannot be asked whether it counts: to a wrong token it shows what a guest may see",
                    "compare the number of posts with the CMS's",
                )
            )
        elif claims.superuser:
            findings.append(
                Finding(
                    name,
                    Verdict.WARNING,
                    "it is a superuser's and can change everything",
                    "make a token of a user who may read and not write (docs/pocketbase.md)",
                )
            )
    usage = client.usage
    findings.append(Finding("limit", Verdict.OK, LIMIT.format(rate=client.rate, today=usage.calls_today)))
    return findings


def _posts(client: ApiClient, config: SourceConfig, name: str) -> list[Finding]:
    """Raises VelobuildError if no list of posts comes."""
    collection = config.collections.posts
    body = client.get_json(f"collections/{collection}/records", {"perPage": 1}).body
    items, total = (body.get("items"), body.get("totalItems")) if isinstance(body, dict) else (None, None)
    findings = [Finding("connection", Verdict.OK, f"{client.base_url} answers as PocketBase should")]
    if not isinstance(items, list) or not items or not isinstance(items[0], dict):
        findings.append(
            Finding(
                name,
                Verdict.WARNING,
                f"it sees no record of `{collection}`",
                "let its user list the collection (its API rules), or name another in [source.collections]",
            )
        )
        return findings
    names = frozenset(items[0]) - SYSTEM | {"id"}
    missing = PostMapping(config).missing(names)
    if missing:
        findings.append(
            Finding(
                f"fields of {collection}",
                Verdict.ERROR,
                f"there is no {', '.join(f'`{path}`' for path in missing.values())}",
                f"correct [source.fields]; the fields are: {', '.join(sorted(names))}",
                "VB1303",
                2,
            )
        )
    findings.append(Finding(name, Verdict.OK, f"it sees {total} records of `{collection}`"))
    return findings + _shown(client, config, name, names)


def _shown(client: ApiClient, config: SourceConfig, name: str, names: frozenset[str]) -> list[Finding]:
    """Tags, and whether drafts are among the records, by a hundred of them without their bodies."""
    collection, tags, status = config.collections.posts, config.fields.tags, config.fields.status
    wanted = sorted({tags, status} & names)
    if not wanted:
        return []
    params: dict[str, str | int] = {"perPage": 100, "fields": ",".join(["id", *wanted])}
    body = client.get_json(f"collections/{collection}/records", params).body
    found = body.get("items") if isinstance(body, dict) else None
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    findings = []
    if tags in wanted:
        findings.append(Finding("tags", Verdict.OK, tag_counts(item.get(tags) for item in items)))
    if status in wanted and not all(_published(item.get(status), config) for item in items):
        findings.append(
            Finding(
                name,
                Verdict.WARNING,
                "it can read drafts; velobuild asks for published posts and checks each one again",
                f'let its user list published records alone: the API rule {status} = "{config.published}"',
            )
        )
    return findings


def _published(value: Any, config: SourceConfig) -> bool:
    return (str(value).lower() if isinstance(value, bool) else value) == config.published


def _rights(client: ApiClient, config: SourceConfig, name: str) -> list[Finding]:
    findings = []
    for collection in (config.collections.media, config.collections.settings):
        if not collection:
            continue
        try:
            body = client.get_json(f"collections/{collection}/records", {"perPage": 1}).body
            why = "" if isinstance(body, dict) and body.get("items") else "it sees no record of it"
            if not why and collection == config.collections.media:
                findings.append(Finding("media", Verdict.OK, f"{body.get('totalItems')} records of `{collection}`"))
        except VelobuildError as error:
            why = str(error)
        if why:
            findings.append(
                Finding(
                    name,
                    Verdict.WARNING,
                    f"`{collection}`: {why}",
                    "let its user list the collection (its API rules), or name another in [source.collections]",
                    "VB2207",
                )
            )
    return findings


def _of(check: str, error: VelobuildError) -> Finding:
    return Finding(check, Verdict.ERROR, str(error), error.hint, error.code, error.exit_code)
