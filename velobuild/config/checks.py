"""What the types of a configuration cannot say: addresses, patterns, zones. Pure; every finding at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from ipaddress import ip_address
from itertools import chain
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from velobuild.config.schema import Config, SourceConfig
from velobuild.config.source_checks import folder_problems, side_by_side, type_problem
from velobuild.config.source_schema import BUILT_IN
from velobuild.config.wrong import Wrong

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
# What http.limiter understands.
RATE = re.compile(
    r"\s*[1-9]\d{0,6}\s*/\s*(?:\d{1,5}(?:\.\d{1,3})?)?\s*(?:s|sec|second|m|min|minute|h|hour)\s*",
    re.ASCII | re.IGNORECASE,
)
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*(?::\d{{1,5}})?")
# Empty, these mean that the site has no such pages.
CAN_BE_OFF = (("urls", "archive"), ("urls", "year"), ("taxonomies", "tags", "index"))
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
FIELD_PATH = re.compile(rf"{NAME.pattern}(?:\.{NAME.pattern})?")
COMET_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
LOCALE = re.compile(r"[A-Za-z0-9]{1,8}(?:[_-][A-Za-z0-9]{1,8}){0,4}", re.ASCII)
OWN_FOLDERS = ("assets", "media")
PUBLISHED = re.compile(r"[^\x00-\x1f\x7f\"'\\]{1,100}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Browsers take these out of an address, or read a backslash as a slash: what they then open is not what stands there.
NEVER_IN_A_LINK = re.compile(r"[\x00-\x1f\x7f\\]")
CONTACT = re.compile(r"(?:mailto|tel):\S+", re.IGNORECASE)


def normalised(config: Config) -> Config:
    """The same configuration with addresses in the one form that the rest of velobuild expects: no `/` at the end."""
    return replace(
        config,
        site=replace(config.site, base_url=config.site.base_url.strip().rstrip("/")),
        source=_with_plain_address(config.source),
        more_sources=tuple(map(_with_plain_address, config.more_sources)),
    )


def _with_plain_address(source: SourceConfig) -> SourceConfig:
    url = source.url
    if url is not None and source.type in BUILT_IN:
        # People copy the address of the API as often as that of the site.
        below = {
            "pocketbase": r"/(?:api(?:/collections)?|_)$",
            "polycms": r"(?:/cms)?/api/v1$",
            "cometcms": r"/api/v1(?:/workspaces(?:/[^/]*)?)?$",
        }.get(source.type, r"/api/v1$")
        url = re.sub(below, "", url.strip().removesuffix("#").rstrip("/"))
    return replace(source, url=url)


def findings(config: Config) -> Iterator[Wrong]:
    """Everything wrong with a `normalised` configuration."""
    yield from _site(config)
    for source in config.sources:
        own = ("source", source.key) if config.more_sources else ("source",)
        for wrong in chain(_source(source, config), _locales(source, config)):
            yield replace(wrong, path=(*own, *wrong.path[1:]))
    if config.more_sources:
        yield from side_by_side(config)
    yield from _patterns(config)
    yield from _links(config)
    for host in config.content.embeds:
        if not HOST.fullmatch(host):
            yield Wrong(
                ("content", "embeds"), f"`{host}` is not a host name", "write it like `www.youtube-nocookie.com`"
            )
    if not config.build.out.strip():
        yield Wrong(("build", "out"), "the output folder has no name", 'the default is `out = "public"`')


def _site(config: Config) -> Iterator[Wrong]:
    site = config.site
    if problem := _address_problem(site.base_url):
        yield Wrong(("site", "base_url"), problem, "write the site's whole address, such as `https://example.org`")
    if not LANGUAGE.fullmatch(site.language):
        yield Wrong(("site", "language"), f"`{site.language}` is not a language tag", "such as `en`, `de` or `pt-BR`")
    try:
        ZoneInfo(site.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Wrong(
            ("site", "timezone"), f"`{site.timezone}` is not a time zone", "an IANA name, such as `Europe/Vienna`"
        )


def _source(source: SourceConfig, config: Config) -> Iterator[Wrong]:
    """What is wrong with one source. Paths begin with `source`, whichever block it is."""
    yield from type_problem(source)
    if source.type == "folder":
        yield from folder_problems(source, config.content.pages)
        return
    if not VARIABLE.fullmatch(source.token_env):
        yield Wrong(
            ("source", "token_env"),
            "this is not the name of an environment variable",
            "the name goes here, such as `VELOCMS_API_KEY`; the token itself goes into .env",
        )
    if source.rate_limit is not None and not RATE.fullmatch(source.rate_limit):
        yield Wrong(
            ("source", "rate_limit"), f"`{source.rate_limit}` is not a rate", "such as `95/min`, `2/s` or `1000/h`"
        )
    yield from _names(source)
    yield from _comet(source)
    for host in source.media_hosts:
        if not HOST.fullmatch(host):
            yield Wrong(("source", "media_hosts"), f"`{host}` is not a host name", "write it like `cdn.example.org`")
    if source.url is None:
        if source.type not in BUILT_IN:
            return
        yield Wrong(
            ("source", "url"),
            "the CMS's address is missing: `url` in [source]",
            'set `url = "https://NAME.velocms.org"`, or the environment variable VELOCMS_SITE_URL',
            code="VB1105",
        )
    elif problem := _address_problem(source.url):
        yield Wrong(("source", "url"), problem, "write it like `https://NAME.velocms.org`")
    elif source.url.startswith("http://") and not is_loopback(urlsplit(source.url).hostname or ""):
        yield Wrong(
            ("source", "url"),
            "the token would travel unencrypted: this address begins with http://",
            f"write https://{source.url.removeprefix('http://')}; http:// is for this very machine (127.0.0.1) alone",
            code="VB1301",
        )


def _names(source: SourceConfig) -> Iterator[Wrong]:
    """The names of collections and fields go into requests; what PocketBase allows for them is checked here."""
    for table in ("collections", "fields", "media_fields", "settings_fields"):
        pattern = COMET_NAME if source.type == "cometcms" else FIELD_PATH if table == "fields" else NAME
        for key, name in asdict(getattr(source, table)).items():
            if name and not pattern.fullmatch(name):
                yield Wrong(("source", table, key), f"`{name}` is not a name", "letters, digits and `_`, as in the CMS")
    if not PUBLISHED.fullmatch(source.published):
        yield Wrong(
            ("source", "published"), f"`{source.published}` is not a status", "one value, such as `published` or `true`"
        )


def _comet(source: SourceConfig) -> Iterator[Wrong]:
    """What CometCMS needs: a workspace, since nothing is readable outside of one."""
    if source.type != "cometcms":
        return
    if not source.workspace:
        yield Wrong(
            ("source", "workspace"),
            "the workspace is missing: `workspace` in [source]",
            'CometCMS shows nothing outside of one; its name stands in the admin\'s address: `workspace = "main"`',
            code="VB1105",
        )
    elif not COMET_NAME.fullmatch(source.workspace):
        yield Wrong(("source", "workspace"), f"`{source.workspace}` is no workspace", "letters, digits, `-` and `_`")


def _locales(source: SourceConfig, config: Config) -> Iterator[Wrong]:
    """Each names a folder of the site, so it must be a name, and none of the site's own."""
    for locale in source.locales:
        if not LOCALE.fullmatch(locale):
            yield Wrong(("source", "locales"), f"`{locale}` is no locale", "such as `en`, `de` or `pt-BR`")
    if len({locale.lower().replace("_", "-") for locale in source.locales}) < len(source.locales):
        yield Wrong(("source", "locales"), "a locale stands here twice", "name each once")
    tags = config.taxonomies["tags"]
    own = (config.urls.archive, config.urls.year, tags.path, tags.index, config.pagination.path, *OWN_FOLDERS)
    taken = {path.strip("/").partition("/")[0].lower() for path in own}
    for locale in set(source.locales).intersection(config.locales[1:]):
        if locale.lower() in taken:
            yield Wrong(("source", "locales"), f"`/{locale}/` is already a folder of the site", "change [urls]")


