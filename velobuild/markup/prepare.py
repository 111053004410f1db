"""A body, as it came, made ready for the page: the one door into markup.

    from velobuild.markup.prepare import MarkupOptions, fill, prepare, recipe

`prepare` is pure: the same body, format and options give the same result, so it is worth keeping, under a key that
holds `recipe(options)` and a hash of the body. `fill` then puts in what changes alone: addresses.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from selectolax.lexbor import LexborHTMLParser, LexborNode

from velobuild.errors import Diagnostic
from velobuild.markup import blocks, sanitize
from velobuild.markup.bounds import bounded
from velobuild.markup.headings import Heading, outline
from velobuild.markup.links import Rewriting
from velobuild.markup.prepared import Prepared, Ref, Resolve, Resolved, decode, encode, fill, with_fragments_at
from velobuild.markup.text import clean_text, count_words, first_words
from velobuild.markup.tree import keep_first_lines, parsed, serialized
from velobuild.markup.urls import body_id, origin
from velobuild.model.entries import BodyFormat

__all__ = [
    "Heading",
    "MarkupOptions",
    "Prepared",
    "Ref",
    "Resolve",
    "Resolved",
    "body_id",
    "decode",
    "encode",
    "fill",
    "prepare",
    "prepare_comment",
    "recipe",
    "with_fragments_at",
]

RECIPE = 2
"""Raised whenever this package's own code comes to give another result."""
ENGINES = ("nh3", "selectolax", "markdown", "pymdown-extensions", "pygments")

TEXT_BLOCKS = "p,h1,h2,h3,h4,h5,h6,li,dt,dd,pre,blockquote,figure,figcaption,table,tr,ul,ol,dl,div,section,article,hr"
NOTE_MARKS = 'sup[id^="c-fnref"],sup[id^="fnref"]'
LINES_APART = re.compile(r"\n[ \t]*\n\s*")
CUT = Diagnostic("VB3002", "elements nested without end were taken out of the text")
COMMENT_BLOCK = re.compile(r"<(?:p|ul|ol|pre|blockquote)\b")


@dataclass(frozen=True, slots=True)
class MarkupOptions:
    """Everything but the body that decides what `prepare` gives.

    `base_url`: the address against which relative addresses are resolved (a post in the CMS); None for local pages,
    whose relative addresses stay. `own_origins`: `scheme://host:port` of the site and the CMS; links to them are not
    external. `toc_depth`: the deepest heading level in the table of contents. `embeds`: hosts of allowed frames.
    """

    html: Literal["sanitize", "trusted", "text"] = "sanitize"
    embeds: tuple[str, ...] = ()
    highlight: bool = True
    toc_depth: int = 3
    excerpt_words: int = 40
    smart_quotes: bool = True
    base_url: str | None = None
    own_origins: tuple[str, ...] = ()


def recipe(options: MarkupOptions) -> str:
    """Options and engine versions as one line: two equal recipes and two equal bodies give equal results."""
    return json.dumps([RECIPE, _engines(), asdict(options)], sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=1)
