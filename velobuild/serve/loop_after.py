"""What is run after something was published: the operator's own commands, never through a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from velobuild.config.schema import Secret
from velobuild.model.outputs import BuildReport

TAIL_CHARS = 500


@dataclass(frozen=True, slots=True)
class HookRan:
    """How a command ended: `code` as a shell would say it, None if it was not there or took too long."""

    command: tuple[str, ...]
    code: int | None
    said: str

    @property
    def ok(self) -> bool:
        return self.code == 0


def hook_environment(
    variables: Mapping[str, str], secrets: Iterable[Secret], *, site: str, out: Path, facts: Mapping[str, str]
) -> dict[str, str]:
    """The service's environment without its secrets, whatever their variables are called, and what happened."""
    hidden = {secret.reveal() for secret in secrets}
    kept = {name: value for name, value in variables.items() if value not in hidden}
    return {**kept, "VELOBUILD_SITE": site, "VELOBUILD_OUT": str(out), **facts}


def published_facts(report: BuildReport) -> dict[str, str]:
    """What a command is told of a publication."""
    return {
        "VELOBUILD_RELEASE": "" if report.release is None else str(report.release),
        "VELOBUILD_CHANGED": str(report.created + report.rewritten),
        "VELOBUILD_REMOVED": str(report.removed),
    }


def run_hook(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], within_s: float) -> HookRan:
    """Run one command to its end, in a group of its own that is ended with it. Blocks."""
    argv = tuple(command)
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return HookRan(argv, None, f"it cannot be started: {getattr(error, 'strerror', None) or error}")
        try:
            code: int | None = process.wait(within_s)
        except subprocess.TimeoutExpired:
            code = None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said.seek(0, os.SEEK_END)
        said.seek(max(said.tell() - TAIL_CHARS * 4, 0))
        text = said.read().decode("utf-8", "replace").strip()[-TAIL_CHARS:]
    if code is None:
        return HookRan(argv, None, f"it took longer than {within_s:g} s and was ended. {text}".strip())
    return HookRan(argv, code, text)
