"""Posts of PolyCMS and CometCMS that an event names: what they cost, and where nothing is certain of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sources.comet_blog import PLAIN, Blog, blog
from tests.sources.test_polycms import Site
from tests.standins.comet import CometStandIn, schema
from tests.standins.polycms import OldPolyStandIn, PolyStandIn
from velobuild.model.entries import Collection, Delta, Post
from velobuild.model.ports import FetchesPosts
from velobuild.sources import open_source

__all__ = ["blog"]

POSTS = Collection.POSTS


def fetched(loaded: Any, cms: PolyStandIn | CometStandIn, *ids: str) -> tuple[list[Delta], list[str]]:
    """The deltas, and the paths that were asked for."""
    before = len(cms.calls)
    with open_source(loaded, cache=None, sleep=lambda seconds: None) as opened:
        assert isinstance(opened.source, FetchesPosts)
        deltas = list(opened.source.fetch(ids))
    return deltas, [call.path.partition("/v1/")[2] for call in cms.calls[before:]]


def post_in(deltas: list[Delta]) -> Post:
    (found,) = [entry for delta in deltas for entry in delta.upserts if isinstance(entry, Post)]
    return found


@pytest.fixture(params=[PolyStandIn, OldPolyStandIn], ids=["v1", "legacy"])
def poly(request: pytest.FixtureRequest) -> Iterator[PolyStandIn]:
    with request.param() as cms:
        yield cms


def test_a_named_post_of_polycms_costs_a_call_and_a_glance_at_the_present_generation(poly: PolyStandIn) -> None:
    id = poly.put_post(slug="one", title="One")
    poly.put_post(slug="two")
    old = isinstance(poly, OldPolyStandIn)
    deltas, calls = fetched(Site(poly).loaded(api="legacy" if old else "v1"), poly, id)
    assert calls == [f"posts/{id}"] if old else ["posts", f"posts/{id}"]
    assert post_in(deltas).title == "One"


def test_the_library_is_asked_for_where_only_it_tells_what_a_post_shows(poly: PolyStandIn) -> None:
    address = poly.put_media("pot.png", b"PNG", alt_text="A pot")
    id = poly.put_post(slug="one", featured_image=address)
    site = Site(poly).sync()
    deltas, calls = fetched(site.loaded(), poly, id)
    assert "media" in calls
    assert post_in(deltas) == site.post(), "and the cover is the library's, as a whole reading says"


def test_what_polycms_cannot_show_is_neither_there_nor_gone() -> None:
    with PolyStandIn() as cms:
        id = cms.put_post(slug="one")
        page = cms.put_post(type="page", slug="about")
        cms.broken.add(int(id))
        deltas, _ = fetched(Site(cms).loaded(), cms, id, page, "some-slug")
        assert deltas == []
        assert cms.count("some-slug") == 0, "it is no number, so it would be another address"
        cms.broken.clear()
        deltas, _ = fetched(Site(cms).loaded(), cms, id)
        assert post_in(deltas).id == id, "control"


def test_a_named_post_of_cometcms_costs_the_schemas_the_library_and_a_call(blog: Blog) -> None:
    blog.cms.put_media("pot.png", b"PNG", alt="A pot")
    id = blog.cms.put_post("one", content="Text", cover=["pot.png"])
    for number in range(3):
        blog.cms.put_post(f"post-{number}", content="x")
    blog.sync()
    deltas, calls = fetched(blog.loaded(), blog.cms, id)
    ours = f"workspaces/{blog.cms.workspace}"
    assert calls == [f"{ours}/content-types", f"{ours}/media", f"{ours}/content/posts/{id}"]
    assert post_in(deltas) == blog.posts()[id]


def test_a_post_that_a_grant_withholds_is_not_called_gone(blog: Blog) -> None:
    id = blog.cms.put_post("one", content="Text")
    blog.tokens = (blog.cms.token,)
    blog.cms.withheld.add(id)
    assert fetched(blog.loaded(), blog.cms, id)[0] == []
    blog.cms.delete_post(id)
    deltas, _ = fetched(blog.loaded(), blog.cms, id)
    assert [delta.deletes for delta in deltas] == [(id,)], "control: one that is deleted is"


def test_an_entry_in_several_languages_is_several_posts_so_all_are_read(blog: Blog) -> None:
    fields = {"content": {"type": "markdown", "localized": True}}
    blog.cms.types["posts"] = schema("posts", fields, locales=["en", "de"], default_locale="en")
    id = blog.cms.put_post("one", content="Text", translations={"de": {"title": "Eins", "content": "Wort"}})
    blog.source["collections"] = PLAIN
    assert fetched(blog.loaded(locales=("en", "de")), blog.cms, id)[0] == []
    assert post_in(fetched(blog.loaded(), blog.cms, id)[0]).id == id, "control: in one language it is one"
