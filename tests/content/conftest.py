"""Posts by the dozen, and a store in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from velobuild.config.schema import UrlsConfig
from velobuild.content.database import Connection, open_database
from velobuild.content.permalinks import assign
from velobuild.content.places import Reserved
from velobuild.content.store import Store
from velobuild.errors import Diagnostic
from velobuild.model.entries import BodyFormat, ChangeSet, Collection, Delta, Entry, Post

NOON = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(days=365)


def post(id: str, **changes: Any) -> Post:
    made: dict[str, Any] = {
        "id": id,
        "slug": id,
        "title": id.capitalize(),
        "body": f"<p>Body of {id}.</p>",
        "body_format": BodyFormat.HTML,
        "status": "published",
        "updated_at": NOON,
        "published_at": NOON,
    }
    return Post(**(made | changes))


def versions_of(entries: Iterable[Entry], version: str = "1") -> Mapping[str, str]:
    return {entry.id: version for entry in entries}


def synced(store: Store, *posts: Post, version: str = "1", collection: Collection = Collection.POSTS) -> ChangeSet:
    """One whole synchronisation: everything staged, then named by a closing delta."""
    versions = versions_of(posts, version)
    store.stage(Delta(collection, upserts=posts, versions=versions))
    return store.apply([Delta(collection, versions=versions, complete=True)])


def settled(
    connection: Connection, *, urls: UrlsConfig | None = None, as_of: datetime = LATER, **more: Any
) -> list[Diagnostic]:
    options: dict[str, Any] = {"zone": UTC, "reserved": Reserved(), **more}
    return assign(connection, urls=urls or UrlsConfig(), as_of=as_of, **options)


def paths(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT post_id, path FROM permalink ORDER BY post_id"))


def no_warning(finding: Diagnostic) -> None:
    raise AssertionError(finding)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(open_database(tmp_path / "state", warn=no_warning)) as opened:
        yield opened


@pytest.fixture
def store(connection: Connection) -> Store:
    return Store(connection)
