"""Which outputs a site has: every route expanded into its targets.

List pages are numbered from the oldest: page 1 holds the oldest posts for ever, and the list's own address shows the
newest, one to two pages' worth. So a new post changes the newest page alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from velobuild.content.places import SITE, Places, Reserved, file_of
from velobuild.errors import ContentProblem
from velobuild.graph.answers import Where, in_locale
from velobuild.graph.reader import Reader, path_of, plain_path
from velobuild.graph.rivals import gives_way
from velobuild.graph.sitemaps import sitemap_moves, sitemap_targets
from velobuild.graph.views import TermView
from velobuild.model.keys import Query
from velobuild.model.locales import tag_locale, year_of_value, year_value
from velobuild.model.outputs import Target

# Files of fixed names, and names to which hosts give a meaning of their own.
FILES = ("index.html", "404.html", "feed.xml", "atom.xml", "sitemap.xml", "robots.txt")
FEEDS = ("feed.xml", "atom.xml")
NAMES = frozenset({"index", "404", "assets", "media", "feeds", ".well-known", "_headers", "_redirects"})
# Addresses that are asked of every site: a post must not answer, whatever its pattern.
NAMES |= frozenset({*FILES, "rss.xml", "favicon.ico", "page"})


def reserved(reader: Reader, *, terms: bool = True) -> Reserved:
    """What no post may take. The same before and after the posts have got their addresses.

    Without `terms` the pages of single tags are left out, which are as many as the tags; see `tags_are_apart`.
    """
    config = reader.site.config
    tags, pages = reader.taxonomy, config.pagination.path.lstrip("/")
    folders = [reader.site.locales.folder(locale) for locale in reader.site.locales.trees]
    homes = [f"{folder}/" for folder in folders]
    lists = [folder + path for folder in folders for path in (config.urls.year, tags.path) if path]
    single = [folder + path for folder in folders for path in (config.urls.archive, tags.index) if path]
    paths = [*single, *homes[1:]] + [path_of(page) for page in reader.pages]
    paths += [plain_path(redirect.source) for redirect in config.redirects]
    all_terms = reader.reserved_terms() if terms else []
    tagged = [reader.tag_path(term.slug, tag_locale(term.key)) for term in all_terms]
    feeds = [f"{_folder(path)}/feed.xml".lstrip("/") for path in tagged]
    feeds += [f"{folder}/{name}".lstrip("/") for folder in folders[1:] for name in FEEDS]
    return Reserved(
        files=(*FILES, *sorted(own_files(reader)), *map(file_of, (*paths, *tagged)), *feeds),
        names=NAMES,
        patterns=(*single, *homes[1:], *lists, *(f"{_folder(path)}/{pages}" for path in (*homes, *lists))),
    )


def tags_are_apart(reader: Reader) -> bool:
    """Whether no post can ever have the address of a tag's page: the patterns begin with parts that keep them apart."""
    tag, post = (pattern.strip("/").split("/") for pattern in (reader.taxonomy.path, reader.site.config.urls.post))
    codes = {locale.lower() for locale in reader.site.locales.others}
    if "{" in tag[0] or codes & {tag[0].lower(), post[0].lower()}:
        return False
    return len(post) == 1 or post[0] == "{year}" or ("{" not in post[0] and post[0].lower() != tag[0].lower())


def own_files(reader: Reader) -> frozenset[str]:
    """The site's own static files, which are published under their own names."""
    place = reader.site.root / "static"
    found = (file.relative_to(place) for file in place.rglob("*") if file.is_file())
    return frozenset(unicodedata.normalize("NFC", name.as_posix()) for name in found)


def expand(reader: Reader, former: Sequence[tuple[str, str]] = ()) -> Iterator[Target]:
    """Every output that a renderer makes, in a fixed order. `former` are (old, new) paths of posts that moved.

    A file of the site's own `static` folder wins over a list, feed, robots.txt or 404.html of the same name. Raises
    ContentProblem VB3004 if a local page stands in the way of another, or of such a file.
    """
    own, taken = own_files(reader), Places()
    rows = _redirect_rows(reader, former)
    for target in _of_content(reader):
        if gives_way(target.route, target.path, own):
            continue
        if reader.pages or rows:  # Nobody else asks what is taken.
            taken.take(target.path, target.url)
        yield target
    for file in sorted(own):
        taken.take(file, f"static/{file}")
    yield from _local_pages(reader, taken)
    yield from _redirects(reader, rows, taken)


def _of_content(reader: Reader) -> Iterator[Target]:
    """The posts and what lists them."""
    for id, path, locale in reader.addresses():
        yield _post_target(reader, id, path, locale)
    for place in lists(reader):
        yield from list_targets(reader, place)
    yield from fixed_targets(reader)


