"""Sockets that a service manager holds for us: they outlive a restart, so no delivery is refused while we are away.

The protocol is systemd's (sd_listen_fds(3)): LISTEN_FDS descriptors from 3 on, meant for the process LISTEN_PID.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from velobuild.errors import ConfigError, OutputError
from velobuild.serve.accepting import BACKLOG
from velobuild.serve.preview import bound

FIRST = 3
NAMES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def handed_over(variables: Mapping[str, str], *, pid: int | None = None) -> int:
    """How many sockets were handed to this process."""
    count = variables.get("LISTEN_FDS", "")
    is_ours = variables.get("LISTEN_PID") == str(os.getpid() if pid is None else pid)
    return int(count) if is_ours and count.isdecimal() else 0


def inherited(variables: Mapping[str, str], *, pid: int | None = None) -> list[socket.socket]:
    """The listening sockets that were handed to this process; [] if none were. Raises ConfigError VB1107."""
    found = []
    for descriptor in range(FIRST, FIRST + handed_over(variables, pid=pid)):
        try:
            os.set_inheritable(descriptor, False)
            found.append(socket.socket(fileno=descriptor))
        except OSError as error:
            raise ConfigError(
                f"descriptor {descriptor}, which the service manager handed over, is no socket",
                code="VB1107",
                where="LISTEN_FDS",
                hint="in the .socket unit, name an address with ListenStream=",
            ) from error
    return found


def without(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment for whatever we start: the sockets are not theirs."""
    return {name: value for name, value in variables.items() if name not in NAMES}


def listening(address: str, variables: Mapping[str, str]) -> list[socket.socket]:
    """The sockets handed over, else one bound to `address`, such as `127.0.0.1:8787` or `[::1]:8787`.

    Raises ConfigError VB1101 for what is no address, OutputError VB6006 if it cannot be had.
    """
    handed = inherited(variables)
    if handed:
        return handed
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not host:
        raise ConfigError(
            f"`{address}` is no address to listen on",
            code="VB1101",
            where="listen.address",
            hint="an address of this machine and a port, such as 127.0.0.1:8787",
        )
    host = host.strip("[]")
    try:
        listener = bound(host, int(port))
    except OutputError as error:
        raise OutputError(
            str(error), code=error.code, where="listen.address", hint="choose another port in [listen] address"
        ) from error
    listener.listen(BACKLOG)
    return [listener]


def url_of(listener: socket.socket) -> str:
    """Where the socket is reached on this machine."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
