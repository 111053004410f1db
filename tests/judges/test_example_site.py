"""The whole way, judged by others: a real CMS, its key, the build, and the pages that come out of it."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from lxml import etree
from PIL import Image
from PIL.ExifTags import IFD
from selectolax.lexbor import LexborHTMLParser

from tests.cli.command_line import Ended, velobuild
from tests.judges.accessibility import Scheme, axe
from tests.judges.feeds import SITEMAP, feeds
from tests.judges.html import nu_html
from tests.judges.links import file_of, links
from tests.judges.served import BASE_URL, Served, example_site
from tests.judges.visits import visits
from velobuild.markup import frontmatter

CMS = Path(__file__).parents[2] / "example_site" / "cms"
TEXTS = {".html", ".xml", ".txt", ".css", ".json", ".svg"}
PAGES = (
    "/",
    "/page/2/",
    "/soup-for-forty/",  # a table, a callout, a picture
    "/parsing-recipes-in-rust/",  # code
    "/chain-wear-in-one-table/",
    "/bread-that-waits-for-you/",  # footnotes or a task list
    "/the-workshop-alphabet/",
    "/knives-a-small-glossary/",  # a definition list
    "/night-ride-to-the-observatory/",
    "/شاي-بالنعناع/",
    "/味噌汁の朝/",
    "/a-short-history-of-the-long-argument-about-the-bell/",
    "/tags/",
    "/tags/kitchen/",
    "/archive/",
    "/archive/2025/",
    "/about/",
    "/there/is/no/such/page/",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with example_site(tmp_path_factory.mktemp("example") / "demo") as served:
        yield served


@pytest.fixture(scope="module")
def pages(site: Served) -> dict[str, LexborHTMLParser]:
    """Path within the site → the parsed page."""
    files = sorted(site.folder.rglob("*.html"))
    return {str(file.relative_to(site.folder)): LexborHTMLParser(file.read_text("utf-8")) for file in files}


def at(site: Served) -> list[str]:
    return [site.url + quote(path) for path in PAGES]


def posts() -> dict[str, tuple[dict[str, Any], str]]:
    return {
        path.name: frontmatter.split(path.read_text("utf-8"), where=path.name) for path in (CMS / "posts").iterdir()
    }


def hidden(name: str) -> bool:
    return name.startswith(("draft-", "2099-"))


def everything(folder: Path) -> str:
    """All texts of the site as one, with its paths."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    texts = [file.read_text("utf-8") for file in files if file.suffix in TEXTS]
    return "\n".join([*(str(file.relative_to(folder)) for file in files), *texts])


# --- The HTML


def test_the_html_checker_finds_no_error_in_any_page(site: Served) -> None:
    assert nu_html(site.folder) == []


def test_every_page_has_one_first_heading_a_title_and_says_where_it_belongs(pages: dict[str, LexborHTMLParser]) -> None:
    assert len(pages) > 60
    titles: dict[str, str] = {}
    for path, page in pages.items():
        assert len(page.css("h1")) == 1, path
        assert (page.css_first("h1").text() or "").strip(), path
        (title,) = page.css("head title")
        redirect = page.css_first("meta[http-equiv='refresh']")
        assert redirect is not None or titles.setdefault(title.text(), path) == path, f"{path}: two pages are called so"
        canonical = [node.attributes["href"] for node in page.css("link[rel='canonical']")]
        if path == "404.html":
            assert canonical == []
        elif redirect is not None:
            assert canonical == [f"{BASE_URL}/soup-for-forty/"]
        else:
            assert canonical == [f"{BASE_URL}/{quote(path.removesuffix('index.html'))}"]


def test_everything_a_page_points_to_is_there(site: Served) -> None:
    assert links(site.folder, BASE_URL) == []


def test_a_page_that_goes_missing_a_lost_picture_and_a_wrong_fragment_are_found(site: Served, tmp_path: Path) -> None:
    shutil.copytree(site.folder, tmp_path / "site")
    (tmp_path / "site/tea/index.html").unlink()
    lost = min((tmp_path / "site/media").iterdir())
    lost.unlink()
    about = tmp_path / "site/about/index.html"
    about.write_text(about.read_text("utf-8").replace("</main>", '<a href="#nowhere">x</a></main>'), "utf-8")
    found = links(tmp_path / "site", BASE_URL)
    assert "chain-wear-in-one-table/index.html: /tea/" in found
    assert "about/index.html: #nowhere" in found
    assert any(finding.endswith(lost.name) for finding in found)


