"""A folder of Markdown gives what a CMS gives: each field, each file once, and a clear error for each damage."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.folder_site import LATER, FolderSite, png
from velobuild.errors import ConfigError, ContentProblem
from velobuild.model.entries import DRAFT, BodyFormat, Collection
from velobuild.sources import open_source
from velobuild.sources.folder import BATCH
from velobuild.sources.folder_links import rewritten, targets


@pytest.fixture
def site(tmp_path: Path) -> FolderSite:
    return FolderSite(tmp_path / "site")


def refused(site: FolderSite) -> ContentProblem:
    with pytest.raises(ContentProblem) as caught:
        site.sync()
    return caught.value


# --- what a file says


def test_front_matter_in_yaml_gives_every_field_of_a_post(site: FolderSite) -> None:
    site.write("content/img/a.png", png())
    site.post(
        "tea/first.md",
        "Body",
        id="p-1",
        title="First flush",
        slug="flush",
        date="2026-05-03 18:30:00+02:00",
        updated="2026-05-04",
        tags="[Tea, 2026, Tea]",
        author="Ada",
        excerpt="Short.",
        cover="../img/a.png",
        cover_alt="Leaves",
        seo_title="SEO",
        description="Described",
        rating="5",
    )
    site.sync()
    post = site.only
    assert (post.id, post.slug, post.title, post.status) == ("p-1", "flush", "First flush", "published")
    assert post.published_at == datetime(2026, 5, 3, 16, 30, tzinfo=UTC)
    assert post.updated_at == datetime(2026, 5, 4, tzinfo=UTC)
    assert post.tags == ("Tea", "2026")
    assert (post.excerpt, post.seo_title, post.seo_description) == ("Short.", "SEO", "Described")
    assert post.extra == {"author": "Ada", "rating": 5, "description": "Described"}
    assert post.body_format is BodyFormat.MARKDOWN
    cover = site.shelf.entries[Collection.MEDIA][post.cover_media_id or ""]
    assert cover.url == "https://content.folder.invalid/img/a.png"  # type: ignore[union-attr]
    assert cover.alt == "Leaves"  # type: ignore[union-attr]


def test_front_matter_in_toml_says_the_same(site: FolderSite) -> None:
    site.write(
        "content/a.md", '+++\ntitle = "T"\ndate = 2026-05-03T10:00:00Z\ntags = ["x"]\nauthors = ["A", "B"]\n+++\nText'
    )
    site.sync()
    assert (site.only.title, site.only.tags, site.only.extra["author"]) == ("T", ("x",), "A, B")


def test_a_file_without_front_matter_says_all_by_its_name_and_heading(site: FolderSite) -> None:
    site.write("content/2026-05-03-green-tea.md", "# Green tea\n\nText")
    site.sync()
    post = site.only
    assert (post.id, post.slug, post.title) == ("2026-05-03-green-tea", "green-tea", "Green tea")
    assert post.published_at == datetime(2026, 5, 3, tzinfo=UTC)
    assert "# Green" not in post.body


def test_an_index_file_is_called_like_its_folder(site: FolderSite) -> None:
    site.post("trips/rome/index.md")
    site.sync()
    assert (site.only.id, site.only.slug) == ("trips/rome/index", "rome")


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("2026-05-03", datetime(2026, 5, 2, 22, tzinfo=UTC)),
        ("2026-01-03", datetime(2026, 1, 2, 23, tzinfo=UTC)),
        ("2026-05-03 10:00", datetime(2026, 5, 3, 8, tzinfo=UTC)),
        ("2026-05-03T10:00:00", datetime(2026, 5, 3, 8, tzinfo=UTC)),
        ("2026-05-03T10:00:00Z", datetime(2026, 5, 3, 10, tzinfo=UTC)),
        ('"2026-05-03T10:00:00-05:00"', datetime(2026, 5, 3, 15, tzinfo=UTC)),
    ],
)
def test_a_date_without_a_zone_is_meant_in_the_sites_own(site: FolderSite, date: str, moment: datetime) -> None:
    site.configure('[site]\ntimezone = "Europe/Vienna"\n[source]\ntype = "folder"\n')
    site.post("a.md", date=date)
    site.sync()
    assert site.only.published_at == moment


def test_html_with_front_matter_is_a_post_and_html_without_is_none(site: FolderSite) -> None:
    site.write("content/a.html", "---\ntitle: A\ndate: 2026-05-03\n---\n<p>Text</p>")
    site.write("content/embedded.html", "<p>No post</p>")
    site.sync()
    assert site.only.body_format is BodyFormat.HTML


def test_drafts_other_statuses_and_hidden_files_stay_out(site: FolderSite) -> None:
    site.post("a.md")
    site.post("b.md", draft="true")
    site.post("c.md", status="private")
    site.post("d.md", date="", draft="true")
    site.post("_e.md")
    site.post(".f.md")
    site.post("_drafts/g.md")
    site.sync()
    assert list(site.posts) == ["a"]


def test_a_post_of_the_future_waits_for_its_day_and_needs_no_further_reading(site: FolderSite) -> None:
    site.post("a.md")
    site.post("b.md", date="2099-01-01")
    site.build("--offline")
    assert not (site.root / "public" / "b").exists()
    assert "Synced: no post changed" in site.run("sync").out


def test_pages_lie_where_they_lie_or_where_they_say(site: FolderSite) -> None:
    site.write("content/pages/about.md", "# About us\n\nText")
    site.write("content/pages/about/Our Team.md", "---\ntitle: Team\n---\nText")
    site.write("content/pages/x.md", "---\npath: legal/imprint\ndescription: D\ntemplate: wide\n---\nText")
    site.write("content/contact.md", "---\ntype: page\n---\nText")
    site.write("content/pages/story.md", "---\ntype: post\ndate: 2026-05-03\n---\nText")
    site.sync()
    assert sorted(site.pages) == ["about", "about/our-team", "contact", "legal/imprint"]
    assert site.pages["about"].title == "About us"
    assert (site.pages["legal/imprint"].description, site.pages["legal/imprint"].template) == ("D", "wide")
    assert list(site.posts) == ["pages/story"]


# --- read once


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(site: FolderSite) -> None:
    for name in "abc":
        site.post(f"{name}.md")
    site.sync()
    assert site.read == 3
    site.sync()
    assert site.read == 0
    site.post("b.md", "Other text")
    site.sync()
    assert site.read == 1


def test_a_change_that_time_and_size_hide_is_seen_while_the_file_is_young(site: FolderSite) -> None:
    file = site.post("a.md", "one")
    stamp = file.stat()
    young = datetime.fromtimestamp(stamp.st_mtime, UTC) + timedelta(seconds=1)
    site.sync(now=young)
    with file.open("r+b") as out:
        out.write(file.read_bytes().replace(b"one", b"two"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    site.sync(now=young)
    assert "two" in site.only.body


def test_an_old_time_stamp_alone_decides(site: FolderSite) -> None:
    """The control of the test before: once the stamp is old enough to count, it is believed."""
    file = site.post("a.md", "one")
    stamp = file.stat()
    site.sync(now=LATER)
    with file.open("r+b") as out:
        out.write(file.read_bytes().replace(b"one", b"two"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    site.sync(now=LATER)
    assert "one" in site.only.body


def test_touching_a_file_changes_nothing(site: FolderSite) -> None:
    file = site.post("a.md")
    site.sync()
    before = site.shelf.versions(Collection.POSTS)
    os.utime(file, (1, 1))
    site.sync()
    assert site.read == 0
    assert site.shelf.versions(Collection.POSTS) == before


def test_a_removed_file_takes_its_post_with_it_and_a_moved_one_with_an_id_does_not(site: FolderSite) -> None:
    site.post("a.md")
    file = site.post("b.md", id="b-1")
    site.sync()
    (site.root / "content" / "a.md").unlink()
    (site.root / "content" / "sub").mkdir()
    file.rename(site.root / "content" / "sub" / "renamed.md")
    site.sync()
    assert list(site.posts) == ["b-1"]


def test_another_time_zone_reads_every_date_anew(site: FolderSite) -> None:
    site.post("a.md")
    site.sync()
    site.configure('[site]\ntimezone = "Asia/Tokyo"\n[source]\ntype = "folder"\n')
    site.sync()
    assert site.only.published_at == datetime(2026, 5, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"recipe": 1}', '{"files": {"a.md": 3}}', "null"])
def test_a_cursor_of_something_else_costs_a_reading_and_no_more(site: FolderSite, cursor: str) -> None:
    site.post("a.md")
    site.shelf.cursor = cursor
    site.sync()
    assert list(site.posts) == ["a"]


# --- links


def test_links_between_files_lead_to_posts_and_pages_and_follow_a_new_slug(site: FolderSite) -> None:
    site.post("a.md", "[b](sub/b.md#part) [r][r] `[b](sub/b.md)`\n\n[r]: pages/about.md\n\n```\n[b](sub/b.md)\n```\n")
    site.post("sub/b.md", "[a](../a.md)", slug="bee")
    site.write("content/pages/about.md", "Text")
    site.sync()
    body = site.posts["a"].body
    assert "[b](/bee#part)" in body
    assert "[r]: /about" in body
    assert body.count("[b](sub/b.md)") == 2
    site.post("sub/b.md", "[a](../a.md)", slug="wasp")
    site.sync()
    assert "[b](/wasp#part)" in site.posts["a"].body
    assert site.read == 2


def test_a_link_that_leads_to_no_file_stays_as_it_is() -> None:
    for text in (
        "[x](other.md)",
        "[x](https://e.example/a.md)",
        "[x](mailto:a@b.md)",
        "![x](a.png)",
        "[x](../../up.md)",
    ):
        assert rewritten(text, "posts/a.md", {"posts/b.md": "/b"}) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[x](b.md)", ("posts/b.md",)),
        ("[x](./b.md 'title')", ("posts/b.md",)),
        ("[x](<b.md>)", ("posts/b.md",)),
        ("[x](/b.md)", ("b.md",)),
        ("[x](caf%C3%A9.md)", ("posts/café.md",)),
        ("~~~\n[x](b.md)\n~~~\n[y](c.md)", ("posts/c.md",)),
        ("````\n```\n[x](b.md)\n````\n", ()),
        ("``[x](b.md) ` ``", ()),
    ],
)
def test_links_are_found_as_markdown_means_them(text: str, found: tuple[str, ...]) -> None:
    assert targets(text, "posts/a.md") == found


@given(st.text(alphabet="[]()`~ \nab.md#/<>", max_size=80))
def test_text_without_links_to_known_files_is_never_touched(text: str) -> None:
    assert rewritten(text, "a.md", {"zzz.md": "/z"}) == text


# --- damage


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"---\ntitle: [\n---\nx", "YAML"),
        (b"---\ntitle: A\nx", "never closed"),
        (b"+++\ntitle = \n+++\nx", "TOML"),
        (b"---\ntitle: A\ntitle: B\n---\nx", "stands twice"),
        (b"---\ndate: 2026-05-03\n---\ncaf\xe9", "not UTF-8"),
        (b"---\ndate: soon\n---\nx", "is no date"),
        (b"---\ndate: 2026-02-30\n---\nx", "does not exist"),
        (b"---\ndate: [2026]\n---\nx", "is no date"),
        (b"---\ndate: 9999-12-31T23:59:59-12:00\n---\nx", "too far away"),
        (b"no date at all", "has no date"),
        (b"---\ndate: 2026-05-03\nid: a b\n---\nx", "id"),
        (b"---\ndate: 2026-05-03\nid: 'x:y'\n---\nx", "id"),
        (b"---\ndate: 2026-05-03\ncover: ../../etc/passwd\n---\nx", "outside of the folder"),
        (b"---\ntype: page\npath: ../x\n---\nx", "cannot be published"),
    ],
)
def test_a_damaged_file_is_an_error_with_its_place(site: FolderSite, content: bytes, says: str) -> None:
    site.post("good.md")
    site.write("content/bad.md", content)
    error = refused(site)
    assert (error.code, error.exit_code) == ("VB3005", 1)
    assert says in str(error)
    assert "content/bad.md" in (error.diagnostics[0].where or "")


def test_all_damaged_files_are_named_at_once_and_the_live_site_stays(site: FolderSite) -> None:
    site.post("good.md")
    site.build()
    before = site.live()
    site.write("content/one.md", "---\n[\n---\n")
    site.write("content/two.md", b"\xff\xfe")
    ended = site.run("build")
    assert ended.code == 1
    assert "one.md" in ended.err
    assert "two.md" in ended.err
    assert site.live() == before
    (site.root / "content" / "one.md").unlink()
    (site.root / "content" / "two.md").unlink()
    site.build()


def test_two_files_with_one_id_are_an_error_that_names_both(site: FolderSite) -> None:
    site.post("a.md", id="same")
    site.post("b.md", id="same")
    error = refused(site)
    assert "a.md has the same id, `same`" in str(error)
    assert (error.diagnostics[0].where or "").endswith("b.md")


def test_two_posts_with_one_slug_are_both_published_and_the_earlier_keeps_the_address(site: FolderSite) -> None:
    site.post("late.md", "late", slug="tea", date="2026-05-04")
    site.post("early.md", "early", slug="tea", date="2026-05-01")
    ended = site.build()
    assert "VB3003" in ended.err
    assert "<p>early</p>" in site.page("/tea/")
    assert "<p>late</p>" in site.page("/tea-late/")


def outside(site: FolderSite, name: str) -> Path:
    secret = site.root.parent / "secret.md"
    secret.write_text("---\ndate: 2026-05-03\n---\nSECRET", "utf-8")
    (site.root / "content" / name).symlink_to(secret)
    return secret


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_followed(site: FolderSite) -> None:
    file = site.post("a.md")
    (site.root / "content" / "b.md").symlink_to(file)
    site.sync()
    assert sorted(site.posts) == ["a", "b"]
    outside(site, "c.md")
    assert "leads out of the folder" in str(refused(site))


def test_links_to_folders_are_not_followed_and_circles_end(site: FolderSite) -> None:
    site.post("a.md")
    (site.root / "content" / "circle").symlink_to(site.root / "content")
    (site.root / "content" / "loop.md").symlink_to("loop.md")
    assert "loop.md" in (refused(site).diagnostics[0].where or "")
    (site.root / "content" / "loop.md").unlink()
    site.sync()
    assert list(site.posts) == ["a"]


def test_a_pipe_with_a_posts_name_is_no_file_and_nobody_waits_for_it(site: FolderSite) -> None:
    os.mkfifo(site.root / "content" / "pipe.md")
    assert "no file" in str(refused(site))


def test_a_file_beyond_the_limit_is_left_out_with_a_warning(site: FolderSite) -> None:
    site.configure('[source]\ntype = "folder"\n[limits]\npost_bytes = 1000\n')
    site.post("a.md")
    site.post("big.md", "x" * 2000)
    site.sync()
    assert list(site.posts) == ["a"]
    assert [(w.code, Path(w.where or "").name) for w in site.warnings] == [("VB3001", "big.md")]


def test_a_file_that_cannot_be_read_is_an_error(site: FolderSite) -> None:
    (site.root / "content" / "a.md").symlink_to(site.root / "content" / "gone.md")
    assert "cannot be read: No such file" in str(refused(site))


def test_a_name_that_is_not_utf8_is_an_error(site: FolderSite) -> None:
    with open(os.fsencode(site.root / "content") + b"/caf\xe9.md", "wb") as out:
        out.write(b"x")
    assert "not UTF-8" in str(refused(site))


def test_a_missing_folder_is_an_error_of_the_configuration(site: FolderSite) -> None:
    (site.root / "content").rmdir()
    with pytest.raises(ConfigError, match="there is no folder") as caught:
        site.sync()
    assert caught.value.code == "VB1101"


def test_a_folder_that_is_suddenly_empty_does_not_empty_the_site(site: FolderSite) -> None:
    file = site.post("a.md")
    site.build()
    file.unlink()
    ended = site.run("build")
    assert (ended.code, "VB5001" in ended.err) == (5, True)
    assert "<p>Text</p>" in site.page("/a/")
    site.build("--allow-shrink")
    assert not (site.root / "public" / "a").exists()


# --- pictures


def test_pictures_beside_a_post_are_published_and_change_when_their_bytes_do(site: FolderSite) -> None:
    picture = site.write("content/tea/leaf.png", png(1))
    site.write("content/tea/paper.pdf", b"%PDF-1.4\n%%EOF\n")
    site.write("content/tea/unused.png", png(9))
    site.post("tea/a.md", "![Leaf](leaf.png) ![Root](/tea/leaf.png) [paper](paper.pdf)", cover="leaf.png")
    site.build("--offline")
    first = site.pictures("/a/")
    assert len(first) == 3
    assert len(set(first)) == 1
    assert '.pdf"' in site.page("/a/")
    assert len(list((site.root / "public" / "media").iterdir())) == 2
    picture.write_bytes(png(2))
    site.build("--offline")
    assert site.pictures("/a/") != first


def test_equal_texts_in_two_folders_show_their_own_pictures(site: FolderSite) -> None:
    for name, red in (("one", 1), ("two", 2)):
        site.write(f"content/{name}/p.png", png(red))
        site.post(f"{name}/{name}.md", "![P](p.png)")
    site.build()
    assert site.pictures("/one/") != site.pictures("/two/")


def test_a_link_to_a_file_that_is_not_there_leads_to_the_site_itself_and_is_named(site: FolderSite) -> None:
    site.post("tea/a.md", "[Gone](gone.md) and [here](/nowhere.md#part)")
    ended = site.build()
    assert "VB3006" in ended.err
    everything = b"".join(file.read_bytes() for file in (site.root / "public").resolve().rglob("*.*") if file.is_file())
    assert b'href="/tea/gone.md"' in everything, "control"
    assert b'href="/nowhere.md#part"' in everything, "control"
    assert b".folder.invalid" not in everything
    assert ".folder.invalid" not in ended.err


def test_a_missing_picture_leaves_a_gap_and_a_warning(site: FolderSite) -> None:
    site.post("a.md", "![Gone](gone.png)")
    ended = site.build()
    assert "VB4001" in ended.err
    assert f"post a: {site.root / 'content' / 'gone.png'}" in ended.err or "content/gone.png" in ended.err
    assert ".invalid" not in ended.err, "the place that people know is said, and not the address that stands for it"
    assert not site.pictures("/a/")


def hidden(site: FolderSite) -> str:
    site.write("content/.env.png", png())
    return ".env.png"


def escaping(site: FolderSite) -> str:
    (site.root.parent / "secret.png").write_bytes(png())
    (site.root / "content" / "link.png").symlink_to(site.root.parent / "secret.png")
    return "link.png"


def climbing(site: FolderSite) -> str:
    (site.root / "secret.png").write_bytes(png())
    return "%2e%2e/secret.png"


def script(site: FolderSite) -> str:
    site.write("content/a.png", "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    return "a.png"


def pipe(site: FolderSite) -> str:
    os.mkfifo(site.root / "content" / "pipe.png")
    return "pipe.png"


@pytest.mark.parametrize("make", [hidden, escaping, climbing, script, pipe])
def test_no_file_is_published_that_lies_outside_or_is_no_picture(
    site: FolderSite, make: Callable[[FolderSite], str]
) -> None:
    site.write("content/good.png", png(3))
    site.post("a.md", f"![G](good.png) ![X]({make(site)})")
    ended = site.build()
    assert "VB400" in ended.err
    assert len(list((site.root / "public" / "media").iterdir())) == 1


# --- the command line


def test_no_token_is_asked_for_and_doctor_says_what_is_there(site: FolderSite) -> None:
    site.post("a.md")
    site.post("b.md", draft="true")
    site.write("content/pages/about.md", "Text")
    ended = site.run("doctor")
    assert ended.code == 0, ended.err
    assert "2 posts and 1 page, drafts: 1" in ended.out
    site.write("content/bad.md", "---\n[\n---\n")
    ended = site.run("doctor")
    assert ended.code == 1
    assert "bad.md" in ended.out


def test_local_pages_stay_beside_the_folders_own_and_two_for_one_address_are_refused(site: FolderSite) -> None:
    site.post("a.md")
    site.write("content/pages/about.md", "From the folder")
    site.write("pages/imprint.md", "Local")
    site.build()
    site.run("sync")
    assert "From the folder" in site.page("/about/")
    assert "Local" in site.page("/imprint/")
    assert "Nothing to publish" in site.build().out
    site.write("pages/about.md", "Rival")
    ended = site.run("build")
    assert ended.code == 1
    assert "two pages want the address /about/" in ended.err


def test_the_feed_keeps_the_id_of_the_system_that_the_post_comes_from(site: FolderSite) -> None:
    site.post("a.md", guid="https://old.example/?p=12")
    site.post("b.md", guid="no address at all")
    site.build()
    feed = (site.root / "public" / "atom.xml").read_text("utf-8")
    assert "<id>https://old.example/?p=12</id>" in feed
    assert "no address" not in feed


@pytest.mark.parametrize(
    "toml",
    [
        '[source]\ntype = "folder"\nurl = "https://a.example"',
        '[source]\ntype = "folder"\npath = "pages"',
        '[source]\ntype = "folder"\npath = "."',
        '[source]\ntype = "folder"\npath = "pages/posts"',
        '[source]\ntype = "floder"',
        '[source]\ntype = "folder"\n[source.options]\na = 1',
    ],
)
def test_what_cannot_be_a_folder_is_refused_by_the_configuration(site: FolderSite, toml: str) -> None:
    site.configure(toml)
    ended = site.run("config", "validate")
    assert ended.code == 2
    assert "error[VB11" in ended.err


def test_a_body_that_names_another_folder_as_its_base_gets_nothing_from_it(site: FolderSite) -> None:
    """A base is believed only where it is one of the site's own sources; an author's is taken out."""
    site.write("content/p.png", png())
    site.post("a.md", '<base href="https://evil.example/"><img src="p.png" alt="">')
    site.build()
    assert "evil.example" not in site.page("/a/")
    assert len(site.pictures("/a/")) == 1


def test_a_preview_shows_drafts_and_says_which_they_are(site: FolderSite) -> None:
    site.post("a.md")
    site.post("b.md", draft="true", date="")
    with open_source(replace(site.loaded, drafts=True), cache=None) as opened:
        for delta in opened.source.changes(site.shelf, None):
            site.shelf.take(delta)
    assert {id: DRAFT in post.extra for id, post in site.posts.items()} == {"a": False, "b": True}


def test_bodies_are_handed_over_in_batches_and_survive_a_stop(site: FolderSite) -> None:
    for number in range(BATCH + 50):
        site.post(f"p{number:03}.md")
    with open_source(site.loaded, cache=None, clock=lambda: LATER) as opened:
        first = next(iter(opened.source.changes(site.shelf, None)))
    assert len(first.upserts) == BATCH
    site.shelf.take(first)
    site.sync()
    assert site.read == 50
    assert len(site.posts) == BATCH + 50
