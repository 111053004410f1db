"""What of a site is on this machine, and what has to be asked of a CMS. Pure but for the theme's chain."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from velobuild.config.schema import Loaded, SourceConfig
from velobuild.errors import VelobuildError
from velobuild.render.theme import load_theme
from velobuild.serve.watch import Places

THEME_PARTS = ("templates", "static", "locales")
LOCAL = "folder"
"""The type of a source on this machine: its files are watched, and nothing is asked."""


def chain_of(loaded: Loaded, before: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """The theme's chain of folders, the site's own first; that of `before` while the theme cannot be read."""
    try:
        return load_theme(loaded.config, loaded.root).folders
    except VelobuildError:
        config = loaded.config.theme
        own = (loaded.root / config.path,) if config.path else ()
        return tuple(dict.fromkeys((loaded.root, *own, *before[1:])))


def asked_sources(loaded: Loaded) -> list[SourceConfig]:
    """Those that are not on this machine's disk."""
    return [source for source in loaded.config.sources if source.type != LOCAL]


def is_of_theme(file: Path, folders: tuple[Path, ...]) -> bool:
    """Whether a change of the file can ask for no content and no media that are not here yet."""
    parts = {folder / part for folder in folders for part in THEME_PARTS}
    return file.name == "theme.toml" or any(file.is_relative_to(part) for part in parts)


def shown(file: Path, folders: tuple[Path, ...]) -> str:
    """The file as a person knows it: from the site's folder, or with its theme's name before it."""
    if file.is_relative_to(folders[0]):
        return file.relative_to(folders[0]).as_posix()
    for folder in folders[1:]:
        if file.is_relative_to(folder):
            return f"{folder.name}/{file.relative_to(folder).as_posix()}"
    return str(file)


def places_of(loaded: Loaded, folders: tuple[Path, ...]) -> Places:
    """What a site is made from on this machine. `folders` are the theme's chain, the site's own first."""
    watched = [folder / part for folder in folders for part in THEME_PARTS]
    watched.append(loaded.root / loaded.config.content.pages)
    watched += [loaded.root / source.path for source in loaded.config.sources if source.type == LOCAL]
    watched += [loaded.root / source.path for source in loaded.config.sources if source.type == "folder"]
    files = [loaded.file, loaded.root / ".env", *(folder / "theme.toml" for folder in folders[1:])]
    return Places(tuple(dict.fromkeys(watched)), tuple(dict.fromkeys(files)))


def prefix_of(loaded: Loaded) -> str:
    """The path below which the site is published, such as `/blog`."""
    return urlsplit(loaded.config.site.base_url).path.rstrip("/")


def asks_otherwise(before: Loaded, after: Loaded) -> bool:
    """Whether the CMS is another one, or is asked with other tokens."""
    tokens = [[token.reveal() for token in loaded.tokens] for loaded in (before, after)]
    return before.config.sources != after.config.sources or tokens[0] != tokens[1]
