"""The ready-made sections of page builders (landing pages) in plain HTML: their words, links and pictures.

Colours, backgrounds and columns belong to the CMS's own theme and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from velobuild.markup.blockmedia import captioned, video
from velobuild.markup.blocknodes import opening
from velobuild.markup.blockwriter import Block, Show, Writer, anchor, file_address, look, paragraphs, words
from velobuild.markup.prepared import attribute
from velobuild.markup.urls import checked

ENDINGS = ("", "1", "2", "3")


def button(block: Block, writer: Writer) -> str:
    linked = _button(block.text("url", "link", "href"), block.text("label", "text"))
    return f"<p{look(block)}>{linked}</p>" if linked else ""


def gallery(block: Block, writer: Writer) -> str:
    listed = block.fields.get("images")
    pictures = []
    for entry in listed if isinstance(listed, list) else ():
        one = Block.of(entry if isinstance(entry, dict) else {"src": entry})
        pictures.append(captioned(_picture(one, "src", "url", "image"), words(one.text("caption"))))
    return f'<div class="gallery">{"".join(pictures)}</div>' if any(pictures) else ""


def accordion(block: Block, writer: Writer) -> str:
    return "".join(
        opening(words(entry.text("title", "label")), _content(entry, writer), opened=entry.truth("open"))
        for entry in block.items("items")
    )


def tabs(block: Block, writer: Writer) -> str:
    """One below the other, each under its title: a page without script has no tabs to click."""
    shown = "".join(
        f'<p class="tabbed-title">{words(entry.text("title", "label"))}</p>'
        f'<div class="tabbed-content">{_content(entry, writer)}</div>'
        for entry in block.items("items")
    )
    return f'<div class="tabbed-set">{shown}</div>' if shown else ""


def hero(block: Block, writer: Writer) -> str:
    return _head(block) + _image(block) + _buttons(block) + writer.inside(block)


def text_image(block: Block, writer: Writer) -> str:
    head, image, body = _head(block), _image(block), _content(block, writer)
    return head + (image + body if block.text("image_position") in {"left", "top"} else body + image) + _buttons(block)


def features(block: Block, writer: Writer) -> str:
    """A grid of things with a title and a sentence each, or a plain list of sentences."""
    entries = "".join(_feature(entry) for entry in block.items("features"))
    return _head(block) + _list(_strings(block, "features")) + entries + _buttons(block) + _banner(block)


def stats(block: Block, writer: Writer) -> str:
    return _head(block) + _stats(block)


def call_to_action(block: Block, writer: Writer) -> str:
    if block.text("form_html"):
        writer.warn("a form was left out: a static site has nobody to answer it")
    shown = _head(block) + paragraphs(block.text("text")) + _stats(block) + _buttons(block)
    return shown + paragraphs(block.text("info_text"))


def showcase(block: Block, writer: Writer) -> str:
    steps = [_titled(entry.text("title"), entry.text("text", "description")) for entry in block.items("steps")]
    image = _image(block)
    if block.text("video_link"):
        image = video(Block("video", "video", {**block.fields, "src": block.text("video_link")}, ()), writer)
    return _head(block) + image + _list(steps, tag="ol") + _buttons(block)


def live(block: Block, writer: Writer) -> str:
    """What the CMS fills in while it answers: lists of posts, prices."""
    writer.warn(f"a block of the kind “{block.kind}” was left out: only the CMS itself can fill it")
    return _head(block)


def _content(block: Block, writer: Writer) -> str:
    value = block.fields.get("content")
    return writer.rich(value if value else block.text("text", "html"))


def _head(block: Block) -> str:
    heading = block.text("heading", "title", "demo_title")
    above = f"<h2>{words(heading)}</h2>" if heading else ""
    return above + paragraphs(block.text("subheading", "subtitle"))


def _image(block: Block) -> str:
    image = _picture(block, "image_url", "image", "preview_image", "src")
    return f"<figure>{image}</figure>" if image else ""


def _picture(block: Block, *names: str) -> str:
    address = file_address(block, *names)
    if address is None:
        return ""
    alt = block.fields.get("alt", block.fields.get("image_alt"))
    return f"<img{attribute('src', address)}{attribute('alt', alt) if isinstance(alt, str) else ''}>"


def _button(address: str, label: str) -> str:
    return anchor(address, label) if label or checked(address) else ""


def _buttons(block: Block) -> str:
    found = []
    for ending in ENDINGS:
        name = f"button{ending}_"
        label = block.text(f"{name}text", f"{name}label")
        found.append(_button(block.text(f"{name}link", f"{name}url"), label))
    return "".join(f"<p>{linked}</p>" for linked in found if linked)


def _banner(block: Block) -> str:
    title = block.text("banner_title", "banner_heading")
    image = _picture(block, "banner_image", "banner_image_url")
    linked = _button(
        block.text("banner_link", "banner_url", "banner_button_link"), block.text("banner_button_text", "banner_label")
    )
    above = f"<p><strong>{words(title)}</strong></p>" if title else ""
    above += paragraphs(block.text("banner_text", "banner_description", "banner_subtitle"))
    return above + (f"<figure>{image}</figure>" if image else "") + (f"<p>{linked}</p>" if linked else "")


def _feature(block: Block) -> str:
    title = block.text("title", "heading")
    return (f"<h3>{words(title)}</h3>" if title else "") + paragraphs(block.text("description", "text"))


def _stats(block: Block) -> str:
    return _list(
        f"<strong>{words(entry.text('value', 'number'))}</strong> {words(entry.text('label', 'title'))}"
        for entry in block.items("stats")
    )


def _titled(title: str, text: str) -> str:
    return " ".join(filter(None, (f"<strong>{words(title)}</strong>" if title else "", words(text))))


def _strings(block: Block, name: str) -> list[str]:
    listed = block.fields.get(name)
    return [escape(item, quote=False) for item in listed if isinstance(item, str)] if isinstance(listed, list) else []


def _list(entries: Iterable[str], *, tag: str = "ul") -> str:
    items = "".join(f"<li>{entry}</li>" for entry in entries if entry.strip())
    return f"<{tag}>{items}</{tag}>" if items else ""


SECTIONS: Mapping[str, Show] = {
    "button": button,
    "gallery": gallery,
    "imagegallery": gallery,
    "accordion": accordion,
    "tabs": tabs,
    "herosection": hero,
    "hero": hero,
    "textimage": text_image,
    "featuresgrid": features,
    "whatyouget": features,
    "statsbar": stats,
    "ctasection": call_to_action,
    "showcase": showcase,
    "latestposts": live,
    "pricingmatrix": live,
    # The names under which one theme of such a CMS keeps the same sections.
    "fwherosection": hero,
    "fwfeaturesgrid": features,
    "fwstatsbar": stats,
    "fwctasection": call_to_action,
    "fwlatestposts": live,
}
