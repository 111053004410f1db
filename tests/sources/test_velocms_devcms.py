"""The source against a real server: PocketBase with the VeloCMS API on it, every switch in either position."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tests.sources.conftest import Shelf
from velobuild.config.schema import Config, Loaded, Secret, SourceConfig
from velobuild.devcms import GENEROUS, Running, Switches
from velobuild.devcms.records import READ_SCOPES
from velobuild.errors import ConfigError, Diagnostic, ProtocolError, SourceUnavailable, TokenError
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter, Rate
from velobuild.model.entries import Collection
from velobuild.sources import open_source
from velobuild.sources.doctor import Verdict, diagnose

MEDIA, COMMENTS, SETTINGS = Collection.MEDIA, Collection.COMMENTS, Collection.SETTINGS
FAST = "1000/s"


class Site:
    """A site that syncs from the development CMS into a shelf."""

    def __init__(self, cms: Running, token: str, cache: Path) -> None:
        self.cms = cms
        self.tokens = (Secret(token, "environment variable VELOCMS_API_KEY"),)
        self.shelf = Shelf()
        self.warnings: list[Diagnostic] = []
        self.cache = cache

    def sync(self, *, stop_after: int | None = None, rate_limit: str | None = FAST, **config: Any) -> list[str]:
        """Synchronise; the paths of the calls that the server logged meanwhile."""
        self.cms.clear_requests()
        self.warnings.clear()
        source = SourceConfig(url=self.cms.url, rate_limit=rate_limit, **config)
        loaded = Loaded(config=Config(source=source), file=Path("velobuild.toml"), tokens=self.tokens)
        with open_source(loaded, cache=self.cache, warn=self.warnings.append) as opened:
            for number, delta in enumerate(opened.source.changes(self.shelf, self.shelf.cursor)):
                self.shelf.take(delta)
                if number == stop_after:
                    break
        return self.logged()

    def logged(self) -> list[str]:
        requests = self.cms.requests()
        assert {request.method for request in requests} <= {"GET"}, "read-only is a promise"
        return [request.path.removeprefix("/api/v1/") for request in requests]

    def posts(self) -> dict[str, Any]:
        return self.shelf.of()


@pytest.fixture
def site(devcms: Running, tmp_path: Path) -> Site:
    return Site(devcms, devcms.create_key("build"), tmp_path / "cache")


def write(cms: Running, count: int, name: str = "Post") -> list[str]:
    return cms.create_posts(
        {"title": f"{name} {n}", "content_html": f"<p>Body {n}</p>", "tags": ["bread"]} for n in range(count)
    )


def test_a_first_sync_an_idle_one_and_one_after_an_edit_cost_what_they_must(site: Site) -> None:
    ids = write(site.cms, 150)
    calls = site.sync()
    assert len(calls) == math.ceil(150 / 100) + 150 + 2
    assert set(site.posts()) == set(ids)
    assert site.posts()[ids[7]].body == "<p>Body 7</p>"
    assert site.sync() == ["posts", "posts", "site-settings"]
    site.cms.update_post(ids[7], content_html="<p>Edited</p>")
    assert site.sync() == ["posts", "posts", f"posts/{ids[7]}", "media", "site-settings"]
    assert site.posts()[ids[7]].body == "<p>Edited</p>"
    site.cms.delete_post(ids[8])
    assert site.sync() == ["posts", "posts", f"posts/{ids[8]}", "media", "site-settings"]
    assert ids[8] not in site.posts()


NUMBERS: dict[str, int] = {
    "rate_limit": 100_000,
    "rate_window_ms": 500,
    "hourly_limit": 100_000,
    "daily_quota": 100_000,
    "per_page_max": 20,
}
"""Another value than GENEROUS has, under which a synchronisation still succeeds, for each switch that is a number."""

MATTERS_WITH: dict[str, dict[str, Any]] = {
    "rate_headers": {"rate_limit": 100_000},
    "rate_window_ms": {"rate_limit": 100_000},
    "over_per_page_max": {"per_page_max": 100},
}
"""What else must be set for a switch to make a difference."""

REFUSING = {"plan_too_low", "https_required", "failing"}
"""Switches that let no call through: FAILURES has them."""


def values(name: str) -> tuple[Any, ...]:
    """All values of a switch, or two of one that is a number."""
    hint = get_type_hints(Switches)[name]
    if hint is bool:
        return (False, True)
    return get_args(hint) or (getattr(GENEROUS, name), NUMBERS[name])


def alone() -> Iterator[Switches]:
    """Every value of every switch that lets calls through, each by itself, the plain ones but once."""
    yield GENEROUS
    for name in (field.name for field in fields(Switches)):
        if name in REFUSING or name == "retry_after":  # how a 429 is said has a test of its own
            continue
        for value in values(name):
            switches = replace(GENEROUS, **{**MATTERS_WITH.get(name, {}), name: value})
            if switches != GENEROUS:
                yield switches


SWITCHES = [
    *alone(),
    replace(GENEROUS, ignore_status_filter=True, list_bodies=True, single_posts="wrapped", dates="space"),
]


def test_every_value_of_every_switch_has_a_case() -> None:
    covered = {(name, value) for switches in SWITCHES for name, value in switches.stored().items()}
    covered |= {("retry_after", value) for value in RETRY_AFTER}
    covered |= {(name, value) for _, switch, _, _ in FAILURES for name, value in switch.items()}
    assert covered >= {(field.name, value) for field in fields(Switches) for value in values(field.name)}


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: ",".join(_changed(s)) or "generous")
def test_every_switch_in_either_position_gives_the_same_content(site: Site, switches: Switches) -> None:
    site.cms.set_switches(switches)
    site.tokens = (Secret(site.cms.create_key("with comments", (*READ_SCOPES, "comments:read"))),)
    ids = write(site.cms, 23)
    bare = site.cms.create_post(title="Bare", content_html="<p>B</p>")
    draft = site.cms.create_post(title="Draft", content_html="<p>D</p>", status="draft")
    future = site.cms.create_post(title="Later", content_html="<p>L</p>", published_at="2099-01-01T00:00:00Z")
    site.cms.add_comment(ids[0], "Fine.", author_email="ada@example.org")
    site.cms.add_comment(ids[0], "Wait.", status="pending")
    site.sync(comments=True)
    assert set(site.posts()) == {*ids, bare, future}
    assert draft not in site.posts()
    kept = site.posts()[ids[3]]
    assert (kept.title, kept.body, kept.tags, kept.excerpt) == ("Post 3", "<p>Body 3</p>", ("bread",), None)
    assert site.posts()[bare].tags == ()
    assert site.posts()[future].published_at.isoformat() == "2099-01-01T00:00:00+00:00"
    assert [c.body for c in site.shelf.of(COMMENTS).values()] == ["Fine."]
    assert len(site.shelf.of(SETTINGS)) == 1
    expected = {"VB2208"} if switches.ignore_status_filter else set()
    assert {warning.code for warning in site.warnings} == expected
    again = site.sync()
    assert [path for path in again if path.startswith("posts/")] == []


def _changed(switches: Switches) -> Iterator[str]:
    plain = GENEROUS.stored()
    return (f"{name}={value}" for name, value in switches.stored().items() if value != plain[name])


@pytest.mark.parametrize(
    "switches",
    [
        GENEROUS,
        replace(GENEROUS, empty_fields="missing"),
        replace(GENEROUS, empty_fields="empty"),
        replace(GENEROUS, single_posts="wrapped"),
        replace(GENEROUS, list_bodies=True),
    ],
    ids=lambda switches: " ".join(_changed(switches)) or "plain",
)
def test_posts_that_were_written_in_blocks_are_read_as_blocks(site: Site, switches: Switches) -> None:
    site.cms.set_switches(switches)
    document = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Ten grams."}]}]}
    blocks = site.cms.create_post(title="Blocks", content_html="", content_json=document)
    both = site.cms.create_post(title="Both", content_html="<p>HTML</p>", content_json=document)
    empty = site.cms.create_post(title="Empty", content_html="")
    site.sync()
    kept = {id: (post.body_format.value, post.body) for id, post in site.posts().items()}
    assert kept[both] == ("html", "<p>HTML</p>")
    assert kept[empty] == ("html", "")
    assert kept[blocks][0] == "blocks"
    assert json.loads(kept[blocks][1]) == document
    assert site.warnings == []
    assert [path for path in site.sync() if path.startswith("posts/")] == []


def test_media_come_with_their_records(site: Site, tmp_path: Path) -> None:
    png = tmp_path / "pot.png"
    png.write_bytes(bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"))
    id = site.cms.upload_media(png, alt="A pot")
    site.sync()
    media = site.shelf.of(MEDIA)[id]
    assert (media.alt, media.mime_type, media.size_bytes) == ("A pot", "image/png", png.stat().st_size)
    assert media.url.endswith(site.cms.media_path(id))


def test_a_sync_that_is_killed_twice_and_stopped_by_the_quota_fetches_every_body_once(site: Site) -> None:
    ids = write(site.cms, 300)
    limits = replace(GENEROUS, rate_limit=60, rate_window_ms=400, rate_headers=False)
    site.cms.set_switches(limits)
    asked: Counter[str] = Counter()
    asked.update(site.sync(stop_after=80, rate_limit="55/0.4s"))
    asked.update(site.sync(stop_after=70, rate_limit="55/0.4s"))
    site.cms.set_switches(replace(limits, daily_quota=asked.total() + 60))
    with pytest.raises(SourceUnavailable) as caught:
        site.sync(rate_limit="55/0.4s")
    assert (caught.value.code, caught.value.exit_code) == ("VB2105", 4)
    assert caught.value.retry_at is not None
    assert caught.value.retry_at > time.time()
    refused = [r.path.removeprefix("/api/v1/") for r in site.cms.requests() if r.status == 429]
    assert len(refused) == 1
    asked.update(site.logged())
    asked.subtract(refused)
    site.cms.set_switches(limits)
    site.cms.forget_calls()
    asked.update(site.sync(rate_limit="55/0.4s"))
    assert set(site.posts()) == set(ids)
    bodies = {path: count for path, count in asked.items() if path.startswith("posts/")}
    assert len(bodies) == 300
    assert set(bodies.values()) == {1}
    assert all(request.status == 200 for request in site.cms.requests()), "the limit was never exceeded"


def test_a_limit_that_is_kept_to_is_never_exceeded_and_one_that_is_exceeded_is_waited_for(site: Site) -> None:
    write(site.cms, 30)
    site.cms.set_switches(replace(GENEROUS, rate_limit=20, rate_window_ms=700, rate_headers=False))
    site.sync(rate_limit="18/0.7s")
    assert {request.status for request in site.cms.requests()} == {200}
    write(site.cms, 30, "More")
    site.sync(rate_limit=FAST)
    statuses = Counter(request.status for request in site.cms.requests())
    assert statuses[429] >= 1, "control: without keeping to it, it bites"
    assert len(site.posts()) == 60, "and yet the work is done"


RETRY_AFTER: tuple[Any, ...] = get_args(get_type_hints(Switches)["retry_after"])


@pytest.mark.parametrize("retry_after", RETRY_AFTER)
@pytest.mark.parametrize("rate_headers", [True, False])
def test_a_refused_call_is_made_again_when_the_server_says(site: Site, retry_after: Any, rate_headers: bool) -> None:
    """Four calls in three seconds are allowed: the fifth is refused, and waits for the first to leave the window."""
    window_ms = 3000
    write(site.cms, 3)
    switches = replace(GENEROUS, rate_limit=4, rate_window_ms=window_ms)
    site.cms.set_switches(replace(switches, retry_after=retry_after, rate_headers=rate_headers))
    site.sync()
    assert len(site.posts()) == 3
    log = site.cms.requests()
    refused = [number for number, request in enumerate(log) if request.status == 429]
    assert refused[0] == 4
    first, again = log[refused[0]], log[refused[0] + 1]
    # The log has the moment of each answer, some milliseconds after the server's decision.
    slack = timedelta(milliseconds=100)
    if retry_after == "none" and not rate_headers:
        assert again.at >= first.at + timedelta(seconds=1) - slack, "nothing is said: a second, then two"
        return
    promised = log[0].at + timedelta(milliseconds=window_ms)
    assert promised > first.at + timedelta(seconds=1), "control: who comes back after the least of pauses is too early"
    assert again.at >= promised - slack
    assert len(refused) == 1, "at that time the server lets it through"


def test_a_cms_that_refuses_pages_as_long_as_documented_is_told_of(site: Site) -> None:
    write(site.cms, 3)
    site.cms.set_switches(replace(GENEROUS, per_page_max=20, over_per_page_max="refuse"))
    with pytest.raises(ProtocolError, match="422 VALIDATION_ERROR") as caught:
        site.sync()
    assert caught.value.code == "VB2201"
    assert site.posts() == {}


def test_the_hourly_limit_ends_the_run_and_says_when_to_come_back(site: Site) -> None:
    write(site.cms, 20)
    site.cms.set_switches(replace(GENEROUS, hourly_limit=10))
    with pytest.raises(SourceUnavailable) as caught:
        site.sync()
    assert caught.value.code == "VB2104"
    assert caught.value.retry_at is not None
    assert 3000 < caught.value.retry_at - time.time() <= 3700


FAILURES: list[tuple[Callable[[Running], None] | None, dict[str, Any], type[Exception], str]] = [
    (lambda cms: cms.revoke_key("build"), {}, TokenError, "VB2001"),
    (None, {"plan_too_low": True}, TokenError, "VB2003"),
    (None, {"https_required": True}, ConfigError, "VB1301"),
    (None, {"failing": 500}, SourceUnavailable, "VB2103"),
    (None, {"failing": 503}, SourceUnavailable, "VB2103"),
    (lambda cms: cms.stop(), {}, SourceUnavailable, "VB2101"),
]


@pytest.mark.parametrize(
    ("harm", "switch", "kind", "code"), FAILURES, ids=lambda value: str(value) if isinstance(value, str | dict) else ""
)
def test_each_trouble_has_its_own_error_and_remedy(
    site: Site, harm: Callable[[Running], None] | None, switch: dict[str, Any], kind: type[Exception], code: str
) -> None:
    write(site.cms, 3)
    site.sync()
    site.cms.set_switches(replace(GENEROUS, **switch))
    if harm is not None:
        harm(site.cms)
    source = SourceConfig(url=site.cms.url, rate_limit=FAST)
    loaded = Loaded(config=Config(source=source), file=Path("velobuild.toml"), tokens=site.tokens)
    with open_source(loaded, cache=None, sleep=lambda seconds: None) as opened, pytest.raises(kind) as caught:
        list(opened.source.changes(site.shelf, site.shelf.cursor))
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", ["INVALID_SCOPE", "FORBIDDEN"])
def test_a_key_for_posts_alone_reads_posts_alone(site: Site, code: Any) -> None:
    site.cms.set_switches(replace(GENEROUS, missing_scope_code=code))
    site.tokens = (Secret(site.cms.create_key("posts", ("posts:read",))),)
    write(site.cms, 2)
    site.sync(comments=True)
    assert len(site.posts()) == 2
    assert [warning.code for warning in site.warnings] == ["VB2207"] * 3
    site.tokens = (Secret(site.cms.create_key("media", ("media:read",))),)
    with pytest.raises(TokenError) as caught:
        site.sync()
    assert caught.value.code == "VB2002"


def test_a_token_is_rotated_without_a_gap(site: Site) -> None:
    write(site.cms, 2)
    site.tokens = (*site.tokens, Secret(site.cms.create_key("next"), "environment variable VELOCMS_API_KEY_2"))
    site.sync()
    site.cms.revoke_key("build")
    calls = site.sync()
    assert calls == ["posts", "posts", "site-settings"], "one refused, then the other key for all that follows"
    assert [warning.code for warning in site.warnings] == ["VB2001"]


def doctor(site: Site, *tokens: Secret, url: str | None = None) -> list[Any]:
    limiter = Limiter(None, fixed=Rate(1000, 1))
    client = ApiClient(
        url or f"{site.cms.url}/api/v1",
        tokens or site.tokens,
        limiter=limiter,
        deadline_s=5,
        sleep=lambda seconds: None,
    )
    try:
        return diagnose(client)
    finally:
        client.close()
        limiter.close()


def test_doctor_finds_nothing_wrong_with_a_least_key(site: Site) -> None:
    site.cms.clear_requests()
    findings = doctor(site)
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert site.logged()
    assert "velo_" not in repr(findings)


def test_doctor_says_which_token_works_and_which_does_too_much(site: Site) -> None:
    write(site.cms, 1)
    site.cms.create_post(title="Draft", content_html="<p>D</p>", status="draft")
    old = Secret("velo_" + "0" * 64, "the first")
    wide = Secret(site.cms.create_key("wide", ("posts:read", "comments:read")), "the second")
    findings = doctor(site, old, wide)
    first = [finding for finding in findings if finding.check == "the first"]
    assert [(f.verdict, f.code, f.exit_code) for f in first] == [(Verdict.ERROR, "VB2001", 3)]
    told = " ".join(f"{f.what} {f.hint}" for f in findings if f.check == "the second")
    assert "may not read media" in told
    assert "more than it needs: comments:read" in told
    assert "drafts" in told
    assert "posts:read, media:read, site-settings:read" in told


def test_doctor_tells_what_else_is_at_the_address(site: Site) -> None:
    (finding,) = doctor(site, url=f"{site.cms.url}/api/collections/posts/records")
    assert finding.verdict is Verdict.ERROR
    assert finding.exit_code in (2, 5)
    (finding,) = doctor(site, url="http://127.0.0.1:1/api/v1")
    assert (finding.code, finding.exit_code) == ("VB2101", 4)
    site.cms.set_switches(replace(GENEROUS, plan_too_low=True))
    (finding,) = doctor(site)
    assert (finding.code, finding.exit_code) == ("VB2003", 3)


def test_pocketbases_own_api_is_recognised(site: Site) -> None:
    (finding,) = doctor(site, url=f"{site.cms.url}/api/collections")
    assert "PocketBase" in finding.what
    assert (finding.code, finding.exit_code) == ("VB1302", 2)


def test_the_token_reaches_neither_the_cache_nor_a_message(site: Site, tmp_path: Path) -> None:
    write(site.cms, 2)
    site.sync()
    token = site.tokens[0].reveal()
    files = [file for file in site.cache.rglob("*") if file.is_file()]
    assert files
    assert all(token.encode() not in file.read_bytes() for file in files)
    assert token not in repr(site.shelf) + repr(site.warnings)


def test_doctor_warns_of_a_key_that_may_list_members(site: Site) -> None:
    wide = Secret(site.cms.create_key("wide", (*READ_SCOPES, "members:read")), "the wide one")
    told = [finding.what for finding in doctor(site, wide) if finding.verdict is Verdict.WARNING]
    assert told == ["it can do more than it needs: members:read"]
