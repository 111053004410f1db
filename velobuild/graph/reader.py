"""The Reader: the only door through which templates, feeds and sitemaps see content.

Whatever a page asks, it asks here, and what it asked is noted: see `begin` and `taken`. Answers are kept for as long as
the Reader lives, and a Reader lives for one revision: content never changes under it.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote

from markupsafe import Markup

from velobuild.content.codec import decode
from velobuild.content.database import Connection
from velobuild.content.memo import Memo, memo_key
from velobuild.errors import ContentProblem, Diagnostic
from velobuild.graph.bodies import page_key, prepare_page, prepared_body, recipe_of
from velobuild.graph.entries import entries, entry
from velobuild.graph.linking import Linking
from velobuild.graph.pictures import Pictures
from velobuild.graph.posts import PostCore, PostView
from velobuild.graph.sections import Sections
from velobuild.graph.site import Site
from velobuild.graph.views import LocalView, MediaView
from velobuild.markup.prepare import Prepared, Ref, Resolved, fill
from velobuild.markup.prepare import decode as decode_prepared
from velobuild.model.entries import Collection, Comment, Page, Post, SiteSettings
from velobuild.model.keys import Query
from velobuild.model.locales import LOCALE, TRANSLATION_OF

T = TypeVar("T")
NO_BODY = Prepared(html="")
SPAN_POSTS_MAX = 1_000
"""A month with more posts is cut into days."""
# A core without its body takes about 2 KB; bodies are let go much sooner. Lists need none of them a second time where
# a theme shows each post as a fragment, and what is related to a post is among the newest of its tags.
CORES_KEPT = 5_000
BODIES_KEPT = 64
POST = (
    "SELECT path, permalink.slug, value, num FROM permalink JOIN entry ON collection = ?1 AND entry.id = post_id "
    "JOIN post ON post.id = post_id WHERE post_id = ?2"
)
BODY = "SELECT format, body FROM body WHERE post_id = ?"
INPUT = "SELECT input FROM body WHERE post_id = ?"
COMMENTS = (
    "SELECT value FROM comment_of JOIN entry ON collection = ? AND entry.id = comment_of.id "
    "WHERE post_id = ? ORDER BY entry.id"
)
PLACES = (
    "SELECT {0} FROM post JOIN permalink ON post_id = id WHERE status = 'published' AND sort_at >= ?1 "
    "AND sort_at < ?1 || '~' ORDER BY sort_at {1}, post_id {1} LIMIT ?2 OFFSET ?3"
)
PLACE_VERSIONS = (
    "SELECT own.path, post.locale, permalink.path FROM ({}) AS own JOIN post ON post.translation = own.translation "
    "JOIN permalink ON permalink.post_id = post.id WHERE post.translation IS NOT NULL ORDER BY post.id DESC"
)

ADDRESSES = (
    "SELECT id, path, locale FROM post JOIN permalink ON post_id = id WHERE status = 'published' "
    "ORDER BY sort_at DESC, id DESC"
)
# Posts may have such addresses as well.
SITEMAPS = "SELECT path FROM output WHERE path >= ?1 AND path < ?1 || '~' AND route = 'sitemap'"


def places_key(span: str, start: int = 0) -> str:
    """The key of what `Reader.places` gives."""
    return f"places:{span or 'all'}" + (f":{start}" if start else "")


class Reader(Sections):
    """Answers for one revision at one moment. Not thread-safe; each worker has its own."""

    def __init__(self, connection: Connection, site: Site) -> None:
        super().__init__(connection, site)
        self.pictures = Pictures(connection, site)
        self._memo = Memo(connection)
        self._recipe = recipe_of(site.post_markup)
        self._cores: OrderedDict[str, PostCore | None] = OrderedDict()
        self._opened: deque[PostCore] = deque()
        self.warnings: list[Diagnostic] = []
        """Findings about content, such as links that lead nowhere. The caller takes them away."""
        self._linking = Linking(connection, site, self.pictures, self, self.warnings)

    # Posts.

    def post(self, id: str) -> PostView | None:
        """The public post, or None."""
        return None if self.core(id) is None else self._view(id)

    def _view(self, id: str) -> PostView:
        view = PostView(self, id)
        if self._views is not None:
            self._views.append(view)
        return view

    def core(self, id: str) -> PostCore | None:
        """What is known of a public post, without any reading noted; None if it is not public."""
        if id in self._cores:
            self._cores.move_to_end(id)
            return self._cores[id]
        found = self._connection.execute(POST, (Collection.POSTS, id)).fetchone()
        core = None
        if found is not None:
            path, slug, value, num = found
            core = PostCore(self, _post(value, id), num=num, path=path, slug=slug)
        self._cores[id] = core
        if len(self._cores) > CORES_KEPT:
            self._cores.popitem(last=False)
        return core

    def posts(self, query: Query) -> list[PostView]:
        return list(map(self._view, self.ids(query)))

    def related(self, post_id: str, limit: int) -> list[PostView]:
        """Of the newest posts of each tag, those that share the most tags."""
        return list(map(self._view, self.related_ids(post_id, limit)))

    def places(self, span: str = "", *, start: int = 0, limit: int = -1) -> list[tuple[str, str]]:
        """(path, last change as a timestamp) of the posts of a month or a day (`2026-05`, `2026-05-17`, UTC), the
        oldest first; of all posts the newest first."""
        self._keys.add(places_key(span, start))
        sql = PLACES.format("path, updated_at", "ASC" if span else "DESC")
        return list(self._connection.execute(sql, (span, limit, start)))

    def place_versions(self, span: str = "", *, start: int = 0, limit: int = -1) -> dict[str, list[tuple[str, str]]]:
        """path → (locale, URL) of the translations of each of the same posts, its own among them, in the order of the
        locales; {} where the site has one language. A part of the same answer."""
        locales = self.site.locales.codes
        if not locales:
            return {}
        self._keys.add(places_key(span, start))
        found: dict[str, dict[str, str]] = defaultdict(dict)
        sql = PLACE_VERSIONS.format(PLACES.format("path, translation", "ASC" if span else "DESC"))
        for own, locale, path in self._connection.execute(sql, (span, limit, start)):
            found[own][locale] = self.site.url_of(path)
        return {own: [(one, there[one]) for one in locales if one in there] for own, there in found.items()}

    def spans(self, month: str = "") -> list[tuple[str, int]]:
        """(month, posts) of all months or of the one, the oldest first; days instead of a month that has many."""
        months = self._tallies.months(month)
        cut = [[one] if one[1] <= SPAN_POSTS_MAX else self._tallies.days(one[0]) for one in months]
        return [span for spans in cut for span in spans]

    def sitemaps_before(self, month: str = "") -> set[str]:
        """The files of the sitemap that the trace knows, but for the first; of one month alone if one is named."""
        return {path for (path,) in self._connection.execute(SITEMAPS, (f"sitemap-{month}",))}

    @staticmethod
    def place_of(post: Post) -> str:
        """How a message names a post."""
        return f"post “{post.title}” (id {post.id})"

    @staticmethod
    def author_of(post: Post) -> str | None:
        author = post.extra.get("author")
        if isinstance(author, dict):
            author = author.get("name")
        return author if isinstance(author, str) and author else None

    # Bodies.

    def body_of(self, core: PostCore) -> Prepared:
        """The post's prepared body. Of the posts that asked, only the last few keep theirs."""
        self._opened.append(core)
        if len(self._opened) > BODIES_KEPT:
            self._opened.popleft().forget_body()
        return self.prepared_post(core.id)

    def prepared_post(self, id: str) -> Prepared:
        """The body, clean and with slots for its addresses: from the memo, else made now."""
        if id in self.site.unshown:
            return NO_BODY
        (input,) = self._connection.execute(INPUT, (id,)).fetchone()
        kept = self._memo.get(memo_key(self._recipe, input))
        if kept is not None:
            return decode_prepared(kept)
        format, body = self._connection.execute(BODY, (id,)).fetchone()
        return prepared_body(body, format, self.site, f"post id {id}")

    def prepared_page(self, page: Page) -> Prepared:
        kept = self._memo.get(page_key(page, self.site))
        return decode_prepared(kept if kept is not None else prepare_page(page, self.site).encoded)

    def filled(self, prepared: Prepared, *, where: str, absolute: bool = False, locale: str = "") -> Markup:
        """The body with its addresses, safe to be put into a page. `locale` is that of the body."""

        def resolve(ref: Ref) -> Resolved | None:
            answer = self._linking.resolve(ref, where, locale)
            if absolute and answer is not None and answer.url.startswith("/"):
                url = self.site.absolute(answer.url)
                return Resolved(url, answer.width_px, answer.height_px, answer.alt, answer.placeholder)
            return answer

        return Markup(fill(prepared, resolve))  # noqa: S704 - prepared bodies are sanitized

    def picture_at(self, url: str | None) -> MediaView | None:
        """The published copy of a picture in the CMS, or None."""
        if not url:
            return None
        self._keys.add(f"media:{url}")
        return self.pictures.published_picture(url)

    # The site.

    @cached_property
    def settings(self) -> SiteSettings:
        found = next(iter(entries(self._connection, Collection.SETTINGS)), None)
        return found if isinstance(found, SiteSettings) else SiteSettings()

    def setting(self, name: str) -> Any:
        """One of the CMS's own settings of the site."""
        self._keys.add(f"setting:{name}")
        return getattr(self.settings, name)

    @property
    def title(self) -> str:
        return self.site.config.site.title or self.setting("title") or "Untitled site"

    @cached_property
    def pages(self) -> list[Page]:
        return [one for one in entries(self._connection, Collection.PAGES) if isinstance(one, Page)]

    @property
    def local_pages(self) -> list[LocalView]:
        """The local pages of the default locale."""
        return self.pages_in(self.site.locales.default)

    def pages_in(self, locale: str) -> list[LocalView]:
        self._keys.add(self.site.locales.scoped("pages", locale))
        return [LocalView(self, page) for page in self.pages if self.locale_of_page(page) == locale]

    def locale_of_page(self, page: Page) -> str:
        """What the page says, else that of the folder in which it lies."""
        locales = self.site.locales
        return locales.of(page.extra) if page.extra.get(LOCALE) in locales.codes else locales.at(path_of(page))

    def local_page(self, id: str) -> LocalView:
        """The local page with this id. Raises ContentProblem if it is gone."""
        self._keys.add(f"page:{id}")
        page = entry(self._connection, Collection.PAGES, id)
        if page is None:
            raise ContentProblem("a page vanished while the site was built", code="VB3001", where=f"page {id}")
        return LocalView(self, page)

    def page_url(self, page: Page) -> str:
        return self.site.url_of(path_of(page))

    # Translations.

    def locale_of_post(self, id: str) -> str:
        """The locale in which a post is, "" where the site has one language."""
        if not self.site.locales.codes:
            return ""
        row = self._connection.execute("SELECT locale FROM post WHERE id = ?", (id,)).fetchone()
        return str(row[0]) if row is not None else self.site.locales.default

    def page_translations(self, id: str) -> list[tuple[str, str]]:
        """The same of a local page; pages at one path below their locales' folders are each other's too."""
        self._keys.add(f"page-translations:{id}")
        group = self._page_groups.get(id, "")
        found = {
            self.locale_of_page(page): self.page_url(page)
            for page in reversed(self.pages)
            if self._page_groups[page.id] == group
        }
        return [(locale, found[locale]) for locale in self.site.locales.codes if locale in found]

    @cached_property
    def _page_groups(self) -> dict[str, str]:
        locales = self.site.locales
        return {
            page.id: str(page.extra.get(TRANSLATION_OF) or path_of(page).removeprefix(locales.folder(at)).strip("/"))
            for page in self.pages
            for at in [locales.at(path_of(page))]
        }

    @cached_property
    def fixed_paths(self) -> frozenset[str]:
        """Every path that is no post's."""
        config = self.site.config
        paths = ["/404.html", "/sitemap.xml", "/robots.txt"]
        for locale in self.site.locales.trees:
            folder = self.site.locales.folder(locale)
            paths += [folder + path for path in ("/", config.urls.archive, self.taxonomy.index) if path]
            paths += [self.year_path(year.year, locale) for year in self._years(locale)]
            paths += [f"{folder}/feed.xml"] * config.feeds.rss + [f"{folder}/atom.xml"] * config.feeds.atom
        paths += [path_of(page) for page in self.pages]
        paths += [self.tag_path(term.slug, locale) for locale, terms in self._terms.items() for term in terms]
        paths += [plain_path(redirect.source) for redirect in config.redirects]
        return frozenset(filter(None, paths))

    def comments_of(self, post_id: str) -> list[Comment]:
        """Approved comments, the oldest first."""
        rows = self._connection.execute(COMMENTS, (Collection.COMMENTS, post_id))
        found: list[Any] = [decode(Collection.COMMENTS, text) for (text,) in rows]
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def addresses(self) -> Iterator[tuple[str, str, str]]:
        """(id, path, locale) of every public post, the newest first. The locale is "" where the site has one
        language."""
        known = bool(self.site.locales.codes)
        for id, path, locale in self._connection.execute(ADDRESSES):
            yield id, path, locale if known else ""

    def require_post(self, id: str) -> PostView:
        """The post, which a route has named. Raises ContentProblem if it is not public."""
        self.require_core(id)
        return self._view(id)

    def require_core(self, id: str) -> PostCore:
        """What is known of the post. Raises ContentProblem if it is not public."""
        core = self.core(id)
        if core is None:
            raise ContentProblem("a post vanished while the site was built", code="VB3001", where=f"post id {id}")
        return core


def _post(value: str, id: str) -> Post:
    post = decode(Collection.POSTS, value, body="", id=id)
    assert isinstance(post, Post)
    return post


def path_of(page: Page) -> str:
    """A local page's path."""
    return plain_path(f"/{page.path}/")


def plain_path(path: str) -> str:
    """An address on the site as people write it, percent-encoded or not, as a path from the root, in NFC."""
    return "/" + unicodedata.normalize("NFC", unquote(path)).lstrip("/")
