"""velobuild.toml and the environment → one frozen `Loaded`, or one error that names everything wrong at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from velobuild.config.cache import Asked, ConfigCache
from velobuild.config.environment import DEFAULTS, FILE_NAME, KEYS
from velobuild.config.schema import Loaded, SourceConfig
from velobuild.config.secrets import read_dotenv, read_tokens
from velobuild.config.source_schema import BUILT_IN
from velobuild.errors import ConfigError, Diagnostic


def load(
    file: Path | None,
    *,
    directory: Path,
    environment: Mapping[str, str],
    overrides: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    env_name: str | None = None,
    needs_cms: bool = True,
    cache: ConfigCache | None = None,
) -> Loaded:
    """Settle a site's configuration.

    `file` is taken as it is, else velobuild.toml is looked for in `directory` and above it. `overrides` maps dotted
    keys to text, as `--set` gives them; `labels` names the flag that gave one, if it was another. Missing tokens are
    no error here: see `Loaded.require_tokens`. Without `needs_cms` a missing address of the CMS is none either.
    `cache` may know the answer already, and is offered what it may keep.

    Raises: ConfigError with every finding, in the order of the file.
    """
    path = _find(file, directory)
    name = _shown(path, directory)
    content = _read(path, name)
    warnings: list[Diagnostic] = []
    dotenv = read_dotenv(path.parent / ".env", warn=warnings)
    asked = Asked(
        content,
        name,
        tuple(_variables(environment, dotenv)),
        tuple((key, text, (labels or {}).get(key, f"--set {key}")) for key, text in (overrides or {}).items()),
        env_name,
    )
    settled = cache.settled(path, asked) if cache is not None else None
    if settled is None:
        from velobuild.config.settle import settle  # pydantic and all that validates take 0.1 s to load.

        settled, complete = settle(asked, needs_cms=needs_cms)
        if cache is not None and complete:
            cache.offer(path, asked, settled)
    config = settled.config

    takers = [one for one in config.sources if one.type != "folder"]
    by_source = {
        one.key: read_tokens(
            one.token_env if _may_take_token(one) else None,
            one.token_file,
            root=path.parent,
            environment=environment,
            dotenv=dotenv,
            warn=warnings,
            fallback=len(takers) == 1 and one.type in BUILT_IN,
        )
        for one in takers
    }
    every = {token.reveal(): token for tokens in reversed(by_source.values()) for token in reversed(tokens)}
    return Loaded(
        config=config,
        file=path,
        tokens=tuple(reversed(every.values())),
        origins=settled.origins,
        warnings=tuple(warnings),
        tokens_by_source=by_source if config.more_sources else {},
    )


def _may_take_token(source: SourceConfig) -> bool:
    """Whether the variable is meant for the source: a package that adds one is given what its owner names, no more."""
    return source.type in BUILT_IN or source.token_env != SourceConfig().token_env


def _find(file: Path | None, directory: Path) -> Path:
    start = directory.absolute()
    if file is not None:
        path = start / file.expanduser()
        if path.is_file():
            return path
        raise ConfigError(
            "this configuration file does not exist", code="VB1001", where=str(file), hint="check -c/--config"
        )
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise ConfigError(
        f"no {FILE_NAME} found, neither here nor in a folder above",
        code="VB1001",
        where=str(start),
        hint="`velobuild init` writes one; -C DIR works in another folder, -c FILE names the file",
    )


def _shown(path: Path, directory: Path) -> str:
    """The shortest name by which the reader finds the file."""
    relative = os.path.relpath(path, directory.absolute())
    return relative if len(relative) <= len(str(path)) else str(path)


def _read(path: Path, name: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{FILE_NAME} is not UTF-8 (byte {error.start})",
            code="VB1002",
            where=name,
            hint="save it as UTF-8 without other encodings in between",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{FILE_NAME} cannot be read: {error.strerror}", code="VB1001", where=name, hint="check its permissions"
        ) from error


def _variables(environment: Mapping[str, str], dotenv: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The variables that set a key, the weaker ones first: name, value, and where it stands."""
    for variable in (*DEFAULTS, *KEYS):
        if environment.get(variable):
            yield variable, environment[variable], f"environment variable {variable}"
        elif dotenv.get(variable):
            yield variable, dotenv[variable], f"{variable} in .env"
