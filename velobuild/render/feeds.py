"""RSS 2.0 and Atom, through feedgen, with its traps closed.

What feedgen 1.0 gets wrong or leaves to the clock, and what is done here:

- entry links lose rel and type: `_Entry.atom_entry` sets them again;
- the RSS link of a feed is the last link added: the feed's own address goes first, the home page last;
- times default to now: each is set, from content;
- `CDATA` becomes a content type in Atom, and CR does not survive in CDATA: bodies are written escaped;
- a control character, an empty title or an empty description ends in ValueError: texts are cleaned and have stand-ins;
- entries are prepended: they are appended;
- RSS drops an author who has no e-mail address: written as dc:creator;
- a time's zone is written as it is, seconds of offset included: all times are UTC.

The same `FeedSource` always gives the same bytes. feedgen is slow to import; import this module where feeds are made.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlsplit

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from velobuild.render.sitemap import ascii_url

GENERATOR = "velobuild"
RSS_TYPE = "application/rss+xml"
ATOM_TYPE = "application/atom+xml"

# What XML 1.0 cannot hold in any form. Content is cleaned at intake; a feed must not break on what a caller adds later.
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SPACES = re.compile(r"\s+")
DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# The time of a feed without entries: it must be a constant, and no reader shows it.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One post in a feed. `url` and every URL in `content_html` are absolute; times are aware; `summary` is plain text.

    `id` comes from `entry_id` and never changes; `guid` takes its place in RSS alone, where it need be no IRI.
    Without `content_html` the feed carries the summary alone.
    """

    id: str
    title: str
    url: str
    published: datetime
    updated: datetime
    author: str | None = None
    tags: tuple[str, ...] = ()
    summary: str | None = None
    content_html: str | None = None
    guid: str | None = None


@dataclass(frozen=True, slots=True)
class FeedSource:
    """All that a feed says. `items` stand in the order in which the feed shows them.

    `updated` is the time of the newest change in it; None takes the newest of the items. `id` is the feed's identity
    in Atom (see `entry_id`); without one it is `self_url`, which changes when the site moves.
    """

    title: str
    description: str
    home_url: str
    self_url: str
    language: str
    author: str | None
    updated: datetime | None
    items: tuple[FeedItem, ...]
    id: str | None = None


def entry_id(origin: str, post_id: str) -> str:
    """An identity for a post that survives every edit: `urn:uuid:…` from the CMS's host and the post's id there.

    `origin` is the CMS's address. Its scheme, its path and a default port do not count, so neither moving to https nor
    another address of the built site announces old posts anew; on a loopback host no port counts.
    """
    return uuid.uuid5(uuid.NAMESPACE_URL, f"velobuild:{_authority(origin)}/posts/{post_id}").urn


def feed_id(origin: str, name: str) -> str:
    """The same for a feed: `name` says which one, such as `home` or `tags/python`."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"velobuild:{_authority(origin)}/feeds/{name}").urn


def rss(feed: FeedSource) -> bytes:
    """RSS 2.0 as UTF-8. The description holds the summary, content:encoded the whole body."""
    return bytes(_generator(feed, RSS_TYPE).rss_str(pretty=True))


def atom(feed: FeedSource) -> bytes:
    """Atom (RFC 4287) as UTF-8."""
    return bytes(_generator(feed, ATOM_TYPE).atom_str(pretty=True))


class _Entry(FeedEntry):  # type: ignore[misc]
    """feedgen's entry whose Atom links keep their attributes."""

    def atom_entry(self, extensions: bool = True) -> Any:
        entry = super().atom_entry(extensions=extensions)
        # feedgen shadows its loop variable and writes href alone; both lists are in the same order.
        for element, link in zip(entry.findall("link"), self.link() or [], strict=True):
            for name, value in link.items():
                element.set(name, value)
        return entry


def _generator(feed: FeedSource, own_type: str) -> FeedGenerator:
    generator = FeedGenerator()
    title = _line(feed.title) or feed.home_url
    updated = feed.updated or max((item.updated for item in feed.items), default=NEVER)
    generator.id(feed.id or ascii_url(feed.self_url))
    generator.title(title)
    generator.subtitle(_line(feed.description) or title)
    generator.description(_line(feed.description) or title)
    generator.link(href=ascii_url(feed.self_url), rel="self", type=own_type)
    generator.link(href=ascii_url(feed.home_url), rel="alternate", type="text/html")
    generator.language(feed.language)
    generator.generator(GENERATOR)
    generator.updated(_utc(updated))
    # Atom wants an author somewhere; where nobody is named, the site speaks for itself.
    generator.author(name=_line(feed.author or "") or title)
    if own_type == RSS_TYPE:
        generator.load_extension("dc", atom=False, rss=True)
    for item in feed.items:
        generator.add_entry(_entry(item, own_type), order="append")
        if own_type == RSS_TYPE and (creator := _line(item.author or feed.author or "")):
            generator.entry()[-1].dc.dc_creator(creator)
    return generator


def _entry(item: FeedItem, feed_type: str) -> _Entry:
    entry = _Entry()
    url = ascii_url(item.url)
    entry.id(item.id)
    if item.guid and feed_type == RSS_TYPE:
        entry.guid(_line(item.guid), permalink=False)
    entry.title(_line(item.title) or url)
    entry.link(href=url, rel="alternate", type="text/html")
    entry.published(_utc(item.published))
    entry.updated(_utc(item.updated))
    if author := _line(item.author or ""):
        entry.author(name=author)
    for tag in dict.fromkeys(filter(None, map(_line, item.tags))):
        entry.category(term=tag)
    if summary := _line(item.summary or ""):
        entry.summary(summary)
        if feed_type == RSS_TYPE:  # where a description is HTML: `a < b` must arrive as those five characters
            entry.description(escape(summary, quote=False), isSummary=True)
    if item.content_html:
        entry.content(NOT_XML.sub("", item.content_html), type="html")
    return entry


def _line(text: str) -> str:
    """One line of text that XML can hold: what stands in titles and names is never markup."""
    return SPACES.sub(" ", NOT_XML.sub("", text)).strip()


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time in a feed has no zone")
    return moment.astimezone(UTC).replace(microsecond=0)


def _authority(origin: str) -> str:
    parts = urlsplit(origin if "//" in origin else f"//{origin}")
    host = (parts.hostname or "").rstrip(".")
    if parts.port is None or parts.port == DEFAULT_PORTS.get(parts.scheme, 443) or host in LOOPBACK:
        return host
    return f"{host}:{parts.port}"
