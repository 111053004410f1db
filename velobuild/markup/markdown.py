"""Markdown → HTML with one fixed set of extensions. The result is not safe yet: it goes through the sanitizer.

Left out on purpose: extensions that read files (snippets, b64, pathconverter), for the text comes from a CMS.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import markdown
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import InlineProcessor

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

TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "backtick": ("`",),
    "arithmatex-inline": ("$", "\\"),
    "escape": ("\\",),
    "footnote": ("[^",),
    "reference": ("[",),
    "link": ("[",),
    "image_link": ("![",),
    "image_reference": ("![",),
    "short_reference": ("[",),
    "short_image_ref": ("![",),
    "autolink": ("<",),
    "automail": ("<",),
    "html": ("<",),
    "magic-mail": ("@",),
    "entity": ("&",),
    "em_strong": ("*", "_"),
    "delimiter": ("~", "^", "="),
    "smarty-ellipses": ("...",),
    "smarty-en-dashes": ("--",),
    "smarty-em-dashes": ("---",),
    **{f"smarty-quotes-{number}": ("'", '"') for number in range(15)},
}
"""Inline pattern → what it cannot match without; patterns that are not listed are always tried. Each that is tried
costs a search in every piece of text, and most texts need a third of them."""

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
        engines[smart_quotes] = engine = every_pattern(smart_quotes)
        # The last to see the text before it is parsed: blocks of code are out of it by then.
        engine.preprocessors.register(NeededPatterns(engine), "needed-patterns", -1)
    return engines[smart_quotes]


def every_pattern(smart_quotes: bool) -> markdown.Markdown:
    """Python-Markdown with our extensions, as it comes: slower than `to_html`, to the same result."""
    extensions = [*EXTENSIONS, *([SMART_QUOTES] if smart_quotes else [])]
    return markdown.Markdown(extensions=extensions, extension_configs=SETTINGS)


class NeededPatterns(Preprocessor):
    """Leaves out the inline patterns that cannot match anywhere in the text."""

    def __init__(self, engine: markdown.Markdown, triggers: Mapping[str, tuple[str, ...]] = TRIGGERS) -> None:
        super().__init__(engine)
        self._marks = frozenset(mark for marks in triggers.values() for mark in marks)
        self._steps: list[tuple[InlineProcessor, list[tuple[Any, tuple[str, ...]]]]] = []
        for step in engine.treeprocessors:
            if isinstance(step, InlineProcessor):
                every: Any = step.inlinePatterns
                named = {id(every[name]): name for name in triggers if name in every}
                self._steps.append((step, [(one, triggers.get(named.get(id(one), ""), ())) for one in every]))

    def run(self, lines: list[str]) -> list[str]:
        text = "\n".join(lines)
        # What stands in HTML with `markdown="1"` has been parsed already, and is not in the text.
        everything = any(not isinstance(kept, str) for kept in self.md.htmlStash.rawHtmlBlocks)
        absent = set() if everything else {trigger for trigger in self._marks if trigger not in text}
        for step, patterns in self._steps:
            chosen: Any = [one for one, triggers in patterns if not triggers or not absent.issuperset(triggers)]
            step.inlinePatterns = chosen
        return lines


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
