"""Tokens: where they may come from, what they may look like, and how text that could hold one is made printable.

A token comes from the environment, from `.env` beside velobuild.toml, or from a file; never from velobuild.toml, which
is committed, and never from a flag, which every user of the machine can read in the process list.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError, Diagnostic

FALLBACK_NAME = "VELOBUILD_TOKEN"

# A key of VeloCMS or CometCMS, or a JSON web token such as PocketBase's.
LOOKS_SECRET = re.compile(r"velo_[0-9A-Za-z]{16,}|ctcms_[0-9A-Za-z_]{16,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
SECRET_KEY = re.compile(r"(?:^|_)(?:token|secret|password|passwd|api_?key|authorization|bearer)$|^key$", re.IGNORECASE)
SECRET_ASSIGNMENT = re.compile(
    r"(?P<key>(?:[\w.-]*[_.-])?(?:token|secret|password|passwd|api_?key|authorization|bearer)[\"']?\s*[=:]\s*)(?P<value>\S.*)",
    re.IGNORECASE,
)
BEARER = re.compile(r"\b(Bearer)\s+[^\s'\"]+", re.IGNORECASE)
USERINFO = re.compile(r"(?<=://)[^/@\s\"']+@")
# What may stand in an HTTP header without being quoted, folded or refused.
SENDABLE = re.compile(r"[\x21-\x7e]+")
DOTENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


def redact(text: str, known: Iterable[Secret] = ()) -> str:
    """`text` with everything that is, or looks like, a secret replaced by `****`."""
    for secret in known:
        text = text.replace(secret.reveal(), "****")
    text = LOOKS_SECRET.sub("****", text)
    text = BEARER.sub(r"\1 ****", text)
    return USERINFO.sub("****@", text)


def redact_line(line: str) -> str:
    """A line of a configuration file as it may be shown: also without what is assigned to a secret's name."""
    return redact(SECRET_ASSIGNMENT.sub(r"\g<key>****", line))


def secrets_in(table: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path, what it is) of everything in a parsed TOML document that is a secret by its name or by its looks."""
    if isinstance(table, Mapping):
        for key, value in table.items():
            # A theme's options are the theme's: `site_key = "…"` of a search box is public by design.
            named = SECRET_KEY.search(str(key)) and not {"theme", "options"} <= set(path)
            if named and isinstance(value, str):
                yield (*path, key), f"`{key}`"
            else:
                yield from secrets_in(value, (*path, key))
    elif isinstance(table, list | tuple):
        for index, value in enumerate(table):
            yield from secrets_in(value, (*path, index))
    elif isinstance(table, str):
        if LOOKS_SECRET.search(table):
            yield path, "what looks like a token"
        elif USERINFO.search(table):
            yield path, "a user name or password in an address"


def read_dotenv(file: Path, *, warn: list[Diagnostic]) -> dict[str, str]:
    """The `NAME=value` lines of a `.env` file; {} if there is none. A file that others can read is a warning."""
    text = read_private(file, warn=warn, missing_ok=True)
    values: dict[str, str] = {}
    for line in (text or "").splitlines():
        match = None if line.lstrip().startswith("#") else DOTENV_LINE.fullmatch(line)
        if match:
            values[match[1]] = _unquoted(match[2])
    return values


def read_tokens(
    token_env: str | None,
    token_file: str | None,
    *,
    root: Path,
    environment: Mapping[str, str],
    dotenv: Mapping[str, str],
    warn: list[Diagnostic],
    fallback: bool = True,
) -> tuple[Secret, ...]:
    """All tokens, the first to be tried first, each once. Raises ConfigError VB1202 for one that cannot be sent.

    Without `fallback` the variable that names no source, VELOBUILD_TOKEN, does not count.
    """
    found: list[Secret] = []
    for name in (*((token_env, f"{token_env}_2") if token_env else ()), *([FALLBACK_NAME] if fallback else ())):
        if environment.get(name):
            found.append(Secret(environment[name], f"environment variable {name}"))
        elif dotenv.get(name):
            found.append(Secret(dotenv[name], f"{name} in .env"))
    if token_file:
        path = root / Path(token_file).expanduser()
        text = read_private(path, warn=warn, missing_ok=False) or ""
        found += [Secret(line.strip(), f"file {token_file}") for line in text.splitlines() if line.strip()]
    unique: dict[str, Secret] = {}
    for secret in found:
        _check_sendable(secret)
        unique.setdefault(secret.reveal(), secret)
    return tuple(unique.values())


def _check_sendable(secret: Secret) -> None:
    value = secret.reveal()
    if SENDABLE.fullmatch(value):
        return
    position = next(n for n, character in enumerate(value) if not SENDABLE.fullmatch(character))
    raise ConfigError(
        f"the token cannot be sent: character {position + 1} of {len(value)} is no printable ASCII",
        code="VB1202",
        where=secret.origin,
        hint="a token is printable ASCII without spaces; a copied one often brings a line break along",
    )


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return re.sub(r"\s+#.*", "", value)


def read_private(file: Path, *, warn: list[Diagnostic], missing_ok: bool) -> str | None:
    """A file of secrets; None if there is none. One that others can read is a warning.

    Raises ConfigError VB1201 if it cannot be read, or is missing and must not be.
    """
    try:
        mode = file.stat().st_mode
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        if missing_ok:
            return None
        raise ConfigError(
            "the token file does not exist",
            code="VB1201",
            where=str(file),
            hint="write the token into it, one a line, and set its mode: chmod 600",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the secrets file cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}",
            code="VB1201",
            where=str(file),
            hint="make it readable for the user who runs velobuild, and for nobody else",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn.append(
            Diagnostic(
                "VB1204",
                f"this secrets file can be read by others (mode {stat.S_IMODE(mode):04o})",
                str(file),
                f"chmod 600 {file}",
            )
        )
    return text
