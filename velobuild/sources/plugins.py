"""Sources that other packages add, through the entry points `velobuild.sources`. docs/sources.md shows one."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from velobuild.config.schema import LimitsConfig, Loaded, Secret
from velobuild.config.source_checks import GROUP
from velobuild.errors import ConfigError, ProtocolError, VelobuildError
from velobuild.model.entries import Collection, Comment, Delta, Media, Page, Post, SiteSettings
from velobuild.model.ports import Clock, Known, Progress, Source, Warn
from velobuild.sources.doctor import Finding, Verdict
from velobuild.sources.listing import no_progress
from velobuild.sources.opening import Opened
from velobuild.sources.posts import Tally

KINDS = {
    Collection.POSTS: Post,
    Collection.PAGES: Page,
    Collection.MEDIA: Media,
    Collection.COMMENTS: Comment,
    Collection.SETTINGS: SiteSettings,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginContext:
    """What a source of another package is opened with. `folder` is that of velobuild.toml.

    `options` is its own `[source.options]` table, unchecked; `tokens` are those that its `token_env` or `token_file`
    names. `clock` gives the present, `warn` takes what the owner should know, `progress` tells how far it is.
    """

    url: str | None
    options: dict[str, Any]
    tokens: tuple[Secret, ...]
    folder: Path
    limits: LimitsConfig
    clock: Clock
    warn: Warn
    progress: Progress = no_progress
    sleep: Callable[[float], None] = field(default=time.sleep)


class PluginSource:
    """A source of another package: what it yields is checked, and what it raises is told under its name."""

    def __init__(self, source: Source, entry: EntryPoint) -> None:
        self._source = source
        self._entry = entry
        self.tally = Tally()

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`. Raises ProtocolError VB2201 for a delta that is none, and for its own failures."""
        self.tally = Tally()
        try:
            for delta in self._source.changes(known, cursor):
                self._check(delta)
                if delta.collection is Collection.POSTS:
                    self.tally.bodies_fetched += len(delta.upserts)
                    self.tally.listed = len(delta.versions) if delta.complete else self.tally.listed
                yield delta
        except VelobuildError:
            raise
        except Exception as error:
            raise self._wrong(f"it failed: {type(error).__name__}: {error}") from error

    def _check(self, delta: object) -> None:
        if not isinstance(delta, Delta):
            raise self._wrong(f"it gave a {type(delta).__name__} in place of a Delta")
        kind = KINDS.get(delta.collection)
        if kind is None:
            raise self._wrong(f"it gave a delta of {delta.collection!r}, which is no Collection")
        for entry in delta.upserts:
            if not isinstance(entry, kind):
                raise self._wrong(f"among its {delta.collection.value} is a {type(entry).__name__}")
            if not isinstance(entry.id, str) or not entry.id:
                raise self._wrong(f"one of its {delta.collection.value} has no id")
            if entry.id not in delta.versions:
                raise self._wrong(f"its delta names no version of `{entry.id}`")
            for name in ("updated_at", "published_at", "created_at"):
                moment = getattr(entry, name, None)
                if moment is not None and moment.tzinfo is None:
                    raise self._wrong(f"`{name}` of `{entry.id}` has no time zone")

    def _wrong(self, what: str) -> ProtocolError:
        return ProtocolError(
            f"the source {describe(self._entry)} does not keep to its contract: {what}",
            code="VB2201",
            where=self._entry.value,
            hint="this is for whoever wrote it to mend; nothing was changed",
        )


def describe(entry: EntryPoint) -> str:
    """`"name" of package 1.2`."""
    return f'"{entry.name}" of {entry.dist.name} {entry.dist.version}' if entry.dist else f'"{entry.name}"'


def open_plugin(
    loaded: Loaded,
    *,
    cache: Path | None,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> Opened:
    """The source that an installed package adds under this type.

    Raises ConfigError VB1108 if there is none, or two, or it cannot be loaded, opened, or is no `Source`.
    """
    config = loaded.config.source
    entry = _entry_point(config.type)
    context = PluginContext(
        url=config.url,
        options=dict(config.options),
        tokens=loaded.tokens,
        folder=loaded.root,
        limits=loaded.config.limits,
        clock=clock,
        warn=warn,
        progress=progress or no_progress,
        sleep=sleep,
    )
    try:
        opener = entry.load()
    except Exception as error:
        raise _broken(entry, f"it cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(opener):
        raise _broken(entry, f"its entry point is a {type(opener).__name__}, nothing that can be called")
    try:
        source = opener(context)
    except VelobuildError:
        raise
    except Exception as error:
        raise _broken(entry, f"it cannot be opened: {type(error).__name__}: {error}") from error
    if problem := contract_problem(source):
        raise _broken(entry, problem)
    wrapped = PluginSource(source, entry)
    found = Finding(config.key, Verdict.OK, f"the source {describe(entry)} was opened")
    return Opened(wrapped, None, None, lambda: [found])


def contract_problem(source: object) -> str | None:
    """Why an object is no `Source`, or None."""
    changes = getattr(source, "changes", None)
    if not callable(changes):
        return f"it gave a {type(source).__name__} without a method `changes`"
    try:
        inspect.signature(changes).bind(None, None)
    except TypeError:
        return f"its `changes` cannot be called with (known, cursor): it takes {inspect.signature(changes)}"
    except ValueError:  # Written in another language, it has no signature to look at.
        return None
    return None


def _entry_point(kind: str) -> EntryPoint:
    found = list({(entry.value, entry.name): entry for entry in entry_points(group=GROUP, name=kind)}.values())
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f'there is no source "{kind}"',
            code="VB1108",
            where="source.type",
            hint="install the package that adds it, into the environment that velobuild runs in",
        )
    owners = " and ".join(describe(entry) for entry in found)
    raise ConfigError(
        f'two packages add a source "{kind}": {owners}',
        code="VB1108",
        where="source.type",
        hint="uninstall one of them",
    )


def _broken(entry: EntryPoint, what: str) -> ConfigError:
    return ConfigError(
        f"the source {describe(entry)} cannot be used: {what}",
        code="VB1108",
        where=entry.value,
        hint="install another version of that package, or tell whoever wrote it",
    )


__all__ = ["PluginContext", "PluginSource", "contract_problem", "open_plugin"]
