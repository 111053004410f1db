"""The stand-in answers like the server that was recorded, to the byte, and as its contract says elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.standins.comet import MARKDOWN, TAGS, TEXT, CometStandIn, schema

CAPTURES = Path(__file__).parent / "captures"
HOST = "127.0.0.1:8191"
RECORDED = "2026-11-21T03:50:55Z"
DOT = b"x" * 70


def capture(name: str) -> bytes:
    return (CAPTURES / f"comet-{name}.json").read_bytes()


@pytest.fixture
def recorded() -> Iterator[CometStandIn]:
    """The content of the recorded server."""
    with CometStandIn() as cms:
        fields = {"summary": TEXT, "content": MARKDOWN, "body": MARKDOWN, "cover": {"type": "media"}, "tags": TAGS}
        cms.types["posts"] = schema("posts", fields)
        by: dict[str, Any] = {"author_id": "tok_6e2aa3dea0", "created_at": RECORDED, "updated_at": RECORDED}
        cms.put_entry("tags", "pasta", id="h8wJ4RllCQg", published_at=RECORDED, **by)
        data: dict[str, Any] = {"summary": "Salt it", "content": "# Hi", "cover": ["dot.png"], "tags": ["pasta"]}
        cms.put_post("how-to-cook-pasta", id="vHQ36dNtPSI", **by, **data, body="# never seen")
        later: dict[str, Any] = {"summary": None, "content": None, "cover": [], "tags": []}
        cms.put_post("later", id="pFTnRrg8t98", published_at="2099-01-01T00:00:00Z", **by, **later)
        at = "2026-11-21T03:50:55+00:00"
        cms.put_media("dot.png", DOT, uploaded_by="tok_6e2aa3dea0", uploaded_at=at, width=1, height=1)
        yield cms


def ask(cms: CometStandIn, path: str, *, token: str = "", host: str = HOST, method: str = "GET") -> httpx.Response:
    headers = {"Host": host} | ({"Authorization": f"Bearer {token}"} if token else {})
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"{cms.url}{path}", headers=headers)


SCOPED = "/api/v1/workspaces/site-a"


@pytest.mark.parametrize(
    ("name", "path", "token", "status"),
    [
        ("bad-token", f"{SCOPED}/content/posts", "ctcms_wrong", 401),
        ("not-found", f"{SCOPED}/content/posts/none", "", 404),
        ("unscoped", "/api/v1/content/posts", "", 400),
        ("content-type", f"{SCOPED}/content-types/posts", "", 200),
        ("media-list", f"{SCOPED}/media", "", 200),
        ("post-one", f"{SCOPED}/content/posts/how-to-cook-pasta", "", 200),
        ("posts-anonymous", f"{SCOPED}/content/posts", "", 200),
        ("posts-token", f"{SCOPED}/content/posts?include=tags&limit=50&sort=-published_at", "good", 200),
    ],
)
def test_it_says_what_the_recorded_server_said(
    recorded: CometStandIn, name: str, path: str, token: str, status: int
) -> None:
    answer = ask(recorded, path, token=recorded.token if token == "good" else token)
    assert (answer.status_code, answer.content) == (status, capture(name))


def test_an_answer_is_kept_with_the_host_that_asked_first_until_something_changes(recorded: CometStandIn) -> None:
    recorded.now = lambda: datetime(2026, 12, 1, tzinfo=UTC)
    first = ask(recorded, f"{SCOPED}/media", host="evil.example")
    second = ask(recorded, f"{SCOPED}/media")
    assert [one.headers["X-CometCMS-Cache"] for one in (first, second)] == ["MISS", "HIT"]
    assert "evil.example" in second.text
    assert "evil.example" not in ask(recorded, f"{SCOPED}/media?_=1").text
    recorded.put_media("other.png", DOT)
    assert "evil.example" not in ask(recorded, f"{SCOPED}/media").text


def test_lists_keep_the_rules_of_the_contract(recorded: CometStandIn) -> None:
    def ids(query: str, token: str = "") -> list[str]:
        return [row["slug"] for row in ask(recorded, f"{SCOPED}/content/posts?{query}", token=token).json()["data"]]

    token = recorded.token
    assert ids("limit=0", token) == ids("limit=1", token)
    assert ids("offset=9") == []
    assert ids("filter[nonsense]=1") == ["how-to-cook-pasta"]
    assert ids("filter[tags]=pasta") == ["how-to-cook-pasta"]
    assert ids("filter[tags]=h8wJ4RllCQg") == []
    assert ids("filter[status]=draft", token) == []


def test_files_have_two_headers_and_no_head(recorded: CometStandIn) -> None:
    recorded.put_media("secret.png", DOT, visibility="private")
    got = ask(recorded, "/media/site-a/dot.png")
    assert got.content == DOT
    assert {name.lower() for name in got.headers} <= {"content-type", "content-length"}
    assert ask(recorded, "/media/site-a/dot.png", method="HEAD").status_code == 404
    assert ask(recorded, "/media/site-a/secret.png").status_code == 401
    assert ask(recorded, "/media/site-a/secret.png", token=recorded.token).content == DOT
    assert "secret.png" not in ask(recorded, f"{SCOPED}/media").text


def test_a_field_named_body_comes_only_with_a_translation_of_a_localized_type() -> None:
    with CometStandIn() as cms:
        cms.types["posts"] = schema("posts", {"body": MARKDOWN}, locales=["en", "de"], default_locale="en")
        cms.put_post("hello", body="base", translations={"de": {"title": "Hallo", "body": "übersetzt"}})

        def data(query: str) -> Any:
            return json.loads(ask(cms, f"{SCOPED}/content/posts/hello{query}").content)["data"]

        assert data("")["data"] == []
        assert data("?locale=en")["data"] == []
        assert (data("?locale=de")["title"], data("?locale=de")["data"]) == ("Hallo", {"body": "übersetzt"})
        assert data("?locale=fr")["title"] == "Hello"
