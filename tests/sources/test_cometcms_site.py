"""A small site, built by the command line from CometCMS: what readers get, and what they never do."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import Ended, velobuild
from tests.standins.comet import CometStandIn
from velobuild.publish.guard import disguises

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CONFIG = """\
[site]
base_url = "https://blog.example"

[source]
type = "cometcms"
url = "{url}"
workspace = "site-a"
token_env = "COMETCMS_TOKEN"
rate_limit = "10000/s"
author_names = {{ admin = "Jane Doe" }}

[source.collections]
tags = "tags"
authors = "people"
pages = "pages"
settings = "site"
"""


class Site:
    def __init__(self, cms: CometStandIn, root: Path) -> None:
        self.cms = cms
        self.root = root
        self.token = ""
        root.mkdir()
        (root / "velobuild.toml").write_text(CONFIG.format(url=cms.url), "utf-8")

    def run(self, *arguments: str) -> Ended:
        token = {"COMETCMS_TOKEN": self.token} if self.token else {}
        environment = {"HOME": str(self.root), "XDG_CACHE_HOME": str(self.root / "cache"), **token}
        return velobuild(*arguments, directory=self.root, environment=environment)

    def page(self, path: str) -> str:
        return (self.root / "public" / path / "index.html").read_text("utf-8")

    def files(self) -> dict[str, bytes]:
        root = (self.root / "public").resolve()
        return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with CometStandIn() as cms:
        cms.put_settings(site_name="Salt & Water", tagline="On cooking")
        cms.put_entry("tags", "pasta", title="Pasta")
        cms.put_entry("people", "ada", title="Ada Salt", email="ada@private.example")
        cms.put_media("pot.png", DOT, width=1, height=1, alt="A pot")
        text = "# Water\n\n*Salt* it. ![A pot](http://old.example/media/site-a/pot.png)"
        cms.put_post("how-to", title="How to cook", content=text, cover=["pot.png"], tags=["pasta"], author="ada")
        cms.put_post("plain", content="By the user.")
        cms.put_post("hidden", content="Nobody sees this.", status="draft")
        cms.put_post("later", content="Nobody sees this yet.", published_at="2099-01-01T00:00:00Z")
        cms.put_entry("pages", "imprint", title="Imprint", content="<p>We are <em>us</em>.</p>")
        yield Site(cms, tmp_path / "site")


def built(ended: Ended) -> str:
    assert ended.code == 0, ended.err
    return ended.out + ended.err


def test_a_site_is_built_with_posts_tags_authors_pages_pictures_and_settings(site: Site) -> None:
    said = built(site.run("build"))
    post = site.page("how-to")
    assert "<em>Salt</em> it." in post
    assert "Ada Salt" in post
    assert "Jane Doe" in site.page("plain")
    assert "Pasta" in site.page("tags/pasta")
    assert "Salt &amp; Water" in site.page("")
    assert "<em>us</em>" in site.page("imprint")
    assert 'alt="A pot"' in post
    assert "old.example" not in post
    assert any(name.startswith("media/") for name in site.files())
    everything = b"".join(site.files().values())
    for secret in (b"Nobody sees", b"ada@private.example", site.cms.url.encode()):
        assert secret not in everything
    assert "warning" not in said


def test_local_pages_and_those_of_the_cms_live_side_by_side(site: Site) -> None:
    (site.root / "pages").mkdir()
    (site.root / "pages" / "about.md").write_text("# About\n\nLocal.\n", "utf-8")
    built(site.run("build"))
    built(site.run("build"))
    assert "Local." in site.page("about")
    assert "<em>us</em>" in site.page("imprint")
    site.cms.entries["pages"].clear()
    site.cms._cache.clear()
    built(site.run("build"))
    assert "Local." in site.page("about")
    assert not (site.root / "public" / "imprint").exists()


def test_a_second_build_changes_nothing_and_an_edit_only_its_post(site: Site) -> None:
    built(site.run("build"))
    before = site.files()
    built(site.run("build"))
    assert site.files() == before
    site.cms.edit(site.cms.entries["posts"][0]["id"], content="Rewritten.")
    built(site.run("build"))
    assert "Rewritten." in site.page("how-to")
    assert site.files()["plain/index.html"] == before["plain/index.html"]


def test_a_post_that_is_taken_back_is_taken_off_the_site(site: Site) -> None:
    built(site.run("build"))
    assert (site.root / "public" / "plain").is_dir(), "the control"
    site.cms.set_status(site.cms.entries["posts"][1]["id"], "protected")
    built(site.run("build"))
    assert not (site.root / "public" / "plain").exists()


def test_a_private_picture_leaves_a_gap_and_a_word_unless_a_token_opens_it(site: Site) -> None:
    url = site.cms.put_media("secret.png", DOT, width=1, height=1, visibility="private")
    site.cms.put_post("gap", content=f"Look: ![The secret]({url})")
    said = built(site.run("build"))
    assert "VB4001" in said
    assert "secret.png" not in site.page("gap")
    site.token = site.cms.token
    said = built(site.run("build"))
    assert "VB4001" not in said
    assert "<img" in site.page("gap")
    assert b"Nobody sees" not in b"".join(site.files().values())
    forms = disguises(site.token)
    for file in site.root.rglob("*"):
        if file.is_file():
            assert not any(form in file.read_bytes() for form in forms), file
    assert site.token not in said


def test_no_more_than_two_requests_wait_for_a_server_that_answers_one_at_a_time(site: Site) -> None:
    for number in range(12):
        site.cms.put_media(f"p{number}.png", DOT)
    text = "".join(f"![]({site.cms.url}/media/site-a/p{number}.png)" for number in range(12))
    site.cms.put_post("many", content=text)
    site.cms.before = lambda call: time.sleep(0.03) if "/media/site-a/" in call.path else None
    built(site.run("build"))
    assert site.cms.busiest == 2


def test_a_refusal_keeps_the_live_site_and_ends_as_documented(site: Site) -> None:
    built(site.run("build"))
    before = site.files()
    site.cms.archived = True
    ended = site.run("build")
    assert (ended.code, "VB1303" in ended.err) == (2, True)
    site.cms.archived = False
    site.token = "ctcms_wrong_token"
    ended = site.run("build")
    assert (ended.code, "VB2001" in ended.err) == (3, True)
    assert "ctcms_wrong_token" not in ended.err
    assert site.files() == before


def test_doctor_needs_no_token_and_warns_of_one(site: Site) -> None:
    ended = site.run("doctor")
    assert ended.code == 0, ended.out
    assert "2 are published; tags: Pasta" in ended.out
    assert "what no reader may see" not in ended.out
    site.token = site.cms.token
    ended = site.run("doctor")
    assert ended.code == 0
    assert "what no reader may see" in ended.out
    assert site.token not in ended.out


GERMAN = {"title": "Wie man kocht", "content": "*Salze* das [Wasser](/how-to/).", "summary": "Kochen."}


@pytest.fixture
def spoken(site: Site) -> Site:
    """The same site in English and German: one post and one page of it are translated."""
    cms, languages = site.cms, {"locales": ["en", "de"], "default_locale": "en"}
    for name in ("posts", "pages", "tags"):
        cms.types[name] = {**cms.types[name], **languages}
    cms.entries["posts"][0]["translations"]["de"] = GERMAN
    cms.entries["pages"][0]["translations"]["de"] = {"title": "Impressum", "content": "<p>Wir sind wir.</p>"}
    cms.entries["tags"][0]["translations"]["de"] = {"title": "Nudeln"}
    cms._cache.clear()
    config = site.root / "velobuild.toml"
    config.write_text(config.read_text("utf-8").replace("[source]\n", '[source]\nlocales = ["en", "de"]\n'), "utf-8")
    return site


def test_a_site_in_two_languages_has_two_trees_that_know_of_each_other(spoken: Site) -> None:
    assert "warning" not in built(spoken.run("build"))
    english, german = spoken.page("how-to"), spoken.page("de/how-to")
    for page in (english, german):
        for language, path in (("en", ""), ("de", "de/"), ("x-default", "")):
            address = f"https://blog.example/{path}how-to/"
            assert f'<link rel="alternate" hreflang="{language}" href="{address}">' in page
    assert '<html lang="de"' in german
    assert "Wie man kocht" in german
    assert 'href="/de/how-to/"' in german.partition("<main")[2]
    assert "5. Mai 2026" in german or "Mai 2026" in german
    assert 'href="/de/tags/nudeln/"' in german
    assert 'href="/tags/pasta/"' in english
    assert "Wir sind wir." in spoken.page("de/imprint")
    assert 'href="/imprint/" lang="en"' in spoken.page("de/imprint")
    assert "Wie man kocht" in spoken.page("de")
    assert "Wie man kocht" not in spoken.page("")
    assert not (spoken.root / "public" / "de" / "plain").exists()
    assert 'href="/de/" lang="de" hreflang="de">Deutsch' in spoken.page("plain")
    feed = spoken.files()["de/feed.xml"].decode()
    assert "<language>de</language>" in feed
    assert "Wie man kocht" in feed
    assert "How to cook" not in feed


def test_a_translation_that_is_taken_back_leaves_no_trace_and_a_second_build_changes_nothing(spoken: Site) -> None:
    built(spoken.run("build"))
    before = spoken.files()
    built(spoken.run("build"))
    assert spoken.files() == before
    del spoken.cms.entries["posts"][0]["translations"]["de"]
    spoken.cms._cache.clear()
    built(spoken.run("build", "--allow-shrink"))
    assert not (spoken.root / "public" / "de" / "how-to").exists()
    assert "/de/how-to/" not in spoken.page("how-to")


def test_the_first_configured_language_is_at_the_root_whichever_the_cms_calls_its_default(spoken: Site) -> None:
    config = spoken.root / "velobuild.toml"
    built(spoken.run("build"))
    config.write_text(config.read_text("utf-8").replace('["en", "de"]', '["de", "en"]'), "utf-8")
    built(spoken.run("build", "--allow-shrink"))
    assert '<html lang="de"' in spoken.page("how-to")
    assert '<html lang="en"' in spoken.page("en/how-to")
    assert "Wir sind wir." in spoken.page("imprint")
    assert "<em>us</em>" in spoken.page("en/imprint")
