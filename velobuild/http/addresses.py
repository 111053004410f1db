"""Which addresses media may come from, and the network backend that keeps to it.

Three questions, asked in this order and again at every redirect:

1. Is the URL plain? No userinfo, no backslash, no control character, no disguised number for a host.
2. Is its origin allowed? The API's own, those of the CMS's media records, and the hosts that the configuration names.
3. Is every address that the host resolves to a public one? The connection is then made to the address that was
   checked, so that a name which changes its mind between question and connection gains nothing.

The API's own origin may be private or on this machine, since that is where the owner put it; nothing else may.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote

import idna

from velobuild.errors import ConfigError, GuardRefused, SourceUnavailable

IP = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[IP]]
"""All addresses of a host, in the order in which they are to be tried."""

HOST_CHARS_MAX = 253
PORTS = {"http": 80, "https": 443}
URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<authority>[^/?#]*)(?P<target>[^#]*)", re.IGNORECASE)
AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")

# Addresses that Python's `is_global` calls global (as of 3.11) although they lead, or may lead, somewhere private:
# multicast, protocol assignments, every form that carries an IPv4 address inside an IPv6 one, and a cloud's host agent.
NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
)


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Scheme, host (lower-case ASCII, IPv6 without brackets) and port: what must match exactly."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that was read strictly. `url` is its ASCII form without a fragment."""

    origin: Origin
    url: str


def read_address(url: str) -> Address:
    """Read an absolute http or https URL.

    Raises GuardRefused (VB4002) for every other scheme and for every way in which readers of URLs are known to differ.
    """
    match = URL.fullmatch(url.split("#", 1)[0])
    if FORBIDDEN.search(url) or match is None:
        raise refused(url, "it is not a plain web address")
    scheme, authority, target = match["scheme"].lower(), match["authority"], match["target"]
    if scheme not in PORTS:
        raise refused(url, f"media is not fetched over {scheme}:")
    if "@" in authority:
        raise refused(url, "a user name stands before its host")
    parts = AUTHORITY.fullmatch(authority)
    port = int(parts["port"]) if parts and parts["port"] else PORTS[scheme]
    host = read_host(parts["host"]) if parts else None
    if host is None or not 0 < port < 65536:
        raise refused(url, "its host is not a plain name or number")
    origin = Origin(scheme, host, port)
    path = quote(target, safe="/?&=%:;,+$!*'()~@[]|^`{}") or "/"
    return Address(origin, f"{origin}{path if path.startswith('/') else '/' + path}")


def read_host(text: str) -> str | None:
    """The one spelling of a host that is compared and asked for; None for what is not plain."""
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            return None
    try:
        host = text.lower() if text.isascii() else idna.encode(text, uts46=True, std3_rules=True).decode()
    except idna.IDNAError:
        return None
    labels = host.split(".")
    if len(host) > HOST_CHARS_MAX or not all(LABEL.fullmatch(label) for label in labels):
        return None
    # C libraries read 127.1, 2130706433 and 0x7f.1 as addresses: what ends like a number must be one, in full.
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        try:
            return str(IPv4Address(host))
        except ValueError:
            return None
    return host


def is_loopback(host: str) -> bool:
    """Whether a host, as spelt by `read_host`, names this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(ip: IP) -> bool:
    """Whether an address may be connected to on a stranger's word."""
    return ip.is_global and not any(ip in network for network in NOT_PUBLIC if network.version == ip.version)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The origins that media may come from. Build it with `AddressPolicy.of`."""

    api: Origin
    others: frozenset[Origin] = frozenset()

    @classmethod
    def of(cls, api_url: str, *, record_urls: Iterable[str] = (), media_hosts: Iterable[str] = ()) -> AddressPolicy:
        """The policy of a site whose API is at `api_url`.

        `record_urls` are the URLs of the CMS's media records: their https origins are allowed. `media_hosts` are the
        configured `host` or `host:port`, over https; a host on this machine is reached over http if the API is, too.

        Raises ConfigError (VB1101) for a media host that cannot be read, GuardRefused for such an API address.
        """
        api = read_address(api_url).origin
        others = {origin for url in record_urls if (origin := _https_origin(url)) is not None}
        others |= {_configured(text, local=api.scheme == "http") for text in media_hosts}
        return cls(api, frozenset(others - {api}))

    def permit(self, url: str) -> Address:
        """The address of an allowed URL. Raises GuardRefused (VB4002)."""
        address = read_address(url)
        if address.origin != self.api and address.origin not in self.others:
            raise GuardRefused(
                f"media is not fetched from {address.origin}",
                code="VB4002",
                where=shown(url),
                hint=f'if you trust this host, add it to velobuild.toml: [source] media_hosts = ["{_entry(address)}"]',
            )
        if address.origin.scheme == "http" and not is_loopback(address.origin.host):
            raise refused(url, "it is not encrypted")
        return address

    def allows(self, url: str) -> bool:
        """Whether `permit` would let the URL pass."""
        try:
            self.permit(url)
        except GuardRefused:
            return False
        return True

    def check(self, host: str, port: int, addresses: Iterable[IP]) -> None:
        """Refuse a host of which any address leads where it must not. Raises GuardRefused (VB4002)."""
        here = {origin for origin in (self.api, *self.others) if (origin.host, origin.port) == (host, port)}
        unencrypted = any(origin.scheme == "http" for origin in here)
        for ip in addresses:
            if unencrypted:
                fine = ip.is_loopback
            else:
                fine = self.api in here or is_public(ip)
            if not fine:
                raise GuardRefused(
                    f"{host} leads to {ip}, which is not a public address",
                    code="VB4002",
                    hint="media comes from the public internet or the CMS itself, never from inside a network",
                )


def resolve_host(host: str, port: int) -> list[IP]:
    """Ask the system's resolver. Raises SourceUnavailable (VB4001) if it knows no address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceUnavailable(f"no address is known for {host}", code="VB4001") from error
    return list(dict.fromkeys(ip_address(str(entry[4][0]).split("%", 1)[0]) for entry in found))


def refused(url: str, why: str) -> GuardRefused:
    return GuardRefused(f"the media address was refused: {why}", code="VB4002", where=shown(url))


def shown(url: str) -> str:
    """A URL as messages may show it: without its query, which may hold a signature, and without control characters."""
    plain = FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", url.split("?", 1)[0].split("#", 1)[0])
    scheme, mark, rest = plain.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"[:500]


def _https_origin(url: str) -> Origin | None:
    try:
        origin = read_address(url).origin
    except GuardRefused:
        return None
    return origin if origin.scheme == "https" else None


def _configured(text: str, *, local: bool) -> Origin:
    try:
        origin = read_address(f"https://{text}").origin
    except GuardRefused:
        origin = None
    if origin is None or "/" in text:
        raise ConfigError(
            f'"{text}" is not a host', code="VB1101", where="source.media_hosts", hint="write `host` or `host:port`"
        )
    if not (local and is_loopback(origin.host)):
        return origin
    return Origin("http", origin.host, origin.port if ":" in text.rpartition("]")[2] else PORTS["http"])


def _entry(address: Address) -> str:
    origin = address.origin
    return str(Origin("https", origin.host, origin.port if origin.scheme == "https" else PORTS["https"]))[8:]
