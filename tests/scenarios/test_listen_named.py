"""A build for posts that events name: one call each, no list, and the same site as a whole synchronisation makes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest
from tests.scenarios.test_pocketbase import pocketbase_site
from tests.standin import Reply, StandIn
from tests.standins.polycms import PolyStandIn
from velobuild.config.load import load
from velobuild.content.store import Store
from velobuild.devcms import Running
from velobuild.errors import SourceUnavailable
from velobuild.model.entries import Collection, Delta
from velobuild.model.outputs import BuildReport
from velobuild.model.ports import NamedPost
from velobuild.pipeline import BuildOptions, build
from velobuild.pipeline.naming import file_addresses
from velobuild.pipeline.syncing import opened


def build_named(site: SiteTest, *named: NamedPost) -> BuildReport:
    loaded = load(None, directory=site.root, environment=site.variables)
    return build(loaded, BuildOptions(named=named), cache=None)


def named(site: SiteTest, slug: str, **said: Any) -> NamedPost:
    return NamedPost(site.ids[slug], slug, **said)


def test_an_edited_post_costs_one_call_and_changes_its_page(site: SiteTest) -> None:
    site.posts(3).builds().edit("post-1", content_html="<p>Fresh bread</p>").counting()
    report = build_named(site, named(site, "post-1"))
    site.expects_calls(f"posts/{site.ids['post-1']}")
    assert "Fresh bread" in site.text("post-1/index.html")
    assert report.sync is not None
    assert (report.sync.changed, report.sync.named, report.sync.stale) == (1, (named(site, "post-1"),), ())


def test_the_site_after_named_builds_is_the_one_that_a_whole_build_makes(sites: Sites) -> None:
    one = sites("one").posts(4).builds()
    one.edit("post-0", title="Another title", tags=["tag 1", "new"]).delete("post-2").edit("post-3", slug="moved")
    for slug in ("post-0", "post-2", "post-3"):
        build_named(one, named(one, slug))
    after = one.contents()
    one.counting().builds()
    assert one.ran.report["release"] is None, "the whole synchronisation has nothing to add"
    assert one.ran.report["sync"]["bodies_fetched"] == 0
    assert one.contents() == after
    one.expects_no_pages("post-2")


def test_a_slug_alone_is_resolved_from_what_is_known_and_an_unknown_one_by_the_list(site: SiteTest) -> None:
    site.posts(2).builds().edit("post-1", content_html="<p>Fresh</p>").counting()
    build_named(site, NamedPost(None, "post-1"))
    site.expects_calls(f"posts/{site.ids['post-1']}")
    site.post("new").counting()
    build_named(site, NamedPost(None, "new"))
    assert any(call.startswith("posts?") or call == "posts" for call in site.calls())
    site.expects_pages("new")


def test_a_new_post_is_fetched_by_its_id(site: SiteTest) -> None:
    site.posts(1).builds().post("new").counting()
    build_named(site, named(site, "new", there=True))
    site.expects_calls(f"posts/{site.ids['new']}").expects_pages("new")


def test_a_picture_that_came_with_the_post_is_found_by_the_list_of_media(site: SiteTest) -> None:
    """Its alternative text stands in its record alone, and records are only to be had from the list."""
    site.posts(1).builds()
    _, address = site.picture("pot.png")
    site.edit("post-0", content_html=f'<p><img src="{address}"></p>').counting()
    build_named(site, named(site, "post-0"))
    assert "A red square" in site.text("post-0/index.html")
    site.edit("post-0", title="Again").counting()
    build_named(site, named(site, "post-0"))
    site.expects_calls(f"posts/{site.ids['post-0']}")


def test_the_list_is_the_cheaper_way_when_many_posts_are_named(site: SiteTest) -> None:
    site.posts(5).builds().counting()
    build_named(site, *(named(site, f"post-{number}") for number in range(5)))
    assert site.bodies_fetched() == {}
    assert site.calls()[0].startswith("posts")


def test_the_addresses_of_files_in_a_body_are_found_in_time_that_grows_with_it() -> None:
    body = '<img src="/a/b.png?x=1"><a href="/other-post/">x</a><img srcset="//h/c.webp 2x, /d.jpg#f"> 1.5 and/or'
    assert file_addresses(body) == {"/a/b.png?x=1", "//h/c.webp", "/d.jpg#f"}
    began = time.monotonic()
    for hostile in ("/" * 2_000_000, "a/" * 1_000_000, "/a." * 600_000, "//" + "." * 2_000_000):
        file_addresses(hostile)
    assert time.monotonic() - began < 5


def test_nonsense_in_an_event_never_becomes_part_of_an_address(site: SiteTest) -> None:
    site.posts(1).builds().counting()
    build_named(site, NamedPost("../media/1"))
    assert not any("media/1" in call for call in site.calls())


def test_k4_a_post_that_an_event_calls_deleted_stays_while_the_cms_shows_it(site: SiteTest) -> None:
    """K4. The question is repeated within a bound; the report then asks for a follow-up."""
    site.posts(1).builds().counting()
    report = build_named(site, named(site, "post-0", there=False))
    site.expects_pages("post-0")
    assert report.sync is not None
    assert report.sync.stale == (named(site, "post-0", there=False),)
    assert sum(site.bodies_fetched().values()) == 4


def test_k3_a_post_that_nobody_knows_and_that_is_gone_changes_nothing(site: SiteTest) -> None:
    """K3."""
    before = site.posts(1).builds().tree()
    report = build_named(site, NamedPost("nosuchpost00000", "none", there=False))
    assert report.release is None
    assert site.tree() == before


@pytest.fixture
def lagging() -> Any:
    with StandIn(posts=3) as cms:
        yield cms


def test_an_answer_older_than_the_event_is_asked_for_again(sites: Sites, lagging: StandIn) -> None:
    """An event is a floor: a CMS that answers from a lagging copy is not believed at once."""
    site = sites("lag", lagging).builds()
    id, old = next(iter(lagging.posts.items()))
    fresh = {**old, "content_html": "<p>Fresh</p>", "updated": "2026-06-01 10:00:00.000Z"}
    asked = 0

    def late(request: Any) -> None:
        nonlocal asked
        if request.path.endswith(id):
            asked += 1
            if asked == 3:
                lagging.posts[id] = fresh

    lagging.before = late
    floor = NamedPost(id, there=True, updated_at=datetime(2026, 6, 1, 10, tzinfo=UTC))
    report = build_named(site, floor)
    assert report.sync is not None
    assert (asked, report.sync.stale) == (3, ())
    assert "Fresh" in site.text(f"{old['slug']}/index.html")
    # The control: without the floor the old answer is taken.
    lagging.posts[id], asked = old, 0
    assert build_named(site, replace(floor, updated_at=None)).sync is not None
    assert asked == 1
    # And the bound: an answer that stays old is built, and said to be so.
    asked = 3
    later = replace(floor, updated_at=floor.updated_at and floor.updated_at + timedelta(days=30))
    report = build_named(site, later)
    assert report.sync is not None
    assert (asked, report.sync.stale) == (7, (later,))


def test_pocketbase_reads_a_named_post_in_one_call(sites: Sites, devcms: Running) -> None:
    site = pocketbase_site(sites, devcms).posts(3).builds()
    site.edit("post-1", content_html="<p>Fresh</p>").counting()
    build_named(site, named(site, "post-1"))
    asked = [request.path for request in devcms.requests("/api/collections/")]
    assert asked == ["/api/collections/posts/records"]
    assert "Fresh" in site.text("post-1/index.html")
    site.delete("post-1")
    build_named(site, named(site, "post-1", there=False))
    site.expects_no_pages("post-1")
    after = site.contents()
    assert site.builds().ran.report["release"] is None
    assert site.contents() == after


def test_control_k3_k4_a_post_that_is_gone_and_was_known_is_removed(site: SiteTest) -> None:
    """The control of K3 and K4: the answer decides, not the event."""
    site.posts(2).builds().delete("post-0")
    report = build_named(site, named(site, "post-0", there=True))
    assert report.sync is not None
    assert report.sync.removed == 1
    site.expects_no_pages("post-0").expects_pages("post-1")


def test_control_k4_to_believe_the_event_takes_away_a_page_that_the_cms_shows(site: SiteTest) -> None:
    """What is asked of the CMS above, here taken from the event alone."""
    site.posts(2).builds()
    loaded = load(None, directory=site.root, environment=site.variables)
    with opened(loaded.state, wait=False, warn=print) as connection:
        Store(connection).apply([Delta(Collection.POSTS, deletes=(site.ids["post-0"],))])
    site.builds("--offline").expects_no_pages("post-0").expects_pages("post-1")


def test_k4_a_post_that_an_event_calls_deleted_stays_while_the_cms_cannot_say(sites: Sites, lagging: StandIn) -> None:
    """K4: whatever the CMS answers but that the post is gone, the page stays and the event is tried again."""
    site = sites("away", lagging).builds()
    id, post = next(iter(lagging.posts.items()))
    lagging.fault(Reply(503, b""), f"posts/{id}")
    before = site.tree()
    with pytest.raises(SourceUnavailable):
        build_named(site, NamedPost(id, there=False))
    assert site.tree() == before
    lagging.faults.clear()
    lagging.posts.pop(id)
    build_named(site, NamedPost(id, there=False))
    site.expects_no_pages(post["slug"])


# --- several sources


def with_source(site: SiteTest, lines: str) -> SiteTest:
    toml = site.root / "velobuild.toml"
    toml.write_text(toml.read_text().replace("[source]", f"{lines}\n[[source]]", 1))
    return site


@pytest.fixture
def shop() -> Iterator[PolyStandIn]:
    with PolyStandIn() as running:
        yield running


def test_of_two_cmses_only_the_one_that_told_of_a_new_post_is_asked(site: SiteTest, shop: PolyStandIn) -> None:
    shop.put_post(title="Ladle", slug="ladle")
    lines = f'[[source]]\nname = "shop"\ntype = "polycms"\nurl = "{shop.url}"\ntoken_env = "SHOP_TOKEN"\n'
    with_source(site.posts(2), lines).environment(SHOP_TOKEN=shop.token).builds().expects_pages("ladle", "post-0")
    site.post("new").counting()
    shop.calls.clear()
    build_named(site, named(site, "new", there=True, source=""))
    site.expects_calls(f"posts/{site.ids['new']}").expects_pages("new")
    assert shop.calls == []
    # The control: where nobody knows who told, it could be a post of either.
    site.post("newer").counting()
    build_named(site, named(site, "newer", there=True))
    assert len(site.calls()) > 1
    assert shop.calls
    # And a number is a post's in the shop, and one of VeloCMS at most by chance.
    ladle = shop.put_post(title="Spoon", slug="spoon")
    site.counting()
    build_named(site, NamedPost(ladle, there=True, source="shop"))
    site.expects_calls().expects_pages("spoon")
    before = site.contents()
    site.builds()
    assert site.ran.report["release"] is None, "a whole synchronisation has nothing to add"
    assert site.contents() == before


@pytest.fixture
def noted(site: SiteTest) -> SiteTest:
    """A site of three posts of a CMS and a note in a folder."""
    with_source(site.posts(3), '[[source]]\nname = "notes"\ntype = "folder"\npath = "notes"\n')
    site.file("notes/note.md", "---\ndate: 2026-05-03\n---\nA note")
    # Old enough that its time is evidence.
    os.utime(site.root / "notes/note.md", (1_700_000_000, 1_700_000_000))
    return site.builds().expects_pages("note", "post-1")


def test_a_folder_beside_a_cms_is_looked_at_with_each_event(noted: SiteTest) -> None:
    noted.edit("post-1", content_html="<p>Fresh</p>").counting()
    noted.file("notes/note.md", "---\ndate: 2026-05-03\n---\nAnother note")
    noted.file("notes/second.md", "---\ndate: 2026-05-04\n---\nThe second")
    report = build_named(noted, named(noted, "post-1"))
    noted.expects_calls(f"posts/{noted.ids['post-1']}").expects_pages("second")
    assert "Another note" in noted.text("note/index.html")
    assert "Fresh" in noted.text("post-1/index.html")
    assert report.sync is not None
    assert report.sync.changed == 1, "the post that was named, by which the service judges the answer"
    before = noted.contents()
    assert noted.builds().ran.report["release"] is None
    assert noted.contents() == before


def test_a_note_that_is_half_written_holds_up_no_post(noted: SiteTest) -> None:
    noted.edit("post-1", content_html="<p>Fresh</p>")
    noted.file("notes/note.md", "---\ndate: someday\n---\nHalf")
    report = build_named(noted, named(noted, "post-1"))
    assert "Fresh" in noted.text("post-1/index.html")
    assert "A note" in noted.text("note/index.html")
    assert [warning.severity for warning in report.warnings if "note.md" in str(warning.where)] == ["warning"]
    noted.does("build").expects_exit(1)


def test_a_folder_that_is_not_there_takes_no_note_away(noted: SiteTest) -> None:
    (noted.root / "notes").rename(noted.root / "elsewhere")
    noted.edit("post-1", content_html="<p>Fresh</p>")
    report = build_named(noted, named(noted, "post-1"))
    noted.expects_pages("note")
    assert "Fresh" in noted.text("post-1/index.html")
    assert any("there is no folder" in warning.what for warning in report.warnings)
