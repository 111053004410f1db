"""What a real Chromium asks for, and complains of, while it shows a page as a visitor sees it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext

from tests.judges.accessibility import browser

SEE_IT_ALL = """async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
}"""
BROKEN = "() => [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)"
OVERFLOWS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def visits(urls: Iterable[str], *, width_px: int = 1280) -> list[str]:
    """`URL: finding` for requests to other origins, failed requests, console errors (a refusal by the page's own
    Content-Security-Policy is one), broken pictures, and pages that are wider than the window.

    Raises AssertionError if a page does not answer, or answers with an error other than 404.
    """
    with browser() as running:
        context = running.new_context(viewport={"width": width_px, "height": 900})
        return [finding for url in urls for finding in _visit(context, url)]


def _visit(context: BrowserContext, url: str) -> list[str]:
    found: list[str] = []
    page = context.new_page()
    origin = urlsplit(url)[:2]
    page.on("pageerror", lambda error: found.append(f"{url}: {error}"))
    page.on("request", lambda asked: None if urlsplit(asked.url)[:2] == origin else found.append(f"{url}: {asked.url}"))
    page.on("requestfailed", lambda asked: found.append(f"{url}: {asked.url}: {asked.failure}"))
    page.on(
        "console",
        # That an unknown address was answered with 404 is told of the page itself too.
        lambda said: (
            None
            if said.type != "error" or (said.location["url"] == page.url and "status of 404" in said.text)
            else found.append(f"{url}: {said.text}")
        ),
    )
    answer = page.goto(url, wait_until="load")
    assert answer is not None, f"{url}: no answer"
    assert answer.status in (200, 404), f"{url}: {answer.status}"
    page.evaluate(SEE_IT_ALL)
    found += [f"{url}: the picture {source} does not show" for source in page.evaluate(BROKEN)]
    if page.evaluate(OVERFLOWS):
        found.append(f"{url}: the page is wider than the window")
    page.close()
    return found
