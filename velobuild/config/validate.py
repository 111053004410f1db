"""A merged TOML document against the schema: unknown keys by our own walk, types and limits by pydantic."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from velobuild.config import shape
from velobuild.config.blocks import stray_key
from velobuild.config.positions import Path
from velobuild.config.report import Finding
from velobuild.config.schema import Config, TaxonomyConfig
from velobuild.config.secrets import redact


@cache
def _adapter() -> TypeAdapter[Config]:
    return TypeAdapter(Config)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of velobuild.toml, for editors."""
    schema = _adapter().json_schema(by_alias=True)
    for name, definition in [("Config", schema), *schema["$defs"].items()]:
        _finish_definition(name, definition)
    schema["properties"]["env"] = {
        "type": "object",
        "description": "Sections that count only with `-e NAME`, such as [env.production.site].",
        "additionalProperties": {"$ref": "#/$defs/Environment"},
    }
    inner = {key: value for key, value in schema["properties"].items() if key != "env"}
    schema["$defs"]["Environment"] = {"type": "object", "properties": inner, "additionalProperties": False}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "velobuild.toml"}


def _finish_definition(name: str, definition: dict[str, Any]) -> None:
    from velobuild.config import schema as classes
    from velobuild.config.describe import descriptions

    definition["additionalProperties"] = False
    documented = descriptions().get(name, {})
    properties = definition["properties"]
    for field, text in documented.items():
        if field in properties:
            properties[field].pop("title", None)
            properties[field]["description"] = text
    written = {f: key for key, (f, _) in shape.table_of(getattr(classes, name)).keys.items()}
    definition["properties"] = {written[field]: value for field, value in properties.items() if field in written}
    if name == "Config":
        one = definition["properties"]["source"]
        definition["properties"]["source"] = {
            "description": "Where the posts come from: one table, or several [[source]] blocks.",
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
        }
    if "required" in definition:
        definition["required"] = [written[field] for field in definition["required"]]


def unknown_keys(document: Mapping[str, Any], blocks: Sequence[str] = ()) -> tuple[dict[str, Any], list[Finding]]:
    """The document with fields' names instead of TOML's and without unknown keys, and a finding for each of those.

    `blocks` are the names by which `source` holds the `[[source]]` blocks; none if it is a plain `[source]`.
    """
    findings: list[Finding] = []
    sources = document.get("source")
    if not blocks or not isinstance(sources, Mapping):
        known = _walk(document, shape.root(), (), findings)
        assert isinstance(known, dict)
        return known, findings
    known = _walk({key: value for key, value in document.items() if key != "source"}, shape.root(), (), findings)
    assert isinstance(known, dict)
    source_shape = shape.root().keys["source"][1]
    found = {}
    for name, table in sources.items():
        if name in blocks:
            found[name] = _walk(table, source_shape, ("source", name), findings)
        else:
            findings.append(stray_key(name, blocks))
    first, *others = [found[name] for name in blocks if name in found] or [{}]
    return {**known, "source": first, "more_sources": others}, findings


def _walk(value: Any, at: shape.Shape, path: Path, findings: list[Finding]) -> Any:
    if isinstance(at, shape.Table) and isinstance(value, Mapping):
        known: dict[str, Any] = {}
        for key, inner in value.items():
            if key in at.keys:
                name, below = at.keys[key]
                known[name] = _walk(inner, below, (*path, key), findings)
            else:
                findings.append(_unknown(key, path, list(at.keys)))
        return known
    if isinstance(at, shape.NamedTables) and isinstance(value, Mapping):
        for key in value:
            if key not in at.names:
                findings.append(_unknown(key, path, list(at.names)))
        return {key: _walk(value[key], at.item, (*path, key), findings) for key in value if key in at.names}
    if isinstance(at, shape.TableList) and isinstance(value, list):
        return [_walk(item, at.item, (*path, index), findings) for index, item in enumerate(value)]
    return value


def _unknown(key: str, path: Path, candidates: list[str]) -> Finding:
    section = ".".join(str(part) for part in path if isinstance(part, str))
    near = difflib.get_close_matches(key, candidates, n=1)
    if not near:  # the right key in the wrong section is the other usual slip
        found = (dotted for dotted in shape.dotted_keys() if dotted.rpartition(".")[2] == key)
        elsewhere = sorted(found, key=lambda dotted: dotted.count("."))
        note = f"`{key}` belongs into [{elsewhere[0].rpartition('.')[0]}]" if elsewhere else ""
    else:
        note = f"did you mean `{near[0]}`?"
    where = f" in [{section}]" if section else ""
    kind = "key" if section else "section"
    listed = ", ".join(sorted(candidates))
    hint = None if note else f"known here: {listed}"
    return Finding((*path, key), "VB1104", f"unknown {kind} `{redact(key)}`{where}", note=note, hint=hint)


