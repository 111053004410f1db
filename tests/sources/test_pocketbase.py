"""PocketBase's own API against real servers of both generations; what no server does at will comes from a recorder."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pocketbase_servers import Generation, Server, old_binary, pocketbase
from tests.sources.conftest import Shelf
from velobuild.config.schema import (
    CollectionsConfig,
    Config,
    FieldsConfig,
    LimitsConfig,
    Loaded,
    MediaFieldsConfig,
    Secret,
    SettingsFieldsConfig,
    SourceConfig,
)
from velobuild.errors import ConfigError, Diagnostic, ProtocolError, SourceUnavailable, TokenError
from velobuild.http.addresses import AddressPolicy
from velobuild.http.client import ApiClient
from velobuild.http.download import Downloader
from velobuild.http.downloaded import Downloaded
from velobuild.http.limiter import Limiter, Rate
from velobuild.model.entries import BodyFormat, Collection
from velobuild.sources import file_tokens, open_source
from velobuild.sources.doctor import Verdict
from velobuild.sources.pocketbase_api import POCKETBASE, Pages, claims_of, quoted, spaced

POSTS, MEDIA, SETTINGS = Collection.POSTS, Collection.MEDIA, Collection.SETTINGS
SIGNED_IN = '@request.auth.id != ""'
POST = {
    "title": "text",
    "slug": "text",
    "status": "select",
    "excerpt": "text",
    "content_html": "editor",
    "tags": "json",
    "published_at": "date",
}
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Site:
    """A site that syncs from a PocketBase into a shelf; `calls` are what the last synchronisation sent."""

    def __init__(self, server: Server, cache: Path, *, token: str | None = None) -> None:
        self.server = server
        self.tokens = (Secret(server.reader_token() if token is None else token, "the test"),)
        self.cache = cache
        self.shelf = Shelf()
        self.warnings: list[Diagnostic] = []
        self.now = datetime.now(UTC)
        self.calls = 0

    def loaded(self, **config: Any) -> Loaded:
        source = SourceConfig(type="pocketbase", url=self.server.url, rate_limit="1000/s", **config)
        return Loaded(config=Config(source=source), file=Path("velobuild.toml"), tokens=self.tokens)

    def sync(self, *, stop_after: int | None = None, **config: Any) -> int:
        self.warnings.clear()
        with open_source(
            self.loaded(**config), cache=self.cache, clock=lambda: self.now, warn=self.warnings.append
        ) as at:
            try:
                for number, delta in enumerate(at.source.changes(self.shelf, self.shelf.cursor)):
                    self.shelf.take(delta)
                    if number == stop_after:
                        break
            finally:
                self.excluded = at.source.tally.with_excluded_tags
                self.read = at.source.tally.bodies_fetched
                self.calls = at.source.tally.usage.calls
        return self.calls

    def posts(self) -> dict[str, Any]:
        return self.shelf.of()

    def titles(self) -> list[str]:
        return sorted(post.title for post in self.posts().values())

    def codes(self) -> list[str]:
        return sorted(warning.code for warning in self.warnings)


@pytest.fixture(scope="session")
def binary_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Generation], Path | None]:
    found: list[Path] = []

    def binary(generation: Generation) -> Path | None:
        if generation == "0.40":
            return None
        if not found:
            found.append(old_binary(tmp_path_factory.mktemp("pocketbase-old")))
        return found[0]

    return binary


@pytest.fixture(params=["0.40", pytest.param("0.22", marks=pytest.mark.slow)])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, binary_of: Callable[[Generation], Path | None]
) -> Iterator[Server]:
    with pocketbase(tmp_path / "pb", request.param, binary_of(request.param)) as running:
        yield running


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Server]:
    """The present generation alone, for what does not differ."""
    with pocketbase(tmp_path / "pb", "0.40") as running:
        yield running


@pytest.fixture
def blog(server: Server, tmp_path: Path) -> Site:
    return site_on(server, tmp_path)


@pytest.fixture
def new_blog(new: Server, tmp_path: Path) -> Site:
    return site_on(new, tmp_path)


def site_on(server: Server, tmp_path: Path) -> Site:
    server.collection("posts", POST, rule=f'status = "published" || {SIGNED_IN}')
    server.collection("media", {"file": "file", "alt": "text", "width": "number"}, rule=SIGNED_IN)
    server.collection("site_settings", {"site_name": "text", "site_logo": "text"}, rule=SIGNED_IN)
    server.create("site_settings", site_name="Salt & Water")
    return Site(server, tmp_path / "cache")


def write(server: Server, number: int, **fields: Any) -> str:
    return server.create(
        "posts",
        **{
            "title": f"Post {number}",
            "slug": f"post-{number}",
            "status": "published",
            "content_html": f"<p>Body {number}</p>",
            "tags": ["bread"],
            "published_at": f"2026-05-{number % 28 + 1:02d} 10:00:00.000Z",
        }
        | fields,
    )


# What is read, and at what price.


def test_a_first_sync_an_idle_one_an_edit_and_a_deletion_cost_what_they_must(blog: Site) -> None:
    ids = [write(blog.server, number) for number in range(7)]
    assert blog.sync() == 6, "the token, a glance, all ids, the posts, the media, the settings"
    assert set(blog.posts()) == set(ids)
    kept = blog.posts()[ids[3]]
    assert (kept.title, kept.slug, kept.body, kept.tags) == ("Post 3", "post-3", "<p>Body 3</p>", ("bread",))
    assert kept.published_at == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert (kept.excerpt, kept.cover_media_id, kept.author_id, kept.seo_title) == (None, None, None, None)
    assert next(iter(blog.shelf.of(SETTINGS).values())).title == "Salt & Water"
    assert (blog.sync(), blog.read) == (5, 0), "nothing changed: no body"
    blog.server.update("posts", ids[3], content_html="<p>Edited</p>")
    assert (blog.sync(), blog.read) == (6, 1)
    assert blog.posts()[ids[3]].body == "<p>Edited</p>"
    blog.server.delete("posts", ids[4])
    blog.server.update("posts", ids[5], status="draft")
    assert (blog.sync(), blog.read) == (5, 0)
    assert set(blog.posts()) == set(ids) - {ids[4], ids[5]}
    assert [code for code in blog.codes() if code != "VB2004"] == []


def test_a_glance_is_enough_while_nothing_changes_and_never_when_something_did(blog: Site) -> None:
    ids = [write(blog.server, number, tags=["Inside"] if number == 2 else []) for number in range(4)]
    config: dict[str, Any] = {"exclude_tags": ("inside",)}
    blog.now = datetime.now(UTC) + timedelta(minutes=1)
    blog.sync(**config)
    assert (blog.sync(**config), blog.read) == (4, 0), "the token, the glance, the media, the settings"
    assert set(blog.posts()) == set(ids)
    assert blog.excluded == 1
    blog.server.update("posts", ids[1], title="Edited")
    assert (blog.sync(**config), blog.read) == (6, 1)
    blog.server.delete("posts", ids[0])
    blog.sync(**config)
    assert set(blog.posts()) == set(ids[1:])
    blog.server.delete("posts", ids[1])
    other = write(blog.server, 9)
    blog.sync(**config)
    assert set(blog.posts()) == {*ids[2:], other}, "as many as before"
    blog.server.update("posts", other, status="draft")
    blog.sync(**config)
    assert set(blog.posts()) == set(ids[2:])
    assert blog.sync(**config) == 4
    assert blog.sync() == 5, "another configuration: the glance counts no more"
    assert blog.sync() == 4
    blog.now += timedelta(hours=25)
    assert blog.sync() == 5, "and after a day all is looked at once"


def test_a_glance_at_what_changed_this_very_moment_is_no_evidence(blog: Site) -> None:
    write(blog.server, 1)
    blog.now = datetime.now(UTC)
    blog.sync()
    assert blog.sync() == 5


def test_an_edit_that_was_made_on_the_very_day_of_the_last_one_is_seen(blog: Site) -> None:
    ids = [write(blog.server, number) for number in range(3)]
    blog.sync()
    for number, id in enumerate(ids):
        blog.server.update("posts", id, title=f"Again {number}")
        blog.sync()
        assert blog.posts()[id].title == f"Again {number}"
    # Control: the same question with a `T` between day and time, as one is tempted to write it, finds nothing.
    asked = {"filter": f'updated >= "{datetime.now(UTC):%Y-%m-%dT00:00:00Z}"'}
    assert blog.server.call("GET", "collections/posts/records", params=asked)["items"] == []
    asked = {"filter": f'updated >= "{spaced(datetime.now(UTC).replace(hour=0, minute=0))}"'}
    assert len(blog.server.call("GET", "collections/posts/records", params=asked)["items"]) == 3


def test_drafts_never_come_and_posts_of_the_future_wait_in_the_store(blog: Site) -> None:
    write(blog.server, 1, status="draft")
    future = write(blog.server, 2, published_at="2099-01-01 00:00:00.000Z")
    undated = write(blog.server, 3, published_at="")
    blog.sync()
    assert set(blog.posts()) == {future, undated}
    assert blog.posts()[undated].published_at is None


def test_more_posts_than_one_answer_holds_come_each_once_while_others_are_removed(new_blog: Site) -> None:
    ids = sorted(write(new_blog.server, number) for number in range(12))
    client, close = client_of(new_blog)
    came: list[str] = []
    for records in Pages(client, "posts", size=5):
        if not came:
            # With numbered pages, this deletion would hide the first post of the next page.
            new_blog.server.delete("posts", ids[1])
            write(new_blog.server, 99, id="zzzzzzzzzzzzzzz")
        came += [record["id"] for record in records]
    close()
    assert came == [*ids, "zzzzzzzzzzzzzzz"]


@pytest.mark.slow
def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_to_the_end(
    tmp_path: Path, binary_of: Callable[[Generation], Path | None]
) -> None:
    """Up to 0.22 a page holds 500 records at most, whatever is asked for."""
    with pocketbase(tmp_path / "pb", "0.22", binary_of("0.22")) as old:
        old.collection("posts", {"title": "text"})
        ids = sorted(old.create("posts", title=f"Post {number}") for number in range(501))
        site = Site(old, tmp_path / "cache")
        client, close = client_of(site)
        pages = list(Pages(client, "posts", fields="id", size=1000))
        close()
        assert [len(page) for page in pages] == [500, 1], "control: it was clamped"
        assert [record["id"] for page in pages for record in page] == ids


def client_of(site: Site) -> tuple[ApiClient, Callable[[], None]]:
    limiter = Limiter(None, fixed=Rate(1000, 1))
    client = ApiClient(f"{site.server.url}/api", site.tokens, limiter=limiter, dialect=POCKETBASE)

    def close() -> None:
        client.close()
        limiter.close()

    return client, close


def test_an_answer_that_is_too_large_is_asked_for_in_halves_and_one_giant_harms_nobody(new_blog: Site) -> None:
    heavy = "<p>" + "x" * 4_900_000 + "</p>"
    ids = [write(new_blog.server, number, content_html=heavy) for number in range(5)]
    limits = LimitsConfig(post_bytes=6_000_000)
    loaded = new_blog.loaded()
    loaded = Loaded(config=Config(source=loaded.config.source, limits=limits), file=loaded.file, tokens=loaded.tokens)
    with open_source(loaded, cache=None) as opened:
        for delta in opened.source.changes(new_blog.shelf, None):
            new_blog.shelf.take(delta)
    assert set(new_blog.posts()) == set(ids)


def test_a_sync_that_is_killed_goes_on_where_it_was(blog: Site) -> None:
    for number in range(70):
        write(blog.server, number)
    blog.sync(stop_after=0)
    assert blog.posts() == {}
    blog.sync()
    assert (len(blog.posts()), blog.read) == (70, 20), "fifty had been handed over"
    blog.sync()
    assert blog.read == 0


def test_many_changes_come_by_their_date_and_few_by_their_ids(blog: Site) -> None:
    old = [write(blog.server, number) for number in range(4)]
    blog.sync()
    blog.server.update("posts", old[1], status="draft")
    blog.sync()
    fresh = [write(blog.server, number) for number in range(10, 115)]
    assert (blog.sync(), blog.read) == (6, 105), "in one call, for which their ids would be too many"
    # An old post returns with its old date of change: not a reason to read all that are younger.
    del blog.shelf.committed[POSTS][old[0]], blog.shelf.entries[POSTS][old[0]]
    assert (blog.sync(), blog.read) == (6, 1)
    assert set(blog.posts()) == {*old, *fresh} - {old[1]}


def test_a_collection_without_dates_of_change_is_read_as_a_whole_and_still_changes_nothing_twice(
    new: Server, tmp_path: Path
) -> None:
    new.collection("posts", POST, dated=False)
    first, second = write(new, 1), write(new, 2)
    # Control: PocketBase itself refuses to filter by what is not there.
    refused = httpx.get(
        f"{new.url}/api/collections/posts/records", params={"filter": 'updated > "2026"'}, trust_env=False
    )
    assert refused.status_code == 400
    site = Site(new, tmp_path / "cache")
    site.sync()
    versions = dict(site.shelf.committed[POSTS])
    site.sync()
    assert (site.read, site.shelf.committed[POSTS]) == (2, versions)
    new.update("posts", first, title="Edited")
    new.delete("posts", second)
    site.sync()
    assert site.titles() == ["Edited"]


# Tokens.


def test_a_token_that_counts_no_longer_stops_the_build_although_pocketbase_answers_200(blog: Site) -> None:
    write(blog.server, 1)
    blog.sync()
    for bad in ("aaa.bbb.ccc", blog.tokens[0].reveal()[:-4] + "AAAA"):
        # Control: to PocketBase this is a guest, and all is well.
        headers = {"Authorization": f"Bearer {bad}"}
        answer = httpx.get(f"{blog.server.url}/api/collections/media/records", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["items"]) == (200, [])
        blog.tokens = (Secret(bad, "the test"),)
        with pytest.raises(TokenError) as caught:
            blog.sync()
        assert (caught.value.code, caught.value.exit_code) == ("VB2001", 3)
        assert bad not in str(caught.value) + repr(caught.value.diagnostics)
    assert blog.titles() == ["Post 1"]


def test_an_expired_token_is_refused_with_the_day_on_which_it_expired(new_blog: Site) -> None:
    new_blog.tokens = (Secret(new_blog.server.reader_token(valid_s=1), "the test"),)
    claims = claims_of(new_blog.tokens[0])
    assert claims is not None
    assert claims.expires_at is not None
    while datetime.now(UTC) <= claims.expires_at:
        time.sleep(0.05)  # PocketBase reads the machine's clock
    new_blog.now = datetime.now(UTC)
    with pytest.raises(TokenError, match=rf"it expired on {claims.expires_at:%Y-%m-%d %H:%M} UTC") as caught:
        new_blog.sync()
    assert caught.value.code == "VB2001"


@pytest.mark.parametrize(("days", "warned"), [(13, ["VB2004"]), (15, [])])
def test_a_token_that_ends_within_two_weeks_is_a_warning(new_blog: Site, days: int, warned: list[str]) -> None:
    new_blog.tokens = (Secret(new_blog.server.reader_token(valid_s=days * 86400 + 60), "the test"),)
    new_blog.sync()
    assert new_blog.codes() == warned


def test_when_the_first_token_has_expired_the_second_is_used(new_blog: Site) -> None:
    write(new_blog.server, 1)
    new_blog.tokens = (Secret("aaa.bbb.ccc", "the first"), *new_blog.tokens)
    new_blog.sync()
    assert new_blog.titles() == ["Post 1"]
    assert new_blog.codes() == ["VB2001"]


def test_an_opaque_token_is_not_checked_and_nothing_is_posted_for_it(recorder: Recorder) -> None:
    recorder.sync("opaque-token-of-velocms")
    assert {method for method, _, _ in recorder.seen} == {"GET"}
    with pytest.raises(TokenError) as caught:
        recorder.sync("revoked")
    assert caught.value.code == "VB2001"


def test_the_one_post_goes_to_the_one_path_without_a_body_and_everything_else_is_get(recorder: Recorder) -> None:
    recorder.sync(jwt(exp=4_000_000_000))
    posts = [(path, length) for method, path, length in recorder.seen if method == "POST"]
    assert posts == [("/api/files/token", "0")]
    assert {method for method, _, _ in recorder.seen} == {"GET", "POST"}


def test_no_other_path_can_be_posted_to_and_none_at_all_on_velocms(recorder: Recorder) -> None:
    limiter = Limiter(None, fixed=Rate(1000, 1))
    for dialect in ({"dialect": POCKETBASE}, {}):
        client = ApiClient("http://127.0.0.1:9/api", (Secret("a"),), limiter=limiter, transport=recorder, **dialect)  # type: ignore[arg-type]
        for path in ("collections/posts/records", "files/token/", "batch", *([] if dialect else ["files/token"])):
            with pytest.raises(ValueError, match="velobuild reads"):
                client.post_nothing(path)
    limiter.close()
    assert recorder.seen == []


def jwt(**claims: Any) -> str:
    parts = ({"alg": "HS256"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".sig"


@pytest.mark.parametrize(
    "token", ["a.b.c", "a.e30.c", "a." + "e" * 50 + ".c", "ä.ö.ü", jwt(exp="soon"), jwt(exp=1e300)]
)
def test_whatever_stands_in_a_token_reading_it_never_fails(token: str) -> None:
    claims = claims_of(Secret(token))
    assert claims is not None
    assert claims.expires_at is None


class Recorder(httpx.BaseTransport):
    """Answers as a PocketBase with nothing in it, and notes what was asked. `answers`: path → what comes instead."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None]] = []
        self.answers: dict[str, list[httpx.Response]] = {}
        self.slept: list[float] = []
        self.warnings: list[Diagnostic] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        made = self._answer(request)
        return httpx.Response(made.status_code, headers=made.headers, stream=httpx.ByteStream(made.content))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.method, request.url.path, request.headers.get("content-length")))
        waiting = self.answers.get(request.url.path)
        if waiting:
            return waiting.pop(0)
        if "revoked" in request.headers["authorization"]:
            return httpx.Response(401, json={"status": 401, "message": "no", "data": {}})
        if request.method == "POST":
            return httpx.Response(200, json={"token": "x.y.z"})
        return httpx.Response(200, json={"page": 1, "perPage": 500, "totalItems": -1, "totalPages": -1, "items": []})

    def sync(self, token: str) -> Shelf:
        from velobuild.sources.pocketbase import PocketBase

        self.seen.clear()
        limiter = Limiter(None, fixed=Rate(1000, 1), monotonic=self.monotonic)
        client = ApiClient(
            "http://127.0.0.1:9/api",
            (Secret(token),),
            limiter=limiter,
            dialect=POCKETBASE,
            transport=self,
            sleep=self.slept.append,
            monotonic=self.monotonic,
        )
        shelf = Shelf()
        try:
            source = PocketBase(client, SourceConfig(type="pocketbase"), LimitsConfig(), warn=self.warnings.append)
            for delta in source.changes(shelf, None):
                shelf.take(delta)
        finally:
            limiter.close()
        return shelf

    def monotonic(self) -> float:
        return 1000.0 + sum(self.slept)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


