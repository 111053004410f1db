"""HTML as a tree and back, without losing the line feeds at the start of `<pre>`."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

# A parser drops one line feed at the beginning of <pre>; a second one is what the author meant.
PRE_START = re.compile(r"(<pre[^>]*>)\n")


def parsed(html: str) -> LexborNode:
    """The root of a tree that holds `html`, which must be balanced."""
    root = LexborHTMLParser(f"<div>{html}</div>", is_fragment=True).root
    assert root is not None
    return root


def serialized(root: LexborNode) -> str:
    """The inside of `root` as HTML that parses to the same text."""
    return keep_first_lines((root.html or "")[len("<div>") : -len("</div>")])


def keep_first_lines(html: str) -> str:
    """`html`, as a serializer wrote it, with a line feed that begins a `<pre>` doubled."""
    return PRE_START.sub("\\1\n\n", html) if "<pre" in html else html