def validated(document: Mapping[str, Any], blocks: Sequence[str] = ()) -> tuple[Config | None, list[Finding]]:
    """The configuration, or everything that its types and limits refuse.

    `document` is what `unknown_keys` gives for the same `blocks`.
    """
    # Options are kept apart: JSON would make texts of the dates in them.
    theme, options = _without_options(document.get("theme"))
    source, source_options = _without_options(document.get("source"))
    more = document.get("more_sources") or []
    apart = {key: value for key, value in (("theme", theme), ("source", source)) if value is not None}
    others = [_without_options(one) for one in more]
    document = {**document, **apart, **({"more_sources": [one for one, _ in others]} if more else {})}
    try:
        # Through JSON, since there pydantic's strict mode takes lists for tuples, and tables for dataclasses.
        config = _adapter().validate_json(json.dumps(document, default=str), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        return None, [_finding(detail, blocks) for detail in details if detail["loc"][-1:] != ("[key]",)]
    config = replace(config, taxonomies={"tags": TaxonomyConfig(), **config.taxonomies})
    config = replace(
        config,
        theme=replace(config.theme, options=options or {}),
        source=replace(config.source, options=source_options or {}),
        more_sources=tuple(
            replace(one, options=its_options or {})
            for one, (_, its_options) in zip(config.more_sources, others, strict=True)
        ),
    )
    return config, []


def _without_options(table: Any) -> tuple[Any, dict[str, Any] | None]:
    """A table without `options`, and those; what is of another type stays for the types' check to refuse."""
    options = table.get("options") if isinstance(table, Mapping) else None
    if not isinstance(options, Mapping):
        return table, None
    return {key: value for key, value in table.items() if key != "options"}, dict(options)


def _finding(detail: ErrorDetails, blocks: Sequence[str]) -> Finding:
    path = _toml_path(detail["loc"], blocks)
    section = ".".join(str(part) for part in path[:-1] if isinstance(part, str))
    named = f"`{path[-1]}` in [{section}]" if section and isinstance(path[-1], str) else _spelled(path)
    if detail["type"] == "missing":
        return Finding(path, "VB1105", f"{named} is missing", hint=f"add `{path[-1]} = …` there")
    leaf = shape.find(tuple(part for part in path if isinstance(part, str)))
    what, note = _complaint(detail, leaf)
    return Finding(path, "VB1101", f"{named} {what}", note=note, about_value=True)


def _complaint(detail: ErrorDetails, leaf: shape.Shape | None) -> tuple[str, str]:
    """(what is wrong, a short note for the caret)."""
    given, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "greater_than" | "greater_than_equal":
            least = context["gt"] + 1 if "gt" in context else context["ge"]
            return f"must be at least {least}, not {given}", ""
        case "less_than_equal":
            return f"must be at most {context['le']}, not {given}", ""
        case "literal_error":
            choices = leaf.choices if isinstance(leaf, shape.Leaf) else ()
            near = difflib.get_close_matches(str(given), choices, n=1)
            listed = " or ".join(f'"{choice}"' for choice in choices) or context["expected"]
            return f"must be {listed}, not {_quoted(given)}", f'did you mean "{near[0]}"?' if near else ""
        case "string_too_short":
            return "must not be empty", ""
        case "dataclass_type":
            return "must be a table", "write it as [section] with keys below"
        case "dict_type":
            return "must be a table", ""
        case "tuple_type":
            if isinstance(leaf, shape.TableList):
                return "must be a list of tables", f"write it as [[{detail['loc'][-1]}]]"
            return "must be a list", 'such as ["one", "two"]'
        case "string_type":
            return f"must be a text in quotation marks, not {_quoted(given)}", ""
        case "bool_type":
            return f"must be true or false, not {_quoted(given)}", "without quotation marks" if given in TRUTHS else ""
        case "int_type" | "int_from_float":
            return f"must be a whole number, not {_quoted(given)}", ""
    return f"is wrong: {detail['msg'][:1].lower()}{detail['msg'][1:]}", ""


TRUTHS = ("true", "false")


def _quoted(value: Any) -> str:
    return redact(json.dumps(value, ensure_ascii=False, default=str))[:80]


def _spelled(path: Path) -> str:
    return "`" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") + "`"


def _toml_path(loc: tuple[int | str, ...], blocks: Sequence[str]) -> Path:
    """pydantic speaks of fields; the reader of a message knows the keys of the file."""
    path: list[int | str] = []
    at: shape.Shape | None = shape.root()
    if blocks and loc[0] in ("source", "more_sources"):
        number = 0 if loc[0] == "source" else int(loc[1]) + 1
        path, at = ["source", blocks[number]], shape.root().keys["source"][1]
        loc = loc[1:] if loc[0] == "source" else loc[2:]
    for part in loc:
        if isinstance(at, shape.Table) and isinstance(part, str):
            key = next((key for key, (name, _) in at.keys.items() if name == part), part)
            at = at.keys[key][1] if key in at.keys else None
            path.append(key)
        else:
            at = at.item if isinstance(at, shape.NamedTables | shape.TableList) else None
            path.append(part)
    return tuple(path)
