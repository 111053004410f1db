"""Which outputs a site has: every route expanded into its targets.

List pages are numbered from the oldest: page 1 holds the oldest posts for ever, and the list's own address shows the
newest, one to two pages' worth. So a new post changes the newest page alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from velobuild.content.places import SITE, Places, Reserved, file_of
from velobuild.errors import ContentProblem
from velobuild.graph.reader import Reader, path_of, plain_path
from velobuild.graph.views import Pager
from velobuild.model.keys import Query
from velobuild.model.outputs import Target

# Files of fixed names, and names to which hosts give a meaning of their own.
FILES = ("index.html", "404.html", "feed.xml", "atom.xml", "sitemap.xml", "robots.txt")
NAMES = frozenset({"index", "404", "assets", "media", "feeds", ".well-known", "_headers", "_redirects"})
# Addresses that are asked of every site: a post must not answer, whatever its pattern.
NAMES |= frozenset({*FILES, "rss.xml", "favicon.ico", "page"})


def reserved(reader: Reader) -> Reserved:
    """What no post may take. The same before and after the posts have got their addresses."""
    config = reader.site.config
    tags, pages = reader.taxonomy, config.pagination.path.lstrip("/")
    lists = [path for path in (config.urls.year, tags.path) if path]
    single = [path for path in (config.urls.archive, tags.index) if path]
    paths = single + [path_of(page) for page in reader.pages]
    paths += [plain_path(redirect.source) for redirect in config.redirects]
    terms = [reader.tag_path(term.slug) for term in reader.reserved_terms()]
    feeds = [f"{_folder(path)}/feed.xml".lstrip("/") for path in terms]
    return Reserved(
        files=(*FILES, *sorted(own_files(reader)), *map(file_of, (*paths, *terms)), *feeds),
        names=NAMES,
        patterns=(*single, *lists, *(f"{_folder(path)}/{pages}" for path in ("/", *lists))),
    )


def own_files(reader: Reader) -> frozenset[str]:
    """The site's own static files, which are published under their own names."""
    place = reader.site.root / "static"
    found = (file.relative_to(place) for file in place.rglob("*") if file.is_file())
    return frozenset(unicodedata.normalize("NFC", name.as_posix()) for name in found)


def expand(reader: Reader, former: Sequence[tuple[str, str]] = ()) -> list[Target]:
    """Every output that a renderer makes, in a fixed order. `former` are (old, new) paths of posts that moved.

    A file of the site's own `static` folder wins over a list, feed, robots.txt or 404.html of the same name. Raises
    ContentProblem VB3004 if a local page stands in the way of another, or of such a file.
    """
    config = reader.site.config
    ids = reader.ids(Query())
    paths = reader.paths
    targets = [_page(reader, "post", paths[id], {"id": id}, "post.html") for id in ids]
    targets += _list(reader, "home", "/", ids, config.pagination.size, {}, ("home.html", "list.html"))
    tags = reader.taxonomy
    for term in reader.tags:
        path = reader.tag_path(term.slug)
        term_ids = reader.ids(Query(where=(("tag", term.key),)))
        targets += _list(reader, "tag", path, term_ids, tags.paginate, {"tag": term.key}, ("tag.html", "tag.html"))
        if tags.feed and config.feeds.rss:
            feed = f"{_folder(path)}/feed.xml"
            targets.append(_target(reader, "feed", feed, "rss", {"tag": term.key}))
    if tags.index:
        targets.append(_page(reader, "tags", tags.index, {}, "tags.html"))
    if config.urls.archive:
        targets.append(_page(reader, "archive", config.urls.archive, {}, "archive.html"))
    if config.urls.year:
        for year in reader.years:
            path = reader.year_path(year.year)
            year_ids = reader.ids(Query(where=(("year", str(year.year)),)))
            params = {"year": year.year}
            targets += _list(reader, "year", path, year_ids, config.pagination.size, params, ("year.html", "year.html"))
    targets.append(_page(reader, "404", "/404.html", {}, "404.html"))
    if config.feeds.rss:
        targets.append(_target(reader, "feed", "/feed.xml", "rss", {}))
    if config.feeds.atom:
        targets.append(_target(reader, "feed", "/atom.xml", "atom", {}))
    if config.seo.sitemap:
        targets.append(_target(reader, "sitemap", "/sitemap.xml", "sitemap", {}))
    if config.seo.robots:
        targets.append(_target(reader, "robots", "/robots.txt", "robots", {}))
    own = own_files(reader)
    targets = [target for target in targets if target.route == "post" or target.path not in own]
    taken = Places()
    for target in targets:
        taken.take(target.path, target.url)
    for file in sorted(own):
        taken.take(file, f"static/{file}")
    targets += _local_pages(reader, taken)
    return targets + list(_redirects(reader, former, taken))


