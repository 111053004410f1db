"""One build at a time for a site: a kernel lock that ends with the process that holds it, however it ends.

`lockf`, not `flock`: an flock belongs to the open file, which forked workers share, so that a worker that outlives
its killed parent would go on holding the site. A POSIX lock belongs to the process. It has two traps, answered here:
it does not exclude threads of the same process (so there is a lock in memory beside it), and it is lost when the
process closes *any* descriptor of the file (so the file is opened only after the lock in memory is held).
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from velobuild.errors import SiteLocked
from velobuild.model.ports import Clock, utc_now
from velobuild.publish.disk import disk_errors, make_folder

HOLDER_BYTES_MAX = 1_000

_in_this_process: dict[tuple[int, str], threading.Lock] = {}
_registry = threading.Lock()


class SiteLock:
    """Holds a site while the `with` block runs. With `wait` it waits for its turn, else SiteLocked VB7001 at once.

    The file `lock` stays after use and says who holds the site; that text is for people, only the kernel's lock
    counts. Not to be trusted on network file systems whose server does not keep locks.
    """

    def __init__(self, state: Path, *, wait: bool = False, clock: Clock = utc_now) -> None:
        self._file = state / "lock"
        self._wait = wait
        self._clock = clock
        self._descriptor: int | None = None
        self._mutex: threading.Lock | None = None

    def __enter__(self) -> SiteLock:
        with disk_errors("the site cannot be locked", self._file):
            make_folder(self._file.parent)
        mutex = _mutex_for(self._file)
        if not mutex.acquire(blocking=self._wait):
            raise self._locked("another build in this process")
        try:
            with disk_errors("the site cannot be locked", self._file):
                self._descriptor = self._lock()
        except BaseException:
            mutex.release()
            raise
        self._mutex = mutex
        with suppress(OSError):  # a full disk: the lock holds all the same
            self._sign()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._descriptor is not None
        assert self._mutex is not None
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        with suppress(OSError):  # closing frees the lock; the file is never removed, or two could hold two of them
            os.close(self._descriptor)
        self._descriptor = None
        self._mutex.release()

    def _lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._file, flags, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if self._wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError) as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise self._locked(holder) from error
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _sign(self) -> None:
        assert self._descriptor is not None
        started = self._clock().isoformat(timespec="seconds")
        text = json.dumps({"pid": os.getpid(), "host": os.uname().nodename, "started_at": started})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def _locked(self, holder: str) -> SiteLocked:
        return SiteLocked(
            f"the site is being built or changed by {holder}",
            code="VB7001",
            where=str(self._file),
            hint="wait until it has ended, or use --wait",
        )


def _holder(descriptor: int) -> str:
    try:
        claim = json.loads(os.pread(descriptor, HOLDER_BYTES_MAX, 0))
        return f"process {int(claim['pid'])} on {claim['host']}, since {claim['started_at']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _mutex_for(file: Path) -> threading.Lock:
    # With the pid: a forked child inherits this table, but not its parent's locks.
    key = (os.getpid(), os.path.realpath(file))
    with _registry:
        return _in_this_process.setdefault(key, threading.Lock())
