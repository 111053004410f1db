"""Put a corpus into a site's store as one change set.

`load.py SITE POSTS.json`, or `load.py SITE --edit NUMBER N REVISION`.

What a synchronisation with a CMS ends in, without the network before it. Posts of `posts-markdown.json` are Markdown,
and so is an edit with a last word `markdown`.
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
    text = post.get("content_markdown")
    return Post(
        id=post["id"],
        slug=post["slug"],
        title=post["title"],
        body=post["content_html"] if text is None else text,
        body_format=BodyFormat.HTML if text is None else BodyFormat.MARKDOWN,
        status="published",
        updated_at=datetime.fromisoformat(post["updated"]),
        published_at=datetime.fromisoformat(post["published_at"]),
        excerpt=post["excerpt"],
        tags=tuple(post["tags"]),
        extra={"author": post["author"]},
    )


def edited(number: int, post_count: int, revision: int, *, form: str = "html") -> Post:
    """One post of the corpus with another text; everything else is as it was."""
    import corpus

    post = corpus.post(number, post_count, revision)
    if form == "markdown":
        post["content_markdown"] = corpus.markdown(number, post_count, revision)
    return entry(post)


def one(post: Post) -> Delta:
    """As the answer to an event comes: it names one post and lists nothing."""
    return Delta(Collection.POSTS, (post,), {post.id: post.updated_at.isoformat()}, complete=False, cursor="loaded")


def read(file: Path) -> Iterator[Post]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield entry(json.loads(line))


def main(site: str, *arguments: str) -> None:
    connection = open_database(Path(site) / ".velobuild", warn=print)
    store = Store(connection)
    if arguments[0] == "--edit":
        number, post_count, revision = map(int, arguments[1:4])
        delta = one(edited(number, post_count, revision, form=arguments[4] if arguments[4:] else "html"))
    else:
        upserts = tuple(read(Path(arguments[0])))
        versions = {post.id: post.updated_at.isoformat() for post in upserts}
        delta = Delta(Collection.POSTS, upserts, versions, complete=True, cursor="loaded")
    changes = store.apply([delta])
    if len(changes.changes) != len(delta.upserts):
        raise SystemExit(f"{len(delta.upserts)} posts were given, {len(changes.changes)} changed")
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
