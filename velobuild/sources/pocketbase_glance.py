"""One call that recognises a collection in which nothing changed: how many records it shows, and the newest change.

An edit makes another record the newest, and whatever goes away makes the number smaller. What this cannot see (a date
of change set back by hand) the next full look finds, which is due once a day. It is not used where posts refer to other
records, whose changes leave no trace in the posts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from velobuild.config.schema import SourceConfig
from velobuild.http.client import ApiClient
from velobuild.model.keys import fingerprint
from velobuild.sources.dates import NoDate, parse_date
from velobuild.sources.pocketbase_api import RequestRefused
from velobuild.sources.pocketbase_records import PostMapping

FULL_AGAIN = timedelta(hours=24)
SAFETY = timedelta(seconds=3)
"""A change younger than this may be followed by another with the same date: no evidence."""


class Glance:
    """What the call showed, with the rules under which it counts; `kept` is how it is remembered."""

    def __init__(self, client: ApiClient, config: SourceConfig, mapping: PostMapping, *, now: datetime) -> None:
        """Makes the call. Raises RecordMissing without such a collection, and whatever the client raises."""
        self._now = now
        self._shown: list[Any] | None = None
        updated = config.fields.updated
        if not updated:
            return
        asked: dict[str, str | int] = {"page": 1, "perPage": 1, "sort": f"-{updated},id", "fields": f"id,{updated}"}
        if mapping.filter:
            asked["filter"] = mapping.filter
        try:
            body = client.get_json(f"collections/{config.collections.posts}/records", asked).body
            total, newest = body["totalItems"], body["items"][0]
            moment = parse_date(newest[updated])[0]
        except (RequestRefused, KeyError, IndexError, TypeError, NoDate):
            return
        if isinstance(total, int) and total > 0 and moment + SAFETY <= now:
            rules = fingerprint([mapping.rules, config.members_only, sorted(config.exclude_tags)]).hex()
            self._shown = [rules, client.base_url, total, str(newest["id"]), moment.isoformat()]

    def same_as(self, kept: Mapping[str, Any] | None) -> bool:
        """Whether nothing changed since `kept` was remembered, less than a day ago."""
        if self._shown is None or kept is None or kept.get("shown") != self._shown:
            return False
        try:
            age = self._now - datetime.fromisoformat(kept["at"])
        except (KeyError, TypeError, ValueError):
            return False
        return timedelta(0) <= age < FULL_AGAIN

    def kept(self, *, with_excluded_tags: int) -> dict[str, Any] | None:
        """To be remembered beside what a full look then found; None if it is no evidence."""
        if self._shown is None:
            return None
        return {
            "shown": self._shown,
            "at": self._now.astimezone(UTC).isoformat(),
            "with_excluded_tags": with_excluded_tags,
        }
