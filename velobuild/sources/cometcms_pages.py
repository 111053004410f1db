"""A CometCMS collection as the site's pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from velobuild.config.schema import LimitsConfig
from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Delta, Page
from velobuild.model.ports import Known
from velobuild.sources.cometcms_lists import Lists, Locale
from velobuild.sources.cometcms_records import Drawing, is_public, page_from, post_id, shared_id
from velobuild.sources.records import Repairs, Unusable, record_id, title_of

PAGES = Collection.PAGES


@dataclass(slots=True)
class PageReading:
    """One reading of the pages; afterwards `versions` names what exists."""

    lists: Lists
    drawing: Drawing
    limits: LimitsConfig
    known: Known
    site_default: str
    """The locale whose pages lie at the site's root: not always the default one of the CMS."""
    versions: dict[str, str] = field(default_factory=dict)
    _marks: dict[str, bytes] = field(default_factory=dict)

    def deltas(self) -> Iterator[Delta]:
        """Pages that cannot be used are left out with a warning. Raises what the client raises."""
        committed = self.known.versions(PAGES)
        for locale in self.lists.locales:
            listing = self.lists.listing(locale)
            for entries in listing:
                pages = [page for entry in entries if (page := self._page(entry, locale, committed)) is not None]
                news = {page.id: version for page, version in pages if not self.known.holds(PAGES, page.id, version)}
                if news:
                    yield Delta(PAGES, tuple(page for page, _ in pages if page.id in news), versions=news)
            self.lists.judge(listing)

    def _page(self, entry: Any, locale: Locale, committed: dict[str, str]) -> tuple[Page, str] | None:
        default = self.lists.kind.default
        repairs = Repairs()
        id = ""
        try:
            entry_id = record_id(entry)
            id = post_id(entry_id, locale.code, default)
            if locale.code in ("", default):
                self._marks[entry_id] = self.drawing.translation_mark(entry)
            self.versions.pop(id, None)
            # A page has no date of its own to be held back by.
            if not locale.wanted or not is_public(entry, self.drawing.now):
                return None
            if shared_id(id)[1] and self._marks.get(entry_id) == self.drawing.translation_mark(entry):
                return None
            drawn = self.drawing.draw(entry, locale.code, repairs)
            version = drawn.version if self.site_default == default else f"{drawn.version}@{self.site_default}"
            page = page_from(drawn, self.site_default, limits=self.limits, repairs=repairs)
        except Unusable as error:
            self.lists.tally.left_out += 1
            where = f"page {title_of(entry)}"
            self.lists.warn(Diagnostic("VB2206", f"left out: {error}", where, "mend it in the CMS"))
            if id in committed:
                self.versions[id] = committed[id]
            return None
        self.versions[id] = version
        return page, version
