"""What the schema's own docstrings say of each field, for the JSON schema."""

from __future__ import annotations

import ast
import inspect
from functools import cache

from velobuild.config import listen_schema, schema, source_schema

MODULES = (schema, source_schema, listen_schema)


@cache
def descriptions() -> dict[str, dict[str, str]]:
    """Class name → field name → the docstring under the field, on one line."""
    found: dict[str, dict[str, str]] = {}
    for node in (node for module in MODULES for node in ast.parse(inspect.getsource(module)).body):
        if isinstance(node, ast.ClassDef):
            found[node.name] = {}
            for field, below in zip(node.body, node.body[1:], strict=False):
                match field, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        found[node.name][name] = " ".join(text.split())
    return found
