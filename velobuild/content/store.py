"""The store: staged entries become a revision, all at once.

A synchronisation streams: what arrives is staged and committed at once, so that a kill loses nothing, but no reader
sees it. `apply` then turns the staged entries into one revision, in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from velobuild.content.codec import decode, encode, sort_time, tag_key
from velobuild.content.database import transaction
from velobuild.content.dirty import mark
from velobuild.content.locales import PUT_TAG, locales_of
from velobuild.content.moments import timestamp
from velobuild.content.notes import note, note_within, noted
from velobuild.model.entries import Change, ChangeSet, Collection, Comment, Delta, Entry, Media, Post
from velobuild.model.keys import fingerprint
from velobuild.model.locales import ONE_LANGUAGE

STAGE = "INSERT OR REPLACE INTO staged (collection, id, version, value) VALUES (?, ?, ?, ?)"
FORGET_STAGED = "DELETE FROM staged WHERE collection = ? AND id = ?"
COMMITTED = "SELECT id, version, fingerprint FROM entry WHERE collection = ? ORDER BY id"
FINGERPRINT = "SELECT fingerprint FROM entry WHERE collection = ? AND id = ?"
UPDATE_VERSION = "UPDATE entry SET version = ? WHERE collection = ? AND id = ?"
PUT_ENTRY = "INSERT OR REPLACE INTO entry (collection, id, version, fingerprint, value) VALUES (?, ?, ?, ?, ?)"
# Not INSERT OR REPLACE, which would give the post another number.
PUT_POST = (
    "INSERT INTO post (id, slug, title, status, sort_at, author_id, cover, updated_at, locale, translation) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, title = excluded.title, status = excluded.status, "
    "sort_at = excluded.sort_at, author_id = excluded.author_id, cover = excluded.cover, "
    "updated_at = excluded.updated_at, locale = excluded.locale, translation = excluded.translation"
)
PUT_BODY = "INSERT OR REPLACE INTO body (post_id, format, body, input) VALUES (?, ?, ?, ?)"
PUBLIC_IDS = "SELECT id FROM post WHERE status = 'published' AND sort_at <= ?"
COUNT_PUBLIC = "SELECT count(*) FROM post WHERE status = 'published' AND sort_at <= ?"
NEXT_DUE = "SELECT min(sort_at) FROM post WHERE status = 'published' AND sort_at > ?"


MEDIA_CHANGED = "media_changed"
"""The note that lists media records that changed since their files were last asked for, as a JSON list of ids."""


class Store:
    """The committed and staged entries of one site. Implements `Known`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._locales = ONE_LANGUAGE

    # What a source may ask.

    def holds(self, collection: Collection, id: str, version: str) -> bool:
        query = "SELECT 1 FROM {} WHERE collection = ? AND id = ? AND version = ?"
        key = (collection, id, version)
        return any(self.connection.execute(query.format(table), key).fetchone() for table in ("entry", "staged"))

    def ids(self, collection: Collection) -> Iterable[str]:
        return list(self.versions(collection))

    def versions(self, collection: Collection) -> dict[str, str]:
        return {id: version for id, version, _ in self.connection.execute(COMMITTED, (collection,))}

    # Small values that belong to a site rather than to an entry.

    def note(self, key: str) -> str | None:
        """A remembered value, or None."""
        return noted(self.connection, key)

    def remember(self, key: str, value: str) -> None:
        note(self.connection, key, value)

    def note_within(self, key: str, value: str) -> None:
        """As `remember`, in a transaction that the caller holds."""
        note_within(self.connection, key, value)

    @property
    def revision(self) -> int:
        """Grows by one with every applied change set; never reused."""
        return int(self.note("revision") or 0)

    # Synchronisation.

    def stage(self, delta: Delta) -> None:
        """Keep what has just arrived, committed, where no reader sees it."""
        kind, versions = delta.collection, delta.versions
        with transaction(self.connection):
            self.connection.executemany(
                STAGE, [(kind, entry.id, versions[entry.id], encode(entry)) for entry in delta.upserts]
            )

    def public_counts(self, closings: Sequence[Delta], as_of: datetime) -> tuple[int, int]:
        """How many posts are public now, and how many would be once `closings` are applied."""
        due = timestamp(as_of)
        before = {id for (id,) in self.connection.execute(PUBLIC_IDS, (due,))}
        after = before
        for delta in closings:
            if delta.collection is not Collection.POSTS:
                continue
            after = self._public_after(delta, after, due) if delta.complete else after.difference(delta.deletes)
        return len(before), len(after)

    def _public_after(self, closing: Delta, before: set[str], due: str) -> set[str]:
        arrived = {entry.id: entry for entry in closing.upserts}
        known = self.versions(Collection.POSTS)
        after: set[str] = set()
        for id, version in closing.versions.items():
            entry = arrived.get(id)
            if entry is None and known.get(id) != version:
                entry = self._take_staged(Collection.POSTS, id, version)
            public = id in before if entry is None else _is_public(entry, due)
            if public:
                after.add(id)
        return after

    def public_count(self, as_of: datetime) -> int:
        return int(self.connection.execute(COUNT_PUBLIC, (timestamp(as_of),)).fetchone()[0])

    def next_due(self, as_of: datetime) -> str | None:
        """When the next scheduled post falls due, as a timestamp, or None."""
        row = self.connection.execute(NEXT_DUE, (timestamp(as_of),)).fetchone()
        return None if row[0] is None else str(row[0])

    def apply(self, closings: Iterable[Delta]) -> ChangeSet:
        """One transaction: the staged entries that `closings` name are committed, what they do not name is gone.

        Fetching the same content again changes nothing: only entries whose fingerprint differs are written and
        reported. Without any change the revision stays.
        """
        changes: list[Change] = []
        with transaction(self.connection):
            self._locales = locales_of(self.connection)
            for delta in closings:
                if delta.complete:
                    changes += self._apply_complete(delta)
                else:
                    changes += self._apply_named(delta)
                if delta.cursor is not None:
                    self.note_within("cursor", delta.cursor)
            media = {change.id for change in changes if change.collection is Collection.MEDIA}
            if media:
                earlier: list[str] = json.loads(self.note(MEDIA_CHANGED) or "[]")
                self.note_within(MEDIA_CHANGED, json.dumps(sorted(media.union(earlier))))
            revision = self.revision + bool(changes)
            self.note_within("revision", str(revision))
        return ChangeSet(revision, tuple(changes))

    def _apply_complete(self, delta: Delta) -> list[Change]:
        kind = delta.collection
        known = {id: (version, stamp) for id, version, stamp in self.connection.execute(COMMITTED, (kind,))}
        arrived = {entry.id: entry for entry in delta.upserts}
        changes: list[Change] = []
        for id, version in sorted(delta.versions.items()):
            old = known.get(id)
            if old is not None and old[0] == version and id not in arrived:
                continue
            entry = arrived[id] if id in arrived else self._take_staged(kind, id, version)
            if entry is None:
                continue
            stamp = fingerprint(json.loads(encode(entry)))
            if old is not None and old[1] == stamp:
                if old[0] != version:
                    self.connection.execute(UPDATE_VERSION, (version, kind, id))
                continue
            self._put(kind, entry, version, stamp)
            changes.append(Change(kind, id, None if old is None else old[1], stamp))
        changes += [self._delete(kind, id) for id in known if id not in delta.versions]
        self.connection.execute("DELETE FROM staged WHERE collection = ?", (kind,))
        return changes

    def _apply_named(self, delta: Delta) -> list[Change]:
        """The entries of a delta that lists nothing: what it does not name stays."""
        kind = delta.collection
        changes = [self._delete(kind, id) for id in delta.deletes if self._exists(delta, id)]
        for entry in delta.upserts:
            version, stamp = delta.versions[entry.id], fingerprint(json.loads(encode(entry)))
            old = self.connection.execute(FINGERPRINT, (kind, entry.id)).fetchone()
            if old is not None and old[0] == stamp:
                self.connection.execute(UPDATE_VERSION, (version, kind, entry.id))
                continue
            self._put(kind, entry, version, stamp)
            changes.append(Change(kind, entry.id, None if old is None else old[0], stamp))
        return changes

    def _take_staged(self, kind: Collection, id: str, version: str) -> Entry | None:
        row = self.connection.execute(
            "SELECT value FROM staged WHERE collection = ? AND id = ? AND version = ?", (kind, id, version)
        ).fetchone()
        return None if row is None else decode(kind, row[0])

    def _exists(self, delta: Delta, id: str) -> bool:
        query = "SELECT 1 FROM entry WHERE collection = ? AND id = ?"
        return self.connection.execute(query, (delta.collection, id)).fetchone() is not None

    def _put(self, kind: Collection, entry: Entry, version: str, stamp: bytes) -> None:
        mark(self.connection, kind, entry.id)
        if not isinstance(entry, Post):
            self.connection.execute(PUT_ENTRY, (kind, entry.id, version, stamp, encode(entry)))
            self._index(entry)
            return
        values = json.loads(encode(entry))
        body = values.pop("body")
        at = sort_time(entry)
        self.connection.execute(PUT_ENTRY, (kind, entry.id, version, stamp, json.dumps(values, ensure_ascii=False)))
        self.connection.execute(PUT_BODY, (entry.id, entry.body_format, body, fingerprint([entry.body_format, body])))
        place = (entry.slug, entry.title, entry.status, at, entry.author_id, entry.cover_media_id)
        locale = self._locales.of(entry.extra)
        spoken = (locale, self._locales.group(entry.id, entry.extra))
        self.connection.execute(PUT_POST, (entry.id, *place, timestamp(entry.updated_at), *spoken))
        self.connection.execute("DELETE FROM tag WHERE post_id = ?", (entry.id,))
        tags = [(self._locales.tag(tag_key(tag), locale), at, entry.id, tag) for tag in entry.tags]
        self.connection.executemany(PUT_TAG, tags)

    def _index(self, entry: Entry) -> None:
        """Note by what else a media record or a comment is looked for."""
        if isinstance(entry, Media):
            self.connection.execute("DELETE FROM media_at WHERE id = ?", (entry.id,))
            self.connection.execute("INSERT OR IGNORE INTO media_at (url, id) VALUES (?, ?)", (entry.url, entry.id))
        elif isinstance(entry, Comment):
            self.connection.execute("DELETE FROM comment_of WHERE id = ?", (entry.id,))
            row = (entry.post_id, entry.id)
            self.connection.execute("INSERT OR IGNORE INTO comment_of (post_id, id) VALUES (?, ?)", row)

    def _delete(self, kind: Collection, id: str) -> Change:
        mark(self.connection, kind, id)
        before = self.connection.execute(FINGERPRINT, (kind, id)).fetchone()
        self.connection.execute("DELETE FROM entry WHERE collection = ? AND id = ?", (kind, id))
        # A newer copy may have arrived before the entry was taken away.
        self.connection.execute(FORGET_STAGED, (kind, id))
        if kind is Collection.POSTS:
            for table, column in (
                ("post", "id"),
                ("body", "post_id"),
                ("tag", "post_id"),
                ("media_use", "post_id"),
                ("body_use", "post_id"),
                ("body_link", "post_id"),
            ):
                self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (id,))  # noqa: S608 - our own names
        for table, of in (("media_at", Collection.MEDIA), ("comment_of", Collection.COMMENTS)):
            if kind is of:
                self.connection.execute(f"DELETE FROM {table} WHERE id = ?", (id,))  # noqa: S608 - our own names
        return Change(kind, id, None if before is None else before[0], None)


def _is_public(entry: Entry, due: str) -> bool:
    return isinstance(entry, Post) and entry.status == "published" and sort_time(entry) <= due
