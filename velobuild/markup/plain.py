"""Bodies that hold nothing to clean: that a tidy one shows itself, at two fifths of what cleaning it costs.

Every `<` in such a body begins a tag that is spelled out here, with attributes and values that are spelled out here,
written as a serializer writes them, or as XHTML and Markdown engines do (` />`, `&quot;`). All of it is allowed
(`markup.sanitize`), and none of it changes how a parser reads what follows, so no parser finds anything else in it.
Whether each tag is closed where it belongs, a parser has to say: what it read must be written as it came. Every other
body is cleaned.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborNode

from velobuild.markup.bounds import is_small
from velobuild.markup.tree import inside, parsed

TAGS = (
    "b|blockquote|br|caption|code|dd|del|div|dl|dt|em|figcaption|figure|h[1-6]|hr|i|kbd|li|ol|p|pre|s|section|small|"
    "span|strong|sub|sup|table|tbody|tfoot|thead|tr|u|ul"
)
# Names of hosts that no reading of addresses finds fault with: no numbers, no ports, no punycode.
HOST = r"(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)++[a-z]{2,20}+"
ADDRESS = rf"(?:https?://{HOST})?+/(?!/)(?:[A-Za-z0-9_~!$()*+,;=:@%/?#.-]|&amp;)*+"
NAME = r'[^\s"&<>=]++'
WORDS = r'[^"&<>=\r\xa0]*+'  # Without `=`, so that ` id="` is an id wherever it stands in a tag.
ANY = rf'id="{NAME}"|class="lang(?:uage)?-[A-Za-z0-9_+#.-]{{1,40}}+"|title="{WORDS}"'
LINK = rf'href="(?:{ADDRESS}|\#{NAME})"|{ANY}'
IMAGE = rf'src="{ADDRESS}"|alt="{WORDS}"|(?:width|height)="[0-9]{{1,5}}+"|{ANY}'
CELL = rf'(?:colspan|rowspan)="[0-9]{{1,5}}+"|align="(?:left|center|right)"|{ANY}'
START = rf"a(?: (?:{LINK}))*+|img(?: (?:{IMAGE}))*+|t[dh](?: (?:{CELL}))*+|(?:{TAGS})(?: (?:{ANY}))*+"
TEXT = r"[^<&>\r\xa0]*+"
# Possessive throughout: no text can make the match go back.
PLAIN = re.compile(
    rf"(?!\ufeff){TEXT}(?:(?:<(?:/(?:a|t[dh]|{TAGS})|(?:{START})(?: /)?+)>|&(?:amp|lt|gt|nbsp|quot);){TEXT})*+"
)
# In a tag, and not in text: there the next of `<` and `>` is a `>`. See `urls.body_id`.
ID = re.compile(r' id="(?!c-)(?=[^<>]*>)')
FRAGMENT = re.compile(r' href="#(?!c-)(?=[^<>]*>)')


def plain_tree(html: str) -> tuple[LexborNode, str] | None:
    """What `sanitize.sanitized_tree` makes of `html`, if all that it does is to prefix ids; None if it may do more."""
    if not is_small(html) or not PLAIN.fullmatch(html):
        return None
    # Only tags hold a `>`, and values no quote: neither can stand for anything else here.
    html = html.replace(" />", ">").replace("&quot;", '"')
    html = ID.sub(' id="c-', html)
    html = FRAGMENT.sub(' href="#c-', html) if ' href="#' in html else html
    root = parsed(html)
    return (root, html) if inside(root) == html else None