# Refusals.

LIST = "/api/collections/posts/records"


@pytest.mark.parametrize("key", ["status", "code"])
def test_both_generations_of_the_error_envelope_are_understood(recorder: Recorder, key: str) -> None:
    recorder.answers[LIST] = [httpx.Response(403, json={key: 403, "message": "Only superusers.", "data": {}})]
    with pytest.raises(TokenError, match="Only superusers") as caught:
        recorder.sync("opaque")
    assert caught.value.code == "VB2002"
    recorder.answers[LIST] = [httpx.Response(404, json={key: 404, "message": "Missing collection.", "data": {}})]
    with pytest.raises(ConfigError, match="no collection `posts`") as missing:
        recorder.sync("opaque")
    assert missing.value.code == "VB1303"


def test_a_refused_filter_whose_fields_exist_is_left_out_and_each_record_looked_at(recorder: Recorder) -> None:
    shown = [
        {"id": f"{status:a>15}", "title": status, "slug": status, "status": status, "content_html": "<p>x</p>"}
        | {"updated": "2026-05-02 10:00:00.000Z", "created": "2026-05-02 10:00:00.000Z", "published_at": ""}
        for status in ("draft", "published")
    ]
    refused = {"status": 400, "message": "Something went wrong while processing your request.", "data": {}}
    page = {"page": 1, "perPage": 500, "totalItems": -1, "totalPages": -1, "items": shown}
    recorder.answers[LIST] = [httpx.Response(400, json=refused)] * 2 + [httpx.Response(200, json=page)] * 3
    shelf = recorder.sync("opaque")
    assert [post.title for post in shelf.of().values()] == ["published"]
    recorder.answers[LIST] = [httpx.Response(400, json=refused)] * 4
    with pytest.raises(ProtocolError) as caught:
        recorder.sync("opaque")
    assert (caught.value.code, caught.value.exit_code) == ("VB2201", 5), "control: it is asked again once"