def _patterns(config: Config) -> Iterator[Wrong]:
    urls, tags = config.urls, config.taxonomies["tags"]
    rules: list[tuple[tuple[str, ...], str, set[str], set[str]]] = [
        (("urls", "post"), urls.post, {"slug", "year", "month", "day", "id"}, {"slug", "id"}),
        (("urls", "archive"), urls.archive, set(), set()),
        (("urls", "year"), urls.year, {"year"}, {"year"}),
        (("taxonomies", "tags", "path"), tags.path, {"slug"}, {"slug"}),
        (("taxonomies", "tags", "index"), tags.index, set(), set()),
        (("pagination", "path"), config.pagination.path, {"number"}, {"number"}),
    ]
    for path, pattern, allowed, one_of in rules:
        if not pattern and path in CAN_BE_OFF:
            continue
        named = set(PLACEHOLDER.findall(pattern))
        rest = PLACEHOLDER.sub("x", pattern)
        if unknown := sorted(named - allowed):
            may = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "none"
            yield Wrong(path, f"`{{{unknown[0]}}}` means nothing here", f"placeholders that do: {may}")
        elif one_of and not named & one_of:
            needs = " or ".join(f"{{{name}}}" for name in sorted(one_of, reverse=True))
            yield Wrong(path, f"the pattern needs {needs}: without it, all pages would have the same address")
        elif re.search(r"[{}?#\\\s]|//|(?:^|/)\.\.?(?:/|$)", rest):
            yield Wrong(path, f"`{pattern}` is not a path", "letters, digits, `-`, `_`, `.` and `/`")
        elif path[0] != "pagination" and not pattern.startswith("/"):
            yield Wrong(path, f"`{pattern}` does not begin with `/`", f"write `/{pattern}`")


