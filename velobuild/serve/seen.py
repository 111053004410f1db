"""What came to a site's door: counted for the status, and judged for a warning."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

REFUSED_FOR = timedelta(hours=1)
REFUSED_MANY = 3


@dataclass(slots=True)
class Seen:
    """What came to a site's door since the service started."""

    accepted: int = 0
    unusable: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_in_a_row: int = 0
    by_secret: Counter[int] = field(default_factory=Counter)
    """Number of the secret → deliveries that it proved: one that is idle may be dropped."""
    accepted_at: datetime | None = None
    refused_at: datetime | None = None
    refused_since: datetime | None = None
    """The first refusal after the last delivery that was accepted."""
    ping_at: datetime | None = None
    skew_s: float | None = None
    """How far the clocks were apart at the last authentic delivery that was not fresh, in seconds."""


def door_warning(seen: Seen, now: datetime) -> str | None:
    """What an hour of nothing but refusals means, or None."""
    since = seen.refused_since
    if since is None or seen.refused_in_a_row < REFUSED_MANY or now - since < REFUSED_FOR:
        return None
    return (
        f"every delivery since {since:%Y-%m-%d %H:%M} UTC was refused: is the secret wrong, or a clock? "
        "The CMS will disable the webhook"
    )
