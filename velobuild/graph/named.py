"""Keys that are no queries: what each of them is now, as a fingerprint.

`setting:title`, `terms`, `term:KEY`, `named:TEXT`, `years`, `places:SPAN`, `pages`, `page:ID`, `media:URL`,
`translations:GROUP` and `page-translations:ID` are asked of the Reader, `terms:de`, `years:de` and `pages:de` for a
locale that is not the default one; `template:NAME` and `asset:NAME` are the theme's, and whoever knows the theme gives
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from velobuild.errors import ContentProblem
from velobuild.graph.reader import SPAN_POSTS_MAX, Reader
from velobuild.graph.views import MediaView
from velobuild.model.keys import Fingerprint, fingerprint

ABSENT = fingerprint(None)
THEME_KEYS = frozenset({"template", "asset"})


class Named:
    """Fingerprints of one revision. `of_theme` answers for templates and static files."""

    def __init__(self, reader: Reader, of_theme: Callable[[str], Fingerprint]) -> None:
        self._reader = reader
        self._of_theme = of_theme

    def fingerprint(self, key: str) -> Fingerprint:
        """Raises KeyError for a key of no known kind."""
        kind, _, name = key.partition(":")
        if kind in THEME_KEYS:
            return self._of_theme(key)
        return fingerprint(self._value(kind, name))

    def _value(self, kind: str, name: str) -> Any:
        reader = self._reader
        locale = name or reader.site.locales.default
        match kind:
            case "setting":
                value = reader.setting(name)
                return dict(value) if name == "extra" else value
            case "terms":
                return [(term.name, term.slug, term.key) for term in reader.tags_in(locale)]
            case "term":
                term = reader.term(name)
                return None if term is None else (term.name, term.slug)
            case "named":
                return reader.tag_named(name)
            case "years":
                return [(year.year, year.url) for year in reader.years_in(locale)]
            case "places":
                return self._places(name)
            case "pages":
                return [(page.title, page.url) for page in reader.pages_in(locale)]
            case "translations":
                return reader.translations(name)
            case "page-translations":
                return reader.page_translations(name)
            case "page":
                return self._page(name)
            case "media":
                return _picture(reader.pictures.published_picture(name))
        raise KeyError(f"{kind}:{name}")

    def _places(self, name: str) -> Any:
        span, _, start = name.partition(":")
        span, limit = ("", -1) if span == "all" else (span, SPAN_POSTS_MAX)
        places = self._reader.places(span, start=int(start or 0), limit=limit)
        versions = self._reader.place_versions(span, start=int(start or 0), limit=limit)
        return [places, versions] if versions else places

    def _page(self, id: str) -> Any:
        try:
            page = self._reader.local_page(id)
        except ContentProblem:
            return None
        toc = [astuple(heading) for heading in page.toc]
        return [page.title, page.description, page.url, str(page.content), toc, dict(page.extra)]


def _picture(view: MediaView | None) -> Any:
    return None if view is None else astuple(view)
