"""Moments as the database keeps them. Apart, for whoever asks when without asking what loads no entry for it."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """A fixed-width UTC form, so that text order is time order: `2026-05-03T10:00:00.000000Z`.

    Raises ValueError for a time without a zone, which would mean another moment on another machine, and OverflowError
    for one that lies before year 1 or after year 9999 in UTC.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    # strftime pads years below 1000 on some systems only.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
