"""What a real browser does with the payloads, raw and cleaned."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Error

from tests.judges.accessibility import browser as chromium
from tests.markup.payloads import PAYLOADS
from tests.markup.test_blocks import HOSTS
from tests.markup.test_blocks import final as blocks_page
from tests.markup.test_sanitize import LOCAL, final
from velobuild.markup.prepare import prepare_comment

# Clicks whatever can be clicked. Links to other programs (ssh:) run no script, and a headless Chromium dies of them.
CLICK = """() => {
  for (const node of document.querySelectorAll('a,button,p,x,custom-tag,math,text,maction')) {
    if (/^(ssh|magnet|file|vbscript):/.test(node.href || '')) continue;
    node.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
  }
  return true;
}"""


def fired(browser: Browser, bodies: list[str]) -> list[str]:
    """Those of `bodies` that ran script, each in a page of its own. No request leaves the machine."""
    context = browser.new_context()
    context.route("**/*", lambda route: route.abort())
    context.set_default_timeout(5_000)
    ran = [body for body in bodies if _fires(context.new_page(), body)]
    context.close()
    return ran


def _fires(page, body: str) -> bool:
    alarms: list[str] = []
    try:
        page.expose_function("alert_seen", lambda text: alarms.append(text))
        page.evaluate("() => { window.alert = (text) => window.alert_seen(String(text)); }")
        page.set_content(f"<!doctype html><title>t</title><body>{body}</body>", wait_until="domcontentloaded")
        # Unlike `evaluate`, this gives up when a payload has taken the page away.
        page.wait_for_function(CLICK, timeout=1_500, polling=10)
        page.wait_for_timeout(20)
    except Error:
        pass  # A payload may navigate away or end its page; what it did before counts.
    finally:
        page.close()
    return bool(alarms)


def together(bodies: list[str]) -> list[str]:
    """Clean bodies, twenty to a page: one that fires is seen among nineteen that do not."""
    return ["\n".join(bodies[start : start + 20]) for start in range(0, len(bodies), 20)]


@pytest.mark.browser
@pytest.mark.slow
def test_raw_payloads_run_script_and_cleaned_ones_never_do() -> None:
    with chromium() as browser:
        ran = fired(browser, PAYLOADS)
    assert len(ran) >= 35, "the control: raw payloads must fire, or the test shows nothing"
    with chromium() as browser:
        assert fired(browser, together([final(payload, LOCAL) for payload in PAYLOADS])) == []
        assert fired(browser, together([prepare_comment(payload) for payload in PAYLOADS])) == []
        assert len(fired(browser, together(["<p>x</p>", "<img src=x onerror=alert(1)>"]))) == 1


@pytest.mark.browser
@pytest.mark.slow
def test_payloads_in_the_fields_of_blocks_never_run_script() -> None:
    bodies = [blocks_page([place(payload) for _, place in HOSTS]) for payload in PAYLOADS]
    with chromium() as browser:
        assert fired(browser, together(bodies)) == []
        # Before the links: the first that is clicked may take the page away, and what only then would run with it.
        assert len(fired(browser, ["<p onclick=alert(1)>click</p>" + bodies[0]])) == 1, "the control"
