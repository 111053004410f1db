"""Builds in a process of their own, kept warm between them: what kills a build never takes the service along.

The child is one for a site, so that a site whose builds hang holds up no other. It lives through many builds, since a
fresh one pays for every import again, and is replaced after a crash, a hang, a lack of memory, or so many builds that
what they leave behind might add up. It is fresh from an exec rather than a fork: the service has threads.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from velobuild.config.schema import Loaded
from velobuild.errors import OutputError, VelobuildError
from velobuild.model.outputs import BuildReport
from velobuild.model.ports import NamedPost

BUILDS_MAX = 500
START_S = 60.0
END_S = 2.0
"""How long a child that was asked to end may take to clean up after itself."""
WARM = (
    "babel.dates",
    "velobuild.media.needed",
    "velobuild.pipeline.steps",
    "velobuild.render.feeds",
    "velobuild.render.renderers",
    "velobuild.render.sitemap",
    "velobuild.sources.opening",
)
"""What a build of one post imports, here or there."""
PROGRAM = "import sys; from velobuild.serve.child import serve_builds; serve_builds(int(sys.argv[1]), int(sys.argv[2]))"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the child is asked for. Without `named` posts everything is synchronised."""

    loaded: Loaded
    cache: Path | None
    named: tuple[NamedPost, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """The build ended well; the report may say that nothing changed."""

    report: BuildReport


@dataclass(frozen=True, slots=True)
class Failed:
    """The build ended with an error; the live site is as it was."""

    error: VelobuildError


@dataclass(frozen=True, slots=True)
class Crashed:
    """The child did not live to say how the build ended; the live site is a complete release all the same."""

    how: str


Outcome = Built | Failed | Crashed


def build_once(request: BuildRequest) -> Outcome:
    """One build, here. The one place that calls the pipeline."""
    from velobuild.pipeline import BuildOptions, build

    try:
        return Built(build(request.loaded, BuildOptions(named=request.named), cache=request.cache))
    except VelobuildError as error:
        return Failed(error)
    except MemoryError:
        return Crashed("it ran out of memory")
    except Exception as error:
        return Failed(_bug(error))


def _bug(error: Exception) -> VelobuildError:
    """One line, and where. The exception's own text stays out of it: it may quote anything."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = None if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    hint = "this should not happen; run `velobuild build -vv` and report what it prints"
    return VelobuildError(f"a bug in velobuild: {type(error).__name__}", code="VB9001", where=where, hint=hint)


def serve_builds(descriptor: int, parent: int) -> None:
    """The child's whole life: build what comes over the descriptor until its other end closes."""
    from velobuild.pipeline.opening import databases_kept_open, sync_kept

    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _asked_to_end)
    connection = Connection(descriptor)
    with databases_kept_open(), connection, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        memory_bytes: int = connection.recv()
        _bound_memory(memory_bytes)
        _get_warm()
        connection.send(os.getpid())
        while True:
            outcome = build_once(connection.recv())
            connection.send(outcome)
            sync_kept()
            if isinstance(outcome, Crashed):
                return
            gc.collect()


def _get_warm() -> None:
    """Pay once, before the first event comes, for what modules put off until they need it."""
    from velobuild.http.authorities import public_authorities  # In the child alone: the service asks nobody.

    for name in WARM:
        import_module(name)
    public_authorities()
    gc.collect()
    gc.freeze()


def _asked_to_end(number: int, frame: FrameType | None) -> None:
    # As an exception it runs every `finally` on its way out: staged files are removed, the site's lock is let go.
    raise SystemExit(128 + number)


def _die_with(parent: int) -> None:
    """Linux ends this process when its parent dies (prctl PR_SET_PDEATHSIG); elsewhere it ends after its build."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # It was gone before we asked to go with it.
        os._exit(1)


def _bound_memory(limit_bytes: int) -> None:
    if limit_bytes:
        import resource

        with suppress(ValueError, OSError):  # macOS refuses; a lower limit that is set already stays
            resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


class BuildChild:
    """The service's end. One thread calls `build`; `end` may come from any other."""

    def __init__(
        self,
        *,
        memory_bytes: int = 0,
        builds_max: int = BUILDS_MAX,
        program: str = PROGRAM,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._builds_max = builds_max
        self._program = program
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._builds = 0
        self._ended = False
        self.started = 0
        """How many children there were."""

    @property
    def pid(self) -> int | None:
        """The child that is alive, or None."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Begin to get warm; does not wait. Raises OutputError VB6002 if no process can be started."""
        with self._lock:
            if self._process is not None or self._ended:
                return
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    self._process = subprocess.Popen(
                        [sys.executable, "-c", self._program, str(theirs.fileno()), str(os.getpid())],
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                        # A group of its own: its workers end with it, and Ctrl-C asks the service alone.
                        start_new_session=True,
                    )
                except OSError as error:
                    ours.close()
                    raise OutputError(
                        f"no process can be started for a build: {error.strerror}",
                        code="VB6002",
                        hint="the machine is out of processes or memory",
                    ) from error
            self._connection = Connection(ours.detach())
            self._builds = 0
            self.started += 1
        with suppress(OSError):  # If it is gone already, the build will notice.
            self._connection.send(self._memory_bytes)

    def build(self, request: BuildRequest, *, deadline_s: float) -> Outcome:
        """Blocks until the build has ended one way or another, at most `deadline_s` and the child's start."""
        if self._process is not None and (self._builds >= self._builds_max or self._process.poll() is not None):
            self._replace()
        fresh = self._process is None
        self.start()
        connection = self._connection
        if connection is None:
            return Crashed("the service is ending")
        try:
            if fresh or self._builds == 0:
                self._receive(connection, START_S, "it did not start within")
            self._builds += 1
            connection.send(request)
            outcome = self._receive(connection, deadline_s, "it took longer than")
        except (EOFError, OSError):
            outcome = Crashed(self._how_it_ended())
        if isinstance(outcome, Built | Failed):
            return outcome
        self._replace()
        return outcome if isinstance(outcome, Crashed) else Crashed("it answered nonsense")

    def end(self) -> None:
        """End the child, in the middle of a build too; there will be no other."""
        with self._lock:
            self._ended = True
            process = self._process
        if process is not None:
            _end(process)

    def _receive(self, connection: Connection, within_s: float, late: str) -> object:
        if not connection.poll(within_s):
            return Crashed(f"{late} {within_s:g} s")
        return connection.recv()

    def _how_it_ended(self) -> str:
        process = self._process
        if self._ended or process is None:
            return "the service is ending"
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        code = process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"it was ended by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
        return "it ended without an answer" if code is None else f"it ended with exit code {code}"

    def _replace(self) -> None:
        """Be rid of this child and whatever it started; `build` starts the next one."""
        with self._lock:
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask, then end the whole group: a child that hangs has workers that hang."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
