"""Which filter brings the posts that changed in the fewest calls. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from velobuild.sources.pocketbase_api import quoted, spaced

IDS_PER_CALL = 40
FILTER_CHARS_MAX = 1_400
"""Percent-encoded: PocketBase took 2,048 for a whole query string up to 0.22 and takes 3,500 for a filter since."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What the light list tells of a post. `updated_at` is None if the collection keeps no such date."""

    version: str
    updated_at: datetime | None
    has_cover: bool


def since(stale: dict[str, Swept], swept: dict[str, Swept], field: str) -> tuple[str, int] | None:
    """A filter that leaves all stale posts, and how many posts it leaves; None if there is nothing to read."""
    if not stale:
        return None
    dates = [row.updated_at for row in stale.values() if row.updated_at is not None]
    if len(dates) < len(stale) or len(stale) == len(swept):
        return "", len(swept)
    oldest = min(dates)
    return f'{field} >= "{spaced(oldest)}"', sum(
        row.updated_at is None or row.updated_at >= oldest for row in swept.values()
    )


def batches(ids: Iterable[str]) -> Iterator[str]:
    """Filters that leave these records, in their order, each short enough for one call."""
    batch: list[str] = []
    length = 0
    for id in ids:
        one = f"id={quoted(id)}"
        if batch and (len(batch) == IDS_PER_CALL or length + len(quote(f"||{one}")) > FILTER_CHARS_MAX):
            yield f"({'||'.join(batch)})"
            batch, length = [], 0
        batch.append(one)
        length += len(quote(f"||{one}"))
    if batch:
        yield f"({'||'.join(batch)})"
