"""What the source wants to remember between two synchronisations, as the opaque cursor that the store keeps for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from velobuild import __version__
from velobuild.config.schema import LimitsConfig
from velobuild.model.keys import canonical, fingerprint

MEDIA_AGAIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A post whose body was read and could not be used; asked for again once its version or our limits change."""

    version: str
    why: str


@dataclass(frozen=True, slots=True)
class Memory:
    """`media_at` is when the media were listed last, None if they must be listed now.

    `members` maps a post that its body showed to be for members to the version read. Without these two, every
    synchronisation would fetch the same bodies again only to leave them out again. `glance` is what a source keeps of a
    short look at the whole, by which it recognises that nothing changed.
    """

    rules: str
    media_at: datetime | None = None
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    glance: Mapping[str, Any] | None = None

    def media_due(self, now: datetime) -> bool:
        return self.media_at is None or not timedelta(0) <= now - self.media_at < MEDIA_AGAIN

    def cursor(self) -> str:
        return canonical(
            {
                "rules": self.rules,
                "media_at": None if self.media_at is None else self.media_at.astimezone(UTC).isoformat(),
                "left_out": {id: [left.version, left.why] for id, left in self.left_out.items()},
                "members": dict(self.members),
                **({} if self.glance is None else {"glance": dict(self.glance)}),
            }
        ).decode()


def rules_of(limits: LimitsConfig) -> str:
    """What decides whether a body can be used."""
    return fingerprint([__version__, limits.post_bytes, limits.title_chars]).hex()


def recall(cursor: str | None, limits: LimitsConfig) -> Memory:
    """What the last cursor says; nothing is remembered from one that cannot be read."""
    rules = rules_of(limits)
    try:
        kept: Any = json.loads(cursor or "null")
        if kept is None:
            return Memory(rules)
        media_at = kept["media_at"] and datetime.fromisoformat(kept["media_at"])
        left_out = {id: LeftOut(str(version), str(why)) for id, (version, why) in kept["left_out"].items()}
        members = {str(id): str(version) for id, version in kept["members"].items()}
        glance = kept.get("glance") if kept["rules"] == rules else None
        return Memory(rules, media_at, left_out if kept["rules"] == rules else {}, members, glance)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Memory(rules)
