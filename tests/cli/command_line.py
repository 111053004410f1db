"""Runs the command line within the test: arguments in, exit code and both streams out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from velobuild.cli.main import run


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def velobuild(
    *arguments: str,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    terminal: bool = False,
    answers: str = "",
) -> Ended:
    make = Terminal if terminal else io.StringIO
    out, err = make(), make()
    code = run(arguments, environment=environment or {}, out=out, err=err, stdin=make(answers), directory=directory)
    return Ended(code, out.getvalue(), err.getvalue())
