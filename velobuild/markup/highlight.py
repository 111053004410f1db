"""Code in colour: Pygments classes for the page, and one style sheet for light and dark.

Pygments is imported when the first block of code comes, for most commands never need it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from pygments.style import Style
    from pygments.token import _TokenType

CODE_CHARACTERS_MAX = 60_000
"""A longer block stays plain: some of Pygments' grammars take much longer than the text grows."""
PLAIN = frozenset({"none", "nohighlight", "no-highlight", "plain", "plaintext", "text", "txt", "output"})
CONTRAST_MIN = 4.5
"""WCAG 2 level AA for text of ordinary size."""


@lru_cache(maxsize=1024)
def highlight(code: str, language: str) -> str | None:
    """`code` as escaped HTML with a span of a Pygments class around each token; None if the language is not known.

    The text of the result is exactly `code`.
    """
    if language in PLAIN or len(code) > CODE_CHARACTERS_MAX:
        return escape(code, quote=False)
    lexer = _lexer(language)
    if lexer is None:
        return None
    tokens = list(lexer.get_tokens(code))
    if tokens and not code.endswith("\n"):  # Grammars read whole lines, so Pygments has ended the last one.
        tokens[-1] = tokens[-1][0], tokens[-1][1].removesuffix("\n")
    if "".join([value for _, value in tokens]) != code:
        return escape(code, quote=False)  # A grammar lost some of it: plain code is better than other code.
    pieces: list[str] = []
    open_class, run = "", ""
    for kind, value in tokens:
        name = "" if value.isspace() else _class(kind)
        # White space takes the class of what stands before it, which spares spans and changes nothing that is seen.
        if name in {open_class, ""} and (name == open_class or value.isspace()):
            run += value
            continue
        pieces.append(_span(open_class, run))
        open_class, run = name, value
    pieces.append(_span(open_class, run))
    return "".join(pieces)


def _span(name: str, text: str) -> str:
    if not text:
        return ""
    written = escape(text, quote=False)
    return f'<span class="{name}">{written}</span>' if name else written


@lru_cache(maxsize=512)
def _class(kind: _TokenType) -> str:
    """Pygments' short class of a token type, or of the nearest kind above it that has one."""
    from pygments.token import STANDARD_TYPES

    nearest: _TokenType | None = kind
    while nearest is not None and nearest not in STANDARD_TYPES:
        nearest = nearest.parent
    return STANDARD_TYPES[nearest] if nearest is not None else ""


@lru_cache(maxsize=256)
def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language.lower(), stripnl=False)
    except (ClassNotFound, ValueError):
        return None


def stylesheet(light: str = "default", dark: str = "github-dark") -> str:
    """CSS for `.highlight` in two Pygments styles: the second's colours where the page's `color-scheme` is dark.

    Every colour is moved, if it must be, until it has a contrast of 4.5 : 1 against its background. The same two
    names always give the same text. Raises: ValueError, if Pygments knows no style of that name.
    """
    from pygments.token import STANDARD_TYPES

    day, night = _style(light), _style(dark)
    # `light-dark()` and no media query: a page that is set to one scheme must not get the other's code.
    by_day, by_night = _ground(day), _ground(night)
    rules = [f".highlight {{ background: {_both(by_day, by_night)}; color: {_both(_base(day), _base(night))}; }}"]
    for token, name in sorted(STANDARD_TYPES.items(), key=lambda item: item[1]):
        if not name:
            continue
        # No function picks a weight by scheme, so bold and italic are the light style's in both.
        look = day.style_for_token(token)
        parts = [f"color: {_both(_colour(day, token), _colour(night, token))}"]
        parts += ["font-weight: bold"] * bool(look["bold"])
        parts += ["font-style: italic"] * bool(look["italic"])
        parts += ["text-decoration: underline"] * bool(look["underline"])
        rules.append(f".highlight .{name} {{ {'; '.join(parts)}; }}")
    return "\n".join(rules) + "\n"


def _both(light: str, dark: str) -> str:
    return f"light-dark(#{light}, #{dark})"


def _style(name: str) -> type[Style]:
    from pygments.styles import get_style_by_name
    from pygments.util import ClassNotFound

    try:
        return get_style_by_name(name)
    except ClassNotFound as error:
        raise ValueError(f"Pygments has no style called {name!r}") from error


def _ground(style: type[Style]) -> str:
    return _hex(style.background_color) or "ffffff"


def _base(style: type[Style]) -> str:
    """The colour of code that is nothing in particular, readable."""
    from pygments.token import Token

    ground = _ground(style)
    plain = "000000" if _luminance(ground) > 0.2 else "ffffff"
    return readable(style.style_for_token(Token)["color"] or plain, ground)


def _colour(style: type[Style], token: _TokenType) -> str:
    return readable(style.style_for_token(token)["color"] or _base(style), _ground(style))


def _hex(colour: str | None) -> str | None:
    found = re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", colour or "")
    if not found:
        return None
    digits = found[1].lower()
    return digits if len(digits) == 6 else "".join(2 * digit for digit in digits)


def contrast(one: str, other: str) -> float:
    """The WCAG 2 contrast ratio of two colours `rrggbb`: 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def readable(colour: str, ground: str) -> str:
    """`colour`, moved towards black or white in steps of 4 % until it is readable on `ground`."""
    toward = 0 if contrast("000000", ground) > contrast("ffffff", ground) else 255
    parts = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
    for step in range(26):
        moved = "".join(f"{round(part + (toward - part) * step / 25):02x}" for part in parts)
        if contrast(moved, ground) >= CONTRAST_MIN:
            return moved
    return moved


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
