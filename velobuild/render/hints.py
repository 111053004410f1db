"""What the author of a theme is told of a mistake: file and line as they know them, and which name may be meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from velobuild.render.theme import Theme

NO_ATTRIBUTE = re.compile(r"'(?:[\w.]+\.)?(\w+) object' has no attribute '(\w+)'")
NOT_DEFINED = re.compile(r"'(\w+)' is undefined")
# Fields of views that velobuild itself uses, so that no hint offers them.
INTERNAL = frozenset({"absolute_content", "fields", "is_draft", "key", "num"})


def shown_file(file: str, theme: Theme) -> str:
    """A template's file from the theme's own folder; one of a theme that it extends, with that theme's name."""
    for place in theme.folders:
        if Path(file).is_relative_to(place):
            name = Path(file).relative_to(place).as_posix()
            return name if place == theme.folders[0] else f"{place.name}/{name}"
    return file


def source_line(file: str | None, line: int) -> str | None:
    """The line with its number; None if it cannot be read."""
    if not file or not line:
        return None
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return f"{line:>4} | {lines[line - 1]}" if line <= len(lines) else None


def unknown_field(message: str) -> str:
    """Jinja's message, with a field's name as templates write it: `post.titel`."""
    found = NO_ATTRIBUTE.search(message)
    if found is None:
        return message
    owner = found[1].removesuffix("View").lower()
    return f"unknown field `{'page' if owner == 'local' else owner}.{found[2]}`"


def nearest_name(error: Exception, context: Mapping[str, Any]) -> str | None:
    """What was meant by an unknown field or name, or else what there is."""
    message = str(error)
    if found := NO_ATTRIBUTE.search(message):
        # The value rather than its type, which knows nothing of the fields that __init__ sets.
        owner = next((value for value in _views(context) if type(value).__name__ == found[1]), None)
        names = _fields(owner) if owner is not None else []
        near = difflib.get_close_matches(found[2], names, 1)
        if near:
            return f"did you mean `{near[0]}`? docs/themes.md lists the fields"
        return f"it has: {', '.join(names)}" if names else None
    if found := NOT_DEFINED.search(message):
        near = difflib.get_close_matches(found[1], list(context), 1)
        return f"did you mean `{near[0]}`?" if near else f"this page has: {', '.join(sorted(context))}"
    return None


def _fields(owner: object) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_") and name not in INTERNAL]


def _views(context: Mapping[str, Any]) -> list[Any]:
    """The values of a context, one level deep: where an unknown field can have been asked for."""
    found: list[Any] = []
    for value in context.values():
        found.append(value)
        if isinstance(value, list | tuple):
            found += value[:1]
    post = context.get("post")
    if post is not None:
        found += [*post.tags[:1], post.previous, post.next, post.image]
    return found