def test_429_without_a_word_of_how_long_is_waited_out_in_steps_of_at_most_the_window(recorder: Recorder) -> None:
    body = {"status": 429, "message": "Too Many Requests.", "data": {}}
    recorder.answers[LIST] = [httpx.Response(429, json=body) for _ in range(6)]
    recorder.sync("opaque")
    assert [round(seconds) for seconds in recorder.slept] == [1, 2, 4, 8, 10, 10]


def test_a_real_limit_is_waited_for(new_blog: Site) -> None:
    for number in range(4):
        write(new_blog.server, number)
    rule = {"label": "posts:list", "audience": "", "duration": 2, "maxRequests": 1}
    new_blog.server.call("PATCH", "settings", json={"rateLimits": {"enabled": True, "rules": [rule]}})
    new_blog.sync()
    assert len(new_blog.posts()) == 4
    assert new_blog.calls > 6, "control: it did bite"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx.Response(404, text="nginx"), ConfigError, "VB1302"),
        (httpx.Response(404, json={"error": {"code": "NOT_FOUND", "message": "x"}}), ConfigError, "VB1302"),
        (httpx.Response(200, json={"page": 1, "per_page": 20, "items": []}), ConfigError, "VB1302"),
        (httpx.Response(200, json=[]), ConfigError, "VB1302"),
        (httpx.Response(200, text="<html>"), ProtocolError, "VB2201"),
        (httpx.Response(301, headers={"location": "https://other.example/"}), ProtocolError, "VB2204"),
        (
            httpx.Response(200, json={"perPage": 1, "items": [{"id": "b"}, {"id": "a"}]}),
            ProtocolError,
            "VB2205",
        ),
        (httpx.Response(401, text="no"), TokenError, "VB2001"),
    ],
)
def test_what_is_not_pocketbase_is_told_and_nothing_of_it_used(
    recorder: Recorder, answer: httpx.Response, kind: type[Exception], code: str
) -> None:
    recorder.answers[LIST] = [answer, answer]  # to the glance, and to the list
    with pytest.raises(kind) as caught:
        recorder.sync("opaque")
    assert caught.value.code == code  # type: ignore[attr-defined]


