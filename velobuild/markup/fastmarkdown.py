"""Markdown → HTML by pyromark, a hundred times as fast as Python-Markdown; docs/markdown.md lists what differs.

Like that of `markup.markdown` the result is not safe yet: it goes through the sanitizer. What pyromark writes is
brought into the form that themes and the sanitizer know; an author's own HTML in that form is treated alike, which is
harmless.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pyromark

from velobuild.errors import ContentProblem

CELL = re.compile(r'<(t[hd]) style="text-align: (left|center|right)">')
NOTE_MARK = re.compile(r'<sup class="footnote-reference"><a href="#([^"]*)">')
NOTE = re.compile(
    r'<div class="footnote-definition" id="([^"]*)"><sup class="footnote-definition-label">(.*?)</sup>', re.DOTALL
)
FORMULA = re.compile(r'<span class="math math-(inline|display)">(.*?)</span>', re.DOTALL)
CALLOUT = re.compile(r'<blockquote class="markdown-alert-(note|tip|important|warning|caution)">')
TASK = re.compile(r'<li>(\s*(?:<p>)?<input disabled="" type="checkbox")')


def to_html(text: str, *, smart_quotes: bool = True) -> str:
    """`text` as HTML, not sanitized. `smart_quotes` makes typographic quotes, dashes and ellipses.

    Raises: ContentProblem (VB3001), if the text cannot be read.
    """
    try:
        html = _engine(smart_quotes).html(text)
    except Exception as error:  # Whatever it is, a post must not end the build.
        raise ContentProblem(f"the Markdown could not be read: {error}", code="VB3001") from error
    if 'style="text-align: ' in html:
        html = CELL.sub(r'<\1 align="\2">', html)
    if "footnote-" in html:
        html = _with_notes(html)
    if "math math-" in html:
        html = FORMULA.sub(_formula, html)
    if "markdown-alert-" in html:
        html = CALLOUT.sub(_callout, html)
    return TASK.sub(r'<li class="task-list-item">\1', html) if 'type="checkbox"' in html else html


@cache
def _engine(smart_quotes: bool) -> pyromark.Markdown:
    options = pyromark.Options
    chosen = (
        options.ENABLE_TABLES
        | options.ENABLE_FOOTNOTES
        | options.ENABLE_STRIKETHROUGH
        | options.ENABLE_TASKLISTS
        | options.ENABLE_HEADING_ATTRIBUTES
        | options.ENABLE_GFM
        | options.ENABLE_DEFINITION_LIST
        | options.ENABLE_MATH
    )
    return pyromark.Markdown(options=chosen | options.ENABLE_SMART_PUNCTUATION if smart_quotes else chosen)


def _with_notes(html: str) -> str:
    """Footnotes with ids that no other element has, and a way back to where each is first used."""
    uses: Counter[str] = Counter()

    def mark(found: re.Match[str]) -> str:
        name = found[1]
        uses[name] += 1
        number = uses[name] if uses[name] > 1 else ""
        return f'<sup id="fnref{number}:{name}"><a class="footnote-ref" href="#fn:{name}">'

    html = NOTE_MARK.sub(mark, html)
    return NOTE.sub(
        lambda found: (
            f'<div class="footnote" id="fn:{found[1]}">'
            f'<sup><a class="footnote-backref" href="#fnref:{found[1]}">{found[2]}</a></sup>'
        ),
        html,
    )


def _formula(found: re.Match[str]) -> str:
    opened, closed = (r"\(", r"\)") if found[1] == "inline" else (r"\[", r"\]")
    return f'<span class="arithmatex">{opened}{found[2]}{closed}</span>'


def _callout(found: re.Match[str]) -> str:
    return f'<blockquote class="admonition {found[1]}">\n<p class="admonition-title">{found[1].capitalize()}</p>'
