"""`velobuild init`: the first files of a site."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError, OutputError

TOML = """\
# The site's configuration. Every key is optional but [source] url; docs/configuration.md explains them all.
# `velobuild config schema > velobuild.schema.json` lets an editor complete and check this file:
#:schema ./velobuild.schema.json

[site]
# title = "My site"                  # unset, the name that the CMS knows
# base_url = "https://example.org"   # where the site is published: needed for feeds, the sitemap and link previews
language = "en"
timezone = "UTC"                     # in which dates are shown, such as "Europe/Vienna"

[source]
type = "{source}"
{url}
token_env = "VELOCMS_API_KEY"        # the NAME of the variable that holds the key; the key itself stands in .env
# exclude_tags = ["Internal"]        # tags that stay inside the CMS

[theme]
name = "{theme}"

# [[menu]]
# title = "About"
# url = "/about/"

[feeds]
rss = true
atom = true

[build]
out = "public"
"""
DOTENV_EXAMPLE = """\
# Copy this file to .env, set its mode (chmod 600 .env), and never commit it.
# A key with these scopes is enough: posts:read, media:read, site-settings:read.
VELOCMS_API_KEY=

# While a key is replaced: the new one, tried when the first is refused.
# VELOCMS_API_KEY_2=
"""
DOTENV = """\
# The key of the CMS: Admin, Settings, API Keys. Read-only is enough: posts:read, media:read, site-settings:read.
VELOCMS_API_KEY=
"""
IGNORED = (".env", ".velobuild/", "public")
ABOUT = """\
---
title: About
---

This page is yours: edit `pages/about.md`. Every Markdown file in `pages/` becomes a page of the site.
"""
DEFAULT_THEME = "plain"


@click.command()
@click.argument(
    "folder", metavar="[DIR]", required=False, default=None, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--source", type=click.Choice(["velocms"]), default=None, help="The kind of CMS.")
@click.option("--url", default=None, metavar="URL", help="The CMS's address.")
@click.option("--theme", default=None, metavar="NAME", help="The theme to begin with.")
@click.pass_obj
def init(context: Context, folder: Path | None, source: str | None, url: str | None, theme: str | None) -> None:
    """Start a new site in DIR, or here: velobuild.toml, .env, .gitignore and a first page.

    On a terminal it asks for what was not given. Nothing that exists is overwritten.
    """
    from velobuild.config.shipped import theme_folder, theme_names

    target = context.directory / (folder or "")
    themes = theme_names()
    if theme is not None:
        theme_folder(theme, where="--theme")
    _refuse_existing(target)
    if context.interactive:
        if url is None:
            url = click.prompt("Address of your VeloCMS site (empty: later)", default="", show_default=False, err=True)
        if theme is None and len(themes) > 1:
            theme = click.prompt("Theme", default=DEFAULT_THEME, type=click.Choice(themes), err=True)
    written = _write(target, url=_checked_url(url), source=source or "velocms", theme=theme or DEFAULT_THEME)
    shown = os.path.relpath(target, context.directory)
    context.say(f"A new site in {shown if shown != '.' else 'this folder'}. Next:")
    if not url:
        context.say("  1. write your site's address into velobuild.toml: [source] url")
    context.say(f"  {1 if url else 2}. put a read-only key into .env: VELOCMS_API_KEY=velo_…")
    context.say(
        f"  {2 if url else 3}. velobuild {'' if shown == '.' else f'-C {shown} '}doctor, then build, then serve"
    )
    context.result("\n".join(written), {"folder": str(target), "written": written})


def _checked_url(url: str | None) -> str | None:
    """The address as velobuild.toml will hold it, or the ConfigError that a build would raise about it."""
    if not url or not url.strip():
        return None
    from velobuild.config.checks import findings, normalised
    from velobuild.config.schema import Config, SourceConfig

    config = normalised(Config(source=SourceConfig(url=url)))
    for wrong in findings(config):
        raise ConfigError(wrong.what, code=wrong.code, where="--url", hint=wrong.hint)
    return config.source.url


def _refuse_existing(target: Path) -> None:
    taken = [name for name in ("velobuild.toml", ".env.example", "pages/about.md") if os.path.lexists(target / name)]
    if taken:
        raise ConfigError(
            f"there is a {taken[0]} already, and init overwrites nothing",
            code="VB1106",
            where=str(target),
            hint=f"name another folder, or move away: {', '.join(taken)}",
        )


def _write(target: Path, *, url: str | None, source: str, theme: str) -> list[str]:
    # JSON's quoting is TOML's for a URL, which has neither control characters nor surrogates.
    line = f"url = {json.dumps(url)}" if url else '# url = "https://NAME.velocms.org"   # the CMS\'s address'
    text = TOML.format(source=source, url=line, theme=theme)
    tomllib.loads(text)
    files = {"velobuild.toml": text, ".env.example": DOTENV_EXAMPLE, "pages/about.md": ABOUT}
    try:
        (target / "pages").mkdir(parents=True, exist_ok=True)
        written = []
        for name, content in files.items():
            with (target / name).open("x", encoding="utf-8") as file:
                file.write(content)
            written.append(name)
        if not os.path.lexists(target / ".env"):
            # Created with its final mode: there is no moment at which others could open it.
            descriptor = os.open(target / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(DOTENV)
            written.append(".env")
        if _ignore(target / ".gitignore"):
            written.append(".gitignore")
    except OSError as error:
        raise OutputError(
            f"the new site cannot be written: {error.strerror}",
            code="VB6002",
            where=str(error.filename or target),
            hint="check the folder's permissions and the free space",
        ) from error
    return sorted(written)


def _ignore(file: Path) -> bool:
    """Add what git must not see to a .gitignore that may exist. Whether anything was missing."""
    text = file.read_text("utf-8") if file.exists() else ""
    missing = [line for line in IGNORED if line not in text.splitlines()]
    if missing:
        gap = "" if not text or text.endswith("\n") else "\n"
        with file.open("a", encoding="utf-8") as out:
            out.write(gap + "".join(f"{line}\n" for line in missing))
    return bool(missing)
