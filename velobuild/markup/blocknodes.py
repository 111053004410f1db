"""The blocks of the usual editors: text, lists, code, details, callouts; and by which names all are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from velobuild.markup.blockmarks import key
from velobuild.markup.blockmedia import audio, embed, figure, figure_caption, picture, video
from velobuild.markup.blocktables import cell, table
from velobuild.markup.blockwriter import Block, Show, Writer, look, paragraphs, words
from velobuild.markup.prepared import attribute

LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,40}", re.ASCII)
LIST_STYLES = frozenset({"1", "a", "A", "i", "I"})
# What editors call their callouts, as the kinds that themes know.
CALLOUTS: Mapping[str, str] = {
    **{name: name for name in ("note", "info", "tip", "success", "warning", "danger", "caution", "important", "hint")},
    **{name: name for name in ("attention", "error", "example", "failure", "quote", "todo")},
    "information": "info",
    "alert": "warning",
    "critical": "danger",
    "default": "note",
    "done": "success",
}


def plain(block: Block, writer: Writer) -> str:
    """A block that only holds others together."""
    return writer.inside(block)


def nothing(block: Block, writer: Writer) -> str:
    """A block that shows nothing on a page of a static site."""
    return ""


def paragraph(block: Block, writer: Writer) -> str:
    html = writer.inside(block, paragraphs=False)
    if not html and not block.children:
        html = writer.html(block.text("text", "content"))
    return f"<p{look(block)}>{html}</p>" if html.strip() else ""


def text(block: Block, writer: Writer) -> str:
    """The text block of page builders; a node of running text never comes here."""
    return writer.rich(block.fields.get("content")) or paragraphs(block.text("text"))


def heading(block: Block, writer: Writer) -> str:
    html = writer.inside(block, paragraphs=False) or words(block.text("text", "content", "heading"))
    digits = re.search("[1-6]", block.text("level"))
    level = digits[0] if digits else "2"
    return f"<h{level}{look(block)}>{html}</h{level}>" if html.strip() else ""


def bullets(block: Block, writer: Writer) -> str:
    items = writer.inside(block, paragraphs=False) or _plain_items(block, writer)
    return f"<ul{look(block)}>{items}</ul>" if items else ""


def numbers(block: Block, writer: Writer) -> str:
    items = writer.inside(block, paragraphs=False) or _plain_items(block, writer)
    first = block.number("start") or block.number("order")
    style = block.text("type", "listStyleType")
    rest = attribute("start", str(first)) if first and first > 1 else ""
    rest += attribute("type", style) if style in LIST_STYLES else ""
    return f"<ol{rest}{look(block)}>{items}</ol>" if items else ""


def either_list(block: Block, writer: Writer) -> str:
    ordered = key(block.text("style", "listType")) in {"ordered", "number", "numbered", "decimal"}
    return numbers(block, writer) if ordered or block.truth("ordered") else bullets(block, writer)


def item(block: Block, writer: Writer) -> str:
    return f"<li{look(block)}>{_tight(block, writer)}</li>"


def tasks(block: Block, writer: Writer) -> str:
    items = writer.inside(block, paragraphs=False)
    items = items or "".join(_task(words(entry.text("text")), entry) for entry in block.items("items"))
    return f'<ul class="task-list">{items}</ul>' if items else ""


def task(block: Block, writer: Writer) -> str:
    return _task(_tight(block, writer), block)


def _task(html: str, block: Block) -> str:
    checked_ = " checked" if block.truth("checked") else ""
    return f'<li class="task-list-item"><input type="checkbox" disabled{checked_}> {html}</li>'


def _tight(block: Block, writer: Writer) -> str:
    """What stands in an item: without `<p>`, if it is one paragraph and perhaps lists, as most items are."""
    kinds = [key(str(child.get("type"))) if isinstance(child, dict) else "" for child in block.children]
    if not kinds or kinds[0] != "paragraph" or kinds.count("paragraph") > 1:
        return writer.inside(block, paragraphs=False)
    if any(not kind.endswith("list") for kind in kinds[1:]):
        return writer.inside(block)
    first = Block.of(block.children[0])
    return writer.inside(first, paragraphs=False) + writer.flow(block.children[1:])


def _plain_items(block: Block, writer: Writer) -> str:
    """Items that are texts, or objects with a text and perhaps items of their own, as page builders keep them."""
    listed = block.fields.get("items")
    items = []
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, str):
            items.append(f"<li>{writer.html(entry)}</li>")
        elif isinstance(entry, dict):
            items.append(f"<li>{writer.html(Block.of(entry).text('content', 'text'))}</li>")
    return "".join(items)


def quote(block: Block, writer: Writer) -> str:
    html = writer.inside(block) or paragraphs(block.text("text", "quote"))
    source = block.text("citation", "author", "caption")
    html += f"<p><cite>{words(source)}</cite></p>" if source else ""
    return f"<blockquote{look(block)}>{html}</blockquote>" if html else ""


def code(block: Block, writer: Writer) -> str:
    held = "".join(_texts(block)) if block.children else _raw_text(block, "code", "text", "content")
    language = block.text("language", "lang", "params")
    named = f' class="language-{language}"' if LANGUAGE.fullmatch(language) else ""
    return f"<pre><code{named}>{escape(held, quote=False)}</code></pre>" if held else ""


def _texts(block: Block) -> list[str]:
    """The text below a block as it is; code has no marks."""
    found: list[str] = []
    rest: list[Any] = list(reversed(block.children))
    while rest:
        child = rest.pop()
        if isinstance(child, str):
            found.append(child)
        elif isinstance(child, dict):
            if key(str(child.get("type"))) == "hardbreak":
                found.append("\n")
            elif isinstance(child.get("text"), str):
                found.append(child["text"])
            elif isinstance(child.get("content"), list):
                rest.extend(reversed(child["content"]))
    return found


def _raw_text(block: Block, *names: str) -> str:
    found = [value for name in names if isinstance(value := block.fields.get(name), str) and value]
    return found[0] if found else ""


def rule(block: Block, writer: Writer) -> str:
    return "<hr>"


def details(block: Block, writer: Writer) -> str:
    children = list(block.children)
    kinds = [key(str(child.get("type"))) if isinstance(child, dict) else "" for child in children]
    title = words(block.text("summary", "title"))
    if "detailssummary" in kinds:
        title = writer.only_text(Block.of(children.pop(kinds.index("detailssummary")))) or title
    return opening(title, writer.flow(children), opened=block.truth("open"))


def opening(title: str, html: str, *, opened: bool) -> str:
    """What a reader opens and closes; without a title, browsers write one."""
    summary = f"<summary>{title}</summary>" if title else ""
    return f"<details{' open' if opened else ''}>{summary}{html}</details>" if summary or html else ""


def callout(block: Block, writer: Writer) -> str:
    """A note in a box, as Markdown makes it."""
    named = key(block.text("type", "variant", "kind", "level", "style")) or block.kind
    kind = CALLOUTS.get(named, "note")
    title = block.text("title") or kind.capitalize()
    html = writer.inside(block) or paragraphs(block.text("text", "message", "content"))
    return f'<div class="admonition {kind}"><p class="admonition-title">{words(title)}</p>{html}</div>' if html else ""


def formula(block: Block, writer: Writer) -> str:
    held = block.text("latex", "formula", "text")
    return f'<div class="arithmatex">\\[{escape(held, quote=False)}\\]</div>' if held else ""


def raw_html(block: Block, writer: Writer) -> str:
    return writer.rich(block.text("html", "content"))


def _named(show: Show, *kinds: str) -> dict[str, Show]:
    return dict.fromkeys(kinds, show)


NODES: Mapping[str, Show] = {
    **_named(plain, "doc", "document", "root", "section", "column", "columns", "columnblock", "container", "div"),
    **_named(plain, "group", "layout", "detailscontent", "row", "grid", "column2", "tablewrapper"),
    **_named(nothing, "tableofcontents", "toc", "pagebreak", "spacer"),
    **_named(paragraph, "paragraph"),
    **_named(text, "text"),
    **_named(heading, "heading", "header"),
    **_named(bullets, "bulletlist", "unorderedlist"),
    **_named(numbers, "orderedlist"),
    **_named(either_list, "list"),
    **_named(item, "listitem"),
    **_named(tasks, "tasklist", "checklist", "todolist"),
    **_named(task, "taskitem", "todoitem"),
    **_named(quote, "blockquote", "quote", "pullquote"),
    **_named(code, "codeblock", "code", "preformatted"),
    **_named(rule, "horizontalrule", "divider", "delimiter", "hr"),
    **_named(picture, "image", "img"),
    **_named(figure, "figure", "imagefigure", "captionedimage", "imageblock"),
    **_named(figure_caption, "figcaption", "figurecaption", "imagecaption"),
    **_named(embed, "embed", "iframe", "youtube", "vimeo", "twitter", "tweet", "bookmark", "linkpreview"),
    **_named(video, "video"),
    **_named(audio, "audio"),
    **_named(table, "table"),
    **_named(cell, "tablerow", "tablecell", "tableheader"),
    **_named(details, "details"),
    **_named(plain, "detailssummary"),
    **_named(callout, "callout", "admonition", "alert", "panel", "notice", "warning", "info", "infobox"),
    **_named(formula, "blockmath", "mathblock", "math", "formula"),
    **_named(raw_html, "htmlblock", "html", "raw", "rawhtml"),
}
