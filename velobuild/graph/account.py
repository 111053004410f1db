"""What the last build did, by cause."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from velobuild.content.database import Connection
from velobuild.graph.builds import last_build, removed_by
from velobuild.graph.chains import gone_words, shared_chain
from velobuild.graph.changes import Cause, field_names, named_fields
from velobuild.graph.explain import Names, cause_of
from velobuild.graph.trace import Output, Trace


@dataclass(frozen=True, slots=True)
class CauseGroup:
    """What one cause brought about in a build."""

    because: tuple[str, ...]
    rendered: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildAccount:
    """What the last build that changed anything rendered, by cause; and how many outputs it let be."""

    number: int
    at: str
    rendered: int
    outputs: int
    groups: tuple[CauseGroup, ...]


def explain_last(connection: Connection) -> BuildAccount | None:
    """The last build's renderings by cause, the largest group first. None before the first build."""
    last = last_build(connection)
    if last is None:
        return None
    made = _Made(Names(connection))
    outputs = 0
    for output in Trace(connection).outputs():
        outputs += 1
        if output.build == last.number:
            made.add(output)
    removed: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, cause in removed_by(connection, last.number).items():
        removed[(gone_words(cause),)].append(f"/{path.removesuffix('index.html')}")
    rendered = made.by_chain()
    groups = [CauseGroup(why, rendered=tuple(paths)) for why, paths in rendered.items()]
    groups += [CauseGroup(why, removed=tuple(paths)) for why, paths in removed.items()]
    groups.sort(key=lambda group: (-len(group.rendered) - len(group.removed), group.because))
    return BuildAccount(last.number, last.at, sum(map(len, rendered.values())), outputs, tuple(groups))


class _Made:
    """The URLs of outputs under what brought them about. Of a post that was edited all fields come together, whichever
    of them each output shows."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._urls: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._of_posts: dict[Cause, list[Output]] = defaultdict(list)

    def add(self, output: Output) -> None:
        cause = cause_of(output)
        if cause.kind == "post":
            self._of_posts[replace(cause, detail="")].append(output)
        else:
            self._urls[shared_chain(cause, output.target, self._names)].append(output.target.url)

    def by_chain(self) -> dict[tuple[str, ...], list[str]]:
        for cause, outputs in self._of_posts.items():
            fields = 0
            for output in outputs:
                fields |= named_fields(cause_of(output).detail)
            whole = replace(cause, detail=field_names(fields))
            self._urls[shared_chain(whole, outputs[0].target, self._names)] += [one.target.url for one in outputs]
        return self._urls
