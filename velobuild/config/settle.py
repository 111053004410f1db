"""The text of velobuild.toml, variables and flags → a configuration, or one error that names everything wrong.

Apart from `config.load`, for this takes longest to import; a build whose configuration is unchanged never does.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from velobuild.config import checks, shape
from velobuild.config.blocks import blocks_of
from velobuild.config.cache import Asked, Settled
from velobuild.config.environment import DEFAULTS, FILE_NAME, KEYS
from velobuild.config.layers import Block, Layers
from velobuild.config.positions import Path as KeyPath
from velobuild.config.positions import Place, positions
from velobuild.config.report import Finding, Source, config_error, excerpt
from velobuild.config.schema import Config
from velobuild.config.secrets import secrets_in
from velobuild.config.source_schema import BUILT_IN
from velobuild.config.validate import unknown_keys, validated
from velobuild.errors import ConfigError, Diagnostic, Severity

CMS_TYPES = frozenset(BUILT_IN) - {"folder"}


def settle(asked: Asked, *, needs_cms: bool = True) -> tuple[Settled, bool]:
    """The configuration, and whether it depends on nothing but `asked`.

    It does not where `needs_cms` overlooks something, or where installed packages have a say.

    Raises: ConfigError with every finding, in the order of the file.
    """
    name, text, env_name = asked.name, asked.content, asked.env_name
    raw = _parse(text, name)
    environments = raw.pop("env", {})

    layers = Layers()
    wrong_blocks = _lay(layers, raw, label=name, in_file=())
    source = Source(name, text, positions(text), layers)
    findings = list(_secret_findings({**raw, "env": environments}, {key: text for key, text, _ in asked.overrides}))
    findings += wrong_blocks
    findings += _environment_findings(environments, env_name, layers.blocks)
    if env_name is not None and isinstance(environments, dict) and isinstance(environments.get(env_name), dict):
        label = f"[env.{env_name}] in {name}"
        findings += _lay(layers, environments[env_name], label=label, in_file=("env", env_name))
    _add_variables(layers, asked.variables)
    for key, value, label in asked.overrides:
        layers.add_text(key, value, label=label)

    document, unknown = unknown_keys(layers.document, layers.blocks)
    findings += unknown
    config, wrong = validated(document, layers.blocks)
    findings += wrong
    if config is not None:
        config = checks.normalised(config)
        findings += [Finding(w.path, w.code, w.what, hint=w.hint, about_value=True) for w in checks.findings(config)]
    faultless = not findings
    if not needs_cms:
        findings = [f for f in findings if (f.code, f.path[:1], f.path[-1:]) != ("VB1105", ("source",), ("url",))]
    if findings or config is None:
        diagnostics = [source.diagnostic(finding) for finding in findings]
        secret = {found.where for found in diagnostics if found.code == "VB1203"}
        # A token under an unknown key is one mistake, not two.
        raise config_error(d for d in diagnostics if d.code == "VB1203" or d.where not in secret)
    built_in = all(one.type in BUILT_IN for one in config.sources)
    return Settled(config, _origins(layers, config)), faultless and built_in


def source_keys() -> frozenset[str]:
    """Every key that a `[source]` table may hold."""
    table = shape.root().keys["source"][1]
    return frozenset(table.keys) if isinstance(table, shape.Table) else frozenset()


def _with_index(path: KeyPath, blocks: Sequence[Block]) -> KeyPath:
    """A path with a block's place in the file instead of its name."""
    places = {block.name: block.index for block in blocks}
    if path[:1] == ("source",) and len(path) > 1 and path[1] in places:
        return ("source", places[str(path[1])], *path[2:])
    return path


def _lay(layers: Layers, table: Mapping[str, Any], *, label: str, in_file: KeyPath) -> list[Finding]:
    """Add a table, with its `[[source]]` blocks by their names; what is wrong with those."""
    blocks, findings = blocks_of(table, source_keys())
    if isinstance(table.get("source"), list):
        table = {key: value for key, value in table.items() if key != "source"}
        layers.add_blocks(blocks, label=label, in_file=in_file)
    layers.add_table(table, label=label, in_file=in_file)
    return [replace(finding, path=(*in_file, *finding.path)) for finding in findings]


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        if match := re.search(r"\(at line (\d+), column (\d+)\)$", str(error)):
            place = Place(int(match[1]), int(match[2]), 1)
        else:  # "at end of document"
            lines = text.splitlines() or [""]
            place = Place(len(lines), len(lines[-1]) + 1, 1)
        # tomllib quotes what it found, which may be the beginning of a token that someone forgot to quote.
        raise ConfigError(
            f"this is not valid TOML: {message[:1].lower()}{message[1:]}",
            code="VB1002",
            where=f"{name}:{place.line}:{place.column}",
            excerpt=excerpt(text, place),
            hint="texts stand in quotation marks, sections in [brackets]; every name at most once",
        ) from error


