"""What a browser makes of a picture before and after: the same, in the size that the page was told."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.media.pictures import encoded, painted, with_position
from velobuild.media.examine import examine
from velobuild.media.pieces import chunks

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
DRAW = """async url => {
  const picture = new Image(); picture.src = url; await picture.decode();
  const canvas = document.createElement('canvas');
  canvas.width = picture.naturalWidth; canvas.height = picture.naturalHeight;
  const context = canvas.getContext('2d'); context.drawImage(picture, 0, 0);
  return [canvas.width, canvas.height, Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data).join()];
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    more = ["--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS + more)
        yield browser.new_page()
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_browser_shows_the_cleaned_picture_as_it_showed_the_original(page: Page, form: str) -> None:
    for orientation in (1, 2, 6, 8):
        source = encoded(form, painted(64, 40), exif=with_position(orientation))
        kind, examined = examine(source, megapixels=40)
        shown = [
            page.evaluate(DRAW, f"data:{kind.mime_type};base64,{base64.b64encode(content).decode()}")
            for content in (source, b"".join(chunks(source, examined.pieces)))
        ]
        assert shown[0] == shown[1]
        assert [examined.width_px, examined.height_px] == shown[1][:2]
