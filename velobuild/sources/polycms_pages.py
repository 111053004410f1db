"""PolyCMS's pages, such as an imprint: posts of another type in one generation, a list of their own in the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from velobuild.config.schema import LimitsConfig
from velobuild.errors import Diagnostic
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import BodyFormat, Collection, Delta, Page, slugify
from velobuild.model.ports import Known, Warn
from velobuild.sources.polycms_api import Addresses, Generation
from velobuild.sources.polycms_listing import BROKEN, PolyListing
from velobuild.sources.polycms_records import Numbered, post_raw, version_of
from velobuild.sources.posts import Tally, left_out
from velobuild.sources.records import PUBLISHED, Repairs, Unusable, is_public, post_of, record_id, title_of

PAGES = Collection.PAGES
ROOTED = re.compile(r"""((?:src|href|poster)=["'])(?=/storage/)""")


@dataclass(slots=True)
class PageReading:
    """One reading of the pages; afterwards `versions` names what exists."""

    client: ApiClient
    generation: Generation
    limits: LimitsConfig
    known: Known
    tally: Tally
    addresses: Addresses
    media: Numbered
    now: datetime
    warn: Warn
    versions: dict[str, str] = field(default_factory=dict)

    def deltas(self) -> Iterator[Delta]:
        """Pages that cannot be used are left out with a warning. Raises what the client raises."""
        committed = self.known.versions(PAGES)
        listing = (
            PolyListing(self.client, self.generation, "posts", {"status": PUBLISHED, "type": "page"})
            if self.generation.name == "v1"
            else PolyListing(self.client, self.generation, "pages", {"status": PUBLISHED})
        )
        try:
            for records in listing:
                news = [page for record in records if (page := self._page(record, committed)) is not None]
                if news:
                    yield Delta(PAGES, tuple(news), versions={page.id: self.versions[page.id] for page in news})
        except RecordMissing as error:
            self.warn(Diagnostic("VB2207", f"pages are not available ({error}); what was there is kept", self._where))
            self.versions = committed
            return
        if not listing.stable:
            self.warn(Diagnostic("VB2205", "the list of pages kept changing; what was known stays", self._where))
            self.versions = committed | self.versions

    def _page(self, record: Any, committed: Mapping[str, str]) -> Page | None:
        """The page if it is new; notes its version."""
        repairs = Repairs()
        id = ""
        try:
            id = record_id(record)
            self.versions.pop(id, None)
            if BROKEN in record:
                raise Unusable(f"the CMS cannot show it ({record[BROKEN]}): is its author gone?")
            types = ("page",) if self.generation.name == "v1" else ()
            raw, cover, notes = post_raw(record, types=types, addresses=self.addresses, media=self.media, by_address={})
            post = post_of(raw, limits=self.limits, repairs=repairs)
            # A page has no date of its own to be held back by.
            due = post.published_at is None or post.published_at <= self.now
            if post.status != PUBLISHED or not due or not is_public(raw):
                return None
            path = slugify(post.slug)
            if not path:
                raise Unusable(f"its slug `{post.slug}` leaves no address")
        except Unusable as error:
            self.tally.left_out += 1
            self.warn(left_out(f"page {title_of(record)}", str(error)))
            if id in committed:
                self.versions[id] = committed[id]
            return None
        self.versions[id] = version_of(raw, cover)
        if self.known.holds(PAGES, id, self.versions[id]):
            return None
        for note in (*notes, *repairs.notes):
            self.warn(Diagnostic("VB3002", note, f"page {title_of(record)}"))
        # Addresses of a page are taken for the site's own, as a local page's are; those of files are the CMS's.
        html = post.body_format is BodyFormat.HTML
        body = ROOTED.sub(rf"\g<1>{self.addresses.site}", post.body) if html else post.body
        return Page(id, path, post.title, body, post.body_format, post.excerpt, extra=post.extra)

    @property
    def _where(self) -> str:
        return self.client.base_url
