"""Limits of a setting, as pydantic understands them without being loaded: every build reads the schema."""

from __future__ import annotations

from typing import Any


class Bound:
    """One limit, by pydantic's own name for it: `ge`, `gt` and `le` of a number, `min_length` of a text or list."""

    def __init__(self, **limit: int) -> None:
        self._limit = limit

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return {**handler(source), **self._limit}
