"""The Reader: the only door through which templates, feeds and sitemaps see content.

Whatever a page asks, it asks here. Answers are kept for as long as the Reader lives, and a Reader lives for one
revision: content never changes under it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from markupsafe import Markup

from velobuild.config.schema import TaxonomyConfig
from velobuild.content.assets import AssetTable
from velobuild.content.codec import decode
from velobuild.content.database import Connection
from velobuild.content.memo import Memo, memo_key
from velobuild.content.query import PostQueries
from velobuild.errors import ContentProblem, Diagnostic
from velobuild.graph.bodies import recipe_of
from velobuild.graph.site import Site
from velobuild.graph.views import LinkView, LocalView, MediaView, PostView, TermView, YearView
from velobuild.markup.prepare import Prepared, Ref, Resolved, body_id, fill, prepare
from velobuild.markup.prepare import decode as decode_prepared
from velobuild.markup.urls import absolute, origin
from velobuild.model.entries import BodyFormat, Collection, Comment, Media, Page, Post, SiteSettings, slugify
from velobuild.model.keys import Query, fingerprint

VIEWS_KEPT = 2_000
ENTRY = "SELECT value FROM entry WHERE collection = ? AND id = ?"
ENTRIES = "SELECT value FROM entry WHERE collection = ? ORDER BY id"
BODY = "SELECT format, body, input FROM body WHERE post_id = ?"
FORMER = "SELECT permalink.path FROM former_path JOIN permalink USING (post_id) WHERE former_path.path = ?"
RELATED_OF_EACH_TAG = 30
FRAGMENT_CHARS = "/~!$&'()*+,;=:@?-._"


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
        self._resolved: dict[str, Resolved | None] = {}
        self.warnings: list[Diagnostic] = []
        """Findings about content, such as links that lead nowhere. The caller takes them away."""

    # Posts.

    def post(self, id: str) -> PostView | None:
        """The public post, or None."""
        if id in self._views:
            self._views.move_to_end(id)
            return self._views[id]
        path = self._connection.execute("SELECT path FROM permalink WHERE post_id = ?", (id,)).fetchone()
        view = None if path is None else PostView(self, self._entry(id), path[0])
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
        shared: Counter[str] = Counter()
        for tag in sorted({name.casefold() for name in post.tags} - self._excluded):
            shared.update(self._queries.ids(Query(where=(("tag", tag),), limit=RELATED_OF_EACH_TAG)))
        del shared[post.id]
        views = [(count, view) for id, count in shared.items() if (view := self.post(id)) is not None]
        views.sort(key=lambda row: (row[0], row[1].published or row[1].updated, row[1].id), reverse=True)
        return [view for _, view in views[:limit]]

    def _entry(self, id: str) -> Post:
        row = self._connection.execute(ENTRY, (Collection.POSTS, id)).fetchone()
        post = decode(Collection.POSTS, row[0], body="")
        assert isinstance(post, Post)
        return post

    @staticmethod
    def published_at(post: Post) -> datetime | None:
        """The publication, else the creation where the CMS says it: what a reader takes for a post's date."""
        created = post.extra.get("created")
        if post.published_at is not None or not isinstance(created, str) or len(created) < 19:
            return post.published_at
        try:
            return datetime.fromisoformat(created.replace(" ", "T", 1))
        except ValueError:
            return None

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

    def prepared_post(self, id: str) -> Prepared:
        """The body, clean and with slots for its addresses: from the memo, else made now."""
        format, body, input = self._connection.execute(BODY, (id,)).fetchone()
        kept = self._memo.get(memo_key(self._recipe, input))
        if kept is not None:
            return decode_prepared(kept)
        return prepare(body, BodyFormat(format), self.site.post_markup)

    def prepared_page(self, page: Page) -> Prepared:
        return prepare(page.body, page.body_format, self.site.page_markup)

    def filled(self, prepared: Prepared, *, where: str, absolute: bool = False) -> Markup:
        """The body with its addresses, safe to be put into a page."""

        def resolve(ref: Ref) -> Resolved | None:
            answer = self._resolve(ref, where)
            if absolute and answer is not None and answer.url.startswith("/"):
                url = self.site.absolute(answer.url)
                return Resolved(url, answer.width_px, answer.height_px, answer.alt, answer.placeholder)
            return answer

        return Markup(fill(prepared, resolve))  # noqa: S704 - prepared bodies are sanitized

    def _resolve(self, ref: Ref, where: str) -> Resolved | None:
        if ref.kind == "link":
            if ref.url not in self._resolved:
                self._resolved[ref.url] = self._link(ref, where)
            return self._resolved[ref.url]
        return self._file(ref)

    def _file(self, ref: Ref) -> Resolved | None:
        asset = self._assets.get(ref.url)
        record = self._media_by_url.get(ref.url)
        alt = ref.alt or (record.alt if record else None)
        if asset is not None:
            url = self.site.url_of(f"/{asset.path}")
            return Resolved(url, asset.width_px, asset.height_px, alt)
        if "//" not in ref.url:  # A file of the site's own `static` folder.
            return Resolved(self.site.url_of(ref.url), ref.width_px, ref.height_px, alt)
        if origin(ref.url) in self._fetched_origins:
            width = ref.width_px or (record.width_px if record else None)
            height = ref.height_px or (record.height_px if record else None)
            return Resolved(ref.url, width, height, alt, placeholder=True) if ref.kind == "image" else None
        if self.site.config.source.external_media == "drop":
            return None
        return Resolved(ref.url, ref.width_px, ref.height_px, alt)

    def _link(self, ref: Ref, where: str) -> Resolved:
        parts = urlsplit(ref.url)
        if parts.netloc and origin(ref.url) not in self.site.own_origins:
            return Resolved(ref.url)
        asset = self._assets.get(ref.url.partition("#")[0])
        if asset is not None:
            return Resolved(self.site.url_of(f"/{asset.path}"))
        path = unquote(parts.path) or "/"
        rest = (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
        if parts.netloc and self.site.prefix and path.startswith(f"{self.site.prefix}/"):
            path = path.removeprefix(self.site.prefix)
        if not path.startswith("/"):
            return Resolved(ref.url)
        found = self._local_path(path)
        if found is not None:
            return Resolved(self.site.url_of(found) + self._own_rest(parts.query, parts.fragment))
        self.warnings.append(
            Diagnostic(
                "VB3006",
                f"the link {parts.path or '/'} leads to no page of the site",
                where=where,
                hint="correct the link in the CMS, or add a [[redirects]] entry",
            )
        )
        return Resolved(ref.url if parts.netloc else self.site.url_of(path) + rest)

    def _own_rest(self, query: str, fragment: str) -> str:
        """Query and fragment of a link to a page of ours, where the sanitizer has renamed every id."""
        if fragment and self.site.config.content.html != "trusted":
            fragment = quote(body_id(unquote(fragment)), safe=FRAGMENT_CHARS)
        return (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")

    def _local_path(self, path: str) -> str | None:
        """The site's own path for one that a body links to: exact, with its slash, moved, or by its slug."""
        ways = (path, path.rstrip("/") + "/")
        for way in ways:
            if way in self._fixed_paths:
                return way
            if self._connection.execute("SELECT 1 FROM permalink WHERE path = ?", (way,)).fetchone():
                return way
        for way in ways:
            moved = self._connection.execute(FORMER, (way,)).fetchone()
            if moved is not None:
                return str(moved[0])
        slug = path.rstrip("/").rpartition("/")[2]
        row = self._connection.execute(
            "SELECT permalink.path FROM permalink JOIN post ON post.id = post_id "
            "WHERE permalink.slug = ?1 OR post.slug = ?1 ORDER BY permalink.slug <> ?1, post_id LIMIT 1",
            (slug,),
        ).fetchone()
        return None if row is None or not slug else str(row[0])

    # Media.

    def picture_at(self, url: str | None) -> MediaView | None:
        """The published copy of a picture in the CMS, or None."""
        if not url:
            return None
        asset = self._assets.get(self.media_address(url))
        if asset is None:
            return None
        record = self._media_by_url.get(url)
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
    def _media_by_url(self) -> dict[str, Media]:
        return {
            url: media for media in self._media_by_id.values() for url in (media.url, self.media_address(media.url))
        }

    @cached_property
    def _fetched_origins(self) -> frozenset[str | None]:
        """Origins whose files are copied into the site, so that a missing one is a gap and not somebody else's."""
        urls = [self.site.cms_url, *(self.media_address(media.url) for media in self._media_by_id.values())]
        hosts = [f"https://{host}" for host in self.site.config.source.media_hosts]
        return frozenset(origin(url) for url in (*urls, *hosts) if url)

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
        return frozenset(tag.casefold() for tag in self.site.config.source.exclude_tags)

    @cached_property
    def tags(self) -> list[TermView]:
        """Every tag that a public post carries, by name."""
        spellings: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for key, name, count in self._queries.tags():
            if key not in self._excluded:
                spellings[key].append((-count, name))
        terms: list[TermView] = []
        taken: set[str] = set()
        for key, names in sorted(spellings.items()):
            name = min(names)[1]
            slug = tag_slug(name)
            if not slug or slug in taken:
                slug = f"{slug or 'tag'}-{fingerprint(key).hex()[:6]}"
            taken.add(slug)
            url = self.site.url_of(self.taxonomy.path.replace("{slug}", slug))
            terms.append(TermView(name, slug, url, -sum(count for count, _ in names), key))
        return sorted(terms, key=lambda term: (term.key, term.name))

    @cached_property
    def _tag_by_key(self) -> dict[str, TermView]:
        return {term.key: term for term in self.tags}

    def tags_of(self, post: Post) -> list[TermView]:
        keys = dict.fromkeys(name.casefold() for name in post.tags)
        return [self._tag_by_key[key] for key in keys if key in self._tag_by_key]

    @cached_property
    def years(self) -> list[YearView]:
        pattern = self.site.config.urls.year
        return [
            YearView(year, self.site.url_of(pattern.replace("{year}", str(year))) if pattern else "", count)
            for year, count in self._queries.years()
        ]

    @cached_property
    def pages(self) -> list[Page]:
        return [entry for entry in self._all(Collection.PAGES) if isinstance(entry, Page)]

    @cached_property
    def local_pages(self) -> list[LocalView]:
        return [LocalView(self, page) for page in self.pages]

    @cached_property
    def feeds(self) -> list[LinkView]:
        found = []
        if self.site.config.feeds.rss:
            found.append(LinkView("RSS", self.site.url_of("/feed.xml"), mime_type="application/rss+xml"))
        if self.site.config.feeds.atom:
            found.append(LinkView("Atom", self.site.url_of("/atom.xml"), mime_type="application/atom+xml"))
        return found

    @cached_property
    def _fixed_paths(self) -> frozenset[str]:
        """Every path that is no post's."""
        config = self.site.config
        paths = ["/", config.urls.archive, self.taxonomy.index, "/404.html", "/sitemap.xml", "/robots.txt"]
        paths += [f"/{page.path}/" for page in self.pages]
        paths += [config.urls.year.replace("{year}", str(year.year)) for year in self.years]
        paths += [self.taxonomy.path.replace("{slug}", term.slug) for term in self.tags]
        paths += [redirect.source for redirect in config.redirects]
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


def absolute_media(url: str, site: Site) -> str:
    """`/media/a.png` as the CMS's own address of it."""
    return absolute(url, site.cms_url)


SPOKEN = {"+": " plus ", "#": " sharp ", "&": " and ", "@": " at "}


def tag_slug(name: str) -> str:
    """A slug that keeps C, C++ and C# apart."""
    return slugify("".join(SPOKEN.get(char, char) for char in name))
