"""What a heap of events asks for: nothing, some posts by name, or a look at the whole CMS. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from velobuild.model.ports import NamedPost
from velobuild.serve.events import NO_WORK, POST_KINDS, Event
from velobuild.sources.dates import NoDate, parse_date

THERE = {
    "post.published": True,
    "post.updated": True,
    "post.deleted": False,
    "post.unpublished": False,
    "post.changed": None,
}
"""What an event claims of its post: that it is published, that it is not, or nothing."""


@dataclass(frozen=True, slots=True)
class Work:
    """`everything`: synchronise the whole CMS; else the `named` posts suffice. `reasons` are for people."""

    named: tuple[NamedPost, ...] = ()
    everything: bool = False
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.everything or bool(self.named)


def work_of(events: Iterable[Event], *, comments: bool, sources: Mapping[str, str] = MappingProxyType({})) -> Work:
    """One build's work for all the events. `comments`: whether the site shows any. `sources`: dialect → name of the
    one source that speaks it.

    Events may come in any order and more than once, so their order is not looked at: where they contradict each other
    about a post, it is asked for without a claim.
    """
    named: dict[str, NamedPost] = {}
    everything = False
    reasons: dict[str, None] = {}
    for event in events:
        if event.kind in NO_WORK or (event.kind == "comment.changed" and not comments):
            continue
        one = event.post_id or event.slug
        if event.kind in POST_KINDS and one is not None:
            reasons[f"{event.kind} {event.slug or event.post_id}"] = None
            source = sources.get(event.dialect)
            post = NamedPost(event.post_id, event.slug, THERE[event.kind], floor(event.version), source)
            # Two CMSes may each have a post of this id.
            key = f"{source} id {event.post_id}" if event.post_id else f"{source} slug {event.slug}"
            named[key] = post if key not in named else named[key].with_(post)
        else:
            reasons[event.kind] = None
            everything = True
    return Work(tuple(named.values()), everything, tuple(reasons))


def floor(version: str | None) -> datetime | None:
    """The time of change that an event tells, as CMSs write it; None for what is no time."""
    try:
        return parse_date(version)[0]
    except NoDate:
        return None
