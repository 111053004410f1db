"""A WordPress export becomes a folder: nothing of value is lost, and nothing of it is dangerous."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Ended, velobuild
from tests.importers.exports import CHANNEL, END, attachment, wp_item, wxr
from velobuild.config.load import load
from velobuild.markup.frontmatter import split


def imported(folder: Path, *arguments: str) -> Ended:
    ended = velobuild("import", "wxr", "export.xml", *arguments, directory=folder)
    assert "Traceback" not in ended.err
    return ended


def entry(folder: Path, name: str, kind: str = "posts") -> tuple[dict[str, Any], str]:
    file = folder / "content" / kind / f"{name}.html"
    return split(file.read_text("utf-8"), where=str(file))


def configuration(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "velobuild.toml").read_text("utf-8"))


def test_a_post_keeps_slug_dates_terms_author_ids_and_picture(tmp_path: Path) -> None:
    terms = (("category", "bread", "Bread"), ("post_tag", "rye", "Rye & more"), ("category", "uncategorized", "None"))
    wxr(
        tmp_path,
        wp_item(7, title="Rye: “dark”", terms=terms, excerpt="In <b>short</b>", meta={"_thumbnail_id": "9"}),
        attachment(9, "https://old.example/wp-content/uploads/rye.jpg", "A loaf"),
    )
    ended = imported(tmp_path)
    assert ended.code == 0, ended.err
    front, body = entry(tmp_path, "post-7")
    assert body.strip() == "<p>Body 7</p>"
    assert (front["title"], front["slug"], front["id"], front["status"]) == ("Rye: “dark”", "post-7", "7", "published")
    assert front["date"] == datetime(2021, 5, 2, 23, 30, tzinfo=UTC)
    assert front["updated"] == datetime(2021, 6, 1, 10, 0, tzinfo=UTC)
    assert front["tags"] == ["Bread", "Rye & more"]
    assert front["author"] == "Ada Byron"
    assert front["excerpt"] == "In short"
    assert front["guid"] == "https://old.example/?p=7"
    assert (front["cover"], front["cover_alt"]) == ("https://old.example/wp-content/uploads/rye.jpg", "A loaf")
    for file in tmp_path.rglob("*.*"):
        assert file.name == "export.xml" or b"ada@private.example" not in file.read_bytes()


def test_the_old_addresses_become_the_pattern_and_the_rest_redirects(tmp_path: Path) -> None:
    wxr(
        tmp_path,
        *(wp_item(number) for number in range(1, 4)),
        wp_item(8, link="https://old.example/news/archives/8/"),
        wp_item(9, link="https://old.example/?p=9", status="draft"),
        wp_item(10, type="page", slug="team", link="https://old.example/about/team/"),
    )
    assert imported(tmp_path).code == 0
    made = configuration(tmp_path)
    assert made["urls"]["post"] == "/{year}/{month}/{slug}/"
    assert made["site"]["timezone"] == "Etc/GMT-2", "all dates lie two hours east"
    assert made["redirects"] == [{"from": "/news/archives/8/", "to": "/2021/05/post-8/"}]
    assert made["site"]["base_url"] == "https://old.example"
    loaded = load(None, directory=tmp_path, environment={})
    assert loaded.config.urls.post == "/{year}/{month}/{slug}/", "and velobuild takes it"
    assert entry(tmp_path, "team", "pages")[0]["path"] == "about/team"


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"status": "draft", "gmt": "0000-00-00 00:00:00"}, "draft", ""),
        ({"status": "pending"}, "draft", ""),
        ({"status": "private"}, "draft", "it is private"),
        ({"password": "sesame"}, "draft", "it has a password"),
        ({"status": "future", "date": "2999-01-01 00:00:00", "gmt": "2999-01-01 00:00:00"}, "published", ""),
    ],
)
def test_what_was_not_public_does_not_become_so(tmp_path: Path, fields: dict[str, Any], status: str, why: str) -> None:
    wxr(tmp_path, wp_item(7, **fields))
    ended = imported(tmp_path)
    assert entry(tmp_path, "post-7")[0]["status"] == status
    assert why in ended.err
    assert ("VB3202" in ended.err) == bool(why)


def test_what_is_left_out_is_told_with_its_reason_and_what_is_internal_is_not(tmp_path: Path) -> None:
    wxr(
        tmp_path,
        wp_item(1),
        wp_item(2, status="trash", title="Old news"),
        wp_item(3, type="product", title="A cup"),
        wp_item(4, type="nav_menu_item"),
        wp_item(5, type="revision", status="inherit"),
        wp_item(6, content='[contact-form to="x"] and [1] and [gallery ids="404"]'),
        wp_item(7, meta={"_thumbnail_id": "404"}),
    )
    ended = imported(tmp_path, "-v")
    for words in ("“Old news” (id 2): it lies in the trash", "“A cup” (id 3): it is of the kind `product`"):
        assert words in ended.err
    assert "“Post 6” (id 6): its shortcodes stay as text: [contact-form], [gallery]" in ended.err
    assert "“Post 7” (id 7): its picture is not in the export" in ended.err
    assert "(5 times)" not in ended.err
    assert sorted(file.name for file in (tmp_path / "content/posts").iterdir()) == [
        "post-1.html",
        "post-6.html",
        "post-7.html",
    ]


def test_names_that_wordpress_keeps_as_html_are_plain_text(tmp_path: Path) -> None:
    terms = (("category", "qa", "Q&amp;A"),)
    wxr(tmp_path, wp_item(1, title="It&#8217;s &lt;b&gt;", terms=terms, excerpt="<p>A &amp; B</p>"))
    imported(tmp_path)
    front, _ = entry(tmp_path, "post-1")
    assert (front["title"], front["tags"], front["excerpt"]) == ("It’s <b>", ["Q&A"], "A & B")


def test_what_a_folder_would_refuse_keeps_no_other_post_from_being_built(tmp_path: Path) -> None:
    date = {"date": "0001-01-01 00:00:00", "gmt": "0001-01-01 00:00:00"}
    wxr(
        tmp_path,
        wp_item(1),
        wp_item(2, **date),
        wp_item(3, type="page", slug="a-page", link="https://old.example/a/../b/"),
        wp_item(4, type="page", slug="b", link="https://old.example/%22b%22/"),
    )
    ended = imported(tmp_path, "-v")
    assert "“Post 2” (id 2): it has no date that can be meant" in ended.err
    assert "“Post 3” (id 3): its old address cannot be published" in ended.err
    built = velobuild("build", directory=tmp_path, environment={"HOME": str(tmp_path)})
    assert built.code == 0, built.err
    assert (tmp_path / "public/2021/05/post-1/index.html").is_file()
    assert (tmp_path / "public/a-page/index.html").is_file()
    assert (tmp_path / "public/b/index.html").is_file()


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    wxr(tmp_path, wp_item(1), wp_item(2))
    mine = tmp_path / "content/posts/post-1.html"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (tmp_path / "velobuild.toml").write_text("# mine")
    ended = imported(tmp_path)
    assert ended.code == 0
    assert mine.read_text() == "mine"
    assert (tmp_path / "velobuild.toml").read_text() == "# mine"
    assert "1 files were there already" in ended.err
    assert "[urls]" in (tmp_path / "imported.toml").read_text()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert imported(tmp_path).code == 0
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


# Texts.


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ("First line\nsecond\n\nNext", "<p>First line<br>\nsecond</p>\n\n<p>Next</p>"),
        ("<blockquote>Said\n\nso</blockquote>", "<blockquote>\n<p>Said</p>\n\n<p>so</p>\n\n</blockquote>"),
        ("<ul>\n<li>One</li>\n</ul>", "<ul>\n<li>\nOne\n</li>\n</ul>"),
        ("<pre>a\n\n  b</pre>\n\nText", "<pre>a\n\n  b</pre>\n<p>Text</p>"),
        ("<h2>Head</h2>\nText", "<h2>\nHead\n</h2>\n<p>Text</p>"),
        ("A<!--more-->B", "<p>AB</p>"),
        ("<!-- wp:heading -->\n<h2>Head</h2>\n<!-- /wp:heading -->\n\nText\n\nmore", "<h2>Head</h2>\n\n\nText\n\nmore"),
        (
            "[embed]https://video.example/1[/embed]",
            '<p>\n<a href="https://video.example/1">https://video.example/1</a>\n</p>',
        ),
        ('[code lang="py"]\na < b\n[/code]', '<pre><code class="language-py">a < b</code></pre>'),
    ],
)
def test_texts_get_the_paragraphs_that_wordpress_makes_when_it_shows_them(
    tmp_path: Path, content: str, html: str
) -> None:
    wxr(tmp_path, wp_item(1, content=content))
    imported(tmp_path)
    assert entry(tmp_path, "post-1")[1].strip() == html


def test_captions_and_galleries_become_figures(tmp_path: Path) -> None:
    wxr(
        tmp_path,
        attachment(5, "https://old.example/a.jpg", "A & b"),
        wp_item(
            1, content='[caption id="x" width="300"]<img src="/b.jpg" alt="B" /> A pot[/caption]\n\n[gallery ids="5"]'
        ),
    )
    ended = imported(tmp_path)
    body = entry(tmp_path, "post-1")[1]
    assert '<img src="https://old.example/b.jpg" alt="B" />' in body.replace("\n", "")
    assert "A pot" in body.split("<figcaption>")[1].split("</figcaption>")[0]
    assert '<img src="https://old.example/a.jpg" alt="A &amp; b">' in body
    assert configuration(tmp_path)["source"]["media_hosts"] == ["old.example"]
    assert "The pictures still lie at old.example" in ended.err


def test_slugs_of_other_scripts_are_decoded(tmp_path: Path) -> None:
    link = "https://old.example/2021/05/%e3%83%91%e3%83%b3/"
    wxr(tmp_path, wp_item(1, slug="%e3%83%91%e3%83%b3", link=link))
    imported(tmp_path)
    assert entry(tmp_path, "パン")[0]["slug"] == "パン"
    assert "redirects" not in configuration(tmp_path), "its address is what the pattern gives"


# Damage and malice.


def test_a_control_character_costs_neither_the_text_nor_the_rest(tmp_path: Path) -> None:
    wxr(tmp_path, wp_item(1, content="<p>Before\x08\x0b after</p>"), wp_item(2))
    assert imported(tmp_path).code == 0
    assert entry(tmp_path, "post-1")[1].strip().replace("\n", "") == "<p>Before after</p>"
    assert entry(tmp_path, "post-2")


def test_an_export_that_breaks_off_gives_what_came_and_says_where_it_broke(tmp_path: Path) -> None:
    whole = CHANNEL + wp_item(1) + wp_item(2) + wp_item(3, content="x" * 500) + END
    (tmp_path / "export.xml").write_text(whole[: whole.index("x" * 500) + 100], "utf-8")
    ended = imported(tmp_path, "-v")
    assert sorted(file.name for file in (tmp_path / "content/posts").iterdir()) == ["post-1.html", "post-2.html"]
    assert "VB3202" in ended.err
    assert "the export is damaged here" in ended.err
    assert "it is incomplete" in ended.err


def test_an_ampersand_alone_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    wxr(tmp_path, wp_item(1), wp_item(2, raw="<wp:x>Salt & water</wp:x>"), wp_item(3))
    ended = imported(tmp_path, "-v")
    assert len(list((tmp_path / "content/posts").iterdir())) == 3
    assert "export.xml:" in ended.err
    assert "the export is damaged here" in ended.err


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel/></rss>',
        '<?xml version="1.0"?><!DOCTYPE rss SYSTEM "http://127.0.0.1:9/x.dtd"><rss><channel/></rss>',
        "<html>Log in</html>",
        "PK\x03\x04",
        "",
    ],
)
def test_what_is_no_export_is_refused_and_nothing_is_written(tmp_path: Path, document: str) -> None:
    (tmp_path / "export.xml").write_text(document)
    ended = imported(tmp_path)
    assert ended.code == 1
    assert "VB3201" in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["export.xml"]


def test_an_entity_that_is_declared_later_is_not_expanded(tmp_path: Path) -> None:
    """XML allows no DOCTYPE within the root; the reader stops there."""
    secret = tmp_path / "secret"
    secret.write_text("TOP-SECRET")
    doctype = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}">]>'
    (tmp_path / "export.xml").write_text(
        CHANNEL + doctype + wp_item(1, raw="<wp:x>&a;</wp:x>").replace("Post 1", "&a;") + END
    )
    ended = imported(tmp_path)
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file.name not in ("secret", "export.xml")]
    assert (ended.code, written) == (1, []), ended.err
    assert "export.xml:20" in ended.err, "the reader stopped at the declaration"
    assert "TOP-SECRET" not in ended.out + ended.err


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    ended = imported(tmp_path)
    assert (ended.code, "VB3201" in ended.err) == (1, True)


@pytest.mark.slow
def test_a_large_export_is_read_in_a_stream(tmp_path: Path) -> None:
    """30 MB of posts in far less memory than that."""
    with (tmp_path / "export.xml").open("w", encoding="utf-8") as out:
        out.write(CHANNEL)
        for number in range(300):
            out.write(wp_item(number, content="<!-- wp:html --><p>" + "a word " * 15_000))
        out.write(END)
    code = (
        "import resource, sys; from pathlib import Path; from velobuild.importers.wxr import Wxr\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(1 for _ in Wxr(Path('export.xml'), print))\n"
        "print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    count, more_mb = map(int, said.split())
    assert count == 300
    assert more_mb < 10
