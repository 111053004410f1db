"""The frame: what is printed for an error, which code comes back, and what is not imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.command_line import velobuild
from velobuild.cli.context import Context
from velobuild.cli.lazy import Entry, with_globals
from velobuild.cli.main import COMMANDS, cli
from velobuild.errors import ConfigError, Diagnostic, GuardRefused, OutputError, SourceUnavailable, TokenError

CANARY = "velo_" + "c0ffee" * 10 + "beef"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "velobuild.toml").write_text('[source]\nurl = "https://blog.example.org"\n')
    return tmp_path


# Commands for these tests alone, put into a table of their own.


@click.command()
@click.argument("kind")
@click.option("-q", "--quick", is_flag=True, default=False)
@click.pass_obj
def act(context: Context, kind: str, quick: bool) -> int | None:
    """Act."""
    match kind:
        case "succeed":
            context.say("talk")
            context.detail("more talk")
            context.result("text", {"answer": 42})
        case "flags":
            flags = context.flags
            context.result(f"{flags.quiet} {flags.verbose} {flags.offline} {flags.env} {flags.set} {quick}")
        case "warn":
            for number in range(7):
                context.warn(Diagnostic("VB4001", f"gone: {number}.png", f'post "{number}"', "upload it again"))
            context.warn(Diagnostic("VB3002", "a title was cut", 'post "9"', "shorten it"))
            context.show_warnings()
            context.say("last line")
        case "seven":
            return 7
        case "bug":
            raise ZeroDivisionError(f"with {CANARY} inside")
        case "interrupt":
            raise KeyboardInterrupt
        case "pipe":
            raise BrokenPipeError
        case "token":
            raise TokenError("the CMS refused the token", code="VB2001", where="https://x", hint="make a new key")
        case "source":
            raise SourceUnavailable("no answer", code="VB2101")
        case "guard":
            raise GuardRefused("the site would shrink", code="VB5001")
        case "output":
            raise OutputError("full", code="VB6001")
        case "config":
            raise ConfigError("one", code="VB1101", more=(Diagnostic("VB1105", "two", "there"),))
        case "override":
            context.override("build.out", "there", flag="--out")
            context.result(f"{context.loaded.config.build.out} {context.loaded.origins['build.out']}")
    return None


@pytest.fixture(autouse=True)
def act_command() -> Iterator[None]:
    table = cli.table
    cli.table = {**COMMANDS, "act": Entry("tests.cli.test_main:act", "Act.")}
    yield
    cli.table = table


# --- errors


def test_an_unknown_key_is_printed_with_its_line_its_caret_and_the_nearest_name(site: Path) -> None:
    (site / "velobuild.toml").write_text('[source]\nurl = "https://e.org"\n\n[pagination]\nsze = 50\n')
    ended = velobuild("config", "validate", directory=site)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err == (
        "error[VB1104]: unknown key `sze` in [pagination]\n"
        "  --> velobuild.toml:5:1\n"
        "   5 | sze = 50\n"
        "     | ^^^ did you mean `size`?\n"
        "help: velobuild help VB1104\n"
    )


def test_without_a_site_the_remedy_is_named(tmp_path: Path) -> None:
    ended = velobuild("config", "show", directory=tmp_path)
    assert ended.code == 2
    assert ended.err == (
        "error[VB1001]: no velobuild.toml found, neither here nor in a folder above\n"
        f"  --> {tmp_path}\n"
        "help: `velobuild init` writes one; -C DIR works in another folder, -c FILE names the file\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["bild"],
            "error[VB1107]: there is no command `bild`\nhelp: did you mean `velobuild build`?\n",
        ),
        (
            ["xyzzy"],
            "error[VB1107]: there is no command `xyzzy`\nhelp: `velobuild --help` lists the commands\n",
        ),
        (
            ["-C", "nowhere", "config", "show"],
            "error[VB1107]: this folder does not exist\n  --> -C nowhere\nhelp: check the path\n",
        ),
        (
            ["config", "show", "--set", "novalue"],
            "error[VB1107]: --set wants a key of velobuild.toml and a value\n  --> --set\n"
            "help: such as --set build.out=dist\n",
        ),
        (
            ["help", "VB1000"],
            "error[VB1107]: there is no error code VB1000\nhelp: near it: VB1002, VB1001\n",
        ),
    ],
)
def test_a_wrong_command_line_is_an_error_like_any_other(site: Path, arguments: list[str], expected: str) -> None:
    ended = velobuild(*arguments, directory=site)
    assert (ended.code, ended.out, ended.err) == (2, "", expected)


@pytest.mark.parametrize("arguments", [["--nope"], ["config", "--nope"], ["config", "nope"], ["completion"]])
def test_what_click_refuses_has_our_form_and_code(site: Path, arguments: list[str]) -> None:
    ended = velobuild(*arguments, directory=site)
    assert ended.code == 2
    assert ended.err.startswith("error[VB1107]: ")
    assert "help: `velobuild" in ended.err


@pytest.mark.parametrize(
    ("kind", "code"),
    [("succeed", 0), ("token", 3), ("source", 4), ("guard", 5), ("output", 6), ("seven", 7), ("config", 2), ("bug", 70),
     ("interrupt", 130), ("pipe", 141)],
)  # fmt: skip
def test_every_end_has_its_exit_code(site: Path, kind: str, code: int) -> None:
    assert velobuild("act", kind, directory=site).code == code


def test_several_findings_are_printed_apart(site: Path) -> None:
    assert velobuild("act", "config", directory=site).err == (
        "error[VB1101]: one\nhelp: velobuild help VB1101\n\nwarning[VB1105]: two\n  --> there\n"
    )


def test_a_bug_is_one_message_without_the_exceptions_text(site: Path) -> None:
    ended = velobuild("act", "bug", directory=site)
    assert ended.err.startswith("error[VB9001]: a bug in velobuild: ZeroDivisionError\n")
    assert "Traceback" not in ended.err
    assert "-vv" in ended.err
    assert "inside" not in ended.err


def test_vv_shows_the_traceback_without_secrets(site: Path) -> None:
    ended = velobuild("-vv", "act", "bug", directory=site)
    assert "Traceback (most recent call last)" in ended.err
    assert "ZeroDivisionError: with **** inside" in ended.err
    assert CANARY not in ended.err


def test_with_json_a_failure_is_a_document_too(site: Path) -> None:
    ended = velobuild("act", "token", "--json", directory=site)
    assert json.loads(ended.out) == {
        "errors": [
            {
                "severity": "error",
                "code": "VB2001",
                "what": "the CMS refused the token",
                "where": "https://x",
                "hint": "make a new key",
            }
        ]
    }
    assert ended.err.startswith("error[VB2001]")


# --- results, talk and warnings


def test_results_go_to_stdout_and_talk_to_stderr(site: Path) -> None:
    ended = velobuild("act", "succeed", directory=site)
    assert (ended.out, ended.err) == ("text\n", "talk\n")
    assert velobuild("-v", "act", "succeed", directory=site).err == "talk\nmore talk\n"
    assert velobuild("--quiet", "act", "succeed", directory=site).err == ""
    assert json.loads(velobuild("--json", "act", "succeed", directory=site).out) == {"answer": 42}


def test_warnings_are_grouped_before_the_last_line(site: Path) -> None:
    shown = "".join(f'  --> post "{number}": gone: {number}.png\n' for number in range(5))
    ended = velobuild("act", "warn", directory=site)
    assert ended.code == 0
    assert ended.err == (
        'warning[VB3002]: a title was cut\n  --> post "9"\nhelp: shorten it\n'
        "warning[VB4001]: a media file could not be fetched (7 times)\n"
        f"{shown}      and 2 more; -v shows them all\nhelp: upload it again\nlast line\n"
    )
    assert "6.png" in velobuild("-v", "act", "warn", directory=site).err


def test_colours_are_for_terminals_unless_somebody_says_otherwise(site: Path) -> None:
    def coloured(*arguments: str, terminal: bool, **environment: str) -> bool:
        ended = velobuild(*arguments, "act", "token", directory=site, terminal=terminal, environment=environment)
        return "\x1b[" in ended.err

    assert coloured(terminal=True)
    assert not coloured(terminal=False)
    assert not coloured(terminal=True, NO_COLOR="1")
    assert not coloured(terminal=True, TERM="dumb")
    assert coloured(terminal=False, FORCE_COLOR="1")
    assert not coloured(terminal=False, FORCE_COLOR="0")
    assert coloured("--color", "always", terminal=False, NO_COLOR="1")
    assert not coloured("--color", "never", terminal=True, FORCE_COLOR="1")


# --- global options


def test_global_options_may_stand_before_the_command_or_after_it(site: Path) -> None:
    before = velobuild("-v", "--offline", "-e", "x", "--set", "a.b=1", "act", "flags", directory=site)
    after = velobuild("act", "flags", "-v", "--offline", "-e", "x", "--set", "a.b=1", directory=site)
    assert before.out == after.out == "False 1 True x {'a.b': '1'} False\n"
    both = velobuild("-v", "--set", "a.b=1", "act", "--set", "c=2", "-v", "flags", directory=site)
    assert both.out == "False 2 False None {'a.b': '1', 'c': '2'} False\n"


def test_a_commands_own_option_keeps_its_name(site: Path) -> None:
    assert velobuild("act", "-q", "flags", directory=site).out == "False 0 False None {} True\n"
    assert velobuild("act", "--quiet", "flags", directory=site).out == "True 0 False None {} False\n"


def test_commands_within_commands_take_them_too(site: Path) -> None:
    ended = velobuild("config", "show", "--json", "--set", "build.out=x", directory=site)
    assert json.loads(ended.out)["config"]["build"]["out"] == "x"


def test_global_options_do_not_crowd_a_commands_help() -> None:
    command = with_globals(act)
    text = command.get_help(click.Context(command, info_name="act"))
    assert "--no-progress" not in text
    assert "global options" in text
    assert [parameter.name for parameter in act.params] == ["kind", "quick"], "the command itself stays as it was"


def test_a_folder_and_a_file_can_be_named(site: Path, tmp_path: Path) -> None:
    (site / "other.toml").write_text('[source]\nurl = "https://other.example"\n')
    ended = velobuild("-C", str(site), "-c", "other.toml", "config", "validate", directory=Path("/"))
    assert ended.out == f"{site / 'other.toml'} is valid\n"
    variables = {"VELOBUILD_CONFIG": "other.toml"}
    assert velobuild("config", "validate", directory=site, environment=variables).out.startswith(
        str(site / "other.toml")
    )


def test_a_commands_flag_overrides_the_file_under_its_own_name(site: Path) -> None:
    assert velobuild("act", "override", directory=site).out == "there --out\n"


# --- the process


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("VELO", "_VELO"))}
    return subprocess.Popen(
        [sys.executable, "-m", "velobuild", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **variables},
    )


HEAVY = ("httpx", "pydantic", "jinja2", "rich", "sqlite3", "PIL", "markdown", "pygments", "nh3", "feedgen")
IMPORTED = """
import sys
sys.argv = ["velobuild", *{arguments!r}]
from velobuild.cli.main import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write(" ".join(name for name in {names!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--version"], {}),
        (["--help"], {}),
        (["help"], {}),
        (["completion", "bash"], {}),
        ([], {"_VELOBUILD_COMPLETE": "bash_complete", "COMP_WORDS": "velobuild b", "COMP_CWORD": "1"}),
    ],
)
def test_what_must_be_quick_imports_nothing_heavy(arguments: list[str], variables: dict[str, str]) -> None:
    script = IMPORTED.format(arguments=arguments, names=HEAVY)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **variables}, check=True
    )
    assert ended.stdout
    assert ended.stderr == ""


