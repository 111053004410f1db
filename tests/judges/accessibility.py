"""axe-core in a real Chromium, in either colour scheme."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.judges import installed

Scheme = Literal["light", "dark"]

# Nothing of Chromium's own may reach for the network, and a container has neither a GPU nor a sandbox.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HAS_BACKGROUND = """() => [document.documentElement, document.body].some(
    (element) => getComputedStyle(element).backgroundColor !== "rgba(0, 0, 0, 0)")"""
RUN_AXE = "() => axe.run(document, {resultTypes: ['violations']})"


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium that is closed at the end."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=installed.chromium(), args=list(CHROMIUM_FLAGS))
        try:
            yield running
        finally:
            running.close()


def axe(urls: Iterable[str], scheme: Scheme, *, width_px: int = 1280) -> list[str]:
    """`URL: rule (impact): help — elements` for every violation of axe's default rules on every page.

    Raises AssertionError if a page does not answer, or answers with an error other than 404: no page is no pass.
    """
    script = installed.axe_script()
    findings: list[str] = []
    with browser() as running:
        # A strict Content-Security-Policy of the page must not keep the judge out.
        context = running.new_context(
            color_scheme=scheme, bypass_csp=True, viewport={"width": width_px, "height": 900}, reduced_motion="reduce"
        )
        for url in urls:
            page = context.new_page()
            answer = page.goto(url, wait_until="load")
            assert answer is not None, f"{url}: no answer"
            assert answer.status in (200, 404), f"{url}: {answer.status}"
            if scheme == "dark" and not page.evaluate(HAS_BACKGROUND):
                findings.append(f"{url}: no background colour is set, and axe would measure contrast against white")
            findings += _violations(page, url, script)
            page.close()
    return findings


def _violations(page: Page, url: str, script: str) -> list[str]:
    page.evaluate(script)
    found = page.evaluate(RUN_AXE)["violations"]
    return [
        f"{url}: {violation['id']} ({violation['impact']}): {violation['help']} — "
        + ", ".join(" ".join(map(str, node["target"])) for node in violation["nodes"])
        for violation in found
    ]
