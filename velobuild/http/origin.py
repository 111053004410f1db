"""Where a token may go, and whether it can be sent at all: settled before a byte leaves."""

from __future__ import annotations

from ipaddress import ip_address

import httpx

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError
from velobuild.http.errors import printable


def checked_base(url: str) -> httpx.URL:
    """The API's base. Raises ConfigError: no address, a user in it, or one that would send the token in the clear."""
    try:
        base = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigError(f"`{printable(url)}` is no address", code="VB1101", where="source.url") from error
    if base.scheme not in ("http", "https") or not base.host or base.userinfo or base.query or base.fragment:
        raise ConfigError(
            "the CMS's address is wrong",
            code="VB1101",
            where="source.url",
            hint="write it like https://blog.example: no user, no query",
        )
    if base.scheme == "http" and not is_loopback(base.host):
        raise ConfigError(
            f"http:// would send the token to {base.host} unencrypted",
            code="VB1301",
            where="source.url",
            hint="write https://; http:// is for this machine alone",
        )
    return base


def is_loopback(host: str) -> bool:
    """Whether the host is this machine: `localhost` or an address of the loopback net, written in full."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def checked_token(token: Secret) -> Secret:
    """The token, if it fits in a header. Raises ConfigError VB1202, which shows nothing of it."""
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            "the token holds a space, a line break or a character that no token has",
            code="VB1202",
            where=token.origin or None,
            hint="copy it again, without quotes and line breaks",
        )
    return token