def test_the_check_of_imports_sees_a_heavy_one(site: Path) -> None:
    script = IMPORTED.format(arguments=["-C", str(site), "config", "validate"], names=HEAVY)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stderr.split() == ["pydantic"]


def test_tab_completes_commands_and_options() -> None:
    out, _ = start(_VELOBUILD_COMPLETE="bash_complete", COMP_WORDS="velobuild re", COMP_CWORD="1").communicate()
    assert out.split() == ["plain,releases", "plain,resume"]
    variables = {"COMP_WORDS": "velobuild config show --or", "COMP_CWORD": "3"}
    out, _ = start(_VELOBUILD_COMPLETE="bash_complete", **variables).communicate()
    assert out.split() == ["plain,--origin"]


def test_a_closed_pipe_is_quiet() -> None:
    process = start("help")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


def test_a_folder_named_by_c_is_where_relative_paths_begin(site: Path) -> None:
    (site / "blog").mkdir()
    script = (
        "import sys, os\n"
        "from velobuild.cli import main as frame\n"
        "import click\n"
        "where = click.Command('where', callback=lambda: print(os.getcwd()))\n"
        "sys.modules['here'] = type(sys)('here'); sys.modules['here'].where = where\n"
        "frame.cli.table = {'where': frame.Entry('here:where', '')}\n"
        "sys.argv = ['velobuild', '-C', 'blog', 'where']\n"
        "sys.exit(frame.main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=site, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{site / 'blog'}\n"


SLOW = """
import sys, time
import click
from velobuild.cli import main as frame
@click.command()
def wait():
    try:
        print("ready", flush=True)
        time.sleep(30)
    finally:
        print("cleaned up", flush=True)
sys.modules["slow"] = type(sys)("slow")
sys.modules["slow"].wait = wait
frame.cli.table = {"wait": frame.Entry("slow:wait", "")}
sys.argv = ["velobuild", "wait"]
sys.exit(frame.main())
"""


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGTERM, 143, ""), (signal.SIGINT, 130, "interrupted\n")])
def test_a_signal_cleans_up_and_ends_with_its_code(number: int, code: int, said: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, "cleaned up\n", said)
