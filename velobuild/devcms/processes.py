"""The two processes of a development CMS: started apart from ours, recognised and ended by their id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

POLL_S = 0.01
END_S = 10.0


class Detached(subprocess.Popen[bytes]):
    """A process that outlives us on purpose: forgetting it is no mistake that Python should warn of."""

    def __del__(self) -> None:
        pass


# Those we started ourselves must also be waited for, or they stay in the process table as dead ones.
_children: dict[int, Detached] = {}


def spawn(arguments: Sequence[str], log: Path) -> int:
    """Start a process in a group of its own, so that Ctrl-C in our terminal does not reach it. Returns its id.

    What it prints is appended to `log`.
    """
    with log.open("ab") as out:
        child = Detached(
            arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    _children[child.pid] = child
    return child.pid


def is_running(pid: int, marker: str) -> bool:
    """Whether process `pid` lives and has `marker` in its command line: ids are used again, folders are not."""
    child = _children.get(pid)
    if child is not None:
        # Our own child keeps its id until it was waited for; its command line is empty while it is being started.
        if child.poll() is None:
            return True
        del _children[pid]
        return False
    return marker in _command_line(pid)


def end(pid: int, marker: str) -> None:
    """End the process if it is the one that `marker` says, and wait until it is gone; after 10 s, force it."""
    deadline = time.monotonic() + END_S
    signal_next = signal.SIGTERM
    while is_running(pid, marker):
        if signal_next == signal.SIGTERM or time.monotonic() > deadline:
            try:
                os.kill(pid, signal_next)
            except ProcessLookupError:
                break
            signal_next = signal.SIGKILL
        time.sleep(POLL_S)
    child = _children.pop(pid, None)
    if child is not None:
        child.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody held a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _command_line(pid: int) -> str:
    """All arguments in one text; "" for a process that is gone or dead."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return ""
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout
