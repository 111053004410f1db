"""What `velobuild init` asks for each kind of source, and the lines of velobuild.toml that come of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """What was given or asked: an empty text is to be filled in later."""

    kind: str
    url: str = ""
    workspace: str = ""
    path: str = "content"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of source. `variable` holds its token; `key_page` says where one is made.

    `needs_token` tells whether nothing can be read without. `example` is an address; `more` are further lines of
    [source], all of them comments.
    """

    title: str
    variable: str = ""
    needs_token: bool = False
    key_page: str = ""
    example: str = ""
    more: tuple[str, ...] = ()
    page: str = ""

    @property
    def asks_address(self) -> bool:
        return bool(self.example)


EXCLUDED = '# exclude_tags = ["Internal"]        # tags that stay inside the CMS'

KINDS: Mapping[str, Kind] = {
    "velocms": Kind(
        title="VeloCMS, its REST API",
        variable="VELOCMS_API_KEY",
        needs_token=True,
        key_page="Admin, Settings, API Keys. Read-only is enough: posts:read, media:read, site-settings:read.",
        example="https://NAME.velocms.org",
        more=(EXCLUDED,),
        page="docs/velocms.md",
    ),
    "pocketbase": Kind(
        title="PocketBase, of VeloCMS or plain",
        variable="POCKETBASE_TOKEN",
        needs_token=True,
        key_page="a token of a user who may read and not write: docs/pocketbase.md says how to make one.",
        example="https://data.example.org",
        more=(
            EXCLUDED,
            '# published = "published"           # the status of a published post; "true" for a yes-or-no field',
            "",
            "# [source.collections]              # the names of your collections, where they are others",
            '# posts = "posts"',
            '# media = "media"',
            '# settings = "site_settings"',
            "",
            "# [source.fields]                   # and of the posts' fields",
            '# title = "title"',
            '# body = "content_html"',
            '# tags = "tags"',
        ),
        page="docs/pocketbase.md",
    ),
    "polycms": Kind(
        title="PolyCMS",
        variable="POLYCMS_TOKEN",
        key_page="not needed; it adds alt texts and the site's title. The older generation needs it: docs/polycms.md.",
        example="https://www.example.org",
        more=(EXCLUDED, '# types = ["post", "news", "page"]  # which kinds of its posts are taken'),
        page="docs/polycms.md",
    ),
    "cometcms": Kind(
        title="CometCMS",
        variable="COMETCMS_TOKEN",
        key_page="not needed; it shows private files, and drafts, which are left out: docs/cometcms.md.",
        example="https://cms.example.org",
        more=(
            EXCLUDED,
            '# locales = ["en", "de"]            # which are read; without this line the default one alone',
            "",
            "# [source.collections]              # the names of your collections, where they are others",
            '# posts = "posts"',
        ),
        page="docs/cometcms.md",
    ),
    "folder": Kind(title="a folder of Markdown files on this machine", page="docs/folder.md"),
}

TOML = """\
# The site's configuration. Every key but those of [source] is optional; docs/configuration.md explains them all.
# `velobuild config schema > velobuild.schema.json` lets an editor complete and check this file:
#:schema ./velobuild.schema.json

[site]
# title = "My site"                  # unset, the name that the CMS knows
# base_url = "https://example.org"   # where the site is published: needed for feeds, the sitemap and link previews
language = "en"
timezone = "UTC"                     # in which dates are shown, such as "Europe/Vienna"

[source]
{source}

[theme]
name = {theme}

# [[menu]]
# title = "About"
# url = "/about/"

[feeds]
rss = true
atom = true

[build]
out = "public"
"""


def toml(answers: Answers, *, theme: str) -> str:
    """The text of velobuild.toml."""
    kind = KINDS[answers.kind]
    lines = [f"type = {_text(answers.kind)}"]
    if answers.kind == "folder":
        lines.append(f"path = {_text(answers.path)}".ljust(36) + " # where the posts are; docs/folder.md says how")
    elif answers.url:
        lines.append(f"url = {_text(answers.url)}")
    else:
        lines.append(f"# url = {_text(kind.example)}   # the CMS's address")
    if answers.kind == "cometcms":
        named = f"workspace = {_text(answers.workspace)}"
        lines.append(named if answers.workspace else '# workspace = "NAME"               # as its address names it')
    if kind.variable:
        named = f"token_env = {_text(kind.variable)}".ljust(36)
        lines.append(f"{named} # the NAME of the variable that holds the key; the key itself stands in .env")
    return TOML.format(source="\n".join([*lines, *kind.more]), theme=_text(theme))


def dotenv(answers: Answers, token: str) -> str:
    """The text of .env."""
    kind = KINDS[answers.kind]
    if not kind.variable:
        return (
            "# Secrets go here, such as a token for a webhook. This file is for this machine alone: never commit it.\n"
        )
    return f"# The key of the CMS: {kind.key_page}\n{assignment(kind.variable, token)}"


def assignment(variable: str, token: str) -> str:
    """A line of .env, in quotes where a shell that reads it would need them (`7|abc`)."""
    plain = all(char.isalnum() or char in "-_." for char in token)
    quote = "" if plain else '"' if "'" in token else "'"
    return f"{variable}={quote}{token}{quote}\n"


def dotenv_example(answers: Answers) -> str:
    """The text of .env.example, which may be shared."""
    kind = KINDS[answers.kind]
    head = "# Copy this file to .env, set its mode (chmod 600 .env), and never commit it.\n"
    if not kind.variable:
        return f"{head}# A folder of posts needs no key.\n"
    return (
        f"{head}# {kind.key_page}\n{kind.variable}=\n\n"
        f"# While a key is replaced: the new one, tried when the first is refused.\n# {kind.variable}_2=\n"
    )


def _text(value: str) -> str:
    # JSON's quoting is TOML's for what has neither control characters nor surrogates.
    return json.dumps(value, ensure_ascii=False)
