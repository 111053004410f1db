"""HTML as a serializer wrote it, read as text: finding a tag there costs a tenth of what a tree asks for it.

What a serializer writes is far simpler than what an author may: every tag is closed, every name is in lower case,
every value stands in double quotes, and in text and values `&`, `<`, `>` and no-break spaces are always entities
("serializing HTML fragments", HTML standard, 13.3). So a `>` ends a tag, wherever it stands. Comments and the few
elements whose content is no markup come in trusted HTML alone; `OPAQUE` finds them.
"""

from __future__ import annotations

import re
from html import escape, unescape

TAG = re.compile(r"<(?:!--.*?--|[^>]*)>", re.DOTALL)
ATTRIBUTE = re.compile(r' ([^ ]+?)="([^"]*)"')
OPAQUE = re.compile(
    r"<!--.*?-->|<(?P<opaque>script|style|template|xmp|iframe|noembed|noframes)\b[^>]*>.*?</(?P=opaque)>|<plaintext.*",
    re.DOTALL,
)


BLANK = "\x00"


def without_opaque(html: str) -> str:
    """`html` with `BLANK` in place of each character of what is no markup: every tag stands where it stood."""
    return OPAQUE.sub(lambda found: BLANK * len(found[0]), html)


def attributes_of(tag: str) -> dict[str, str]:
    """The attributes of a tag, or of the part of it that holds them, in their order; one without a value has ""."""
    if not tag:
        return {}
    found = dict(ATTRIBUTE.findall(tag))
    return {name: unescape(value) for name, value in found.items()} if "&" in tag else found


def serialized_value(text: str) -> str:
    """`text` as a serializer writes it into an attribute."""
    return escape(text).replace("&#x27;", "'").replace("\xa0", "&nbsp;")


def text_of(html: str) -> str:
    """The text of a piece of HTML, as a tree would give it, without what is blank."""
    text = TAG.sub("", html) if "<" in html else html
    text = text.replace(BLANK, "") if BLANK in text else text
    return unescape(text) if "&" in text else text


def end_of(html: str, name: str, start: int) -> int:
    """Where the end tag stands of the element `name` whose inside begins at `start`; the end of `html`, if nowhere."""
    closing, opening = f"</{name}>", f"<{name}"
    end, inner = html.find(closing, start), start
    while end >= 0 and (inner := html.find(opening, inner, end)) >= 0:
        inner += len(opening)
        if html[inner] in " >":  # One of the same name inside, so this end tag is not ours.
            end = html.find(closing, end + 1)
    return end if end >= 0 else len(html)
