"""Characters: what may stand in content, how its words are counted and cut."""

from __future__ import annotations

import re

# What stands around a slot in a prepared body. Content never holds these: `clean_text` removes them. In ASCII, so that
# most bodies are kept, read and filled at a byte a character.
SLOT_OPEN, SLOT_CLOSE = "\x02", "\x03"

# Control characters (XML 1.0 forbids them, terminals obey them), noncharacters, and four private-use characters that
# velobuild once used itself; the others stay, since icon fonts live there.
UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\ue003\ufdd0-\ufdef\ufffe\uffff]")
UNWANTED_ASCII = bytes(code for code in range(128) if UNWANTED.match(chr(code)))
SURROGATE = re.compile("[\ud800-\udfff]")

# Chinese and Japanese write without spaces; about two of their characters are read in the time of one Latin word.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
UNSPACED_CHARACTERS = f"[{UNSPACED}\U00020000-\U0003134f]"
WORDS = f"[{UNSPACED}\U00020000-\U0003134f]{{1,2}}|[^\\s{UNSPACED}\U00020000-\U0003134f]+"
ELLIPSIS = "…"
# For ASCII: white space as a space, all else as an `x`.
SPACE_OR_X = bytes(ord(" ") if chr(code).isspace() else ord("x") for code in range(256))


def names(listed: str) -> frozenset[str]:
    """The names of a list that is written with spaces."""
    return frozenset(listed.split())


def clean_text(text: str) -> tuple[str, bool]:
    """`text` without characters that no page, feed or file may hold, and whether anything was changed.

    Removed: control characters but tab, line feed and carriage return; noncharacters; U+E000 to U+E003. A lone
    surrogate becomes U+FFFD, for it cannot be written as UTF-8.
    """
    # Nearly every text is clean, and these ways of seeing that cost a fraction of the search below.
    if len(text.encode().translate(None, UNWANTED_ASCII)) == len(text) if text.isascii() else _printable(text):
        return text, False
    cleaned = UNWANTED.sub("", text)
    try:
        cleaned.encode()
    except UnicodeEncodeError:
        # JSON may spell one character as two surrogates in separate strings; only those that do not pair are lost.
        cleaned = SURROGATE.sub("\ufffd", cleaned.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return cleaned, cleaned != text


def _printable(text: str) -> bool:
    return text.replace("\n", " ").isprintable()


def one_line(text: str) -> str:
    """`text` with every run of white space made one space."""
    return " ".join(text.split())


def count_words(text: str) -> int:
    """How many words a reader meets; two characters of a script without spaces count as one."""
    if text.isascii():  # Where words begin is counted in two thirds of the time that `split` takes to make them all.
        marks = text.encode().translate(SPACE_OR_X)
        return marks.count(b" x") + marks.startswith(b"x")
    unspaced = len(re.findall(UNSPACED_CHARACTERS, text))
    return len(re.sub(UNSPACED_CHARACTERS, " ", text).split()) + (unspaced + 1) // 2 if unspaced else len(text.split())


def first_words(text: str, limit: int) -> str:
    """The first `limit` words of `text` on one line, with an ellipsis if that leaves something out."""
    if text.isascii():
        found = text.split(maxsplit=limit)
        line = " ".join(found[:limit])
        return line.rstrip(" ,;:-–—") + ELLIPSIS if len(found) > limit else line
    line = one_line(text)
    end = 0
    for number, word in enumerate(re.finditer(WORDS, line)):
        if number == limit:
            return line[:end].rstrip(" ,;:-–—") + ELLIPSIS
        end = word.end()
    return line
