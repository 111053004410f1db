"""Target → files. `RENDERERS` names every way of making an output; a new one is one function and one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from velobuild.errors import ContentProblem
from velobuild.graph.answers import in_locale
from velobuild.graph.languages import Versions, several
from velobuild.graph.posts import PostView
from velobuild.graph.reader import Reader
from velobuild.graph.views import LanguageView
from velobuild.markup.prepare import with_fragments_at
from velobuild.model.keys import Query
from velobuild.model.locales import plain_tag, year_value
from velobuild.model.outputs import Phase, Target
from velobuild.render.templates import Templates
from velobuild.render.theme import Theme

if TYPE_CHECKING:
    from velobuild.render.sitemap import SitemapUrl

File = tuple[str, bytes, Phase]
"""(path, bytes, when it goes live) of what one target becomes."""

IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:[^\s<>\"{}|\\^`\x00-\x20]{1,500}")
LISTS = frozenset({"home", "list", "tag", "tags", "archive", "year", "feed", "sitemap"})


class Rendering:
    """All renderers over one Reader and one theme. One per process."""

    def __init__(self, reader: Reader, theme: Theme) -> None:
        self.reader = reader
        self.templates = Templates(theme, reader)

    def file(self, target: Target) -> File:
        """Raises ContentProblem."""
        return RENDERERS[target.renderer](self, target)


def _template(rendering: Rendering, target: Target) -> File:
    phase = Phase.LISTS if target.route in LISTS else Phase.PAGES
    return target.path, rendering.templates.render(target), phase


def _rss(rendering: Rendering, target: Target) -> File:
    from velobuild.render.feeds import rss

    return target.path, rss(_feed(rendering.reader, target)), Phase.LISTS


def _atom(rendering: Rendering, target: Target) -> File:
    from velobuild.render.feeds import atom

    return target.path, atom(_feed(rendering.reader, target)), Phase.LISTS


def _sitemap(rendering: Rendering, target: Target) -> File:
    from velobuild.render.sitemap import sitemap

    reader = rendering.reader
    urls = chain(_home_urls(reader), _post_urls(reader, "", 0, -1), _other_urls(reader))
    return target.path, sitemap(urls), Phase.LISTS


def _sitemap_index(rendering: Rendering, target: Target) -> File:
    from velobuild.render.sitemap import sitemap_index

    site = rendering.reader.site
    return (
        target.path,
        sitemap_index(site.absolute(site.url_of(f"/{name}")) for name in target.params["files"]),
        Phase.LISTS,
    )


def _sitemap_part(rendering: Rendering, target: Target) -> File:
    from velobuild.render.sitemap import sitemap

    reader, params = rendering.reader, target.params
    if "span" in params:
        urls = _post_urls(reader, params["span"], params["start"], params["limit"])
        return target.path, sitemap(urls), Phase.LISTS
    return target.path, sitemap(chain(_home_urls(reader), _other_urls(reader))), Phase.LISTS


def _post_urls(reader: Reader, span: str, start: int, limit: int) -> Iterator[SitemapUrl]:
    from velobuild.render.sitemap import SitemapUrl

    site = reader.site
    versions = reader.place_versions(span, start=start, limit=limit)
    for path, updated_at in reader.places(span, start=start, limit=limit):
        own = _addresses(several(site, versions[path])) if path in versions else ()
        yield SitemapUrl(site.absolute(site.url_of(path)), datetime.fromisoformat(updated_at), own)


def _home_urls(reader: Reader) -> list[SitemapUrl]:
    site = reader.site
    return [_page_url(reader, one, site.url_of(f"{site.locales.folder(one)}/"), "home") for one in site.locales.trees]


def _other_urls(reader: Reader) -> Iterator[SitemapUrl]:
    """The addresses of all pages that are no posts, but for the home pages."""
    site, config = reader.site, reader.site.config
    for locale in site.locales.trees:
        for page in reader.pages_in(locale):
            yield _page_url(reader, locale, page.url, "page", id=page.id)
        for route, path in (("archive", config.urls.archive), ("tags", reader.taxonomy.index)):
            if path:
                yield _page_url(reader, locale, site.url_of(site.locales.folder(locale) + path), route)
        for year in reader.years_in(locale):
            if year.url:
                value = year_value(year.year, locale)
                yield _page_url(reader, locale, year.url, "year", year=value, newer_url=None)
        for term in reader.tags_in(locale):
            yield _page_url(reader, locale, term.url, "tag")


def _page_url(reader: Reader, locale: str, url: str, route: str, **params: object) -> SitemapUrl:
    from velobuild.render.sitemap import SitemapUrl

    loc = reader.site.absolute(url)
    if not reader.site.locales.codes:
        return SitemapUrl(loc)
    return SitemapUrl(loc, None, _addresses(Versions(reader, locale, route, params).there()))


def _addresses(versions: Iterable[LanguageView]) -> tuple[tuple[str, str], ...]:
    """What a page's own head says of its languages, for the sitemap."""
    found = [(version.language, version.canonical) for version in versions]
    return (*found, *(("x-default", version.canonical) for version in versions if version.is_default))


def _robots(rendering: Rendering, target: Target) -> File:
    from velobuild.render.sitemap import robots

    site = rendering.reader.site
    return target.path, robots(site.absolute(site.url_of("/")), site.config.seo.sitemap), Phase.PAGES


def _own_id(post: PostView) -> str | None:
    """What a post was called in the feeds of the system that it came from, where that is known: `guid`."""
    own = post.extra.get("guid")
    return own if isinstance(own, str) and 0 < len(own) <= 500 else None


def _feed(reader: Reader, target: Target) -> Any:
    from velobuild.render.feeds import FeedItem, FeedSource, entry_id, feed_id

    site = reader.site
    config = site.config
    origin = site.config.main_source.url or site.base_url
    locale = target.params.get("locale", site.locales.default)
    scope = f"{locale}/" if "locale" in target.params else ""
    title, home, name = reader.title, site.url_of(f"{site.locales.folder(locale)}/"), "home"
    query = Query(where=in_locale(locale), limit=config.feeds.size)
    if "tag" in target.params:
        term = reader.term(target.params["tag"])
        if term is None:
            raise ContentProblem("a tag vanished while the site was built", code="VB3001", where=target.url)
        query = Query(where=(("tag", term.key),), limit=config.feeds.size)
        title, home, name = f"{title}: {term.name}", term.url, f"tags/{plain_tag(term.key)}"

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
        description=config.site.description or reader.setting("description") or title,
        home_url=site.absolute(home),
        self_url=site.absolute(site.url_of("/" + target.path)),
        language=site.language(locale),
        author=config.site.author,
        updated=None,
        items=tuple(item(post) for post in reader.posts(query)),
        id=feed_id(origin, scope + name),
    )


RENDERERS: Mapping[str, Callable[[Rendering, Target], File]] = MappingProxyType(
    {
        "template": _template,
        "rss": _rss,
        "atom": _atom,
        "sitemap": _sitemap,
        "sitemap-index": _sitemap_index,
        "sitemap-part": _sitemap_part,
        "robots": _robots,
    }
)

__all__ = ["RENDERERS", "Rendering"]
