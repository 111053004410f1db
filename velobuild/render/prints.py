"""Fingerprints of templates: of what they compile to, so that a comment is no change.

Jinja is imported only for a source that was never seen: a build that finds nothing to do compiles nothing.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import blake2b

from velobuild.render.theme import Theme

ABSENT = "00" * 16


def template_print(theme: Theme, name: str, known: dict[str, str]) -> str:
    """32 hex digits for what the theme's chain gives under a name, absence included.

    `known` maps hashes of sources to results; what is found out is added.
    """
    source = _source(theme, name)
    if source is None:
        return ABSENT
    own = blake2b(source.encode(), digest_size=16).hexdigest()
    if own not in known:
        from velobuild.render.templates import compiled

        code = compiled(source)
        known[own] = own if code is None else blake2b(code.encode(), digest_size=16).hexdigest()
    return known[own]


def _source(theme: Theme, name: str) -> str | None:
    if ".." in name.split("/") or name.startswith("/"):
        return None
    for place in theme.template_folders:
        with suppress(OSError):
            return (place / name).read_text("utf-8", "replace")
    return None