def test_no_address_ends_in_a_slash(recorder: Recorder, new: Server) -> None:
    recorder.sync(jwt(exp=4_000_000_000))
    assert [path for _, path, _ in recorder.seen if path.endswith("/")] == []
    new.collection("posts", POST)
    # Control: this generation does not know an address with one.
    assert httpx.get(f"{new.url}{LIST}/", trust_env=False).status_code == 404


# Configuration: other names, other fields.


def test_a_collection_with_other_names_works_by_configuration_alone(server: Server, tmp_path: Path) -> None:
    labels = server.collection("labels", {"caption": "text"})
    people = server.collection("people", {"full_name": "text", "email": "email"}, rule=SIGNED_IN)
    server.collection("files", {"attachment": "file", "caption": "text"}, rule=SIGNED_IN)
    server.collection("blog", {"headline": "text", "icon": "file"}, rule=SIGNED_IN)
    server.collection(
        "articles",
        {
            "heading": "text",
            "path": "text",
            "text": "editor",
            "live": "bool",
            "day": "date",
            "labels": {"type": "relation", "collectionId": labels},
            "writer": {"type": "relation", "collectionId": people, "maxSelect": 1},
            "picture": "file",
            "mood": "text",
        },
        rule=SIGNED_IN,
    )
    bread, salt = (server.create("labels", caption=name) for name in ("Bread", "Salt"))
    ada = server.create("people", full_name="Ada", email="ada@example.org")
    server.upload("blog", "icon", "icon.png", DOT, headline="The kitchen")
    media = server.upload("files", "attachment", "Hero Image.png", DOT, caption="one dot")
    article = server.upload(
        "articles",
        "picture",
        "cover.png",
        DOT,
        heading="On bread",
        path="on-bread",
        text="<p>Flour.</p>",
        live="true",
        day="2026-05-02 10:00:00.000Z",
        labels=[bread, salt],
        writer=ada,
        mood="glad",
    )
    server.create("articles", heading="Not yet", path="not-yet", live=False)
    site = Site(server, tmp_path / "cache")
    config = {
        "published": "true",
        "collections": CollectionsConfig(posts="articles", media="files", settings="blog"),
        "fields": FieldsConfig(
            title="heading",
            slug="path",
            body="text",
            status="live",
            published_at="day",
            tags="labels.caption",
            author="writer.full_name",
            cover="picture",
        ),
        "media_fields": MediaFieldsConfig(file="attachment", alt="caption"),
        "settings_fields": SettingsFieldsConfig(title="headline", favicon="icon"),
    }
    site.sync(**config)
    (post,) = site.posts().values()
    assert (post.title, post.slug, post.body) == ("On bread", "on-bread", "<p>Flour.</p>")
    assert (post.tags, post.published_at) == (("Bread", "Salt"), datetime(2026, 5, 2, 10, tzinfo=UTC))
    assert (post.author_id, post.extra["author"], post.extra["mood"]) == (ada, {"name": "Ada"}, "glad")
    assert "ada@example.org" not in repr(site.shelf), "an author's e-mail address is never kept"
    cover = site.shelf.of(MEDIA)[post.cover_media_id]
    assert cover.url == f"{server.url}/api/files/articles/{article['id']}/{article['picture']}"
    kept = site.shelf.of(MEDIA)[media["id"]]
    assert (kept.url, kept.alt) == (f"{server.url}/api/files/files/{media['id']}/{media['attachment']}", "one dot")
    (settings,) = site.shelf.of(SETTINGS).values()
    assert settings.title == "The kitchen"
    assert settings.favicon_url.startswith(f"{server.url}/api/files/blog/")
    # The cover stays while the post is not read again, and goes with it.
    site.sync(**config)
    assert (site.read, post.cover_media_id in site.shelf.of(MEDIA)) == (0, True)
    # A label that is renamed is seen, although the article's own date of change stays.
    server.update("labels", bread, caption="Loaves")
    site.sync(**config)
    (post,) = site.posts().values()
    assert (site.read, post.tags) == (1, ("Loaves", "Salt"))
    server.delete("articles", article["id"])
    site.sync(**config)
    assert list(site.shelf.of(MEDIA)) == [media["id"]]


