"""Ghost's two kinds of document as HTML, for posts whose export carries no HTML: lexical (from 5.x) and mobiledoc.

Cards of both have the same contents under the same names. What is unknown shows its text and is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from velobuild.markup.markdown import to_html

DEPTH_MAX = 100
# The bits of a lexical text's format, from the outermost element to the innermost.
FORMATS = ((1, "strong"), (2, "em"), (4, "s"), (8, "u"), (16, "code"), (32, "sub"), (64, "sup"), (128, "mark"))
PLAIN = {"paragraph": "p", "quote": "blockquote", "aside": "blockquote", "listitem": "li"}
MARKUPS = frozenset({"a", "b", "code", "em", "i", "mark", "s", "strong", "sub", "sup", "u"})
TAGS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "aside"})
# What Ghost shows to readers of a mail, or asks of members: a static page has no use for it.
NOTHING = frozenset({"email", "email-cta", "paywall", "signup", "call-to-action"})

Given = Mapping[str, Any]


class NoDocument(ValueError):
    """The text is not what it should be."""


def lexical_html(text: str) -> tuple[str, list[str]]:
    """The HTML, and the names of cards that are not known. Raises NoDocument."""
    document = _json(text)
    root = document.get("root")
    if not isinstance(root, dict):
        raise NoDocument("its lexical document has no root")
    unknown: dict[str, None] = {}
    return "\n".join(filter(None, (_node(node, unknown, 0) for node in _list(root, "children")))), list(unknown)


def mobiledoc_html(text: str) -> tuple[str, list[str]]:
    """The same for mobiledoc 0.3. Raises NoDocument."""
    document = _json(text)
    if not isinstance(document.get("sections"), list):
        raise NoDocument("its mobiledoc document has no sections")
    unknown: dict[str, None] = {}
    try:
        made = [_section(section, document, unknown) for section in document["sections"]]
    except (IndexError, TypeError, KeyError, ValueError) as error:
        raise NoDocument("its mobiledoc document is damaged") from error
    return "\n".join(filter(None, made)), list(unknown)


def _json(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoDocument("its document is no JSON") from error
    if not isinstance(document, dict):
        raise NoDocument("its document is no object")
    return document


def _list(node: Given, name: str) -> list[Any]:
    found = node.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _words(node: Given, *names: str) -> str:
    return next((node[name] for name in names if isinstance(node.get(name), str) and node[name]), "")


def _node(node: Given, unknown: dict[str, None], depth: int) -> str:
    if depth > DEPTH_MAX:
        raise NoDocument(f"its document is nested deeper than {DEPTH_MAX} levels")
    kind = _words(node, "type").removeprefix("extended-")

    def inner() -> str:
        return "".join(_node(child, unknown, depth + 1) for child in _list(node, "children"))

    if kind in ("text", "code-highlight"):
        return _formatted(_words(node, "text"), node.get("format"))
    if kind in PLAIN:
        tag = PLAIN[kind]
        return f"<{tag}>{inner()}</{tag}>"
    if kind == "heading":
        tag = _words(node, "tag") if _words(node, "tag") in TAGS else "h2"
        return f"<{tag}>{inner()}</{tag}>"
    if kind == "list":
        tag = "ol" if _words(node, "listType", "tag") in ("number", "ol") else "ul"
        return f"<{tag}>{inner()}</{tag}>"
    if kind in ("link", "autolink"):
        return f'<a href="{escape(_words(node, "url"))}">{inner()}</a>'
    if kind == "linebreak":
        return "<br>"
    made = card(kind, node)
    if made is None:
        unknown.setdefault(kind or "nameless")
        texts = (escape(_words(node, name)) for name in ("heading", "text"))
        return inner() or "".join(f"<p>{text}</p>" for text in texts if text)
    return made


def _formatted(text: str, format: Any) -> str:
    made = escape(text, quote=False)
    bits = format if isinstance(format, int) else 0
    for bit, tag in reversed(FORMATS):
        if bits & bit:
            made = f"<{tag}>{made}</{tag}>"
    return made


def card(kind: str, given: Given) -> str | None:
    """A card of either kind of document as HTML; None for one that is not known, "" for one that shows nothing."""
    if kind in NOTHING:
        return ""
    maker = CARDS.get(kind)
    return maker(given) if maker else None


def _figure(inner: str, given: Given) -> str:
    # Captions are HTML in Ghost.
    caption = _words(given, "caption")
    return f"<figure>{inner}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def _img(given: Given) -> str:
    sizes = "".join(f' {side}="{given[side]}"' for side in ("width", "height") if isinstance(given.get(side), int))
    return f'<img src="{escape(_words(given, "src"))}" alt="{escape(_words(given, "alt"))}"{sizes}>'


def _image(given: Given) -> str:
    href = _words(given, "href")
    return _figure(f'<a href="{escape(href)}">{_img(given)}</a>' if href else _img(given), given)


def _gallery(given: Given) -> str:
    return _figure("".join(_img(image) for image in _list(given, "images")), given)


def _code(given: Given) -> str:
    language = "".join(char for char in _words(given, "language") if char.isalnum() or char in "+#-")
    named = f' class="language-{language}"' if language else ""
    code = f"<pre><code{named}>{escape(_words(given, 'code'), quote=False)}</code></pre>"
    return _figure(code, given) if _words(given, "caption") else code


def _embed(given: Given) -> str:
    url = _words(given, "url")
    return _figure(_words(given, "html") or f'<a href="{escape(url)}">{escape(url)}</a>', given)


def _bookmark(given: Given) -> str:
    metadata = given.get("metadata") if isinstance(given.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    url = _words(given, "url") or _words(metadata, "url")
    title = _words(metadata, "title") or _words(given, "title") or url
    said = _words(metadata, "description") or _words(given, "description")
    return _figure(
        f'<p><a href="{escape(url)}">{escape(title)}</a></p>{f"<p>{escape(said)}</p>" if said else ""}', given
    )


def _callout(given: Given) -> str:
    emoji = _words(given, "calloutEmoji")
    return f"<blockquote><p>{f'{escape(emoji)} ' if emoji else ''}{_words(given, 'calloutText')}</p></blockquote>"


def _toggle(given: Given) -> str:
    return f"<details><summary>{_words(given, 'heading')}</summary>{_words(given, 'content')}</details>"


def _button(given: Given) -> str:
    return f'<p><a href="{escape(_words(given, "buttonUrl"))}">{escape(_words(given, "buttonText"))}</a></p>'


def _file(given: Given) -> str:
    title = _words(given, "fileTitle", "fileName", "src")
    said = _words(given, "fileCaption")
    after = f" – {escape(said)}" if said else ""
    return f'<p><a href="{escape(_words(given, "src"))}">{escape(title)}</a>{after}</p>'


def _sound(given: Given) -> str:
    return _figure(f'<audio controls src="{escape(_words(given, "src"))}"></audio>', given)


def _film(given: Given) -> str:
    return _figure(f'<video controls src="{escape(_words(given, "src"))}"></video>', given)


def _header(given: Given) -> str:
    below = _words(given, "subheader")
    button = _button(given) if _words(given, "buttonText") and _words(given, "buttonUrl") else ""
    return f"<h2>{_words(given, 'header')}</h2>{f'<p>{below}</p>' if below else ''}{button}"


def _product(given: Given) -> str:
    image = _words(given, "productImageSrc")
    shown = f'<img src="{escape(image)}" alt="">' if image else ""
    button = ""
    if _words(given, "productUrl"):
        words = _words(given, "productButton") or _words(given, "productUrl")
        button = f'<p><a href="{escape(_words(given, "productUrl"))}">{escape(words)}</a></p>'
    return f"{shown}<h4>{_words(given, 'productTitle')}</h4>{_words(given, 'productDescription')}{button}"


CARDS: Mapping[str, Callable[[Given], str]] = {
    "image": _image,
    "gallery": _gallery,
    "html": lambda given: _words(given, "html"),
    "markdown": lambda given: to_html(_words(given, "markdown"), smart_quotes=False),
    "card-markdown": lambda given: to_html(_words(given, "markdown"), smart_quotes=False),
    "codeblock": _code,
    "code": _code,
    "embed": _embed,
    "bookmark": _bookmark,
    "callout": _callout,
    "toggle": _toggle,
    "button": _button,
    "file": _file,
    "audio": _sound,
    "video": _film,
    "header": _header,
    "product": _product,
    "horizontalrule": lambda given: "<hr>",
    "hr": lambda given: "<hr>",
}


def _section(section: list[Any], document: Given, unknown: dict[str, None]) -> str:
    match section:
        case [1, str(tag), [*markers]]:
            name = tag.lower() if tag.lower() in TAGS else "p"
            name = "blockquote" if name == "aside" else name
            return f"<{name}>{_marked(markers, document)}</{name}>"
        case [2, str(source)]:
            return f'<img src="{escape(source)}" alt="">'
        case [3, str(tag), [*items]]:
            name = "ol" if tag.lower() == "ol" else "ul"
            return f"<{name}>{''.join(f'<li>{_marked(item, document)}</li>' for item in items)}</{name}>"
        case [10, int(number)]:
            kind, given = document["cards"][number][:2]
            made = card(kind, given)
            if made is None:
                unknown.setdefault(str(kind))
            return made or ""
        case _:
            raise ValueError("no section")


def _marked(markers: list[Any], document: Given) -> str:
    """Texts and atoms with the markups that begin and end at each."""
    made: list[str] = []
    open_: list[str] = []
    for kind, opened, closed, content in markers:
        for number in opened:
            name, *attributes = document["markups"][number]
            name = name.lower()
            if name in MARKUPS:
                given = dict(zip(attributes[0][::2], attributes[0][1::2], strict=False)) if attributes else {}
                href = f' href="{escape(str(given.get("href", "")))}"' if name == "a" else ""
                made.append(f"<{name}{href}>")
            open_.append(name if name in MARKUPS else "")
        if kind == 0:
            made.append(escape(str(content), quote=False))
        else:
            atom, text = document["atoms"][content][:2]
            made.append("<br>" if atom == "soft-return" else escape(str(text), quote=False))
        for _ in range(closed):
            name = open_.pop()
            made.append(f"</{name}>" if name else "")
    return "".join(made)
