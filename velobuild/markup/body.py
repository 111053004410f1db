"""How `markup.prepare` makes a body ready: cleaned, read once more by another parser, rewritten, counted, cut."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser, LexborNode

from velobuild.errors import Diagnostic
from velobuild.markup import blocks, sanitize
from velobuild.markup.base import own_base
from velobuild.markup.bounds import bounded
from velobuild.markup.headings import outline
from velobuild.markup.links import Rewriting
from velobuild.markup.plain import plain_tree
from velobuild.markup.prepared import Prepared
from velobuild.markup.tags import OPAQUE, end_of, text_of
from velobuild.markup.text import clean_text, count_words, first_words
from velobuild.markup.tree import inside, keep_first_lines, parsed
from velobuild.markup.urls import origin
from velobuild.model.entries import BodyFormat

if TYPE_CHECKING:
    from velobuild.markup.prepare import MarkupOptions

TEXT_BLOCKS = "p,h1,h2,h3,h4,h5,h6,li,dt,dd,pre,blockquote,figure,figcaption,table,tr,ul,ol,dl,div,section,article,hr"
PARAGRAPH = re.compile(r"<(p|li|figcaption)(?: [^>]*)?>")
NOTE_MARK = re.compile(r'<sup(?: [^>]*)? id="(?:c-)?fnref[^>]*>')
LINES_APART = re.compile(r"\n[ \t]*\n\s*")
CUT = Diagnostic("VB3002", "elements nested without end were taken out of the text")
COMMENT_BLOCK = re.compile(r"<(?:p|ul|ol|pre|blockquote)\b")


def prepare(body: str, format: BodyFormat, options: MarkupOptions) -> Prepared:
    """The body as safe HTML with slots for its addresses, and what else a page needs to know of it.

    Raises: ContentProblem (VB3001), if the body cannot be shown at all. Warnings name no place: the caller knows
    which post it is.
    """
    body, repaired = clean_text(body)
    body, base = own_base(body, options.own_origins)
    if base is not None:
        options = replace(options, base_url=base)
    warnings = [blocks.REPAIRED] if repaired else []
    html = _as_html(body, format, options, warnings)
    if options.html == "trusted":
        # Balanced first, so that no stray end tag closes what the body is put into.
        root = parsed(_balanced(html))
        html = inside(root)
    else:
        root, html = plain_tree(html) or _cleaned(html, options.embeds, warnings)
    if options.html == "text":
        root = parsed(_paragraphs(root))
        html = inside(root)
    return _rewritten(root, html, options, warnings)


def _cleaned(html: str, embeds: tuple[str, ...], warnings: list[Diagnostic]) -> tuple[LexborNode, str]:
    warnings += sanitize.losses(html, embeds)
    html, cut = bounded(html, frames=bool(embeds))
    if cut and CUT not in warnings:
        warnings.append(CUT)
    return sanitize.sanitized_tree(html, embeds)


def _as_html(body: str, format: BodyFormat, options: MarkupOptions, warnings: list[Diagnostic]) -> str:
    if format is BodyFormat.BLOCKS:
        return _of_blocks(body, options, warnings)
    if format is BodyFormat.MARKDOWN:
        # Loaded now, for most sites hold no Markdown: Python-Markdown takes 0.1 s.
        if options.markdown == "pyromark":
            from velobuild.markup.fastmarkdown import to_html
        else:
            from velobuild.markup.markdown import to_html
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


def _rewritten(root: LexborNode, html: str, options: MarkupOptions, warnings: list[Diagnostic]) -> Prepared:
    text = root.text(separator=" ")
    trusted = options.html == "trusted"
    rewriting = Rewriting(
        base_url=options.base_url,
        own_origins=_own_origins(options.own_origins, options.base_url),
        colour=options.highlight,
        trusted=trusted,
    )
    return Prepared(
        html=keep_first_lines(rewriting.run(html)),
        refs=tuple(rewriting.refs),
        toc=outline(rewriting.headings, options.toc_depth),
        words=count_words(text),
        text=_excerpt(OPAQUE.sub("", html) if trusted else html, options.excerpt_words, text),
        warnings=(*warnings, *rewriting.warnings),
    )


@lru_cache(maxsize=8)
def _own_origins(origins: tuple[str, ...], base_url: str | None) -> frozenset[str]:
    return frozenset(own for address in (*origins, base_url or "") if (own := origin(address)))


def _excerpt(html: str, words: int, all_text: str) -> str:
    """The beginning of the running text, without the marks of footnotes; of all text, if there is none.

    Items and captions are none of it: some editors put their words into a paragraph, others do not.
    """
    pieces, length, done = [], 0, 0
    for found in PARAGRAPH.finditer(html):
        start = found.end()
        if start <= done:
            continue
        done = end_of(html, found[1], start)
        if found[1] != "p":
            continue
        inner = html[start:done]
        text = text_of(_without_note_marks(inner) if "fnref" in inner else inner)
        pieces.append(text)
        length += count_words(text)
        if length > words:
            break
    return first_words(" ".join(pieces) if length else all_text, words)


def _without_note_marks(html: str) -> str:
    pieces, done = [], 0
    for mark in NOTE_MARK.finditer(html):
        if mark.start() >= done:
            pieces.append(html[done : mark.start()])
            done = end_of(html, "sup", mark.end()) + len("</sup>")
    return "".join([*pieces, html[done:]])


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
