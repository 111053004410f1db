"""The sitemap and robots.txt: small enough formats to be written by hand.

The protocol (sitemaps.org) allows 50,000 addresses and 50 MB (52,428,800 bytes, uncompressed) a file. A long sitemap is
an index, `sitemap.xml`, of one file for each month of posts and one for all other pages. The row of a page in several
languages links to each, in the way that Google documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote, urlsplit, urlunsplit

# An address must stay below 2,048 characters; a longer one makes search engines refuse the whole file.
LOC_CHARS_MAX = 2_047

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML = ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'
URLSET = ("urlset", "url")
INDEX = ("sitemapindex", "sitemap")

# What a URL may hold as it is: RFC 3986's reserved characters, and % for what is escaped already.
KEPT = "/:?#[]@!$&'()*+,;=%~"
# Nearly every address is plain already; asking first is several times quicker than encoding all of them.
PLAIN = re.compile(r"[A-Za-z0-9\-._~/:?#\[\]@!$&'()*+,;=]*")
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class SitemapUrl:
    """One page: `loc` is absolute (http or https); `lastmod` is aware and comes from content, never from the clock.

    `versions` are (language tag or `x-default`, address) of the page in all its languages, its own among them.
    """

    loc: str
    lastmod: datetime | None = None
    versions: tuple[tuple[str, str], ...] = ()


def sitemap(urls: Iterable[SitemapUrl]) -> bytes:
    """One file with these pages in their order; those whose address is longer than the protocol allows are left out.

    The caller keeps to the protocol's 50,000 addresses a file.
    """
    rows, namespaces = [], ""
    for url in urls:
        loc = ascii_url(url.loc)
        if len(loc) <= LOC_CHARS_MAX:
            rows.append(_row(URLSET[1], loc, url.lastmod, url.versions))
            namespaces = XHTML if url.versions else namespaces
    return _document(URLSET, rows, namespaces)


def sitemap_index(locs: Iterable[str]) -> bytes:
    """A file that names the sitemaps of which a large site has several. `locs` are their full addresses."""
    return _document(INDEX, [_row(INDEX[1], ascii_url(loc), None) for loc in locs])


def robots(base_url: str, sitemap: bool) -> bytes:
    """robots.txt: everything may be read; names the sitemap if there is one."""
    lines = ["User-agent: *", "Disallow:"]
    if sitemap:
        lines += ["", f"Sitemap: {ascii_url(base_url.rstrip('/') + '/sitemap.xml')}"]
    return ("\n".join(lines) + "\n").encode("ascii")


def ascii_url(url: str) -> str:
    """The same address in the characters that RFC 3986 allows: percent-encoded UTF-8, the host in its IDNA form.

    Escapes that are there already stay; a `%` that begins none becomes `%25`. An address that cannot be taken apart is
    percent-encoded as it stands.
    """
    if PLAIN.fullmatch(url):
        return url
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not host.isascii():
            port = f":{parts.port}" if parts.port is not None else ""
            url = urlunsplit(parts._replace(netloc=host.encode("idna").decode("ascii") + port))
    except ValueError:  # UnicodeError is one too: a host that IDNA refuses
        pass
    # A lone surrogate has no UTF-8; "replace" would make it a `?`, which begins a query.
    speakable = url.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _percent_signs(quote(speakable, safe=KEPT))


def _percent_signs(url: str) -> str:
    head, *rest = url.split("%")
    return head + "".join(
        ("%" if len(piece) >= 2 and HEX_DIGITS.issuperset(piece[:2]) else "%25") + piece for piece in rest
    )


def _row(element: str, loc: str, lastmod: datetime | None, versions: Iterable[tuple[str, str]] = ()) -> bytes:
    time = f"<lastmod>{_w3c_time(lastmod)}</lastmod>" if lastmod is not None else ""
    links = "".join(map(_link, versions)) if versions else ""
    return f"<{element}><loc>{escape(loc, quote=False)}</loc>{time}{links}</{element}>\n".encode("ascii")


def _link(version: tuple[str, str]) -> str:
    language, address = version
    href = ascii_url(address)
    if len(href) > LOC_CHARS_MAX:
        return ""
    return f'<xhtml:link rel="alternate" hreflang="{escape(language)}" href="{escape(href)}"/>'


def _document(kind: tuple[str, str], rows: Iterable[bytes], namespaces: str = "") -> bytes:
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{kind[0]} xmlns="{NAMESPACE}"{namespaces}>\n'.encode("ascii")
    return head + b"".join(rows) + f"</{kind[0]}>\n".encode("ascii")


def _w3c_time(moment: datetime) -> str:
    """Whole seconds in UTC, whatever the zone of `moment`: two builds in two zones write the same bytes."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
