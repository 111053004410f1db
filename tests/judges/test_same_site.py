"""The same blog from every CMS is the same site to whoever looks at it: compared in Chromium, box by box and pixel by
pixel, with the one from VeloCMS.

One difference is allowed, and looked at by itself: VeloCMS's API names no author, so its posts show none. A folder has
no settings; the site's title stands in its velobuild.toml. Whether an item, a picture or its caption stands in a
paragraph is the editors' choice and nobody's to see, so it must not show in any other box.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Browser

from tests.judges.accessibility import browser
from tests.judges.blog_text import AUTHOR, POSTS
from tests.judges.blogs import BLOGS, built
from tests.judges.served import serving
from tests.judges.visits import SEE_IT_ALL

pytestmark = pytest.mark.browser

PAGES = {
    "home": "/",
    **{post.slug: f"/{post.slug}/" for post in POSTS},
    "tag": f"/tags/{quote('شاي')}/",
    "archive": "/archive/",
}
NARROW = ("the-pot", "times-in-a-table", "a-long-title")
"""Pages that are looked at on a telephone too."""
TAKE_BYLINE = """(author) => [...document.querySelectorAll('.post .meta > span')]
  .filter((line) => line.textContent === author).map((line) => line.remove()).length"""
STYLES = ("color", "background-color", "font-family", "font-size", "font-weight", "line-height", "direction", "display")
LAYOUT = """(styles) => {
  const wraps = (element) => element.matches('li > p:only-child, figcaption > p:only-child, figure > p');
  const words = (element) => [...element.childNodes].map((node) => node.nodeType === 3 ? node.data
    : node.nodeType === 1 && wraps(node) ? words(node) : '').join(' ').replace(/\\s+/g, ' ').trim();
  return [...document.body.querySelectorAll('*')].filter((element) => !wraps(element)).map((element) => {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    return [element.localName + (element.className ? '.' + element.className : ''), words(element),
            element.getAttribute('alt') ?? element.getAttribute('aria-label') ?? '',
            [box.x, box.y, box.width, box.height].map((size) => Math.round(size * 10) / 10).join(' '),
            styles.map((property) => style.getPropertyValue(property)).join('; ')];
  });
}"""


@dataclass(frozen=True)
class Seen:
    """A page without the line that names its author, of which there were `bylines`.

    `layout`: each element's name, own text, alternative text, box in CSS pixels and styles. `picture`: a PNG of all.
    """

    layout: list[list[str]]
    picture: bytes
    bylines: int


Sites = Mapping[str, Mapping[str, Seen]]


def looked_at(running: Browser, url: str, pages: Mapping[str, str] = PAGES) -> dict[str, Seen]:
    """Every page of a site by its name and the window's width."""
    found: dict[str, Seen] = {}
    for width_px in (1280, 390):
        context = running.new_context(viewport={"width": width_px, "height": 900}, reduced_motion="reduce")
        page = context.new_page()
        for name, path in pages.items():
            if width_px == 1280 or name in NARROW:
                answer = page.goto(url + path, wait_until="load")
                assert answer is not None, path
                assert answer.status == 200, path
                page.evaluate(SEE_IT_ALL)
                bylines = page.evaluate(TAKE_BYLINE, AUTHOR)
                layout = page.evaluate(LAYOUT, list(STYLES))
                found[f"{name}-{width_px}"] = Seen(layout, page.screenshot(full_page=True), bylines)
        context.close()
    return found


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Sites:
    """What is seen of the site from each CMS."""
    folder = tmp_path_factory.mktemp("same")
    seen: dict[str, Mapping[str, Seen]] = {}
    with browser() as running:
        for kind in BLOGS:
            with serving(built(kind, folder / kind)) as (url, _):
                seen[kind] = looked_at(running, url)
    if "SAME_SITE_PICTURES" in os.environ:  # a folder, to look at them oneself
        keep(seen, Path(os.environ["SAME_SITE_PICTURES"]))
    return seen


def keep(sites: Sites, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, pages in sites.items():
        for name, seen in pages.items():
            (folder / f"{name}-{kind}.png").write_bytes(seen.picture)


def differences(ours: Seen, theirs: Seen) -> list[str]:
    """What a reader could notice, the first few."""
    found = [f"{a} instead of {b}" for a, b in zip(ours.layout, theirs.layout, strict=False) if a != b][:5]
    if len(ours.layout) != len(theirs.layout):
        found.append(f"{len(ours.layout)} elements instead of {len(theirs.layout)}")
    pictures = [Image.open(io.BytesIO(seen.picture)).convert("RGB") for seen in (ours, theirs)]
    if pictures[0].size != pictures[1].size:
        return [*found, f"a page of {pictures[0].size} instead of {pictures[1].size} pixels"]
    box = ImageChops.difference(*pictures).getbbox()
    return found if box is None else [*found, f"other pixels in {box}"]


@pytest.mark.parametrize("kind", [kind for kind in BLOGS if kind != "velocms"])
def test_a_reader_cannot_tell_which_cms_the_pages_came_from(sites: Sites, kind: str) -> None:
    assert sites[kind].keys() == sites["velocms"].keys()
    found = {name: differences(seen, sites["velocms"][name]) for name, seen in sites[kind].items()}
    assert {name: these for name, these in found.items() if these} == {}


def test_every_cms_but_velocms_names_the_author_of_a_post(sites: Sites) -> None:
    for kind, pages in sites.items():
        bylines = {post.slug: pages[f"{post.slug}-1280"].bylines for post in POSTS}
        assert set(bylines.values()) == {0 if kind == "velocms" else 1}, kind


def test_another_shade_of_the_links_would_have_been_seen(sites: Sites, tmp_path: Path) -> None:
    """The control."""
    root = built("folder", tmp_path / "other", theme={"options": {"accent": "plum"}})
    with browser() as running, serving(root) as (url, _):
        seen = looked_at(running, url, {"the-pot": PAGES["the-pot"]})
    found = differences(seen["the-pot-1280"], sites["folder"]["the-pot-1280"])
    assert any("color" in line or "oklch" in line for line in found)
    assert "other pixels" in found[-1]
