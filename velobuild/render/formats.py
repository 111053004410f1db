"""Moments and languages as pages show them."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache


def isodate(moment: datetime) -> str:
    """ISO 8601 with the zone's offset, whole seconds."""
    return moment.isoformat(timespec="seconds")


@lru_cache(maxsize=64)
def language_name(tag: str) -> str:
    """What a language calls itself: `Deutsch`, `português (Brasil)`; its tag where nobody knows."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(tag, sep="-").get_display_name() or tag
    except (UnknownLocaleError, ValueError):
        return tag
