"""The templates of the theme plain, rendered with nothing but the values that docs/themes.md promises them."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.judges.accessibility import axe
from tests.judges.html import nu_html
from tests.themes.theme_stand_ins import (
    MORNING,
    THEMES,
    CommentView,
    FeedLink,
    Heading,
    MediaView,
    MenuEntry,
    PageLink,
    Pager,
    PostView,
    SiteView,
    TermView,
    everything,
    settings,
    templates,
)

HOSTILE = """</title></script><script>evil()</script><!--" onload="evil()' onerror='evil()' <b>&amp;{{ 7 * 7 }}"""
BREAD = TermView("bread", "bread", "/tags/bread/", 3)
CODE = '<pre class="highlight" tabindex="0"><code><span class="k">def</span> rise()</code></pre>'
BODY = Markup(f"""<p>Text with <a href="/x/">a link</a>, <code>code</code>, <kbd>Ctrl</kbd> and <mark>a mark</mark>.</p>
<h2 id="c-dough">The dough</h2><ul><li>Flour</li></ul><blockquote><p>Wait.</p></blockquote>
<figure><img src="/pic.svg" alt="A loaf" width="1200" height="700"><figcaption>The loaf.</figcaption></figure>
<h3 id="c-time">Time</h3><div class="table-scroll" tabindex="0" role="region" aria-label="Table"><table>
<thead><tr><th>Step</th><th>Hours</th></tr></thead><tbody><tr><td>Bulk</td><td>4</td></tr></tbody></table></div>{CODE}
<div class="admonition note"><p class="admonition-title">Note</p><p>See <a href="/y/">this</a>.</p></div>
<div class="admonition tip"><p class="admonition-title">Tip</p><p>Wet hands.</p></div>
<div class="admonition important"><p class="admonition-title">Important</p><p>Salt last.</p></div>
<div class="admonition warning"><p class="admonition-title">Warning</p><p>Hot.</p></div>
<div class="admonition caution"><p class="admonition-title">Caution</p><p>Hot!</p></div>
<details><summary>More</summary><p>Gluten.</p></details>""")
NEIGHBOUR = PostView(id="p2", title="Eight", url="/eight/", tags=(BREAD,))
FULL = PostView(
    title="The first loaf & the last",
    tags=(BREAD, TermView("朝ごはん", "asagohan", "/tags/asagohan/", 1)),
    content=BODY,
    toc=(
        Heading(2, "c-dough", "The dough", (Heading(3, "c-time", "Time"),)),
        Heading(2, "c-2", "B"),
        Heading(2, "c-3", "C"),
    ),
    cover=MediaView("/pic.svg", 1200, 700, "A loaf"),
    previous=replace(NEIGHBOUR, title="Six", url="/six/"),
    next=NEIGHBOUR,
    kin=(NEIGHBOUR, replace(NEIGHBOUR, title="خبز الصباح", url="/khubz/"), replace(NEIGHBOUR, title="", url="/none/")),
    comments=(CommentView("Grace", MORNING, Markup("<p>Mine came out flat.</p>")),),
    author="Ada Example",
)
SITE = SiteView(tags=(BREAD,), years=())


def rendered(name: str, post: PostView = FULL, site: SiteView = SITE, **how: Any) -> LexborHTMLParser:
    return LexborHTMLParser(text(name, post, site, **how))


def text(name: str, post: PostView = FULL, site: SiteView = SITE, **how: Any) -> str:
    more = how.pop("context", {})
    return templates(**how).get_template(name).render(everything(post, site)[name] | more)


def hostile() -> tuple[PostView, SiteView]:
    """A post and a site in which every text that somebody else may have written is an attack."""
    term = TermView(HOSTILE, HOSTILE, f"/tags/{HOSTILE}/", 1)
    media = MediaView(f"/media/{HOSTILE}", 10, 10, HOSTILE)
    post = PostView(
        id=HOSTILE, slug=HOSTILE, title=HOSTILE, url=f"/{HOSTILE}/", canonical=f"https://example.org/{HOSTILE}/",
        tags=(term,), excerpt=HOSTILE, content=Markup("<p>Body.</p>"), toc=(Heading(2, HOSTILE, HOSTILE),) * 3,
        cover=media, comments=(CommentView(HOSTILE, MORNING, Markup("<p>Nice.</p>")),), author=HOSTILE,
        seo_title=HOSTILE, seo_description=HOSTILE,
    )  # fmt: skip
    post = replace(post, kin=(post,), previous=post, next=post)
    site = SiteView(
        title=HOSTILE, description=HOSTILE, author=HOSTILE, logo=media, favicon=media, tags=(term,),
        feeds=(FeedLink(HOSTILE, f"/{HOSTILE}", HOSTILE),), pages=(PageLink(HOSTILE, f"/{HOSTILE}/"),),
    )  # fmt: skip
    return post, site


