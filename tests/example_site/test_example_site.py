"""The example site is what a newcomer sees first: whole, lawful towards the CMS's limits, and drawn by us."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from PIL.ExifTags import IFD

from velobuild.markup import frontmatter

SITE = Path(__file__).parents[2] / "example_site"
POSTS = SITE / "cms" / "posts"
MEDIA = SITE / "cms" / "media"
PICTURE = re.compile(r"!\[([^\]]*)\]\(media/([^)\s]+)\)")
INTERNAL = re.compile(r"\]\(/([^)\s]*?)/?\)|^\[[^\]]+\]: /(\S+?)/ ", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FUTURE = datetime(2099, 1, 1, tzinfo=UTC)


def posts() -> dict[str, tuple[dict[str, Any], str]]:
    return {path.name: frontmatter.split(path.read_text("utf-8"), where=str(path)) for path in POSTS.glob("*.md")}


READ = posts()
PUBLISHED = {name: post for name, post in READ.items() if post[0].get("status") != "draft"}
VISIBLE = {name: post for name, post in PUBLISHED.items() if post[0]["date"] < FUTURE}


def test_there_are_enough_posts_over_enough_years_to_fill_archives_and_pages() -> None:
    assert len(VISIBLE) >= 32
    years = Counter(fields["date"].year for fields, _ in VISIBLE.values())
    assert set(years) == {2023, 2024, 2025, 2026}
    assert min(years.values()) >= 5


def test_there_are_two_drafts_and_one_post_of_the_far_future() -> None:
    assert len(READ) - len(PUBLISHED) == 2
    assert len(PUBLISHED) - len(VISIBLE) == 1


def test_two_slugs_differ_in_case_alone_and_no_other_two_collide() -> None:
    slugs = Counter(fields["slug"].casefold() for fields, _ in READ.values())
    assert {slug: count for slug, count in slugs.items() if count > 1} == {"tea": 2}
    assert {fields["slug"] for fields, _ in READ.values()} >= {"Tea", "tea"}


@pytest.mark.parametrize("script", ["HIRAGANA", "ARABIC", "GREEK", "CYRILLIC", "DEVANAGARI"])
def test_a_title_is_written_in_each_script(script: str) -> None:
    assert any(
        unicodedata.name(letter, "").startswith(script) for fields, _ in VISIBLE.values() for letter in fields["title"]
    )


def test_there_are_an_emoji_and_a_very_long_title_within_what_the_cms_takes() -> None:
    titles = [fields["title"] for fields, _ in READ.values()]
    assert any("🍊" in title for title in titles)
    assert 200 < max(map(len, titles)) <= 255


@pytest.mark.parametrize("name", sorted(READ))
def test_a_post_keeps_to_the_limits_of_the_cms_and_has_no_key_that_nobody_knows(name: str) -> None:
    fields, body = READ[name]
    assert set(fields) <= {"title", "slug", "date", "tags", "excerpt", "status", "seo_title", "seo_description"}
    assert fields["title"]
    assert fields["tags"]
    assert 0 < len(fields["excerpt"]) <= 500
    assert len(fields.get("seo_title", "")) <= 60
    assert len(fields.get("seo_description", "")) <= 160
    assert len(body) > 300


@pytest.mark.parametrize("name", sorted(READ))
def test_every_link_and_picture_of_a_post_leads_somewhere(name: str) -> None:
    body = FENCED.sub("", READ[name][1])
    for alt, picture in PICTURE.findall(body):
        assert (MEDIA / picture).is_file(), picture
        assert len(alt) > 10
    slugs = {fields["slug"] for fields, _ in VISIBLE.values()}
    for target in filter(None, (one or two for one, two in INTERNAL.findall(body))):
        assert target in slugs, f"/{target}/"


def test_the_posts_use_all_that_the_theme_must_show() -> None:
    text = "\n".join(body for _, body in VISIBLE.values())
    for mark in (
        "\n|",
        "\n- [x]",
        "\n> [!NOTE]",
        "\n> [!WARNING]",
        "\n> [!TIP]",
        "[^",
        "\n:   ",
        "~~",
        "<kbd>",
        "*[LAB]",
    ):
        assert mark in text, mark
    languages = set(re.findall(r"^```(\w+)", text, re.MULTILINE))
    assert languages >= {"python", "rust", "sql", "bash", "js", "toml", "html", "css"}
    assert "{{ 7 * 7 }}" in FENCED.sub("", text)


def test_the_settings_carry_the_tag_that_stays_inside() -> None:
    settings = tomllib.loads((SITE / "velobuild.toml").read_text("utf-8"))
    (excluded,) = settings["source"]["exclude_tags"]
    assert sum(excluded in fields["tags"] for fields, _ in VISIBLE.values()) >= 2
    assert "url" not in settings["source"]


def test_every_picture_is_used_and_all_together_stay_small() -> None:
    files = {path.name for path in MEDIA.iterdir()}
    used = {picture for _, body in READ.values() for _, picture in PICTURE.findall(body)}
    settings = tomllib.loads((SITE / "cms" / "settings.toml").read_text("utf-8"))
    used |= {settings[name].removeprefix("media/") for name in ("site_logo", "site_favicon")}
    assert files == used
    assert sum(path.stat().st_size for path in MEDIA.iterdir()) < 1_500_000
    assert {path.suffix for path in MEDIA.iterdir()} == {".png", ".jpg", ".webp"}


def place_of(path: Path) -> dict[int, Any]:
    with Image.open(path) as picture:
        return dict(picture.getexif().get_ifd(IFD.GPSInfo))


def pixels(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_one_photograph_carries_a_place_so_that_stripping_can_be_seen() -> None:
    assert place_of(MEDIA / "canal.jpg")
    assert not place_of(MEDIA / "winter.jpg")


def test_the_script_draws_the_pictures_that_are_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SITE), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the folder is shipped as it lies
    runpy.run_path(str(SITE / "draw_media.py"))["write"](tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in MEDIA.iterdir()}
    for path in sorted(tmp_path.iterdir()):
        drawn, kept = pixels(path), pixels(MEDIA / path.name)
        assert drawn.size == kept.size
        # Another Pillow may encode or quantize a little differently; a shape that moved would differ by far more.
        difference = ImageChops.difference(drawn, kept).convert("L").histogram()
        far_off = sum(difference[48:])
        assert far_off < 0.002 * sum(difference), path.name
