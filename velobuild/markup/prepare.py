"""A body, as it came, made ready for the page: the one door into markup.

    from velobuild.markup.prepare import MarkupOptions, fill, prepare, recipe

`prepare` is pure: the same body, format and options give the same result, so it is worth keeping, under a key that
holds `recipe(options)` and a hash of the body. `fill` then puts in what changes alone: addresses.

What prepares loads parsers and a sanitizer, and is loaded when the first body comes: most builds prepare none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal

from velobuild.errors import ConfigError
from velobuild.markup.headings import Heading
from velobuild.markup.prepared import Prepared, Ref, Resolve, Resolved, decode, encode, fill, with_fragments_at
from velobuild.markup.urls import body_id
from velobuild.markup.versions import installed_versions
from velobuild.model.entries import BodyFormat

__all__ = [
    "Heading",
    "MarkupOptions",
    "Prepared",
    "Ref",
    "Resolve",
    "Resolved",
    "body_id",
    "decode",
    "encode",
    "fill",
    "prepare",
    "prepare_comment",
    "recipe",
    "with_fragments_at",
]

EXTRA = "fast"
"""The extra of velobuild that holds the faster Markdown engine."""
RECIPE = 4
"""Raised whenever this package's own code comes to give another result.

4: excerpts leave out list items and captions that are paragraphs.
3: a prepared body's slots are marked by other characters; a task's label no longer ends with `</a>` where the task
stands in a link; what stands between a frame's tags is left out; excerpts of trusted HTML leave out scripts and
styles."""
ENGINES = ("nh3", "selectolax", "pygments")
MARKDOWN_ENGINES: Mapping[str, tuple[str, ...]] = {
    "python-markdown": ("markdown", "pymdown-extensions"),
    "pyromark": ("pyromark",),
}
"""`[content.markdown] engine` → the packages that decide what it makes."""


@dataclass(frozen=True, slots=True)
class MarkupOptions:
    """Everything but the body that decides what `prepare` gives.

    `base_url`: the address against which relative addresses are resolved (a post in the CMS); None for local pages,
    whose relative addresses stay. `own_origins`: `scheme://host:port` of the site and the CMS; links to them are not
    external. `toc_depth`: the deepest heading level in the table of contents. `embeds`: hosts of allowed frames.
    """

    html: Literal["sanitize", "trusted", "text"] = "sanitize"
    embeds: tuple[str, ...] = ()
    highlight: bool = True
    toc_depth: int = 3
    excerpt_words: int = 40
    smart_quotes: bool = True
    markdown: Literal["python-markdown", "pyromark"] = "python-markdown"
    base_url: str | None = None
    own_origins: tuple[str, ...] = ()


def recipe(options: MarkupOptions) -> str:
    """Options and engine versions as one line: two equal recipes and two equal bodies give equal results.

    Raises: ConfigError (VB1503), if the Markdown engine is not installed.
    """
    engines = _engines(options.markdown)
    return json.dumps([RECIPE, engines, asdict(options)], sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=4)
def _engines(markdown: str) -> dict[str, str]:
    packages = MARKDOWN_ENGINES[markdown]
    found = installed_versions((*ENGINES, *packages))
    if found[packages[0]] == "unknown" and find_spec(packages[0]) is None:
        raise ConfigError(
            f'the Markdown engine "{markdown}" is not installed',
            code="VB1503",
            where="[content.markdown] engine",
            hint=f'pip install "velobuild[{EXTRA}]", or leave `engine` out',
        )
    return found


def prepare(body: str, format: BodyFormat, options: MarkupOptions) -> Prepared:
    """The body as safe HTML with slots for its addresses, and what else a page needs to know of it.

    Raises: ContentProblem (VB3001), if the body cannot be shown at all. Warnings name no place: the caller knows
    which post it is.
    """
    from velobuild.markup import body as making

    return making.prepare(body, format, options)


def prepare_comment(text: str) -> str:
    """A comment as safe paragraphs: no pictures, no headings, links without weight (`nofollow ugc`).

    Takes plain text or HTML; empty lines part paragraphs and single line breaks are kept.
    """
    from velobuild.markup import body as making

    return making.prepare_comment(text)
