"""A process that stays: one post after the other goes into the store of a site, and the site is built each time.

    warm.py SITE N     reads lines of JSON, writes one for each

`{"edit": NUMBER, "revision": R, "mark": TEXT}` changes the body of a post of the corpus of N posts,
`{"new": NUMBER, "mark": TEXT}` brings one more, with five tags. It answers where the page will be, waits for an empty
line (now somebody may look at the page), does it, and answers when it began and ended, by the clock that all processes
share.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpus
from load import edited, entry, one

from velobuild.config.load import load
from velobuild.config.schema import Loaded
from velobuild.content.database import open_database
from velobuild.content.store import Store
from velobuild.model.entries import Post
from velobuild.pipeline import BuildOptions, build
from velobuild.pipeline.opening import databases_kept_open, sync_kept


def wanted(order: dict[str, Any], post_count: int) -> Post:
    if "edit" in order:
        post = edited(order["edit"], post_count, order["revision"])
    else:
        made = corpus.post(order["new"], post_count)
        tags = [corpus.TAGS[(order["new"] * 7 + step * 31) % corpus.TAG_COUNT] for step in range(5)]
        post = entry({**made, "tags": sorted(tags)})
    return replace(post, body=f"<p>{order['mark']}</p>\n{post.body}")


def main(site: str, count: str) -> None:
    import velobuild.pipeline.steps
    import velobuild.render.renderers  # noqa: F401 - the service's build process has it loaded as well

    folder, post_count = Path(site).resolve(), int(count)
    loaded = load(None, directory=folder, environment={})
    connection = open_database(folder / ".velobuild", warn=print)
    store = Store(connection)
    gc.freeze()
    with databases_kept_open():  # as in the service's build process
        serve(loaded, store, post_count)


def serve(loaded: Loaded, store: Store, post_count: int) -> None:
    for line in sys.stdin:
        if not line.strip():
            continue
        post = wanted(json.loads(line), post_count)
        gc.collect()
        say(page=str(loaded.out / "posts" / post.slug / "index.html"))
        sys.stdin.readline()
        began = time.monotonic()
        store.apply([one(post)])
        applied = time.monotonic()
        report = build(loaded, BuildOptions(offline=True), cache=None)
        ended = time.monotonic()
        changed = report.created + report.rewritten
        say(began=began, applied=applied, ended=ended, changed=changed, phases=dict(report.elapsed_ms))
        sync_kept()


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
