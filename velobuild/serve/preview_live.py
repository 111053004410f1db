"""The preview of `velobuild watch`: the released files, with live reload put into each page while it is served."""

from __future__ import annotations

import os
import posixpath
import socket
import threading
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from velobuild.serve.preview import NoStore, Released, learn_types
from velobuild.serve.reload import FOLDER, SCRIPT, Hub, mark_of, with_script

NOT_BUILT = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>Nothing is built yet</title></head>"
    "<body><h1>Nothing is built yet</h1><p>This page comes alive as soon as the first build succeeds.</p></body></html>"
)
NOT_THERE = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>No such page</title></head>"
    "<body><h1>No such page</h1><p>The site has no 404 page of its own.</p></body></html>"
)
# What makes an answer shorter than the page: a browser that was here before has a copy without the script.
SHORTENING = frozenset({b"range", b"if-none-match", b"if-modified-since", b"if-range"})
# What the script makes untrue.
OF_THE_FILE = frozenset({"content-length", "etag", "last-modified", "accept-ranges"})
STOP_S = 5.0


class LivePreview:
    """An ASGI application. `show` may be called from any thread, and counts from the next request on."""

    def __init__(
        self, out: Path, prefix: str = "", *, hub: Hub, host: str = "127.0.0.1", noindex: bool = False
    ) -> None:
        learn_types()
        self._hub = hub
        self._host = host
        self._noindex = noindex
        self._shown = (out, prefix, Released(out))
        routes = [
            Route(f"{FOLDER}events", self._events),
            Route(f"{FOLDER}page", self._page),
            Route(f"{FOLDER}reload.js", self._script),
            Mount("/", self._site),
        ]
        self._application = Starlette(routes=routes, middleware=[Middleware(NoStore)])

    def show(self, out: Path, prefix: str) -> None:
        """Serve another folder, or below another prefix."""
        if (out, prefix) != self._shown[:2]:
            self._shown = (out, prefix, Released(out))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_own_host(Request(scope).url.hostname or "", self._host):
            # A foreign name that was made to lead here would let a foreign page read drafts.
            answer = PlainTextResponse("This preview answers to this machine's own names alone.\n", 421)
            await answer(scope, receive, send)
            return
        await self._application(scope, receive, send)

    async def _events(self, request: Request) -> Response:
        async def stream() -> AsyncIterator[str]:
            async for text in self._hub.stream():
                yield text

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _script(self, request: Request) -> Response:
        return FileResponse(SCRIPT, media_type="text/javascript")

    async def _page(self, request: Request) -> Response:
        """What is at an address now, so that a page can tell whether it is still the same."""
        release = os.path.realpath(self._shown[0])
        file = page_file(release, self._below_prefix(unquote(request.query_params.get("at", "/"))))
        text = file.read_text("utf-8", "replace") if file is not None else self._placeholder()
        mark = mark_of(text, lambda address: self._file_of(release, address))
        return JSONResponse({"page": mark.page, "styles": mark.styles})

    async def _site(self, scope: Scope, receive: Receive, send: Send) -> None:
        out, prefix, files = self._shown
        if prefix:
            if scope["path"] == "/":
                await RedirectResponse(f"{prefix}/")(scope, receive, send)
                return
            if not f"{scope['path']}/".startswith(f"{prefix}/"):
                raise HTTPException(404)
            scope = {**scope, "root_path": prefix}
        scope = {**scope, "headers": self._asking_for_all(scope)}
        await WithScript(self, files, os.path.realpath(out))(scope, receive, send)

    def _asking_for_all(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        ending = posixpath.splitext(scope["path"])[1].lower()
        if ending not in ("", ".html", ".htm"):
            return headers
        return [(name, value) for name, value in headers if name.lower() not in SHORTENING]

    def injected(self, page: bytes, *, version: int, release: str, origin: str) -> bytes:
        """The page as a browser gets it. `release` is the folder it is from."""
        text = page.decode("utf-8", "replace")
        mark = mark_of(text, lambda address: self._file_of(release, address))
        return with_script(text, mark=mark, hub=self._hub, version=version, origin=origin).encode()

    @property
    def version(self) -> int:
        return self._hub.state.version

    @property
    def noindex(self) -> bool:
        return self._noindex

    def _placeholder(self) -> str:
        return NOT_THERE if self._shown[0].is_dir() else NOT_BUILT

    def placeholder(self) -> Response:
        """In place of a 404 page that the site has not."""
        return HTMLResponse(self._placeholder(), 404 if self._shown[0].is_dir() else 503)

    def _below_prefix(self, address: str) -> str:
        prefix = self._shown[1]
        return address.removeprefix(prefix) if f"{address}/".startswith(f"{prefix}/") else "/\0"

    def _file_of(self, release: str, address: str) -> Path | None:
        return file_below(release, self._below_prefix(unquote(address)))


class WithScript:
    """One request's answer, whose HTML gets the script; everything else goes through as it is."""

    def __init__(self, preview: LivePreview, files: Released, release: str) -> None:
        self._preview = preview
        self._files = files
        self._release = release
        self._version = preview.version  # From before the page is read: a newer page is compared once, for nothing.
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = str(Request(scope).base_url.replace(path="")).rstrip("/")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._preview.noindex:
                    message["headers"] = [*message["headers"], (b"x-robots-tag", b"noindex, nofollow")]
                if self._is_page(message):
                    self._start = message
                    return
            elif self._start is not None:
                self._body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    await self._finish(send, origin, with_body=scope["method"] != "HEAD")
                return
            await send(message)

        try:
            await self._files(scope, receive, told)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            await self._preview.placeholder()(scope, receive, told)

    def _is_page(self, message: Message) -> bool:
        kind = Headers(raw=message["headers"]).get("content-type", "")
        return kind.startswith("text/html") and message["status"] in (200, 404, 503)

    async def _finish(self, send: Send, origin: str, *, with_body: bool) -> None:
        assert self._start is not None
        page = b"".join(self._body)
        if with_body:
            page = self._preview.injected(page, version=self._version, release=self._release, origin=origin)
        headers = [(n, v) for n, v in self._start["headers"] if n.decode("latin-1").lower() not in OF_THE_FILE]
        if with_body:
            headers.append((b"content-length", str(len(page)).encode()))
        await send({**self._start, "headers": headers})
        await send({"type": "http.response.body", "body": page})


def page_file(release: str, path: str) -> Path | None:
    """The file that is shown at an address: a folder's index, else the site's 404 page, if it has one."""
    found = file_below(release, path)
    if found is None and path.endswith("/"):
        found = file_below(release, f"{path}index.html")
    return found or file_below(release, "/404.html")


def file_below(release: str, path: str) -> Path | None:
    """The plain file at an address, inside the folder or not at all."""
    if "\0" in path:
        return None
    whole = os.path.normpath(f"{release}/{path.lstrip('/')}")
    return Path(whole) if whole.startswith(f"{release}/") and os.path.isfile(whole) else None  # noqa: PTH113


def is_own_host(name: str, bound_to: str) -> bool:
    """Whether the host asked for is one that nobody else can point here: an address, `localhost`, that of --host."""
    bare = name.strip("[]").rstrip(".").lower()
    if bare == "localhost" or bare.endswith(".localhost") or bare == bound_to.lower():
        return True
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


class Serving:
    """A server in a thread of its own, over a socket that listens already. Use it in a `with` block."""

    def __init__(self, preview: LivePreview, listener: socket.socket, hub: Hub) -> None:
        config = uvicorn.Config(
            preview, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._hub = hub
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="velobuild-preview", daemon=True
        )

    def __enter__(self) -> Serving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.close()
        self._server.should_exit = True
        self._thread.join(STOP_S)