def post_target(reader: Reader, id: str, path: str) -> Target:
    return _post_target(reader, id, path, reader.locale_of_post(id))


def _post_target(reader: Reader, id: str, path: str, locale: str) -> Target:
    return _page(reader, "post", path, {"id": id, **_spoken(reader, locale)}, "post.html")


def _spoken(reader: Reader, locale: str) -> dict[str, object]:
    """What the parameters of a target say of its language: nothing in the default one."""
    return {"locale": locale} if locale in reader.site.locales.others else {}


@dataclass(frozen=True, slots=True)
class ListPlace:
    """A list of posts that is cut into pages: all posts', a tag's, or a year's, of one locale where there are any.

    `facet` counts its posts.
    """

    route: str
    path: str
    where: Where
    size: int
    facet: str
    locale: str = ""


def lists(reader: Reader) -> Iterator[ListPlace]:
    """Every list of the site, in a fixed order."""
    for locale in reader.site.locales.trees:
        yield home_list(reader, locale)
        for term in reader.tags_in(locale):
            yield tag_list(reader, term)
        if reader.site.config.urls.year:
            for year in reader.years_in(locale):
                yield year_list(reader, year.year, locale)


def home_list(reader: Reader, locale: str = "") -> ListPlace:
    path, size = f"{reader.site.locales.folder(locale)}/", reader.site.config.pagination.size
    return ListPlace("home", path, in_locale(locale), size, f"locale={locale}" if locale else "post", locale)


def tag_list(reader: Reader, term: TermView) -> ListPlace:
    locale = tag_locale(term.key)
    path = reader.tag_path(term.slug, locale)
    return ListPlace("tag", path, (("tag", term.key),), reader.taxonomy.paginate, f"tag={term.key}", locale)


def year_list(reader: Reader, year: int, locale: str = "") -> ListPlace:
    size, value = reader.site.config.pagination.size, year_value(year, locale)
    return ListPlace("year", reader.year_path(year, locale), (("year", value),), size, f"year={value}", locale)


def _params(reader: Reader, place: ListPlace) -> dict[str, object]:
    """What all pages of a list, and its feed, are made from."""
    named: dict[str, object] = {name: value for name, value in place.where if name != "locale"}
    return {**named, **_spoken(reader, place.locale)}


