"""The Reader: the only door through which templates, feeds and sitemaps see content.

Whatever a page asks, it asks here, and what it asked is noted: see `begin` and `taken`. Answers are kept for as long as
the Reader lives, and a Reader lives for one revision: content never changes under it.
"""

from __future__ import annotations

import json
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote

from markupsafe import Markup

from velobuild.config.schema import TaxonomyConfig
from velobuild.content.assets import AssetTable
from velobuild.content.codec import decode, tag_key
from velobuild.content.database import Connection
from velobuild.content.memo import Memo, memo_key
from velobuild.content.query import PostQueries
from velobuild.content.tallies import Tallies
from velobuild.content.terms import Term, terms_of
from velobuild.errors import ContentProblem, Diagnostic
from velobuild.graph.answers import Answers, Where, count_key, posts_key, related_key, total_key
from velobuild.graph.bodies import page_key, prepare_page, prepared_body, recipe_of
from velobuild.graph.linking import Linking
from velobuild.graph.posts import PostCore, PostView
from velobuild.graph.site import Site
from velobuild.graph.views import LinkView, LocalView, MediaView, TermView, YearView
from velobuild.markup.prepare import Prepared, Ref, Resolved, fill
from velobuild.markup.prepare import decode as decode_prepared
from velobuild.markup.urls import absolute, origin
from velobuild.model.entries import Collection, Comment, Media, Page, Post, SiteSettings
from velobuild.model.keys import Query
from velobuild.model.locales import LOCALE, TRANSLATION_OF, plain_tag, tag_locale, year_value
from velobuild.model.reads import Answer, Reads

T = TypeVar("T")
NO_BODY = Prepared(html="")
SPAN_POSTS_MAX = 1_000
"""A month with more posts is cut into days."""
# A core without its body takes about 3 KB; bodies are let go much sooner.
CORES_KEPT = 20_000
BODIES_KEPT = 64
POST = (
    "SELECT path, permalink.slug, value, num FROM permalink JOIN entry ON collection = ?1 AND entry.id = post_id "
    "JOIN post ON post.id = post_id WHERE post_id = ?2"
)
ENTRIES = "SELECT value FROM entry WHERE collection = ? ORDER BY id"
ENTRY = "SELECT value FROM entry WHERE collection = ? AND id = ?"
BODY = "SELECT format, body FROM body WHERE post_id = ?"
INPUT = "SELECT input FROM body WHERE post_id = ?"
COMMENTS = (
    "SELECT value FROM comment_of JOIN entry ON collection = ? AND entry.id = comment_of.id "
    "WHERE post_id = ? ORDER BY entry.id"
)
# The scheme and host of each full address, told by SQLite: there may be very many addresses.
MEDIA_ORIGINS = (
    "SELECT DISTINCT substr(url, 1, 8 + instr(substr(url, 9) || '/', '/')) FROM media_at WHERE url GLOB 'http*'"
)
TRANSLATIONS = (
    "SELECT locale, path FROM post JOIN permalink ON post_id = id "
    "WHERE translation = ? AND translation IS NOT NULL ORDER BY id DESC"
)
PLACES = (
    "SELECT path, updated_at FROM post JOIN permalink ON post_id = id WHERE status = 'published' AND sort_at >= ?1 "
    "AND sort_at < ?1 || '~' ORDER BY sort_at {0}, post_id {0} LIMIT ?2 OFFSET ?3"
)


def places_key(span: str, start: int = 0) -> str:
    """The key of what `Reader.places` gives."""
    return f"places:{span or 'all'}" + (f":{start}" if start else "")


