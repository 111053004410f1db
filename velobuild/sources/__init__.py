"""The outside world as deltas. `SOURCES` names every kind of source; its module is loaded when it is opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from velobuild.model.ports import Clock, Progress, Source, Warn, utc_now

if TYPE_CHECKING:
    from velobuild.config.schema import Config, Loaded, Secret
    from velobuild.sources.opening import Opened
    from velobuild.sources.pocketbase_realtime import Realtime

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "velocms": "velobuild.sources.opening:open_velocms",
        "pocketbase": "velobuild.sources.pocketbase:open_pocketbase",
        "polycms": "velobuild.sources.polycms:open_polycms",
        "cometcms": "velobuild.sources.cometcms:open_cometcms",
        "folder": "velobuild.sources.folder:open_folder",
    }
)
"""`source.type` → module and function that opens it."""


def open_source(
    loaded: Loaded,
    *,
    cache: Path | None,
    clock: Clock = utc_now,
    warn: Warn = lambda finding: None,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
    offline: bool = False,
) -> Opened:
    """The source that the configuration names, with its connections: close it, or use it in a `with` block.

    Several come as one; `offline` then leaves out those that are not on this machine, and what is known of them stays.
    `cache` is the folder, shared by all sites of this user, that holds the rate limiter's file. Nothing is sent yet.

    Raises ConfigError for an address, a token or a rate that cannot be used.
    """

    def open_one(single: Loaded) -> Opened:
        kind = single.config.source.type
        if kind not in SOURCES:
            from velobuild.sources.plugins import open_plugin

            return open_plugin(single, cache=cache, clock=clock, warn=warn, progress=progress, sleep=sleep)
        module, _, name = SOURCES[kind].partition(":")
        opener: Callable[..., Opened] = getattr(import_module(module), name)
        return opener(single, cache=cache, clock=clock, warn=warn, progress=progress, sleep=sleep)

    if not are_named(loaded.config):
        return open_one(loaded)
    from velobuild.sources.several import open_several

    return open_several(loaded, open_one, offline=offline)


def are_named(config: Config) -> bool:
    """Whether entries carry the name of their source: there are several, or the one has a name."""
    return bool(config.more_sources or config.source.name)


def has_local(config: Config) -> bool:
    """Whether a source is on this machine, so that it is read even offline."""
    return any(source.type == "folder" for source in config.sources)


def is_local(config: Config) -> bool:
    """Whether all sources are on this machine."""
    return all(source.type == "folder" for source in config.sources)


def file_tokens_by_address(
    loaded: Loaded, *, cache: Path | None, clock: Clock = utc_now
) -> dict[str, Callable[[], Secret]]:
    """A source's address → what gives a token for its protected files, for every source that has such."""
    found = {}
    for single in loaded.each_source():
        give, address = file_tokens(single, cache=cache, clock=clock), single.config.source.address
        if give is not None and address is not None:
            found[address] = give
    return found


def file_tokens(
    loaded: Loaded, *, cache: Path | None, clock: Clock = utc_now, sleep: Callable[[float], None] = time.sleep
) -> Callable[[], Secret] | None:
    """What gives a token for the CMS's protected files; None for a CMS that has no such files."""
    if loaded.config.source.type == "cometcms":
        from velobuild.sources.cometcms import file_token_of

        return file_token_of(loaded)
    if loaded.config.source.type != "pocketbase":
        return None
    from velobuild.sources.pocketbase import file_tokens_of

    return file_tokens_of(loaded, cache=cache, clock=clock, sleep=sleep)


def realtime_of(
    loaded: Loaded, *, cache: Path | None, clock: Clock = utc_now, warn: Warn = lambda finding: None
) -> tuple[Realtime, ...]:
    """What tells of changes as they happen, for each source that can; the others have to be asked. Nothing is sent yet.

    Iterate over the `hints` of each in a thread of its own; `close` ends them.
    """
    from velobuild.sources.pocketbase_realtime import Realtime

    telling = [single for single in loaded.each_source() if single.config.source.type == "pocketbase"]
    return tuple(Realtime(single, cache=cache, clock=clock, warn=warn) for single in telling)


__all__ = [
    "SOURCES",
    "Source",
    "are_named",
    "file_tokens",
    "file_tokens_by_address",
    "has_local",
    "is_local",
    "open_source",
    "realtime_of",
]
