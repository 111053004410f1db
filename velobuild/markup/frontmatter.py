"""Front matter: the fields at the head of a local file, in YAML between `---` or in TOML between `+++`."""

from __future__ import annotations

import re
from typing import Any

from velobuild.errors import ContentProblem

CODE = "VB3005"
HEAD_BYTES_MAX = 64 * 1024
FENCES = {"---": ("---", "..."), "+++": ("+++",)}
TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def split(text: str, *, where: str) -> tuple[dict[str, Any], str]:
    """The fields and the body of `text`; no fields if it does not begin with a fence.

    Dates come as `datetime` or `date`. YAML is read as version 1.2 reads it where the two differ harmfully: `no`,
    `on` and `12:30` are strings. `where` names the file in messages.

    Raises: ContentProblem (VB3005) with the line, if the fence is never closed, the syntax is wrong, a key stands
    twice, or the head is larger than 64 KiB, nested deeper than 20, or uses YAML anchors.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    first, _, rest = text.partition("\n")
    fence = first.rstrip()
    if fence not in FENCES:
        return {}, text
    head, body = _cut(rest, FENCES[fence], where)
    if len(head.encode("utf-8", "replace")) > HEAD_BYTES_MAX:
        raise _problem("the front matter is larger than 64 KiB", where, 1)
    return (_yaml if fence == "---" else _toml)(head, where), body


def _cut(rest: str, closers: tuple[str, ...], where: str) -> tuple[str, str]:
    position = 0
    for line in rest.splitlines(keepends=True):
        if line.rstrip() in closers:
            return rest[:position], rest[position + len(line) :].lstrip("\n")
        position += len(line)
    raise _problem(
        f"the front matter that line 1 opens is never closed by a line `{closers[0]}`",
        where,
        1,
        hint="close it, or put an empty line before a rule that begins a text",
    )


def _yaml(head: str, where: str) -> dict[str, Any]:
    import yaml  # 20 ms, for sites that have local pages.

    from velobuild.markup.boundedyaml import BoundedLoader

    try:
        fields = yaml.load(head, BoundedLoader)  # noqa: S506 - BoundedLoader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise _problem(f"the YAML front matter cannot be read: {error.problem}", where, line) from error
    except yaml.YAMLError as error:
        what = str(error).splitlines()[0]
        raise _problem(f"the YAML front matter cannot be read: {what}", where, 1) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise _problem(f"the YAML front matter holds a value that does not exist: {error}", where, 1) from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise _problem("the front matter is not a list of `key: value` lines", where, 2)
    return {str(key): value for key, value in fields.items()}


def _toml(head: str, where: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = TOML_PLACE.search(message)
        line = int(place[1]) + 1 if place and place[1] else head.count("\n") + 1
        what = TOML_PLACE.sub("", message)
        raise _problem(f"the TOML front matter cannot be read: {what}", where, line) from error
    except (ValueError, RecursionError) as error:
        raise _problem("the TOML front matter is nested too deeply or holds too large a number", where, 1) from error


def _problem(what: str, where: str, line: int, *, hint: str | None = None) -> ContentProblem:
    return ContentProblem(what, code=CODE, where=f"{where}:{line}", hint=hint)
