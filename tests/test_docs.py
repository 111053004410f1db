"""The documentation and the program say the same: nothing undocumented, and nothing documented that does not exist."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from velobuild.cli.init_kinds import KINDS
from velobuild.cli.lazy import GLOBALS
from velobuild.cli.main import COMMANDS, cli
from velobuild.config import shape
from velobuild.config.environment import DEFAULTS, KEYS
from velobuild.config.schema import Config, MenuItem, RedirectConfig
from velobuild.errors import CODES, VelobuildError

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]
GLOBAL_OPTIONS = {name for names, _ in GLOBALS for name in names} | {"-h", "--help", "-V", "--version"}


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def sections(text: str) -> dict[str, str]:
    """Heading (levels 2 and 3) → what stands below it."""
    parts = re.split(r"^#{2,3} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options_in_tables(text: str) -> set[str]:
    """The options in the first cells of a section's tables."""
    cells = re.findall(r"^\| (`-[^|]*) \|", text, flags=re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"`(--?[A-Za-z][\w-]*)", cell)}


def commands(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}", context)


def own_options(command: click.Command) -> set[str]:
    shown = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    return {name for option in shown for name in (*option.opts, *option.secondary_opts)}


# --- commands.md


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented_and_no_other(name: str) -> None:
    documented = sections(page("commands.md"))
    root = click.Context(cli, info_name="velobuild")
    command = cli.get_command(root, name)
    assert command is not None
    for path, found in commands(command, f"velobuild {name}", root):
        assert path in documented, f"docs/commands.md has no section `## {path}`"
        assert options_in_tables(documented[path]) - {"-h", "--help"} == own_options(found) - {"-h", "--help"}, path


def test_every_global_option_is_documented_and_no_other() -> None:
    documented = sections(page("commands.md"))["velobuild"]
    assert options_in_tables(documented) == GLOBAL_OPTIONS


def test_no_command_is_documented_that_does_not_exist() -> None:
    root = click.Context(cli, info_name="velobuild")
    described = [heading for heading in sections(page("commands.md")) if heading.startswith("velobuild ")]
    assert len(described) >= len(cli.list_commands(root))
    for heading in described:
        command: click.Command | None = cli
        for name in heading.split()[1:]:
            assert isinstance(command, click.Group), heading
            command = command.get_command(root, name)
            assert command is not None, f"docs/commands.md describes `{heading}`"


# --- configuration.md


