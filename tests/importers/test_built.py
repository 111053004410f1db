"""What was imported, built by the command line: old addresses and feed ids live on."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from tests.cli.command_line import velobuild
from tests.importers.exports import ghost, ghost_post, wp_item, wxr

ATOM = "{http://www.w3.org/2005/Atom}"


def built(folder: Path) -> Path:
    ended = velobuild("build", directory=folder, environment={"HOME": str(folder)})
    assert ended.code == 0, ended.err
    return folder / "public"


def rss_guids(public: Path) -> dict[str | None, str | None]:
    items = ET.parse(public / "feed.xml").getroot().iter("item")
    return {item.findtext("title"): item.findtext("guid") for item in items}


def atom_ids(public: Path) -> dict[str | None, str | None]:
    entries = ET.parse(public / "atom.xml").getroot().iter(f"{ATOM}entry")
    return {entry.findtext(f"{ATOM}title"): entry.findtext(f"{ATOM}id") for entry in entries}


def test_a_wordpress_blog_is_where_it_was(tmp_path: Path) -> None:
    terms = (("category", "bread", "Bread"),)
    wxr(
        tmp_path,
        wp_item(1, terms=terms, content="First line\n\nSecond <b>line</b>"),
        wp_item(2),
        wp_item(3, link="https://old.example/bread/post-3.html"),
        wp_item(4, status="private", content="Not for everybody"),
        wp_item(5, type="page", slug="team", title="The team", link="https://old.example/about/team/"),
    )
    assert velobuild("import", "wxr", "export.xml", directory=tmp_path).code == 0
    public = built(tmp_path)
    page = (public / "2021/05/post-1/index.html").read_text()
    for words in ("Second <b>line</b>", "Ada Byron", "/tags/bread/"):
        assert words in page
    assert "/2021/05/post-3/" in (public / "bread/post-3.html").read_text(), "a redirect"
    assert "The team" in (public / "about/team/index.html").read_text()
    assert not [file for file in public.resolve().rglob("*.html") if "Not for everybody" in file.read_text()]
    guids = {f"Post {number}": f"https://old.example/?p={number}" for number in (1, 2, 3)}
    assert rss_guids(public) == guids
    assert atom_ids(public) == guids


def test_a_ghost_blog_is_where_it_was(tmp_path: Path) -> None:
    ghost(tmp_path, [ghost_post(1), ghost_post(2, visibility="paid", html="<p>Paid for</p>")])
    assert velobuild("import", "ghost", "export.json", "--url", "https://old.example", directory=tmp_path).code == 0
    public = built(tmp_path)
    assert "<p>Body 1</p>" in (public / "post-1/index.html").read_text()
    assert not [file for file in public.resolve().rglob("*.html") if "Paid for" in file.read_text()]
    assert rss_guids(public) == {"Post 1": "60c0ffee0000000000000001"}, "as Ghost's own feed called it"
    assert str(atom_ids(public)["Post 1"]).startswith("urn:uuid:"), "Ghost had no Atom, which wants an IRI"