def _secret_findings(raw: Mapping[str, Any], overrides: Mapping[str, str]) -> Iterable[Finding]:
    hint = "put it into .env beside velobuild.toml (mode 0600); if the file was shared, revoke the key in the CMS"
    for path, what in secrets_in(raw):
        yield Finding(path, "VB1203", f"{what} is a secret, and secrets do not belong into {FILE_NAME}", hint=hint)
    for key, value in overrides.items():
        nested: dict[str, Any] = {}
        inner = nested
        *tables, last = key.split(".")
        for table in tables:
            inner = inner.setdefault(table, {})
        inner[last] = value
        for path, what in secrets_in(nested):
            yield Finding(
                path,
                "VB1203",
                f"{what} is a secret, and every user of this machine can read a command's flags",
                hint="put it into .env beside velobuild.toml (mode 0600), or into the environment",
            )


def _environment_findings(environments: Any, env_name: str | None, blocks: Sequence[str]) -> Iterable[Finding]:
    """Problems of `[env.NAME]` sections; those that are not chosen now are checked for unknown keys alone."""
    if not isinstance(environments, dict):
        yield Finding(("env",), "VB1101", "`env` is a table of tables", hint="such as [env.production.site]")
        return
    for name, table in environments.items():
        if not isinstance(table, dict):
            yield Finding(("env", name), "VB1101", f"`env.{name}` is a table", hint=f"such as [env.{name}.site]")
        elif name != env_name:
            its_blocks, wrong = blocks_of(table, source_keys())
            if isinstance(table.get("source"), list):
                table = {**table, "source": {block.name: block.table for block in its_blocks}}
                blocks = [block.name for block in its_blocks]
            for finding in (*wrong, *unknown_keys(table, blocks)[1]):
                yield replace(finding, path=("env", name, *_with_index(finding.path, its_blocks)))
    if env_name is not None and env_name not in environments:
        names = ", ".join(f"`{name}`" for name in sorted(environments)) or "none"
        raise config_error(
            [
                Diagnostic(
                    "VB1101",
                    f"there is no [env.{env_name}] in {FILE_NAME}",
                    "-e/--env",
                    f"environments in the file: {names}",
                    Severity.ERROR,
                )
            ]
        )


def _add_variables(layers: Layers, variables: Iterable[tuple[str, str, str]]) -> None:
    for variable, value, label in variables:
        key = KEYS.get(variable) or _default_place(layers, DEFAULTS[variable])
        if key and not (variable in DEFAULTS and layers.has(key)):
            layers.add_text(key, value, label=label)


def _default_place(layers: Layers, key: str) -> str:
    """Which key the vendor's variable sets: the address of the one source, or of the first CMS that has none; or ""."""
    sources = layers.document.get("source", {})
    candidates = [(f"source.{name}", sources[name]) for name in layers.blocks] or [("source", sources)]
    for prefix, table in candidates:
        if isinstance(table, Mapping) and "url" not in table and table.get("type", "velocms") in CMS_TYPES:
            return f"{prefix}.{key.partition('.')[2]}"
    return ""


def _origins(layers: Layers, config: Config) -> dict[str, str]:
    """Dotted key → what set it, for every key that has a value; keys of lists stand for the whole list."""
    origins: dict[str, str] = {}
    keys = [key.partition("[]")[0] for key in shape.dotted_keys()]
    if layers.blocks:
        below = [key.partition(".")[2] for key in keys if key.startswith("source.")]
        keys = [key for key in keys if not key.startswith("source.")]
        keys += [f"source.{name}.{key}" for name in layers.blocks for key in below]
    for dotted in keys:
        # Of a block its own place is known too; that is not where an unset key of it comes from.
        unset = layers.blocks and dotted.startswith("source.") and not layers.has(dotted)
        origin = None if unset else layers.origin(tuple(dotted.split(".")))
        origins[dotted] = origin.label if origin is not None else "default"
    return dict(sorted(origins.items()))