def test_a_field_that_does_not_exist_is_refused_with_the_names_of_those_that_do(blog: Site) -> None:
    write(blog.server, 1)
    for field, config in (
        ("state", {"fields": FieldsConfig(status="state")}),
        ("text", {"fields": FieldsConfig(body="text")}),
        ("nice_tags", {"fields": FieldsConfig(tags="nice_tags.name")}),
    ):
        with pytest.raises(ConfigError, match=f"`posts` has no field `{field}`") as caught:
            blog.sync(**config)
        error = caught.value
        assert (error.code, error.exit_code) == ("VB1303", 2)
        assert str(error.diagnostics[0].where).startswith("source.fields.")
        assert error.hint is not None
        assert set(error.hint.removeprefix("its fields: ").split(", ")) >= {"id", "content_html", "slug", "status"}
        assert "collectionId" not in error.hint


def test_an_empty_collection_without_a_status_field_says_what_can_be_done(new: Server, tmp_path: Path) -> None:
    new.collection("posts", {"title": "text", "slug": "text", "content_html": "editor"})
    site = Site(new, tmp_path / "cache")
    with pytest.raises(ConfigError, match=r"filter `posts` by `status") as caught:
        site.sync()
    assert 'status = ""' in str(caught.value.hint)
    site.sync(fields=FieldsConfig(status=""))
    new.create("posts", title="All are published", slug="all", content_html="<p>x</p>")
    site.sync(fields=FieldsConfig(status=""))
    assert site.titles() == ["All are published"]
    assert "VB2207" in site.codes(), "and they have no date of their own"


