"""A theme on disk: the chain of folders, its static files, its texts, and the options that the site has set."""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from velobuild.config.schema import Config
from velobuild.config.shipped import folder, theme_folder
from velobuild.errors import ConfigError, OutputError
from velobuild.markup.stylesheet import shipped_stylesheet
from velobuild.model.keys import canonical

CHAIN_MAX = 8
REQUIRED = ("name", "version", "description", "licence")
KINDS: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool, "choice": str}
HIGHLIGHT = "css/highlight.css"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the chain as it is published: among `assets` its bytes' hash is part of its name."""

    source: Path | None
    content: bytes | None
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme as the site uses it. `folders` begin with the site's own and end with base.

    `verbatim` are the site's own static files, which keep their names. Those of them that replace a theme's file, or
    that a template names, are among `assets` too.
    """

    name: str
    folders: tuple[Path, ...]
    options: Mapping[str, Any]
    assets: Mapping[str, StaticFile]
    verbatim: Mapping[str, StaticFile]
    texts: Mapping[str, Mapping[str, str]]
    fingerprint: str

    @property
    def template_folders(self) -> list[Path]:
        return [place / "templates" for place in self.folders]


def load_theme(config: Config, root: Path) -> Theme:
    """The configured theme with everything it inherits.

    Raises ConfigError VB1401 (not found), VB1402 (damaged), VB1101 (options); OutputError VB6002 for a static file
    that is no plain file.
    """
    own = _own(config, root)
    chain: list[Path] = []
    manifest = _manifest(own)
    declared = _declared(manifest, own / "theme.toml")
    while True:
        chain.append(own)
        parent = manifest.get("extends")
        if parent is None:
            break
        if len(chain) == CHAIN_MAX:
            raise ConfigError(f"{CHAIN_MAX} themes extend each other", code="VB1402", where=str(own / "theme.toml"))
        own = _find(str(parent), own)
        manifest = _manifest(own)
    if chain[-1] != folder("themes") / "base":
        chain.append(folder("themes") / "base")
    folders = (root, *chain)
    templates = list(_templates(folders))
    verbatim = dict(_verbatim(root))
    assets = _assets(folders, verbatim, _quoted(templates))
    texts = _texts(folders)
    options = _options(declared, config.theme.options, chain[0].name)
    return Theme(
        name=chain[0].name,
        folders=folders,
        options=options,
        assets=assets,
        verbatim=verbatim,
        texts=texts,
        fingerprint=_fingerprint(templates, options, assets, verbatim, texts),
    )


def _own(config: Config, root: Path) -> Path:
    """The folder of the theme that the site names."""
    if not config.theme.path:
        return theme_folder(config.theme.name, where="theme.name")
    own = root / config.theme.path
    if not own.is_dir():
        raise ConfigError(
            f"there is no theme in {own}",
            code="VB1401",
            where="theme.path",
            hint="name the folder, seen from velobuild.toml, in which theme.toml lies",
        )
    return own


def _find(name: str, child: Path) -> Path:
    """The folder of the theme that `child` extends: beside it, or a shipped one, of which base may be extended too."""
    beside = child.parent / name
    if beside.is_dir():
        return beside
    return folder("themes") / name if name == "base" else theme_folder(name, where=f"{child / 'theme.toml'}: extends")


def _manifest(place: Path) -> dict[str, Any]:
    file = place / "theme.toml"
    try:
        manifest = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _damaged(f"theme.toml cannot be read: {error}", file) from error
    missing = [name for name in REQUIRED if not isinstance(manifest.get(name), str)]
    if missing:
        raise _damaged(f"theme.toml does not say its {', '.join(missing)}", file)
    return manifest


def _damaged(what: str, file: Path) -> ConfigError:
    return ConfigError(
        what,
        code="VB1402",
        where=str(file),
        hint=f"a theme needs a theme.toml with {', '.join(REQUIRED)}; docs/themes.md shows one",
    )


def _declared(manifest: Mapping[str, Any], file: Path) -> Mapping[str, Mapping[str, Any]]:
    """The options that a theme offers. Raises ConfigError VB1402 where one is not described as it must be."""
    declared = manifest.get("options", {})
    if not isinstance(declared, dict):
        raise _damaged("`options` is no table", file)
    for name, rule in declared.items():
        if not isinstance(rule, dict):
            raise _damaged(f"the option `{name}` is no table", file)
        kind, default, choices = KINDS.get(str(rule.get("type"))), rule.get("default"), rule.get("choices")
        if kind is None or type(default) is not kind:
            raise _damaged(f"the option `{name}` lacks a type (one of {', '.join(KINDS)}) or a default of it", file)
        if rule["type"] == "choice" and (not isinstance(choices, list) or default not in choices):
            raise _damaged(f"the option `{name}` lacks its choices, or its default is none of them", file)
    return cast(Mapping[str, Mapping[str, Any]], declared)


def _options(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], theme: str) -> dict[str, Any]:
    options = {name: rule["default"] for name, rule in declared.items()}
    for name, value in given.items():
        rule = declared.get(name)
        if rule is None:
            raise ConfigError(
                f"the theme {theme} has no option `{name}`",
                code="VB1101",
                where=f"theme.options.{name}",
                hint=f"it has: {', '.join(sorted(declared)) or 'none'}",
            )
        kind = KINDS[rule["type"]]
        if type(value) is not kind or value not in rule.get("choices", (value,)):
            wanted = " or ".join(rule["choices"]) if "choices" in rule else rule["type"]
            raise ConfigError(
                f"the theme's option `{name}` wants {wanted}, not {value!r}",
                code="VB1101",
                where=f"theme.options.{name}",
                hint=rule.get("description"),
            )
        options[name] = value
    return options


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """(relative name in NFC, file) of every file below a folder, sorted. Links and devices are refused."""
    if place.is_symlink():
        raise _linked(place)
    if not place.is_dir():
        return
    for file in sorted(place.rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        name = unicodedata.normalize("NFC", file.relative_to(place).as_posix())
        if any(part.startswith(".") and part != ".well-known" for part in name.split("/")):
            continue
        if file.is_symlink() or not file.is_file():
            raise _linked(file)
        yield name, file


def _linked(file: Path) -> OutputError:
    return OutputError(
        "a file of the theme or the site is a link or a device, which is never published",
        code="VB6002",
        where=str(file),
        hint="put the file itself there",
    )


def _templates(folders: tuple[Path, ...]) -> Iterator[tuple[int, str, bytes]]:
    """(number of the folder, name, content) of every template of the chain."""
    for number, place in enumerate(folders):
        for name, file in _files(place / "templates"):
            yield number, name, file.read_bytes()


def _quoted(templates: list[tuple[int, str, bytes]]) -> frozenset[str]:
    """Whatever stands between two quotation marks of a template, and so every file that one names in full."""
    texts = (content.decode("utf-8", "replace") for _, _, content in templates)
    return frozenset(unicodedata.normalize("NFC", part) for text in texts for part in re.split("[\"']", text))


def _assets(
    folders: tuple[Path, ...], verbatim: Mapping[str, StaticFile], named: frozenset[str]
) -> dict[str, StaticFile]:
    css = shipped_stylesheet().encode()
    sha256 = hashlib.sha256(css).hexdigest()
    assets = {HIGHLIGHT: StaticFile(None, css, sha256, _hashed(HIGHLIGHT, sha256))}
    for place in reversed(folders[1:]):
        for name, file in _files(place / "static"):
            sha256 = _sha256(file)
            assets[name] = StaticFile(file, None, sha256, _hashed(name, sha256))
    # Not all of the site's own: each would be published twice, a film as well as a style sheet.
    for name, own in verbatim.items():
        if name in assets or name in named:
            assets[name] = StaticFile(own.source, None, own.sha256, _hashed(name, own.sha256))
    return assets


def _hashed(name: str, sha256: str) -> str:
    path = PurePosixPath(name)
    return f"assets/{path.with_name(f'{path.stem}.{sha256[:10]}{path.suffix}')}"


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _verbatim(root: Path) -> Iterator[tuple[str, StaticFile]]:
    """The site's own static files under their own names: a favicon.ico, a verification file."""
    for name, file in _files(root / "static"):
        yield name, StaticFile(file, None, _sha256(file), name)


def _texts(folders: tuple[Path, ...]) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for place in reversed(folders):
        for file in sorted((place / "locales").glob("*.toml")):
            try:
                found = tomllib.loads(file.read_text("utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise ConfigError(f"a file of texts cannot be read: {error}", code="VB1402", where=str(file)) from error
            texts.setdefault(file.stem, {}).update({key: str(value) for key, value in found.items()})
    return texts


def _fingerprint(
    templates: list[tuple[int, str, bytes]],
    options: Mapping[str, Any],
    assets: Mapping[str, StaticFile],
    verbatim: Mapping[str, StaticFile],
    texts: Mapping[str, Mapping[str, str]],
) -> str:
    digest = hashlib.sha256()
    for number, name, content in templates:
        digest.update(canonical([number, name, hashlib.sha256(content).hexdigest()]))
    digest.update(canonical([dict(options), {key: dict(value) for key, value in texts.items()}]))
    digest.update(canonical({name: static.sha256 for name, static in assets.items()}))
    digest.update(canonical({name: static.sha256 for name, static in verbatim.items()}))
    return digest.hexdigest()
