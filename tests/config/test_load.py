"""velobuild.toml is read whole: all mistakes at once, at their place, with the nearest name."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

from velobuild.config.load import load
from velobuild.config.schema import Loaded, RedirectConfig
from velobuild.errors import ConfigError

MINIMAL = '[source]\nurl = "https://blog.example.org"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path


def read(
    folder: Path,
    text: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    env_name: str | None = None,
) -> Loaded:
    if text is not None:
        (folder / "velobuild.toml").write_text(text, "utf-8")
    return load(None, directory=folder, environment=environment or {}, overrides=overrides, env_name=env_name)


def refused(
    folder: Path,
    text: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    env_name: str | None = None,
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environment=environment, overrides=overrides, env_name=env_name)
    return caught.value


def codes(error: ConfigError) -> list[str]:
    return [diagnostic.code for diagnostic in error.diagnostics]


# --- what a file gives


def test_an_address_is_all_that_a_site_needs(site: Path) -> None:
    loaded = read(site, MINIMAL)
    assert loaded.config.source.url == "https://blog.example.org"
    assert loaded.root == site
    assert loaded.out == site / "public"
    assert loaded.config.taxonomies["tags"].path == "/tags/{slug}/"


def test_every_section_arrives_in_its_place(site: Path) -> None:
    text = (
        MINIMAL
        + """
exclude_tags = ["Internal", "Draft"]
[content.markdown]
smart_quotes = false
[[redirects]]
from = "/old/"
to = "/new/"
[taxonomies.tags]
paginate = 7
[theme.options]
accent = "rust"
since = 2021-05-06
[[menu]]
title = "About"
url = "/about/"
"""
    )
    config = read(site, text).config
    assert config.source.exclude_tags == ("Internal", "Draft")
    assert config.content.markdown.smart_quotes is False
    assert config.redirects == (RedirectConfig(source="/old/", target="/new/"),)
    assert config.taxonomies["tags"].paginate == 7
    assert config.theme.options["since"].year == 2021
    assert [item.title for item in config.menu] == ["About"]


def test_a_configuration_can_be_sent_to_worker_processes(site: Path) -> None:
    config = read(site, MINIMAL + "[theme.options]\na = 1\n").config
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    "written", ["https://x.velocms.org/", "https://x.velocms.org/api/v1", " https://x.velocms.org/api/v1/ "]
)
def test_addresses_end_without_a_slash_however_they_were_copied(site: Path, written: str) -> None:
    loaded = read(site, f'[source]\nurl = "{written}"\n[site]\nbase_url = "https://e.org/blog/"\n')
    assert loaded.config.source.url == "https://x.velocms.org"
    assert loaded.config.site.base_url == "https://e.org/blog"


def test_the_file_is_found_from_a_folder_below(site: Path) -> None:
    read(site, MINIMAL)
    (site / "pages" / "deep").mkdir(parents=True)
    assert read(site / "pages" / "deep").file == site / "velobuild.toml"


def test_a_byte_order_mark_is_no_mistake(site: Path) -> None:
    (site / "velobuild.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert read(site).config.source.url == "https://blog.example.org"


# --- who wins


def test_flag_beats_environment_beats_env_section_beats_file_beats_default(site: Path) -> None:
    text = MINIMAL + '[build]\nout = "file"\n[env.ci.build]\nout = "section"\n'
    variables = {"VELOBUILD_OUT": "variable"}
    flag = {"build.out": "flag"}

    def out(**layers: object) -> tuple[str, str]:
        loaded = read(site, text, **layers)  # type: ignore[arg-type]
        return loaded.config.build.out, loaded.origins["build.out"]

    assert out(environment=variables, overrides=flag, env_name="ci") == ("flag", "--set build.out")
    assert out(environment=variables, env_name="ci") == ("variable", "environment variable VELOBUILD_OUT")
    assert out(env_name="ci") == ("section", "[env.ci] in velobuild.toml")
    assert out() == ("file", "velobuild.toml")
    loaded = read(site, MINIMAL)
    assert (loaded.config.build.out, loaded.origins["build.out"]) == ("public", "default")


def test_the_vendors_address_variable_counts_only_where_the_file_is_silent(site: Path) -> None:
    variables = {"VELOCMS_SITE_URL": "https://elsewhere.example"}
    assert read(site, "", environment=variables).config.source.url == "https://elsewhere.example"
    assert read(site, MINIMAL, environment=variables).config.source.url == "https://blog.example.org"


def test_lists_are_replaced_whole_and_sections_merged(site: Path) -> None:
    text = MINIMAL + '[content]\nembeds = ["a.example"]\ntoc_depth = 2\n[env.x.content]\nembeds = ["b.example"]\n'
    content = read(site, text, env_name="x").config.content
    assert content.embeds == ("b.example",)
    assert content.toc_depth == 2


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("build.jobs", "3", 3),
        ("build.out", "2024", "2024"),
        ("site.title", "true", "true"),
        ("feeds.rss", "0", False),
        ("feeds.rss", "false", False),
        ("feeds.rss", "1", True),
        ("source.exclude_tags", "a, b", ("a", "b")),
        ("source.exclude_tags", '["a, b"]', ("a, b",)),
        ("theme.options", '{accent = "rust"}', {"accent": "rust"}),
    ],
)
def test_text_from_a_flag_becomes_what_the_key_takes(site: Path, key: str, text: str, value: object) -> None:
    config = read(site, MINIMAL, overrides={key: text}).config
    section, name = key.split(".")
    assert getattr(getattr(config, section), name) == value


def test_a_theme_option_can_be_set_by_a_flag(site: Path) -> None:
    config = read(site, MINIMAL, overrides={"theme.options.accent": "rust", "theme.options.toc": "4"}).config
    assert config.theme.options == {"accent": "rust", "toc": 4}


# --- what is refused


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(site: Path) -> None:
    text = """\
