"""Markdown → HTML with one fixed set of extensions. The result is not safe yet: it goes through the sanitizer.

Left out on purpose: extensions that read files (snippets, b64, pathconverter), for the text comes from a CMS.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

import markdown

from velobuild.errors import ContentProblem
from velobuild.model.entries import slugify

EXTENSIONS: tuple[str, ...] = (
    "markdown.extensions.extra",
    "markdown.extensions.toc",
    "markdown.extensions.sane_lists",
    "markdown.extensions.admonition",
    "pymdownx.superfences",
    "pymdownx.highlight",
    "pymdownx.tasklist",
    "pymdownx.tilde",
    "pymdownx.caret",
    "pymdownx.mark",
    "pymdownx.magiclink",
    "pymdownx.details",
    "pymdownx.quotes",
    "pymdownx.arithmatex",
    "pymdownx.blocks.caption",
    "pymdownx.tabbed",
)
SMART_QUOTES = "markdown.extensions.smarty"
SETTINGS: dict[str, dict[str, Any]] = {
    # Alignment as an attribute, since styles do not pass the sanitizer.
    "markdown.extensions.extra": {"tables": {"use_align_attribute": True}},
    "markdown.extensions.toc": {"slugify": lambda text, separator: slugify(text), "permalink": False},
    # Colours come later, in the same way as for HTML bodies.
    "pymdownx.highlight": {"use_pygments": False},
    "pymdownx.quotes": {"callouts": True},
    "pymdownx.arithmatex": {"generic": True},
}
# Tabs need radio buttons, which no body may hold: shown one below the other, each under its title.
TAB_INPUT = re.compile(r'<input [^>]*\bname="__tabbed_[0-9]+"[^>]*>')
TAB_LABEL = re.compile(r'<label for="__tabbed_[0-9_]+">(.*?)</label>', re.DOTALL)

UNBALANCED_MAX = 60
"""More brackets than this, opened in one paragraph and never closed, are shown as they are. Each of them makes
Python-Markdown read on to the end of the paragraph: 4,000 took 1.8 s."""
PARAGRAPH_CHARACTERS_MAX = 10_000
"""A longer paragraph is divided: each mark in it makes Python-Markdown copy the whole of it."""
NOTE_USES_MAX = 50
"""A footnote used more often is shown as it is written: 3,000 uses of one took 5 s."""
QUOTE_DEPTH_MAX = 20
FENCE = re.compile(r" {0,3}(?:`{3,}|~{3,})")
QUOTES = re.compile(rf"(?m)^((?: {{0,3}}>){{{QUOTE_DEPTH_MAX}}})(?: {{0,3}}>)+")
NOTE = re.compile(r"\[\^[^\]\n]{1,100}\]")
TABLE = re.compile(r"[^\n]*\|[^\n]*\n[ |:-]*-[ |:-]*(?:\n|$)")
PLACE_TO_CUT = re.compile(rf"((?s:.){{{PARAGRAPH_CHARACTERS_MAX - 1_000},{PARAGRAPH_CHARACTERS_MAX}}})(?:\n|[ ])")
PARAGRAPH = re.compile(r"(\n[ \t]*\n)")

_engines = threading.local()


def to_html(text: str, *, smart_quotes: bool = True) -> str:
    """`text` as HTML, not sanitized. `smart_quotes` makes typographic quotes, dashes and ellipses.

    Raises: ContentProblem (VB3001), if the text is nested too deeply to be read.
    """
    engine = _engine(smart_quotes)
    try:
        html: str = engine.convert(tamed(text))
    except RecursionError as error:
        raise ContentProblem(
            "the Markdown is nested too deeply", code="VB3001", hint="take out some levels of lists or quotes"
        ) from error
    except Exception as error:  # Extensions raise whatever they like; a post must not end the build.
        raise ContentProblem(f"the Markdown could not be read: {error}", code="VB3001") from error
    finally:
        engine.reset()
    if "__tabbed_" in html:
        html = TAB_LABEL.sub(r'<p class="tabbed-title">\1</p>', TAB_INPUT.sub("", html))
    return html


def _engine(smart_quotes: bool) -> markdown.Markdown:
    # Setting one up takes longer than a post; one a thread, since an engine keeps state while it converts.
    engines: dict[bool, markdown.Markdown] = _engines.__dict__.setdefault("by_quotes", {})
    if smart_quotes not in engines:
        extensions = [*EXTENSIONS, *([SMART_QUOTES] if smart_quotes else [])]
        engines[smart_quotes] = markdown.Markdown(extensions=extensions, extension_configs=SETTINGS)
    return engines[smart_quotes]


def tamed(text: str) -> str:
    """`text` without what would take Python-Markdown quadratic time; the same text in all but hostile cases.

    What is left costs time in proportion to its length.
    """
    text = QUOTES.sub(r"\1 ", text)
    if text.count("[^") > NOTE_USES_MAX:
        worn = {note for note, uses in Counter(NOTE.findall(text)).items() if uses > NOTE_USES_MAX}
        text = NOTE.sub(lambda note: f"&#91;{note[0][1:]}" if note[0] in worn else note[0], text) if worn else text
    if text.count("[") + text.count("<") + text.count("*") + text.count("_") <= UNBALANCED_MAX:
        return text
    fenced = False
    pieces = PARAGRAPH.split(text)
    for number, piece in enumerate(pieces):
        fences = sum(1 for line in piece.split("\n") if FENCE.match(line))
        if not fenced and not fences:
            pieces[number] = _calm(piece)
        fenced ^= bool(fences % 2)
    return "".join(pieces)


def _calm(paragraph: str) -> str:
    opened = paragraph.count("[")
    if opened > UNBALANCED_MAX and (
        opened - paragraph.count("]") > UNBALANCED_MAX or paragraph.count("](") - paragraph.count(")") > UNBALANCED_MAX
    ):
        paragraph = paragraph.replace("[", "&#91;")
    if paragraph.count("<") - paragraph.count(">") > UNBALANCED_MAX:
        paragraph = paragraph.replace("<", "&lt;")
    if len(paragraph) > PARAGRAPH_CHARACTERS_MAX and not TABLE.match(paragraph):
        paragraph = PLACE_TO_CUT.sub("\\1\n\n", paragraph)
    return paragraph