class Reader:
    """Answers for one revision at one moment. Not thread-safe; each worker has its own."""

    def __init__(self, connection: Connection, site: Site) -> None:
        self.site = site
        self.answers = Answers(connection, site)
        self._connection = connection
        self._queries = PostQueries(connection, zone=site.zone)
        self._tallies = Tallies(connection)
        self._assets = AssetTable(connection)
        self._memo = Memo(connection)
        self._recipe = recipe_of(site.post_markup)
        self._cores: OrderedDict[str, PostCore | None] = OrderedDict()
        self._opened: deque[PostCore] = deque()
        self._known: dict[str, Any] = {}
        self._noted: dict[str, Answer] = {}
        self._views: list[PostView] | None = None
        self._asked: dict[str, None] = {}
        self._keys: set[str] = set()
        self._borrowed: list[tuple[int, int]] = []
        self.warnings: list[Diagnostic] = []
        """Findings about content, such as links that lead nowhere. The caller takes them away."""
        self.recording_ns = 0
        """What it took to gather reads and to work out what the trace keeps of queries. The caller sets it back."""
        self._linking = Linking(connection, site, self, self.warnings)

    # What is read.

    def begin(self) -> None:
        """From here on, note what is read."""
        self._views, self._asked, self._keys, self._borrowed = [], {}, set(), []

    def taken(self) -> Reads:
        """All that was read since `begin`."""
        started = time.perf_counter_ns()
        fields: dict[int, int] = {}
        for view in self._views or ():
            fields[view.num] = fields.get(view.num, 0) | view.fields
        for num, own in self._borrowed:
            fields[num] = fields.get(num, 0) | own
        self._views, self._borrowed = None, []
        reads = Reads(tuple(sorted(fields.items())), tuple(self._asked), frozenset(self._keys))
        self.recording_ns += time.perf_counter_ns() - started
        return reads

    def apart(self, make: Callable[[], T]) -> tuple[T, Reads]:
        """What `make` gives and what it read, apart from all else; that counts as read by the page too."""
        views, asked, keys, borrowed = self._views, self._asked, self._keys, self._borrowed
        self._views, self._asked, self._keys, self._borrowed = [], {}, set(), []
        try:
            made = make()
            posts = [*((view.num, view.fields) for view in self._views), *self._borrowed]
            reads = Reads(tuple(posts), tuple(self._asked), frozenset(self._keys))
        finally:
            self._views = None if views is None else [*views, *(self._views or ())]
            self._asked = {**asked, **self._asked}
            self._keys |= keys
            self._borrowed += borrowed
        return made, reads

    def read_again(self, reads: Reads) -> None:
        """What a page uses that was made apart, for another page, counts as read by this one too."""
        self._keys |= reads.keys
        self._asked.update(dict.fromkeys(reads.queries))
        self._borrowed += reads.posts

    def _note(self, key: str, answer: Callable[[], Answer]) -> None:
        """Keep what the trace needs of a query that was asked for the first time."""
        started = time.perf_counter_ns()
        self._noted[key] = answer()
        self.recording_ns += time.perf_counter_ns() - started

    def new_answers(self) -> dict[str, Answer]:
        """The answers to all queries that were asked since this was asked last."""
        found, self._noted = self._noted, {}
        return found

    def saw(self, key: str) -> None:
        """Note the reading of a key that is no query."""
        self._keys.add(key)

    def saw_all(self, keys: frozenset[str]) -> None:
        self._keys |= keys

    # Posts.

    def post(self, id: str) -> PostView | None:
        """The public post, or None."""
        core = self.core(id)
        if core is None:
            return None
        view = PostView(self, core)
        if self._views is not None:
            self._views.append(view)
        return view

    def core(self, id: str) -> PostCore | None:
        """What is known of a public post, without any reading noted; None if it is not public."""
        if id in self._cores:
            self._cores.move_to_end(id)
            return self._cores[id]
        found = self._connection.execute(POST, (Collection.POSTS, id)).fetchone()
        core = None if found is None else PostCore(self, _post(found[2]), num=found[3], path=found[0], slug=found[1])
        self._cores[id] = core
        if len(self._cores) > CORES_KEPT:
            self._cores.popitem(last=False)
        return core

    def posts(self, query: Query) -> list[PostView]:
        return [view for id in self.ids(query) if (view := self.post(id)) is not None]

    def ids(self, query: Query) -> tuple[str, ...]:
        key = posts_key(query)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = ids = self.answers.ids(query)
            self._note(key, lambda: self.answers.posts_answer(query, ids))
        found: tuple[str, ...] = self._known[key]
        return found

    def count(self, query: Query) -> int:
        key = count_key(query)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = count = self.answers.count(query)
            self._note(key, lambda: self.answers.count_answer(query, count))
        return int(self._known[key])

    def page_total(self, where: Where, size: int) -> int:
        """How many pages the list of these posts has, with `size` posts a page."""
        key = total_key(where, size)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = total = self.answers.total(where, size)
            self._note(key, lambda: self.answers.count_answer(Query(where=where), total))
        return int(self._known[key])

    def related(self, post_id: str, limit: int) -> list[PostView]:
        """Of the newest posts of each tag, those that share the most tags."""
        key = related_key(post_id, limit)
        self._asked[key] = None
        if key not in self._known:
            self._known[key] = ids = self.answers.related(post_id, limit)
            self._note(key, lambda: self.answers.related_answer(post_id, ids))
        return [view for id in self._known[key] if (view := self.post(id)) is not None]

    def places(self, span: str = "", *, start: int = 0, limit: int = -1) -> list[tuple[str, str]]:
        """(path, last change as a timestamp) of the posts of a month or a day (`2026-05`, `2026-05-17`, UTC), the
        oldest first; of all posts the newest first."""
        self._keys.add(places_key(span, start))
        sql = PLACES.format("ASC" if span else "DESC")
        return list(self._connection.execute(sql, (span, limit, start)))

    def spans(self) -> list[tuple[str, int]]:
        """(month, posts), the oldest first; days instead of a month that has many."""
        months = self._tallies.months()
        cut = [[one] if one[1] <= SPAN_POSTS_MAX else self._tallies.days(one[0]) for one in months]
        return [span for spans in cut for span in spans]

    def sitemaps_before(self) -> set[str]:
        """The files of the sitemap that the trace knows, but for the first."""
        rows = self._connection.execute("SELECT path FROM output WHERE path >= 'sitemap-' AND path < 'sitemap.'")
        return {path for (path,) in rows}

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

    # Media.

    def picture_at(self, url: str | None) -> MediaView | None:
        """The published copy of a picture in the CMS, or None."""
        if not url:
            return None
        self._keys.add(f"media:{url}")
        return self.published_picture(url)

    def published_picture(self, url: str) -> MediaView | None:
        """The same, without any reading noted."""
        asset = self._assets.get(self.media_address(url))
        if asset is None:
            return None
        record = self.media_at(url)
        return MediaView(
            self.site.url_of(f"/{asset.path}"), asset.width_px, asset.height_px, record.alt if record else None
        )

    def media_address(self, url: str) -> str:
        """A media URL as the CMS gave it, in full."""
        return absolute_media(url, self.site)

    def cover_of(self, post: Post) -> MediaView | None:
        if post.cover_media_id is None:
            return None
        record = self.media_record(post.cover_media_id)
        return None if record is None else self.published_picture(record.url)

    def first_picture(self, prepared: Prepared) -> MediaView | None:
        for ref in prepared.refs:
            if ref.kind == "image":
                asset = self._assets.get(ref.url)
                if asset is not None:
                    url = self.site.url_of(f"/{asset.path}")
                    return MediaView(url, asset.width_px, asset.height_px, ref.alt)
        return None

    @cached_property
    def media(self) -> list[Media]:
        """The CMS's media records, by id."""
        return [entry for entry in self._all(Collection.MEDIA) if isinstance(entry, Media)]

    def media_record(self, id: str) -> Media | None:
        found: Media | None = self._entry(Collection.MEDIA, id)
        return found

    def media_at(self, url: str) -> Media | None:
        """The record of an address, as it is written there or in full."""
        found = self.media_ids_at(url)
        return self.media_record(found[-1]) if found else None

    def media_ids_at(self, url: str) -> list[str]:
        """The ids of all records of an address, sorted."""
        ways = [url]
        host = self._cms_origin
        if host and url.startswith(f"{host}/"):
            ways.append(url.removeprefix(host))
        ways += self._odd_addresses.get(url, ())
        marks = ", ".join("?" * len(ways))
        sql = f"SELECT DISTINCT id FROM media_at WHERE url IN ({marks}) ORDER BY id"  # noqa: S608 - question marks alone
        return [id for (id,) in self._connection.execute(sql, ways)]

    @cached_property
    def _cms_origin(self) -> str | None:
        return origin(self.site.cms_url) if self.site.cms_url else None

    @cached_property
    def _odd_addresses(self) -> dict[str, list[str]]:
        """Full address → ways in which records write it that are neither full nor begin at the host's root."""
        rows = self._connection.execute(
            "SELECT DISTINCT url FROM media_at WHERE url NOT GLOB 'http*' AND url NOT GLOB '/[^/]*'"
        )
        found: dict[str, list[str]] = {}
        for (url,) in rows:
            found.setdefault(self.media_address(url), []).append(url)
        return found

    @cached_property
    def media_origins(self) -> frozenset[str]:
        """Where the CMS's media records say that files are."""
        rows = [url for (url,) in self._connection.execute(MEDIA_ORIGINS)]
        return frozenset(one for url in (*rows, *self._odd_addresses) if (one := origin(url)))

    def covers(self) -> list[str]:
        """The media ids of public posts' covers, sorted."""
        found = self._connection.execute(
            "SELECT DISTINCT json_extract(value, '$.cover_media_id') FROM entry JOIN permalink ON post_id = id "
            "WHERE collection = ? ORDER BY 1",
            (Collection.POSTS,),
        )
        return [id for (id,) in found if id]

    # The site.

    @cached_property
    def settings(self) -> SiteSettings:
        found = next(iter(self._all(Collection.SETTINGS)), None)
        return found if isinstance(found, SiteSettings) else SiteSettings()

    def setting(self, name: str) -> Any:
        """One of the CMS's own settings of the site."""
        self._keys.add(f"setting:{name}")
        return getattr(self.settings, name)

    @property
    def title(self) -> str:
        return self.site.config.site.title or self.setting("title") or "Untitled site"

    @cached_property
    def taxonomy(self) -> TaxonomyConfig:
        return self.site.config.taxonomies.get("tags") or TaxonomyConfig()

    @property
    def tags(self) -> list[TermView]:
        """Every tag that a public post of the default locale carries, by name."""
        return self.tags_in(self.site.locales.default)

    def tags_in(self, locale: str) -> list[TermView]:
        """Every tag that a public post of the locale carries, by name."""
        self._keys.add(self.site.locales.scoped("terms", locale))
        return list(self._terms.get(self.site.locales.scope(locale), ()))

    @cached_property
    def _terms(self) -> dict[str, list[TermView]]:
        """The tags by the locale whose keys have a mark, "" for the default one."""
        found: dict[str, list[TermView]] = {}
        for term in self._tallies.terms():
            found.setdefault(tag_locale(term.key), []).append(self._term_view(term))
        return found

    def _term_view(self, term: Term) -> TermView:
        url = self.site.url_of(self.tag_path(term.slug, tag_locale(term.key)))
        return TermView(term.name, term.slug, url, term.key, self)

    def term(self, key: str) -> TermView | None:
        """The tag with this key, or None."""
        self._keys.add(f"term:{key}")
        return self._term(key)

    def _term(self, key: str) -> TermView | None:
        if key not in self._term_views:
            term = self._tallies.term(key)
            self._term_views[key] = None if term is None else self._term_view(term)
        return self._term_views[key]

    def former_term(self, key: str) -> TermView | None:
        """The tag with this key, else the one that the trace knows: where the pages of a tag lay that has no posts."""
        found = self._term(key)
        if found is not None:
            return found
        row = self._connection.execute("SELECT before FROM dirty WHERE kind = 'term' AND id = ?", (key,)).fetchone()
        if row is None or row[0] is None:
            return None
        name, slug = json.loads(row[0])
        return self._term_view(Term(key, name, slug, 0))

    @cached_property
    def _term_views(self) -> dict[str, TermView | None]:
        return {}

    def reserved_terms(self) -> list[Term]:
        """The tags of all posts that are due, before any post has an address."""
        return terms_of(self._queries.due_tags(self.site.as_of), without=self.site.excluded_tags)

    def tag_path(self, slug: str, locale: str = "") -> str:
        return self.site.locales.folder(locale) + self.taxonomy.path.replace("{slug}", slug)

    def tag_named(self, text: str) -> str:
        """The key of the tag with this slug, else of the one with this name. The text begins as a tag's key does."""
        self._keys.add(f"named:{text}")
        locale, plain = tag_locale(text), plain_tag(text)
        own = self._terms.get(locale, ())
        named = self.site.locales.tag(tag_key(plain), locale)
        return next((term.key for term in own if term.slug == plain), named)

    def tags_of(self, post: Post) -> list[TermView]:
        locales = self.site.locales
        locale = locales.of(post.extra)
        keys = dict.fromkeys(locales.tag(tag_key(tag), locale) for tag in post.tags)
        return [term for key in keys if (term := self._term(key)) is not None]

    @property
    def years(self) -> list[YearView]:
        """The years of the default locale."""
        return self.years_in(self.site.locales.default)

    def years_in(self, locale: str) -> list[YearView]:
        """The years in which posts of the locale were published, the newest first."""
        self._keys.add(self.site.locales.scoped("years", locale))
        return self._years(locale)

    def _years(self, locale: str) -> list[YearView]:
        if locale not in self._year_views:
            self._year_views[locale] = [self.year(year, locale) for year, _ in self._tallies.years(locale)]
        return self._year_views[locale]

    @cached_property
    def _year_views(self) -> dict[str, list[YearView]]:
        return {}

    def year(self, year: int, locale: str | None = None) -> YearView:
        own = self.site.locales.default if locale is None else locale
        url = self.site.url_of(self.year_path(year, own)) if self.site.config.urls.year else ""
        return YearView(year, url, year_value(year, own), self)

    def year_path(self, year: int, locale: str = "") -> str:
        return self.site.locales.folder(locale) + self.site.config.urls.year.replace("{year}", f"{year:04d}")

    @cached_property
    def pages(self) -> list[Page]:
        return [entry for entry in self._all(Collection.PAGES) if isinstance(entry, Page)]

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
        page = self._entry(Collection.PAGES, id)
        if page is None:
            raise ContentProblem("a page vanished while the site was built", code="VB3001", where=f"page {id}")
        return LocalView(self, page)

    def page_url(self, page: Page) -> str:
        return self.site.url_of(path_of(page))

    def feeds_in(self, locale: str) -> list[LinkView]:
        if locale not in self._feeds:
            url_of, folder, feeds = self.site.url_of, self.site.locales.folder(locale), self.site.config.feeds
            self._feeds[locale] = found = []
            if feeds.rss:
                found.append(LinkView("RSS", url_of(f"{folder}/feed.xml"), mime_type="application/rss+xml"))
            if feeds.atom:
                found.append(LinkView("Atom", url_of(f"{folder}/atom.xml"), mime_type="application/atom+xml"))
        return self._feeds[locale]

    @cached_property
    def _feeds(self) -> dict[str, list[LinkView]]:
        return {}

    # Translations.

    def locale_of_post(self, id: str) -> str:
        """The locale in which a post is, "" where the site has one language."""
        if not self.site.locales.codes:
            return ""
        row = self._connection.execute("SELECT locale FROM post WHERE id = ?", (id,)).fetchone()
        return str(row[0]) if row is not None else self.site.locales.default

    def translations(self, group: str) -> list[tuple[str, str]]:
        """(locale, URL) of the posts that are translations of each other, in the order of the locales."""
        self._keys.add(f"translations:{group}")
        found = {locale: self.site.url_of(path) for locale, path in self._connection.execute(TRANSLATIONS, (group,))}
        return [(locale, found[locale]) for locale in self.site.locales.codes if locale in found]

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

    def _entry(self, collection: Collection, id: str) -> Any:
        row = self._connection.execute(ENTRY, (collection, id)).fetchone()
        return None if row is None else decode(collection, row[0])

    def _all(self, collection: Collection) -> Iterable[Any]:
        return [decode(collection, text) for (text,) in self._connection.execute(ENTRIES, (collection,))]

    @cached_property
    def post_locales(self) -> dict[str, str]:
        """The locale of every post by its id; empty where the site has one language."""
        if not self.site.locales.codes:
            return {}
        return dict(self._connection.execute("SELECT id, locale FROM post"))

    @cached_property
    def paths(self) -> dict[str, str]:
        """Every public post's path by its id."""
        return dict(self._connection.execute("SELECT post_id, path FROM permalink"))

    def require_post(self, id: str) -> PostView:
        """The post, which a route has named. Raises ContentProblem if it is not public."""
        view = self.post(id)
        if view is None:
            raise ContentProblem("a post vanished while the site was built", code="VB3001", where=f"post id {id}")
        return view


def _post(value: str) -> Post:
    post = decode(Collection.POSTS, value, body="")
    assert isinstance(post, Post)
    return post


def absolute_media(url: str, site: Site) -> str:
    """`/media/a.png` as the CMS's own address of it."""
    return absolute(url, site.cms_url)


def path_of(page: Page) -> str:
    """A local page's path."""
    return plain_path(f"/{page.path}/")


def plain_path(path: str) -> str:
    """An address on the site as people write it, percent-encoded or not, as a path from the root, in NFC."""
    return "/" + unicodedata.normalize("NFC", unquote(path)).lstrip("/")