def toml(value: Any) -> str:
    return "unset" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def defaults(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, how the documentation spells its default)."""
    for field in fields(value):
        if field.metadata.get("key", field.name) is None:  # Not written under this name.
            continue
        key = f"{prefix}{field.metadata.get('key', field.name)}"
        inner = getattr(value, field.name)
        if is_dataclass(inner):
            yield from defaults(inner, f"{key}.")
        elif key == "taxonomies":
            yield from defaults(inner["tags"], "taxonomies.tags.")
        elif key not in ("redirects", "menu"):
            yield key, toml(list(inner) if isinstance(inner, tuple) else inner)


def expected_keys() -> dict[str, str]:
    required = {
        f"{name}[].{field.metadata.get('key', field.name)}": (
            "required" if field.default is MISSING else toml(field.default)
        )
        for name, cls in (("redirects", RedirectConfig), ("menu", MenuItem))
        for field in fields(cls)
    }
    return {**dict(defaults(Config())), **required}


def documented_keys() -> dict[str, str]:
    found = {}
    for heading, text in sections(page("configuration.md")).items():
        if match := re.fullmatch(r"\[(\[?)([\w.]+)\]?\]", heading):
            prefix = match[2] + ("[]" if match[1] else "")
            for key, default in re.findall(r"^\| `(\w+)` \| (.+?) \|", text, flags=re.MULTILINE):
                found[f"{prefix}.{key}"] = default
    return found


def test_every_configuration_key_is_documented_with_its_default_and_no_other() -> None:
    assert documented_keys() == expected_keys()


def test_the_keys_checked_here_are_those_that_the_loader_takes() -> None:
    assert set(expected_keys()) == set(shape.dotted_keys())


def test_every_environment_variable_is_documented() -> None:
    text = page("configuration.md")
    for variable in (*KEYS, *DEFAULTS, "VELOBUILD_TOKEN", "VELOBUILD_CONFIG", "VELOBUILD_ENV"):
        assert f"`{variable}`" in text


# --- errors.md and exit-codes.md


def test_every_error_code_has_its_section_under_its_own_title_and_no_other() -> None:
    headings = re.findall(r"^## (VB\d+): (.+)$", page("errors.md"), flags=re.MULTILINE)
    assert headings == list(CODES.items())


@pytest.mark.parametrize("code", CODES)
def test_each_error_says_what_happened_and_how_to_mend_it(code: str) -> None:
    text = sections(page("errors.md"))[f"{code}: {CODES[code]}"]
    assert "**What happened.**" in text
    assert "**How to mend it.**" in text


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_raised_somewhere(code: str) -> None:
    sources = (
        file for file in (ROOT / "velobuild").rglob("*.py") if file.name != "errors.py" or file.parent.name == "http"
    )
    assert any(f'"{code}"' in file.read_text("utf-8") for file in sources), (
        f"{code} is in errors.CODES and nowhere else"
    )


def test_no_code_is_used_that_the_table_lacks() -> None:
    used = {
        code: file.relative_to(ROOT).as_posix()
        for file in [*(ROOT / "velobuild").rglob("*.py"), *DOCS.glob("*.md"), ROOT / "README.md"]
        if file.name != "errors.py"
        for code in re.findall(r"\bVB\d{4}\b", file.read_text("utf-8"))
    }
    assert {code: file for code, file in used.items() if code not in CODES} == {}
    assert set(CODES) - set(used) == set(), "and no code stands in the table that nobody raises or describes"


def exit_codes(cls: type[VelobuildError] = VelobuildError) -> set[int]:
    return {cls.exit_code}.union(*(exit_codes(inner) for inner in cls.__subclasses__()))


def test_every_exit_code_is_documented_in_the_page_and_in_the_help() -> None:
    assert cli.epilog is not None
    for code in exit_codes() | {0, 130, 141, 143}:
        assert re.search(rf"^\| {code} \|", page("exit-codes.md"), re.MULTILINE), code
        assert re.search(rf"\b{code}\b", cli.epilog), code


# --- all pages


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(file: Path, text: str) -> list[str]:
    """The links of a page that lead to no file, or to no heading of one."""
    broken = []
    prose = re.sub(r"`[^`\n]+`", "", FENCE.sub("", text))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        name, _, anchor = target.partition("#")
        other = file.parent / name if name else file
        if "://" in target:
            continue
        if not other.exists() or (anchor and anchor not in anchors(other.read_text("utf-8"))):
            broken.append(target)
    return broken


FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def code(text: str) -> Iterator[str]:
    """What a page sets as code: its spans, and the lines of its blocks."""
    for block in FENCE.findall(text):
        yield from (line.strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def wrong_usage(words: str) -> str | None:
    """What of a command line, as a page shows it, velobuild does not have. None if it can be typed."""
    rest = words.split("#")[0].split()[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="velobuild")
    takes_value = {
        name for names, attributes in GLOBALS for name in names if not {"is_flag", "count"} & set(attributes)
    }
    known = set(GLOBAL_OPTIONS)
    skip = False
    for word in rest:
        word = word.strip("[](),.:;…")
        if skip or not word:
            skip = False
        elif word in ("|", "&&", ">", "2>"):
            return None
        elif word.startswith("-"):
            option = word.partition("=")[0]
            if option not in known and not re.fullmatch(r"-v+", option):
                return f"{words}: no option {option}"
            skip = option in takes_value and "=" not in word
        elif isinstance(command, click.Group):
            inner = command.get_command(context, word) if word.islower() else None
            if inner is None:
                return None if word.isupper() else f"{words}: no command {word}"
            command = inner
            options = [p for p in inner.params if isinstance(p, click.Option)]
            known |= own_options(inner)
            takes_value |= {name for option_ in options if not option_.is_flag for name in option_.opts}
    return None


def every_option() -> set[str]:
    root = click.Context(cli, info_name="velobuild")
    known = set(GLOBAL_OPTIONS)
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        for _, found in commands(command, name, root):
            known |= own_options(found)
    return known


def css_variables() -> set[str]:
    """What looks like an option and is none: the variables of the shipped themes."""
    sheets = (file.read_text("utf-8") for file in (ROOT / "themes").rglob("*.css"))
    return {name for sheet in sheets for name in re.findall(r"(--[a-z][\w-]*)\s*:", sheet)}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_links_only_to_pages_and_headings_that_exist(file: Path) -> None:
    assert broken_links(file, file.read_text("utf-8")) == []


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_names_only_commands_and_options_that_exist(file: Path) -> None:
    known = every_option() | css_variables()
    for words in code(file.read_text("utf-8")):
        if typed := re.search(r"(?:^|&& |; |help: |bin/| \* )(velobuild(?: .*)?)$", words):
            assert wrong_usage(typed[1]) is None
        elif match := re.fullmatch(r"(--[a-z][\w-]*|-[A-Za-z])(?:[= ].*)?", words):
            assert match[1] in known, words


def test_these_checks_find_what_does_not_exist() -> None:
    assert broken_links(
        ROOT / "README.md", "[a](docs/none.md) [b](docs/errors.md#none) [c](#none) [d](docs/errors.md)"
    ) == [
        "docs/none.md",
        "docs/errors.md#none",
        "#none",
    ]
    wrong = [
        "velobuild nonsense",
        "velobuild cms nonsense",
        "velobuild -C blog build --reset",
        "velobuild cms key forget",
    ]
    assert all(wrong_usage(words) for words in wrong)
    right = ["velobuild", "velobuild -C blog build", "velobuild cms --data FOLDER …", "velobuild help VB2001"]
    assert [wrong_usage(words) for words in right] == [None] * len(right)
    assert list(code("a `b`\n```sh\nvelobuild c\n```\n`d`")) == ["velobuild c", "b", "d"]


# --- the pages of the sources


@pytest.mark.parametrize("kind", KINDS)
def test_each_source_has_a_page_that_says_the_same_things(kind: str) -> None:
    text = page(f"{kind}.md")
    assert f"docs/{kind}.md" == KINDS[kind].page
    assert f"(docs/{kind}.md)" in (ROOT / "README.md").read_text("utf-8")
    (configuration,) = re.findall(rf'```toml\n((?:(?!```).)*type = "{kind}".*?)```', text, re.DOTALL)[:1]
    source = tomllib.loads(configuration)["source"]
    assert source.get("token_env", "") == KINDS[kind].variable, "named as `init` names it"
    short = sections(text)["In short"]
    for row in ("token", "rights", "works", "not to be had"):
        assert f"\n| {row} | " in short, row
    assert any(heading.startswith("What") and heading.endswith("cannot give") for heading in sections(text))
    if kind != "velocms":
        assert "VELOCMS_API_KEY" not in short