def attacks(tree: LexborHTMLParser) -> list[str]:
    """What an attack would have brought in: scripts, handlers, or a comment that swallows the page."""
    found = [node.html or "" for node in tree.css("script:not([type='application/ld+json'])")]
    found += [name for node in tree.css("*") for name in node.attributes if name.startswith("on")]
    found += [node.html or "" for node in tree.css("b") if not node.css("bdi")]
    return found


@pytest.mark.parametrize("name", sorted(everything(FULL, SITE)))
def test_no_value_breaks_out_of_its_place(name: str) -> None:
    post, site = hostile()
    page = text(name, post, site)
    assert attacks(LexborHTMLParser(page)) == []
    assert "{{ 7 * 7 }}" in page or name in {"404.html", "redirect.html"}


@pytest.mark.parametrize("name", sorted(everything(FULL, SITE)))
def test_without_escaping_the_same_values_do_break_out(name: str) -> None:
    post, site = hostile()
    environment = templates()
    environment.autoescape = False
    assert attacks(LexborHTMLParser(environment.get_template(name).render(everything(post, site)[name])))


@pytest.mark.parametrize("menu", [(), (MenuEntry(HOSTILE, f"/{HOSTILE}/", True),)])
def test_no_menu_entry_breaks_out_of_its_place(menu: tuple[MenuEntry, ...]) -> None:
    post, site = hostile()
    assert attacks(rendered("home.html", post, replace(site, menu=menu))) == []


def linked_data(tree: LexborHTMLParser) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(only(tree, "script[type='application/ld+json']").text())
    return found


def only(tree: LexborHTMLParser | LexborNode, selector: str) -> LexborNode:
    (node,) = tree.css(selector)
    return node


def test_the_linked_data_of_a_post_says_what_the_post_says_even_if_it_is_nasty() -> None:
    post, site = hostile()
    found = linked_data(rendered("post.html", post, site))
    assert (found["@type"], found["headline"], found["url"]) == ("BlogPosting", HOSTILE, post.canonical)
    assert found["author"] == {"@type": "Person", "name": HOSTILE}
    assert found["datePublished"] == MORNING.isoformat()


def test_the_linked_data_of_a_bare_post_is_valid_json() -> None:
    bare = PostView(title="", published=None, updated=None, excerpt=None)
    found = linked_data(rendered("post.html", bare, replace(SITE, author=None, description=None)))
    assert found["headline"] == "Untitled"
    assert not {"author", "image", "datePublished", "keywords"} & found.keys()


def test_the_home_page_says_which_site_it_is() -> None:
    assert linked_data(rendered("home.html"))["@type"] == "WebSite"


def test_both_kinds_of_metadata_can_be_switched_off() -> None:
    with_them, without = text("post.html"), text("post.html", flags=False)
    assert "og:title" in with_them
    assert "ld+json" in with_them
    assert "og:title" not in without
    assert "ld+json" not in without


@pytest.mark.parametrize("name", sorted(everything(FULL, SITE)))
def test_every_page_has_one_main_one_first_heading_a_language_and_a_policy(name: str) -> None:
    tree = rendered(name)
    assert only(tree, "h1").text(strip=True)
    assert only(tree, "main")
    assert only(tree, "title").text(strip=True)
    assert only(tree, "html").attributes["lang"] == "en"
    policy = only(tree, "meta[http-equiv='Content-Security-Policy']").attributes["content"] or ""
    assert policy.startswith("default-src '")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", sorted(set(everything(FULL, SITE)) - {"redirect.html"}))
def test_every_page_has_a_way_past_the_menu_and_finds_its_feeds(name: str) -> None:
    tree = rendered(name)
    assert only(tree, "a.skip").attributes["href"] == "#main"
    assert only(tree, "main").attributes["id"] == "main"
    feeds = [node.attributes["href"] for node in tree.css("head link[rel='alternate']")]
    assert feeds == ["/feed.xml", "/atom.xml"]


