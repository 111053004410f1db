"""Pictures that belong to one post and are no record of the CMS's media: entries of our own, kept beside the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from velobuild.model.entries import Collection
from velobuild.model.ports import Known

COVER = "cover"
MEDIA = Collection.MEDIA


def cover_id(post_id: str) -> str:
    """The id of the media entry that a post's own cover gets. No CMS's own ids hold a `~`."""
    return f"{post_id}~{COVER}"


def kept_covers(known: Known, posts: Mapping[str, str], brought: Iterable[str]) -> dict[str, str]:
    """The covers that exist, with their versions: a cover's version is its post's.

    `posts` maps the posts that exist to their versions; `brought` are those that were seen now with a cover of theirs.
    A cover that is neither here nor staged is left out.
    """
    committed = known.versions(MEDIA)
    covers = {cover_id(id): version for id, version in posts.items() if committed.get(cover_id(id)) == version}
    for post_id in posts.keys() & set(brought):
        id, version = cover_id(post_id), posts[post_id]
        if id not in covers and known.holds(MEDIA, id, version):
            covers[id] = version
    return covers
