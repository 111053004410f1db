"""Posts to ask for again, since an answer was not yet what their event says. An event is a floor. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velobuild.model.outputs import SyncReport
from velobuild.model.ports import NamedPost

FOLLOW_UPS_S = (5.0, 30.0, 120.0)
"""When a post is asked for again whose answer stayed older than its event; after that the timer's look has it."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A post to ask for again at `at_s` of the monotonic clock, for the `number`-th time."""

    post: NamedPost
    at_s: float
    number: int


def again(sync: SyncReport, asked: Sequence[FollowUp], *, at_s: float) -> list[FollowUp]:
    """What to ask for again after a synchronisation, of whose posts some were asked for as follow-ups already."""
    # By source and id: two CMSes may each have a post of this id.
    numbers = {(one.post.source, one.post.id): one.number for one in asked}
    if sync.stale:
        pairs = [(post, numbers.get((post.source, post.id), 0)) for post in sync.stale if post.id is not None]
        return [FollowUp(post, at_s + FOLLOW_UPS_S[n], n + 1) for post, n in pairs if n < len(FOLLOW_UPS_S)]
    if asked or sync.changed or sync.removed:
        return []
    # An edit was announced and is not to be seen: a delivery that came twice, or an answer from a copy that lags.
    unseen = [post for post in sync.named if post.id is not None and post.there]
    return [FollowUp(post, at_s + FOLLOW_UPS_S[0], len(FOLLOW_UPS_S)) for post in unseen]