def test_a_page_names_its_canonical_address_unless_it_is_hidden_from_search() -> None:
    assert only(rendered("post.html"), "link[rel='canonical']").attributes["href"] == FULL.canonical
    for name, context in {"404.html": {}, "tag.html": {"page": hidden_page()}}.items():
        tree = rendered(name, context=context)
        assert tree.css("link[rel='canonical']") == []
        assert only(tree, "meta[name='robots']").attributes["content"] == "noindex"


def hidden_page() -> object:
    return replace(everything(FULL, SITE)["tag.html"]["page"], noindex=True)


def test_pictures_for_previews_have_full_addresses() -> None:
    image = only(rendered("post.html"), "meta[property='og:image']")
    assert image.attributes["content"] == "https://example.org/pic.svg"


def test_the_title_of_a_page_ends_in_the_sites_name_but_for_the_home_page() -> None:
    assert only(rendered("post.html"), "title").text() == "The first loaf & the last · Kitchen Notes"
    assert only(rendered("home.html"), "title").text() == "Kitchen Notes"


def test_a_post_without_title_or_date_still_has_a_name_and_no_empty_link() -> None:
    bare = PostView(title="", published=None, updated=None, excerpt=None)
    assert only(rendered("post.html", bare), "h1").text() == "Untitled"
    assert only(rendered("home.html", bare), ".summary a").text() == "Untitled"
    assert rendered("home.html", bare).css("time") == []


def test_an_update_is_shown_only_if_it_fell_on_another_day() -> None:
    assert "updated" not in text("post.html")
    assert "updated 9 March 2026" in text("post.html", replace(FULL, updated=MORNING.replace(day=9)))


def test_the_table_of_contents_appears_from_the_third_heading_on() -> None:
    assert [node.attributes["href"] for node in rendered("post.html").css(".toc a")] == [
        "#c-dough",
        "#c-time",
        "#c-2",
        "#c-3",
    ]
    assert rendered("post.html", replace(FULL, toc=FULL.toc[:2])).css(".toc") == []
    assert rendered("post.html", options={"toc": 0}).css(".toc") == []


def test_options_take_parts_of_the_page_away() -> None:
    assert len(rendered("post.html").css(".related li")) == 3
    assert rendered("post.html", options={"related": 0}).css(".related") == []
    assert rendered("home.html").css(".summary-excerpt") != []
    assert rendered("home.html", options={"excerpts": False}).css(".summary-excerpt") == []
    assert "min read" in text("home.html") + text("post.html")
    shown = [text(name, options={"reading_time": False}) for name in ("home.html", "post.html")]
    assert "min read" not in "".join(shown)


def test_options_that_concern_the_look_reach_the_style_sheet_as_attributes() -> None:
    root = only(rendered("home.html", options={"scheme": "dark", "accent": "rust", "font": "serif"}), "html")
    assert [root.attributes[f"data-{name}"] for name in ("scheme", "accent", "font")] == ["dark", "rust", "serif"]
    style = (THEMES / "plain/static/css/plain.css").read_text("utf-8")
    for name in ("scheme", "accent", "font"):
        option = settings("plain")["options"][name]
        for choice in option["choices"]:
            assert choice == option["default"] or f'[data-{name}="{choice}"]' in style


def test_the_archive_shows_the_newest_posts_of_a_year_and_leads_to_the_rest() -> None:
    site = replace(SITE, years=(replace_year(4),))
    assert rendered("archive.html", site=site).css("section.year p") == []
    cut = rendered("archive.html", site=site, options={"archive_posts": 2})
    assert len(cut.css("section.year li")) == 2
    assert only(cut, "section.year p a").text() == "All 4 posts of 2026"


def replace_year(count: int) -> Any:
    return replace(everything(FULL, SITE)["year.html"]["year"], count=count)


def test_a_list_of_one_page_has_no_pager_and_a_middle_page_leads_both_ways() -> None:
    assert rendered("home.html", context={"pager": Pager()}).css(".pager") == []
    tree = rendered("list.html")
    assert [node.attributes["href"] for node in tree.css(".pager a")] == ["/", "/page/3/"]
    assert only(tree, "head link[rel='prev']").attributes["href"] == "/"
    assert only(tree, "head link[rel='next']").attributes["href"] == "/page/3/"


