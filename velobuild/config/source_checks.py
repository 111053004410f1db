"""What is wrong with where posts come from, apart from their addresses: kinds, folders, and sources side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import PurePosixPath
from posixpath import normpath
from urllib.parse import urlsplit

from velobuild.config.schema import Config, SourceConfig
from velobuild.config.source_schema import BUILT_IN
from velobuild.config.wrong import Wrong

GROUP = "velobuild.sources"
"""The entry points by which installed packages add types of source."""


def added_types() -> tuple[str, ...]:
    """The types that installed packages add, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)} - set(BUILT_IN)))


def type_problem(source: SourceConfig) -> Iterator[Wrong]:
    """An unknown type, or options where nobody reads them. Paths begin with `source`."""
    if source.type not in BUILT_IN and source.type not in (added := added_types()):
        known = (*BUILT_IN, *added)
        near = difflib.get_close_matches(source.type, known, n=1)
        listed = ", ".join(f'"{name}"' for name in known)
        yield Wrong(
            ("source", "type"),
            f'there is no source "{source.type}"',
            f'did you mean "{near[0]}"?' if near else f"there are {listed}; a package that adds one must be installed",
        )
    elif source.options and source.type in BUILT_IN:
        yield Wrong(
            ("source", "options"),
            f'a source of type "{source.type}" has no options',
            "options are for sources that another package adds",
            code="VB1104",
        )


def folder_problems(source: SourceConfig, pages: str) -> Iterator[Wrong]:
    """`pages` is the folder of local pages, which must not be read twice."""
    if source.url is not None:
        yield Wrong(("source", "url"), "a folder has no address", "write `path`, or another `type`")
    path, other = (PurePosixPath(normpath(text.replace("\\", "/"))) for text in (source.path, pages))
    if path == other or path in other.parents or (other in path.parents and not path.is_absolute()):
        yield Wrong(
            ("source", "path"),
            f"`{source.path}` and the folder of local pages, `{pages}`, lie in one another",
            "choose a folder of its own; pages of a folder source are in its own `pages` folder",
        )


def side_by_side(config: Config) -> Iterator[Wrong]:
    """What is wrong only because there are several. Paths are `("source", name, key)`."""
    folders: dict[str, str] = {}
    tokens: dict[str, tuple[str, str]] = {}
    for source in config.sources:
        if source.type == "folder":
            path = normpath(source.path)
            if path in folders:
                yield Wrong(("source", source.key, "path"), f"`{source.path}` is already read by `{folders[path]}`")
            folders.setdefault(path, source.key)
            continue
        for variable in dict.fromkeys(_variables(source)):
            known = tokens.setdefault(variable, (source.key, _origin(source)))
            if known[1] != _origin(source):
                yield Wrong(
                    ("source", source.key, "token_env" if variable == source.token_env else "token_file"),
                    f"`{known[0]}` and `{source.key}` would send the same token (`{variable}`) to two places",
                    f'give each its own: `token_env = "{source.key.upper().replace("-", "_")}_TOKEN"`',
                )


def _variables(source: SourceConfig) -> Sequence[str]:
    """Where the source's tokens come from."""
    return (source.token_env, *([source.token_file] if source.token_file else []))


def _origin(source: SourceConfig) -> str:
    """Whom the source's token is sent to."""
    return urlsplit(source.url).netloc.lower() if source.url else source.key