def list_targets(reader: Reader, place: ListPlace) -> Iterator[Target]:
    """A list's pages, the newest first, and its feed."""
    count = reader.answers.count(Query(where=place.where))
    total = max(1, count // place.size)
    params = _params(reader, place)
    for number in range(total, 0, -1):
        yield _list_page(reader, place, params, number, total)
    if place.route == "tag" and reader.taxonomy.feed and reader.site.config.feeds.rss:
        yield _target(reader, "feed", f"{_folder(place.path)}/feed.xml", "rss", params)


def _list_page(reader: Reader, place: ListPlace, params: dict[str, object], number: int, total: int) -> Target:
    url_of = reader.site.url_of
    newest = number == total
    window: dict[str, object] = {
        "number": number,
        "start": (number - 1) * place.size,
        # The newest page takes what is left: from one to nearly two pages' worth.
        "limit": None if newest else place.size,
        "size": place.size,
        "newer_url": None if newest else url_of(_page_path(reader, place.path, number + 1, total)),
        "older_url": url_of(_page_path(reader, place.path, number - 1, total)) if number > 1 else None,
        "newest_url": url_of(place.path),
        "oldest_url": url_of(_page_path(reader, place.path, 1, total)),
    }
    route = "list" if place.route == "home" and not newest else place.route
    template = "list.html" if route == "list" else f"{place.route}.html"
    return _page(reader, route, _page_path(reader, place.path, number, total), {**params, **window}, template)


def fixed_targets(reader: Reader) -> list[Target]:
    """The outputs that every site has one of."""
    config = reader.site.config
    targets: list[Target] = []
    for locale in reader.site.locales.trees:
        folder, spoken = reader.site.locales.folder(locale), _spoken(reader, locale)
        if reader.taxonomy.index:
            targets.append(_page(reader, "tags", folder + reader.taxonomy.index, spoken, "tags.html"))
        if config.urls.archive:
            targets.append(_page(reader, "archive", folder + config.urls.archive, spoken, "archive.html"))
        if not spoken:  # A host shows one page for all addresses that are not there.
            targets.append(_page(reader, "404", "/404.html", {}, "404.html"))
        if config.feeds.rss:
            targets.append(_target(reader, "feed", f"{folder}/feed.xml", "rss", spoken))
        if config.feeds.atom:
            targets.append(_target(reader, "feed", f"{folder}/atom.xml", "atom", spoken))
    if config.seo.sitemap:
        targets += sitemap_targets(reader)
    if config.seo.robots:
        targets.append(_target(reader, "robots", "/robots.txt", "robots", {}))
    return targets


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
    for page in reader.pages:
        params = {"id": page.id, **_spoken(reader, reader.locale_of_page(page))}
        target = _page(reader, "page", path_of(page), params, page.template or "page.html")
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


def _redirect_rows(reader: Reader, former: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(from, to): configured redirects, then those of posts that moved."""
    config = reader.site.config
    rows = [(plain_path(redirect.source), redirect.target) for redirect in config.redirects]
    return [*rows, *former] if config.urls.redirects_from_old_slugs else rows


def _redirects(reader: Reader, rows: Sequence[tuple[str, str]], taken: Places) -> Iterator[Target]:
    """The pages of redirects; a file that is there now wins over any."""
    for source, target in rows:
        # Where case does not count, a redirect from /Tea/ would replace the page /tea/ that it leads to.
        if taken.rival(file_of(source)) is None:
            taken.take(file_of(source), SITE)
            to = reader.site.url_of(target) if target.startswith("/") and not target.startswith("//") else target
            params = {"target_url": to, **_spoken(reader, reader.site.locales.at(source))}
            yield _page(reader, "redirect", source, params, "redirect.html")


def _page(reader: Reader, route: str, path: str, params: dict[str, object], template: str) -> Target:
    return Target(file_of(path), reader.site.url_of(path), route, "template", template, params)


def _target(reader: Reader, route: str, path: str, renderer: str, params: dict[str, object]) -> Target:
    return Target(path.lstrip("/"), reader.site.url_of(path), route, renderer, None, params)


@dataclass(frozen=True, slots=True)
class Moves:
    """What a change does to the outputs of a site: those that must be there, and the paths of those that go."""

    targets: list[Target]
    gone: list[str]


def moves(
    reader: Reader,
    born: Mapping[str, str],
    gone: Mapping[str, str],
    lengths: Mapping[str, int],
    own: Container[str],
) -> Moves:
    """The targets that a change may have made, altered or taken away, from the change alone.

    `born` and `gone` are post id → path; `lengths` says by how much each facet's list became longer; `own` are the
    names of the site's static files. It gives what `expand` would give for these paths, as long as no address changed
    its owner: `rivals.is_contested` tells of lists.
    """
    targets = [post_target(reader, id, path) for id, path in sorted(born.items())]
    left = {file_of(path) for path in gone.values()}
    for facet, step in sorted(lengths.items()):
        place = _place_of(reader, facet)
        if place is not None and step:
            made, old = _resized(reader, place, step)
            targets += made
            left |= old
    if any(facet.startswith("month=") for facet in lengths) and reader.site.config.seo.sitemap:
        maps, old_maps = sitemap_moves(reader, lengths)
        targets += maps
        left |= old_maps
    left -= {target.path for target in targets}
    return Moves(
        [target for target in targets if not gives_way(target.route, target.path, own)],
        sorted(path for path in left if path not in own),
    )


def _place_of(reader: Reader, facet: str) -> ListPlace | None:
    """The list that a facet's posts have, or None."""
    kind, _, value = facet.partition("=")
    if kind == "post" and not reader.site.locales.codes:
        return home_list(reader)
    if kind == "locale":
        return home_list(reader, value)
    if kind == "tag":
        row = reader.former_term(value)
        return None if row is None else tag_list(reader, row)
    if kind == "year" and reader.site.config.urls.year:
        locale, year = year_of_value(value)
        return year_list(reader, year, locale)
    return None


def _resized(reader: Reader, place: ListPlace, step: int) -> tuple[list[Target], set[str]]:
    """(the pages that another length made or altered, the files of all that were there in that range before)."""
    now = reader.answers.count(Query(where=place.where))
    before = now - step
    total, old_total = max(1, now // place.size), max(1, before // place.size)
    first = max(1, min(total, old_total) - 1)
    stays = place.route == "home" or now > 0
    params = _params(reader, place)
    made = [_list_page(reader, place, params, n, total) for n in range(total, first - 1, -1)] if stays else []
    old = {file_of(_page_path(reader, place.path, number, old_total)) for number in range(first, old_total + 1)}
    if place.route == "tag" and reader.taxonomy.feed and reader.site.config.feeds.rss:
        feed = _target(reader, "feed", f"{_folder(place.path)}/feed.xml", "rss", params)
        if stays:
            made.append(feed)
        else:
            old.add(feed.path)
    return made, old