def test_pictures_have_sizes_and_texts(pages: dict[str, LexborHTMLParser]) -> None:
    shown = [(path, image) for path, page in pages.items() for image in page.css("main img")]
    assert len(shown) > 15
    for path, image in shown:
        assert image.attributes["alt"], path
        assert int(image.attributes["width"] or 0) > 0, path
        assert int(image.attributes["height"] or 0) > 0, path


def test_no_script_no_style_attribute_and_no_handler_stands_in_any_page(pages: dict[str, LexborHTMLParser]) -> None:
    assert len(pages) > len(posts()), "the control: pages were looked at"
    for path, page in pages.items():
        assert page.css("script:not([type='application/ld+json'])") == [], path
        assert page.css("style, [style]") == [], path
        assert [n for node in page.css("*") for n in node.attributes if n.startswith("on")] == [], path


def test_there_is_no_script_file(site: Served) -> None:
    assert [path for path in site.folder.rglob("*") if path.suffix in {".js", ".mjs", ".wasm"}] == []


# --- Feeds and the sitemap


def test_nothing_is_wrong_with_feeds_and_sitemap(site: Served) -> None:
    assert feeds(site.folder) == []
    assert (site.folder / "feed.xml").is_file()
    assert (site.folder / "atom.xml").is_file()
    assert len(list(site.folder.glob("tags/*/feed.xml"))) > 15


def test_whatever_a_feed_links_to_within_the_site_is_there(site: Served) -> None:
    own = re.compile(rf"{re.escape(BASE_URL)}/[^\s\"'<>&)]*")
    linked = {url for file in site.folder.rglob("*.xml") for url in own.findall(file.read_text("utf-8"))}
    assert len(linked) > 60
    assert {url for url in linked if file_of(site.folder, BASE_URL, url) is None} == set()


def test_the_sitemap_lists_the_pages_that_search_engines_may_show_and_no_other(
    site: Served, pages: dict[str, LexborHTMLParser]
) -> None:
    root = etree.parse(site.folder / "sitemap.xml").getroot()
    listed = {element.findtext(f"{SITEMAP}loc") for element in root}
    shown = {
        page.css_first("link[rel='canonical']").attributes["href"]
        for page in pages.values()
        # The later pages of a list say nothing that the posts do not.
        if not page.css("meta[name='robots'], meta[http-equiv='refresh'], link[rel='prev']")
    }
    assert listed == shown
    assert f"Sitemap: {BASE_URL}/sitemap.xml" in (site.folder / "robots.txt").read_text()


# --- In a browser


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width_px"), [("light", 1280), ("dark", 1280), ("dark", 320)])
def test_axe_finds_no_violation(site: Served, scheme: Scheme, width_px: int) -> None:
    assert axe(at(site), scheme, width_px=width_px) == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width_px", [1280, 320])
def test_a_browser_asks_nobody_else_and_has_nothing_to_complain_of(site: Served, width_px: int) -> None:
    assert visits(at(site), width_px=width_px) == []


@pytest.mark.browser
def test_a_request_elsewhere_a_style_that_the_policy_refuses_and_a_lost_picture_are_found(tmp_path: Path) -> None:
    policy = "default-src 'self'; img-src *"
    page = f"""<!doctype html><meta http-equiv="Content-Security-Policy" content="{policy}"><title>x</title>
        <p style="color: red">x</p><img src="http://127.0.0.1:9/x.png"><img src="/lost.png"><pre>{"x" * 4000}</pre>"""
    (tmp_path / "site/public").mkdir(parents=True)
    (tmp_path / "site/public/index.html").write_text(page)
    (tmp_path / "site/velobuild.toml").write_text('[source]\nurl = "http://127.0.0.1:9"\n')
    from tests.judges.served import serving

    with serving(tmp_path / "site") as (url, _):
        found = "\n".join(visits([f"{url}/"]))
    for sign in ("http://127.0.0.1:9/x.png", "Content Security Policy", "/lost.png does not show", "wider"):
        assert sign in found, found


# --- What was said, and what was not to be said


def test_every_visible_post_has_its_page_and_the_hidden_ones_are_nowhere(site: Served) -> None:
    text = everything(site.folder)
    for name, (fields, body) in posts().items():
        sentence = max(re.findall(r"^[A-Z][a-z][\w ,]{20,}", body, re.MULTILINE), key=len, default="")
        # An address may also be right in another post's text; a title and a sentence of the body are its own.
        for sign in filter(None, (fields["title"], sentence)):
            assert (sign in text) != hidden(name) or "&" in sign or "'" in sign, f"{name}: {sign}"
        if hidden(name):
            assert fields["slug"] not in text


