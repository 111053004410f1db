"""Downloaded files by the address they came from: the SQLite side of `model.assets.AssetRows`."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from datetime import datetime

from velobuild.content.database import transaction
from velobuild.content.dirty import ASSET, mark
from velobuild.model.assets import Asset


class AssetTable:
    """The last good copy of each address. Read-only connections may `get`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, url: str) -> Asset | None:
        row = self._connection.execute("SELECT value FROM asset WHERE url = ?", (url,)).fetchone()
        if row is None:
            return None
        values = json.loads(row[0])
        return Asset(**{**values, "url": url, "fetched_at": datetime.fromisoformat(values["fetched_at"])})

    def put(self, asset: Asset) -> None:
        values = asdict(asset)
        del values["url"]
        values["fetched_at"] = asset.fetched_at.isoformat()
        with transaction(self._connection):
            old = self.get(asset.url)
            if old is None or _shown(old) != _shown(asset):
                mark(self._connection, ASSET, asset.url)
            self._connection.execute(
                "INSERT OR REPLACE INTO asset (url, value) VALUES (?, ?)", (asset.url, json.dumps(values))
            )

    def forget(self, url: str) -> None:
        """Drop what is known of an address, because its file is gone."""
        with transaction(self._connection):
            mark(self._connection, ASSET, url)
            self._connection.execute("DELETE FROM asset WHERE url = ?", (url,))

    def has_file(self, sha256: str) -> bool:
        """Whether any address has the file with this hash."""
        query = "SELECT 1 FROM asset WHERE json_extract(value, '$.sha256') = ? LIMIT 1"
        return self._connection.execute(query, (sha256,)).fetchone() is not None

    def files(self) -> list[tuple[str, str, str]]:
        """(address, hash, extension) of every file."""
        return list(
            self._connection.execute(
                "SELECT url, json_extract(value, '$.sha256'), json_extract(value, '$.extension') FROM asset"
            )
        )

    def published(self) -> list[tuple[str, str, int | None, int | None]]:
        """(address, hash, width, height) of every file, sorted: all that a page can show of them."""
        return [
            (url, asset["sha256"], asset["width_px"], asset["height_px"])
            for url, text in self._connection.execute("SELECT url, value FROM asset ORDER BY url")
            for asset in (json.loads(text),)
        ]


def _shown(asset: Asset) -> tuple[object, ...]:
    """What a page can show of a file."""
    return asset.path, asset.width_px, asset.height_px
