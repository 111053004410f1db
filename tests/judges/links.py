"""Whether what the pages of a built site point to is there: pages, files, and places within a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

ATTRIBUTES = ("href", "src", "poster")
IN_STYLES = re.compile(r"url\(\s*[\"']?([^)\"']+)")
META_URLS = ("og:url", "og:image")
OUTSIDE = ("mailto:", "tel:", "data:")


def links(folder: Path, base_url: str) -> list[str]:
    """`page: address` for every address of the site itself that leads to nothing, sorted.

    Addresses of other sites are not asked. Raises AssertionError if there is no page: silence is no pass.
    """
    pages = sorted(folder.rglob("*.html"))
    assert pages, f"no HTML below {folder}"
    found = {
        f"{page.relative_to(folder)}: {address}"
        for page in pages
        for address in addresses(page.read_text("utf-8"))
        if not _leads_somewhere(folder, base_url, _url_of(folder, base_url, page), address)
    }
    for sheet in folder.rglob("*.css"):
        for address in IN_STYLES.findall(sheet.read_text("utf-8")):
            if not _leads_somewhere(folder, base_url, _url_of(folder, base_url, sheet), address):
                found.add(f"{sheet.relative_to(folder)}: {address}")
    return sorted(found)


def addresses(html: str) -> Iterator[str]:
    """Everything in a page that a browser, a reader or a crawler would go to."""
    tree = LexborHTMLParser(html)
    for node in tree.css("[href], [src], [poster], [srcset]"):
        yield from (node.attributes[name] or "" for name in ATTRIBUTES if name in node.attributes)
        for candidate in filter(None, (node.attributes.get("srcset") or "").split(",")):
            yield candidate.split()[0]
    for node in tree.css("meta[property]"):
        if node.attributes["property"] in META_URLS:
            yield node.attributes.get("content") or ""
    for node in tree.css("meta[http-equiv='refresh']"):
        yield (node.attributes.get("content") or "").partition("url=")[2]


def file_of(folder: Path, base_url: str, url: str) -> Path | None:
    """The file that a host would answer an address of this site with; None if there is none, or it leaves the site."""
    path = urlsplit(url.removeprefix(base_url)).path
    file = folder / unquote(path).lstrip("/")
    if path.endswith("/") or not path:
        file /= "index.html"
    return file if file.is_file() else None


def _url_of(folder: Path, base_url: str, file: Path) -> str:
    return f"{base_url}/{file.relative_to(folder).as_posix().removesuffix('index.html')}"


def _leads_somewhere(folder: Path, base_url: str, page_url: str, address: str) -> bool:
    if address.startswith(OUTSIDE):
        return True
    url = urljoin(page_url, address)
    if urlsplit(url).netloc != urlsplit(base_url).netloc:
        return urlsplit(url).scheme in ("http", "https")
    file = file_of(folder, base_url, url)
    fragment = unquote(urlsplit(url).fragment)
    return file is not None and (not fragment or fragment in ids(file))


@cache
def ids(file: Path) -> frozenset[str]:
    """The places within a page that a fragment may name."""
    return frozenset(node.attributes["id"] or "" for node in LexborHTMLParser(file.read_text("utf-8")).css("[id]"))
