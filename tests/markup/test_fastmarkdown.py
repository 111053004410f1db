"""The fast Markdown engine: what it shares with the default one, and every difference that the documentation names."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from velobuild.errors import ConfigError
from velobuild.markup.fastmarkdown import to_html
from velobuild.markup.prepare import MARKDOWN_ENGINES, MarkupOptions, Resolved, fill, prepare, recipe
from velobuild.model.entries import BodyFormat

PAGE = (Path(__file__).parents[2] / "docs" / "markdown.md").read_text("utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)
DIFFERENCES = [
    tuple(cell.replace("⏎", "\n") for cell in row) for row in ROW.findall(PAGE[PAGE.index("## What differs") :])[1:]
]


def final(text: str, engine: str, **options: object) -> str:
    chosen = MarkupOptions(markdown=engine, highlight=False, **options)  # type: ignore[arg-type]
    return fill(prepare(text, BodyFormat.MARKDOWN, chosen), lambda ref: Resolved(ref.url))


@pytest.mark.parametrize(("written", "default", "fast"), DIFFERENCES, ids=[row[0] for row in DIFFERENCES])
def test_the_engines_differ_as_documented(written: str, default: str, fast: str) -> None:
    by_default, by_fast = unescape(final(written, "python-markdown")), unescape(final(written, "pyromark"))
    assert default in by_default
    assert default not in by_fast
    assert fast in by_fast
    assert fast not in by_default


def test_the_list_of_differences_was_read() -> None:
    assert len(DIFFERENCES) == PAGE[PAGE.index("## What differs") :].count("\n| `") - 1 > 20


@pytest.mark.parametrize(
    "text",
    [
        'A *b* **c** `d` ~~e~~ [f](/g "h")\n\n> quote\n\n* * *',
        "| a | b |\n|:-:|--:|\n| 1 | 2 |\n",
        "```\nx < y\n```",
        "Term\n:   Def",
        "a $x_1$ b, and $5 or $10.",
        "## Heading {#own .note}",
        '"q" -- --- ... it\'s',
        "1. a\n\n- b",
        "5. a\n6. b",
        '<p class="note" onclick="x">raw <b>HTML</b></p>\n\n<script>alert(1)</script>',
        "a  \nb",
        '![alt](/p.png "t")',
        "Heading\n=======\n\nText",
        "<https://a.example> and [ref]\n\n[ref]: /x",
    ],
)
def test_what_both_engines_read_alike(text: str) -> None:
    def plain(html: str) -> str:
        return re.sub(r">\s+|\s+<", lambda gap: gap[0].strip(), html)

    assert plain(final(text, "pyromark")) == plain(final(text, "python-markdown"))


def test_footnotes_link_there_and_back() -> None:
    html = final("x[^1] y[^n] z[^1]\n\n[^1]: *Note*\n\n    more\n\n[^n]: Two\n", "pyromark")
    tree = LexborHTMLParser(html)
    links = tree.css("a.footnote-ref, a.footnote-backref")
    assert len(links) == 5
    ids = [node.id for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    for link in links:
        assert (link.attributes["href"] or "").removeprefix("#") in ids


def test_a_footnotes_mark_is_no_part_of_an_excerpt() -> None:
    chosen = MarkupOptions(markdown="pyromark")
    assert prepare("Tea[^1] is good.\n\n[^1]: Note\n", BodyFormat.MARKDOWN, chosen).text.startswith("Tea is good.")


def test_tasks_are_labelled_and_code_is_coloured() -> None:
    assert 'aria-label="done"' in final("- [x] done\n- [ ] not", "pyromark")
    chosen = MarkupOptions(markdown="pyromark")
    prepared = prepare("```python\nx = 1\n```\n", BodyFormat.MARKDOWN, chosen)
    assert prepared.html.startswith('<pre class="highlight" tabindex="0"><code class="language-python"><span')


def test_quotes_stay_straight_if_asked() -> None:
    assert final('"q" -- ...', "pyromark", smart_quotes=False) == '<p>"q" -- ...</p>\n'


def test_engine_and_version_belong_to_what_a_body_is_remembered_by() -> None:
    default, fast = recipe(MarkupOptions()), recipe(MarkupOptions(markdown="pyromark"))
    assert '"pymdown-extensions":' in default
    assert '"pyromark":' in fast
    assert '"pyromark":' not in default
    assert set(MARKDOWN_ENGINES) == {"python-markdown", "pyromark"}


MISSING = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "pyromark" else super().find_spec(name, path, target)
sys.meta_path[:] = [finder if finder is not PathFinder else Without for finder in sys.meta_path]
import velobuild.markup.versions as versions
from velobuild.errors import ConfigError
from velobuild.markup.prepare import MarkupOptions, recipe
sys.path[:] = [place for place in sys.path if "site-packages" not in place]
try:
    recipe(MarkupOptions(markdown="pyromark"))
except ConfigError as error:
    print(error.code, error.hint)
"""


def test_a_missing_engine_is_told_before_anything_is_done() -> None:
    said = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=True).stdout
    assert said.startswith("VB1503 ")
    assert 'pip install "velobuild[fast]"' in said
    assert ConfigError.exit_code == 2


@pytest.mark.parametrize("text", ["[" * 50_000, "*a " * 50_000, "> " * 50_000, "[a](" * 50_000, "$a " * 50_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    assert to_html(text)
