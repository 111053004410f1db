"""Which files the sitemap of a site has: one, or an index of one for each month or day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from velobuild.graph.reader import SPAN_POSTS_MAX, Reader
from velobuild.model.keys import Query
from velobuild.model.outputs import Target

# The protocol allows 50,000 addresses and 50 MB a file; an edit should cost far less than that.
SITEMAP_POSTS_MAX = 1_000


def sitemap_targets(reader: Reader) -> list[Target]:
    """One sitemap; where it would be long, an index of one for each month or day, so that an edit costs one of them."""
    if not _is_cut(reader.answers.count(Query())):
        return [_target(reader, "sitemap.xml", "sitemap", {})]
    parts = [_target(reader, "sitemap-pages.xml", "sitemap-part", {}), *_parts(reader, reader.spans())]
    return [_target(reader, "sitemap.xml", "sitemap-index", {"files": [part.path for part in parts]}), *parts]


def sitemap_moves(reader: Reader, lengths: Mapping[str, int]) -> tuple[list[Target], set[str]]:
    """(the files that a change may have made or altered, those that it took away), from the change alone.

    `lengths` names the months that posts came to or left. A site of many years has thousands of parts, and to ask the
    trace for each would cost more than all the pages of a new post.
    """
    count = reader.answers.count(Query())
    if not _is_cut(count) or not _is_cut(count - lengths.get("post", 0)):
        targets = sitemap_targets(reader)
        return targets, reader.sitemaps_before() - {target.path for target in targets}
    months = sorted(facet.removeprefix("month=") for facet in lengths if facet.startswith("month="))
    parts = [part for month in months for part in _parts(reader, reader.spans(month))]
    before = {path for month in months for path in reader.sitemaps_before(month)}
    now = {part.path for part in parts}
    if now != before:  # else the index names what it named
        parts.insert(0, sitemap_targets(reader)[0])
    return parts, before - now


def _is_cut(posts: int) -> bool:
    return posts > SITEMAP_POSTS_MAX


def _parts(reader: Reader, spans: Iterable[tuple[str, int]]) -> Iterator[Target]:
    for span, posts in spans:
        for start in range(0, posts, SPAN_POSTS_MAX):
            part = start // SPAN_POSTS_MAX
            name = f"sitemap-{span}{f'-part-{part + 1}' if part else ''}.xml"
            yield _target(reader, name, "sitemap-part", {"span": span, "start": start, "limit": SPAN_POSTS_MAX})


def _target(reader: Reader, path: str, renderer: str, params: dict[str, object]) -> Target:
    return Target(path, reader.site.url_of(f"/{path}"), "sitemap", renderer, None, params)
