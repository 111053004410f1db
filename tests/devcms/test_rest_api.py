"""The REST API as its documents describe it, with every switch in its default position."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from velobuild.devcms import GENEROUS, Running, Switches
from velobuild.devcms.records import SCOPES


def api(devcms: Running, *scopes: str, name: str = "builder") -> httpx.Client:
    key = devcms.create_key(name, scopes or ("posts:read", "media:read", "site-settings:read"))
    return httpx.Client(base_url=f"{devcms.url}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False)


def with_switches(devcms: Running, **changed: object) -> None:
    devcms.set_switches(Switches(**{**GENEROUS.stored(), **changed}))  # type: ignore[arg-type]


def code(answer: httpx.Response) -> str:
    text: str = answer.json()["error"]["code"]
    return text


def test_a_list_has_its_envelope_and_summaries_without_bodies(devcms: Running) -> None:
    devcms.create_posts([{"title": f"Post {n}", "content_html": "<p>Body</p>", "tags": ["a"]} for n in range(45)])
    with api(devcms) as client:
        first = client.get("/posts", params={"status": "published"}).json()
        last = client.get("/posts", params={"status": "published", "page": 3}).json()
        past = client.get("/posts", params={"page": 4}).json()
    assert {key: first[key] for key in ("page", "per_page", "total", "total_pages")} == {
        "page": 1, "per_page": 20, "total": 45, "total_pages": 3,
    }  # fmt: skip
    assert (len(first["items"]), len(last["items"]), past["items"]) == (20, 5, [])
    assert set(first["items"][0]) == {
        "id", "title", "slug", "status", "excerpt", "tags", "published_at", "created", "updated",
    }  # fmt: skip


def test_pages_together_name_every_post_once(devcms: Running) -> None:
    ids = devcms.create_posts([{"title": f"Post {n}"} for n in range(250)])
    with api(devcms) as client:
        pages = [client.get("/posts", params={"page": page, "per_page": 100}).json()["items"] for page in (1, 2, 3)]
    assert sorted(item["id"] for page in pages for item in page) == sorted(ids)


def test_a_single_post_is_bare_and_has_its_body(devcms: Running) -> None:
    document = {"type": "doc", "content": []}
    id = devcms.create_post(
        title="Salt", content_html="<p>Ten grams & <em>no</em> more</p>", content_json=document, excerpt="How much.",
        tags=["pasta"], seo_title="Salt, measured", published_at=datetime(2026, 5, 3, 10, tzinfo=UTC), tier="gold",
    )  # fmt: skip
    with api(devcms) as client:
        post = client.get(f"/posts/{id}").json()
    assert post["content_html"] == "<p>Ten grams & <em>no</em> more</p>"
    assert (post["content_json"], post["tags"], post["seo_title"]) == (document, ["pasta"], "Salt, measured")
    assert (post["published_at"], post["seo_description"]) == ("2026-05-03T10:00:00.000Z", None)
    assert post["tier"] == "gold", "a field that the API does not know comes through"


def test_the_status_filter_separates_drafts_from_published_posts(devcms: Running) -> None:
    devcms.create_post(title="Out")
    devcms.create_post(title="Not yet", status="draft")
    devcms.create_post(title="Next week", status="scheduled")
    with api(devcms) as client:
        titles = {
            status: sorted(item["title"] for item in client.get("/posts", params={"status": status}).json()["items"])
            for status in ("published", "draft", "")
        }
        wrong = client.get("/posts", params={"status": "secret"})
    assert titles == {"published": ["Out"], "draft": ["Not yet"], "": ["Next week", "Not yet", "Out"]}
    assert (wrong.status_code, code(wrong)) == (422, "VALIDATION_ERROR")


def test_a_page_that_is_no_number_from_one_on_is_a_validation_error(devcms: Running) -> None:
    with api(devcms) as client:
        for query in ("page=0", "page=-1", "page=two", "per_page=0", "per_page=1.5"):
            answer = client.get(f"/posts?{query}")
            assert (answer.status_code, code(answer)) == (422, "VALIDATION_ERROR")
            assert list(answer.json()["error"]["details"]) == [query.split("=")[0]]


def test_media_items_have_an_address_that_serves_the_file(devcms: Running, picture: Path) -> None:
    devcms.upload_media(picture, "A pot")
    text = picture.with_name("notes.txt")
    text.write_text("words")
    devcms.upload_media(text)
    with api(devcms) as client:
        (item,) = client.get("/media", params={"type": "image"}).json()["items"]
        everything = client.get("/media").json()
        alone = client.get(f"/media/{item['id']}").json()
    assert (item["filename"], item["mime_type"], item["alt"]) == ("pot.png", "image/png", "A pot")
    assert (item["width"], item["height"], item["size"]) == (40, 30, picture.stat().st_size)
    assert httpx.get(item["url"], trust_env=False).content == picture.read_bytes()
    assert (everything["total"], alone) == (2, item)


def test_settings_are_one_bare_object(devcms: Running) -> None:
    devcms.update_settings(site_name="Salt & Water", comments_enabled=True, motto="Slowly")
    with api(devcms) as client:
        settings = client.get("/site-settings").json()
    assert (settings["site_name"], settings["comments_enabled"], settings["members_enabled"]) == (
        "Salt & Water", True, False,
    )  # fmt: skip
    assert (settings["site_description"], settings["motto"], settings["tenant_id"]) == (None, "Slowly", "tenant_dev")


def test_comments_can_be_asked_for_by_post_and_status(devcms: Running) -> None:
    one, two = devcms.create_posts([{"title": "One"}, {"title": "Two"}])
    devcms.add_comment(one, "Lovely", author_name="Ana", author_email="ana@example.test")
    devcms.add_comment(one, "Buy now", status="spam")
    devcms.add_comment(two, "Hm")
    with api(devcms, "comments:read") as client:
        asked = {"post_id": one, "status": "approved"}
        (comment,) = client.get("/comments", params=asked).json()["items"]
        total = client.get("/comments").json()["total"]
    assert (comment["body"], comment["author_name"], comment["post_id"]) == ("Lovely", "Ana", one)
    assert (comment["parent_id"], total) == (None, 3)


READS = {
    "posts:read": "/posts",
    "media:read": "/media",
    "comments:read": "/comments",
    "members:read": "/members",
    "site-settings:read": "/site-settings",
}


def test_each_address_needs_its_own_scope_and_no_other(devcms: Running) -> None:
    for scope, path in READS.items():
        with api(devcms, scope, name=f"only {scope}") as client:
            assert client.get(path).status_code == 200
        others = [other for other in SCOPES if other != scope]
        with api(devcms, *others, name=f"all but {scope}") as client:
            answer = client.get(path)
        assert (answer.status_code, code(answer)) == (403, "INVALID_SCOPE")
        assert answer.json()["error"]["details"] == {"required_scope": scope}


def test_a_read_key_cannot_write_anywhere(devcms: Running) -> None:
    with api(devcms) as client:
        answers = {
            (method, path): client.request(method, path, json={"title": "Mine now"})
            for method in ("POST", "PUT", "PATCH", "DELETE")
            for path in ("/posts", "/posts/abcdefghijklmno", "/media", "/site-settings", "/no-such-thing")
        }
    assert {(answer.status_code, code(answer)) for answer in answers.values()} == {(403, "INVALID_SCOPE")}
    assert devcms.posts() == []


def test_a_key_with_the_write_scope_can_write_as_documented(devcms: Running) -> None:
    with api(devcms, "posts:read", "posts:write") as client:
        made = client.post("/posts", json={"title": "New", "slug": "new", "content_html": "<p>x</p>"})
        id = made.json()["data"]["id"]
        changed = client.patch(f"/posts/{id}", json={"status": "published"}).json()["data"]
        refused = client.post("/posts", json={"title": "x" * 256, "slug": "", "status": "secret"})
        twin = client.post("/posts", json={"title": "Again", "slug": "new"})
        gone = client.delete(f"/posts/{id}")
    assert (made.status_code, made.json()["data"]["status"]) == (201, "draft")
    assert changed["status"] == "published"
    assert changed["published_at"], "publishing stamps the date"
    assert (code(refused), set(refused.json()["error"]["details"])) == ("VALIDATION_ERROR", {"title", "slug", "status"})
    assert (twin.status_code, gone.status_code, devcms.posts()) == (422, 204, [])


def test_members_are_listed_with_masked_addresses(devcms: Running) -> None:
    devcms.admin.create("members", {"email": "ana@example.test", "name": "Ana"})
    devcms.admin.create("members", {"email": "bo@example.test"})
    with api(devcms, "members:read") as client:
        body = client.get("/members", params={"per_page": 5})
    listed = body.json()
    assert {key: listed[key] for key in ("page", "per_page", "total", "total_pages")} == {
        "page": 1, "per_page": 5, "total": 2, "total_pages": 1,
    }  # fmt: skip
    shown = {(item["email"], item["name"]) for item in listed["items"]}
    assert shown == {("a***@example.test", "Ana"), ("b***@example.test", None)}
    assert "ana@" not in body.text
    guest = httpx.get(f"{devcms.url}/api/collections/members/records", trust_env=False)
    assert guest.status_code == 403, "and nobody but the superuser reads the collection"


def test_a_comment_over_the_api_is_approved_at_once_and_announced(devcms: Running) -> None:
    one, two = devcms.create_posts([{"title": "One"}, {"title": "Two"}])
    devcms.add_webhook("http://127.0.0.1:9/", ("comment.received",))
    ana = {"post_id": one, "author_name": "Ana", "author_email": "ana@example.test", "body": "Lovely"}
    with api(devcms, "comments:read", "comments:write") as client:
        made = client.post("/comments", json=ana)
        answer = client.post("/comments", json={**ana, "body": "Indeed", "parent_id": made.json()["data"]["id"]})
        listed = client.get("/comments", params={"status": "approved"}).json()["items"]
        elsewhere = client.post("/comments", json={**ana, "post_id": two, "parent_id": made.json()["data"]["id"]})
    assert (made.status_code, answer.status_code) == (201, 201)
    assert (made.json()["data"]["status"], made.json()["data"]["post_id"]) == ("approved", one)
    assert answer.json()["data"]["parent_id"] == made.json()["data"]["id"]
    assert {comment["body"] for comment in listed} == {"Lovely", "Indeed"}
    assert (elsewhere.status_code, list(elsewhere.json()["error"]["details"])) == (422, ["parent_id"])
    assert [delivery.event for delivery in devcms.deliveries()] == ["comment.received"] * 2


def test_a_comment_that_cannot_be_is_refused_field_by_field(devcms: Running) -> None:
    post = devcms.create_post(title="One")
    good = {"post_id": post, "author_name": "Ana", "body": "Lovely"}
    wrong: dict[str, list[object]] = {
        "post_id": [None, "", "abcdefghijklmno", 7],
        "author_name": [None, " ", "x" * 256],
        "body": ["", "x" * 20_001, ["Lovely"]],
        "author_email": ["nobody", "a b@c"],
        "parent_id": ["abcdefghijklmno"],
    }
    with api(devcms, "comments:write") as client:
        for field, values in wrong.items():
            for value in values:
                refused = client.post("/comments", json={**good, field: value})
                assert (refused.status_code, code(refused)) == (422, "VALIDATION_ERROR"), (field, value)
                assert list(refused.json()["error"]["details"]) == [field], value
        garbled = client.post("/comments", content=b"{", headers={"Content-Type": "application/json"})
        assert (garbled.status_code, code(garbled)) == (422, "VALIDATION_ERROR")
        assert client.post("/comments", json=good).status_code == 201, "the control"


def test_a_file_can_be_uploaded_with_the_scope_for_it(devcms: Running, picture: Path) -> None:
    with api(devcms, "media:read", "media:write") as client:
        files = {"file": ("pot.png", picture.read_bytes(), "image/png")}
        made = client.post("/media", files=files, data={"alt": "A pot"})
        (listed,) = client.get("/media", params={"type": "image"}).json()["items"]
        without = [client.post("/media", data={"alt": "A pot"}), client.post("/media", json={"file": "x"})]
    item = made.json()["data"]
    assert (made.status_code, item) == (201, listed)
    assert (item["filename"], item["mime_type"], item["alt"], item["size"]) == (
        "pot.png", "image/png", "A pot", picture.stat().st_size,
    )  # fmt: skip
    assert httpx.get(item["url"], trust_env=False).content == picture.read_bytes()
    assert [(answer.status_code, list(answer.json()["error"]["details"])) for answer in without] == [
        (422, ["file"])
    ] * 2  # fmt: skip


# Besides the reads above: what each scope lets through, so that none is sold that opens nothing.
WRITES = {
    "posts:write": ("POST", "/posts"),
    "media:write": ("POST", "/media"),
    "comments:write": ("POST", "/comments"),
    "comments:moderate": ("PATCH", "/comments/abcdefghijklmno/moderate"),
}


def test_every_scope_opens_an_address(devcms: Running) -> None:
    assert {*READS, *WRITES} == set(SCOPES)
    for scope, (method, path) in WRITES.items():
        others = [other for other in SCOPES if other != scope]
        with api(devcms, *others, name=f"all but {scope}") as client:
            refused = client.request(method, path, json={})
        with api(devcms, scope, name=f"only {scope}") as client:
            let_in = client.request(method, path, json={})
        assert refused.json()["error"]["details"] == {"required_scope": scope}
        assert let_in.status_code in (404, 422), scope


REFUSED = [
    "",
    "Bearer",
    "Bearer nonsense",
    "Bearer velo_" + "0" * 64,
    "Basic velo_" + "0" * 64,
    "Bearer velo_" + "Z" * 64,
]


def test_without_a_valid_key_every_address_answers_unauthorized(devcms: Running) -> None:
    answers = [
        httpx.get(f"{devcms.url}/api/v1{path}", headers={"Authorization": authorization}, trust_env=False)
        for authorization in REFUSED
        for path in (*READS.values(), "/no-such-thing")
    ]
    assert {(answer.status_code, code(answer)) for answer in answers} == {(401, "UNAUTHORIZED")}


def test_a_revoked_key_is_refused_at_once_while_its_successor_works(devcms: Running) -> None:
    with api(devcms, name="old") as old, api(devcms, name="new") as new:
        assert [client.get("/posts").status_code for client in (old, new)] == [200, 200]
        devcms.revoke_key("old")
        assert [client.get("/posts").status_code for client in (old, new)] == [401, 200]
    assert [(key.name, key.revoked) for key in devcms.api_keys()] == [("old", True), ("new", False)]


def test_nothing_there_is_not_found(devcms: Running) -> None:
    with api(devcms) as client:
        answers = [
            client.get(path) for path in ("/posts/abcdefghijklmno", "/media/x", "/pages", "/posts/a/b", "/posts/")
        ]
    assert [(answer.status_code, code(answer)) for answer in answers] == [(404, "NOT_FOUND")] * 5


def test_the_plain_key_is_nowhere_in_the_data_folder(devcms: Running, devcms_folder: Path) -> None:
    key = devcms.create_key("builder")
    devcms.create_post(title="A title to find")
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{devcms.url}/api/v1/posts", headers=headers, trust_env=False).status_code == 200
    devcms.stop()
    kept = {path: path.read_bytes() for path in devcms_folder.rglob("*") if path.is_file()}
    assert [path for path, content in kept.items() if key.removeprefix("velo_").encode() in content] == []
    # The control: what was stored in the clear is found by the same search.
    assert [path for path, content in kept.items() if b"A title to find" in content] != []


# Limits


def test_the_limit_counts_exactly_under_fifty_parallel_calls(devcms: Running) -> None:
    with_switches(devcms, rate_limit=30)
    with api(devcms) as client, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.get("/posts"), range(50)))
    taken = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(taken), len(refused), {code(answer) for answer in refused}) == (30, 20, {"RATE_LIMITED"})
    remaining = sorted(int(answer.headers["X-RateLimit-Remaining"]) for answer in taken)
    assert remaining == list(range(30)), "no two calls saw the same count"


def test_the_daily_quota_counts_exactly_under_fifty_parallel_calls(devcms: Running) -> None:
    with_switches(devcms, daily_quota=20)
    with api(devcms) as client, ThreadPoolExecutor(50) as pool:
        codes = [answer.status_code for answer in pool.map(lambda _: client.get("/posts"), range(50))]
        refused = client.get("/posts")
        assert (codes.count(200), codes.count(429), code(refused)) == (20, 30, "QUOTA_EXCEEDED")
        until_midnight = 86400 - datetime.now(UTC).timestamp() % 86400
        assert abs(int(refused.headers["Retry-After"]) - until_midnight) < 5
        with_switches(devcms, daily_quota=21)
        assert [client.get("/posts").status_code for _ in range(2)] == [200, 429], "refused calls used up nothing"


def test_each_key_has_a_limit_of_its_own(devcms: Running) -> None:
    with_switches(devcms, rate_limit=1)
    with api(devcms, name="one") as one, api(devcms, name="two") as two:
        assert [client.get("/posts").status_code for client in (one, two, one, two)] == [200, 200, 429, 429]


def test_the_limit_headers_tell_the_truth(devcms: Running) -> None:
    with_switches(devcms, rate_limit=2, rate_window_ms=30_000)
    with api(devcms) as client:
        before = datetime.now(UTC).timestamp()
        answers = [client.get("/posts") for _ in range(3)]
    told = [
        {name: answer.headers.get(name) for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining")}
        for answer in answers
    ]
    assert told == [{"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": left} for left in ("1", "0", "0")]
    assert all(0 <= int(answer.headers["X-RateLimit-Reset"]) - before - 30 <= 3 for answer in answers)
    assert 28 <= int(answers[2].headers["Retry-After"]) <= 30
    assert "Retry-After" not in answers[1].headers


def test_a_window_shorter_than_a_second_slides_on(devcms: Running) -> None:
    with_switches(devcms, rate_limit=2, rate_window_ms=200)
    codes: list[int] = []
    taken: list[tuple[float, float]] = []
    with api(devcms) as client:
        while len(taken) < 6:
            sent = time.monotonic()
            codes.append(client.get("/posts").status_code)
            if codes[-1] == 200:
                taken.append((sent, time.monotonic()))
    # Between sending one call and having the answer to the next but one, a window has passed.
    waited_s = [answered - sent for (sent, _), (_, answered) in zip(taken, taken[2:], strict=False)]
    assert min(waited_s) > 0.195, waited_s
    assert 429 in codes


def test_the_hourly_limit_holds_beside_the_short_one(devcms: Running) -> None:
    with_switches(devcms, rate_limit=0, hourly_limit=3)
    with api(devcms) as client:
        answers = [client.get("/posts") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 3500 < int(answers[3].headers["Retry-After"]) <= 3600


@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_retry_after_comes_in_the_form_that_the_switch_says(devcms: Running, form: str) -> None:
    with_switches(devcms, rate_limit=1, retry_after=form)
    with api(devcms) as client:
        client.get("/posts")
        told = client.get("/posts").headers.get("Retry-After")
    if form == "none":
        assert told is None
    elif form == "seconds":
        assert told is not None
        assert 55 <= int(told) <= 60
    else:
        assert told is not None
        assert 50 < (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds() <= 61


def test_counts_can_be_forgotten(devcms: Running) -> None:
    with_switches(devcms, rate_limit=1)
    with api(devcms) as client:
        assert [client.get("/posts").status_code for _ in range(2)] == [200, 429]
        devcms.forget_calls()
        assert client.get("/posts").status_code == 200


# Switches: both positions of each; the defaults are above.


def test_the_defaults_are_the_newest_documents(devcms: Running) -> None:
    devcms.set_switches(Switches())
    with api(devcms) as client:
        answer = client.get("/posts")
    assert answer.headers["X-RateLimit-Limit"] == "30"


def test_switches_hold_over_a_restart(devcms: Running, devcms_folder: Path) -> None:
    from velobuild.devcms import DevCms

    with_switches(devcms, dates="space")
    devcms.stop()
    with DevCms(devcms_folder).start(deliver=False) as again:
        assert again.switches().dates == "space"


def test_headers_can_be_switched_off(devcms: Running) -> None:
    with_switches(devcms, rate_limit=5, rate_headers=False)
    with api(devcms) as client:
        headers = client.get("/posts").headers
    assert [name for name in headers if name.startswith("x-ratelimit")] == []


def test_single_posts_can_come_wrapped(devcms: Running) -> None:
    id = devcms.create_post(title="Salt")
    with_switches(devcms, single_posts="wrapped")
    with api(devcms) as client:
        body = client.get(f"/posts/{id}").json()
        settings = client.get("/site-settings").json()
    assert list(body) == ["data"]
    assert body["data"]["id"] == id
    assert "site_name" in settings


@pytest.mark.parametrize(("dates", "published", "other"), [("iso", "T", "T"), ("space", " ", " "), ("mixed", "T", " ")])
def test_dates_come_in_the_form_that_the_switch_says(devcms: Running, dates: str, published: str, other: str) -> None:
    id = devcms.create_post(title="Salt")
    with_switches(devcms, dates=dates)
    with api(devcms) as client:
        post = client.get(f"/posts/{id}").json()
    form = r"\d{4}-\d\d-\d\d%s\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(form % published, post["published_at"])
    assert re.fullmatch(form % other, post["created"])
    assert re.fullmatch(form % other, post["updated"])


def test_list_items_can_carry_what_single_posts_carry(devcms: Running) -> None:
    id = devcms.create_post(title="Salt", content_html="<p>Body</p>", seo_title="S")
    with_switches(devcms, list_bodies=True)
    with api(devcms) as client:
        assert client.get("/posts").json()["items"] == [client.get(f"/posts/{id}").json()]


@pytest.mark.parametrize(
    ("switch", "value", "status", "expected"),
    [
        ("plan_too_low", True, 403, "PLAN_UPGRADE_REQUIRED"),
        ("https_required", True, 403, "HTTPS_REQUIRED"),
        ("failing", 500, 500, "INTERNAL_ERROR"),
        ("failing", 503, 503, "INTERNAL_ERROR"),
    ],
)
def test_a_switch_can_refuse_every_call(
    devcms: Running, switch: str, value: object, status: int, expected: str
) -> None:
    with api(devcms) as client:
        with_switches(devcms, **{switch: value})
        refused = [client.get(path) for path in ("/posts", "/media", "/site-settings")]
        devcms.set_switches(GENEROUS)
        assert client.get("/posts").status_code == 200, "the running server obeys at once"
    assert {(answer.status_code, code(answer)) for answer in refused} == {(status, expected)}


def test_the_status_filter_can_be_ignored(devcms: Running) -> None:
    devcms.create_post(title="Not yet", status="draft")
    with api(devcms) as client:
        assert client.get("/posts?status=published").json()["total"] == 0
        with_switches(devcms, ignore_status_filter=True)
        assert client.get("/posts?status=published").json()["items"][0]["status"] == "draft"


def test_too_large_a_page_is_clamped_or_refused(devcms: Running) -> None:
    with api(devcms) as client:
        assert client.get("/posts?per_page=5000").json()["per_page"] == 100
        with_switches(devcms, per_page_max=10)
        assert client.get("/posts?per_page=100").json()["per_page"] == 10
        assert client.get("/posts").json()["per_page"] == 10
        with_switches(devcms, over_per_page_max="refuse")
        assert [client.get(f"/posts?per_page={n}").status_code for n in (100, 101)] == [200, 422]


def test_media_addresses_can_be_relative(devcms: Running, picture: Path) -> None:
    id = devcms.upload_media(picture)
    with_switches(devcms, media_urls="relative")
    with api(devcms) as client:
        assert client.get("/media").json()["items"][0]["url"] == devcms.media_path(id)
    assert devcms.media_path(id).startswith(f"/api/files/media/{id}/pot_")


@pytest.mark.parametrize("form", ["null", "missing", "empty"])
def test_fields_without_a_value_look_as_the_switch_says(devcms: Running, form: str) -> None:
    id = devcms.create_post(title="Bare", published_at=None)
    with_switches(devcms, empty_fields=form)
    with api(devcms) as client:
        post = client.get(f"/posts/{id}").json()
    names = ["excerpt", "tags", "published_at", "seo_title", "seo_description", "content_json"]
    expected = {
        "null": dict.fromkeys(names),
        "missing": {},
        "empty": {**dict.fromkeys(names, ""), "tags": []},
    }[form]
    assert {name: post[name] for name in names if name in post} == expected


def test_errors_can_come_without_details_and_with_the_other_code(devcms: Running) -> None:
    with_switches(devcms, error_details=False, missing_scope_code="FORBIDDEN")
    with api(devcms) as client:
        answer = client.get("/comments")
    assert answer.status_code == 403
    assert answer.json() == {"error": {"code": "FORBIDDEN", "message": answer.json()["error"]["message"]}}


# The log


def test_the_log_has_every_call_but_the_superusers(devcms: Running, picture: Path) -> None:
    id = devcms.upload_media(picture)
    with api(devcms) as client:
        client.get("/posts", params={"status": "published"})
        client.post("/posts", json={})
    path = devcms.media_path(id)
    httpx.get(f"{devcms.url}{path}?token=s3cret", trust_env=False)
    httpx.get(f"{devcms.url}/api/v1/posts", trust_env=False)
    logged = [(entry.method, entry.path, entry.query, entry.status, entry.key) for entry in devcms.requests("/")]
    assert logged == [
        ("GET", "/api/v1/posts", "status=published", 200, "builder"),
        ("POST", "/api/v1/posts", "", 403, "builder"),
        ("GET", path, "token=****", 200, ""),
        ("GET", "/api/v1/posts", "", 401, ""),
    ]
    assert len(devcms.requests()) == 3
    devcms.clear_requests()
    assert devcms.requests("/") == []
