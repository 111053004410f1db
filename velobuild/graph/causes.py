"""Causes that come from an output itself: it is new, it is another one now, or it is gone."""

from __future__ import annotations

from velobuild.graph.changes import Cause, Changed
from velobuild.model.outputs import Target


def born(target: Target, changed: Changed) -> Cause:
    """Why there is an output where there was none."""
    id = str(target.params.get("id", ""))
    if target.route == "post" and id in changed.names:
        moved = changed.gone.get(id)
        fate = f"was at {moved} before" if moved else changed_fate(changed, id)
        return Cause("new", target.url, behind=f"the post “{changed.names[id]}” {fate}")
    return Cause("new", target.url, target.route)


def replaced(old: Target, new: Target) -> Cause:
    """Why an output is another one than the one that was at its path, though nothing that it read changed."""
    if (old.route, old.template) != (new.route, new.template):
        return Cause("route", new.url, f"{old.route} {new.route}")
    return Cause("route", new.url, "" if new.route == old.route else new.route)


def left(target: Target, changed: Changed) -> Cause:
    """Why an output is gone."""
    id = str(target.params.get("id", ""))
    if target.route == "post" and id in changed.names:
        moved = changed.born.get(id)
        fate = f"is at {moved} now" if moved else changed_fate(changed, id)
        return Cause("gone", target.url, behind=f"the post “{changed.names[id]}” {fate}")
    return Cause("gone", target.url, target.route)


def changed_fate(changed: Changed, id: str) -> str:
    """What became of a post, as a clause."""
    if id in changed.born and id not in changed.gone:
        return "was published"
    return "is gone: it was deleted or unpublished, or is due later" if id not in changed.born else "was moved"
