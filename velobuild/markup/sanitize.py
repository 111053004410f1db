"""What HTML may say: one `nh3.Cleaner` per policy.

A policy names what is allowed; all else goes. Sanitizing is the last step that parses what an author wrote and the
only one that decides about safety: what comes after it moves, removes, or adds text that was escaped. None of the
allowed elements changes how a parser reads what follows (no svg, math, style, noscript, template, textarea), so
parsing the result again gives the same tree. It is spared only a body that it would leave as it is (`markup.plain`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import nh3
from selectolax.lexbor import LexborNode

from velobuild.errors import Diagnostic
from velobuild.markup.text import clean_text, names
from velobuild.markup.tree import inside, keep_first_lines, parsed
from velobuild.markup.urls import FILE_SCHEMES, LINK_SCHEMES, body_id, checked, host

INLINE = (
    "a abbr acronym b bdi bdo br cite code data del dfn em i ins kbd mark q rp rt ruby s samp small span strike strong "
    "sub sup time tt u var wbr"
)
BLOCKS = (
    "address article aside blockquote caption col colgroup dd details div dl dt figcaption figure footer h1 h2 h3 h4 "
    "h5 h6 header hgroup hr li nav ol p pre section summary table tbody td tfoot th thead tr ul"
)
MEDIA = "audio img source video"
TAGS = names(f"{INLINE} {BLOCKS} {MEDIA} input")
COMMENT_TAGS = names("a b blockquote br code del em i li ol p pre s strong sub sup ul")
# Gone with all that stands inside; other unknown elements go alone and leave their text.
GONE_WITH_CONTENT = names(
    "applet button embed frameset iframe math noembed noframes noscript object script select style svg template "
    "textarea title xmp"
)
ATTRIBUTES: dict[str, set[str]] = {
    "*": {"class", "dir", "id", "lang", "title"},
    "a": {"href", "rel"},
    "audio": {"loop", "muted", "src"},
    "col": {"span"},
    "colgroup": {"span"},
    "data": {"value"},
    "del": {"datetime"},
    "details": {"open"},
    "img": {"alt", "height", "src", "width"},
    "input": {"checked", "disabled", "type"},
    "ins": {"datetime"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "source": {"src", "type"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"abbr", "align", "colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "video": {"height", "loop", "muted", "playsinline", "poster", "src", "width"},
}
SET_ATTRIBUTES = {"audio": {"controls": ""}, "video": {"controls": ""}}
# A frame of an allowed host may run its own player and nothing of ours.
FRAME_ATTRIBUTES = {"allowfullscreen", "height", "src", "width"}
FRAME_SET = {
    "loading": "lazy",
    "referrerpolicy": "strict-origin-when-cross-origin",
    "sandbox": "allow-popups allow-presentation allow-same-origin allow-scripts",
}
# Classes that mean something to the themes. Others could only borrow a theme's look to deceive.
CLASSES = names(
    "admonition admonition-title align-center align-left align-right arithmatex attention caption caption-prefix "
    "caution danger error example failure footnote footnote-backref footnote-ref gallery hint important info "
    "note quote success tabbed-content tabbed-set tabbed-title task-list task-list-item tip toc toctitle todo warning "
    "wide"
)
LANGUAGE = re.compile(r"lang(?:uage)?-[A-Za-z0-9_+#.-]{1,40}")
REL = frozenset({"nofollow", "sponsored", "ugc", "license", "tag", "author"})
NUMBER = re.compile(r"[0-9]{1,5}")
NUMBERS = frozenset({"colspan", "height", "rowspan", "span", "start", "value", "width"})
WORDS_OF = {
    "align": frozenset({"left", "center", "right"}),
    "dir": frozenset({"ltr", "rtl", "auto"}),
    "scope": frozenset({"row", "col", "rowgroup", "colgroup"}),
}
# The look ahead spares most tags the list.
LOST = re.compile(
    r"<(?=[aefimos])(applet|embed|form|frame|iframe|math|object|script|style|svg)\b[^>]{0,2000}", re.IGNORECASE
)
FRAME_SOURCE = re.compile(r"""\ssrc\s*=\s*["']?\s*([^"'\s>]+)""", re.IGNORECASE)

ROUNDS_MAX = 8

AttributeFilter = Callable[[str, str, str], str | None]


def sanitize(html: str, embeds: tuple[str, ...] = ()) -> str:
    """`html` reduced to the policy for bodies. `embeds` are hosts whose frames are kept.

    Ids get the prefix `c-` (in-page links too), classes are kept if themes know them, addresses if their scheme is
    http, https, mailto or tel. Cleaning twice gives the same as cleaning once.
    """
    return keep_first_lines(sanitized_tree(html, embeds)[1])


def sanitized_tree(html: str, embeds: tuple[str, ...] = ()) -> tuple[LexborNode, str]:
    """As `sanitize`: as a tree, and as its serializer writes it (`markup.tags` says how that can be read).

    What leaves the cleaner is read by a second, unrelated parser. Elements that an author put where they cannot stand
    may move when they are read again; so the result is cleaned until both parsers agree that nothing moves. Nearly
    every body needs one round; the last resort of a body that never settles is its text.
    """
    cleaner = _body_cleaner(frozenset(name.lower() for name in embeds))
    for _ in range(ROUNDS_MAX):
        clean = cleaner.clean(html)
        if "&#" in html:
            clean = clean_text(clean)[0]  # A numeric entity has become a character only now.
        root = parsed(keep_first_lines(clean))
        html = inside(root)
        if html == clean:
            frames = root.css("iframe") if embeds else []
            for frame in frames:
                _without_content(frame)
                _in_order(frame)
            return root, inside(root) if frames else html
        html = keep_first_lines(html)
    root = parsed(nh3.clean_text(root.text()))
    return root, inside(root)


def _without_content(frame: LexborNode) -> None:
    """Take out what stands between a frame's tags: no browser shows it, and it is text that may look like tags."""
    for child in list(frame.iter(include_text=True)):
        child.decompose()


def _in_order(node: LexborNode) -> None:
    """Sort a node's attributes: the cleaner adds those of its own in another order in every process."""
    attributes = sorted(node.attributes.items())
    for name, _ in attributes:
        del node.attrs[name]
    for name, value in attributes:
        node.attrs[name] = value or ""


def sanitize_comment(html: str) -> str:
    """`html` reduced to what a comment may hold: words, links to elsewhere, lists, quotes and code."""
    return _comment_cleaner().clean(html)


@lru_cache(maxsize=16)
def _body_cleaner(embeds: frozenset[str]) -> nh3.Cleaner:
    framed = {"iframe"} if embeds else set()
    attributes = {tag: set(names) for tag, names in ATTRIBUTES.items()}
    fixed = {tag: dict(values) for tag, values in SET_ATTRIBUTES.items()}
    if embeds:
        attributes["iframe"] = set(FRAME_ATTRIBUTES)
        fixed["iframe"] = dict(FRAME_SET)
    return nh3.Cleaner(
        tags=set(TAGS) | framed,
        clean_content_tags=set(GONE_WITH_CONTENT) - framed,
        attributes=attributes,
        set_tag_attribute_values=fixed,
        attribute_filter=_attribute_filter(embeds),
        url_schemes=set(LINK_SCHEMES),
        link_rel=None,
    )


@lru_cache(maxsize=1)
def _comment_cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(COMMENT_TAGS),
        clean_content_tags=set(GONE_WITH_CONTENT),
        attributes={"a": {"href"}},
        attribute_filter=_comment_attribute,
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="noopener nofollow ugc",
    )


