"""Dates as the CMS writes them: ISO 8601 with `T` or a space, with or without a fraction, `Z`, an offset or neither."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s?(Z|[+-]\d{2}:?\d{2})?", re.ASCII | re.IGNORECASE
)
# Outside of it a date is a slip or a trap, and some zone arithmetic fails.
YEARS = range(1900, 3000)


class NoDate(ValueError):
    """The value is no date that can be meant."""


def parse_date(value: object) -> tuple[datetime, bool]:
    """The moment in UTC, to the microsecond, and whether its zone was missing and taken to be UTC.

    Raises NoDate.
    """
    match = DATE.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 64 else None
    if match is None:
        raise NoDate("is no date")
    day, time, fraction, zone = match.groups()
    offset = "+00:00" if zone is None or zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:6]:0<6}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NoDate("is a date that does not exist") from error
    if moment.year not in YEARS:
        raise NoDate("lies too far away")
    return moment, zone is None
