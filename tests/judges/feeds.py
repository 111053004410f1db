"""Feeds and sitemaps of a built site: feedparser, the grammar of RFC 4287, and the rules that no grammar expresses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import feedparser
import rnc2rng
from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
GRAMMAR = Path(__file__).parent / "rfc4287.rnc"
LINKED = re.compile(r"""\s(?:href|src|poster)\s*=\s*["']?([^"'\s>]*)""", re.IGNORECASE)
SCHEMES = frozenset({"http", "https", "mailto", "tel"})


def feeds(folder: Path) -> list[str]:
    """`path: finding` for every RSS feed, Atom feed and sitemap among the .xml files below `folder`, sorted.

    Raises AssertionError if there is neither feed nor sitemap: an empty folder is no pass.
    """
    files = sorted(folder.rglob("*.xml"))
    assert files, f"no feed below {folder}"
    return [f"{path.relative_to(folder)}: {finding}" for path in files for finding in judge(path.read_bytes())]


def judge(document: bytes) -> list[str]:
    """The findings about one document; what is neither a feed nor a sitemap is a finding itself."""
    try:
        root = etree.fromstring(document)
    except etree.XMLSyntaxError as error:
        return [f"not well-formed: {error}"]
    if root.tag == f"{ATOM}feed":
        return [*_parsed(document), *_atom(root)]
    if root.tag == "rss":
        return [*_parsed(document), *_rss(root)]
    if root.tag in (f"{SITEMAP}urlset", f"{SITEMAP}sitemapindex"):
        return list(_sitemap(document, root))
    return [f"unknown kind of document: {root.tag}"]


@cache
def atom_grammar() -> etree.RelaxNG:
    """RFC 4287's RELAX NG grammar, ready to validate."""
    grammar = rnc2rng.dumps(rnc2rng.load(str(GRAMMAR)))
    # rnc2rng declares the prefix of "no namespace", which XML forbids and nothing refers to.
    return etree.RelaxNG(etree.fromstring(grammar.replace('xmlns:local=""', "").encode()))


def _parsed(document: bytes) -> Iterator[str]:
    parsed = feedparser.parse(document)
    if parsed.bozo:
        yield f"feedparser: {parsed.get('bozo_exception')!r}"


def _atom(root: etree._Element) -> Iterator[str]:
    grammar = atom_grammar()
    if not grammar.validate(root):
        yield from dict.fromkeys(f"RFC 4287: {error.line}: {error.message}" for error in grammar.error_log)
    feed_author = root.find(f"{ATOM}author") is not None
    for entry in root.iter(f"{ATOM}entry"):
        name = entry.findtext(f"{ATOM}id") or "entry without id"
        links = entry.findall(f"{ATOM}link")
        if not feed_author and entry.find(f"{ATOM}author") is None:
            yield f"{name}: neither the entry nor the feed has an author"
        if entry.find(f"{ATOM}content") is None and not any(link.get("rel") in (None, "alternate") for link in links):
            yield f"{name}: neither content nor an alternate link"
        pairs = Counter((link.get("rel", "alternate"), link.get("type"), link.get("hreflang")) for link in links)
        yield from (f"{name}: two links of one kind {pair}" for pair, count in pairs.items() if count > 1)
        if any(link.get("type") is None for link in links):
            yield f"{name}: a link without type"
        yield from _relative(name, [link.get("href", "") for link in links], entry.findtext(f"{ATOM}content"))
    if not any(link.get("rel") == "self" for link in root.findall(f"{ATOM}link")):
        yield "no link to itself"
    yield from _twice(entry.findtext(f"{ATOM}id") or "" for entry in root.iter(f"{ATOM}entry"))


def _rss(root: etree._Element) -> Iterator[str]:
    channel = root.find("channel")
    if root.get("version") != "2.0" or channel is None:
        yield "not RSS 2.0"
        return
    for required in ("title", "link", "description"):
        if not channel.findtext(required):
            yield f"the channel has no {required}"
    own = channel.find(f"{ATOM}link")
    if own is None or own.get("rel") != "self":
        yield "no link to itself"
    elif channel.findtext("link") == own.get("href"):
        yield "the channel links to itself instead of the site"
    for item in channel.iter("item"):
        name = item.findtext("guid") or "item without guid"
        if not item.findtext("guid"):
            yield "an item has no guid"
        if not (item.findtext("title") or item.findtext("description")):
            yield f"{name}: neither title nor description"
        try:
            parsedate_to_datetime(item.findtext("pubDate") or "")
        except ValueError:
            yield f"{name}: pubDate {item.findtext('pubDate')!r} is no date"
        body = item.findtext(f"{CONTENT}encoded") or item.findtext("description")
        yield from _relative(name, [item.findtext("link") or ""], body)
    yield from _twice(item.findtext("guid") or "" for item in channel.iter("item"))


def _sitemap(document: bytes, root: etree._Element) -> Iterator[str]:
    if len(document) > 52_428_800:
        yield f"larger than 50 MB: {len(document)} bytes"
    if len(root) > 50_000:
        yield f"more than 50,000 entries: {len(root)}"
    locs = [element.findtext(f"{SITEMAP}loc") or "" for element in root]
    yield from _relative("sitemap", locs, None)
    yield from _twice(locs)


def _relative(name: str, urls: Iterable[str], html: str | None) -> Iterator[str]:
    """Addresses that mean nothing outside the site: a reader has no page to resolve them against."""
    for url in [*urls, *LINKED.findall(html or "")]:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or (parts.scheme.startswith("http") and not parts.netloc):
            yield f"{name}: the address {url!r} is not absolute"


def _twice(names: Iterable[str]) -> Iterator[str]:
    yield from (f"{name!r} stands there {count} times" for name, count in Counter(names).items() if count > 1)