def _comment_attribute(tag: str, name: str, value: str) -> str | None:
    address = checked(value, FILE_SCHEMES) if name == "href" else value
    return address if name != "href" or (address and host(address)) else None


def _attribute_filter(embeds: frozenset[str]) -> AttributeFilter:
    def keep(tag: str, name: str, value: str) -> str | None:
        # The order is that of what bodies hold most: this is asked for every attribute of every element.
        if name == "href":
            if value.startswith("#"):
                return "#" + body_id(value[1:]) if len(value) > 1 else None
            return checked(value)
        if name == "class":
            return kept_classes(value) or None
        if name == "id":
            return body_id(value) or None
        if name in {"src", "poster"}:
            address = None if value.startswith("#") else checked(value, FILE_SCHEMES)
            if tag == "iframe":
                return address if address and host(address) in embeds and address.startswith("https:") else None
            return address
        if name in {"alt", "title"}:
            return value
        if name == "rel":
            return " ".join(word for word in value.lower().split() if word in REL) or None
        if name in NUMBERS and tag != "data":
            return value if NUMBER.fullmatch(value) else None
        if name in WORDS_OF:
            return value.lower() if value.lower() in WORDS_OF[name] else None
        return value

    return keep


def kept_classes(value: str) -> str:
    """The class names of `value` that themes know, in their order."""
    return " ".join(name for name in value.split() if name in CLASSES or LANGUAGE.fullmatch(name))


def losses(html: str, embeds: tuple[str, ...] = ()) -> tuple[Diagnostic, ...]:
    """A warning for each kind of element that sanitizing will take out of `html`, so that nothing vanishes silently."""
    counts: dict[str, int] = {}
    for found in LOST.finditer(html):
        name = found[1].lower()
        if name == "iframe":
            source = FRAME_SOURCE.search(found[0])
            shown = _shown_host(source[1] if source else "")
            if shown in embeds:
                continue
            name = f"iframe from {shown}"
        counts[name] = counts.get(name, 0) + 1
    return tuple(
        Diagnostic(
            "VB3002",
            f"{count} × <{name}> was left out" if count > 1 else f"<{name}> was left out",
            hint="name its host in [content] embeds to keep it" if name.startswith("iframe") else None,
        )
        for name, count in sorted(counts.items())
    )


def _shown_host(address: str) -> str:
    absolute = "https:" + address if address.startswith("//") else address
    return clean_text((host(checked(absolute) or "") or "an unclear address")[:100])[0]
