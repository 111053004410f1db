"""Pictures, films, sound and frames of a block document."""

from __future__ import annotations

import re

from velobuild.markup.blockwriter import Block, Writer, anchor, file_address, look, words
from velobuild.markup.embeds import frame_address, frame_host, page_address
from velobuild.markup.prepared import attribute
from velobuild.markup.urls import checked, host

PLAYED = re.compile(r"\.(?:mp4|m4v|webm|ogv|mov)(?:[?#]|$)", re.IGNORECASE)


def picture(block: Block, writer: Writer) -> str:
    """An `<img>`; with a caption, a figure."""
    file = block.fields.get("file")
    address = file_address(block, "src", "url") or (
        file_address(Block.of(file), "url") if isinstance(file, dict) else None
    )
    if address is None:
        why = "has only a number in the CMS" if block.text("media_id", "mediaId") else "has no usable address"
        writer.warn(f"a picture was left out: it {why}")
        return ""
    rest = attribute("src", address)
    alt = block.fields.get("alt")
    # An empty text says "decoration", which a missing one does not.
    rest += attribute("alt", alt) if isinstance(alt, str) else ""
    rest += attribute("title", block.text("title")) if block.text("title") else ""
    for name in ("width", "height"):
        rest += attribute(name, str(size)) if (size := block.number(name)) else ""
    caption = block.text("caption")
    image = f"<img{rest}{'' if caption else look(block)}>"
    link = checked(block.text("href", "link"))
    image = f"<a{attribute('href', link)}>{image}</a>" if link else image
    return captioned(image, words(caption), look(block)) if caption else image


def captioned(html: str, caption: str, rest: str = "") -> str:
    """A figure around what is shown, with its caption (HTML)."""
    return f"<figure{rest}>{html}<figcaption>{caption}</figcaption></figure>" if caption else html


def figure(block: Block, writer: Writer) -> str:
    if not block.children or block.text("src", "url"):
        return picture(block, writer)
    return f"<figure{look(block)}>{writer.inside(block, paragraphs=False)}</figure>"


def figure_caption(block: Block, writer: Writer) -> str:
    html = writer.only_text(block)
    return f"<figcaption>{html}</figcaption>" if html else ""


def embed(block: Block, writer: Writer) -> str:
    """A film, a frame, or a card of another site."""
    address = block.text("src", "url", "embed", "source", "href")
    caption = words(block.text("caption"))
    title = block.text("title")
    frame = frame_address(address, writer.embeds, start_s=block.number("start"))
    if frame is not None:
        rest = attribute("src", frame) + (attribute("title", title) if title else "")
        for name in ("width", "height"):
            rest += attribute(name, str(size)) if (size := block.number(name)) else ""
        return captioned(f"<iframe{rest} allowfullscreen></iframe>", caption)
    page = page_address(address)
    if page is None and block.text("html"):
        return writer.rich(block.text("html"))
    if page is None:
        writer.warn("embedded content without a usable address was left out")
        return f"<p>{caption}</p>" if caption else ""
    hint = f"name {frame_host(address)} in [content] embeds to show it in a frame"
    writer.warn(f"embedded content from {host(page)} is shown as a link", hint if frame_host(address) else None)
    return f"<p>{anchor(page, title or block.text('caption') or page)}</p>"


def video(block: Block, writer: Writer) -> str:
    """A film in a file of its own, or at a site for films."""
    address = file_address(block, "src", "url")
    if address is None or not PLAYED.search(address):
        return embed(block, writer)
    rest = attribute("src", address)
    poster = file_address(block, "poster", "preview_image")
    rest += attribute("poster", poster) if poster else ""
    return captioned(f"<video{rest} controls></video>", words(block.text("caption")))


def audio(block: Block, writer: Writer) -> str:
    address = file_address(block, "src", "url")
    if address is None:
        return embed(block, writer)
    return captioned(f"<audio{attribute('src', address)} controls></audio>", words(block.text("caption")))
