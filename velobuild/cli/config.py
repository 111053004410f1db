"""`velobuild config`: what counts, where it comes from, whether it is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from velobuild.cli.context import Context

if TYPE_CHECKING:
    from velobuild.config.schema import Config


@click.group()
def config() -> None:
    """Show, validate or describe the configuration."""


@config.command()
@click.option("--origin", is_flag=True, default=False, help="Say of each value where it comes from.")
@click.pass_obj
def show(context: Context, origin: bool) -> None:
    """Print every key with the value that counts now. Tokens are not shown, only where they were found."""
    loaded = context.loaded
    flat = flattened(loaded.config)
    tokens = [token.origin for token in loaded.tokens]
    value: dict[str, Any] = {"file": str(loaded.file), "config": whole(loaded.config), "tokens": tokens}
    if origin:
        value["origins"] = dict(loaded.origins)
    context.result("\n".join([*_lines(flat, loaded.origins if origin else {}), *_token_lines(tokens)]), value)


@config.command()
@click.pass_obj
def validate(context: Context) -> None:
    """Check velobuild.toml, the environment and the secrets' files, without asking the CMS."""
    loaded = context.loaded
    context.show_warnings()
    context.result(f"{loaded.file} is valid", {"file": str(loaded.file), "valid": True})


@config.command()
@click.pass_obj
def schema(context: Context) -> None:
    """Print the JSON Schema of velobuild.toml, for editors."""
    from velobuild.cli.output import json_text
    from velobuild.config.validate import json_schema

    described = json_schema()
    context.result(json_text(described), described)


def nested(value: Any) -> Any:
    """A configuration as plain values under the keys of velobuild.toml."""
    if is_dataclass(value) and not isinstance(value, type):
        written = ((f.metadata.get("key", f.name), f.name) for f in fields(value))
        return {str(key): nested(getattr(value, name)) for key, name in written if key is not None}
    if isinstance(value, Mapping):
        return {str(key): nested(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [nested(inner) for inner in value]
    return value


def whole(config: Config) -> dict[str, Any]:
    """All of a configuration as `nested` writes it; several sources are a list, as in the file."""
    values: dict[str, Any] = nested(config)
    if config.more_sources:
        values["source"] = nested(config.sources)
    return values


def flattened(config: Config) -> dict[str, Any]:
    """Dotted key → value; a list stays one value. Of several sources each goes by its name, as in `--set`."""
    flat: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else key)
        else:
            flat[path] = value

    values = nested(config)
    if config.more_sources:
        values["source"] = {source.key: nested(source) for source in config.sources}
    walk(values, "")
    return flat


def _lines(flat: Mapping[str, Any], origins: Mapping[str, str]) -> list[str]:
    import json

    shown = {
        key: "(unset)" if value is None else json.dumps(value, ensure_ascii=False, default=str)
        for key, value in flat.items()
    }
    if not origins:
        return [f"{key} = {value}" for key, value in shown.items()]
    width = min(60, max(len(key) + 3 + len(value) for key, value in shown.items()))
    return [f"{f'{key} = {value}':<{width}}  # {_origin_of(key, origins)}" for key, value in shown.items()]


def _origin_of(key: str, origins: Mapping[str, str]) -> str:
    """A theme's options share the origin of the table they stand in."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return "default"


def _token_lines(tokens: list[str]) -> list[str]:
    return [f"# token {number}: {where}" for number, where in enumerate(tokens, 1)] or ["# no token was found"]
