"""In which language each post is stored: kept with its row, so that no query has to open an entry for it."""

from __future__ import annotations

import json
import sqlite3

from velobuild.content.codec import tag_key
from velobuild.content.database import transaction
from velobuild.model.entries import Collection
from velobuild.model.locales import Locales

NOTE = "locales"
POSTS = "SELECT id, sort_at, value FROM post JOIN entry USING (id) WHERE collection = ? ORDER BY id"
PLACE = "UPDATE post SET locale = ?, translation = ? WHERE id = ?"
# Of a post's own spellings of one tag the first counts.
PUT_TAG = "INSERT OR IGNORE INTO tag (tag, sort_at, post_id, name) VALUES (?, ?, ?, ?)"


def locales_of(connection: sqlite3.Connection) -> Locales:
    """The locales by which posts are stored now."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (NOTE,)).fetchone()
    return Locales(tuple(json.loads(row[0]))) if row is not None else Locales()


def arrange(connection: sqlite3.Connection, locales: Locales) -> None:
    """Store all posts by these locales from now on. Where they are the same as before, nothing is done.

    Numbers and terms are not counted anew here: `tallies.settle` finds that they are of other locales.
    """
    if locales_of(connection) == locales:
        return
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (NOTE, json.dumps(locales.codes)))
        connection.execute("DELETE FROM tag")
        for id, sort_at, value in connection.execute(POSTS, (Collection.POSTS,)).fetchall():
            values = json.loads(value)
            locale = locales.of(values["extra"])
            connection.execute(PLACE, (locale, locales.group(id, values["extra"]), id))
            rows = [(locales.tag(tag_key(tag), locale), sort_at, id, tag) for tag in values["tags"]]
            connection.executemany(PUT_TAG, rows)
