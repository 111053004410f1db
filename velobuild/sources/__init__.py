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
    from velobuild.config.schema import Loaded, Secret
    from velobuild.sources.opening import Opened
    from velobuild.sources.pocketbase_realtime import Realtime

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "velocms": "velobuild.sources.opening:open_velocms",
        "pocketbase": "velobuild.sources.pocketbase:open_pocketbase",
        "cometcms": "velobuild.sources.cometcms:open_cometcms",
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
) -> Opened:
    """The source that the configuration names, with its connections: close it, or use it in a `with` block.

    `cache` is the folder, shared by all sites of this user, that holds the rate limiter's file. Nothing is sent yet.

    Raises ConfigError for an address, a token or a rate that cannot be used.
    """
    module, _, name = SOURCES[loaded.config.source.type].partition(":")
    opener: Callable[..., Opened] = getattr(import_module(module), name)
    return opener(loaded, cache=cache, clock=clock, warn=warn, progress=progress, sleep=sleep)


def file_tokens(
    loaded: Loaded, *, cache: Path | None, clock: Clock = utc_now, sleep: Callable[[float], None] = time.sleep
) -> Callable[[], Secret] | None:
    """What gives a token for the CMS's protected files; None for a CMS that has no such files."""
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


__all__ = ["SOURCES", "Source", "file_tokens", "open_source", "realtime_of"]
