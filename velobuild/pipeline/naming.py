"""A synchronisation of the posts that events name: one call each and no list, where nothing else can have changed.

What an event says is never believed, only that a post is worth asking for. It is a floor, though: an answer that is
older than the event is asked for again within a bound, since the CMS may answer from a copy that lags behind.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from velobuild.config.schema import Config, Loaded
from velobuild.content.store import Store
from velobuild.errors import Diagnostic
from velobuild.model.entries import Collection, Delta, Media, Post
from velobuild.model.outputs import SyncReport
from velobuild.model.ports import Clock, FetchesPosts, NamedPost, Progress, Warn
from velobuild.pipeline.syncing import guard_shrink
from velobuild.sources import are_named, open_source
from velobuild.sources.records import ID
from velobuild.sources.several import Part

PER_PAGE = 100
ASKED_AGAIN_AFTER_S = (0.2, 0.4, 0.8)
"""How long is waited before each further question for a post whose answer is older than the event."""

BY_ID = "SELECT 1 FROM post WHERE id = ?"
BY_SLUG = "SELECT id FROM post WHERE slug = ?"
COUNT = "SELECT count(*) FROM post"
MEDIA_URLS = "SELECT json_extract(value, '$.url') FROM entry WHERE collection = 'media'"
MEDIA_ID = "SELECT 1 FROM entry WHERE collection = 'media' AND id = ?"
BODY = "SELECT body FROM body WHERE post_id = ?"
# Whatever in a body could be the address of a file. Too many are taken rather than too few: each costs a list at most.
# Cut into words first, since a search that begins anew at every character takes quadratic time on a hostile body.
BETWEEN_WORDS = re.compile(r"""[\s"'<>()\\,]+""")
ENDING = re.compile(r"[A-Za-z0-9]{2,5}")


def synchronise_named(
    store: Store,
    loaded: Loaded,
    named: Sequence[NamedPost],
    *,
    cache: Path | None,
    allow_shrink: bool,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    sleep: Callable[[float], None] = time.sleep,
) -> SyncReport | None:
    """Bring these posts alone up to date. None where only a whole synchronisation will do; nothing was applied then.

    `stale` of the report names the posts whose answers stayed older than their events. Raises what `synchronise` does.
    """
    wanted = resolved(store, named, loaded.config)
    if wanted is None or len(wanted) > 1 + listing_calls(store):
        return None
    loaded.require_tokens()
    found: list[Diagnostic] = []

    def tell(finding: Diagnostic) -> None:
        found.append(finding)
        warn(finding)

    with open_source(loaded, cache=cache, clock=clock, warn=tell, progress=progress) as opened:
        source = opened.source
        if not isinstance(source, FetchesPosts):
            return None
        answers = _fetched(source, wanted)
        stale = _stale(wanted, answers)
        for wait_s in ASKED_AGAIN_AFTER_S:
            if not stale:
                break
            sleep(wait_s)
            answers |= _fetched(source, {id: wanted[id] for id in stale})
            stale = _stale(wanted, answers)
        tally = opened.source.tally
    if wanted.keys() - answers.keys() or _brings_media(store, answers.values()):
        return None
    closings = [delta for _, deltas in sorted(answers.items()) for delta in deltas]
    guard_shrink(store, closings, loaded, as_of=clock(), allowed=allow_shrink, may_empty=tally.may_empty)
    changes = store.apply(closings)
    gone = sum(change.after is None for change in changes.changes)
    return SyncReport(
        revision=changes.revision,
        changed=sum(change.collection is Collection.POSTS for change in changes.changes) - gone,
        removed=gone,
        api_calls=tally.usage.calls,
        bodies_fetched=tally.bodies_fetched,
        calls_today=tally.usage.calls_today,
        left_in_window=tally.usage.left_in_window,
        warnings=tuple(found),
        named=tuple(wanted[id] for id in sorted(wanted)),
        stale=tuple(wanted[id] for id in sorted(stale)),
    )


def resolved(store: Store, named: Iterable[NamedPost], config: Config) -> dict[str, NamedPost] | None:
    """The posts by their ids in the store, those that are named twice merged.

    None where a name is not known to be one post's.
    """
    found: dict[str, NamedPost] = {}
    for one in named:
        id = one.id
        if id is not None and not ID.fullmatch(id):
            return None  # Whoever signs events may still write nonsense into them: it is no part of an address.
        if are_named(config):
            id = _of_several(store, one, config)
        elif id is None:
            id = _of_slug(store, one)
        if id is None:
            return None
        found[id] = one if id not in found else found[id].with_(one)
    return found


