"""What CometCMS refuses, and what velobuild then says and ends with: no answer of it may look like an empty site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.sources.comet_blog import PLAIN, ROLES, Blog, blog
from tests.standins.comet import MARKDOWN, CometStandIn, schema
from velobuild.config.load import load
from velobuild.config.schema import CollectionsConfig, FieldsConfig
from velobuild.config.secrets import redact
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError, VelobuildError
from velobuild.http.addresses import AddressPolicy
from velobuild.http.download import Downloader
from velobuild.http.downloaded import Downloaded
from velobuild.sources import file_tokens
from velobuild.sources.doctor import Finding, Verdict

__all__ = ["blog"]

ALWAYS = 1_000
ENDS: list[tuple[str, type[VelobuildError], int, str]] = [
    ("unauthorized", TokenError, 3, "VB2001"),
    ("forbidden", TokenError, 3, "VB2002"),
    ("workspace_not_found", ConfigError, 2, "VB1303"),
    ("unscoped", ConfigError, 2, "VB1105"),
    ("plain_404", ConfigError, 2, "VB1302"),
    ("validation_failed", ProtocolError, 5, "VB2201"),
    ("csrf_mismatch", ProtocolError, 5, "VB2201"),
    ("server_error", SourceUnavailable, 4, "VB2103"),
    ("html_500", SourceUnavailable, 4, "VB2103"),
    ("not_set_up", SourceUnavailable, 4, "VB2103"),
    ("rate_limited", SourceUnavailable, 4, "VB2104"),
    ("html_200", ProtocolError, 5, "VB2201"),
    ("redirect", ProtocolError, 5, "VB2204"),
    ("cut", ProtocolError, 5, "VB2202"),
]


@pytest.mark.parametrize(("kind", "error", "exit_code", "code"), ENDS, ids=[end[0] for end in ENDS])
@pytest.mark.parametrize("path", ["/content-types", "/content/posts"])
def test_every_refusal_of_the_contract_ends_as_documented_and_changes_nothing(
    blog: Blog, path: str, kind: str, error: type[VelobuildError], exit_code: int, code: str
) -> None:
    blog.tokens = (blog.cms.token,)
    blog.cms.put_post(content="x")
    blog.sync()
    blog.cms.retry_after_s = 1_200
    blog.cms.fail_next(kind, times=ALWAYS, path=path)
    with pytest.raises(VelobuildError) as raised:
        blog.sync()
    assert (type(raised.value), raised.value.exit_code, raised.value.code) == (error, exit_code, code)
    assert raised.value.hint
    assert blog.cms.token not in f"{raised.value} {raised.value.diagnostics}"
    assert blog.slugs() == ["a-post"]


@pytest.mark.parametrize("kind", [end[0] for end in ENDS if end[0] != "forbidden"])
def test_no_refusal_of_a_single_post_is_taken_for_its_end(blog: Blog, kind: str) -> None:
    id = blog.cms.put_post(content="x")
    blog.sync()
    blog.cms.delete_post(id)
    blog.cms.retry_after_s = 1_200
    blog.cms.fail_next(kind, times=ALWAYS, path=f"/content/posts/{id}")
    with pytest.raises(VelobuildError):
        blog.sync()
    assert list(blog.posts()) == [id]


@pytest.mark.parametrize("kind", ["server_error", "html_500", "rate_limited", "cut"])
def test_what_passes_is_asked_again(blog: Blog, kind: str) -> None:
    blog.cms.put_post(content="x")
    blog.cms.fail_next(kind, times=2, path="/content/posts")
    blog.sync()
    assert blog.slugs() == ["a-post"]


def test_a_pause_is_as_long_as_the_body_says(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.cms.retry_after_s = 1_200
    blog.cms.fail_next("rate_limited", path="/content/posts")
    with pytest.raises(SourceUnavailable) as raised:
        blog.sync()
    # Longer than anybody waits for. Without the body it would have been a second, and the next answer was good.
    assert raised.value.code == "VB2104"
    assert "20 min" in str(raised.value)
    assert raised.value.retry_at == blog.now.timestamp() + 1_200


def test_a_workspace_that_is_archived_removes_nothing(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.sync()
    blog.cms.archived = True
    with pytest.raises(ConfigError) as raised:
        blog.sync()
    assert raised.value.code == "VB1303"
    assert "no such workspace" in str(raised.value)
    assert blog.slugs() == ["a-post"]


def test_an_address_outside_of_the_installation_is_recognised(blog: Blog) -> None:
    with pytest.raises(ConfigError) as raised:
        blog.sync(url=f"{blog.cms.url}/elsewhere")
    assert raised.value.code == "VB1302"


def test_a_missing_collection_is_named_beside_those_that_exist(blog: Blog) -> None:
    with pytest.raises(ConfigError) as raised:
        blog.sync(collections=CollectionsConfig(posts="blogpost"))
    assert (raised.value.code, raised.value.diagnostics[0].where) == ("VB1303", "source.collections.posts")
    assert "people, posts" in (raised.value.hint or "")


def test_a_missing_field_is_named_beside_those_that_exist(blog: Blog) -> None:
    with pytest.raises(ConfigError) as raised:
        blog.sync(fields=FieldsConfig(cover="picture"))
    assert (raised.value.code, raised.value.diagnostics[0].where) == ("VB1303", "source.fields.cover")
    assert raised.value.hint == "its fields: summary, content, cover, tags, author"


def test_a_role_that_no_relation_leads_to_is_named(blog: Blog) -> None:
    blog.cms.types["posts"] = schema("posts", {"content": MARKDOWN})
    with pytest.raises(ConfigError, match="`posts` has no relation to `tags`"):
        blog.sync()


def test_schemas_whose_list_is_short_are_read_singly(blog: Blog) -> None:
    blog.cms.schemas_short = True
    blog.cms.put_post(content="x")
    blog.sync()
    assert blog.post().body == "x"


# --- Tokens


def test_an_invalid_token_ends_the_build_although_nobody_would_be_shown_everything(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.sync()
    blog.tokens = ("ctcms_wrong",)
    with pytest.raises(TokenError) as raised:
        blog.sync()
    assert (raised.value.code, raised.value.exit_code) == ("VB2001", 3)
    assert "take the token away" in (raised.value.hint or "")
    assert blog.slugs() == ["a-post"]


def test_a_second_token_is_tried_when_the_first_is_refused(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.tokens = ("ctcms_wrong", blog.cms.token)
    blog.sync()
    assert blog.slugs() == ["a-post"]
    assert blog.codes() == ["VB2001"]


def test_a_token_without_the_grant_reads_less_than_nobody(blog: Blog) -> None:
    blog.cms.put_post(content="x")
    blog.sync()
    blog.tokens = (blog.cms.token,)
    blog.cms.grants = ()
    with pytest.raises(TokenError) as raised:
        blog.sync()
    assert (raised.value.code, raised.value.exit_code) == ("VB2002", 3)
    assert "grant it content.read" in (raised.value.hint or "")


@pytest.mark.parametrize("token", ["velo_0123456789abcdef0123", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"])
def test_the_token_of_another_cms_is_not_sent(blog: Blog, token: str) -> None:
    blog.cms.put_post(content="x")
    blog.tokens = (token,)
    blog.sync()
    assert blog.slugs() == ["a-post"]
    assert blog.codes() == ["VB1202"]
    assert not any("authorization" in call.headers for call in blog.cms.calls)
    assert token not in repr(blog.warnings)


def test_a_token_of_cometcms_is_made_unreadable_wherever_it_stands() -> None:
    with CometStandIn() as cms:
        assert redact(f"curl -H {cms.token}") == "curl -H ****"


# --- Private files


def downloader(policy: AddressPolicy, blog: Blog) -> Downloader:
    return Downloader(policy, limit_bytes=10_000, first_pause_s=0.01, file_token=file_tokens(blog.loaded(), cache=None))


def test_a_private_file_is_fetched_with_the_token_and_a_public_one_without(blog: Blog, tmp_path: Path) -> None:
    blog.tokens = (blog.cms.token,)
    private = blog.cms.put_media("secret.png", b"private", visibility="private")
    public = blog.cms.put_media("open.png", b"public")
    fetching = downloader(AddressPolicy.of(blog.cms.url), blog)
    got = fetching.download(private, tmp_path / "a")
    fetching.download(public, tmp_path / "b")
    fetching.close()
    assert isinstance(got, Downloaded)
    assert got.path.read_bytes() == b"private"
    sent = [(call.path.rpartition("/")[2], "authorization" in call.headers) for call in blog.cms.calls]
    assert sent == [("secret.png", False), ("secret.png", True), ("open.png", False)]
    assert {call.method for call in blog.cms.calls} == {"GET"}


def test_without_a_token_a_private_file_is_not_to_be_had(blog: Blog, tmp_path: Path) -> None:
    private = blog.cms.put_media("secret.png", b"private", visibility="private")
    assert file_tokens(blog.loaded(), cache=None) is None
    fetching = downloader(AddressPolicy.of(blog.cms.url), blog)
    with pytest.raises(SourceUnavailable) as raised:
        fetching.download(private, tmp_path / "a")
    fetching.close()
    assert raised.value.code == "VB4001"


def test_the_token_goes_to_no_other_host_and_to_no_file_that_is_merely_missing(blog: Blog, tmp_path: Path) -> None:
    blog.tokens = (blog.cms.token,)
    private = blog.cms.put_media("secret.png", b"private", visibility="private")
    other = AddressPolicy.of("http://127.0.0.1:9", media_hosts=[f"127.0.0.1:{blog.cms.port}"])
    for policy, url in ((other, private), (AddressPolicy.of(blog.cms.url), f"{blog.cms.url}/media/site-a/none.png")):
        fetching = downloader(policy, blog)
        with pytest.raises(SourceUnavailable):
            fetching.download(url, tmp_path / "a")
        fetching.close()
    assert blog.cms.calls
    assert not any("authorization" in call.headers for call in blog.cms.calls)


# --- Doctor


def found(findings: list[Finding], verdict: Verdict) -> list[str]:
    return [finding.what for finding in findings if finding.verdict is verdict]


def test_doctor_has_nothing_to_say_of_a_site_that_works(blog: Blog) -> None:
    blog.cms.put_entry("tags", "salt")
    blog.cms.put_post(content="x", tags=["salt"])
    blog.cms.put_media("a.png", b"1")
    findings = blog.diagnose()
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    said = " / ".join(finding.what for finding in findings)
    assert "1 are published; tags: Salt" in said
    assert "a post's text is `content` (markdown)" in said
    assert "1 files" in said
    assert "none is needed" in said


def test_doctor_warns_of_what_a_token_adds(blog: Blog) -> None:
    blog.cms.put_post("a", content="x")
    blog.cms.put_post("b", content="x", status="draft")
    blog.tokens = (blog.cms.token,)
    (warning,) = found(blog.diagnose(), Verdict.WARNING)
    assert "what no reader may see" in warning
    assert "(1 here)" in warning


@pytest.mark.parametrize(
    ("body", "verdict"), [("body", Verdict.ERROR), ("content", Verdict.WARNING)], ids=["the body", "another field"]
)
def test_doctor_names_a_field_that_cannot_be_read(blog: Blog, body: str, verdict: Verdict) -> None:
    fields = {"body": MARKDOWN} if body == "body" else {"content": MARKDOWN, "body": MARKDOWN}
    blog.cms.types["posts"] = schema("posts", fields)
    blog.cms.put_post()
    (finding,) = [one for one in blog.diagnose(collections=PLAIN) if one.verdict is not Verdict.OK]
    assert (finding.verdict, finding.code) == (verdict, "VB1303")
    assert "`body`" in finding.what
    assert "rename" in (finding.hint or "")
    assert finding.exit_code == (2 if verdict is Verdict.ERROR else 0)


@pytest.mark.parametrize(
    ("trouble", "exit_code", "said"),
    [
        ("collection", 2, "no collection `articles`"),
        ("workspace", 2, "no such workspace"),
        ("token", 3, "refused the token"),
        ("grant", 3, "may not read this"),
        ("address", 2, "not CometCMS's API"),
        ("locale", 2, "no locale `fr`"),
        ("tags", 2, "no collection `keywords`"),
    ],
)
def test_doctor_says_each_trouble_with_the_exit_code_of_a_build(
    blog: Blog, trouble: str, exit_code: int, said: str
) -> None:
    blog.cms.put_post(content="x")
    if trouble in ("token", "grant"):
        blog.tokens = ("ctcms_wrong",) if trouble == "token" else (blog.cms.token,)
        blog.cms.grants = ()
    changes = {
        "collection": {"collections": replace(ROLES, posts="articles")},
        "tags": {"collections": replace(ROLES, tags="keywords")},
        "workspace": {"workspace": "site-b"},
        "address": {"url": f"{blog.cms.url}/elsewhere"},
        "locale": {"locales": ("fr",)},
    }.get(trouble, {})
    (finding, *_) = [one for one in blog.diagnose(**changes) if one.verdict is Verdict.ERROR]
    assert said in finding.what
    assert finding.exit_code == exit_code
    assert finding.hint


def test_doctor_tells_that_nothing_is_published_and_that_files_cannot_be_listed(blog: Blog) -> None:
    assert found(blog.diagnose(), Verdict.WARNING) == ["CometCMS shows no published entry of `posts`"]
    blog.cms.put_post(content="x")
    blog.tokens = (blog.cms.token,)
    blog.cms.grants = blog.cms.grants[:1]
    assert any("files cannot be listed" in what for what in found(blog.diagnose(), Verdict.WARNING))


# --- Configuration


def written(folder: Path, source: str) -> Path:
    (folder / "velobuild.toml").write_text(f'[source]\ntype = "cometcms"\n{source}\n', "utf-8")
    return folder


def test_the_address_of_the_api_is_understood_as_that_of_the_installation(tmp_path: Path) -> None:
    for below in ("", "/", "/api/v1", "/api/v1/workspaces", "/api/v1/workspaces/main/"):
        text = f'url = "https://cms.example/cms{below}"\nworkspace = "main"'
        assert load(None, directory=written(tmp_path, text), environment={}).config.source.url == (
            "https://cms.example/cms"
        )


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "VB1105", "the workspace is missing"),
        ('workspace = "../other"', "VB1101", "is no workspace"),
        ('workspace = "a"\nlocales = ["de/../x"]', "VB1101", "is no locale"),
        ('workspace = "a"\nlocales = ["de", "de"]', "VB1101", "a locale stands here twice"),
        ('workspace = "a"\n[source.collections]\nposts = "a b"', "VB1101", "is not a name"),
    ],
)
def test_what_would_make_a_wrong_address_is_refused_before_anything_is_asked(
    tmp_path: Path, text: str, code: str, said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(None, directory=written(tmp_path, f'url = "https://cms.example"\n{text}'), environment={})
    assert raised.value.code == code
    assert said in str(raised.value.diagnostics)


def test_collections_may_have_the_names_that_cometcms_allows(tmp_path: Path) -> None:
    text = 'url = "https://cms.example"\nworkspace = "1-a"\n[source.collections]\nposts = "2nd-blog_post"'
    assert (
        load(None, directory=written(tmp_path, text), environment={}).config.source.collections.posts == "2nd-blog_post"
    )


def test_no_token_is_needed(tmp_path: Path) -> None:
    loaded = load(None, directory=written(tmp_path, 'url = "https://cms.example"\nworkspace = "a"'), environment={})
    assert loaded.require_tokens() == ()
