"""A page in the other languages of its site: looked up when a template asks, and only then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.graph.views import LanguageView
from velobuild.model.locales import year_of_value


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one page, of a site with locales. `params` and `route` are the page's target's."""

    reader: Reader
    locale: str
    route: str
    params: Mapping[str, Any]

    def there(self) -> list[LanguageView]:
        """In every language in which the page is there, in the order of the locales; empty if it is in one alone."""
        return several(self.reader.site, self._found())

    def elsewhere(self) -> list[LanguageView]:
        """For each other language the page in it, else its home page."""
        found = dict(self._found())
        site = self.reader.site
        others = (locale for locale in site.locales.codes if locale != self.locale)
        return [
            _view(site, locale, found[locale])
            if locale in found
            else _view(site, locale, site.url_of(f"{site.locales.folder(locale)}/"), is_home=True)
            for locale in others
        ]

    def _found(self) -> list[tuple[str, str]]:
        """(locale, URL) of every version. A tag has none: what it is called in another language nobody says."""
        reader, site = self.reader, self.reader.site
        if self.route == "post":
            core = reader.core(self.params["id"])
            group = None if core is None else site.locales.group(core.id, core.extra)
            return reader.translations(group) if group is not None else []
        if self.route == "page":
            return reader.page_translations(self.params["id"])
        path = self._fixed_path()
        if path:
            return [(locale, site.url_of(site.locales.folder(locale) + path)) for locale in site.locales.codes]
        if self.route == "year" and self.params["newer_url"] is None:
            _, year = year_of_value(self.params["year"])
            views = [(locale, one) for locale in site.locales.codes for one in reader.years_in(locale)]
            return [(locale, one.url) for locale, one in views if one.year == year]
        return []

    def _fixed_path(self) -> str:
        """The path of a page that every locale has, below its folder."""
        config = self.reader.site.config
        fixed = {"home": "/", "archive": config.urls.archive, "tags": self.reader.taxonomy.index}
        return fixed.get(self.route, "")


def several(site: Site, found: Sequence[tuple[str, str]]) -> list[LanguageView]:
    """The versions (locale, URL) of a page, the first for those who read none of its languages; empty if it is one."""
    return [_view(site, *one, first=not at) for at, one in enumerate(found)] if len(found) > 1 else []


def _view(site: Site, locale: str, url: str, *, first: bool = False, is_home: bool = False) -> LanguageView:
    return LanguageView(site.language(locale), url, site.absolute(url), is_home=is_home, is_default=first)