def test_another_mapping_reads_all_posts_again(new_blog: Site) -> None:
    write(new_blog.server, 1, excerpt="Short")
    new_blog.sync()
    new_blog.sync(fields=FieldsConfig(title="excerpt"))
    assert new_blog.titles() == ["Short"]


@pytest.mark.parametrize("fields", [POST, {name: kind for name, kind in POST.items() if name != "content_html"}])
def test_blocks_are_the_body_where_there_is_no_html(new: Server, tmp_path: Path, fields: dict[str, str]) -> None:
    new.collection("posts", fields | {"content_json": "json"})
    blocks = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Bread."}]}]}
    id = write(new, 1, content_html="", content_json=blocks)
    site = Site(new, tmp_path / "cache")
    site.sync()
    post = site.posts()[id]
    assert (post.body_format, json.loads(post.body)) == (BodyFormat.BLOCKS, blocks)


# Tags, covers, media.


@pytest.mark.parametrize(
    ("kind", "value", "tags"),
    [
        ("json", ["Bread", "Salt"], ("Bread", "Salt")),
        ("json", "Bread, Salt", ("Bread", "Salt")),
        ("json", [{"name": "Bread"}, {"title": "Salt"}], ("Bread", "Salt")),
        ("json", None, ()),
        ("json", [], ()),
        ("json", ["internationally"], ("internationally",)),
        ("text", "Bread, Salt,", ("Bread", "Salt")),
        ("text", "", ()),
    ],
)
def test_tags_are_json_or_text(new: Server, tmp_path: Path, kind: str, value: Any, tags: tuple[str, ...]) -> None:
    new.collection("posts", POST | {"tags": kind})
    id = write(new, 1, tags=value)
    site = Site(new, tmp_path / "cache")
    site.sync()
    assert site.posts()[id].tags == tags


def test_tags_that_are_records_come_with_their_names_and_hidden_ones_are_said_to_be_missing(blog: Site) -> None:
    server = blog.server
    seen = server.collection("tags", {"name": "text", "slug": "text"})
    hidden = server.collection("secret_tags", {"name": "text"}, rule=None)
    relation = {"type": "relation"}
    server.collection(
        "notes", POST | {"tags": relation | {"collectionId": seen}, "more": relation | {"collectionId": hidden}}
    )
    bread = server.create("tags", name="Bread", slug="bread")
    secret = server.create("secret_tags", name="Secret")
    fields = {"title": "One", "slug": "one", "status": "published", "content_html": "<p>1</p>"}
    server.create("notes", **fields, tags=[bread], more=[secret])
    collections = CollectionsConfig(posts="notes")
    blog.sync(collections=collections)
    assert [post.tags for post in blog.posts().values()] == [("Bread",)]
    blog.sync(collections=collections, fields=FieldsConfig(tags="more"))
    assert [post.tags for post in blog.posts().values()] == [()]
    assert "VB3002" in blog.codes()


def test_of_several_files_the_first_is_the_cover_and_empty_fields_are_none(blog: Site) -> None:
    server = blog.server
    tags = server.collection("tags", {"name": "text"})
    many = {
        "cover": {"type": "file", "maxSelect": 5},
        "author": {"type": "relation", "collectionId": tags, "maxSelect": 1},
        "tags": {"type": "relation", "collectionId": tags},
        "rank": "number",
        "hot": "bool",
    }
    server.collection("notes", POST | many)
    fields = {"title": "One", "slug": "one", "status": "published", "content_html": "<p>1</p>"}
    record = server.upload("notes", "cover", "pot.png", DOT, **fields)
    server.create("notes", **fields | {"slug": "two"})
    assert isinstance(record["cover"], list), "control: a list of names, even of one"
    blog.sync(collections=CollectionsConfig(posts="notes"))
    one, two = sorted(blog.posts().values(), key=lambda post: str(post.slug))
    url = f"{server.url}/api/files/notes/{record['id']}/{record['cover'][0]}"
    assert [media.url for media in blog.shelf.of(MEDIA).values()] == [url]
    assert one.cover_media_id in blog.shelf.of(MEDIA)
    assert (two.cover_media_id, two.author_id, two.tags, two.published_at) == (None, None, (), None)
    assert (two.extra["rank"], two.extra["hot"]) == (0, False), "unset and zero look the same"


def test_a_cover_is_a_media_record_where_the_relation_leads_to_one(new_blog: Site) -> None:
    server = new_blog.server
    media_id = server.call("GET", "collections/media")["id"]
    server.collection("notes", POST | {"cover": {"type": "relation", "collectionId": media_id, "maxSelect": 1}})
    media = server.upload("media", "file", "pot.png", DOT, alt="A pot", width="1")
    fields = {"title": "One", "slug": "one", "status": "published", "content_html": "<p>1</p>"}
    server.create("notes", **fields, cover=media["id"])
    new_blog.sync(collections=CollectionsConfig(posts="notes"))
    (post,) = new_blog.posts().values()
    assert post.cover_media_id == media["id"]
    kept = new_blog.shelf.of(MEDIA)[media["id"]]
    assert (kept.alt, kept.width_px, kept.size_bytes, kept.filename) == ("A pot", 1, None, media["file"])


