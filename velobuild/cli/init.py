"""`velobuild init`: the first files of a site, after a look at the CMS that it will be pulled from."""

from __future__ import annotations

import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from velobuild.cli.context import Context
from velobuild.cli.init_files import refuse_existing, write_site
from velobuild.cli.init_kinds import KINDS, Answers, toml
from velobuild.errors import ConfigError

if TYPE_CHECKING:
    from velobuild.config.schema import Loaded, Secret

TOKEN_WRONG = frozenset({"VB2001", "VB2002"})
ADDRESS_WRONG = frozenset({"VB1301", "VB1302", "VB2101", "VB2102", "VB2204"})
DEFAULT_THEME = "plain"
DEFAULT_KIND = "velocms"
ADDRESS_VARIABLE = "VELOCMS_SITE_URL"


@click.command()
@click.argument(
    "folder", metavar="[DIR]", required=False, default=None, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--source", type=click.Choice(list(KINDS)), default=None, help="The kind of CMS, or folder.")
@click.option("--url", default=None, metavar="URL", help="The CMS's address.")
@click.option("--workspace", default=None, metavar="NAME", help="CometCMS: the workspace.")
@click.option("--path", default=None, metavar="FOLDER", help="Folder: where the posts are.")
@click.option("--token-stdin", is_flag=True, help="Read the token from the first line of stdin.")
@click.option("--theme", default=None, metavar="NAME", help="The theme to begin with.")
@click.pass_obj
def init(
    context: Context,
    folder: Path | None,
    source: str | None,
    url: str | None,
    workspace: str | None,
    path: str | None,
    token_stdin: bool,
    theme: str | None,
) -> None:
    """Start a new site in DIR, or here: velobuild.toml, .env, .gitignore and a first page.

    On a terminal it asks for what was not given. If it knows enough, it asks the CMS and shows what it found (not with
    --offline); a CMS that does not answer keeps no site from being written. Nothing that exists is overwritten.
    """
    from velobuild.config.schema import Secret
    from velobuild.config.shipped import theme_folder

    target = context.directory / (folder or "")
    if theme is not None:
        theme_folder(theme, where="--theme")
    refuse_existing(target)
    kind = source or (_asked_kind(context) if context.interactive else DEFAULT_KIND)
    answers = _answers(context, kind, url=url, workspace=workspace, path=path)
    token = _read_token() if token_stdin else _token(context, target, kind)
    given = "stdin" if token_stdin else "this terminal"
    if theme is None and context.interactive:
        theme = _asked_theme()
    text = toml(answers, theme=theme or DEFAULT_THEME)
    tomllib.loads(text)
    loaded = _loaded(context, target, kind, text, Secret(token, given))
    trouble = _looked_at(context, loaded) if loaded is not None else frozenset[str]()
    if trouble and context.interactive and not click.confirm("Write the site all the same?", default=True, err=True):
        raise click.Abort
    written = write_site(target, answers, text, token)
    shown = os.path.relpath(target, context.directory)
    context.say(f"A new site in {shown if shown != '.' else 'this folder'}. Next:")
    for number, step in enumerate(_next_steps(context, answers, token, target, shown, trouble), 1):
        context.say(f"  {number}. {step}")
    context.result("\n".join(written), {"folder": str(target), "written": written})


def _asked_kind(context: Context) -> str:
    for name, kind in KINDS.items():
        context.say(f"  {name:<12}{kind.title}")
    chosen: str = click.prompt(
        "Where do the posts come from?",
        default=DEFAULT_KIND,
        type=click.Choice(list(KINDS)),
        show_choices=False,
        err=True,
    )
    return chosen


def _asked_theme() -> str | None:
    from velobuild.config.shipped import theme_names

    themes = theme_names()
    if len(themes) < 2:
        return None
    chosen: str = click.prompt("Theme", default=DEFAULT_THEME, type=click.Choice(themes), err=True)
    return chosen


def _answers(context: Context, kind: str, *, url: str | None, workspace: str | None, path: str | None) -> Answers:
    """What the flags say, and on a terminal what a person does. Raises ConfigError for what a build would refuse."""
    for flag, value, of in (("--url", url, None), ("--workspace", workspace, "cometcms"), ("--path", path, "folder")):
        if value is not None and (kind != of if of else kind == "folder"):
            raise ConfigError(
                f"{flag} means nothing for --source {kind}",
                code="VB1107",
                where=flag,
                hint=f"leave it out, or choose another source: {', '.join(KINDS)}",
            )
    ask = context.interactive
    where = "--url"
    if url is None and kind == "velocms" and (known := context.environment.get(ADDRESS_VARIABLE)):
        url, where = known, f"environment variable {ADDRESS_VARIABLE}"
    if kind == "folder":
        if path is None and ask:
            path = click.prompt("Folder of the posts", default="content", err=True)
        return Answers(kind, path=path or "content")
    if url is None and ask:
        url = click.prompt(
            f"Address, such as {KINDS[kind].example} (empty: later)", default="", show_default=False, err=True
        )
    if kind == "cometcms" and workspace is None and ask:
        workspace = click.prompt("Workspace (empty: later)", default="", show_default=False, err=True)
    return Answers(kind, url=_checked_url(kind, url, where) or "", workspace=(workspace or "").strip())


def _checked_url(kind: str, url: str | None, where: str) -> str | None:
    """The address as velobuild.toml will hold it, or the ConfigError that a build would raise about it."""
    if not url or not url.strip():
        return None
    from velobuild.config.checks import findings, normalised
    from velobuild.config.schema import Config, SourceConfig

    config = normalised(Config(source=SourceConfig(type=kind, url=url)))
    for wrong in findings(config):
        if wrong.path == ("source", "url"):
            raise ConfigError(wrong.what, code=wrong.code, where=where, hint=wrong.hint)
    return config.source.url


def _token(context: Context, target: Path, kind: str) -> str:
    """A token that a person types, which is not shown. "" if there is one already, or nobody to ask."""
    variable = KINDS[kind].variable
    if not variable or not context.interactive or _known_variables(context, target).get(variable):
        return ""
    context.say(f"A token: {KINDS[kind].key_page}")
    typed: str = click.prompt(
        "Token (not shown; empty: later, in .env)", default="", show_default=False, hide_input=True, err=True
    )
    return typed.strip()


def _read_token() -> str:
    """From stdin: what stands in a flag can be read by every user of the machine."""
    return sys.stdin.readline().strip()


def _known_variables(context: Context, target: Path) -> dict[str, str]:
    from velobuild.config.secrets import read_dotenv

    return {**read_dotenv(target / ".env", warn=[]), **context.environment}


def _loaded(context: Context, target: Path, kind: str, text: str, token: Secret) -> Loaded | None:
    """The configuration that is about to be written; None if it does not say enough to ask the CMS.

    Raises ConfigError for a token that cannot be sent.
    """
    from dataclasses import replace

    from velobuild.config.load import load
    from velobuild.config.schema import Secret

    variable = KINDS[kind].variable
    known = _known_variables(context, target)
    if token.reveal():
        known[variable] = token.reveal()
    with tempfile.TemporaryDirectory() as scratch:
        # It holds no secret.
        file = Path(scratch, "velobuild.toml")
        file.write_text(text, "utf-8")
        try:
            loaded = load(file, directory=Path(scratch), environment=known)
        except ConfigError as error:
            if error.code == "VB1202":
                raise
            return None
    kept = None if variable in context.environment else f"{variable} in .env"
    tokens = [
        token if one.reveal() == token.reveal() else Secret(one.reveal(), kept or one.origin) for one in loaded.tokens
    ]
    loaded = replace(loaded, file=target / "velobuild.toml", tokens=tuple(tokens))
    if context.flags.offline or (KINDS[kind].needs_token and not loaded.tokens):
        return None
    return None if kind == "folder" and not (target / loaded.config.source.path).is_dir() else loaded


def _looked_at(context: Context, loaded: Loaded) -> frozenset[str]:
    """Show what `velobuild doctor` would show of the CMS. The codes of what would stop a build."""
    from velobuild.cli.doctor import cms_findings, looked, rendered

    context.say(f"Asking {loaded.config.source.url or loaded.config.source.path} …")
    findings = looked("CMS", cms_findings(context, loaded))
    context.drop_warnings()
    context.say(rendered(findings, colour=context.colour))
    return frozenset(finding.code for finding in findings if finding.exit_code and finding.code)


def _next_steps(
    context: Context, answers: Answers, token: str, target: Path, shown: str, trouble: frozenset[str]
) -> list[str]:
    """`trouble` holds the codes of what was wrong with the CMS, its address or its token."""
    kind = KINDS[answers.kind]
    steps = []
    if trouble & ADDRESS_WRONG:
        steps.append("if the address is wrong, mend it in velobuild.toml: [source] url")
    if kind.variable and trouble & TOKEN_WRONG:
        spare = "" if kind.needs_token else ", or leave it empty: none is needed"
        steps.append(f"put another key into .env: {kind.variable}{spare}")
    if kind.asks_address and not answers.url:
        steps.append("write your site's address into velobuild.toml: [source] url")
    if answers.kind == "cometcms" and not answers.workspace:
        steps.append("write the workspace's name into velobuild.toml: [source] workspace")
    if kind.needs_token and not token and not _known_variables(context, target).get(kind.variable):
        steps.append(f"put a read-only key into .env: {kind.variable}={'velo_…' if answers.kind == 'velocms' else '…'}")
    steps.append(f"velobuild {'' if shown == '.' else f'-C {shown} '}doctor, then build, then serve")
    return steps
