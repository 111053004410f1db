"""Several sources in one site: each with its own ids, tokens and cursor, and all of them or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.sources.conftest import Shelf
from tests.sources.folder_site import FolderSite, png
from tests.standin import StandIn, post
from velobuild.config.load import load
from velobuild.config.schema import SourceConfig
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable
from velobuild.model.entries import BodyFormat, Collection, Comment, Delta, Media, Page, Post, SiteSettings
from velobuild.model.outputs import SyncReport
from velobuild.model.ports import Known, NamedPost
from velobuild.pipeline import BuildOptions, build
from velobuild.sources.posts import Tally
from velobuild.sources.several import OwnEntries, Part, Several, cursor_of_one, cursors_in

POSTS, PAGES, MEDIA, SETTINGS = Collection.POSTS, Collection.PAGES, Collection.MEDIA, Collection.SETTINGS
DAY = datetime(2026, 5, 3, tzinfo=UTC)
TOML = """
[[source]]
url = "{url}"
rate_limit = "1000/s"

[[source]]
name = "notes"
type = "folder"
path = "notes"
"""


def entry(id: str, body: str = "<p>x</p>", **more: str) -> Post:
    return Post(id, id, id, body, BodyFormat.HTML, "published", DAY, DAY, **more)  # type: ignore[arg-type]


class Scripted:
    """A source that yields what it is given, and remembers what it was told."""

    def __init__(self, *deltas: Delta, fails: Exception | None = None) -> None:
        self.deltas = deltas
        self.fails = fails
        self.tally = Tally()
        self.cursors: list[str | None] = []
        self.known: list[dict[str, str]] = []

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        self.cursors.append(cursor)
        self.known.append(known.versions(POSTS))
        for delta in self.deltas:
            news = [one for one in delta.upserts if not known.holds(delta.collection, one.id, delta.versions[one.id])]
            yield replace(delta, upserts=tuple(news))
        if self.fails is not None:
            raise self.fails


def whole(*posts: Post, cursor: str | None = None) -> Delta:
    return Delta(POSTS, posts, {one.id: "1" for one in posts}, cursor=cursor, complete=True)


def part(name: str | None, source: Scripted | None, url: str | None = None) -> Part:
    return Part(SourceConfig(name=name, url=url or f"https://{name or 'main'}.example"), source)


def run(shelf: Shelf, *parts: Part) -> list[Delta]:
    deltas = list(Several(parts).changes(shelf, shelf.cursor))
    for delta in deltas:
        shelf.take(delta)
    return deltas


def ids(shelf: Shelf, collection: Collection = POSTS) -> list[str]:
    return sorted(shelf.entries.get(collection, {}))


# --- ids, addresses, cursors


def test_equal_ids_of_two_sources_are_two_posts_and_the_block_without_a_name_keeps_its_own() -> None:
    shelf = Shelf()
    run(shelf, part(None, Scripted(whole(entry("a")))), part("shop", Scripted(whole(entry("a")))))
    assert ids(shelf) == ["a", "shop:a"]


def test_each_source_sees_its_own_entries_cursor_and_versions_alone() -> None:
    shelf = Shelf()
    one = Scripted(whole(entry("a"), cursor="at 1"))
    two = Scripted(whole(entry("a"), entry("b"), cursor="at 2"))
    run(shelf, part(None, one), part("shop", two))
    deltas = run(shelf, part(None, one), part("shop", two))
    assert (one.cursors, two.cursors) == ([None, "at 1"], [None, "at 2"])
    assert (one.known[1], two.known[1]) == ({"a": "1"}, {"a": "1", "b": "1"})
    assert not any(delta.upserts for delta in deltas)


def test_everything_that_names_another_entry_names_it_under_its_new_id() -> None:
    shelf = Shelf()
    comment = Comment("c2", "a", "Bo", "Hi", DAY, parent_id="c1")
    source = Scripted(
        whole(entry("a", cover_media_id="m", author_id="u")),
        Delta(MEDIA, (Media("m", "/files/m.png"),), {"m": "1"}, complete=True),
        Delta(Collection.COMMENTS, (comment,), {"c2": "1"}, complete=True),
        Delta(PAGES, (Page("p", "about", "About", "[x](y)"),), {"p": "1"}, complete=True),
        Delta(SETTINGS, (SiteSettings(title="T", logo_url="/l.png"),), {"settings": "1"}, complete=True),
    )
    run(shelf, part("shop", source, "https://shop.example"))
    found = shelf.entries[POSTS]["shop:a"]
    assert isinstance(found, Post)
    assert (found.cover_media_id, found.author_id) == ("shop:m", "shop:u")
    assert found.body == '<base href="https://shop.example"><p>x</p>'
    media, settings = shelf.entries[MEDIA]["shop:m"], shelf.entries[SETTINGS]["shop:settings"]
    assert isinstance(media, Media)
    assert isinstance(settings, SiteSettings)
    assert media.url == "https://shop.example/files/m.png"
    assert settings.logo_url == "https://shop.example/l.png"
    kept = shelf.entries[Collection.COMMENTS]["shop:c2"]
    assert isinstance(kept, Comment)
    assert (kept.post_id, kept.parent_id) == ("shop:a", "shop:c1")


def test_a_source_that_moved_is_read_again_for_its_entries_hold_its_address() -> None:
    shelf = Shelf()
    source = Scripted(whole(entry("a"), cursor="here"))
    run(shelf, part("shop", source, "https://old.example"))
    run(shelf, part("shop", source, "https://new.example"))
    found = shelf.entries[POSTS]["shop:a"]
    assert isinstance(found, Post)
    assert "https://new.example" in found.body
    assert source.cursors == [None, None]


def test_a_site_with_one_source_keeps_its_ids_and_cursor_when_another_comes_and_goes() -> None:
    shelf = Shelf()
    main = Scripted(whole(entry("a"), cursor="plain"))
    for delta in main.changes(shelf, None):
        shelf.take(delta)
    run(shelf, part(None, main), part("shop", Scripted(whole(entry("b")))))
    assert main.cursors[1] == "plain"
    assert ids(shelf) == ["a", "shop:b"]
    alone = OwnEntries(shelf, Part(SourceConfig(), None))
    assert alone.versions(POSTS) == {"a": "1"}
    assert cursor_of_one(shelf.cursor) == "plain"


def test_the_entries_of_a_source_that_was_taken_out_go() -> None:
    shelf = Shelf()
    run(shelf, part("one", Scripted(whole(entry("a")))), part("two", Scripted(whole(entry("b")))))
    run(shelf, part("one", Scripted(whole(entry("a")))))
    assert ids(shelf) == ["one:a"]


def test_an_id_that_could_be_another_sources_is_refused_where_it_has_no_name() -> None:
    with pytest.raises(ProtocolError, match="cannot be told from") as caught:
        run(Shelf(), part(None, Scripted(whole(entry("shop:a")))), part("shop", Scripted(whole())))
    assert caught.value.code == "VB2201"


@pytest.mark.parametrize(
    ("cursor", "found"),
    [(None, {}), ("plain", {"main": "plain"}), ("{", {"main": "{"}), ("[1]", {"main": "[1]"}), ("{}", {"main": "{}"})],
)
def test_the_cursor_of_a_single_source_is_that_of_the_block_without_a_name(
    cursor: str | None, found: dict[str, str]
) -> None:
    assert cursors_in(cursor) == found


# --- all or nothing


def test_a_source_that_fails_leaves_all_as_it_was_but_what_came_is_kept_for_next_time() -> None:
    shelf = Shelf()
    staged = Delta(POSTS, (entry("b"),), {"b": "1"})
    failing = Scripted(staged, fails=SourceUnavailable("down", code="VB2101"))
    deltas = Several([part("one", Scripted(whole(entry("a")))), part("two", failing)]).changes(shelf, None)
    shelf.take(next(deltas))
    with pytest.raises(SourceUnavailable):
        next(deltas)
    assert ids(shelf) == []
    assert shelf.cursor is None
    again = run(shelf, part("one", Scripted(whole(entry("a")))), part("two", Scripted(staged, whole(entry("b")))))
    assert ids(shelf) == ["one:a", "two:b"]
    assert [one.id for delta in again for one in delta.upserts] == ["one:a"], "the other had come already"


def test_a_collection_that_one_source_does_not_speak_of_stays_beside_anothers() -> None:
    shelf = Shelf()
    media = Delta(MEDIA, (Media("m", "https://x.example/m.png"),), {"m": "1"}, complete=True)
    run(shelf, part("one", Scripted(whole(), media)), part("two", Scripted(whole(), media)))
    run(shelf, part("one", Scripted(whole())), part("two", Scripted(whole(), Delta(MEDIA, complete=True))))
    assert ids(shelf, MEDIA) == ["one:m"]


def test_what_cannot_be_asked_now_stays() -> None:
    shelf = Shelf()
    run(shelf, part("one", Scripted(whole(entry("a")))), part("two", Scripted(whole(entry("b")))))
    run(shelf, part("one", None), part("two", Scripted(whole(entry("c")))))
    assert ids(shelf) == ["one:a", "two:c"]


def test_settings_come_from_the_first_source_that_has_any() -> None:
    def settings(title: str) -> Delta:
        return Delta(SETTINGS, (SiteSettings(title=title),), {"settings": title}, complete=True)

    shelf = Shelf()
    without = Scripted(whole(), Delta(SETTINGS, complete=True))
    two, three = Scripted(whole(), settings("Two")), Scripted(whole(), settings("Three"))
    run(shelf, part("one", without), part("two", two), part("three", three))
    assert ids(shelf, SETTINGS) == ["two:settings"]
    run(shelf, part("one", without), part("two", Scripted(whole())), part("three", three))
    assert ids(shelf, SETTINGS) == ["two:settings"], "a source that says nothing of them now keeps what it had"
    run(shelf, part("three", three), part("two", two))
    assert ids(shelf, SETTINGS) == ["three:settings"]


def test_the_tally_is_the_sum_of_all() -> None:
    one, two = Scripted(whole()), Scripted(whole())
    one.tally = Tally(listed=2, bodies_fetched=1, may_empty=True)
    two.tally = Tally(listed=3, bodies_fetched=4, may_empty=False)
    tally = Several([part("one", one), part("two", two), part("three", None)]).tally
    assert (tally.listed, tally.bodies_fetched, tally.may_empty) == (5, 5, False)


# --- the configuration


def refused(folder: Path, toml: str, **environment: str) -> ConfigError:
    (folder / "velobuild.toml").write_text(toml, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(None, directory=folder, environment=environment)
    return caught.value


CMS = '[[source]]\nurl = "https://a.example"\n'


@pytest.mark.parametrize(
    ("toml", "code", "says"),
    [
        (CMS + CMS, "VB1101", "two [[source]] blocks have no name"),
        (CMS + '[[source]]\nname = "main"\ntype = "folder"', "VB1101", "are called `main`"),
        (CMS + '[[source]]\nname = "url"\ntype = "folder"', "VB1101", "cannot be the name"),
        (CMS + '[[source]]\nname = "A B"\ntype = "folder"', "VB1101", "cannot be the name"),
        (CMS + '[[source]]\nname = 3\ntype = "folder"', "VB1101", "cannot be the name"),
        (CMS + '[[source]]\nname = "b"\ntype = "folder"\nnope = 1', "VB1104", "unknown key `nope` in [source.b]"),
        (CMS + '[[source]]\nname = "b"\ncomments = "x"', "VB1101", "`comments` in [source.b] must be true or false"),
        (CMS + '[[source]]\nname = "b"', "VB1105", "address is missing"),
        (CMS + '[[source]]\nname = "b"\nurl = "http://b.example"\ntoken_env = "B"', "VB1301", "unencrypted"),
        (CMS + '[[source]]\nname = "b"\nurl = "https://b.example"', "VB1101", "the same token"),
        (CMS + '[[source]]\nname = "b"\ntoken = "x"\ntype = "folder"', "VB1203", "is a secret"),
        ("source = []", "VB1105", "empty list"),
        ("source = [1]", "VB1101", "list of tables"),
        ("source = 1", "VB1101", "must be a table"),
        (
            '[[source]]\nname = "a"\ntype = "folder"\n[[source]]\nname = "b"\ntype = "folder"',
            "VB1101",
            "already read by `a`",
        ),
    ],
)
def test_what_is_wrong_with_a_block_is_said_at_its_place(tmp_path: Path, toml: str, code: str, says: str) -> None:
    error = refused(tmp_path, toml)
    found = [one for one in error.diagnostics if one.code == code]
    assert found, error.diagnostics
    assert says in found[0].what
    block = toml.rfind("[[source]]")
    line = int((found[0].where or "0:0").split(":")[-2])
    assert line > toml[: max(block, 0)].count("\n")


def test_two_addresses_of_one_host_may_share_a_token(tmp_path: Path) -> None:
    (tmp_path / "velobuild.toml").write_text(CMS + '[[source]]\nname = "b"\nurl = "https://a.example/blog"\n', "utf-8")
    assert len(load(None, directory=tmp_path, environment={}).config.sources) == 2


def test_each_source_is_given_its_own_token_and_no_other(tmp_path: Path) -> None:
    other = '[[source]]\nname = "b"\nurl = "https://b.example"\ntoken_env = "B_TOKEN"\n'
    toml = CMS + other + '[[source]]\nname = "f"\ntype = "folder"\n'
    (tmp_path / "velobuild.toml").write_text(toml, "utf-8")
    environment = {"VELOCMS_API_KEY": "token-a", "B_TOKEN": "token-b", "VELOBUILD_TOKEN": "token-any"}
    loaded = load(None, directory=tmp_path, environment=environment)
    a, b, f = loaded.each_source()
    assert [token.reveal() for token in a.tokens] == ["token-a"]
    assert [token.reveal() for token in b.tokens] == ["token-b"]
    assert f.tokens == ()
    assert [token.reveal() for token in loaded.tokens] == ["token-a", "token-b"], "the guard against leaks knows all"
    environment.pop("B_TOKEN")
    with pytest.raises(ConfigError, match="no token") as caught:
        load(None, directory=tmp_path, environment=environment).require_tokens()
    assert "B_TOKEN" in (caught.value.diagnostics[0].where or "")


def test_the_token_for_any_source_counts_where_only_one_takes_it(tmp_path: Path) -> None:
    (tmp_path / "velobuild.toml").write_text(CMS + '[[source]]\nname = "f"\ntype = "folder"\n', "utf-8")
    loaded = load(None, directory=tmp_path, environment={"VELOBUILD_TOKEN": "token-any"})
    assert [token.reveal() for token in loaded.each_source()[0].tokens] == ["token-any"]


def test_blocks_go_by_their_names_in_flags_environments_and_what_is_shown(tmp_path: Path) -> None:
    notes = '[[source]]\nname = "notes"\ntype = "folder"\npath = "notes"\n'
    site = FolderSite(tmp_path / "site", f'[[source]]\n\n{notes}[env.x.source.notes]\npath = "other"\n')
    site.environment = {"VELOCMS_SITE_URL": "https://vendor.example"}
    shown = site.run("-e", "x", "--set", "source.notes.exclude_tags=a,b", "--json", "config", "show", "--origin")
    found = json.loads(shown.out)
    main, notes = found["config"]["source"]
    assert main["url"] == "https://vendor.example"
    assert (notes["path"], notes["exclude_tags"]) == ("other", ["a", "b"])
    origins = found["origins"]
    assert origins["source.main.url"] == "environment variable VELOCMS_SITE_URL"
    assert origins["source.notes.path"] == "[env.x] in velobuild.toml"
    assert origins["source.notes.exclude_tags"] == "--set source.notes.exclude_tags"
    assert (origins["source.notes.type"], origins["source.notes.comments"]) == ("velobuild.toml", "default")
    assert 'source.notes.path = "notes"' in site.run("config", "show").out
    wrong = site.run("--set", "source.url=https://a.example", "config", "validate")
    assert wrong.code == 2
    assert "say which one is meant: `source.main`, `source.notes`" in wrong.err
    wrong = site.run("--set", "source.note.path=x", "config", "validate")
    assert "none is called `note`" in wrong.err


def test_an_environment_may_bring_blocks_of_its_own_and_is_checked_while_it_is_not_chosen(tmp_path: Path) -> None:
    toml = CMS + '[[env.x.source]]\nname = "f"\ntype = "folder"\n'
    (tmp_path / "velobuild.toml").write_text(toml, "utf-8")
    assert [s.key for s in load(None, directory=tmp_path, environment={}).config.sources] == ["main"]
    assert [s.key for s in load(None, directory=tmp_path, environment={}, env_name="x").config.sources] == ["f"]
    error = refused(tmp_path, toml + 'pth = "x"\n')
    assert (error.code, error.diagnostics[0].where) == ("VB1104", "velobuild.toml:6:1")


# --- whole builds: a CMS with a folder beside it


@pytest.fixture
def cms() -> Iterator[StandIn]:
    with StandIn(posts=3) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, cms: StandIn) -> FolderSite:
    made = FolderSite(tmp_path / "site", TOML.format(url=cms.site))
    made.environment = {"VELOCMS_API_KEY": "velo_good", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (made.root / "notes").mkdir()
    return made


def note(site: FolderSite, name: str, body: str = "Note", **fields: str) -> Path:
    return site.post(f"../notes/{name}", body, **fields)


def test_posts_of_a_cms_and_of_a_folder_are_one_site(site: FolderSite) -> None:
    note(site, "a.md", "![P](p.png) [Post 1](/post-1/) [b](b.md)")
    note(site, "b.md")
    site.write("notes/p.png", png())
    site.write("notes/pages/about.md", "About")
    site.build()
    assert "<p>Body 1</p>" in site.page("/post-1/")
    assert len(site.pictures("/a/")) == 1
    assert 'href="/post-1/"' in site.page("/a/")
    assert 'href="/b/"' in site.page("/a/")
    assert "About" in site.page("/about/")
    assert "Salt &amp; Water" in site.page("/a/"), "settings come from the source that has them"
    assert "Nothing to publish" in site.build().out
    assert "folder.invalid" not in "".join(content.decode(errors="replace") for content in site.live().values())


def test_feeds_keep_their_ids_when_a_folder_comes_beside_a_cms(site: FolderSite, cms: StandIn) -> None:
    site.configure(f'[source]\nurl = "{cms.site}"\n')
    site.build()
    before = (site.root / "public" / "atom.xml").read_text("utf-8").split("<id>")
    site.configure(TOML.format(url=cms.site))
    asked = len(cms.bodies())
    site.build()
    after = (site.root / "public" / "atom.xml").read_text("utf-8").split("<id>")
    assert [part.partition("<")[0] for part in before[1:]] == [part.partition("<")[0] for part in after[1:]]
    assert len(cms.bodies()) == asked


def test_the_first_block_keeps_a_contested_address_and_the_other_gets_a_suffix(site: FolderSite, cms: StandIn) -> None:
    note(site, "x.md", "older note", slug="post-1", date="2020-01-01")
    ended = site.build()
    assert "VB3003" in ended.err
    assert "<p>Body 1</p>" in site.page("/post-1/")
    assert "older note" in site.page("/post-1-notes/")
    first, second = TOML.format(url=cms.site).strip().split("\n\n")
    site.configure(f"{second}\n\n{first}\n")
    site.build()
    assert "older note" in site.page("/post-1/"), "the order of the blocks decides, not the date"


@pytest.mark.parametrize("broken", ["cms", "folder"])
def test_a_source_that_fails_keeps_the_whole_live_site_and_its_exit_code(
    site: FolderSite, cms: StandIn, broken: str
) -> None:
    note(site, "a.md")
    site.build()
    before = site.live()
    note(site, "b.md")
    cms.posts["post00000000009"] = post(9)
    if broken == "cms":
        cms.tokens = {"another"}
    else:
        site.write("notes/bad.md", "---\n[\n---\n")
    ended = site.run("build")
    assert ended.code == (3 if broken == "cms" else 1)
    assert site.live() == before
    cms.tokens = {"velo_good"}
    (site.root / "notes" / "bad.md").unlink(missing_ok=True)
    site.build()
    assert (site.root / "public" / "b").exists()
    assert (site.root / "public" / "post-9").exists()


def test_offline_reads_the_folder_and_asks_nobody(site: FolderSite, cms: StandIn) -> None:
    note(site, "a.md")
    ended = site.run("build", "--offline")
    assert (ended.code, "VB2106" in ended.err) == (4, True)
    site.build()
    asked = len(cms.requests)
    note(site, "b.md", "![P](p.png)")
    site.write("notes/p.png", png())
    site.build("--offline")
    assert len(site.pictures("/b/")) == 1
    assert (site.root / "public" / "post-1").exists()
    assert len(cms.requests) == asked


def test_two_cmses_each_get_their_own_token_and_give_their_own_pictures(
    site: FolderSite, cms: StandIn, tmp_path: Path
) -> None:
    with StandIn(posts=2) as other:
        other.tokens = {"velo_other"}
        for server, color in ((cms, 1), (other, 2)):
            server.posts["post00000000001"] = post(1, content_html=f'<p>of {color} <a href="/post-0/">0</a></p>')
        site.configure(
            f'[[source]]\nurl = "{cms.site}"\n[[source]]\nname = "b"\nurl = "{other.site}"\ntoken_env = "B_TOKEN"\n'
        )
        site.environment["B_TOKEN"] = "velo_other"
        site.build()
        for server, token in ((cms, "velo_good"), (other, "velo_other")):
            sent = {request.headers.get("authorization") for request in server.requests if "/api/" in request.path}
            assert sent == {f"Bearer {token}"}
        assert "of 1" in site.page("/post-1/")
        assert "of 2" in site.page("/post-1-b-post/")
        doctor = site.run("doctor")
        assert "main: connection" in doctor.out
        assert "b: connection" in doctor.out
        before = site.live()
        other.tokens = {"revoked"}
        assert site.run("doctor").code == 3
        assert site.run("sync").code == 3
        assert site.live() == before


def test_a_small_source_that_is_suddenly_empty_does_not_vanish_among_the_posts_of_others(
    site: FolderSite, cms: StandIn
) -> None:
    cms.posts.update({made["id"]: made for made in map(post, range(40))})
    file = note(site, "a.md")
    site.build()
    file.unlink()
    ended = site.run("build")
    assert (ended.code, "all posts of `notes` would vanish" in ended.err) == (5, True)
    assert (site.root / "public" / "a").exists()
    site.build("--allow-shrink")
    assert not (site.root / "public" / "a").exists()


# --- builds for the posts that events name


def two(cms: StandIn, other: StandIn) -> str:
    limit = 'rate_limit = "1000/s"'
    return (
        f'[[source]]\nurl = "{cms.site}"\n{limit}\n'
        f'[[source]]\nname = "b"\nurl = "{other.site}"\ntoken_env = "B_TOKEN"\n{limit}\n'
    )


def build_named(site: FolderSite, *named: NamedPost) -> SyncReport:
    report = build(site.loaded, BuildOptions(named=named), cache=None).sync
    assert report is not None
    return report


def test_an_event_of_the_only_cms_beside_folders_costs_one_call(site: FolderSite, cms: StandIn) -> None:
    note(site, "a.md")
    site.build()
    (id, *_) = cms.posts
    cms.posts[id]["content_html"], cms.posts[id]["updated"] = "<p>Fresh</p>", "2026-06-01 10:00:00.000Z"
    cms.posts["post00000000009"] = post(9)
    for told in (NamedPost(id), NamedPost("post00000000009"), NamedPost(None, "post-9")):
        asked = len(cms.requests)
        report = build_named(site, told)
        assert (report.named, len(cms.requests) - asked) == ((told,), 1)
        assert cms.requests[-1].path.endswith(told.id or "post00000000009")
    assert "Fresh" in site.page(f"/{cms.posts[id]['slug']}/")
    del cms.posts["post00000000009"]
    assert build_named(site, NamedPost("post00000000009", there=False)).removed == 1
    live = site.live()
    assert "Nothing to publish" in site.build().out, "a whole reading has nothing to add"
    assert site.live() == live
    # The folder's post has that slug: whatever the CMS means by it is found by a whole reading.
    assert build_named(site, NamedPost(None, "a")).named == ()


def test_of_two_cmses_only_the_one_that_a_known_post_is_of_is_asked(site: FolderSite, cms: StandIn) -> None:
    with StandIn(posts=0) as other:
        other.posts |= {"shoppost0000001": post(11), "7": post(12, id="7")}
        other.posts["shoppost0000001"]["id"] = "shoppost0000001"
        site.configure(two(cms, other))
        site.environment["B_TOKEN"] = "velo_good"
        site.build()
        other.posts["shoppost0000001"] |= {"content_html": "<p>Fresh</p>", "updated": "2026-06-01 10:00:00.000Z"}
        asked = len(cms.requests), len(other.requests)
        report = build_named(site, NamedPost("shoppost0000001", there=True))
        assert (report.named, report.stale, report.changed) == ((NamedPost("shoppost0000001", there=True),), (), 1)
        assert (len(cms.requests) - asked[0], len(other.requests) - asked[1]) == (0, 1)
        assert "Fresh" in site.page("/post-11/")
        assert "Nothing to publish" in site.build().out
        # A number may be a new post's of the other CMS, as may an id that nobody knows, and any slug.
        for told in (NamedPost("7"), NamedPost("newpost00000001"), NamedPost(None, "post-11")):
            assert build_named(site, told).named == ()


def test_an_id_that_two_sources_have_tells_nothing(site: FolderSite, cms: StandIn) -> None:
    with StandIn(posts=3) as other:
        assert cms.posts.keys() & other.posts.keys()
        site.configure(two(cms, other))
        site.environment["B_TOKEN"] = "velo_good"
        site.build()
        assert build_named(site, NamedPost(next(iter(cms.posts)))).named == ()


def test_a_source_with_a_name_of_its_own_is_told_of_as_one_without(site: FolderSite, cms: StandIn) -> None:
    site.configure(f'[[source]]\nname = "blog"\nurl = "{cms.site}"\nrate_limit = "1000/s"\n')
    site.build()
    (id, *_) = cms.posts
    asked = len(cms.requests)
    assert (build_named(site, NamedPost(id)).named, len(cms.requests) - asked) == ((NamedPost(id),), 1)
