"""What pages and feeds of a site in several languages say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from lxml import etree, html

from tests.graph.rig import CONFIG, NOON, Blog, post
from tests.render.stage import PLAIN, rendered, themed, whole, write
from velobuild.config.schema import FeedsConfig

SPOKEN = replace(CONFIG, source=replace(CONFIG.source, locales=("en", "de")))


def blog_of(folder: Path, templates: dict[str, str]) -> Blog:
    write(folder, {"mine/locales/en.toml": 'hi = "Hello"\n', "mine/locales/de.toml": 'hi = "Hallo"\n'})
    return themed(folder, templates, config=SPOKEN).posts(
        post("tea"), post("tee", extra={"locale": "de", "translation_of": "tea"})
    )


def test_texts_dates_and_language_follow_the_page(tmp_path: Path) -> None:
    blog = blog_of(tmp_path, {"post.html": "{{ site.language }} {{ t('hi') }} {{ post.published|date }}"})
    assert rendered(blog, "tea/index.html") == "en Hello May 3, 2026"
    assert rendered(blog, "de/tee/index.html") == "de Hallo 3. Mai 2026"


def test_a_text_that_an_imported_template_keeps_is_kept_for_each_language(tmp_path: Path) -> None:
    # Both pages in one process, in either order: what the first one's language made must not stand in the second.
    templates = {"kept.html": "{% set word = t('hi') %}", "post.html": "{% from 'kept.html' import word %}{{ word }}"}
    made = whole(blog_of(tmp_path, templates))
    assert (made["tea/index.html"], made["de/tee/index.html"]) == (b"Hello", b"Hallo")


def test_the_archive_shows_the_posts_of_its_own_language(tmp_path: Path) -> None:
    posts = "{% for one in posts_of(year) %}{{ one.id }}{% endfor %}"
    archive = f"{{% for year in site.years %}}{{{{ year.count }}}}:{posts}{{% endfor %}}"
    blog = blog_of(tmp_path, {"archive.html": archive})
    assert rendered(blog, "archive/index.html") == "1:tea"
    assert rendered(blog, "de/archive/index.html") == "1:tee"


def test_a_language_is_called_by_its_own_name(tmp_path: Path) -> None:
    listed = "{% for one in page.languages %}{{ one.language|language_name }} {{ one.url }}{% endfor %}"
    blog = blog_of(tmp_path, {"post.html": listed + "{{ 'pt-BR'|language_name }} {{ 'xx-nowhere'|language_name }}"})
    assert rendered(blog, "tea/index.html") == "Deutsch /de/tee/português (Brasil) xx-nowhere"


def test_feeds_are_of_one_language_and_those_of_the_first_keep_their_identity(tmp_path: Path) -> None:
    spoken = Blog(tmp_path / "two", SPOKEN).posts(
        post("tea", tags=("leaf",)), post("tee", extra={"locale": "de"}, tags=("leaf",), title="Grüntee")
    )
    single = Blog(tmp_path / "one", CONFIG).posts(post("tea", tags=("leaf",)))
    made, plain = whole(spoken), whole(single)
    for name in ("feed.xml", "atom.xml", "tags/leaf/feed.xml"):
        assert made[name] == plain[name]
        assert b"Tea" not in made[f"de/{name}"]
        assert "Grüntee".encode() in made[f"de/{name}"]
    assert b"<language>de</language>" in made["de/feed.xml"]
    assert b'xml:lang="de"' in made["de/atom.xml"]
    assert b"https://garden.example/de/feed.xml" in made["de/feed.xml"]
    assert len({made[name].split(b"<id>")[1] for name in ("atom.xml", "de/atom.xml")}) == 2


def test_a_redirect_speaks_the_language_of_the_address_that_was_left(tmp_path: Path) -> None:
    blog = blog_of(tmp_path, {"redirect.html": "{{ site.language }} {{ target_url }}"})
    blog.settle().posts(post("tea", slug="new"), post("tee", slug="neu", extra={"locale": "de"}))
    assert rendered(blog, "tea/index.html") == "en /new/"
    assert rendered(blog, "de/tee/index.html") == "de /de/neu/"


def test_the_sitemap_names_every_page_of_every_language_once(tmp_path: Path) -> None:
    blog = Blog(tmp_path, replace(SPOKEN, feeds=FeedsConfig(rss=False, atom=False)))
    blog.posts(
        post("tea", tags=("a",)), post("tee", extra={"locale": "de"}, tags=("b",), published_at=NOON + timedelta(1))
    )
    made = whole(blog)
    named = [line.partition("<loc>")[2].partition("</loc>")[0] for line in made["sitemap.xml"].decode().splitlines()]
    pages = {name.removesuffix("index.html") for name in made if name.endswith("index.html")}
    assert sorted(filter(None, named)) == sorted(f"https://garden.example/{page}" for page in pages)


def test_the_sitemap_links_to_the_languages_that_the_heads_of_the_pages_name(tmp_path: Path) -> None:
    blog = Blog(tmp_path, replace(SPOKEN, theme=PLAIN)).posts(
        post("tea"), post("tee", extra={"locale": "de", "translation_of": "tea"}), post("alone", tags=("a",))
    )
    made = whole(blog)
    rows = {row.findtext("{*}loc"): row for row in etree.fromstring(made["sitemap.xml"])}
    told = 0
    for name, page in made.items():
        if name.endswith("index.html"):
            heads = html.fromstring(page).xpath("//head/link[@rel='alternate'][@hreflang]")
            row = rows[f"https://garden.example/{name.removesuffix('index.html')}"]
            links = row.findall("{*}link")
            in_map, in_head = ({(one.get("hreflang"), one.get("href")) for one in found} for found in (links, heads))
            assert in_map == in_head, name
            told += bool(in_map)
    assert told >= 6, "both posts, and the home pages, archives and years of both"


def test_the_shipped_theme_names_translations_and_leads_to_the_other_language(tmp_path: Path) -> None:
    blog = Blog(tmp_path, replace(SPOKEN, theme=PLAIN)).posts(
        post("tea"), post("tee", extra={"locale": "de", "translation_of": "tea"}), post("alone")
    )
    page = rendered(blog, "de/tee/index.html")
    assert '<html lang="de"' in page
    assert '<link rel="alternate" hreflang="en" href="https://garden.example/tea/">' in page
    assert '<link rel="alternate" hreflang="de" href="https://garden.example/de/tee/">' in page
    assert '<link rel="alternate" hreflang="x-default" href="https://garden.example/tea/">' in page
    assert '<a href="/tea/" lang="en" hreflang="en">English</a>' in page
    lone = rendered(blog, "alone/index.html")
    assert 'rel="alternate" hreflang' not in lone
    assert '<a href="/de/" lang="de" hreflang="de">Deutsch</a>' in lone


def test_a_site_of_one_language_shows_nothing_of_this(tmp_path: Path) -> None:
    made = whole(Blog(tmp_path, replace(CONFIG, theme=PLAIN)).posts(post("tea", extra={"locale": "de"})))
    assert "tea/index.html" in made
    assert not [name for name in made if name.startswith("de/")]
    assert not [name for name, content in made.items() if b"hreflang" in content]
