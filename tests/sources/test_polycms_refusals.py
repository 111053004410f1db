"""What PolyCMS answers when it will not or cannot, its tokens, its older generation, its files, and the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from tests.sources.test_polycms import Site
from tests.standins.polycms import KEY, TOKEN, OldPolyStandIn, PolyStandIn, Reply
from velobuild.errors import ConfigError, VelobuildError
from velobuild.model.entries import Collection
from velobuild.sources.doctor import Verdict
from velobuild.sources.polycms_api import refusal

MEDIA, SETTINGS = Collection.MEDIA, Collection.SETTINGS
Envelope = Literal["data", "items", "posts", "bare", "numbered"]


@pytest.fixture
def cms() -> Iterator[PolyStandIn]:
    with PolyStandIn() as running:
        yield running


@pytest.fixture
def site(cms: PolyStandIn) -> Site:
    return Site(cms)


@pytest.fixture
def old() -> Iterator[OldPolyStandIn]:
    with OldPolyStandIn() as running:
        yield running


def refused(site: Site, **config: Any) -> VelobuildError:
    with pytest.raises(VelobuildError) as caught:
        site.sync(**config)
    shown = repr(caught.value.diagnostics) + repr(site.warnings)
    assert TOKEN not in shown
    assert KEY not in shown
    assert caught.value.hint
    return caught.value


# The four shapes of an error.


def test_the_message_is_found_in_each_shape() -> None:
    shapes = [
        (
            {"data": None, "error": {"code": "FORBIDDEN", "message": "No", "details": None}, "meta": []},
            "403 FORBIDDEN: No",
        ),
        ({"message": "Unauthenticated."}, "403: Unauthenticated."),
        ({"message": "Wrong", "errors": {"page": ["wrong"]}}, "403: Wrong"),
        ({"success": False, "message": "Forbidden"}, "403: Forbidden"),
        (None, "403: Forbidden"),
    ]
    for body, said in shapes:
        assert refusal(403, {}, body, where="", excerpt="").said == said


@pytest.mark.parametrize(
    ("kind", "code", "exit_code"),
    [
        ("controller 401", "VB2001", 3),
        ("laravel 401", "VB2001", 3),
        ("login 302", "VB2001", 3),
        ("controller 403", "VB2002", 3),
        ("success 403", "VB2002", 3),
        ("controller 404", "VB1302", 2),
        ("laravel 404", "VB1302", 2),
        ("laravel route", "VB1302", 2),
        ("html 404", "VB1302", 2),
        ("controller 422", "VB2201", 5),
        ("laravel 422", "VB2201", 5),
        ("html 200", "VB2201", 5),
        ("elsewhere 302", "VB2204", 5),
        ("cut", "VB2202", 5),
        ("laravel 500", "VB2103", 4),
        ("html 503", "VB2103", 4),
        ("limited for long", "VB2104", 4),
    ],
)
@pytest.mark.parametrize("api", ["auto", "v1"])
def test_each_error_of_the_list_ends_as_documented(
    cms: PolyStandIn, site: Site, kind: str, code: str, exit_code: int, api: str
) -> None:
    cms.put_post()
    site.sync()
    before = site.shelf.cursor
    cms.fail_next(kind, "/api/v1/posts", times=1000)
    error = refused(site, api=api)
    assert (error.code, error.exit_code) == (code, exit_code)
    assert (site.shelf.cursor, len(site.posts())) == (before, 1)


@pytest.mark.parametrize(
    ("location", "code"),
    [("{own}/account/login", "VB2001"), ("https://elsewhere.example/account/login", "VB2204")],
)
def test_only_the_cms_s_own_login_page_means_that_the_token_is_refused(
    cms: PolyStandIn, site: Site, location: str, code: str
) -> None:
    cms.routed = lambda call: Reply(302, "", {"Location": location.format(own=cms.url)})
    assert refused(site).code == code
    assert not any(call.path == "/account/login" for call in cms.calls), "it is not followed"


def test_what_passes_is_waited_for(cms: PolyStandIn, site: Site) -> None:
    cms.put_post()
    cms.fail_next("limited", "/posts")
    cms.fail_next("html 503", "/posts", times=2)
    assert len(site.sync().posts()) == 1
    assert any(0.9 < pause < 1.2 for pause in site.slept), "as long as Retry-After said"


@pytest.mark.parametrize(
    "body",
    [
        {"page": 1, "per_page": 20, "total": 0, "total_pages": 0, "items": []},
        {"page": 1, "perPage": 30, "totalItems": 0, "totalPages": 0, "items": []},
    ],
    ids=["VeloCMS", "PocketBase"],
)
def test_another_cms_at_the_address_is_named(cms: PolyStandIn, site: Site, body: dict[str, Any]) -> None:
    cms.routed = lambda call: Reply(200, body) if call.path.startswith("/api/") else None
    error = refused(site)
    assert (error.code, error.exit_code) == ("VB1302", 2)
    assert "VeloCMS" in str(error) or "PocketBase" in str(error)


# One post that breaks the list.


def test_a_post_that_the_cms_cannot_show_costs_no_other(cms: PolyStandIn, site: Site) -> None:
    ids = [cms.put_post(title=f"Post {number}") for number in range(8)]
    site.sync()
    cms.put_post(id=ids[2], title="Edited")
    cms.broken = {int(ids[5])}
    site.sync()
    assert len(site.posts()) == 8, "the good copy from before stays"
    assert site.posts()[ids[2]].title == "Edited"
    assert site.codes() == ["VB2206"]
    assert "Post 5" in (site.warnings[0].where or "")
    singly = {path for path in site.calls if path.startswith("posts/")}
    assert singly == {f"posts/{ids[2]}", f"posts/{ids[5]}"}, "only what changed, and what is broken"


def test_a_cms_that_fails_over_everything_is_not_taken_for_broken_posts(cms: PolyStandIn, site: Site) -> None:
    ids = [cms.put_post() for _ in range(15)]
    cms.broken = {int(id) for id in ids}
    error = refused(site)
    assert (error.code, error.exit_code) == ("VB2103", 4)


# Tokens.


def test_a_site_can_be_read_without_a_token(cms: PolyStandIn, site: Site) -> None:
    site.token = None
    address = cms.put_media("pot.png", b"x", alt_text="A pot")
    cms.put_post(featured_image=address)
    cms.put_settings(site_title="Salt & Water", brand_name="Salt", brand_logo=address)
    site.sync()
    assert site.codes() == []
    assert "authorization" not in {name for call in cms.calls for name in call.headers}
    assert site.shelf.of(SETTINGS)["settings"].title == "Salt"
    (cover,) = site.shelf.of(MEDIA).values()
    assert (cover.url, site.post().cover_media_id) == (f"{cms.url}{address}", cover.id)


def test_plain_defaults_of_the_public_settings_are_read(cms: PolyStandIn, site: Site) -> None:
    site.token = None
    cms.put_post()
    site.sync()
    assert site.shelf.of(SETTINGS)["settings"].title == "PolyCMS"


def test_a_token_that_is_refused_stops_although_posts_would_come(cms: PolyStandIn, site: Site) -> None:
    cms.put_post()
    cms.tokens = {"another"}
    error = refused(site)
    assert (error.code, error.exit_code) == ("VB2001", 3)
    site.token = None
    assert len(site.sync().posts()) == 1, "control: without any token they come"


def test_a_token_without_rights_leaves_what_was_there(cms: PolyStandIn, site: Site) -> None:
    cms.put_media("pot.png", b"x", alt_text="A pot")
    cms.put_post()
    cms.put_settings(site_title="Salt & Water", brand_name="Salt")
    site.sync()
    cms.may_read = set()
    site.sync()
    assert site.codes() == ["VB2207", "VB2207"]
    assert [media.alt for media in site.shelf.of(MEDIA).values()] == ["A pot"]
    assert len(site.posts()) == 1
    assert site.shelf.of(SETTINGS)["settings"].title == "Salt", "what everybody may see"


def test_no_other_setting_is_kept(cms: PolyStandIn, site: Site) -> None:
    cms.put_settings(site_title=2026, tagline=" ", admin_note="hidden", site_language="de")
    site.sync()
    kept = site.shelf.of(SETTINGS)["settings"]
    assert (kept.title, kept.description, dict(kept.extra)) == ("2026", None, {"site_language": "de"})
    assert "hunter2hunter2" not in repr(site.shelf.entries)


# Files.


def test_addresses_are_brought_back_to_the_configured_site(cms: PolyStandIn, site: Site) -> None:
    cms.believed_host = "http://inside.example:8080"
    address = cms.put_media("pot.png", b"x", alt_text="A pot")
    html = f'<p><img src="http://inside.example:8080{address}"> <img src="https://other.example{address}"></p>'
    cms.put_post(featured_image=address, content_html=html)
    post = site.sync().post()
    (media,) = site.shelf.of(MEDIA).values()
    assert (media.url, media.alt) == (f"{cms.url}{address}", "A pot")
    assert post.cover_media_id == media.id, "the cover is the media record, with its text"
    assert f'src="{cms.url}{address}"' in post.body
    assert f'src="https://other.example{address}"' in post.body


def test_a_cover_of_its_own_comes_and_goes_with_its_post(cms: PolyStandIn, site: Site) -> None:
    id = cms.put_post(featured_image="https://cdn.example/pot.jpg")
    site.sync()
    (cover,) = site.shelf.of(MEDIA).values()
    assert (cover.url, cover.id) == ("https://cdn.example/pot.jpg", site.post().cover_media_id)
    site.sync()
    assert list(site.shelf.of(MEDIA)) == [cover.id]
    cms.put_post(id=id, featured_image=None)
    site.sync()
    assert site.shelf.of(MEDIA) == {}
    assert site.post().cover_media_id is None


def test_private_files_and_who_uploaded_them_are_not_taken_over(cms: PolyStandIn, site: Site) -> None:
    cms.put_media("secret.png", b"x", disk="private")
    cms.put_media("pot.png", b"x", metadata={"camera": "X", "owner_email": "mia@cms.example"})
    site.sync()
    (media,) = site.shelf.of(MEDIA).values()
    assert media.filename == "pot.png"
    assert dict(media.extra["metadata"]) == {"camera": "X"}
    assert "uploader" not in media.extra


def test_all_pages_of_the_media_are_read_and_deleted_ones_go(cms: PolyStandIn, site: Site) -> None:
    for number in range(130):
        cms.put_media(f"{number}.png", b"x")
    assert len(site.sync().shelf.of(MEDIA)) == 130
    del cms.media[1]
    assert len(site.sync().shelf.of(MEDIA)) == 129


# The older generation.


@pytest.mark.parametrize("api", ["auto", "legacy"])
@pytest.mark.parametrize("envelope", ["data", "items", "posts", "bare", "numbered"])
def test_the_older_generation_is_found_and_read_in_any_envelope(
    old: OldPolyStandIn, envelope: Envelope, api: str
) -> None:
    old.envelope = envelope
    site = Site(old)
    address = old.put_media("pot.png", b"x", alt_text="A pot")
    ids = [old.put_post(title=f"Post {number}", tags=["Pasta"], featured_image=address) for number in range(130)]
    old.put_post(title="Draft", status="draft")
    site.sync(api=api)
    assert set(site.posts()) == set(ids)
    post = site.posts()[ids[0]]
    assert (post.body, post.tags, post.extra["author"]) == (f"<p>Body {ids[0]}</p>", ("Pasta",), {"name": "Mia"})
    assert [(media.alt, media.url) for media in site.shelf.of(MEDIA).values()] == [("A pot", f"{old.url}{address}")]
    asked = [call for call in old.calls if call.path.startswith("/cms/")]
    assert {call.headers.get("x-polycms-api-key") for call in asked} == {KEY}
    assert not any("api_key" in call.query or "authorization" in call.headers for call in asked)
    assert site.sync(api=api).read == 0
    old.delete_post(ids[0])
    old.put_post(id=ids[1], title="Edited")
    site.sync(api=api)
    assert (set(site.posts()), site.posts()[ids[1]].title) == (set(ids[1:]), "Edited")


@pytest.mark.parametrize("api", ["auto", "legacy"])
def test_a_key_that_the_older_generation_refuses_is_named(old: OldPolyStandIn, api: str) -> None:
    old.tokens = {"another"}
    error = refused(Site(old), api=api)
    assert (error.code, error.exit_code) == ("VB2001", 3)


@pytest.mark.parametrize("api", ["auto", "legacy"])
def test_the_older_generation_needs_a_key(old: OldPolyStandIn, api: str) -> None:
    site = Site(old)
    site.token = None
    error = refused(site, api=api)
    assert (error.code, error.exit_code) == ("VB1201", 2)
    assert isinstance(error, ConfigError)


def test_whoever_names_the_present_one_gets_no_other(old: OldPolyStandIn) -> None:
    error = refused(Site(old), api="v1")
    assert error.code == "VB1302"
    assert {call.path for call in old.calls} == {"/api/v1/posts"}


def test_a_cms_that_is_down_is_not_taken_for_the_older_one(cms: PolyStandIn, site: Site) -> None:
    cms.fail_next("html 503", times=100)
    assert refused(site).code == "VB2103"
    assert not any(call.path.startswith("/cms/") for call in cms.calls)


# The doctor.


def told(site: Site, verdict: Verdict, **config: Any) -> list[str]:
    return [finding.what for finding in site.diagnosed(**config) if finding.verdict is verdict]


def test_a_healthy_cms_has_nothing_to_complain_of(cms: PolyStandIn, site: Site) -> None:
    cms.put_post()
    assert told(site, Verdict.WARNING) + told(site, Verdict.ERROR) == []
    assert any("1 published posts" in what for what in told(site, Verdict.OK))
    assert any("“Builder”" in what for what in told(site, Verdict.OK))
    assert {call.method for call in cms.calls} == {"GET"}


@pytest.mark.parametrize(
    ("cause", "verdict", "words"),
    [
        (lambda cms, site: cms.put_post(status="draft"), Verdict.WARNING, "anybody can read your 1 drafts"),
        (lambda cms, site: setattr(cms, "admin", True), Verdict.WARNING, "an administrator's"),
        (lambda cms, site: cms.may_read.discard("media"), Verdict.WARNING, "may not read media"),
        (lambda cms, site: setattr(cms, "tokens", set()), Verdict.ERROR, "refused the token from the test"),
        (lambda cms, site: setattr(site, "token", None), Verdict.WARNING, "there is none"),
        (lambda cms, site: cms.broken.add(int(cms.put_post())), Verdict.WARNING, "whose author is gone"),
        (lambda cms, site: cms.fail_next("html 200", times=50), Verdict.ERROR, "not the API's"),
        (lambda cms, site: cms.fail_next("html 503", times=50), Verdict.ERROR, "keeps failing"),
        (lambda cms, site: cms.fail_next("laravel route", times=50), Verdict.ERROR, "no API of PolyCMS answers"),
    ],
)
def test_the_doctor_names_what_is_wrong(
    cms: PolyStandIn, site: Site, cause: Callable[[PolyStandIn, Site], Any], verdict: Verdict, words: str
) -> None:
    cms.put_post()
    cause(cms, site)
    assert any(words in what for what in told(site, verdict))


@pytest.mark.parametrize("api", ["auto", "legacy"])
def test_the_doctor_knows_the_older_generation_and_its_key(old: OldPolyStandIn, api: str) -> None:
    site = Site(old)
    assert told(site, Verdict.WARNING, api=api) + told(site, Verdict.ERROR, api=api) == []
    old.tokens = set()
    assert any("refused the token" in what for what in told(site, Verdict.ERROR, api=api))
    site.token = None
    assert any("without a key" in what for what in told(site, Verdict.ERROR, api=api))
