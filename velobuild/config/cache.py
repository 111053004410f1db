"""A settled configuration, kept in the state folder: validating loads 0.1 s of code, which most builds can spare.

What is kept is correct as long as it was made of the same bytes, variables, flags and code (`Asked.key`). Tokens are no
part of it and are read anew each time, as are `.env` and its mode. Whoever reads it gets the very values that were
validated, or nothing: a digest over the key and the values shows damage, and only velobuild's own dataclasses are made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from velobuild import __version__
from velobuild.config import schema
from velobuild.config.schema import Config, Secret
from velobuild.config.secrets import redact

FILE = "config.cache"
BYTES_MAX = 4 << 20
CLASSES = {name: value for name, value in vars(schema).items() if isinstance(value, type) and is_dataclass(value)}


def code_that_settles() -> str:
    """What tells one velobuild on one Python from another. A checkout changes without a release: so by its modules."""
    with os.scandir(Path(__file__).parent) as entries:
        found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py")]
    modules = sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)
    return repr([__version__, sys.version, sys.platform, modules])


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that decides what the configuration is.

    `content` is the file's text and `name` what messages call it. `variables` are those of the environment and of
    `.env` that set a key: (variable, value, where it stands). `overrides` are the flags: (key, text, flag).
    """

    content: str
    name: str
    variables: tuple[tuple[str, str, str], ...] = ()
    overrides: tuple[tuple[str, str, str], ...] = ()
    env_name: str | None = None

    def key(self, code: str) -> str:
        """A hash of it all, and of the code that settles it."""
        told = [code, self.content, self.name, self.variables, self.overrides, self.env_name]
        return blake2b(json.dumps(told).encode(), digest_size=32).hexdigest()


@dataclass(frozen=True, slots=True)
class Settled:
    """A configuration without a fault. `origins` maps a dotted key to what set it."""

    config: Config
    origins: dict[str, str]


class ConfigCache:
    """The last configuration of each site that this process met."""

    def __init__(self, code: str | None = None) -> None:
        self._code = code or code_that_settles()
        self._offered: dict[Path, tuple[str, Settled]] = {}

    def settled(self, file: Path, asked: Asked) -> Settled | None:
        """What was kept beside the velobuild.toml `file`; None if it was made of anything else, or is damaged."""
        try:
            with (_state(file) / FILE).open("rb") as kept:
                key, digest, values = kept.read(BYTES_MAX).split(b"\n", 2)
            if key.decode() != asked.key(self._code) or digest.decode() != _digest(key, values):
                return None
            config, origins = _made(json.loads(values))
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return None
        return Settled(config, origins) if isinstance(config, Config) else None

    def offer(self, file: Path, asked: Asked, settled: Settled) -> None:
        """Remember what `keep` is to write. It depends on nothing but `asked`, or must not be offered."""
        self._offered[file] = asked.key(self._code), settled

    def keep(self, tokens: Iterable[Secret] = ()) -> None:
        """Write what was offered, where there is a state folder by now. Never raises: a cache may be missing.

        Nothing that holds one of the `tokens`, or looks like a secret, is written.
        """
        for file, (key, settled) in self._offered.items():
            try:
                values = json.dumps(_plain([settled.config, settled.origins])).encode()
                if redact(values.decode(), tokens) == values.decode() and _state(file).is_dir():
                    _write(
                        _state(file) / FILE, b"\n".join([key.encode(), _digest(key.encode(), values).encode(), values])
                    )
            except (OSError, TypeError, ValueError):
                continue
        self._offered.clear()


def _state(file: Path) -> Path:
    return schema.Loaded(config=Config(), file=file).state


def _digest(key: bytes, values: bytes) -> str:
    return blake2b(values, key=key[:64], digest_size=32).hexdigest()


def _write(file: Path, content: bytes) -> None:
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as out:  # noqa: PTH123 - a descriptor
            out.write(content)
        os.replace(new, file)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _plain(value: Any) -> Any:
    """JSON that tells tuples, lists and dataclasses apart. Raises TypeError for what it cannot tell, such as dates."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is no text")
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_plain, value)]
    if is_dataclass(value) and CLASSES.get(type(value).__name__) is type(value):
        return ["=", type(value).__name__, *(_plain(getattr(value, field.name)) for field in fields(value))]
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _made(value: Any) -> Any:
    """The inverse of `_plain`."""
    if isinstance(value, dict):
        return {key: _made(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    kind, *inner = value
    if kind == "=":
        made = CLASSES[inner[0]]
        return made(**dict(zip([field.name for field in fields(made)], map(_made, inner[1:]), strict=True)))
    return {"list": list, "tuple": tuple}[kind](map(_made, inner))
