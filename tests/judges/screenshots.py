"""Pictures of the example site to look at: `scripts/screenshots FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.judges.accessibility import browser
from tests.judges.served import example_site

PAGES = {
    "home": "/",
    "home-2": "/page/2/",
    "post": "/soup-for-forty/",
    "post-code": "/parsing-recipes-in-rust/",
    "post-table": "/chain-wear-in-one-table/",
    "post-rtl": "/شاي-بالنعناع/",
    "post-japanese": "/味噌汁の朝/",
    "post-long-title": "/a-short-history-of-the-long-argument-about-the-bell/",
    "tag": "/tags/bread/",
    "tags": "/tags/",
    "archive": "/archive/",
    "year": "/archive/2025/",
    "about": "/about/",
    "404": "/there/is/no/such/page/",
}
WIDTHS_PX = (1280, 390)


def take(url: str, folder: Path) -> list[Path]:
    """One PNG a page, scheme and width, as high as the page."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with browser() as running:
        for scheme in ("light", "dark"):
            for width_px in WIDTHS_PX:
                context = running.new_context(
                    color_scheme=scheme, viewport={"width": width_px, "height": 900}, reduced_motion="reduce"
                )
                page = context.new_page()
                for name, path in PAGES.items():
                    page.goto(url + path, wait_until="load")
                    # Pictures further down come only as one scrolls there.
                    page.evaluate("() => document.querySelectorAll('img').forEach((img) => img.loading = 'eager')")
                    page.wait_for_load_state("networkidle")
                    for details in page.locator("details.toc").all():
                        details.evaluate("(element) => element.open = true")
                    taken.append(folder / f"{name}-{scheme}-{width_px}.png")
                    page.screenshot(path=taken[-1], full_page=True)
                context.close()
    return taken


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/screenshots FOLDER")
    with tempfile.TemporaryDirectory() as scratch, example_site(Path(scratch) / "demo") as site:
        for picture in take(site.url, Path(sys.argv[1])):
            sys.stdout.write(f"{picture}\n")


if __name__ == "__main__":
    main()
