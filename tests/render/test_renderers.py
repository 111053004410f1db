"""Whole sites through the shipped theme: feeds that stay, sitemaps that list, bytes that depend on content alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import feedparser
import pytest

from tests.graph.rig import CMS, CONFIG, NOON, Blog, dated, media, page, post
from tests.render.stage import PLAIN, whole
from velobuild.config.schema import FeedsConfig, SiteConfig
from velobuild.model.entries import Collection, Comment, Post, SiteSettings

LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


def plain(folder: Path, **sections: Any) -> Blog:
    return Blog(folder, replace(CONFIG, theme=PLAIN, **sections))


def entries(blog: Blog, name: str = "feed.xml") -> list[Any]:
    found = feedparser.parse(whole(blog)[name])
    assert not found.bozo
    return list(found.entries)


@pytest.mark.parametrize("name", ["feed.xml", "atom.xml", "tags/tea/feed.xml"])
def test_h7_an_item_keeps_its_id_when_title_slug_and_body_change(tmp_path: Path, name: str) -> None:
    blog = plain(tmp_path).posts(post("a", tags=("Tea",)), post("b", tags=("Tea",)))
    before = {entry.id: (entry.title, entry.link) for entry in entries(blog, name)}
    blog.posts(post("a", slug="new", title="New", body="<p>New</p>", tags=("Tea",)), post("b", tags=("Tea",)))
    after = {entry.id: (entry.title, entry.link) for entry in entries(blog, name)}
    assert before.keys() == after.keys()
    assert sorted(after.values()) == [("B", "https://garden.example/b/"), ("New", "https://garden.example/new/")]
    blog.connection.close()


def test_feeds_hold_the_newest_posts_with_full_addresses(tmp_path: Path) -> None:
    blog = plain(tmp_path, feeds=FeedsConfig(size=3))
    blog.posts(*dated(5, body='<p><a href="/p000/">x</a><img src="/media/m.png"></p>')).asset(f"{CMS}/media/m.png")
    found = entries(blog)
    assert [entry.link.split("/")[-2] for entry in found] == ["p004", "p003", "p002"]
    assert 'href="https://garden.example/p000/"' in found[0].content[0].value
    assert 'src="https://garden.example/media/' in found[0].content[0].value
    assert found[0].published == "Sun, 03 May 2026 16:00:00 +0000"
    blog.connection.close()


def test_feeds_without_bodies_have_excerpts(tmp_path: Path) -> None:
    blog = plain(tmp_path, feeds=FeedsConfig(full=False)).posts(post("a", body="<p>The beginning.</p>"))
    (entry,) = entries(blog)
    assert entry.summary == "The beginning."
    assert "content" not in entry
    blog.connection.close()


@pytest.mark.parametrize("title", ["&nbsp;]]>", "🍵 \u202eevil", "<!DOCTYPE x>", "a & b < c", "' \" `"])
def test_h2_h5_a_title_comes_out_of_a_feed_as_it_went_in(tmp_path: Path, title: str) -> None:
    blog = plain(tmp_path).posts(post("a", title=title))
    for name in ("feed.xml", "atom.xml"):
        found = ElementTree.fromstring(whole(blog)[name])
        titles = [one.text for one in found.iter() if one.tag.rpartition("}")[2] == "title"]
        assert title in titles, name
    blog.connection.close()


def test_the_sitemap_lists_every_page_for_readers_once(tmp_path: Path) -> None:
    blog = plain(tmp_path, site=SiteConfig(base_url="https://garden.example/blog"))
    blog.posts(post("a", slug="café", tags=("Tea",)), post("off", status="draft")).pages(page("about"))
    found = [one.text for one in ElementTree.fromstring(whole(blog)["sitemap.xml"]).iter(LOC)]
    root = "https://garden.example/blog"
    assert found == [
        f"{root}/{path}" for path in ("", "caf%C3%A9/", "about/", "archive/", "tags/", "archive/2026/", "tags/tea/")
    ]
    assert f"Sitemap: {root}/sitemap.xml" in whole(blog)["robots.txt"].decode()
    blog.connection.close()


def test_an_empty_site_renders(tmp_path: Path) -> None:
    blog = plain(tmp_path)
    made = whole(blog)
    assert b"There are no posts here yet." in made["index.html"]
    assert entries(blog) == []
    blog.connection.close()


# The same content, the same bytes


def content() -> tuple[list[Post], list[Any], list[Comment]]:
    posts = [
        post(
            f"p{n:02d}",
            slug=f"s{n % 5}",
            title=f"Title {n} <é>",
            tags=("Tea", "tea", f"t{n % 3}", "C#")[: n % 5],
            body=f'<h2>One</h2><p>Text <a href="/s1">x</a> <img src="/media/m{n % 2}.png"></p><pre>{n}</pre>',
            published_at=NOON + timedelta(hours=n // 3) if n % 4 else None,
            extra={"created": "2026-05-01 09:12:44", "b": 1, "a": 2},
        )
        for n in range(24)
    ]
    comments = [Comment(f"c{n}", "p03", f"N{n}", "Body", NOON + timedelta(minutes=n // 2)) for n in range(5)]
    return posts, [media("m0"), media("m1", url="/media/m1.png")], comments


def filled(folder: Path, order: int) -> Blog:
    posts, records, comments = content()

    def mixed(items: Sequence[Any]) -> list[Any]:
        return random.Random(order).sample(items, len(items)) if order else list(items)

    blog = plain(folder, site=SiteConfig(title="Garden", base_url="https://garden.example", timezone="Europe/Vienna"))
    if order:  # another past: posts arrived one by one, and were changed
        for some in range(1, len(posts), 7):
            blog.posts(*(replace(one, title="Earlier") for one in mixed(posts)[:some]))
    for url in mixed([f"{CMS}/media/m0.png", f"{CMS}/logo.png"]):
        blog.asset(url)
    blog.sync(Collection.SETTINGS, SiteSettings(logo_url="/logo.png", description="Words", comments_enabled=True))
    blog.sync(Collection.COMMENTS, *mixed(comments)).media(*mixed(records)).pages(*mixed([page("about"), page("team")]))
    return blog.posts(*mixed(posts))


def test_stores_that_were_filled_in_other_orders_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for order in range(3):
        blog = filled(tmp_path / str(order), order)
        made.append(whole(blog))
        blog.connection.close()
    assert len(made[0]) > 40
    assert made[0] == made[1] == made[2]


@pytest.mark.slow
def test_g7_zone_locale_and_hash_seed_of_the_machine_change_no_byte(tmp_path: Path) -> None:
    code = dedent(
        """
        import hashlib, sys
        from pathlib import Path
        from tests.render.stage import whole
        from tests.render.test_renderers import filled
        made = whole(filled(Path(sys.argv[1]), 1))
        print(hashlib.sha256(repr(sorted(made.items())).encode()).hexdigest())
        """
    )
    seen = set()
    for number, (zone, language) in enumerate(
        [("UTC", "C"), ("Pacific/Kiritimati", "de_DE.UTF-8"), ("America/New_York", "C")]
    ):
        machine = {**os.environ, "TZ": zone, "LC_ALL": language, "PYTHONHASHSEED": str(number + 1), "PYTHONUTF8": "1"}
        arguments = [sys.executable, "-c", code, str(tmp_path / str(number))]
        done = subprocess.run(arguments, env=machine, capture_output=True, text=True, check=True)
        seen.add(done.stdout.strip())
    assert len(seen) == 1
