"""Filling a development CMS from a folder."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from PIL import Image

from velobuild.devcms import Running
from velobuild.devcms.seed import seed
from velobuild.errors import ConfigError, ContentProblem

SALT = """\
---
title: Salting pasta water
slug: salt
date: 2026-05-03T10:00:00Z
tags: [pasta, Needs-Editing]
excerpt: How much, and when.
seo_title: Salting, measured
author: Ana
---
Use **10 g** per litre.

![A pot](media/pot.png) and [the same](/media/pot.png#x), <img src="./media/pot.png" alt="again">

```html
<img src="media/pot.png">
```
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "seed"
    (folder / "posts").mkdir(parents=True)
    (folder / "media").mkdir()
    Image.new("RGB", (40, 30), "teal").save(folder / "media" / "pot.png")
    (folder / "posts" / "salt.md").write_text(SALT)
    (folder / "settings.toml").write_text('site_name = "Salt & Water"\nsite_logo = "media/pot.png"\nmotto = "Slowly"\n')
    return folder


def post(folder: Path, name: str, front_matter: str, body: str = "Body.") -> None:
    (folder / "posts" / name).write_text(f"---\n{front_matter}\n---\n{body}\n")


def by_slug(devcms: Running) -> dict[str, dict[str, object]]:
    return {record["slug"]: record for record in devcms.posts()}


def test_a_post_has_what_its_file_says(devcms: Running, folder: Path) -> None:
    seeded = seed(devcms, folder)
    assert (seeded.posts, seeded.media, seeded.created, seeded.changed, seeded.warnings) == (1, 1, 1, 0, ())
    salt = by_slug(devcms)["salt"]
    assert (salt["title"], salt["status"], salt["excerpt"]) == (
        "Salting pasta water",
        "published",
        "How much, and when.",
    )
    assert (salt["tags"], salt["seo_title"], salt["extra"]) == (
        ["pasta", "Needs-Editing"],
        "Salting, measured",
        {"author": "Ana"},
    )
    assert salt["published_at"] == salt["created"] == salt["updated"] == "2026-05-03 10:00:00.000Z"
    assert "<strong>10 g</strong>" in str(salt["content_html"])


def test_links_to_media_lead_to_where_the_cms_serves_them(devcms: Running, folder: Path) -> None:
    seed(devcms, folder)
    html = str(by_slug(devcms)["salt"]["content_html"])
    (record,) = devcms.media()
    path = devcms.media_path(record["id"])
    assert html.count(f'src="{path}"') == 2
    assert f'href="{path}"' in html
    assert "media/pot.png" in html.partition("<pre")[2], "what a post shows as code stays as it is"
    assert httpx.get(devcms.url + path, trust_env=False).content == (folder / "media" / "pot.png").read_bytes()
    assert (record["filename"], record["alt"], record["width"], record["height"]) == ("pot.png", "A pot", 40, 30)


def test_settings_are_taken_over(devcms: Running, folder: Path) -> None:
    seed(devcms, folder)
    (settings,) = devcms.admin.records("site_settings")
    (record,) = devcms.media()
    assert (settings["site_name"], settings["extra"]) == ("Salt & Water", {"motto": "Slowly"})
    assert settings["site_logo"] == devcms.media_path(record["id"])


def test_seeding_again_changes_nothing(devcms: Running, folder: Path) -> None:
    post(folder, "draft.md", "title: Draft\ndraft: true")
    seed(devcms, folder)
    before = (devcms.posts(), devcms.media())
    again = seed(devcms, folder)
    assert (again.created, again.changed) == (0, 0)
    assert (devcms.posts(), devcms.media()) == before


def test_seeding_again_changes_what_differs_and_keeps_the_rest(devcms: Running, folder: Path) -> None:
    post(folder, "other.md", "title: Other\ndate: 2026-01-01")
    seed(devcms, folder)
    before = by_slug(devcms)
    devcms.create_post(title="Written in the dashboard")
    (folder / "posts" / "salt.md").write_text(SALT.replace("10 g", "12 g"))
    Image.new("RGB", (50, 60), "red").save(folder / "media" / "pot.png")
    again = seed(devcms, folder)
    after = by_slug(devcms)
    assert (again.created, again.changed) == (0, 1)
    assert (after["salt"]["id"], after["other"]) == (before["salt"]["id"], before["other"])
    assert "12 g" in str(after["salt"]["content_html"])
    assert str(after["salt"]["updated"]) > str(before["salt"]["updated"])
    assert "written-in-the-dashboard" in after
    (record,) = devcms.media()
    assert (record["width"], record["alt"]) == (50, "A pot")
    assert devcms.media_path(record["id"]) in str(after["salt"]["content_html"])


def test_drafts_scheduled_and_future_posts_keep_their_state(devcms: Running, folder: Path) -> None:
    post(folder, "a.md", "title: A\nstatus: draft")
    post(folder, "b.md", "title: B\ndraft: true\ndate: 2020-01-01")
    post(folder, "c.md", "title: C\ndate: 2099-12-31T18:00:00+02:00")
    post(folder, "d.md", "title: D\nstatus: scheduled\ndate: 2099-12-31")
    seed(devcms, folder)
    states = {slug: (record["status"], record["published_at"]) for slug, record in by_slug(devcms).items()}
    assert states["a"] == ("draft", "")
    assert states["b"] == ("draft", "2020-01-01 00:00:00.000Z")
    assert states["c"] == ("published", "2099-12-31 16:00:00.000Z")
    assert states["d"] == ("scheduled", "2099-12-31 00:00:00.000Z")


def test_slugs_come_from_the_title_and_differ_by_case(devcms: Running, folder: Path) -> None:
    post(folder, "1.md", "title: 塩とパスタの水")
    post(folder, "2.md", "title: 🍝")
    post(folder, "3.md", "title: One\nslug: Tea")
    post(folder, "4.md", "title: Two\nslug: tea")
    seed(devcms, folder)
    assert set(by_slug(devcms)) == {"salt", "塩とパスタの水", "2", "Tea", "tea"}


def test_tags_may_be_a_list_or_a_text_and_other_names_are_understood(devcms: Running, folder: Path) -> None:
    post(folder, "a.md", 'title: A\ntags: "x, y ,"\ndescription: Short.\nwhen: 2026-01-02\nnested: {day: 2026-01-03}')
    seed(devcms, folder)
    record = by_slug(devcms)["a"]
    assert (record["tags"], record["excerpt"]) == (["x", "y"], "Short.")
    assert record["extra"] == {"when": "2026-01-02", "nested": {"day": "2026-01-03"}}


def test_a_picture_that_is_not_there_is_a_warning_with_its_post(devcms: Running, folder: Path) -> None:
    post(folder, "a.md", "title: A", "![x](media/none.png)")
    (warning,) = seed(devcms, folder).warnings
    assert (warning.what, warning.where) == ("media/none.png is not in the folder", str(folder / "posts" / "a.md"))


@pytest.mark.parametrize(
    ("front_matter", "what"), [("slug: a", "no title"), ("title: A\ndate: soon", "not a date"), ("title: [", "")]
)
def test_front_matter_that_cannot_be_used_names_its_file_and_changes_nothing(
    devcms: Running, folder: Path, front_matter: str, what: str
) -> None:
    post(folder, "wrong.md", front_matter)
    with pytest.raises(ContentProblem) as raised:
        seed(devcms, folder)
    assert raised.value.code == "VB3005"
    assert what in str(raised.value)
    assert "wrong.md" in (raised.value.diagnostics[0].where or "")
    assert (devcms.posts(), devcms.media()) == ([], [])


def test_two_files_with_one_slug_are_named_both(devcms: Running, folder: Path) -> None:
    post(folder, "twin.md", "title: Twin\nslug: salt")
    with pytest.raises(ContentProblem) as raised:
        seed(devcms, folder)
    assert "salt.md" in str(raised.value)
    assert "twin.md" in (raised.value.diagnostics[0].where or "")


def test_a_text_too_long_for_its_field_names_the_file(devcms: Running, folder: Path) -> None:
    post(folder, "long.md", f"title: Long\nexcerpt: {'x' * 501}")
    with pytest.raises(ContentProblem, match="excerpt") as raised:
        seed(devcms, folder)
    assert "long.md" in (raised.value.diagnostics[0].where or "")


def test_an_empty_folder_and_wrong_settings_are_usage_errors(devcms: Running, tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match="nothing to seed"):
        seed(devcms, empty)
    (folder / "settings.toml").write_text("site_name = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        seed(devcms, folder)


def test_the_example_site_can_be_seeded(devcms: Running) -> None:
    source = Path(__file__).parents[2] / "example_site" / "cms"
    seeded = seed(devcms, source)
    assert seeded.warnings == ()
    assert seeded.posts >= 30
    assert len(devcms.posts()) == seeded.posts
    for record in devcms.posts():
        assert '"media/' not in record["content_html"], record["slug"]