[site]
lnguage = "de"

[source]
url = "https://blog.example.org"
comments = "true"

[build]
keep_releases = 1
publish = "in_place"
size = 3

[[menu]]
title = ""
[[redirects]]
source = "/a"
to = "/b"
[evn.x]
[env.unused.site]
base_ul = "x"
"""
    error = refused(site, text)
    assert [(d.code, d.where, d.what) for d in error.diagnostics] == [
        ("VB1104", "velobuild.toml:2:1", "unknown key `lnguage` in [site]"),
        ("VB1101", "velobuild.toml:6:12", '`comments` in [source] must be true or false, not "true"'),
        ("VB1101", "velobuild.toml:9:17", "`keep_releases` in [build] must be at least 2, not 1"),
        ("VB1101", "velobuild.toml:10:11", '`publish` in [build] must be "release" or "in-place", not "in_place"'),
        ("VB1104", "velobuild.toml:11:1", "unknown key `size` in [build]"),
        ("VB1105", "velobuild.toml:13:1", "`url` in [menu] is missing"),
        ("VB1101", "velobuild.toml:14:9", "`title` in [menu] must not be empty"),
        ("VB1105", "velobuild.toml:15:1", "`from` in [redirects] is missing"),
        ("VB1104", "velobuild.toml:16:1", "unknown key `source` in [redirects]"),
        ("VB1104", "velobuild.toml:18:1", "unknown section `evn`"),
        ("VB1104", "velobuild.toml:20:1", "unknown key `base_ul` in [site]"),
    ]
    excerpts = [diagnostic.excerpt or "" for diagnostic in error.diagnostics]
    assert excerpts[0] == '   2 | lnguage = "de"\n     | ^^^^^^^ did you mean `language`?'
    assert excerpts[1] == '   6 | comments = "true"\n     |            ^^^^^^ without quotation marks'
    assert excerpts[4] == "  11 | size = 3\n     | ^^^^ `size` belongs into [pagination]"


@pytest.mark.parametrize(
    ("text", "where", "excerpt"),
    [
        ('[site]\ntitle = "a\n', "velobuild.toml:2:11", '   2 | title = "a\n     |           ^'),
        ("[site\n", "velobuild.toml:1:6", "   1 | [site\n     |      ^"),
        ("a = 1\na = 2\n", "velobuild.toml:2:6", "   2 | a = 2\n     |      ^"),
        ("[site]\ntitle = ", "velobuild.toml:2:9", "   2 | title =\n     |         ^"),
    ],
)
def test_a_syntax_error_is_shown_with_its_line_and_a_caret(site: Path, text: str, where: str, excerpt: str) -> None:
    error = refused(site, text)
    assert codes(error) == ["VB1002"]
    assert error.diagnostics[0].where == where
    shown = (error.diagnostics[0].excerpt or "").splitlines()
    assert [line.rstrip() for line in shown] == excerpt.splitlines()


def test_a_file_that_is_not_utf_8_is_named(site: Path) -> None:
    (site / "velobuild.toml").write_bytes('[site]\ntitle = "Café"\n'.encode("latin-1"))
    assert codes(refused(site)) == ["VB1002"]


def test_without_a_file_the_way_to_one_is_named(site: Path) -> None:
    error = refused(site)
    assert codes(error) == ["VB1001"]
    assert "velobuild init" in (error.hint or "")


def test_a_wrong_value_from_outside_names_its_origin_instead_of_a_line(site: Path) -> None:
    error = refused(site, MINIMAL, environment={"VELOBUILD_JOBS": "many"})
    assert error.diagnostics[0].where == "environment variable VELOBUILD_JOBS"
    assert error.diagnostics[0].what == '`jobs` in [build] must be a whole number, not "many"'
    error = refused(site, MINIMAL, overrides={"build.jbs": "1"})
    assert (error.diagnostics[0].where, error.diagnostics[0].hint) == ("--set build.jbs", "did you mean `jobs`?")


def test_an_environment_that_is_not_there_is_refused_with_those_that_are(site: Path) -> None:
    error = refused(site, MINIMAL + "[env.production.site]\n", env_name="prod")
    assert error.hint == "environments in the file: `production`"


def test_a_missing_address_is_an_error_at_its_section(site: Path) -> None:
    error = refused(site, '[source]\ntype = "velocms"\n')
    assert codes(error) == ["VB1105"]
    assert error.diagnostics[0].where == "velobuild.toml:1:1"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('[source]\nurl = "http://blog.example.org"', "VB1301"),
        ('[source]\nurl = "http://10.0.0.1"', "VB1301"),
        ('[source]\nurl = "http://127.0.0.1.example.org"', "VB1301"),
        ('[source]\nurl = "ftp://blog.example.org"', "VB1101"),
        ('[source]\nurl = "blog.example.org"', "VB1101"),
        ('[source]\nurl = "https://blog.example.org/?x=1"', "VB1101"),
        ('[source]\nurl = "https://[::1"', "VB1101"),
        (MINIMAL + 'rate_limit = "fast"', "VB1101"),
        (MINIMAL + 'token_env = "not a name"', "VB1101"),
        (MINIMAL + 'media_hosts = ["https://cdn.example.org"]', "VB1101"),
        (MINIMAL + '[site]\ntimezone = "Europe/Wien"', "VB1101"),
        (MINIMAL + '[site]\ntimezone = "../../etc/passwd"', "VB1101"),
        (MINIMAL + '[site]\nlanguage = "english please"', "VB1101"),
        (MINIMAL + '[site]\nbase_url = "example.org"', "VB1101"),
        (MINIMAL + '[urls]\npost = "/{title}/"', "VB1101"),
        (MINIMAL + '[urls]\npost = "/posts/"', "VB1101"),
        (MINIMAL + '[urls]\npost = "{slug}/"', "VB1101"),
        (MINIMAL + '[urls]\npost = "/../{slug}/"', "VB1101"),
        (MINIMAL + '[urls]\npost = "/{slug"', "VB1101"),
        (MINIMAL + '[pagination]\npath = "page/"', "VB1101"),
        (MINIMAL + "[feeds]\nsize = 0", "VB1101"),
        (MINIMAL + "[feeds]\nsize = 1.5", "VB1101"),
        (MINIMAL + '[feeds]\nsize = "10"', "VB1101"),
        (MINIMAL + "[feeds]\nsize = true", "VB1101"),
        (MINIMAL + '[menu]\ntitle = "x"', "VB1101"),
        ("feeds = 3\n" + MINIMAL, "VB1101"),
        ("env = 3\n" + MINIMAL, "VB1101"),
        (MINIMAL + "[taxonomies.categories]", "VB1104"),
        (MINIMAL + '[build]\nout = " "', "VB1101"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_where_it_stands(site: Path, line: str, code: str) -> None:
    error = refused(site, line)
    assert codes(error) == [code]
    assert (error.diagnostics[0].where or "").startswith("velobuild.toml:")
    assert error.diagnostics[0].excerpt


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8090", "http://localhost:8090", "http://[::1]:8090", "https://blog.example.org:8443/cms"]
)
def test_this_very_machine_may_be_reached_without_encryption(site: Path, url: str) -> None:
    assert read(site, f'[source]\nurl = "{url}"\n').config.source.url == url


LINKS = """
[[redirects]]
from = '{source}'
to = '{target}'
[[menu]]
title = "Fine"
url = "/fine/"
[[menu]]
title = "Second"
url = '{link}'
"""


def linking(*, source: str = "/old/", target: str = "/new/", link: str = "/about/") -> str:
    return MINIMAL + LINKS.format(source=source, target=target, link=link)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//elsewhere.example/",
        r"/\elsewhere.example/",
        "about/",
        "https:",
        "https:///x",
        "https://[half",
        " https://e.example/",
        "mailto:",
        "mailto:a b",
    ],
)
def test_a_link_of_the_menu_or_a_redirect_that_leads_nowhere_good_is_refused(site: Path, url: str) -> None:
    for key, line in (("target", 6), ("link", 12)):
        error = refused(site, linking(**{key: url}))
        (found,) = error.diagnostics
        column = 6 if key == "target" else 7
        assert (found.code, found.where) == ("VB1101", f"velobuild.toml:{line}:{column}")
        assert url in found.what


def test_a_control_character_in_a_link_is_refused(site: Path) -> None:
    text = linking().replace("'/about/'", '"/\\t/elsewhere.example/"')
    assert codes(refused(site, text)) == ["VB1101"]
    assert codes(refused(site, linking().replace("'/about/'", '"java\\nscript:x"'))) == ["VB1101"]


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/about/?a=b#c",
        "/über uns/",
        "https://e.example",
        "HTTPS://e.example/x y",
        "http://[::1]:80/",
        "mailto:a@e.example",
        "tel:+431234",
    ],
)
def test_addresses_on_the_site_and_whole_ones_may_be_linked_to(site: Path, url: str) -> None:
    config = read(site, linking(target=url, link=url)).config
    assert (config.redirects[0].target, config.menu[1].url) == (url, url)


@pytest.mark.parametrize(
    "path",
    ["old/", "//old/", "https://e.example/old/", r"/a\b", "/../x", "/%2e%2e/x", "/a//b", "/a%5cb", "/?p=1", "/a#b"],
)
def test_a_redirect_starts_at_a_path_of_the_site(site: Path, path: str) -> None:
    (found,) = refused(site, linking(source=path)).diagnostics
    assert (found.code, found.where) == ("VB1101", "velobuild.toml:5:8")


@pytest.mark.parametrize("path", ["/old", "/old/", "/old page.html", "/caf%C3%A9/", "/a.b/..c/"])
def test_a_redirect_may_start_at_any_path_of_the_site(site: Path, path: str) -> None:
    assert read(site, linking(source=path)).config.redirects[0].source == path


def test_the_published_schema_knows_the_same_keys_as_the_loader() -> None:
    from velobuild.config import shape
    from velobuild.config.validate import json_schema

    schema = json_schema()
    found = []

    def walk(node: Mapping[str, object], prefix: str) -> None:
        if "$ref" in node:
            node = schema["$defs"][str(node["$ref"]).rpartition("/")[2]]
        if node.get("type") == "array" and "$ref" in (items := node["items"]):  # type: ignore[operator]
            walk(items, f"{prefix}[]")  # type: ignore[arg-type]
        elif prefix == "source" and "anyOf" in node:
            one, several = node["anyOf"]  # type: ignore[misc]
            assert several["items"] == one
            walk(one, prefix)
        elif isinstance(properties := node.get("properties"), dict):
            assert node["additionalProperties"] is False
            for key, inner in properties.items():
                walk(inner, f"{prefix}.{key}" if prefix else key)
        elif prefix == "taxonomies":
            walk(node["additionalProperties"], "taxonomies.tags")  # type: ignore[arg-type]
        elif prefix != "env":
            assert node.get("description"), prefix
            found.append(prefix)

    walk(schema, "")
    assert sorted(found) == sorted(shape.dotted_keys())
    json.dumps(schema)


SPOKEN = '[source]\nurl = "https://blog.example.org"\nlocales = ["en", "de"]\n'


def test_locales_count_from_two_on_and_the_first_is_the_default(site: Path) -> None:
    assert read(site, MINIMAL).config.locales == ()
    assert read(site, SPOKEN.replace('"en", ', "")).config.locales == ()
    assert read(site, SPOKEN).config.locales == ("en", "de")


@pytest.mark.parametrize(
    ("locales", "named"),
    [
        (["en", "d e"], "`d e` is no locale"),
        (["en", "../x"], "`../x` is no locale"),
        (["en", "EN"], "twice"),
        (["pt-BR", "pt_br"], "twice"),
        (["en", "tags"], "`/tags/` is already a folder"),
        (["en", "Archive"], "`/Archive/` is already a folder"),
        (["en", "assets"], "`/assets/` is already a folder"),
    ],
)
def test_a_locale_that_cannot_be_a_folder_of_the_site_is_refused(site: Path, locales: list[str], named: str) -> None:
    error = refused(site, SPOKEN.replace('["en", "de"]', json.dumps(locales)))
    assert codes(error) == ["VB1101"]
    assert named in error.diagnostics[0].what


def test_the_first_locale_has_no_folder_so_it_may_be_called_as_one(site: Path) -> None:
    assert read(site, SPOKEN.replace('["en", "de"]', '["tags", "de"]')).config.locales == ("tags", "de")


def test_a_menu_entry_may_be_for_one_of_the_sites_locales_alone(site: Path) -> None:
    entry = '[[menu]]\ntitle = "Start"\nurl = "/de/"\nlocale = "de"\n'
    assert read(site, SPOKEN + entry).config.menu[0].locale == "de"
    assert "no locale `fr`" in refused(site, SPOKEN + entry.replace('"de"', '"fr"')).diagnostics[0].what
    assert "no locale `de`" in refused(site, MINIMAL + entry).diagnostics[0].what
