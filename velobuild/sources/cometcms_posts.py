"""One reading of a CometCMS collection: every locale's list, and a question for each entry that no list shows any more.

Lists carry whole entries, so what is new is recognised by its content. That also finds what leaves no trace in an
entry's own date: a tag that was renamed, a picture that was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from velobuild.config.schema import LimitsConfig, SourceConfig
from velobuild.errors import ConfigError, Diagnostic, ProtocolError, TokenError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Page, Post
from velobuild.model.ports import Known, Progress, Warn
from velobuild.sources.cometcms_api import UNREADABLE, Entries
from velobuild.sources.cometcms_records import (
    Drawing,
    Drawn,
    fields_of,
    is_public,
    is_published,
    page_from,
    post_from,
    post_id,
    shared_id,
)
from velobuild.sources.cometcms_schema import ContentType, Roles, needs_locale, unreadable_body
from velobuild.sources.posts import POSTS, Tally, report
from velobuild.sources.records import (
    PUBLISHED,
    Repairs,
    Unusable,
    record_id,
    title_of,
    unwrap,
)
from velobuild.sources.records import (
    is_public as is_for_everyone,
)

PAGES = Collection.PAGES
PER_DELTA = 50
ABSENCES_ASKED_FOR = 100


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


@dataclass(slots=True)
class Reading:
    """What a reading is made of, and what it found. `versions` names what exists, `covers` the files that are shown."""

    client: ApiClient
    kind: ContentType
    roles: Roles
    drawing: Drawing
    locales: tuple[Locale, ...]
    config: SourceConfig
    limits: LimitsConfig
    known: Known
    tally: Tally
    warn: Warn
    progress: Progress
    versions: dict[str, str] = field(default_factory=dict)
    covers: set[str] = field(default_factory=set)
    kept: int = 0
    """Posts that stay although they were not read now."""
    _seen: set[str] = field(default_factory=set)
    _marks: dict[str, bytes] = field(default_factory=dict)
    _unusable: dict[str, tuple[str, str]] = field(default_factory=dict)
    _drafts: set[str] = field(default_factory=set)
    _members: set[str] = field(default_factory=set)
    _excluded: set[str] = field(default_factory=set)
    _bodiless: set[str] = field(default_factory=set)
    _hidden: list[str] = field(default_factory=list)
    _zoneless: bool = False

    def deltas(self) -> Iterator[Delta]:
        """The posts that are new, as they come. Raises TokenError, ConfigError, SourceUnavailable or ProtocolError."""
        committed = self.known.versions(POSTS)
        lists: list[tuple[Locale, Entries]] = []
        uncertain: set[str] = set()
        for locale in self.locales:
            listing = self._listing(locale)
            lists.append((locale, listing))
            for entries in listing:
                for start in range(0, len(entries), PER_DELTA):
                    yield from self._staged(entries[start : start + PER_DELTA], locale)
            uncertain |= self._only_before(listing, locale)
            self._judge(listing)
        self._refuse_unreadable()
        self.tally.listed = len(self._seen)
        absent = sorted((committed.keys() - self._seen) | uncertain)
        if len(absent) > ABSENCES_ASKED_FOR and not self._has_token:
            # To everybody an entry is either there or not, so a second list is as good as a question for each.
            self._agree(lists, len(absent))
            absent = []
        for number, id in enumerate(absent):
            self.progress("posts", number, len(absent), self.client.estimate_s(len(absent) - number))
            yield from self._asked(id)
        for id in self._unusable.keys() & committed.keys():
            # The last good copy stays while the new one cannot be used.
            self.versions[id] = committed[id]
            self.kept += 1
        self._tell(committed)

    def pages(self) -> Iterator[Delta]:
        """The collection as pages; those that cannot be used are left out with a warning. Raises as `deltas`."""
        committed = self.known.versions(PAGES)
        for locale in self.locales:
            listing = self._listing(locale)
            for entries in listing:
                pages = [page for entry in entries if (page := self._page(entry, locale, committed)) is not None]
                news = {page.id: version for page, version in pages if not self.known.holds(PAGES, page.id, version)}
                if news:
                    yield Delta(PAGES, tuple(page for page, _ in pages if page.id in news), versions=news)
            self._judge(listing)

    # Lists.

    @property
    def _has_token(self) -> bool:
        return bool(self.client.token.reveal())

    @property
    def _path(self) -> str:
        return f"content/{self.kind.name}"

    def _params(self, locale: Locale) -> dict[str, str]:
        """Relations come along, one level deep."""
        params = {"include": ",".join(self.kind.relations)} if self.kind.relations else {}
        return {**params, "locale": locale.code} if locale.code else params

    def _listing(self, locale: Locale) -> Entries:
        # The oldest first: what is added while pages are read comes last and shifts nothing.
        order = {"sort": "created_at", "order": "asc"}
        # To everybody only published entries are shown; to a token all are, and drafts need not even leave the CMS.
        status = {"filter[status]": PUBLISHED} if self._has_token else {}
        return Entries(self.client, self._path, {**self._params(locale), **order, **status}, progress=self.progress)

    def _judge(self, listing: Entries) -> None:
        if listing.unread:
            self.tally.left_out += listing.unread
            self._warn("VB2206", f"left out: {listing.unread} entries are larger than 20 MB", "make them smaller")
        if not listing.stable:
            self._warn(
                "VB2205",
                f"the list kept changing over {listing.passes} readings; all of them together are used",
                "build again when nobody is editing",
            )

    def _only_before(self, listing: Entries, locale: Locale) -> set[str]:
        """Posts of this locale that an earlier reading of the list showed and the last one did not."""
        code = locale.code if locale.code != self.kind.default else ""
        of_locale = (id for id in self._seen if shared_id(id)[1] == code)
        gone = {id for id in of_locale if shared_id(id)[0] not in listing.ids}
        for id in gone if listing.passes > 1 else ():
            self._forget(id)
            self._seen.discard(id)
        return gone if listing.passes > 1 else set()

    def _agree(self, lists: list[tuple[Locale, Entries]], absent: int) -> None:
        """Raises ProtocolError unless second readings show what the first ones did."""
        for locale, first in lists:
            again = self._listing(locale)
            for _ in again:
                pass
            if not (first.stable and again.stable and first.ids == again.ids):
                raise ProtocolError(
                    f"{absent} posts are missing from the list, and two readings do not agree",
                    code="VB2205",
                    where=self._where,
                    hint="nothing was changed; try again when nobody is editing",
                )

    # Posts.

    def _staged(self, entries: list[Any], locale: Locale) -> Iterator[Delta]:
        taken = {post.id: (post, version) for entry in entries for post, version in self._take(entry, locale)}
        if taken:
            self.tally.bodies_fetched += len(taken)
            yield Delta(
                POSTS,
                upserts=tuple(post for post, _ in taken.values()),
                versions={id: version for id, (_, version) in taken.items()},
            )

    def _take(self, entry: Any, locale: Locale) -> Iterator[tuple[Post, str]]:
        """The post, if it is new and can be used, with its version."""
        try:
            entry_id = record_id(entry)
        except Unusable as error:
            name = title_of(entry)
            self._unusable[name] = (f"post {name}", str(error))
            return
        id = post_id(entry_id, locale.code, self.kind.default)
        repairs = Repairs()
        try:
            if locale.code in ("", self.kind.default):
                self._marks[entry_id] = self.drawing.translation_mark(entry)
            if not locale.wanted:
                return
            self._forget(id)
            if not self._is_wanted(entry, id, locale):
                return
            drawn = self.drawing.draw(entry, locale.code, repairs)
            if drawn.cover:
                self.covers.add(drawn.cover)
            self._note_tags(drawn, id)
            if self.known.holds(POSTS, id, drawn.version):
                self.versions[id] = drawn.version
                return
            post = post_from(drawn, limits=self.limits, repairs=repairs)
        except Unusable as error:
            self._unusable[id] = (f"post {title_of(entry)}", str(error))
            if self.roles.body.name in UNREADABLE and _lacks(entry, self.roles.body.name):
                self._bodiless.add(id)
            return
        for note in repairs.notes:
            self.warn(Diagnostic("VB3002", note, f"post {title_of(entry)}"))
        if repairs.zoneless and not self._zoneless:
            self._zoneless = True
            self.warn(Diagnostic("VB3002", "dates without a zone are taken to be UTC", f"post {title_of(entry)}"))
        self.versions[id] = drawn.version
        yield post, drawn.version

    def _forget(self, id: str) -> None:
        """Whatever an earlier reading of the list said of the post; the later one is the truer."""
        self._seen.add(id)
        self.versions.pop(id, None)
        self._unusable.pop(id, None)
        for names in (self._drafts, self._members, self._excluded, self._bodiless):
            names.discard(id)

    def _is_wanted(self, entry: dict[str, Any], id: str, locale: Locale) -> bool:
        if not isinstance(entry.get("status"), str):
            raise Unusable("it has no status")
        if not is_published(entry):
            self._drafts.add(id)
            return False
        if self.config.members_only == "skip" and not is_for_everyone(fields_of(entry)):
            self._members.add(id)
            return False
        entry_id, code = shared_id(id)
        if not code:
            return True
        # Without a translation CometCMS shows the default copy, which is no post in this language.
        return self._marks.get(entry_id) != self.drawing.translation_mark(entry)

    def _note_tags(self, drawn: Drawn, id: str) -> None:
        tags = drawn.raw.get("tags")
        excluded = {tag.casefold() for tag in self.config.exclude_tags}
        items = tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else ()
        if excluded.intersection(item.strip().casefold() for item in items if isinstance(item, str)):
            self._excluded.add(id)

    def _asked(self, id: str) -> Iterator[Delta]:
        """Settle one post that no list shows: gone (404), withheld from this token (403), or there after all."""
        entry_id, code = shared_id(id)
        locale = next(
            (one for one in self.locales if one.wanted and post_id(entry_id, one.code, self.kind.default) == id), None
        )
        if locale is None:
            # Its locale is not read any more, as the configuration says.
            return
        try:
            if code and entry_id not in self._marks:
                plain = self._single(entry_id, self.locales[0])
                self._marks[entry_id] = self.drawing.translation_mark(plain)
            entry = self._single(entry_id, locale)
        except RecordMissing:
            return
        except TokenError as error:
            if error.code != "VB2002":
                raise
            self._hidden.append(id)
            return
        if entry.get("id") != entry_id:
            self._unusable[id] = (f"post (id {id})", "another entry came in its place")
            return
        yield from self._staged([entry], locale)

    def _single(self, entry_id: str, locale: Locale) -> Any:
        entry = unwrap(self.client.get_json(f"{self._path}/{entry_id}", self._params(locale)).body)
        if not isinstance(entry, dict):
            raise ProtocolError(
                f"an entry was expected and a {type(entry).__name__} came", code="VB2201", where=self._where
            )
        return entry

    # Pages.

    def _page(self, entry: Any, locale: Locale, committed: dict[str, str]) -> tuple[Page, str] | None:
        repairs = Repairs()
        id = ""
        try:
            entry_id = record_id(entry)
            id = post_id(entry_id, locale.code, self.kind.default)
            if locale.code in ("", self.kind.default):
                self._marks[entry_id] = self.drawing.translation_mark(entry)
            self.versions.pop(id, None)
            # A page has no date of its own to be held back by.
            if not locale.wanted or not is_public(entry, self.drawing.now):
                return None
            if shared_id(id)[1] and self._marks.get(entry_id) == self.drawing.translation_mark(entry):
                return None
            drawn = self.drawing.draw(entry, locale.code, repairs)
            page = page_from(drawn, self.kind.default, limits=self.limits, repairs=repairs)
        except Unusable as error:
            self.tally.left_out += 1
            self.warn(Diagnostic("VB2206", f"left out: {error}", f"page {title_of(entry)}", "mend it in the CMS"))
            if id in committed:
                self.versions[id] = committed[id]
            return None
        self.versions[id] = drawn.version
        return page, drawn.version

    # The end.

    def _refuse_unreadable(self) -> None:
        """Raises ConfigError if no post at all has a body because of the field's name."""
        if self._bodiless and self._bodiless >= self._seen - self._drafts - self._members:
            raise unreadable_body(self.kind, self.roles.body.name)

    def _tell(self, committed: dict[str, str]) -> None:
        for id in self._hidden:
            self.versions[id] = committed[id]
            self.kept += 1
        if self._hidden:
            self._warn(
                "VB2002",
                f"{len(self._hidden)} posts are in no list any more, and the CMS forbids to read them rather than "
                f"saying that they are gone; they stay as they were",
                "the token's grant was narrowed (locales, status): widen it, or take the token away",
            )
        self.tally.drafts = len(self._drafts)
        self.tally.members_only = len(self._members)
        self.tally.with_excluded_tags = len(self._excluded)
        self.tally.gone = len(committed.keys() - self.versions.keys())
        report(self.tally, self._unusable, warn=self.warn, where=self._where)

    def _warn(self, code: str, what: str, hint: str) -> None:
        self.warn(Diagnostic(code, what, self._where, hint))

    @property
    def _where(self) -> str:
        return f"{self.client.base_url}/{self._path}"


def _lacks(entry: Any, name: str) -> bool:
    try:
        return name not in fields_of(entry)
    except Unusable:
        return False