def _of_slug(store: Store, named: NamedPost) -> str | None:
    rows = store.connection.execute(BY_SLUG, (named.slug,)).fetchall()
    return str(rows[0][0]) if len(rows) == 1 else None


def _of_several(store: Store, named: NamedPost, config: Config) -> str | None:
    """The post's id in the store; None where it could be another source's. Folders tell of nothing.

    Where nobody can say which of several sources told: the id of a known post is one source's alone, unless it is a
    number, which every CMS counts for itself.
    """
    tellers = [Part(source, None) for source in config.sources if source.type != "folder"]
    tellers = [one for one in tellers if one.name == named.source] or tellers
    if named.id is None:
        id = _of_slug(store, named) if len(tellers) == 1 else None
        return id if id is not None and tellers[0].owns(id) else None
    if len(tellers) == 1:
        return tellers[0].id(named.id)
    ids = [teller.id(named.id) for teller in tellers]
    known = [id for id in ids if store.connection.execute(BY_ID, (id,)).fetchone()]
    return known[0] if len(known) == 1 and not named.id.isdigit() else None


def listing_calls(store: Store) -> int:
    """What a list of all posts costs: from more named posts on it is the cheaper way."""
    (count,) = store.connection.execute(COUNT).fetchone()
    return -(-int(count) // PER_PAGE)


def _fetched(source: FetchesPosts, wanted: Iterable[str]) -> dict[str, tuple[Delta, ...]]:
    """Id → what was answered for that post; an id of which nothing is certain is missing."""
    found: dict[str, tuple[Delta, ...]] = {}
    before: tuple[Delta, ...] = ()
    for delta in source.fetch(tuple(wanted)):
        if delta.collection is not Collection.POSTS:  # what a post brings along, such as its cover
            before = (*before, delta)
            continue
        for id in (*delta.deletes, *(entry.id for entry in delta.upserts)):
            found[id] = (*before, delta)
        before = ()
    return found


def _stale(wanted: dict[str, NamedPost], answers: dict[str, tuple[Delta, ...]]) -> set[str]:
    return {id for id, deltas in answers.items() if is_older(_post(deltas), wanted[id])}


def _post(deltas: tuple[Delta, ...]) -> Post | None:
    return next((entry for delta in deltas for entry in delta.upserts if isinstance(entry, Post)), None)


def is_older(answer: Post | None, event: NamedPost) -> bool:
    """Whether the CMS answered with a state from before the event. `answer` is None for a post that is gone."""
    if answer is None:
        return event.there is True
    if event.there is False:
        return True
    floor: datetime | None = event.updated_at
    # Whole seconds: events and records need not give their times equally exactly.
    return floor is not None and answer.updated_at.replace(microsecond=0) < floor.replace(microsecond=0)


def _brings_media(store: Store, answers: Iterable[tuple[Delta, ...]]) -> bool:
    """Whether a post shows a file that may have come with it: its record is known only from the list of media."""
    posts = [entry for deltas in answers for delta in deltas for entry in delta.upserts if isinstance(entry, Post)]
    brought = {
        entry.id for deltas in answers for delta in deltas for entry in delta.upserts if isinstance(entry, Media)
    }
    known: set[str] | None = None
    for post in posts:
        cover = post.cover_media_id
        if cover is not None and cover not in brought and not store.connection.execute(MEDIA_ID, (cover,)).fetchone():
            return True
        row = store.connection.execute(BODY, (post.id,)).fetchone()
        fresh = file_addresses(post.body) - file_addresses(row[0] if row else "")
        if not fresh:
            continue
        if known is None:
            known = {_path(url) for (url,) in store.connection.execute(MEDIA_URLS) if url}
        if any(_path(address) not in known for address in fresh):
            return True
    return False


def file_addresses(body: str) -> set[str]:
    """Every word of a body that could be the address of a file: with a slash, and an ending at the end of its path."""
    words = (word for word in BETWEEN_WORDS.split(body) if "/" in word)
    return {word for word in words if _is_file(_path(word).rpartition("/")[2])}


def _is_file(name: str) -> bool:
    stem, _, ending = name.rpartition(".")
    return bool(stem) and ENDING.fullmatch(ending) is not None


def _path(address: str) -> str:
    """The address without scheme, host, query and fragment: bodies and records need not name a file the same way."""
    return re.sub(r"^(?:[a-z]+:)?//[^/]*", "", address).partition("?")[0].partition("#")[0]
