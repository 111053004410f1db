"""What became of a post or a file since the trace was written, as clauses."""

from __future__ import annotations

from velobuild.content.dirty import PostBefore
from velobuild.graph.named import ABSENT
from velobuild.model.keys import Fingerprint
from velobuild.model.reads import BODY_FIELDS, Field


def fate_of_post(before: PostBefore | None, after: PostBefore | None, fields: Field) -> str:
    """What became of a post: a clause."""
    if before is None:
        return "was published"
    if after is None:
        return "is gone"
    both = Field.CONTENT | Field.EXCERPT
    if fields & both == both and not after.values["excerpt"] and not fields & ~(BODY_FIELDS | Field.UPDATED):
        return "was edited in its text, whose beginning is its excerpt"
    return "was edited"


def altered_places(before: PostBefore, after: PostBefore) -> str:
    """What of an edited post moves it in lists or on the site: a clause."""
    old, new = before.values, after.values
    ways = (
        ("got other tags", old["tags"] != new["tags"]),
        ("got another date", before.sort_at != after.sort_at),
        ("got another title", old["title"] != new["title"]),
        ("got another address", before.path != after.path),
        ("got another author", old["author_id"] != new["author_id"]),
    )
    return " and ".join(words for words, so in ways if so) or "was edited"


def fate_of_file(key: str, before: Fingerprint, now: Fingerprint) -> str:
    """What happened to a file of the theme, as a sentence."""
    kind, _, name = key.partition(":")
    absent = {ABSENT, bytes(len(ABSENT))}
    fate = "is new" if before in absent else "is gone" if now in absent else "was edited"
    return f"the {'template' if kind == 'template' else 'static file'} {name} {fate}"