def test_a_page_of_a_list_says_its_own_number_and_not_how_many_there_are() -> None:
    newest, oldest = Pager(number=3, total=3, older_url="/page/2/"), Pager(number=1, total=3, newer_url="/page/2/")
    assert only(rendered("home.html", context={"pager": newest}), ".pager-here").text() == "Newest page"
    assert only(rendered("list.html", context={"pager": oldest}), ".pager-here").text() == "Page 1"
    assert only(rendered("list.html", context={"pager": oldest}), "title").text().startswith("Posts – Page 1 ·")


def test_an_empty_site_says_so_instead_of_showing_nothing() -> None:
    for name in ("home.html", "tag.html", "year.html"):
        assert "There are no posts here yet." in text(name, context={"posts": ()})
    bare = replace(SITE, tags=(), years=(), pages=(), feeds=(), description=None, author=None)
    assert "There are no posts here yet." in text("tags.html", site=bare)
    assert "There are no posts here yet." in text("archive.html", site=bare)


def test_the_menu_marks_the_page_one_is_on() -> None:
    given = replace(SITE, menu=(MenuEntry("Posts", "/", True), MenuEntry("Tags", "/tags/")))
    assert only(rendered("home.html", site=given), ".site-menu [aria-current='page']").text() == "Posts"
    assert only(rendered("page.html"), ".site-menu [aria-current='page']").text() == "About"
    assert rendered("post.html").css("[aria-current]") == []


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl"), ("fa-IR", "rtl"), ("ara-x", "ltr")])
def test_the_direction_of_the_page_follows_the_language(language: str, direction: str) -> None:
    root = only(rendered("home.html", site=replace(SITE, language=language)), "html")
    assert (root.attributes["lang"], root.attributes["dir"]) == (language, direction)


def test_the_colours_of_code_are_fetched_only_where_there_is_code() -> None:
    sheets = [node.attributes["href"] for node in rendered("post.html").css("link[rel='stylesheet']")]
    assert sheets == ["/assets/css/plain.css", "/assets/css/highlight.css"]
    assert "highlight.css" not in text("post.html", PostView())


def test_a_redirect_leads_machines_and_people_to_the_new_address() -> None:
    tree = rendered("redirect.html")
    assert only(tree, "meta[http-equiv='refresh']").attributes["content"] == "0; url=/seven/"
    assert only(tree, "link[rel='canonical']").attributes["href"] == "https://example.org/seven/"
    assert only(tree, "a").attributes["href"] == "/seven/"
    assert only(tree, "meta[name='robots']").attributes["content"] == "noindex"


def test_the_words_of_the_templates_follow_the_language() -> None:
    assert "Zum Inhalt springen" in text("home.html", language="de", site=replace(SITE, language="de"))


@pytest.fixture(scope="module")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of page, and the home page in every accent and scheme, with the style sheets they ask for."""
    folder = tmp_path_factory.mktemp("themes")
    (folder / "assets/css").mkdir(parents=True)
    shutil.copy(THEMES / "plain/static/css/plain.css", folder / "assets/css")
    shutil.copy(THEMES / "base/static/favicon.svg", folder / "assets")
    # The colours of code are judged where they are made; here the page around them is.
    (folder / "assets/css/highlight.css").write_text(".highlight { color: inherit }")
    (folder / "pic.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 700"/>')
    site = replace(SITE, years=(replace_year(4),))
    for name in everything(FULL, site):
        (folder / name).write_text(text(name, site=site), "utf-8")
    for accent in settings("plain")["options"]["accent"]["choices"]:
        (folder / f"accent-{accent}.html").write_text(text("post.html", options={"accent": accent}), "utf-8")
    (folder / "forced-dark.html").write_text(text("post.html", options={"scheme": "dark"}), "utf-8")
    (folder / "rtl.html").write_text(text("home.html", site=replace(site, language="ar")), "utf-8")
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests speak for themselves."""


@pytest.fixture(scope="module")
def address(site_folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site_folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_html_checker_finds_no_error_on_any_kind_of_page(site_folder: Path) -> None:
    assert nu_html(site_folder) == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width_px"), [("light", 1280), ("dark", 1280), ("dark", 320)])
def test_axe_finds_no_violation_on_any_page_in_any_colour(
    site_folder: Path, address: str, scheme: Any, width_px: int
) -> None:
    pages = sorted(path.name for path in site_folder.glob("*.html") if path.name != "redirect.html")
    assert axe([f"{address}/{name}" for name in pages], scheme, width_px=width_px) == []
