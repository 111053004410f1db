"""`velobuild help`: the documentation's own words on an error code, or a command's help."""

from __future__ import annotations

import re

import click

from velobuild.cli.context import Context
from velobuild.cli.lazy import LazyGroup
from velobuild.errors import CODES, ConfigError


@click.command(name="help")
@click.argument("topic", nargs=-1, metavar="[CODE | COMMAND…]")
@click.pass_context
def help_(click_context: click.Context, topic: tuple[str, ...]) -> None:
    """Explain an error code, such as VB1104, or a command. Without one, list the codes."""
    context = click_context.find_object(Context)
    assert context is not None
    if not topic:
        listed = [f"{code}  {title}" for code, title in CODES.items()]
        context.result("\n".join([*listed, "", "`velobuild help CODE` explains one."]), dict(CODES))
    elif re.fullmatch(r"(?i)VB\d+", topic[0]):
        context.result(explanation(topic[0].upper()))
    else:
        context.result(_command_help(click_context.find_root(), topic))


def explanation(code: str) -> str:
    """The section of docs/errors.md about `code`. Raises ConfigError VB1107 for a code that does not exist."""
    from velobuild.config.shipped import folder

    if code not in CODES:
        import difflib

        near = difflib.get_close_matches(code, CODES, n=3, cutoff=0.7)
        hint = f"near it: {', '.join(near)}" if near else "`velobuild help` lists the codes"
        raise ConfigError(f"there is no error code {code}", code="VB1107", hint=hint)
    text = (folder("docs") / "errors.md").read_text("utf-8")
    match = re.search(rf"^## {code}: .*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return match[0].removeprefix("## ").rstrip() if match else f"{code}: {CODES[code]}"


def _command_help(root: click.Context, names: tuple[str, ...]) -> str:
    command: click.Command = root.command
    context = root
    for name in names:
        below = None
        if isinstance(command, LazyGroup) and name not in command.table:
            from velobuild.cli.lazy import unknown_command

            raise unknown_command(name, command.table)
        if isinstance(command, click.Group):
            below = command.get_command(context, name)
        if below is None:
            raise ConfigError(
                f"`{context.command_path}` has no command `{name}`",
                code="VB1107",
                hint=f"`{context.command_path} --help` lists them",
            )
        command = below
        context = click.Context(command, info_name=name, parent=context)
    return command.get_help(context)
