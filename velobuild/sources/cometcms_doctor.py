"""What a CometCMS looks like from here: its schemas, what everybody is shown, and what a token would change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from velobuild.config.schema import CollectionsConfig, SourceConfig
from velobuild.errors import TokenError, VelobuildError
from velobuild.http.client import ApiClient
from velobuild.model.ports import Clock
from velobuild.sources.cometcms_api import UNREADABLE, Entries
from velobuild.sources.cometcms_lists import refuse_missing_locale
from velobuild.sources.cometcms_records import fields_of, is_public
from velobuild.sources.cometcms_schema import (
    ContentType,
    Roles,
    kind_of,
    read_content_types,
    roles_of_pages,
    roles_of_posts,
)
from velobuild.sources.doctor import Finding, Verdict, tag_counts
from velobuild.sources.records import Unusable

LIMIT = "CometCMS names no limit; velobuild keeps to {rate.calls} calls in {rate.window_s:g} s. Today: {today}"
GRANT = "grant it content.read on content:* and media.read on media:*, without conditions; or take it away"


def diagnose(client: ApiClient, config: SourceConfig, *, clock: Clock) -> list[Finding]:
    """Workspace, collections and fields once; for each token, or for nobody's, what it is shown. Never raises."""
    findings: list[Finding] = []
    for number, (token, single) in enumerate(client.one_by_one(), 1):
        name = (token.origin or f"token {number}") if token.reveal() else "no token"
        try:
            kinds = read_content_types(single)
            if number == 1:
                findings += _schema(single, kinds, config)
            findings += _shown(single, kinds, config, name, clock)
        except VelobuildError as error:
            findings.append(_of(name if isinstance(error, TokenError) else "connection", error))
            if error.code != "VB2001":
                # Not about this token: the next one would meet the same.
                break
    usage = client.usage
    findings.append(Finding("limit", Verdict.OK, LIMIT.format(rate=client.rate, today=usage.calls_today)))
    return findings


def _schema(client: ApiClient, kinds: dict[str, ContentType], config: SourceConfig) -> list[Finding]:
    collections = config.collections
    findings = [
        Finding("connection", Verdict.OK, f"{client.base_url} answers as CometCMS should"),
        Finding("collections", Verdict.OK, f"there are {', '.join(sorted(kinds)) or 'none'}"),
    ]
    for role in ("tags", "authors", "settings"):
        name = getattr(collections, role)
        if name and name not in kinds and name != getattr(CollectionsConfig(), role):
            findings += _checked(partial(kind_of, kinds, name, role))
    roles: list[Roles] = []

    def posts() -> None:
        kind = kind_of(kinds, collections.posts, "posts")
        roles.append(roles_of_posts(kind, config))
        refuse_missing_locale(kind, config)

    findings += _checked(posts)
    if collections.pages:
        findings += _checked(lambda: roles_of_pages(kind_of(kinds, collections.pages, "pages")))
    for role_of in roles:
        body = role_of.body
        findings.append(Finding("body", Verdict.OK, f"a post's text is `{body.name}` ({body.type})"))
    for name in (collections.posts, collections.pages):
        kind = kinds.get(name)
        lost = sorted(UNREADABLE & kind.fields.keys()) if kind is not None else []
        # Of a body that cannot be read the error above speaks.
        said = name == collections.posts and (not roles or roles[0].body.name in lost)
        if lost and not said:
            findings.append(
                Finding(
                    f"fields of {name}",
                    Verdict.WARNING,
                    f"CometCMS shows nobody what stands in {', '.join(f'`{one}`' for one in lost)}",
                    "rename the field in CometCMS and save the entries again",
                    "VB1303",
                )
            )
    return findings


def _shown(
    client: ApiClient, kinds: dict[str, ContentType], config: SourceConfig, name: str, clock: Clock
) -> list[Finding]:
    """Raises VelobuildError if no list of posts comes."""
    kind = kinds.get(config.collections.posts)
    if kind is None:
        return _media(client, name)
    now = clock()
    include = {"include": ",".join(kind.relations)} if kind.relations else {}
    entries: dict[str, dict[str, Any]] = {}
    for page in Entries(client, f"content/{kind.name}", include):
        entries |= {
            entry["id"]: entry for entry in page if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
    public = [entry for entry in entries.values() if is_public(entry, now)]
    if public:
        counted = tag_counts(_tags(entry, kind, config) for entry in public)
        findings = [Finding("posts", Verdict.OK, f"{len(public)} are published; {counted}")]
    else:
        findings = [
            Finding(
                "posts",
                Verdict.WARNING,
                f"CometCMS shows no published entry of `{kind.name}`",
                "publish one, or name another collection in [source.collections] posts",
            )
        ]
    if client.token.reveal():
        findings.append(
            Finding(
                name,
                Verdict.WARNING,
                "a token adds what no reader may see: drafts, archived, protected and future entries "
                f"({len(entries) - len(public)} here), and private files, which a public post then publishes; "
                "every call takes longer",
                "leave it out unless a post needs a private file; velobuild publishes no draft either way",
            )
        )
    else:
        findings.append(Finding(name, Verdict.OK, "published content is shown to everybody, and none is needed"))
    return findings + _media(client, name)


def _tags(entry: dict[str, Any], kind: ContentType, config: SourceConfig) -> Any:
    """The entry's tags as they will be called, as far as its schema tells; None where it tells of none."""
    try:
        field = roles_of_posts(kind, config).tags
        value = fields_of(entry).get(field.name) if field is not None else None
    except (VelobuildError, Unusable):
        return None
    if not isinstance(value, list):
        return value
    return [one.get("title") if isinstance(one, dict) else one for one in value]


def _media(client: ApiClient, name: str) -> list[Finding]:
    try:
        body = client.get_json("media", {"limit": 1}).body
    except VelobuildError as error:
        hint = GRANT if client.token.reveal() else "ask again later"
        return [Finding(name, Verdict.WARNING, f"the files cannot be listed: {error}", hint, "VB2207")]
    meta = body.get("meta") if isinstance(body, dict) else None
    total = meta.get("total") if isinstance(meta, dict) else None
    return [Finding("media", Verdict.OK, f"{total} files")] if isinstance(total, int) else []


def _checked(look: Callable[[], object]) -> list[Finding]:
    """The finding of an error that `look` raises; none if it raises nothing."""
    try:
        look()
    except VelobuildError as error:
        return [_of("configuration of the source", error)]
    return []


def _of(check: str, error: VelobuildError) -> Finding:
    where = error.diagnostics[0].where
    what = f"{where}: {error}" if where and where.startswith("source.") else str(error)
    return Finding(check, Verdict.ERROR, what, error.hint, error.code, error.exit_code)