def test_media_and_settings_are_optional_and_an_empty_list_removes_nothing(blog: Site) -> None:
    server = blog.server
    write(server, 1)
    media = server.upload("media", "file", "pot.png", DOT)
    blog.sync()
    assert list(blog.shelf.of(MEDIA)) == [media["id"]]
    blog.sync(collections=CollectionsConfig(media="nope", settings="nope"))
    assert [code for code in blog.codes() if code != "VB2004"] == ["VB2207", "VB2207"]
    assert list(blog.shelf.of(MEDIA)) == [media["id"]], "what was fetched before is kept"
    assert next(iter(blog.shelf.of(SETTINGS).values())).title == "Salt & Water"
    for rule in (None, 'id = "nobody"'):  # 403, and 200 with an empty list
        for name in ("media", "site_settings"):
            server.call("PATCH", f"collections/{name}", json={"listRule": rule})
        blog.sync()
        assert [code for code in blog.codes() if code != "VB2004"] == ["VB2207", "VB2207"]
        assert list(blog.shelf.of(MEDIA)) == [media["id"]]
    assert blog.titles() == ["Post 1"]


def test_the_file_field_of_media_is_found_whatever_its_name_and_an_address_goes_before_it(blog: Site) -> None:
    server = blog.server
    server.collection("uploads", {"blob": "file", "url": "url"}, rule=SIGNED_IN)
    plain = server.upload("uploads", "blob", "pot.png", DOT)
    linked = server.upload("uploads", "blob", "pot.png", DOT, url="https://cdn.example/pot.png")
    blog.sync(collections=CollectionsConfig(media="uploads"))
    urls = {id: media.url for id, media in blog.shelf.of(MEDIA).items()}
    assert urls == {
        plain["id"]: f"{server.url}/api/files/uploads/{plain['id']}/{plain['blob']}",
        linked["id"]: "https://cdn.example/pot.png",
    }
    server.collection("words", {"word": "text"}, rule=SIGNED_IN)
    server.create("words", word="bread")
    with pytest.raises(ConfigError, match="`words` has no field `file`") as caught:
        blog.sync(collections=CollectionsConfig(media="words"))
    assert (caught.value.code, "word" in str(caught.value.hint)) == ("VB1303", True)


def test_secrets_of_other_services_do_not_come_along_with_the_settings(new_blog: Site) -> None:
    new_blog.server.collection(
        "conf", {"name": "text", "description": "text", "integrations": "json", "smtp_password": "text"}, rule=SIGNED_IN
    )
    new_blog.server.create(
        "conf", name="Kitchen", description="Notes", integrations={"mail": {"key": "hush-1"}}, smtp_password="hush-2"
    )
    new_blog.sync(collections=CollectionsConfig(settings="conf"))
    (settings,) = new_blog.shelf.of(SETTINGS).values()
    assert (settings.title, settings.description) == ("Kitchen", "Notes")
    assert "hush" not in repr(new_blog.shelf)


def test_protected_files_are_fetched_with_a_fresh_token_that_shows_nowhere(blog: Site, tmp_path: Path) -> None:
    server = blog.server
    server.collection("vault", {"file": {"type": "file", "protected": True}}, rule=SIGNED_IN)
    record = server.upload("vault", "file", "pot.png", DOT)
    url = f"{server.url}/api/files/vault/{record['id']}/{record['file']}"
    policy = AddressPolicy.of(server.url)
    plain = Downloader(policy, limit_bytes=10_000, first_pause_s=0.01)
    with pytest.raises(SourceUnavailable, match=r"404|403"):
        plain.download(url, tmp_path / "plain")
    plain.close()
    tokens = file_tokens(blog.loaded(), cache=blog.cache)
    assert tokens is not None
    given: list[Secret] = []

    def noted() -> Secret:
        given.append(tokens())
        return given[-1]

    downloader = Downloader(policy, limit_bytes=10_000, first_pause_s=0.01, file_token=noted)
    got = downloader.download(url, tmp_path / "file")
    assert isinstance(got, Downloaded)
    assert got.path.read_bytes() == DOT
    with pytest.raises(SourceUnavailable, match="404") as caught:
        downloader.download(f"{url}x", tmp_path / "none")
    downloader.close()
    assert len({secret.reveal() for secret in given}) == 1, "one token serves a batch"
    secret = given[0].reveal()
    assert secret not in str(caught.value) + repr(caught.value.__dict__)
    assert all(
        secret.encode() not in file.read_bytes()
        for file in tmp_path.rglob("*")
        if file.is_file() and "pb" not in file.parts
    )


def test_the_limit_that_pocketbase_sets_to_files_costs_no_picture(new_blog: Site, tmp_path: Path) -> None:
    server = new_blog.server
    records = [server.upload("media", "file", "pot.png", DOT) for _ in range(5)]
    rule = {"label": "media:file", "audience": "", "duration": 1, "maxRequests": 2}
    server.call("PATCH", "settings", json={"rateLimits": {"enabled": True, "rules": [rule]}})
    urls = [f"{server.url}/api/files/media/{record['id']}/{record['file']}" for record in records]
    downloader = Downloader(AddressPolicy.of(server.url), limit_bytes=10_000, first_pause_s=0.1)
    for number, url in enumerate(urls):
        got = downloader.download(url, tmp_path / str(number))
        assert isinstance(got, Downloaded)
    downloader.close()
    answers = [httpx.get(url, trust_env=False).status_code for url in urls]
    assert 429 in answers, "control: it does bite"


