"""A site whose posts come from PocketBase's own API, by the command line."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest
from velobuild.config.shipped import folder
from velobuild.devcms import Running
from velobuild.devcms.seed import seed


def pocketbase_site(sites: Sites, devcms: Running, name: str = "pb", **sections: Any) -> SiteTest:
    source = {"type": "pocketbase", **sections.pop("source", {})}
    return sites(name, source=source, **sections).environment(VELOCMS_API_KEY=devcms.create_reader_token())


def files(site: SiteTest) -> dict[str, bytes]:
    root = site.public.resolve()
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_both_surfaces_of_one_cms_give_the_same_site(sites: Sites, devcms: Running) -> None:
    example = folder("example_site")
    seed(devcms, example / "cms")
    hidden = {"exclude_tags": ["Needs-Editing"]}
    made = [sites("v1", source=hidden), pocketbase_site(sites, devcms, source=hidden)]
    for site in made:
        shutil.copytree(example / "pages", site.root / "pages")
        site.counting().builds()
    sent = {(request.method, request.path) for request in devcms.requests("/api/")}
    assert {path for method, path in sent if method != "GET"} == {"/api/files/token"}
    assert not any(path.startswith("/api/v1/") for _, path in sent)
    first, second = (files(site) for site in made)
    assert sorted(first) == sorted(second)
    posts = [path for path in first if path.endswith("index.html")]
    assert len(posts) > 40
    for path in posts:
        texts = []
        for site_files in (first, second):
            main = LexborHTMLParser(site_files[path].decode()).css_first("main")
            assert main is not None, path
            texts.append(main.text())
        assert texts[0] == texts[1], path
    assert first == second, "and so is every other byte"
    again = made[1].builds().ran.report
    assert (again["release"], again["sync"]["bodies_fetched"]) == (None, 0), "and then there is nothing left to do"


def test_a_token_that_counts_no_longer_leaves_the_live_site_as_it_is(sites: Sites, devcms: Running) -> None:
    site = pocketbase_site(sites, devcms).posts(8)
    before = site.builds().tree()
    site.environment(VELOCMS_API_KEY="aaa.bbb.ccc").does("build").expects_exit(3, "VB2001", "refused the token")
    assert site.tree() == before


def test_a_guest_who_sees_less_is_stopped_by_the_guard(sites: Sites, devcms: Running) -> None:
    """An opaque token cannot be checked; to PocketBase a wrong one is a guest."""
    site = pocketbase_site(sites, devcms).posts(8)
    before = site.builds().tree()
    rule = '@request.auth.id != ""'
    devcms.admin.call("PATCH", "/api/collections/posts", json={"listRule": rule, "viewRule": rule})
    site.environment(VELOCMS_API_KEY="opaque-and-wrong").does("build").expects_exit(5, "VB5001", "8 of 8 posts")
    assert site.tree() == before


def test_a_protected_picture_is_published_and_its_token_is_not(sites: Sites, devcms: Running) -> None:
    site = pocketbase_site(sites, devcms)
    media = devcms.admin.call("GET", "/api/collections/media")
    fields = [field | {"protected": True} if field["name"] == "file" else field for field in media["fields"]]
    devcms.admin.call("PATCH", "/api/collections/media", json={"fields": fields})
    _, address = site.picture("pot.png")
    site.post("one", content_html=f'<p><img src="{address}" alt=""></p>').counting().builds()
    assert site.ran.warnings == []
    assert [path for path in files(site) if path.startswith("media/") and path.endswith(".png")]
    asked = [(call.status, call.query) for call in devcms.requests("/api/files/media/")]
    assert asked == [(404, ""), (200, "token=****")], "control: without a token it is not to be had"
    site.expects_nowhere("token=", "eyJ")


def test_a_field_that_is_named_wrong_ends_with_the_names_of_those_that_exist(sites: Sites, devcms: Running) -> None:
    site = pocketbase_site(sites, devcms, **{"source.fields": {"body": "text"}}).posts(1)
    site.does("build").expects_exit(2, "VB1303", "`posts` has no field `text`", "content_html, content_json")
    site.does("doctor").expects_exit(2)
    assert "VB1303" in site.ran.out


def test_a_site_of_a_few_posts_is_not_emptied_unnoticed(sites: Sites, devcms: Running) -> None:
    site = pocketbase_site(sites, devcms).posts(2)
    before = site.builds().tree()
    rule = '@request.auth.id != ""'
    devcms.admin.call("PATCH", "/api/collections/posts", json={"listRule": rule, "viewRule": rule})
    site.environment(VELOCMS_API_KEY="opaque-and-wrong").does("build").expects_exit(5, "VB5001", "2 of 2 posts")
    assert site.tree() == before
    site.builds("--allow-shrink")
