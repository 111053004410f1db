"""What stays as it was: the last good page of a post that cannot be shown now, with the files of its time.

A page is kept by the post's id, never by its path: another post may live there by now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from velobuild.model.outputs import OutputFile, Phase
from velobuild.publish.manifest import Manifest
from velobuild.publish.releases import Staging

POSTS = "posts"
"""The key in a release's meta under which it says which post is at which path."""


def live_posts(live: Manifest | None) -> Mapping[str, str]:
    """Post id → path of the posts in the live release whose page is there."""
    if live is None:
        return {}
    found: dict[str, str] = json.loads(live.meta.get(POSTS, "{}"))
    return {id: path for id, path in found.items() if path in live.files}


def keep_page(staging: Staging, last: str, path: str) -> OutputFile | None:
    """Put the post's last good page, which is at `last`, to where the post is now. None if it is not to be had.

    A post that moved keeps its old page at its new address, since everything links there.
    """
    if last == path:
        return staging.keep(path)
    return staging.write(path, staging.live_bytes(last))


def keep_files_of(kept: Sequence[str], added: set[str], staging: Staging) -> None:
    """Pages that stay as they were go on showing the pictures and styles of their time. `kept` are live paths."""
    live = staging.live.files if kept and staging.live else {}
    gone = {path for path, file in live.items() if file.phase is Phase.ASSETS} - added
    to_read = [path for path in kept if path in live]
    while gone and to_read:
        content = staging.live_bytes(to_read.pop())
        named = {path for path in gone if quote(path).encode() in content}
        gone -= named
        for path in sorted(named):
            staging.keep(path)
            if path.endswith(".css"):  # which may name fonts and pictures in turn
                to_read.append(path)
