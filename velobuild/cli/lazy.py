"""A click group that imports a command only to run it, and the options that all commands take."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from velobuild.cli.context import Context, Flags, parse_setting
from velobuild.errors import ConfigError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Entry:
    """A command's place (`module:attribute`) and its line in `--help`."""

    place: str
    help: str


class LazyGroup(click.Group):
    """Lists and completes commands from the table; their modules, and all that those import, stay untouched."""

    def __init__(self, table: Mapping[str, Entry], **attrs: Any) -> None:
        super().__init__(**attrs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return with_globals(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.table and not name.startswith("-") and not ctx.resilient_parsing:
            raise unknown_command(name, self.table)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(n, help=e.help) for n, e in self.table.items() if n.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


def unknown_command(name: str, known: Iterable[str]) -> ConfigError:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean `velobuild {near[0]}`?" if near else "`velobuild --help` lists the commands"
    return ConfigError(f"there is no command `{name}`", code="VB1107", hint=hint)


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Write an option into the flags if it was given: it may stand before the command, after it, or at both places."""
    name = parameter.name or ""
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return
    context = ctx.find_root().obj
    if not isinstance(context, Context):  # completion parses without running
        return
    flags: Flags = context.flags
    if name == "set":
        flags.set.update(parse_setting(text) for text in value)
    elif name == "verbose":
        flags.verbose += value
    elif name == "no_progress":
        flags.progress = False
    elif name in ("directory", "config"):
        from pathlib import Path  # costs 5 ms, which --version should not pay

        if name == "config":
            flags.config = Path(value)
        else:
            context.work_in(Path(value))
    else:
        setattr(flags, name, value)


GLOBALS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("-C", "--directory"),
        {"type": click.Path(), "metavar": "DIR", "default": None, "help": "Work in DIR."},
    ),
    (
        ("-c", "--config"),
        {"type": click.Path(), "metavar": "FILE", "default": None, "help": "Use FILE as velobuild.toml."},
    ),
    (("-e", "--env"), {"metavar": "NAME", "default": None, "help": "Apply the sections below [env.NAME]."}),
    (
        ("--set",),
        {"metavar": "KEY=VALUE", "multiple": True, "default": (), "help": "Set a key, such as build.out=dist."},
    ),
    (("-q", "--quiet"), {"is_flag": True, "default": False, "help": "Errors and results alone."}),
    (("-v", "--verbose"), {"count": True, "default": 0, "help": "Say more; -vv shows tracebacks."}),
    (
        ("--color",),
        {"type": click.Choice(["auto", "always", "never"]), "default": "auto", "help": "When to use colours."},
    ),
    (("--no-progress",), {"is_flag": True, "default": False, "help": "Show no progress."}),
    (("--json",), {"is_flag": True, "default": False, "help": "Print the result as one JSON document."}),
    (("--offline",), {"is_flag": True, "default": False, "help": "Use what was synced before; ask the CMS nothing."}),
)


def global_options(taken: Iterable[str] = (), *, hidden: bool = False) -> list[click.Option]:
    """The options that every command takes, without those whose name a command has for itself."""
    used = set(taken)
    options = []
    for names, attributes in GLOBALS:
        free = [name for name in names if name not in used]
        if any(name.startswith("--") for name in free):
            options.append(click.Option(free, expose_value=False, callback=_keep, hidden=hidden, **attributes))
    return options


def with_globals(command: click.Command) -> click.Command:
    """The same command, which takes the global options too; in its help one line stands for them."""
    extended = copy.copy(command)
    taken = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    extended.params = [*command.params, *global_options(taken, hidden=True)]
    extended.epilog = command.epilog or "The global options of `velobuild --help` may stand here too."
    if isinstance(extended, click.Group) and not isinstance(extended, LazyGroup):
        extended.commands = {name: with_globals(inner) for name, inner in extended.commands.items()}
    return extended
