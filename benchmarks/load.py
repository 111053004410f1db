"""Put a corpus into a site's store as one change set: `load.py SITE POSTS.json`, or `load.py SITE --edit NUMBER N REV`.

What a synchronisation with a CMS ends in, without the network before it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from velobuild.content.database import open_database
from velobuild.content.store import Store
from velobuild.model.entries import BodyFormat, Collection, Delta, Post


def entry(post: dict[str, Any]) -> Post:
    return Post(
        id=post["id"],
        slug=post["slug"],
        title=post["title"],
        body=post["content_html"],
        body_format=BodyFormat.HTML,
        status="published",
        updated_at=datetime.fromisoformat(post["updated"]),
        published_at=datetime.fromisoformat(post["published_at"]),
        excerpt=post["excerpt"],
        tags=tuple(post["tags"]),
        extra={"author": post["author"]},
    )


def read(file: Path) -> Iterator[Post]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield entry(json.loads(line))


def main(site: str, *arguments: str) -> None:
    connection = open_database(Path(site) / ".velobuild", warn=print)
    store = Store(connection)
    if arguments[0] == "--edit":
        from corpus import post

        number, post_count, revision = map(int, arguments[1:])
        upserts: tuple[Post, ...] = (entry(post(number, post_count, revision)),)
    else:
        upserts = tuple(read(Path(arguments[0])))
    versions = {one.id: one.updated_at.isoformat() for one in upserts}
    # An edit comes as the answer to an event does: it names one post and lists nothing.
    whole = arguments[0] != "--edit"
    changes = store.apply([Delta(Collection.POSTS, upserts, versions, complete=whole, cursor="loaded")])
    if len(changes.changes) != len(upserts):
        raise SystemExit(f"{len(upserts)} posts were given, {len(changes.changes)} changed")
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
