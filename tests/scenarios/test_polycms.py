"""A site whose posts come from PolyCMS, by the command line, beside one with the same content from VeloCMS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.markup.test_blocks import doc, mark, node, p, text
from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest
from tests.standins.polycms import OldPolyStandIn, PolyStandIn, server_html
from velobuild.devcms import Running

DATE, LATER = "2026-05-03T10:00:00.000000Z", "2026-05-04T10:00:00.000000Z"


@pytest.fixture
def cms() -> Iterator[PolyStandIn]:
    with PolyStandIn() as running:
        yield running


def polycms_site(sites: Sites, cms: PolyStandIn, name: str = "poly", **sections: Any) -> SiteTest:
    source = {"type": "polycms", **sections.pop("source", {})}
    return sites(name, cms, source=source, **sections).environment(VELOCMS_API_KEY=cms.token)


def upload(cms: PolyStandIn, site: SiteTest, name: str, **fields: Any) -> str:
    return cms.put_media(name, site.draw(name, "red").read_bytes(), **fields)


def seen(site: SiteTest, path: str) -> tuple[str, list[tuple[str | None, ...]], list[str | None]]:
    """What a reader has of a page: its words, its pictures, its links."""
    main = LexborHTMLParser(site.text(path)).css_first("main")
    assert main is not None
    pictures = [tuple(image.attributes.get(name) for name in ("src", "alt", "width")) for image in main.css("img")]
    return " ".join(main.text().split()), pictures, [link.attributes.get("href") for link in main.css("a")]


def test_the_same_content_from_polycms_and_velocms_gives_the_same_pages(
    sites: Sites, cms: PolyStandIn, devcms: Running
) -> None:
    first = sites("velo")
    second = polycms_site(sites, cms)
    _, picture = first.picture("pot.png")
    cms.put_settings(site_title="Salt & Water", tagline="Cooking")
    devcms.update_settings(site_name="Salt & Water", site_description="Cooking")
    upload(cms, second, "pot.png", alt_text="A red square")
    quote = doc(
        node("heading", "How", level=2),
        p("He said:"),
        node("blockquote", p("Salt ", text("early", mark("code")), "!")),
        node("image", media_id=next(iter(cms.media))),
    )
    assert "early" not in server_html(quote), "control: the CMS's own HTML has lost the quote"
    first.post(
        "one",
        title="Salting",
        tags=["Pasta", "Salt"],
        excerpt="How much?",
        published_at=DATE,
        updated=DATE,
        content_html="<h2>How</h2><p>He said:</p><blockquote><p>Salt <code>early</code>!</p></blockquote>"
        f'<img src="{picture}">',
    )
    first.post(
        "two",
        tags=["Salt"],
        published_at=LATER,
        updated=LATER,
        content_html="<p>After <a href='/posts/one'>one</a></p>",
    )
    first.post("draft", status="draft").builds()
    written: dict[str, dict[str, Any]] = {
        "one": {"title": "Salting", "tags": ["Pasta", "Salt"], "excerpt": "How much?", "content_raw": quote},
        "two": {"title": "Two", "tags": ["Salt"], "content_html": "<p>After <a href='/posts/one'>one</a></p>"},
        "draft": {"status": "draft"},
    }
    written["one"]["content_html"] = server_html(quote)
    for slug, fields in written.items():
        date = LATER if slug == "two" else DATE
        cms.put_post(slug=slug, published_at=date, updated_at=date, author="Mia", **fields)
    second.builds()
    assert second.ran.warnings == []
    pages = {path for path in second.contents() if path.endswith(".html")}
    assert pages == {path for path in first.contents() if path.endswith(".html")}
    for path in ("one/index.html", "two/index.html", "tags/salt/index.html", "tags/pasta/index.html"):
        ours, theirs = seen(second, path), seen(first, path)
        assert ours[0].replace("Mia", "").split() == theirs[0].split(), path
        assert ours[1:] == theirs[1:], path
    assert seen(second, "one/index.html")[1][0][1] == "A red square"
    assert "Salt &amp; Water" in second.text("index.html")
    second.expects_nowhere("cms.example", "draft")
    assert {call.method for call in cms.calls} == {"GET"}


def test_edits_are_published_and_a_build_without_changes_publishes_nothing(sites: Sites, cms: PolyStandIn) -> None:
    site = polycms_site(sites, cms)
    cover = upload(cms, site, "pot.png")
    id = cms.put_post(slug="one", title="One", featured_image=cover)
    cms.put_post(slug="future", published_at="2999-01-01T00:00:00.000000Z")
    site.builds().expects_pages("one").expects_no_pages("future")
    assert [path for path in site.contents() if path.startswith("media/")]
    before = site.builds().release()
    assert site.builds().release() == before
    assert site.ran.report["sync"]["bodies_fetched"] == 0
    cms.put_post(id=id, slug="uno", title="Uno")
    site.builds().expects_pages("uno", "one")
    assert "refresh" in site.text("one/index.html"), "a slug that changed leaves a redirect"
    cms.set_status(id, "draft")
    site.does("build", "--allow-shrink").expects_exit(0).expects_no_pages("uno")


def test_a_token_that_is_refused_leaves_the_site_as_it_is(sites: Sites, cms: PolyStandIn) -> None:
    site = polycms_site(sites, cms)
    cms.put_post(slug="one")
    before = site.builds().tree()
    cms.tokens = set()
    site.does("build").expects_exit(3, "VB2001", "PolyCMS refused the token")
    assert site.tree() == before
    site.does("doctor").expects_exit(3)


def test_the_older_generation_is_built_with_nothing_more_than_its_key(sites: Sites) -> None:
    with OldPolyStandIn() as cms:
        site = polycms_site(sites, cms, "old")
        address = upload(cms, site, "pot.png", alt_text="A pot")
        cms.put_post(slug="one", content_html=f'<p>Body</p><img src="{address}">', tags=["Salt"])
        site.builds().expects_pages("one", "tags/salt")
        words, pictures, _ = seen(site, "one/index.html")
        assert "Body" in words
        assert [alt for _, alt, _ in pictures] == ["A pot"]


def test_a_site_without_a_token_is_built_and_says_so(sites: Sites, cms: PolyStandIn) -> None:
    site = polycms_site(sites, cms)
    del site.variables["VELOCMS_API_KEY"]
    cms.put_post(slug="one")
    site.builds().expects_pages("one")
    site.does("doctor").expects_exit(0)
    assert "there is none: posts, tags and categories come without" in site.ran.out


def test_pages_of_the_cms_stand_beside_the_site_s_own(sites: Sites, cms: PolyStandIn) -> None:
    site = polycms_site(sites, cms, source={"types": ["post", "page"]})
    site.file("pages/about.md", "# About us\n\nOurs.")
    address = upload(cms, site, "pot.png", alt_text="A pot")
    cms.put_post(slug="one")
    cms.put_post(type="page", slug="imprint", title="Imprint", content_html=f'<p>Law</p><img src="{address}" alt="">')
    site.builds().expects_pages("one", "about", "imprint")
    words, pictures, _ = seen(site, "imprint/index.html")
    assert "Law" in words
    assert [source for source, _, _ in pictures if source and source.startswith("/media/")]
    cms.put_post(type="page", slug="about", title="Theirs")
    site.does("build").expects_exit(1, "VB3003", "two pages want the address /about/")
