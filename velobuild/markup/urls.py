"""Addresses in content: read as a browser reads them, checked, made absolute."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
FILE_SCHEMES = frozenset({"http", "https"})
ID_PREFIX = "c-"

# Nearly every address in real content; nothing in it can mislead anyone, so the slow reading below is spared.
ORDINARY = re.compile(r"(?:https?://[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?)?/(?!/)[A-Za-z0-9_~!$&()*+,;=:@%/?#.-]*")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
AUTHORITY = re.compile(r"[^/?#]*")
# What browsers drop wherever it stands in an address, and what surrounds one without being seen.
DROPPED = re.compile("[\t\r\n]")
UNSEEN = "".join(map(chr, range(0x21))) + "\x7f\x85\xa0\u1680\u180e\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\u00ad"
UNSEEN += "".join(map(chr, range(0x2000, 0x2010))) + "".join(map(chr, range(0x202A, 0x202F)))
ILLEGAL = re.compile(r"[\x00-\x20\"<>\\^`{|}\x7f\u2028\u2029]")
ORIGIN = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
DEFAULT_PORT = {"http": ":80", "https": ":443"}


def checked(address: str, schemes: frozenset[str] = LINK_SCHEMES) -> str | None:
    """The address as a browser understands it, or None if it may not stand in a page.

    Allowed are the given schemes and relative addresses. White space around it and line breaks inside it go, as in
    browsers; a backslash is read as a slash; characters that an address cannot hold are percent-encoded. Refused:
    every other scheme, anything that might be taken for one, and user names (`https://bank.example@evil.example`).
    """
    if ORDINARY.fullmatch(address):
        return address
    address = DROPPED.sub("", address.strip(UNSEEN))
    if not address:
        return None
    scheme = SCHEME.match(address)
    if scheme:
        return _with_scheme(scheme[1].lower(), address[scheme.end() :], schemes)
    head = address[: min((i for i in map(address.find, "/?#") if i >= 0), default=len(address))]
    if ":" in head:
        return None
    path, rest = _path_and_rest(address)
    path = path.replace("\\", "/")
    if path.startswith("//"):
        path = "//" + path.lstrip("/")
        if not _honest(AUTHORITY.match(path, 2)):
            return None
    return _encoded(path + rest)


def _with_scheme(scheme: str, rest: str, schemes: frozenset[str]) -> str | None:
    if scheme not in schemes:
        return None
    if scheme not in FILE_SCHEMES:
        return _encoded(f"{scheme}:{rest}")
    path, tail = _path_and_rest(rest)
    path = path.replace("\\", "/").lstrip("/")
    if not _honest(AUTHORITY.match(path)):
        return None
    return _encoded(f"{scheme}://{path}{tail}")


def _path_and_rest(address: str) -> tuple[str, str]:
    cut = min((i for i in map(address.find, "?#") if i >= 0), default=len(address))
    return address[:cut], address[cut:]


def _honest(authority: re.Match[str] | None) -> bool:
    if not authority or not authority[0] or "@" in authority[0] or ILLEGAL.search(authority[0]):
        return False
    try:  # Half an IPv6 address, or letters that become a slash in a normal form: nobody can take such a URL apart.
        urlsplit(f"//{authority[0]}")
    except ValueError:
        return False
    return True


def _encoded(address: str) -> str:
    return ILLEGAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), address)


def absolute(address: str, base: str | None) -> str:
    """A checked address made absolute against `base`; without a base only the missing scheme is added."""
    if base is None:
        return "https:" + address if address.startswith("//") else address
    if address.startswith(("https://", "http://")):
        return address
    if address.startswith("/") and not address.startswith("//") and "/." not in address:
        return _root(base) + address
    return urljoin(base, address)


@lru_cache(maxsize=64)
def _root(base: str) -> str:
    """The beginning of `base` up to its path."""
    found = ORIGIN.match(base)
    return found[0] if found else ""


def origin(address: str) -> str | None:
    """`scheme://host:port` in lower case without a default port; None for an address without a host."""
    found = ORIGIN.match(address)
    if not found:
        return None
    scheme = found[1].lower()
    return f"{scheme}://{found[2].lower().removesuffix(DEFAULT_PORT[scheme])}"


def host(address: str) -> str | None:
    """The host and port of an absolute address, in lower case."""
    own = origin(address)
    return own.partition("://")[2] if own else None


def body_id(name: str) -> str:
    """How an id of a body is called in the page: prefixed, so that it can neither clash with the theme nor hide a
    property of `document` (DOM clobbering). "" stays "".
    """
    joined = "-".join(name.split())
    return joined if joined.startswith(ID_PREFIX) or not joined else ID_PREFIX + joined