def test_a_file_token_goes_to_no_other_origin(blog: Site, tmp_path: Path) -> None:
    class NoToken(Exception):
        pass

    def asked() -> Secret:
        raise NoToken

    other = AddressPolicy.of("http://127.0.0.1:1", media_hosts=[blog.server.url.removeprefix("http://")])
    downloader = Downloader(other, limit_bytes=10_000, first_pause_s=0.01, file_token=asked)
    with pytest.raises(SourceUnavailable, match="404"):
        downloader.download(f"{blog.server.url}/api/files/nope/x/y.png", tmp_path / "file")
    downloader.close()
    own = Downloader(AddressPolicy.of(blog.server.url), limit_bytes=10_000, first_pause_s=0.01, file_token=asked)
    with pytest.raises(NoToken):  # control: at the API's own origin it is asked for
        own.download(f"{blog.server.url}/api/files/nope/x/y.png", tmp_path / "file")
    own.close()


# Single records.


def test_a_post_that_cannot_be_used_is_left_out_once_and_its_last_good_copy_stays(new: Server, tmp_path: Path) -> None:
    new.collection("posts", POST | {"published_at": "text", "visibility": "text"})
    good, members = write(new, 1), write(new, 2, visibility="members")
    new.collection("media", {"file": "file"})
    new.collection("site_settings", {"site_name": "text"})
    new.create("site_settings", site_name="Salt")
    site = Site(new, tmp_path / "cache")
    site.sync()
    assert set(site.posts()) == {good}
    assert site.codes() == ["VB2209"]
    new.update("posts", good, published_at="yesterday", title="Broken")
    site.sync()
    assert (site.read, site.titles()) == (1, ["Post 1"])
    assert site.codes() == ["VB2206", "VB2209"]
    site.sync()
    assert (site.read, site.codes()) == (0, ["VB2206", "VB2209"]), "not fetched again, but said again"
    new.update("posts", good, published_at="2026-05-02", title="Still broken")
    site.sync()
    assert site.titles() == ["Post 1"]
    new.update("posts", good, published_at="2026-05-02 10:00:00Z", title="Mended")
    site.sync()
    assert (site.titles(), site.codes()) == (["Mended"], ["VB2209"])
    site.sync(members_only="include")
    assert set(site.posts()) == {good, members}


def test_the_token_is_in_no_file_and_no_message(blog: Site, tmp_path: Path) -> None:
    write(blog.server, 1)
    blog.sync(collections=CollectionsConfig(media="nope"))
    token = blog.tokens[0].reveal()
    assert token not in repr(blog.shelf) + repr(blog.warnings)
    files = [file for file in blog.cache.rglob("*") if file.is_file()]
    assert files
    assert all(token.encode() not in file.read_bytes() for file in files)


def test_a_value_in_a_filter_cannot_end_it(new_blog: Site) -> None:
    odd = 'a" || id != "" // x'
    client, close = client_of(new_blog)
    write(new_blog.server, 1)
    assert list(Pages(client, "posts", filter=f"title = {quoted(odd)}")) == [[]]
    write(new_blog.server, 2, title=odd + "\\")
    found = [
        one["title"] for records in Pages(client, "posts", filter=f"title = {quoted(odd + chr(92))}") for one in records
    ]
    assert found == [odd + "\\"]
    close()


# Doctor.


def test_doctor_says_what_each_token_sees(blog: Site) -> None:
    write(blog.server, 1)
    superuser = Secret(str(blog.server.client.headers["Authorization"]), "the superuser's")
    blog.tokens = (Secret("aaa.bbb.ccc", "the dead"), *blog.tokens, superuser, Secret("opaque", "the opaque"))
    blog.server.call("PATCH", "collections/site_settings", json={"listRule": None})
    with open_source(blog.loaded(fields=FieldsConfig(body="text")), cache=None) as opened:
        findings = opened.diagnose()
    told = [(finding.check, finding.verdict, finding.code) for finding in findings]
    assert ("the dead", Verdict.ERROR, "VB2001") in told
    assert ("the test", Verdict.WARNING, "VB2207") in told
    assert ("fields of posts", Verdict.ERROR, "VB1303") in told
    words = [f"{finding.check}: {finding.what}" for finding in findings if finding.verdict is Verdict.WARNING]
    assert any(text.startswith("the superuser's: it is a superuser's") for text in words)
    assert any(text.startswith("the opaque: PocketBase cannot be asked") for text in words)
    assert not any("superuser's and can" in text for text in words if text.startswith("the test"))


def test_doctor_tells_what_else_is_at_the_address(new_blog: Site) -> None:
    new_blog.server.url += "/nowhere"
    with open_source(new_blog.loaded(), cache=None) as opened:
        findings = opened.diagnose()
    assert (findings[0].verdict, findings[0].code) == (Verdict.ERROR, "VB1302")


def test_the_addresses_that_people_copy_are_understood() -> None:
    from velobuild.config.checks import normalised

    for copied in ("https://pb.example", "https://pb.example/api/", "https://pb.example/_/", "https://pb.example/_/#"):
        config = Config(source=SourceConfig(type="pocketbase", url=copied))
        assert normalised(config).source.url == "https://pb.example"


def test_a_token_without_an_end_or_with_a_far_one_is_no_reason_to_warn(recorder: Recorder) -> None:
    recorder.sync(jwt(id="x"))
    recorder.sync(jwt(exp=(datetime.now(UTC) + timedelta(days=100)).timestamp()))
    assert [warning.code for warning in recorder.warnings if warning.code == "VB2004"] == []
