"""A WordPress text as HTML: what WordPress does to it when it shows it, and its exports leave undone.

Texts of the block editor are HTML between comments. Older ones have no paragraphs: an empty line divides them, a line's
end is a break. Shortcodes stand in for what plugins make; those of WordPress itself are made here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

Picture = Callable[[str], tuple[str, str] | None]
"""Address and words of an attachment by its id; None if the export does not have it."""

BLOCK_COMMENT = re.compile(r"<!--\s*/?wp:.*?-->", re.DOTALL)
NEXT_PAGE = re.compile(r"<!--\s*(?:more.*?|nextpage|noteaser)\s*-->", re.DOTALL)
VERBATIM = re.compile(r"<(pre|script|style|textarea|svg)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
KEPT = re.compile("\x00(\\d+)\x00")
BLOCKS = (
    "address|article|aside|blockquote|caption|colgroup|col|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    "h[1-6]|header|hr|iframe|legend|li|main|nav|ol|p|section|summary|table|tbody|td|tfoot|th|thead|tr|ul|video|audio"
)
TAG = re.compile(rf"(</?(?:{BLOCKS})\b[^>]*>|\x00\d+\x00)", re.IGNORECASE)
NAME = re.compile(r"</?([a-z0-9]+)", re.IGNORECASE)
# In these, and outside of everything, a text stands in paragraphs; in all other blocks it stands as it is.
HOLD_PARAGRAPHS = frozenset({"blockquote", "div", "section", "article", "aside", "main", "details", "header", "footer"})
VOID = frozenset({"hr", "col"})
SHORTCODE = re.compile(
    r"\[(?P<name>[a-z][\w-]*)(?P<given>(?:\s[^\[\]]*)?)\](?:(?P<inner>(?:(?!\[(?P=name)\b).)*?)\[/(?P=name)\])?",
    re.DOTALL | re.IGNORECASE,
)
GIVEN = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""")


def body_html(text: str, picture: Picture) -> tuple[str, list[str]]:
    """The body, and the names of the shortcodes that stayed as they are."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    blocks = "<!-- wp:" in text
    text = NEXT_PAGE.sub("", BLOCK_COMMENT.sub("", text))
    text, unknown = shortcodes(text, picture)
    return (text if blocks else paragraphs(text)).strip(), unknown


def paragraphs(text: str) -> str:
    """Paragraphs and breaks where the text has empty lines and lines."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\x00{len(kept) - 1}\x00"

    made: list[str] = []
    inside: list[str] = []
    for number, piece in enumerate(TAG.split(VERBATIM.sub(keep, text))):
        if number % 2:
            made.append(piece)
            _step(piece, inside)
        elif not inside or inside[-1] in HOLD_PARAGRAPHS:
            parts = [part.strip() for part in re.split(r"\n[ \t]*\n", piece)]
            made += [f"<p>{_lines(part)}</p>\n" for part in parts if part]
        elif piece.strip():
            made.append(_lines(piece.strip("\n")))
    return KEPT.sub(lambda match: kept[int(match[1])], "\n".join(filter(str.strip, made)))


def _step(tag: str, inside: list[str]) -> None:
    match = NAME.match(tag)
    name = match[1].lower() if match else ""
    if not name or name in VOID or tag.endswith("/>"):
        return
    if not tag.startswith("</"):
        inside.append(name)
    elif name in inside:
        # Whatever was left open within it ends with it.
        del inside[len(inside) - 1 - inside[::-1].index(name) :]


def _lines(text: str) -> str:
    return re.sub(r"(?<!<br>)(?<!<br/>)(?<!<br />)[ \t]*\n", "<br>\n", text)


def shortcodes(text: str, picture: Picture) -> tuple[str, list[str]]:
    """WordPress's own shortcodes as HTML, and the names of all others that are surely some."""
    unknown: dict[str, None] = {}

    def made(match: re.Match[str]) -> str:
        name, inner = match["name"].lower(), match["inner"]
        given = {key.lower(): a or b or c for key, a, b, c in GIVEN.findall(match["given"])}
        html = _made(name, given, inner or "", picture)
        if html is None:
            if given or inner is not None:
                unknown.setdefault(name)
            return match[0]
        return html

    return SHORTCODE.sub(made, text), list(unknown)


def _made(name: str, given: dict[str, str], inner: str, picture: Picture) -> str | None:
    if name in ("caption", "wp_caption"):
        match = re.match(r"\s*((?:<a\b[^>]*>\s*)?<img\b[^>]*>(?:\s*</a>)?)(.*)", inner, re.DOTALL)
        if match is None:
            return None
        words = (match[2].strip() or given.get("caption", "")).replace("\n", " ")
        return f"\n\n<figure>{match[1]}<figcaption>{words}</figcaption></figure>\n\n"
    if name == "gallery":
        found = [picture(id) for id in re.findall(r"\d+", given.get("ids", given.get("include", "")))]
        if not found or None in found:
            return None
        shown = "".join(
            f'<figure><img src="{escape(url)}" alt="{escape(alt)}"></figure>' for url, alt in filter(None, found)
        )
        return f"\n\n<div>{shown}</div>\n\n"
    if name == "embed":
        url = inner.strip()
        return f'\n\n<p><a href="{escape(url)}">{escape(url)}</a></p>\n\n' if url.startswith("http") else None
    if name in ("audio", "video"):
        source = given.get("src") or given.get("mp3") or given.get("mp4")
        return f'\n\n<{name} controls src="{escape(source)}"></{name}>\n\n' if source else None
    if name in ("code", "sourcecode"):
        language = re.sub(r"\W", "", given.get("lang", given.get("language", "")))
        named = f' class="language-{language}"' if language else ""
        return f"\n\n<pre><code{named}>{inner.strip(chr(10))}</code></pre>\n\n"
    return None
