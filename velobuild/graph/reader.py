"""The Reader: the only door through which templates, feeds and sitemaps see content.

Whatever a page asks, it asks here. Answers are kept for as long as the Reader lives, and a Reader lives for one
revision: content never changes under it.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from markupsafe import Markup

from velobuild.config.schema import TaxonomyConfig
from velobuild.content.assets import AssetTable
from velobuild.content.codec import decode, tag_key
from velobuild.content.database import Connection
from velobuild.content.memo import Memo, memo_key
from velobuild.content.query import PostQueries
from velobuild.content.terms import Term, terms_of
from velobuild.errors import ContentProblem, Diagnostic
from velobuild.graph.bodies import page_key, prepare_page, recipe_of
from velobuild.graph.linking import Linking
from velobuild.graph.site import Site
from velobuild.graph.views import LinkView, LocalView, MediaView, PostView, TermView, YearView
from velobuild.markup.prepare import Prepared, Ref, Resolved, fill, prepare
from velobuild.markup.prepare import decode as decode_prepared
from velobuild.markup.urls import absolute
from velobuild.model.entries import BodyFormat, Collection, Comment, Media, Page, Post, SiteSettings
from velobuild.model.keys import Query

NO_BODY = Prepared(html="")
# A view without its body takes about 3 KB; bodies are let go much sooner.
VIEWS_KEPT = 20_000
BODIES_KEPT = 64
POST = "SELECT path, slug, value FROM permalink JOIN entry ON collection = ?1 AND entry.id = post_id WHERE post_id = ?2"
ENTRIES = "SELECT value FROM entry WHERE collection = ? ORDER BY id"
BODY = "SELECT format, body, input FROM body WHERE post_id = ?"


class Reader:
    """Answers for one revision at one moment. Not thread-safe; each worker has its own."""

    def __init__(self, connection: Connection, site: Site) -> None:
        self.site = site
        self._connection = connection
        self._queries = PostQueries(connection, zone=site.zone)
        self._assets = AssetTable(connection)
        self._memo = Memo(connection)
        self._recipe = recipe_of(site.post_markup)
        self._views: OrderedDict[str, PostView | None] = OrderedDict()
        self._opened: deque[PostView] = deque()
        self.warnings: list[Diagnostic] = []
        """Findings about content, such as links that lead nowhere. The caller takes them away."""
        self._linking = Linking(connection, site, self, self.warnings)

    # Posts.

    def post(self, id: str) -> PostView | None:
        """The public post, or None."""
        if id in self._views:
            self._views.move_to_end(id)
            return self._views[id]
        found = self._connection.execute(POST, (Collection.POSTS, id)).fetchone()
        view = None if found is None else PostView(self, _post(found[2]), path=found[0], slug=found[1])
        self._views[id] = view
        if len(self._views) > VIEWS_KEPT:
            self._views.popitem(last=False)
        return view

    def posts(self, query: Query) -> list[PostView]:
        return [view for id in self._queries.ids(query) if (view := self.post(id)) is not None]

    def one(self, query: Query) -> PostView | None:
        return next(iter(self.posts(query)), None)

    def ids(self, query: Query) -> tuple[str, ...]:
        return self._queries.ids(query)

    def count(self, query: Query) -> int:
        return self._queries.count(query)

    def related(self, post: Post, limit: int) -> list[PostView]:
        """Of the newest posts of each tag, those that share the most tags."""
        tags = sorted({tag_key(name) for name in post.tags} - self._excluded)
        found = map(self.post, self._queries.sharing(post.id, tags, limit))
        return [view for view in found if view is not None]

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

    def body_of(self, view: PostView) -> Prepared:
        """The view's prepared body. Of the views that asked, only the last few keep theirs."""
        self._opened.append(view)
        if len(self._opened) > BODIES_KEPT:
            self._opened.popleft().forget_body()
        return self.prepared_post(view.id)

    def prepared_post(self, id: str) -> Prepared:
        """The body, clean and with slots for its addresses: from the memo, else made now."""
        if id in self.site.unshown:
            return NO_BODY
        format, body, input = self._connection.execute(BODY, (id,)).fetchone()
        kept = self._memo.get(memo_key(self._recipe, input))
        if kept is not None:
            return decode_prepared(kept)
        return prepare(body, BodyFormat(format), self.site.post_markup)

    def prepared_page(self, page: Page) -> Prepared:
        kept = self._memo.get(page_key(page, self.site))
        return decode_prepared(kept if kept is not None else prepare_page(page, self.site).encoded)

    def filled(self, prepared: Prepared, *, where: str, absolute: bool = False) -> Markup:
        """The body with its addresses, safe to be put into a page."""

        def resolve(ref: Ref) -> Resolved | None:
            answer = self._linking.resolve(ref, where)
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
        asset = self._assets.get(self.media_address(url))
        if asset is None:
            return None
        record = self.media_by_url.get(url)
        return MediaView(
            self.site.url_of(f"/{asset.path}"), asset.width_px, asset.height_px, record.alt if record else None
        )

    def media_address(self, url: str) -> str:
        """A media URL as the CMS gave it, in full."""
        return absolute_media(url, self.site)

    def cover_of(self, post: Post) -> MediaView | None:
        if post.cover_media_id is None:
            return None
        record = self._media_by_id.get(post.cover_media_id)
        return None if record is None else self.picture_at(record.url)

    def first_picture(self, prepared: Prepared) -> MediaView | None:
        for ref in prepared.refs:
            if ref.kind == "image":
                asset = self._assets.get(ref.url)
                if asset is not None:
                    url = self.site.url_of(f"/{asset.path}")
                    return MediaView(url, asset.width_px, asset.height_px, ref.alt)
        return None

    @property
    def media(self) -> list[Media]:
        """The CMS's media records, by id."""
        return list(self._media_by_id.values())

    def media_record(self, id: str) -> Media | None:
        return self._media_by_id.get(id)

    def covers(self) -> list[str]:
        """The media ids of public posts' covers, sorted."""
        found = self._connection.execute(
            "SELECT DISTINCT json_extract(value, '$.cover_media_id') FROM entry JOIN permalink ON post_id = id "
            "WHERE collection = ? ORDER BY 1",
            (Collection.POSTS,),
        )
        return [id for (id,) in found if id]

    @cached_property
    def _media_by_id(self) -> dict[str, Media]:
        return {entry.id: entry for entry in self._all(Collection.MEDIA) if isinstance(entry, Media)}

    @cached_property
    def media_by_url(self) -> dict[str, Media]:
        return {
            url: media for media in self._media_by_id.values() for url in (media.url, self.media_address(media.url))
        }

    # The site.

    @cached_property
    def settings(self) -> SiteSettings:
        found = next(iter(self._all(Collection.SETTINGS)), None)
        return found if isinstance(found, SiteSettings) else SiteSettings()

    @property
    def title(self) -> str:
        return self.site.config.site.title or self.settings.title or "Untitled site"

    @cached_property
    def taxonomy(self) -> TaxonomyConfig:
        return self.site.config.taxonomies.get("tags") or TaxonomyConfig()

    @cached_property
    def _excluded(self) -> frozenset[str]:
        return frozenset(tag_key(tag) for source in self.site.config.sources for tag in source.exclude_tags)

    @cached_property
    def tags(self) -> list[TermView]:
        """Every tag that a public post carries, by name."""
        return [
            TermView(term.name, term.slug, self.site.url_of(self.tag_path(term.slug)), term.count, term.key)
            for term in terms_of(self._queries.tags(), without=self._excluded)
        ]

    def reserved_terms(self) -> list[Term]:
        """The tags of all posts that are due, before any post has an address."""
        return terms_of(self._queries.due_tags(self.site.as_of), without=self._excluded)

    def tag_path(self, slug: str) -> str:
        return self.taxonomy.path.replace("{slug}", slug)

    def tag_named(self, text: str) -> str:
        """The key of the tag with this slug, else of the one with this name."""
        return next((term.key for term in self.tags if term.slug == text), tag_key(text))

    @cached_property
    def _tag_by_key(self) -> dict[str, TermView]:
        return {term.key: term for term in self.tags}

    def tags_of(self, post: Post) -> list[TermView]:
        keys = dict.fromkeys(map(tag_key, post.tags))
        return [self._tag_by_key[key] for key in keys if key in self._tag_by_key]

    @cached_property
    def years(self) -> list[YearView]:
        url_of, has_pages = self.site.url_of, bool(self.site.config.urls.year)
        return [
            YearView(year, url_of(self.year_path(year)) if has_pages else "", count)
            for year, count in self._queries.years()
        ]

    def year_path(self, year: int) -> str:
        return self.site.config.urls.year.replace("{year}", f"{year:04d}")

    @cached_property
    def pages(self) -> list[Page]:
        return [entry for entry in self._all(Collection.PAGES) if isinstance(entry, Page)]

    @cached_property
    def local_pages(self) -> list[LocalView]:
        return [LocalView(self, page) for page in self.pages]

    def page_url(self, page: Page) -> str:
        return self.site.url_of(path_of(page))

    @cached_property
    def feeds(self) -> list[LinkView]:
        found = []
        if self.site.config.feeds.rss:
            found.append(LinkView("RSS", self.site.url_of("/feed.xml"), mime_type="application/rss+xml"))
        if self.site.config.feeds.atom:
            found.append(LinkView("Atom", self.site.url_of("/atom.xml"), mime_type="application/atom+xml"))
        return found

    @cached_property
    def fixed_paths(self) -> frozenset[str]:
        """Every path that is no post's."""
        config = self.site.config
        paths = ["/", config.urls.archive, self.taxonomy.index, "/404.html", "/sitemap.xml", "/robots.txt"]
        paths += [path_of(page) for page in self.pages]
        paths += [self.year_path(year.year) for year in self.years]
        paths += [self.tag_path(term.slug) for term in self.tags]
        paths += [plain_path(redirect.source) for redirect in config.redirects]
        paths += ["/feed.xml"] * config.feeds.rss + ["/atom.xml"] * config.feeds.atom
        return frozenset(filter(None, paths))

    @cached_property
    def _comments(self) -> dict[str, list[Comment]]:
        found: dict[str, list[Comment]] = defaultdict(list)
        for entry in self._all(Collection.COMMENTS):
            if isinstance(entry, Comment):
                found[entry.post_id].append(entry)
        return found

    def comments_of(self, post_id: str) -> list[Comment]:
        return sorted(self._comments.get(post_id, ()), key=lambda one: (one.created_at, one.id))

    def _all(self, collection: Collection) -> Iterable[Any]:
        return [decode(collection, text) for (text,) in self._connection.execute(ENTRIES, (collection,))]

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
