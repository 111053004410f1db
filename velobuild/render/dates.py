"""Days in a language's long form: Babel's words in Babel's order.

To load Babel takes longer than to render a single page. What it knows of a language comes down to
twelve patterns, one a month: a build keeps them for the next (`learned`), which then does without it (`recall`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from velobuild.markup.versions import installed_versions

if TYPE_CHECKING:
    from babel import Locale

NOTE = "long_dates"
"""The note under which a build keeps what it learned."""

_months: dict[str, list[str]] = {}
"""Language → for each month where the day ({0}) and the year ({1}) stand; [] where that does not say it all."""


@lru_cache(maxsize=4096)
def long_date(ordinal: int, language: str) -> str:
    """A day (proleptic Gregorian ordinal) in a language's long form; in English where nobody knows the language."""
    learn((language,))
    day, months = date.fromordinal(ordinal), _months[language]
    return months[day.month - 1].format(day.day, day.year) if months else _by_babel(day, language)


def learn(languages: Iterable[str]) -> None:
    """Know these languages from now on: before a fork, so that each worker need not ask."""
    for language in languages:
        if language not in _months:
            _months[language] = _asked(language)


def recall(note: str | None) -> None:
    """Take over what an earlier build learned, if it was of the same Babel. None: believe nothing, and ask anew."""
    if note is None:
        long_date.cache_clear()
        _months.clear()
        return
    version, months = json.loads(note)
    if version == _version():
        _months.update({language: own for language, own in months.items() if language not in _months})


def learned() -> str | None:
    """What `recall` takes; None if nothing is known."""
    return json.dumps([_version(), _months], sort_keys=True, ensure_ascii=False) if _months else None


@lru_cache(maxsize=1)
def _version() -> str:
    return installed_versions(("babel",))["babel"]


def _asked(language: str) -> list[str]:
    from babel.dates import get_month_names

    locale = _locale(language)
    form = str(locale.date_formats["long"].format)
    wide, short = (get_month_names(width, locale=locale) for width in ("wide", "abbreviated"))
    numbers = {"d": "{0}", "dd": "{0:02}", "y": "{1}"}
    try:
        months = [form % {**numbers, "M": str(at), "MMM": short[at], "MMMM": wide[at]} for at in range(1, 13)]
    except KeyError:  # An era, which depends on the year.
        return []
    return [] if "{" in form else months


def _by_babel(day: date, language: str) -> str:
    from babel.dates import format_date

    return str(format_date(day, format="long", locale=_locale(language)))


def _locale(language: str) -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en")
