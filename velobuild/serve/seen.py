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
    by_secret: Counter[int] = field(default_factory=Counter)
    """Number of the secret → deliveries that it proved: one that is idle may be dropped."""
    accepted_at: datetime | None = None
    refused_at: datetime | None = None
    refused_in_a_row: int = 0
    """Signed deliveries that were refused since one was accepted: the first at `refused_since`, the last at
    `refused_until`. What nobody signed is no CMS's, and anybody can send it."""
    refused_since: datetime | None = None
    refused_until: datetime | None = None
    ping_at: datetime | None = None
    skew_s: float | None = None
    """How far the clocks were apart at the last authentic delivery that was not fresh, in seconds."""

    def refuse(self, why: str, now: datetime, *, signed: bool) -> None:
        """A delivery was refused. `signed`: it carried the signature header of a dialect that is listened to."""
        self.refused[why] += 1
        self.refused_at = now
        if signed:
            self.refused_in_a_row += 1
            self.refused_since = self.refused_since or now
            self.refused_until = now

    def begin_anew(self) -> None:
        """A delivery was accepted, or the secrets may be others now: earlier refusals mean nothing any more."""
        self.refused_in_a_row = 0
        self.refused_since = self.refused_until = None


def door_warning(seen: Seen, now: datetime) -> str | None:
    """What an hour of nothing but refused signatures means, or None. It passes an hour after the last of them."""
    since, until = seen.refused_since, seen.refused_until
    if since is None or until is None or seen.refused_in_a_row < REFUSED_MANY:
        return None
    # To the last refusal, not to now: a few at one instant would else be an hour of them an hour later, and for ever.
    if until - since < REFUSED_FOR or now - until >= REFUSED_FOR:
        return None
    return (
        f"every signed delivery since {since:%Y-%m-%d %H:%M} UTC was refused: is the secret wrong, or a clock? "
        "The CMS will disable the webhook"
    )
