"""HTML as a tree and back, without losing the line feeds at the start of `<pre>`."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

# A tree's memory goes back to the system with the tree, and the next one is paid for page by page: half of a parse. The
# GNU C library keeps twice as much as the largest block that was ever given back (mallopt(3), M_TRIM_THRESHOLD).
bytes(1 << 20)

# A parser drops one line feed at the beginning of <pre>; a second one is what the author meant.
PRE_START = re.compile(r"(<pre[^>]*>)\n")


def parsed(html: str) -> LexborNode:
    """The root of a tree that holds `html`, which must be balanced."""
    root = LexborHTMLParser(f"<div>{html}</div>", is_fragment=True).root
    assert root is not None
    return root


def inside(root: LexborNode) -> str:
    """The inside of `root`, as the serializer writes it: a line feed that begins a `<pre>` is lost if it is parsed."""
    return root.inner_html or ""


def serialized(root: LexborNode) -> str:
    """The inside of `root` as HTML that parses to the same text."""
    return keep_first_lines(inside(root))


def keep_first_lines(html: str) -> str:
    """`html`, as a serializer wrote it, with a line feed that begins a `<pre>` doubled."""
    return PRE_START.sub("\\1\n\n", html) if "<pre" in html else html
