"""The parts into which a site falls: its tags, its years, its languages, and the feeds of each."""

from __future__ import annotations

import json
from functools import cached_property

from velobuild.config.schema import TaxonomyConfig
from velobuild.content.codec import tag_key
from velobuild.content.database import Connection
from velobuild.content.query import PostQueries
from velobuild.content.tallies import Tallies
from velobuild.content.terms import Term, terms_of
from velobuild.graph.reading import Recorder
from velobuild.graph.site import Site
from velobuild.graph.views import LinkView, TermView, YearView
from velobuild.model.entries import Post
from velobuild.model.locales import plain_tag, tag_locale, year_value

TRANSLATIONS = (
    "SELECT locale, path FROM post JOIN permalink ON post_id = id "
    "WHERE translation = ? AND translation IS NOT NULL ORDER BY id DESC"
)


class Sections(Recorder):
    """The sections of one revision; what a page asks of them is noted."""

    def __init__(self, connection: Connection, site: Site) -> None:
        super().__init__(connection, site)
        self._queries = PostQueries(connection, zone=site.zone)
        self._tallies = Tallies(connection)

    @cached_property
    def taxonomy(self) -> TaxonomyConfig:
        return self.site.config.taxonomies.get("tags") or TaxonomyConfig()

    # Tags.

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

    # Years.

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

    # Languages.

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

    def translations(self, group: str) -> list[tuple[str, str]]:
        """(locale, URL) of the posts that are translations of each other, in the order of the locales."""
        self._keys.add(f"translations:{group}")
        found = {locale: self.site.url_of(path) for locale, path in self._connection.execute(TRANSLATIONS, (group,))}
        return [(locale, found[locale]) for locale in self.site.locales.codes if locale in found]
