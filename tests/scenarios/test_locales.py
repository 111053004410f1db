"""An edit in one language leaves the pages of all others alone; a translation that comes or goes is seen in both."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.command_line import velobuild
from tests.incremental.rig import Living, config, later
from velobuild.content.database import open_database
from velobuild.graph.explain import explain
from velobuild.graph.trace import Trace
from velobuild.graph.widest import widest
from velobuild.model.entries import Post
from velobuild.model.locales import TAG_MARK

ADA = {"author": {"name": "Ada"}}


@pytest.fixture
def living(tmp_path: Path) -> Living:
    made = Living(tmp_path)
    plain = config()
    made.config = replace(plain, source=replace(plain.source, locales=("en", "de")))
    for number in range(3):
        made.post(f"e{number}", published_at=later(-9 - number), tags=("tea",))
        german(made, f"d{number}", published_at=later(-10 - number), tags=("tea",))
    made.build()
    return made


def german(living: Living, id: str, **changes: object) -> Living:
    of = {"translation_of": changes.pop("of")} if "of" in changes else {}
    return living.post(id, extra=ADA | {"locale": "de"} | of, **changes)


def rendered(living: Living) -> set[str]:
    """Build, compare with a clean build, and give the pages that were made anew."""
    before = made_from(living)
    living.build()
    assert living.tree() == living.clean().tree()
    after = made_from(living)
    return {path for path, reason in after.items() if before.get(path) != reason}


def made_from(living: Living) -> dict[str, str | None]:
    with closing(open_database(living.site / ".velobuild", warn=living.findings.append)) as connection:
        return {output.target.path: f"{output.reason} {output.render_us}" for output in Trace(connection).outputs()}


SHARED = {"404.html", "sitemap.xml"}
"""Pages that count or name the posts of all languages, or of the first."""


def test_a_new_post_is_news_in_its_own_language_alone(living: Living) -> None:
    made = rendered(german(living, "d9", tags=("tea",)))
    assert {"de/d9/index.html", "de/index.html", "de/feed.xml", "de/tags/tea/index.html", "sitemap.xml"} <= made
    assert {path for path in made - SHARED if not path.startswith("de/")} == set()
    made = rendered(living.post("e9", tags=("tea",)))
    assert {"e9/index.html", "index.html", "feed.xml"} <= made
    assert {path for path in made if path.startswith("de/")} == set()


def test_a_translation_that_comes_and_goes_makes_the_original_anew(living: Living) -> None:
    made = rendered(german(living, "d9", of="e1", published_at=later(-50)))
    assert "e1/index.html" in made
    assert b"https://site.example/de/d9/" in living.tree()["e1/index.html"]
    assert not {"e0/index.html", "e2/index.html"} & made
    made = rendered(living.without("d9"))
    assert "e1/index.html" in made
    assert b"de/d9" not in living.tree()["e1/index.html"]


def test_the_sitemap_of_the_original_links_to_a_translation_of_another_month(living: Living) -> None:
    far = later(-24 * 80)
    for change in (
        lambda: german(living, "d9", of="e1", published_at=far),
        lambda: german(living, "d9", of="e2", published_at=far),
        lambda: german(living, "d9", of="e2", published_at=far, slug="neun"),
        lambda: living.post("d9", status="draft"),
    ):
        change()
        assert "sitemap.xml" in rendered(living)
    assert b'hreflang="de" href="https://site.example/de/neun/"' not in living.tree()["sitemap.xml"]


def test_the_parts_of_a_long_sitemap_follow_the_translations_that_lie_in_others(tmp_path: Path) -> None:
    living = Living(tmp_path)
    plain = config()
    living.config = replace(plain, source=replace(plain.source, locales=("en", "de")))
    for number in range(1_001):
        living.post(f"e{number:04}", published_at=later(-9 - number), body="")
    far = later(-24 * 200)
    german(living, "d9", published_at=far).build()
    part = f"sitemap-{later(-9):%Y-%m}.xml"
    assert b"hreflang" not in living.tree()[part]
    german(living, "d9", published_at=far, of="e0000").build()
    assert living.tree()[part].count(b'hreflang="de"') == 1
    german(living, "d9", published_at=far, of="e0001", slug="neun").build()
    assert living.tree()[part].count(b'href="https://site.example/de/neun/"') == 1
    living.without("d9").build()
    assert b"hreflang" not in living.tree()[part]
    living.same_as_clean()


def test_a_post_that_changes_its_language_moves_from_one_tree_to_the_other(living: Living) -> None:
    german(living, "e1")
    rendered(living)
    tree = living.tree()
    assert b"/de/e1/" in tree["de/index.html"] + tree["de/page/1/index.html"]
    assert b"/de/e1/" in tree["e1/index.html"]  # a redirect
    assert b"E1" not in tree["index.html"]


def test_a_post_that_changes_its_language_gets_between_two_others_of_it(living: Living) -> None:
    # Without tags nothing but their neighbours ties these together.
    living.post("e7", published_at=later(-100))
    german(german(living, "d7", published_at=later(-99)), "d8", published_at=later(-101))
    rendered(living)
    assert b"E7" not in living.tree()["de/d7/index.html"] + living.tree()["de/d8/index.html"]
    german(living, "e7")
    rendered(living)
    assert b"E7 /de/e7/" in living.tree()["de/d7/index.html"]
    assert b"| E7" in living.tree()["de/d8/index.html"]


def test_an_update_in_two_languages_is_as_small_as_in_one(living: Living) -> None:
    post = living.content.posts["d1"]
    assert isinstance(post, Post)
    living.content.posts["d1"] = replace(post, body="<p>Anders.</p>")
    assert "de/d1/index.html" in rendered(living)
    assert living.tree()["de/d1/index.html"].count(b"<p>Anders.</p>") == 1


def test_another_time_zone_and_another_hidden_tag_are_seen_without_any_change_of_a_post(living: Living) -> None:
    living.post("e0", published_at=later(-24 * 123 + 11.5), tags=("tea", "jam"))  # 23:30 UTC on the last day of 2025
    rendered(living)
    assert "archive/2026/index.html" in living.tree()
    living.config = replace(living.config, site=replace(living.config.site, timezone="UTC"))
    rendered(living)
    assert "archive/2025/index.html" in living.tree()
    living.config = replace(living.config, source=replace(living.config.source, exclude_tags=("jam",)))
    rendered(living)
    assert "tags/jam/index.html" not in living.tree()


def test_a_folder_says_in_front_matter_and_by_folders_what_is_in_which_language(tmp_path: Path) -> None:
    site = tmp_path / "folder"
    files = {
        "velobuild.toml": '[source]\ntype = "folder"\nlocales = ["en", "de"]\n',
        "content/posts/tea.md": "---\ntitle: Tea\ndate: 2026-05-03\n---\nHi\n",
        "content/posts/tee.md": (
            "---\ntitle: Tee\ndate: 2026-05-03\nlocale: de\ntranslation_of: posts/tea\n---\n[x](tea.md)\n"
        ),
        "content/pages/about.md": "---\ntitle: About\n---\nUs.\n",
        "content/pages/de/about.md": "---\ntitle: Wir\n---\nWir.\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, "utf-8")
    ended = velobuild("build", directory=site, environment={"HOME": str(tmp_path)})
    assert ended.code == 0, ended.err
    public = site / "public"
    assert 'hreflang="de" href="http://localhost:8000/de/tee/"' in (public / "tea/index.html").read_text("utf-8")
    assert '<a href="/tea/">x</a>' in (public / "de/tee/index.html").read_text("utf-8")
    assert 'hreflang="en" href="http://localhost:8000/about/"' in (public / "de/about/index.html").read_text("utf-8")


def test_every_page_of_every_language_can_be_explained(living: Living) -> None:
    rendered(german(living, "d9", tags=("jam",), of="e1"))
    with closing(open_database(living.site / ".velobuild", warn=living.findings.append)) as connection:
        told = {output.target.path: explain(connection, output) for output in Trace(connection).outputs()}
        widest(connection, limit=100)
    text = "\n".join(str(one) for one in told.values())
    assert TAG_MARK not in text
    assert repr(TAG_MARK)[1:-1] not in text
    assert told["de/tags/tea/index.html"].what == "page 1 of the list of posts with the tag “tea” (de)"
    assert told["tags/tea/index.html"].what == "page 1 of the list of posts with the tag “tea”"
    assert told["de/index.html"].what == "the home page (de)"
    assert told["de/feed.xml"].what == "the feed of the site (de)"
    assert "(de)" not in str(told["tags/tea/index.html"].depends_on)
    assert "in the language “de”" in str(told["de/feed.xml"].depends_on)
    assert told["de/index.html"].what != told["index.html"].what
