"""Target → files. `RENDERERS` names every way of making an output; a new one is one function and one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from velobuild.graph.reader import Reader
from velobuild.graph.views import PostView
from velobuild.markup.prepare import with_fragments_at
from velobuild.model.keys import Query
from velobuild.model.outputs import Phase, Target
from velobuild.render.templates import Templates
from velobuild.render.theme import Theme

Files = Iterator[tuple[str, bytes, Phase]]
"""(path, bytes, when it goes live) of what one target becomes; a sitemap may become several files."""

IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:[^\s<>\"{}|\\^`\x00-\x20]{1,500}")
LISTS = frozenset({"home", "list", "tag", "tags", "archive", "year", "feed", "sitemap"})


class Rendering:
    """All renderers over one Reader and one theme. One per process."""

    def __init__(self, reader: Reader, theme: Theme) -> None:
        self.reader = reader
        self.templates = Templates(theme, reader)

    def files(self, target: Target) -> Files:
        """Raises ContentProblem."""
        return RENDERERS[target.renderer](self, target)


def _template(rendering: Rendering, target: Target) -> Files:
    phase = Phase.LISTS if target.route in LISTS else Phase.PAGES
    yield target.path, rendering.templates.render(target), phase


def _rss(rendering: Rendering, target: Target) -> Files:
    from velobuild.render.feeds import rss

    yield target.path, rss(_feed(rendering.reader, target)), Phase.LISTS


def _atom(rendering: Rendering, target: Target) -> Files:
    from velobuild.render.feeds import atom

    yield target.path, atom(_feed(rendering.reader, target)), Phase.LISTS


def _sitemap(rendering: Rendering, target: Target) -> Files:
    from velobuild.render.sitemap import SitemapUrl, sitemaps

    reader = rendering.reader
    site = reader.site
    config = site.config

    def urls() -> Iterator[SitemapUrl]:
        yield SitemapUrl(site.absolute(site.url_of("/")))
        for post in reader.posts(Query()):
            yield SitemapUrl(post.canonical, post.updated)
        for page in reader.local_pages:
            yield SitemapUrl(site.absolute(page.url))
        for path in (config.urls.archive, reader.taxonomy.index):
            if path:
                yield SitemapUrl(site.absolute(site.url_of(path)))
        for url in (*(year.url for year in reader.years if year.url), *(term.url for term in reader.tags)):
            yield SitemapUrl(site.absolute(url))

    for name, content in sitemaps(urls(), base_url=site.absolute(site.url_of("/"))):
        yield name, content, Phase.LISTS


def _robots(rendering: Rendering, target: Target) -> Files:
    from velobuild.render.sitemap import robots

    site = rendering.reader.site
    yield target.path, robots(site.absolute(site.url_of("/")), site.config.seo.sitemap), Phase.PAGES


def _own_id(post: PostView) -> str | None:
    """What a post was called in the feeds of the system that it came from, where that is known: `guid`."""
    own = post.extra.get("guid")
    return own if isinstance(own, str) and 0 < len(own) <= 500 else None


def _feed(reader: Reader, target: Target) -> Any:
    from velobuild.render.feeds import FeedItem, FeedSource, entry_id, feed_id

    site = reader.site
    config = site.config
    origin = site.config.main_source.url or site.base_url
    title, home, name = reader.title, site.url_of("/"), "home"
    query = Query(limit=config.feeds.size)
    if "tag" in target.params:
        term = next(term for term in reader.tags if term.key == target.params["tag"])
        query = Query(where=(("tag", term.key),), limit=config.feeds.size)
        title, home, name = f"{title}: {term.name}", term.url, f"tags/{term.key}"

    def item(post: PostView) -> FeedItem:
        own = _own_id(post)
        return FeedItem(
            id=own if own and IRI.fullmatch(own) else entry_id(origin, post.id),
            guid=own,
            title=post.title,
            url=post.canonical,
            published=post.published or post.updated,
            updated=post.updated,
            author=post.author or config.site.author,
            tags=tuple(tag.name for tag in post.tags),
            summary=post.excerpt or None,
            content_html=with_fragments_at(post.absolute_content, post.canonical) if config.feeds.full else None,
        )

    return FeedSource(
        title=title,
        description=config.site.description or reader.settings.description or title,
        home_url=site.absolute(home),
        self_url=site.absolute(site.url_of("/" + target.path)),
        language=config.site.language,
        author=config.site.author,
        updated=None,
        items=tuple(item(post) for post in reader.posts(query)),
        id=feed_id(origin, name),
    )


RENDERERS: Mapping[str, Callable[[Rendering, Target], Files]] = MappingProxyType(
    {"template": _template, "rss": _rss, "atom": _atom, "sitemap": _sitemap, "robots": _robots}
)

__all__ = ["RENDERERS", "Rendering"]