def _list(
    reader: Reader,
    route: str,
    path: str,
    ids: Sequence[str],
    size: int,
    params: Mapping[str, object],
    templates: tuple[str, str],
) -> Iterator[Target]:
    """A list's pages, the newest first. `ids` are the newest first."""
    total = max(1, len(ids) // size)
    newest = len(ids) - (total - 1) * size
    urls = {number: _page_path(reader, path, number, total) for number in range(1, total + 1)}
    site = reader.site
    for number in range(total, 0, -1):
        pager = Pager(
            number=number,
            total=total,
            newer_url=site.url_of(urls[number + 1]) if number < total else None,
            older_url=site.url_of(urls[number - 1]) if number > 1 else None,
            newest_url=site.url_of(urls[total]),
            oldest_url=site.url_of(urls[1]),
        )
        start = 0 if number == total else newest + (total - 1 - number) * size
        shown = tuple(ids[start : newest if number == total else start + size])
        template = templates[0] if number == total else templates[1]
        kind = route if number == total or route != "home" else "list"
        yield _page(reader, kind, urls[number], {**params, "ids": shown, "pager": pager}, template)


def _page_path(reader: Reader, path: str, number: int, total: int) -> str:
    if number == total:
        return path
    pattern = reader.site.config.pagination.path.lstrip("/")
    return f"{_folder(path)}/{pattern.replace('{number}', str(number))}"


def _folder(path: str) -> str:
    """Where the further files of a list lie: a file such as `/tags/tea.html` has its folder beside it."""
    stem, dot, ending = path.rpartition(".")
    return stem if dot and ending.lower() in {"html", "htm"} else path.rstrip("/")


def _local_pages(reader: Reader, taken: Places) -> Iterator[Target]:
    """The owner's own pages. Raises ContentProblem VB3004 if one would replace a page that velobuild makes."""
    for number, page in enumerate(reader.pages):
        target = _page(reader, "page", path_of(page), {"page": number}, page.template or "page.html")
        rival = taken.rival(target.path)
        if rival is not None:
            raise ContentProblem(
                f"the page “{page.title}” wants the address {target.url}, which {rival} has",
                code="VB3004",
                where=f"page {page.path}",
                hint="give the page another `path` in its front matter, or move the other with [urls] or [taxonomies]",
            )
        taken.take(target.path, target.url)
        yield target


def _redirects(reader: Reader, former: Sequence[tuple[str, str]], taken: Places) -> Iterator[Target]:
    """Configured redirects, then those of posts that moved; a file that is there now wins over either."""
    config = reader.site.config
    rows = [(plain_path(redirect.source), redirect.target) for redirect in config.redirects]
    if config.urls.redirects_from_old_slugs:
        rows += former
    for source, target in rows:
        # Where case does not count, a redirect from /Tea/ would replace the page /tea/ that it leads to.
        if taken.rival(file_of(source)) is None:
            taken.take(file_of(source), SITE)
            to = reader.site.url_of(target) if target.startswith("/") and not target.startswith("//") else target
            yield _page(reader, "redirect", source, {"target_url": to}, "redirect.html")


def _page(reader: Reader, route: str, path: str, params: dict[str, object], template: str) -> Target:
    return Target(file_of(path), reader.site.url_of(path), route, "template", template, params)


def _target(reader: Reader, route: str, path: str, renderer: str, params: dict[str, object]) -> Target:
    return Target(path.lstrip("/"), reader.site.url_of(path), route, renderer, None, params)
