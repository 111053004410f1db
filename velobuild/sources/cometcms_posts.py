"""One reading of a CometCMS collection: every locale's list, and a question for each entry that no list shows any more.

Lists carry whole entries, so what is new is recognised by its content. That also finds what leaves no trace in an
entry's own date: a tag that was renamed, a picture that was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from velobuild.config.schema import LimitsConfig, SourceConfig
from velobuild.errors import Diagnostic, ProtocolError, TokenError
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Post
from velobuild.model.ports import Known
from velobuild.sources.cometcms_api import UNREADABLE, Entries
from velobuild.sources.cometcms_lists import Lists, Locale
from velobuild.sources.cometcms_records import (
    Drawing,
    Drawn,
    fields_of,
    is_published,
    post_from,
    post_id,
    shared_id,
)
from velobuild.sources.cometcms_schema import Roles, unreadable_body
from velobuild.sources.posts import POSTS, report
from velobuild.sources.records import (
    ID,
    Repairs,
    Unusable,
    record_id,
    title_of,
)
from velobuild.sources.records import (
    is_public as is_for_everyone,
)

PAGES = Collection.PAGES
PER_DELTA = 50
ABSENCES_ASKED_FOR = 100


@dataclass(slots=True)
class Reading:
    """What a reading is made of, and what it found. `versions` names what exists, `covers` the files that are shown."""

    lists: Lists
    roles: Roles
    drawing: Drawing
    config: SourceConfig
    limits: LimitsConfig
    known: Known
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
        read: list[tuple[Locale, Entries]] = []
        uncertain: set[str] = set()
        for locale in self.lists.locales:
            listing = self.lists.listing(locale)
            read.append((locale, listing))
            for entries in listing:
                for start in range(0, len(entries), PER_DELTA):
                    yield from self._staged(entries[start : start + PER_DELTA], locale)
            uncertain |= self._only_before(listing, locale)
            self.lists.judge(listing)
        self._refuse_unreadable()
        self.lists.tally.listed = len(self._seen)
        absent = sorted((committed.keys() - self._seen) | uncertain)
        all_came = not any(listing.unread for _, listing in read)
        if len(absent) > ABSENCES_ASKED_FOR and all_came and not self.lists.has_token:
            # To everybody an entry is either there or not, so a second list is as good as a question for each.
            self._agree(read, len(absent))
            absent = []
        for number, id in enumerate(absent):
            self.lists.progress("posts", number, len(absent), self.lists.client.estimate_s(len(absent) - number))
            yield from self._asked(id)
        for id in self._unusable.keys() & committed.keys():
            # The last good copy stays while the new one cannot be used.
            self.versions[id] = committed[id]
            self.kept += 1
        self._tell(committed)

    def named(self, ids: Sequence[str]) -> Iterator[Delta]:
        """These entries as they are now, of a collection that is read in one language; nothing of what is not certain.

        Raises TokenError, ConfigError, SourceUnavailable or ProtocolError.
        """
        (locale,) = self.lists.locales
        for id in ids:
            try:
                entry = self._single(id, locale) if ID.fullmatch(id) else None
            except RecordMissing:
                self.lists.tally.gone += 1
                yield Delta(POSTS, deletes=(id,))
                continue
            if entry is None or entry.get("id") != id:
                continue
            yield from self._staged([entry], locale)
            if id in self._drafts | self._members:
                self.lists.tally.gone += 1
                yield Delta(POSTS, deletes=(id,))

    def _single(self, entry_id: str, locale: Locale) -> dict[str, Any] | None:
        """One entry; None for one that is withheld from the token, or too large to be read. Raises RecordMissing."""
        try:
            return self.lists.single(entry_id, locale)
        except TokenError as error:
            if error.code != "VB2002":
                raise
        except ProtocolError as error:
            if error.code != "VB2203":
                raise
        return None

    def _only_before(self, listing: Entries, locale: Locale) -> set[str]:
        """Posts of this locale that an earlier reading of the list showed and the last one did not."""
        code = locale.code if locale.code != self.lists.kind.default else ""
        of_locale = (id for id in self._seen if shared_id(id)[1] == code)
        gone = {id for id in of_locale if shared_id(id)[0] not in listing.ids}
        for id in gone if listing.passes > 1 else ():
            self._forget(id)
            self._seen.discard(id)
        return gone if listing.passes > 1 else set()

    def _agree(self, read: list[tuple[Locale, Entries]], absent: int) -> None:
        """Raises ProtocolError unless second readings show what the first ones did."""
        for locale, first in read:
            again = self.lists.listing(locale)
            for _ in again:
                pass
            if not (first.stable and again.stable and first.ids == again.ids):
                raise ProtocolError(
                    f"{absent} posts are missing from the list, and two readings do not agree",
                    code="VB2205",
                    where=self.lists.where,
                    hint="nothing was changed; try again when nobody is editing",
                )

    # Posts.

    def _staged(self, entries: list[Any], locale: Locale) -> Iterator[Delta]:
        taken = {post.id: (post, version) for entry in entries for post, version in self._take(entry, locale)}
        if taken:
            self.lists.tally.bodies_fetched += len(taken)
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
        id = post_id(entry_id, locale.code, self.lists.kind.default)
        repairs = Repairs()
        try:
            if len(self.lists.locales) > 1 and locale.code == self.lists.kind.default:
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
            self.lists.warn(Diagnostic("VB3002", note, f"post {title_of(entry)}"))
        if repairs.zoneless and not self._zoneless:
            self._zoneless = True
            self.lists.warn(Diagnostic("VB3002", "dates without a zone are taken to be UTC", f"post {title_of(entry)}"))
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
        default = self.lists.kind.default
        wanted = (one for one in self.lists.locales if one.wanted and post_id(entry_id, one.code, default) == id)
        locale = next(wanted, None)
        if locale is None or not ID.fullmatch(entry_id):
            # Its locale is not read any more, as the configuration says, or it came from another CMS before.
            return
        try:
            if code and entry_id not in self._marks:
                plain = self.lists.single(entry_id, self.lists.locales[0])
                self._marks[entry_id] = self.drawing.translation_mark(plain)
            entry = self.lists.single(entry_id, locale)
        except RecordMissing:
            return
        except TokenError as error:
            if error.code != "VB2002":
                raise
            self._hidden.append(id)
            return
        except ProtocolError as error:
            if error.code != "VB2203":
                raise
            self._unusable[id] = (f"post (id {id})", "its entry is larger than 20 MB")
            return
        if entry.get("id") != entry_id:
            self._unusable[id] = (f"post (id {id})", "another entry came in its place")
            return
        yield from self._staged([entry], locale)

    # The end.

    def _refuse_unreadable(self) -> None:
        """Raises ConfigError if no post at all has a body because of the field's name."""
        if self._bodiless and self._bodiless >= self._seen - self._drafts - self._members:
            raise unreadable_body(self.lists.kind, self.roles.body.name)

    def _tell(self, committed: dict[str, str]) -> None:
        for id in self._hidden:
            self.versions[id] = committed[id]
            self.kept += 1
        if self._hidden:
            self.lists.tell(
                "VB2002",
                f"{len(self._hidden)} posts are in no list any more, and the CMS forbids to read them rather than "
                f"saying that they are gone; they stay as they were",
                "the token's grant was narrowed (locales, status): widen it, or take the token away",
            )
        self.lists.tally.drafts = len(self._drafts)
        self.lists.tally.members_only = len(self._members)
        self.lists.tally.with_excluded_tags = len(self._excluded)
        self.lists.tally.gone = len(committed.keys() - self.versions.keys())
        report(self.lists.tally, self._unusable, warn=self.lists.warn, where=self.lists.where)


def _lacks(entry: Any, name: str) -> bool:
    try:
        return name not in fields_of(entry)
    except Unusable:
        return False