def test_the_tag_that_stays_inside_is_nowhere(site: Served) -> None:
    assert "needs-editing" not in everything(site.folder).lower()
    assert any("Needs-Editing" in fields["tags"] for name, (fields, _) in posts().items() if not hidden(name))


def test_neither_the_cms_nor_its_key_can_be_seen(site: Served) -> None:
    text = everything(site.folder)
    assert "index.html" in text, "the control"
    assert urlsplit(site.cms_url).netloc not in text
    (token,) = site.tokens
    assert token not in text
    assert not re.search(r"velo_[0-9a-f]{16}", text)


def test_braces_in_a_post_stay_what_they_are(site: Served) -> None:
    assert "{{ 7 * 7 }}" in everything(site.folder)


def test_the_place_where_a_photograph_was_taken_is_gone(site: Served) -> None:
    def place(path: Path) -> dict[int, Any]:
        with Image.open(path) as picture:
            return dict(picture.getexif().get_ifd(IFD.GPSInfo))

    assert place(CMS / "media" / "canal.jpg")
    published = sorted((site.folder / "media").glob("*.jpg"))
    assert len(published) == 2
    assert [place(path) for path in published] == [{}, {}]


def test_the_build_warns_of_the_two_addresses_that_collide_and_of_nothing_else(site: Served) -> None:
    assert [warning.code for warning in site.warnings] == ["VB3003"]


def test_an_unknown_address_answers_404_with_the_sites_own_page(site: Served) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{site.url}/no/such/page/")
    with refused.value as answer:
        assert answer.status == 404
        assert "Page not found" in answer.read().decode()


# --- What docs/themes.md promises to templates

FIELD = re.compile(r"`((site|page|post|pager|tag|year|local)\.\w+(?:\.\w+)?(?:\([^)]*\))?)`")
SEEN_BY = {"home": {"site", "page", "pager"}, "post": {"post"}, "tag": {"tag"}, "year": {"year"}, "page": {"local"}}
FUNCTIONS = """{{ asset("css/highlight.css") }} {{ absolute("/x/") }} {{ t("page_number", number=2) }}
{{ theme.options.accent }} {{ config_flag("json_ld") }} {{ config_flag("open_graph") }} {{ post.published|date }}
{{ post.published|isodate }} {{ post.tags[0].name|tojson }} {{ site.logo.url }} {{ site.logo.width }}
{{ site.logo.height }} {{ site.logo.alt }} {{ site.posts.where(tag="bread", year=2025).count() }}
{{ site.posts.newest(2)[0].title }} {{ site.posts.oldest(1)[0].title }} {{ site.menu[0].title }}
{{ site.menu[0].url }} {{ site.menu[0].current }} {{ site.feeds[0].mime_type }} {{ site.pages[0].url }}"""


def promised() -> set[tuple[str, str]]:
    """(the value's name, an expression) for each field in the first cells of the tables of docs/themes.md."""
    rows = re.findall(r"^\| ([^|]+) \|", (CMS.parents[1] / "docs/themes.md").read_text("utf-8"), re.MULTILINE)
    found = {(name, expression.replace("(n)", "(3)")) for row in rows for expression, name in FIELD.findall(row)}
    return {(name, expression) for name, expression in found if not expression.endswith((".html", ".get"))}


def built_with(site: Served, copy: Path, templates: dict[str, str]) -> Ended:
    """The example site, rendered again from what it has, with templates of its own."""
    root = site.folder.parents[2]
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("releases", "public"))
    (copy / "templates").mkdir()
    for name, body in templates.items():
        page = f'{{% extends "base.html" %}}{{% block main %}}<h1>x</h1>{body}{{% endblock %}}'
        (copy / f"templates/{name}.html").write_text(page)
    return velobuild("--offline", "build", directory=copy)


def test_every_field_and_function_that_the_documentation_promises_is_there(site: Served, tmp_path: Path) -> None:
    fields = promised()
    assert len(fields) > 60
    pages = {
        page: "\n".join(f"{{{{ {expression} }}}}" for name, expression in sorted(fields) if name in names)
        for page, names in SEEN_BY.items()
    }
    pages["post"] += FUNCTIONS
    pages["archive"] = "{% for year in site.years %}{{ posts_of(year)[0].title }}{% endfor %}"
    ended = built_with(site, tmp_path / "site", pages)
    assert (ended.code, ended.err.count("error")) == (0, 0), ended.err


def test_a_field_that_is_not_there_would_have_stopped_it(site: Served, tmp_path: Path) -> None:
    ended = built_with(site, tmp_path / "site", {"tag": "{{ tag.colour }}"})
    assert ended.code == 1
    assert "tag.html" in ended.err
