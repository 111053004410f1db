"""What a build and its workers need to open a site for reading, as one frozen value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from velobuild.config.schema import Config
from velobuild.content.codec import tag_key
from velobuild.markup.prepare import MarkupOptions
from velobuild.markup.urls import origin
from velobuild.model.locales import Locales

# What `quote` would leave as it is: nearly every path, at a tenth of the price.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/!$&'()*+,;=:@%#?-]*")


@dataclass(frozen=True)
class Site:
    """A site at one moment. `as_of` decides which posts are due; `cms_url` is where the main source is, if anywhere.

    `unshown` are posts whose body cannot be shown: lists and feeds name them without it.
    """

    root: Path
    state: Path
    config: Config
    as_of: datetime
    unshown: frozenset[str] = frozenset()
    preview_at: datetime | None = None
    """In a preview with drafts the present, after which posts are of the future; None in a site that is published."""

    @cached_property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.config.site.timezone)

    @cached_property
    def locales(self) -> Locales:
        return Locales(self.config.locales)

    def language(self, locale: str) -> str:
        """The language tag of a locale's pages: `pt-BR` for `pt_BR`; the site's own where that says more of it."""
        own = self.config.site.language
        tag = locale.replace("_", "-")
        more = own.lower().startswith(f"{tag.lower()}-") and own not in self.locales.codes
        return own if not tag or more else tag

    @property
    def cms_url(self) -> str | None:
        return self.config.main_source.address

    @cached_property
    def source_urls(self) -> tuple[str, ...]:
        """Where all sources are, in the order of the configuration."""
        return tuple(source.address for source in self.config.sources if source.address)

    @cached_property
    def excluded_tags(self) -> frozenset[str]:
        """The keys of tags that stay inside their CMS."""
        return frozenset(tag_key(tag) for source in self.config.sources for tag in source.exclude_tags)

    @cached_property
    def base_url(self) -> str:
        """Without a trailing slash."""
        return self.config.site.base_url.rstrip("/")

    @cached_property
    def prefix(self) -> str:
        """The path below which the site is published: "" at a host's root, else such as `/blog`."""
        return urlsplit(self.base_url).path.rstrip("/")

    @cached_property
    def own_origins(self) -> tuple[str, ...]:
        """Origins whose links are internal: the site's own and the CMS's."""
        found = (origin(url) for url in (self.base_url, *self.source_urls))
        return tuple(dict.fromkeys(one for one in found if one))

    @cached_property
    def post_markup(self) -> MarkupOptions:
        return self._markup(self.cms_url)

    @cached_property
    def page_markup(self) -> MarkupOptions:
        """Local pages are the owner's own files: their relative addresses are the site's."""
        return self._markup(None)

    def _markup(self, base_url: str | None) -> MarkupOptions:
        content = self.config.content
        return MarkupOptions(
            html=content.html,
            embeds=content.embeds,
            highlight=content.highlight,
            toc_depth=content.toc_depth,
            excerpt_words=content.excerpt_words,
            smart_quotes=content.markdown.smart_quotes,
            markdown=content.markdown.engine,
            base_url=base_url,
            own_origins=self.own_origins,
        )

    def url_of(self, path: str) -> str:
        """The root-relative, percent-encoded URL of a path on the site, such as `/blog/caf%C3%A9/`."""
        if PLAIN_PATH.fullmatch(path):
            return self.prefix + path
        return self.prefix + quote(path, safe="/~!$&'()*+,;=:@%#?")

    def absolute(self, url: str) -> str:
        """A full URL for a root-relative one; full URLs come back unchanged."""
        if not url.startswith("/") or url.startswith("//"):
            return url
        return self._own_host + url

    @cached_property
    def _own_host(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"
