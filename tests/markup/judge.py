"""Reads final HTML as a browser would and lists what should not be there."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser

FORBIDDEN = (
    "script,style,svg,math,object,embed,applet,base,meta,link,form,button,select,textarea,template,frame,frameset,"
    "noscript,title,marquee,map,area,xmp,plaintext,noembed,noframes,keygen,isindex"
)
ADDRESS = {"href", "src", "poster", "action", "formaction", "data", "cite", "ping", "background", "xlink:href"}
SAFE = re.compile(r"(?:https?://|mailto:|tel:|/|#|\?|[A-Za-z0-9._%~-]+(?:[/?#]|$))")


def dangers(html: str, *, frames: bool = False) -> list[str]:
    """Every element or attribute of `html` that could run or load something, or clobber a name."""
    tree = LexborHTMLParser(f"<!doctype html><body>{html}</body>")
    found = [f"<{node.tag}>" for node in tree.css(FORBIDDEN) if node.tag not in {"title"} or node.parent]
    for node in tree.css("body *"):
        if node.tag == "iframe" and not frames:
            found.append("<iframe>")
        for name, value in node.attributes.items():
            if name.startswith("on") or name in {"style", "name", "srcdoc", "srcset", "form", "usemap", "autofocus"}:
                found.append(f"{node.tag}[{name}={value!r}]")
            if name in ADDRESS and not SAFE.match(value or "/"):
                found.append(f"{node.tag}[{name}={value!r}]")
            if name == "id" and not (value or "").startswith("c-"):
                found.append(f"{node.tag}[id={value!r}]")
    if re.search("[\x02\x03\ue000-\ue003]", html):
        found.append("a slot was left")
    return found
