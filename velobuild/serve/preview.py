"""The preview server: what was built, as a static host would show it.

Each request looks through the output link once, and sees the release that was live then and no other: a swapped
release is seen at once, and never half of it. It serves this machine alone unless told otherwise.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from velobuild.errors import OutputError

PORT = 8000
PORTS_TRIED = 20
BACKLOG = 128
PORT_ERRORS = frozenset({errno.EADDRINUSE, errno.EACCES})
RELEASES_REMEMBERED = 3
# Files whose name changes with their bytes. A page that was read before a swap asks for those of its own release.
HASHED = ("assets/", "media/")
# Not every machine's own table knows these.
TYPES = MappingProxyType(
    {
        ".avif": "image/avif",
        ".webmanifest": "application/manifest+json",
        ".webp": "image/webp",
        ".woff": "font/woff",
        ".woff2": "font/woff2",
    }
)


class NoStore:
    """Tells browsers to ask again each time: a preview that shows yesterday's page misleads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        await self._app(scope, receive, told)


class Released:
    """The files of the release that is live as a request begins: clean URLs, 404 page, types, ranges and 304."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._releases: deque[str] = deque(maxlen=RELEASES_REMEMBERED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        release = os.path.realpath(self._out)
        if not self._releases or self._releases[-1] != release:
            self._releases.append(release)
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        if path.startswith(HASHED):
            release = next((one for one in reversed(self._releases) if os.path.isfile(f"{one}/{path}")), release)  # noqa: PTH113
        try:
            await StaticFiles(directory=release, html=True, follow_symlink=True)(scope, receive, send)
        except RuntimeError:  # There is no such folder: nothing was built yet, or the release went while it was asked.
            if Path(release).is_dir():
                raise
            raise HTTPException(404) from None


def application(out: Path, prefix: str = "") -> Starlette:
    """The released files below `prefix` (such as `/blog`)."""
    learn_types()
    routes: list[BaseRoute] = [Mount(prefix or "/", Released(out))]
    if prefix:
        routes.append(Route("/", lambda request: RedirectResponse(f"{prefix}/")))
    return Starlette(routes=routes, middleware=[Middleware(NoStore)])


def learn_types() -> None:
    for ending, kind in TYPES.items():
        mimetypes.add_type(kind, ending)


def bound(host: str, port: int | None) -> socket.socket:
    """A listening socket: on `port`, or on the first free one from 8000 on. Raises OutputError VB6006."""
    for candidate in [port] if port is not None else [*range(PORT, PORT + PORTS_TRIED), 0]:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            # At once: until somebody listens there, another program could bind the same port too.
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if port is None and error.errno == errno.EADDRINUSE:
                continue
            raise _cannot_listen(host, candidate, error) from error
        return listener
    raise OutputError("no port is free", code="VB6006", where=host)


def _cannot_listen(host: str, port: int, error: OSError) -> OutputError:
    if error.errno in PORT_ERRORS:
        what, hint = (
            f"cannot listen on {host}:{port}",
            "choose another port with --port; without one a free port is found",
        )
    else:
        what, hint = f"cannot listen on the address {host}", "--host takes an address of this very machine"
    return OutputError(f"{what}: {error.strerror}", code="VB6006", hint=hint)


def serve(out: Path, listener: socket.socket, *, prefix: str = "", ready: Callable[[], None] = lambda: None) -> None:
    """Serve until interrupted. Blocks."""
    config = uvicorn.Config(application(out, prefix), log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    ready()
    server.run(sockets=[listener])
