"""The command line's frame: parse, run one command, print what it raises once, return the exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import click

from velobuild import __version__
from velobuild.cli.context import Context
from velobuild.cli.lazy import Entry, LazyGroup, global_options
from velobuild.config.environment import environment as read_environment
from velobuild.errors import ConfigError, Diagnostic, Severity, VelobuildError

if TYPE_CHECKING:
    from pathlib import Path

EXIT_BUG = 70
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
SELDOM = (20_000, 20, 20)
COMPLETE_VARIABLE = "_VELOBUILD_COMPLETE"

COMMANDS: Mapping[str, Entry] = {
    "init": Entry("velobuild.cli.init:init", "Start a new site in a folder."),
    "build": Entry("velobuild.cli.build:build", "Fetch what changed, render, publish."),
    "sync": Entry("velobuild.cli.build:sync", "Fetch what changed, and nothing more."),
    "explain": Entry("velobuild.cli.explain:explain", "Say why a page was rendered, and what it depends on."),
    "audit": Entry("velobuild.cli.audit:audit", "Check that the site is what velobuild believes it to be."),
    "watch": Entry("velobuild.cli.watch:watch", "Work on a site: every change is built and shown at once."),
    "serve": Entry("velobuild.cli.serve:serve", "Look at what was built, as a web host would show it."),
    "webhook": Entry("velobuild.cli.webhook:webhook", "Make and send test deliveries of the webhook."),
    "events": Entry("velobuild.cli.events:events", "List what the webhooks told, and what became of it."),
    "listen": Entry("velobuild.cli.listen:listen", "Publish what webhooks announce, as a service."),
    "status": Entry("velobuild.cli.status:status", "See how the webhook service fares."),
    "releases": Entry("velobuild.cli.releases:releases", "List the releases that are kept."),
    "rollback": Entry("velobuild.cli.releases:rollback", "Go back to an earlier release and stay there."),
    "resume": Entry("velobuild.cli.releases:resume", "Let builds go live again after a rollback."),
    "import": Entry("velobuild.cli.import_:import_", "Turn an export of WordPress or Ghost into a folder of posts."),
    "config": Entry("velobuild.cli.config:config", "Show, validate or describe the configuration."),
    "doctor": Entry("velobuild.cli.doctor:doctor", "Find out why something does not work."),
    "cms": Entry("velobuild.cli.cms:cms", "Run a development CMS on this machine."),
    "demo": Entry("velobuild.cli.demo:demo", "See the whole loop with sample content."),
    "help": Entry("velobuild.cli.help:help_", "Explain an error code or a command."),
    "completion": Entry("velobuild.cli.completion:completion", "Print a completion script for your shell."),
}

HELP = """Build a fast, safe static site from the posts and media of a CMS, and publish it in one atomic step.

Start with `velobuild demo`, or with `velobuild init`.
"""
EXIT_CODES = """\b
Exit codes:
  0    done, or nothing to do
  1    problems found
  2    usage or configuration
  3    token, scope or plan
  4    the CMS is unreachable, limits or is out of quota
  5    refused by a guard: the answer breaks its protocol or would harm the site
  6    output or disk
  7    another build holds the site
  70   a bug in velobuild
  130  interrupted; 143 terminated; 141 nobody reads the output
"""


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"velobuild {__version__}")
        ctx.exit()


VERSION = click.Option(
    ["-V", "--version"],
    is_flag=True,
    default=False,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)


def _root(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


cli = LazyGroup(
    COMMANDS,
    name="velobuild",
    help=HELP,
    epilog=EXIT_CODES,
    params=[*global_options(), VERSION],
    no_args_is_help=False,
    invoke_without_command=True,
    callback=click.pass_context(_root),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> int:
    """The entry point of the `velobuild` program."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        # A locale of another encoding would name `日本語/index.html` differently, or not at all: begin again in UTF-8.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    gc.set_threshold(*SELDOM)  # loading modules makes nothing that goes round in circles, and is most of a small build
    signal.signal(signal.SIGTERM, _terminated)
    variables = read_environment()
    if COMPLETE_VARIABLE in variables:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "velobuild", COMPLETE_VARIABLE, variables[COMPLETE_VARIABLE])
    code = run(sys.argv[1:], environment=variables, enter=os.chdir)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    if code == EXIT_BROKEN_PIPE:
        # Python flushes once more while it ends; that must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    gc.freeze()  # what is left goes with the process: Python would look through all of it several times first
    return code


def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    out: TextIO | None = None,
    err: TextIO | None = None,
    stdin: TextIO | None = None,
    directory: Path | None = None,
    enter: Callable[[Path], None] = lambda folder: None,
) -> int:
    """Run one command line and return its exit code. Raises nothing but what ends the process from outside.

    `enter` is told the folder of -C; the program itself changes to it, so that relative paths mean what they say.
    """
    context = Context(
        environment=environment,
        out=out or sys.stdout,
        err=err or sys.stderr,
        stdin=stdin or sys.stdin,
        directory=directory,
        enter=enter,
    )
    try:
        code = _run(arguments, context)
        context.close()
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    return code


def _run(arguments: Sequence[str], context: Context) -> int:
    try:
        with cli.make_context("velobuild", list(arguments), obj=context) as click_context:
            code = cli.invoke(click_context)
            return code if isinstance(code, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        return _fail(context, _usage_error(error))
    except VelobuildError as error:
        if context.flags.verbose > 1:
            context.console.write(_traceback(context))
        return _fail(context, error)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.Abort, EOFError):
        context.close()
        context.console.write("interrupted")
        return EXIT_INTERRUPTED
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else EXIT_BUG
    except Exception as error:
        return _fail_by_bug(context, error)


def _fail(context: Context, error: VelobuildError) -> int:
    context.close()
    context.show_errors(error.diagnostics)
    return error.exit_code


def _fail_by_bug(context: Context, error: Exception) -> int:
    """One line and the way to the traceback. The exception's own text stays out of it: it may quote anything."""
    import traceback

    context.close()
    if context.flags.verbose > 1:
        context.console.write(_traceback(context))
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}velobuild{os.sep}" in frame.filename] or list(frames)
    where = f"{ours[-1].filename}:{ours[-1].lineno}" if ours else None
    hint = "this should not happen; run the same command with -vv and report what it prints"
    what = f"a bug in velobuild: {type(error).__name__}"
    context.show_errors((Diagnostic("VB9001", what, where, hint, Severity.ERROR),))
    return EXIT_BUG


def _traceback(context: Context) -> str:
    import traceback

    from velobuild.config.secrets import redact

    loaded = context.__dict__.get("loaded")
    return redact(traceback.format_exc().rstrip(), loaded.tokens if loaded is not None else ())


def _usage_error(error: click.ClickException) -> ConfigError:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "velobuild"
    return ConfigError(message[:1].lower() + message[1:], code="VB1107", hint=f"`{path} --help` shows how it is used")


def _terminated(number: int, frame: FrameType | None) -> None:
    # As an exception it runs every `finally` on its way out: servers are stopped, staged files removed.
    raise SystemExit(EXIT_TERMINATED)
