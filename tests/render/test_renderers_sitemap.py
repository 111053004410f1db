"""The sitemap of a site with many posts: an index, and one file for each month or day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from lxml import etree

from tests.graph.rig import NOON, dated, post
from tests.render.stage import EVERY, MANIFEST, theme_of, themed
from velobuild.graph.sitemaps import SITEMAP_POSTS_MAX
from velobuild.render.renderers import Rendering

LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


def test_a_long_sitemap_names_each_post_once_in_files_of_months_and_days(tmp_path: Path) -> None:
    blog = themed(tmp_path, dict.fromkeys(EVERY, "x"), manifest=MANIFEST)
    crowded = [post(f"q{n}", published_at=NOON + timedelta(days=60, minutes=n)) for n in range(SITEMAP_POSTS_MAX + 1)]
    blog.posts(*dated(20), *crowded)
    rendering = Rendering(blog.reader, theme_of(blog))
    files = {
        target.path: rendering.file(target)[1] for target in blog.targets() if target.renderer.startswith("sitemap")
    }
    names = [element.text.rpartition("/")[2] for element in etree.fromstring(files["sitemap.xml"]).iter(LOC)]
    assert names == list(files)[1:]
    assert {"sitemap-2026-05.xml", "sitemap-2026-07-02.xml", "sitemap-2026-07-03.xml"} <= files.keys()
    locs = [element.text for name in names for element in etree.fromstring(files[name]).iter(LOC)]
    assert len(locs) == len(set(locs))
    assert {f"https://garden.example/{id}/" for id in [*(f"q{n}" for n in range(len(crowded))), "p000", "p019"]} <= set(
        locs
    )
