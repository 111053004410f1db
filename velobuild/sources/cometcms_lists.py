"""The lists of one CometCMS collection, a list for each locale, and its entries by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from velobuild.config.schema import SourceConfig
from velobuild.errors import ConfigError, Diagnostic, ProtocolError
from velobuild.http.client import ApiClient
from velobuild.model.ports import Progress, Warn
from velobuild.sources.cometcms_api import Entries
from velobuild.sources.cometcms_schema import ContentType, Roles, needs_locale
from velobuild.sources.posts import Tally
from velobuild.sources.records import PUBLISHED, unwrap


@dataclass(frozen=True, slots=True)
class Locale:
    """One list to be read. `code` is sent, unless it is ""; entries of a locale that is not `wanted` only compare."""

    code: str
    wanted: bool = True


def locales_of(kind: ContentType, config: SourceConfig, roles: Roles) -> tuple[Locale, ...]:
    """Which lists are read; the default locale's first, since only a comparison shows what was not translated."""
    wanted = tuple(code for code in config.locales if code in kind.locales)
    if not wanted:
        return (Locale(kind.default if needs_locale(kind, roles) else ""),)
    others = tuple(Locale(code) for code in wanted if code != kind.default)
    return (Locale(kind.default, wanted=kind.default in wanted), *others)


def refuse_missing_locale(kind: ContentType, config: SourceConfig) -> None:
    """Raises ConfigError VB1303 for a locale that the posts lack: CometCMS would answer with its default copies."""
    for code in config.locales:
        if code not in kind.locales:
            raise ConfigError(
                f"the collection `{kind.name}` has no locale `{code}`",
                code="VB1303",
                where="source.locales",
                hint=f"its locales: {', '.join(kind.locales)}"
                if kind.locales
                else "it has none: take source.locales away, or add them in CometCMS (Content types)",
            )


@dataclass(frozen=True, slots=True)
class Lists:
    """How one collection is asked for."""

    client: ApiClient
    kind: ContentType
    locales: tuple[Locale, ...]
    tally: Tally
    warn: Warn
    progress: Progress

    @property
    def has_token(self) -> bool:
        return bool(self.client.token.reveal())

    @property
    def path(self) -> str:
        return f"content/{self.kind.name}"

    @property
    def where(self) -> str:
        return f"{self.client.base_url}/{self.path}"

    def listing(self, locale: Locale) -> Entries:
        # The oldest first: what is added while pages are read comes last and shifts nothing.
        order = {"sort": "created_at", "order": "asc"}
        # To everybody only published entries are shown; to a token all are, and drafts need not even leave the CMS.
        status = {"filter[status]": PUBLISHED} if self.has_token else {}
        return Entries(self.client, self.path, {**self._params(locale), **order, **status}, progress=self.progress)

    def judge(self, listing: Entries) -> None:
        """Say what a list that was read to its end left open."""
        if listing.unread:
            self.tally.left_out += listing.unread
            self.tell("VB2206", f"left out: {listing.unread} entries are larger than 20 MB", "make them smaller")
        if not listing.stable:
            self.tell(
                "VB2205",
                f"the list kept changing over {listing.passes} readings; all of them together are used",
                "build again when nobody is editing",
            )

    def single(self, entry_id: str, locale: Locale) -> dict[str, Any]:
        """One entry. Raises RecordMissing, ProtocolError, and whatever the client raises."""
        entry = unwrap(self.client.get_json(f"{self.path}/{entry_id}", self._params(locale)).body)
        if not isinstance(entry, dict):
            raise ProtocolError(
                f"an entry was expected and a {type(entry).__name__} came", code="VB2201", where=self.where
            )
        return entry

    def tell(self, code: str, what: str, hint: str) -> None:
        self.warn(Diagnostic(code, what, self.where, hint))

    def _params(self, locale: Locale) -> dict[str, str]:
        """Relations come along, one level deep."""
        params = {"include": ",".join(self.kind.relations)} if self.kind.relations else {}
        return {**params, "locale": locale.code} if locale.code else params
