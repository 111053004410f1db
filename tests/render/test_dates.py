"""Days in words: what is kept of a language says what Babel says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import pytest
from babel import Locale
from babel.dates import format_date
from babel.localedata import locale_identifiers

from velobuild.render import dates

DAYS = [date(year, month, day) for month in range(1, 13) for year, day in ((5, 1), (999, 28), (2026, 9))]


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    dates.recall(None)
    yield
    dates.recall(None)


def test_every_language_of_babel_is_written_as_babel_writes_it() -> None:
    for identifier in locale_identifiers():
        language, locale = identifier.replace("_", "-"), Locale.parse(identifier)
        for day in DAYS:
            said = dates.long_date(day.toordinal(), language)
            assert said == str(format_date(day, format="long", locale=locale)), (identifier, day)


def test_an_unknown_language_is_english() -> None:
    assert [dates.long_date(739000, name) for name in ("xx-yy", "", "no such")] == ["April 24, 2024"] * 3


def test_a_language_that_was_learned_needs_no_babel() -> None:
    dates.learn(["de"])
    script = (
        "import sys; from velobuild.render import dates; dates.recall(sys.argv[1]); "
        "print(dates.long_date(739000, 'de')); assert 'babel' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", script, dates.learned() or ""], capture_output=True, text=True)

    assert ended.stdout.strip() == "24. April 2024", ended.stderr


def test_what_another_babel_said_is_not_believed() -> None:
    dates.learn(["de"])
    version, months = json.loads(dates.learned() or "")
    dates.recall(None)
    dates.recall(json.dumps([f"{version}.1", {language: ["wrong"] * 12 for language in months}]))

    assert dates.long_date(739000, "de") == "24. April 2024"


def test_nothing_is_learned_before_it_is_asked_for() -> None:
    assert dates.learned() is None