def _links(config: Config) -> Iterator[Wrong]:
    """They become links of the site's own pages, where no sanitizer looks at them."""
    for number, redirect in enumerate(config.redirects):
        if problem := _source_problem(redirect.source):
            yield Wrong(("redirects", number, "from"), problem, "write the old address from the root, such as `/old/`")
        if problem := _target_problem(redirect.target):
            yield Wrong(("redirects", number, "to"), problem, TARGETS)
    for number, item in enumerate(config.menu):
        if problem := _target_problem(item.url):
            yield Wrong(("menu", number, "url"), problem, TARGETS)
        if item.locale and item.locale not in config.locales:
            named = ", ".join(config.locales)
            hint = f"the site's locales: {named}" if named else "the site has one language: take `locale` away"
            yield Wrong(("menu", number, "locale"), f"the site has no locale `{item.locale}`", hint)


TARGETS = "write an address on this site, such as `/about/`, or a whole one that begins with https://, mailto: or tel:"


def _source_problem(path: str) -> str | None:
    if not path.startswith("/") or path.startswith("//"):
        return f"`{path}` does not begin with one `/`"
    # As it will be read: `%2e%2e` and `..` are one folder.
    if re.search(r"[?#]", path) or _is_no_path(unquote(path)):
        return f"`{path}` is not a path on this site"
    return None


def _is_no_path(path: str) -> bool:
    return bool(NEVER_IN_A_LINK.search(path) or re.search(r"//|(?:^|/)\.\.?(?:/|$)", path))


def _target_problem(url: str) -> str | None:
    if NEVER_IN_A_LINK.search(url):
        return f"`{url}` has a backslash or a control character"
    if CONTACT.fullmatch(url) or (url.startswith("/") and not url.startswith("//")):
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"`{url}` is not an address"
    if url != url.strip() or parts.scheme not in ("http", "https") or not host or " " in parts.netloc:
        return f"`{url}` is not an address that a page may lead to"
    return None


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this very machine, by its text alone: nothing is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _address_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"`{url}` is not an address"
    if parts.scheme not in ("http", "https") or not host:
        return f"`{url}` is not an address that begins with https://"
    if parts.query or parts.fragment:
        return f"`{url}` has a `?` or `#` part, which an address of a site cannot have"
    if re.search(r"[\s\\]", url):
        return f"`{url}` has a space or a backslash"
    return None
