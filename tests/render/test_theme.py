"""A theme on disk: its chain, its options, its files, and what of it is refused."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.graph.rig import CONFIG
from tests.render.stage import MANIFEST, write
from velobuild.config.schema import ThemeConfig
from velobuild.config.shipped import folder
from velobuild.errors import ConfigError, OutputError, VelobuildError
from velobuild.render.theme import Theme, load_theme

OPTION = '[options.accent]\ntype = "choice"\nchoices = ["blue", "green"]\ndefault = "blue"\ndescription = "Links."\n'


def loaded(root: Path, **theme: Any) -> Theme:
    return load_theme(replace(CONFIG, theme=ThemeConfig(**theme)), root)


def mine(root: Path, manifest: str = MANIFEST, files: Mapping[str, str] | None = None, **options: Any) -> Theme:
    write(root, {"mine/theme.toml": manifest, **(files or {})})
    return loaded(root, path="mine", options=options)


def refusal(make: Callable[[], object]) -> tuple[str, str, str | None]:
    with pytest.raises(VelobuildError) as refused:
        make()
    (found,) = refused.value.diagnostics
    return found.code, found.what, found.where


# The chain


def test_a_theme_stands_between_the_site_and_base(tmp_path: Path) -> None:
    assert mine(tmp_path).folders == (tmp_path, tmp_path / "mine", folder("themes") / "base")
    assert loaded(tmp_path).folders == (tmp_path, folder("themes") / "plain", folder("themes") / "base")


def test_a_theme_extends_one_beside_it_or_a_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, {"parent/theme.toml": MANIFEST})
    for parent, place in (("parent", tmp_path / "parent"), ("plain", folder("themes") / "plain")):
        assert mine(tmp_path, f'{MANIFEST}extends = "{parent}"\n').folders[2] == place


def test_a_theme_of_ones_own_may_be_called_base(tmp_path: Path) -> None:
    write(tmp_path, {"base/theme.toml": MANIFEST})
    assert loaded(tmp_path, path="base").folders[-1] == folder("themes") / "base"


def test_themes_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"other/theme.toml": f'{MANIFEST}extends = "mine"\n'})
    code, what, _ = refusal(lambda: mine(tmp_path, f'{MANIFEST}extends = "other"\n'))
    assert (code, what) == ("VB1402", "8 themes extend each other")


@pytest.mark.parametrize(
    ("theme", "hint"),
    [
        ({"path": "nowhere"}, "name the folder, seen from velobuild.toml, in which theme.toml lies"),
        ({"name": "nobody"}, "velobuild ships: plain"),
        ({"name": "base"}, "velobuild ships: plain"),
        ({"name": "plian"}, "did you mean `plain`?"),
    ],
)
def test_an_unknown_theme_is_refused_with_what_to_write_instead(
    tmp_path: Path, theme: dict[str, str], hint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, **theme)
    assert refused.value.code == "VB1401"
    assert refused.value.hint == hint


def test_a_theme_that_extends_none_is_refused_where_it_says_so(tmp_path: Path) -> None:
    code, what, where = refusal(lambda: mine(tmp_path, f'{MANIFEST}extends = "nobody"\n'))
    assert (code, what) == ("VB1401", "there is no theme `nobody`")
    assert where == f"{tmp_path / 'mine' / 'theme.toml'}: extends"


@pytest.mark.parametrize(
    ("manifest", "what"),
    [
        ("name = ", "theme.toml cannot be read: Invalid value (at end of document)"),
        ('name = "mine"\n', "theme.toml does not say its version, description, licence"),
        (f"options = 3\n{MANIFEST}", "`options` is no table"),
        (f'{MANIFEST}[options]\naccent = "blue"\n', "the option `accent` is no table"),
        (
            f'{MANIFEST}[options.n]\ntype = "integer"\ndefault = true\n',
            "the option `n` lacks a type (one of string, integer, boolean, choice) or a default of it",
        ),
        (
            f'{MANIFEST}[options.n]\ntype = "choice"\ndefault = "x"\nchoices = ["y"]\n',
            "the option `n` lacks its choices, or its default is none of them",
        ),
    ],
)
def test_a_damaged_theme_is_refused_with_what_is_missing(tmp_path: Path, manifest: str, what: str) -> None:
    found = refusal(lambda: mine(tmp_path, manifest))
    assert found == ("VB1402", what, str(tmp_path / "mine" / "theme.toml"))


def test_a_theme_without_a_manifest_and_texts_that_are_no_toml_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert refusal(lambda: loaded(tmp_path, path="mine"))[0] == "VB1402"
    code, _, where = refusal(lambda: mine(tmp_path, files={"locales/en.toml": "older ="}))
    assert (code, where) == ("VB1402", str(tmp_path / "locales" / "en.toml"))


# Options


def test_an_option_has_its_default_or_what_the_site_sets(tmp_path: Path) -> None:
    assert mine(tmp_path, MANIFEST + OPTION).options == {"accent": "blue"}
    assert mine(tmp_path, MANIFEST + OPTION, accent="green").options == {"accent": "green"}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"accent": "red"}, "the theme's option `accent` wants blue or green, not 'red'"),
        ({"accent": 3}, "the theme's option `accent` wants blue or green, not 3"),
        ({"acent": "blue"}, "the theme mine has no option `acent`"),
    ],
)
def test_an_option_that_is_wrong_is_named(tmp_path: Path, options: dict[str, Any], what: str) -> None:
    name = next(iter(options))
    found = refusal(lambda: mine(tmp_path, MANIFEST + OPTION, **options))
    assert found == ("VB1101", what, f"theme.options.{name}")


@pytest.mark.parametrize("value", [1, "true", 1.0, None])
def test_a_switch_takes_true_or_false_alone(tmp_path: Path, value: Any) -> None:
    switch = '[options.on]\ntype = "boolean"\ndefault = true\n'
    assert refusal(lambda: mine(tmp_path, MANIFEST + switch, on=value))[0] == "VB1101"


def test_a_number_is_no_switch(tmp_path: Path) -> None:
    number = '[options.n]\ntype = "integer"\ndefault = 3\n'
    assert refusal(lambda: mine(tmp_path, MANIFEST + number, n=True))[0] == "VB1101"


# Files


def test_static_files_of_the_site_replace_those_of_the_theme(tmp_path: Path) -> None:
    files = {"mine/static/a.css": "theme", "mine/static/b.css": "theme", "static/a.css": "site"}
    theme = mine(tmp_path, files=files)
    assert theme.assets["a.css"].source == tmp_path / "static" / "a.css"
    assert theme.assets["b.css"].source == tmp_path / "mine" / "static" / "b.css"
    assert set(theme.verbatim) == {"a.css"}, "only the site's own files keep their names"
    assert theme.assets["css/highlight.css"].content


@pytest.mark.parametrize("template", ["{{ asset('css/a.css') }}", '<b c="{{ asset("css/a.css") }}">', "'css/a.css'"])
@pytest.mark.parametrize("folder", ["templates", "mine/templates"])
def test_of_the_sites_own_files_those_are_assets_that_a_template_names(
    tmp_path: Path, folder: str, template: str
) -> None:
    files = {"static/css/a.css": "x", "static/film.mp4": "film", f"{folder}/home.html": f"it's\n{template}"}
    theme = mine(tmp_path, files=files)
    assert set(theme.verbatim) == {"css/a.css", "film.mp4"}
    assert theme.assets["css/a.css"].source == tmp_path / "static/css/a.css"
    assert "film.mp4" not in theme.assets, "it would be published twice"


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("css/a.css", "assets/css/a.", ".css"),
        ("fonts.v2/readme", "assets/fonts.v2/readme.", ""),
        ("a.min.js", "assets/a.min.", ".js"),
    ],
)
def test_an_assets_name_changes_with_its_content_alone(tmp_path: Path, name: str, begin: str, end: str) -> None:
    one, same, other = (
        mine(tmp_path / place, files={f"mine/static/{name}": text}).assets[name].path
        for place, text in (("1", "x"), ("2", "x"), ("3", "y"))
    )
    assert one == same != other
    assert one.startswith(begin)
    assert one.endswith(end)
    assert len(one) == len(begin) + 10 + len(end)


def test_names_are_published_in_one_normal_form(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", "café.css")
    theme = mine(tmp_path, files={f"static/{nfd}": "x", "templates/home.html": f"{{{{ asset('{nfd}') }}}}"})
    assert set(theme.verbatim) == {"café.css"}
    assert theme.assets["café.css"].path.startswith("assets/café.")


def test_hidden_files_stay_but_for_well_known(tmp_path: Path) -> None:
    files = {
        f"static/{name}": "x" for name in (".env", ".git/config", "a/.b/c", ".well-known/security.txt", "robots.txt")
    }
    assert set(mine(tmp_path, files=files).verbatim) == {".well-known/security.txt", "robots.txt"}


def link_to_a_file(static: Path) -> None:
    (static / "passwd").symlink_to("/etc/passwd")


def link_to_a_folder(static: Path) -> None:
    (static / "etc").symlink_to("/etc")


def link_to_nothing(static: Path) -> None:
    (static / "x").symlink_to("nowhere")


def pipe(static: Path) -> None:
    os.mkfifo(static / "x")


def link_in_place_of_the_folder(static: Path) -> None:
    static.rmdir()
    static.symlink_to("/etc")


@pytest.mark.parametrize("place", ["static", "mine/static", "mine/templates"])
@pytest.mark.parametrize(
    "plant", [link_to_a_file, link_to_a_folder, link_to_nothing, pipe, link_in_place_of_the_folder]
)
def test_f13_links_and_devices_are_never_published(tmp_path: Path, place: str, plant: Callable[[Path], None]) -> None:
    (tmp_path / place).mkdir(parents=True)
    plant(tmp_path / place)
    with pytest.raises(OutputError) as refused:
        mine(tmp_path)
    assert refused.value.code == "VB6002"


def test_a_theme_that_changes_in_anything_has_another_fingerprint(tmp_path: Path) -> None:
    manifest = MANIFEST + OPTION
    first = {"mine/templates/post.html": "1", "mine/static/a.css": "1", "mine/locales/en.toml": 'a = "1"'}
    marks = [
        mine(tmp_path / "0", manifest, files=first).fingerprint,
        mine(tmp_path / "1", manifest, files=first).fingerprint,
    ]
    assert marks[0] == marks[1]
    for number, name in enumerate(first):
        changed = {**first, name: first[name].replace("1", "2")}
        marks.append(mine(tmp_path / f"c{number}", manifest, files=changed).fingerprint)
    marks.append(mine(tmp_path / "o", manifest, files=first, accent="green").fingerprint)
    marks.append(mine(tmp_path / "s", manifest, files={**first, "templates/post.html": "1"}).fingerprint)
    assert len(set(marks)) == len(marks) - 1
