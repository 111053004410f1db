"""Tokens come from where nobody else reads, and nothing that velobuild says or raises holds one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from velobuild.config.load import load
from velobuild.config.schema import Loaded, Secret
from velobuild.config.secrets import redact
from velobuild.errors import ConfigError

CANARY = "velo_" + "c0ffee" * 10 + "beef"
MINIMAL = '[source]\nurl = "https://blog.example.org"\n'


def read(folder: Path, text: str = MINIMAL, environment: Mapping[str, str] | None = None, **options: object) -> Loaded:
    (folder / "velobuild.toml").write_text(text, "utf-8")
    return load(None, directory=folder, environment=environment or {}, **options)  # type: ignore[arg-type]


def refused(
    folder: Path, text: str = MINIMAL, environment: Mapping[str, str] | None = None, **options: object
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environment, **options)
    return caught.value


def revealed(loaded: Loaded) -> list[str]:
    return [token.reveal() for token in loaded.tokens]


def everything_said(error: ConfigError) -> str:
    return repr((str(error), error.args, error.diagnostics, error.__cause__, error.__dict__))


def dotenv(folder: Path, text: str, mode: int = 0o600) -> None:
    (folder / ".env").write_text(text, "utf-8")
    (folder / ".env").chmod(mode)


def test_tokens_are_found_in_their_order_and_each_once(tmp_path: Path) -> None:
    dotenv(tmp_path, "VELOCMS_API_KEY_2=second\nVELOBUILD_TOKEN=first\n")
    (tmp_path / "key").write_text("fourth\n\nsecond\n")
    (tmp_path / "key").chmod(0o600)
    loaded = read(tmp_path, MINIMAL + 'token_file = "key"\n', {"VELOCMS_API_KEY": "first"})
    assert revealed(loaded) == ["first", "second", "fourth"]
    assert [token.origin for token in loaded.tokens] == [
        "environment variable VELOCMS_API_KEY",
        "VELOCMS_API_KEY_2 in .env",
        "file key",
    ]
    assert loaded.warnings == ()


def test_the_environment_goes_before_dotenv(tmp_path: Path) -> None:
    dotenv(tmp_path, "VELOCMS_API_KEY=from-file\n")
    assert revealed(read(tmp_path, environment={"VELOCMS_API_KEY": "from-shell"})) == ["from-shell"]
    assert revealed(read(tmp_path, environment={"VELOCMS_API_KEY": ""})) == ["from-file"]


def test_dotenv_is_read_as_people_write_it(tmp_path: Path) -> None:
    dotenv(tmp_path, "# VELOCMS_API_KEY=no\n\nexport VELOCMS_API_KEY = 'quoted'  \nVELOBUILD_TOKEN=bare # comment\n")
    assert revealed(read(tmp_path)) == ["quoted", "bare"]


def test_dotenv_may_name_the_site_too(tmp_path: Path) -> None:
    dotenv(tmp_path, "VELOCMS_SITE_URL=https://x.example\n")
    loaded = read(tmp_path, "")
    assert loaded.config.source.url == "https://x.example"
    assert loaded.origins["source.url"] == "VELOCMS_SITE_URL in .env"


def test_another_variable_may_hold_the_token(tmp_path: Path) -> None:
    variables = {"OTHER": "a", "OTHER_2": "b", "VELOCMS_API_KEY": "ignored"}
    assert revealed(read(tmp_path, MINIMAL + 'token_env = "OTHER"\n', variables)) == ["a", "b"]


def test_no_token_is_no_error_until_one_is_needed(tmp_path: Path) -> None:
    loaded = read(tmp_path)
    assert loaded.tokens == ()
    with pytest.raises(ConfigError) as caught:
        loaded.require_tokens()
    assert caught.value.code == "VB1201"
    assert "VELOCMS_API_KEY" in (caught.value.hint or "")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secrets_file_that_others_can_read_is_a_warning(tmp_path: Path, mode: int) -> None:
    dotenv(tmp_path, "VELOCMS_API_KEY=x\n", mode)
    (tmp_path / "key").write_text("y\n")
    (tmp_path / "key").chmod(mode)
    loaded = read(tmp_path, MINIMAL + 'token_file = "key"\n')
    assert [(w.code, w.where) for w in loaded.warnings] == [
        ("VB1204", str(tmp_path / ".env")),
        ("VB1204", str(tmp_path / "key")),
    ]


def test_a_token_file_that_is_missing_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, MINIMAL + 'token_file = "nowhere"\n')
    assert (error.code, error.diagnostics[0].where) == ("VB1201", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "bad", [f"{CANARY}\n", f"{CANARY}\r\nX-Evil: 1", f" {CANARY}", f"{CANARY}é", f"{CANARY}\x00", f"{CANARY}\ud800"]
)
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(tmp_path: Path, bad: str) -> None:
    error = refused(tmp_path, environment={"VELOCMS_API_KEY": bad})
    assert error.code == "VB1202"
    assert error.diagnostics[0].where == "environment variable VELOCMS_API_KEY"
    assert CANARY not in everything_said(error)


@pytest.mark.parametrize(
    "text",
    [
        f'token = "{CANARY}"',
        f'api_key = "{CANARY}"',
        'password = "hunter2hunter2"',
        f'token_env = "{CANARY}"',
        f'rate_limit = "{CANARY}"',
        f'exclude_tags = ["{CANARY}"]',
        f"[theme.options]\nx = '{CANARY}'",
        f'[env.prod.source]\ntoken = "{CANARY}"',
        f'[site]\ntitle = "{CANARY}"',
    ],
)
def test_a_secret_in_the_file_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, MINIMAL + text + "\n")
    assert {d.code for d in error.diagnostics if d.where == error.diagnostics[0].where} == {"VB1203"}
    assert CANARY not in everything_said(error)
    assert "hunter2" not in everything_said(error)


def test_a_password_in_an_address_is_refused_without_being_shown(tmp_path: Path) -> None:
    error = refused(tmp_path, '[source]\nurl = "http://me:hunter2@blog.example.org"\n')
    assert error.code == "VB1203"
    assert "hunter2" not in everything_said(error)


@pytest.mark.parametrize("line", [f'token = "{CANARY}', f"token = {CANARY}", 'password = "hunter2hunter2'])
def test_a_syntax_error_beside_a_secret_does_not_show_it(tmp_path: Path, line: str) -> None:
    error = refused(tmp_path, MINIMAL + line + "\n")
    assert error.code == "VB1002"
    assert CANARY not in everything_said(error).replace(repr(error.__cause__), "")
    assert CANARY not in repr(error.diagnostics)
    assert "hunter2" not in repr(error.diagnostics)


def test_the_public_key_of_a_theme_is_no_secret(tmp_path: Path) -> None:
    loaded = read(tmp_path, MINIMAL + '[theme.options]\nsearch_key = "public"\nkey = "b"\n')
    assert loaded.config.theme.options["key"] == "b"


def test_a_secret_in_a_flag_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, overrides={"source.token": "hunter2"})
    assert error.code == "VB1203"
    assert "hunter2" not in everything_said(error)


def test_a_loaded_configuration_does_not_print_its_tokens(tmp_path: Path) -> None:
    loaded = read(tmp_path, environment={"VELOCMS_API_KEY": CANARY})
    assert revealed(loaded) == [CANARY]  # the control: it is there
    assert CANARY not in repr(loaded)
    assert CANARY not in f"{loaded}"


def test_redaction_finds_known_tokens_and_what_looks_like_one() -> None:
    text = f"GET https://me:pw@h/x Authorization: Bearer abc.def {CANARY} odd-token"
    assert redact(text, [Secret("odd-token")]) == "GET https://****@h/x Authorization: Bearer **** **** ****"