def _engines() -> dict[str, str]:
    return {name: _version(name) for name in ENGINES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # Frozen into one file, the packages have no metadata.
        return "unknown"


def prepare(body: str, format: BodyFormat, options: MarkupOptions) -> Prepared:
    """The body as safe HTML with slots for its addresses, and what else a page needs to know of it.

    Raises: ContentProblem (VB3001), if the body cannot be shown at all. Warnings name no place: the caller knows
    which post it is.
    """
    body, repaired = clean_text(body)
    warnings = [blocks.REPAIRED] if repaired else []
    html = _as_html(body, format, options, warnings)
    if options.html == "trusted":
        # Balanced first, so that no stray end tag closes what the body is put into.
        root = parsed(_balanced(html))
    else:
        warnings += sanitize.losses(html, options.embeds)
        html, cut = bounded(html, frames=bool(options.embeds))
        if cut and CUT not in warnings:
            warnings.append(CUT)
        root = sanitize.sanitized_tree(html, options.embeds)
    if options.html == "text":
        root = parsed(_paragraphs(root))
    return _rewritten(root, options, warnings)


def _as_html(body: str, format: BodyFormat, options: MarkupOptions, warnings: list[Diagnostic]) -> str:
    if format is BodyFormat.BLOCKS:
        return _of_blocks(body, options, warnings)
    if format is BodyFormat.MARKDOWN:
        from velobuild.markup.markdown import to_html  # Most sites hold no Markdown, and loading it takes 0.1 s.

        return to_html(body, smart_quotes=options.smart_quotes)
    return body


def _of_blocks(body: str, options: MarkupOptions, warnings: list[Diagnostic]) -> str:
    found: list[str] = []

    def fragment(html: str) -> str:
        found.append(html)
        if options.html == "trusted":
            return _balanced(html)
        # Cleaned by itself: an element that is never closed would take in the blocks that follow.
        kept, cut = bounded(html, frames=bool(options.embeds), small_too=True)
        if cut and CUT not in warnings:
            warnings.append(CUT)
        return sanitize.sanitize(kept, options.embeds)

    written = blocks.to_html(body, fragment=fragment, embeds=options.embeds)
    warnings += [warning for warning in written.warnings if warning not in warnings]
    if options.html != "trusted":
        warnings += sanitize.losses("\n".join(found), options.embeds)
    return written.html


def _balanced(html: str) -> str:
    return keep_first_lines(clean_text(LexborHTMLParser(html, is_fragment=True).html or "")[0])


def _rewritten(root: LexborNode, options: MarkupOptions, warnings: list[Diagnostic]) -> Prepared:
    excerpt, words = _excerpt(root, options.excerpt_words), count_words(_all_text(root))
    own = {origin(address) for address in (*options.own_origins, options.base_url or "")}
    rewriting = Rewriting(
        base_url=options.base_url,
        own_origins=frozenset(filter(None, own)),
        colour=options.highlight,
        trusted=options.html == "trusted",
    )
    rewriting.run(root)
    return Prepared(
        html=rewriting.written(serialized(root)),
        refs=tuple(rewriting.refs),
        toc=outline(rewriting.headings, options.toc_depth),
        words=words,
        text=excerpt,
        warnings=(*warnings, *rewriting.warnings),
    )


def _all_text(root: LexborNode) -> str:
    return root.text(separator=" ")


def _excerpt(root: LexborNode, words: int) -> str:
    """The beginning of the running text; of all text, if there is none."""
    notes = {note.mem_id for note in root.css(NOTE_MARKS)}
    pieces, length = [], 0
    for paragraph in root.css("p"):
        text = "".join(_texts(paragraph, notes)) if notes else paragraph.text()
        pieces.append(text)
        length += count_words(text)
        if length > words:
            break
    return first_words(" ".join(pieces) if length else _all_text(root), words)


def _texts(node: LexborNode, without: set[int]) -> list[str]:
    found: list[str] = []
    for child in node.iter(include_text=True):
        if child.tag == "-text":
            found.append(child.text_lexbor())
        elif child.mem_id not in without:
            found += _texts(child, without)
    return found


def _paragraphs(root: LexborNode) -> str:
    """The text of a tree in plain paragraphs."""
    for node in root.css(TEXT_BLOCKS):
        node.insert_before("\n\n")
        node.insert_after("\n\n")
    for node in root.css("br"):
        node.insert_after("\n")
    paragraphs = [piece.strip() for piece in LINES_APART.split(root.text())]
    return "\n".join(f"<p>{escape(piece, quote=False)}</p>" for piece in paragraphs if piece)


def prepare_comment(text: str) -> str:
    """A comment as safe paragraphs: no pictures, no headings, links without weight (`nofollow ugc`).

    Takes plain text or HTML; empty lines part paragraphs and single line breaks are kept.
    """
    html, _ = bounded(clean_text(text)[0])
    cleaned = clean_text(sanitize.sanitize_comment(html))[0].strip()
    if COMMENT_BLOCK.search(cleaned):
        return cleaned
    pieces = [piece.strip().replace("\n", "<br>\n") for piece in LINES_APART.split(cleaned)]
    # Cleaned once more, for an element that spans two paragraphs is only closed there.
    return sanitize.sanitize_comment("".join(f"<p>{piece}</p>" for piece in pieces if piece))
