"""The files of the shipped themes: what they may weigh, and what must never stand in them."""

from __future__ import annotations

import gzip
import re
import tomllib
from pathlib import Path

import pytest

from tests.themes.theme_stand_ins import THEMES, chain, settings

DOCS = THEMES.parent / "docs" / "themes.md"
SHIPPED = sorted(path.name for path in THEMES.iterdir() if path.is_dir())
CHOOSABLE = [name for name in SHIPPED if name != "base"]
NAMES = ["base", "home", "list", "post", "tag", "tags", "archive", "year", "page", "404", "redirect"]
TYPES = {"string": str, "integer": int, "boolean": bool, "choice": str}

STYLE_BYTES_MAX = 18_000
TEMPLATES_MAX = 12

FOREIGN = re.compile(
    r"""(?:\b(?:src|srcset|poster|data|action)\s*=\s*["']?|<link\b[^>]*\bhref\s*=\s*["']?|url\(\s*["']?|@import\s+["']?)(?:https?:)?//"""
)
# The one `=` before a value that is not an attribute's: the address inside a quoted `0; url=…`.
UNQUOTED = re.compile(r"(?<!; url)=\{\{")
INLINE = re.compile(r"""<[^>{]*\s(?:style|on[a-z]+)\s*=|<style\b""")
SCRIPT = re.compile(r"""<script(?! type="application/ld\+json">)""")
SAFE = re.compile(r"\|\s*safe\b|\bautoescape\b|\bMarkup\b")
TEXT = re.compile(r"""\bt\(\s*["']([a-z_]+)["']""")
HOLE = re.compile(r"\{(\w+)\}")


def files(theme: str, folder: str, suffix: str) -> list[Path]:
    return sorted((THEMES / theme / folder).rglob(f"*{suffix}"))


def all_templates() -> list[Path]:
    return [path for theme in SHIPPED for path in files(theme, "templates", ".html")]


def without_comments(template: str) -> str:
    return re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)


@pytest.mark.parametrize("theme", CHOOSABLE)
def test_the_style_sheets_of_a_theme_stay_within_their_budget(theme: str) -> None:
    weight = sum(len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in files(theme, "static", ".css"))
    assert 0 < weight <= STYLE_BYTES_MAX


@pytest.mark.parametrize("theme", SHIPPED)
def test_a_theme_has_at_most_twelve_templates(theme: str) -> None:
    assert 0 < len(files(theme, "templates", ".html")) <= TEMPLATES_MAX


@pytest.mark.parametrize("theme", CHOOSABLE)
def test_the_chain_of_a_theme_has_every_template_that_the_renderer_asks_for(theme: str) -> None:
    found = {path.stem for name in chain(theme) for path in files(name, "templates", ".html")}
    assert set(NAMES) <= found


def test_no_theme_ships_a_script() -> None:
    assert [path for path in THEMES.rglob("*") if path.suffix in {".js", ".mjs", ".wasm", ".py"}] == []
    assert [path.name for path in all_templates() if SCRIPT.search(path.read_text("utf-8"))] == []


def test_no_theme_asks_another_host_for_anything() -> None:
    sources = [*all_templates(), *(path for path in THEMES.rglob("static/**/*") if path.suffix in {".css", ".svg"})]
    assert [path.name for path in sources if FOREIGN.search(path.read_text("utf-8"))] == []


def test_every_value_in_an_attribute_is_quoted_and_none_is_declared_safe() -> None:
    texts = {path.name: without_comments(path.read_text("utf-8")) for path in all_templates()}
    assert [name for name, text in texts.items() if UNQUOTED.search(text)] == []
    assert [name for name, text in texts.items() if SAFE.search(text)] == []


def test_no_template_holds_what_the_content_security_policy_would_stop() -> None:
    assert [path.name for path in all_templates() if INLINE.search(without_comments(path.read_text("utf-8")))] == []


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (FOREIGN, '<img src="https://tracker.example/p.gif">'),
        (FOREIGN, '<link rel="stylesheet" href="//fonts.example/a.css">'),
        (FOREIGN, "body { background: url(https://cdn.example/b.png) }"),
        (FOREIGN, '@import "https://fonts.example/a.css";'),
        (UNQUOTED, "<a href={{ post.url }}>"),
        (SAFE, "{{ post.title|safe }}"),
        (INLINE, '<p class="a" style="color: red">'),
        (INLINE, '<body onload="x()">'),
        (SCRIPT, '<script src="/a.js">'),
    ],
)
def test_the_rules_find_what_they_forbid(rule: re.Pattern[str], bad: str) -> None:
    assert rule.search(bad)


@pytest.mark.parametrize("theme", SHIPPED)
def test_every_language_of_a_theme_has_the_same_texts_with_the_same_values(theme: str) -> None:
    locales = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in files(theme, "locales", ".toml")}
    if not locales:
        assert theme != "base"
        return
    english = {key: sorted(HOLE.findall(text)) for key, text in locales["en"].items()}
    for texts in locales.values():
        assert {key: sorted(HOLE.findall(text)) for key, text in texts.items()} == english


def test_every_text_that_a_template_asks_for_exists_and_none_is_left_over() -> None:
    asked = {key for path in all_templates() for key in TEXT.findall(path.read_text("utf-8"))}
    known = {
        key
        for theme in SHIPPED
        for path in files(theme, "locales", ".toml")
        for key in tomllib.loads(path.read_text("utf-8"))
    }
    assert asked == known


@pytest.mark.parametrize("theme", SHIPPED)
def test_a_theme_describes_itself_and_its_options(theme: str) -> None:
    described = settings(theme)
    assert described["name"] == theme
    assert {"version", "description", "licence"} <= described.keys()
    for name, option in described.get("options", {}).items():
        assert isinstance(option["default"], TYPES[option["type"]]), name
        assert option["description"].endswith("."), name
        assert option["type"] != "choice" or option["default"] in option["choices"], name


@pytest.mark.parametrize("theme", CHOOSABLE)
def test_the_documentation_names_every_option_and_every_template(theme: str) -> None:
    text = DOCS.read_text("utf-8")
    for name, option in settings(theme)["options"].items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` | `"))
        default = option["default"]
        shown = f'"{default}"' if isinstance(default, str) else str(default).lower()
        assert row.split("|")[2].strip() == f"`{shown}`"
    for path in all_templates():
        assert f"| `{path.name}` | {path.parent.parent.name} |" in text
