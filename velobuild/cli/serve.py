"""`velobuild serve`: look at what was built."""

from __future__ import annotations

import socket
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError

HOST = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
PORT = click.option("--port", type=click.IntRange(1, 65535), help="The port; without it the first free one from 8000.")
OPEN = click.option("--open", "open_browser", is_flag=True, default=False, help="Open the site in a browser.")


@click.command()
@HOST
@PORT
@OPEN
@click.pass_obj
def serve(context: Context, host: str, port: int | None, open_browser: bool) -> None:
    """Serve the output folder as a static host would, until Ctrl-C. Nothing is built."""
    loaded = context.loaded_for_this_machine
    if not (loaded.out / "index.html").is_file():
        raise ConfigError(
            f"there is no built site in {loaded.out}",
            code="VB1107",
            where="build.out",
            hint="run `velobuild build` first",
        )
    from velobuild.serve.preview import bound

    prefix = urlsplit(loaded.config.site.base_url).path.rstrip("/")
    run_preview(context, loaded.out, bound(host, port), prefix=prefix, open_browser=open_browser)


def run_preview(context: Context, out: Path, listener: socket.socket, *, prefix: str, open_browser: bool) -> None:
    """Serve and say where. Ends with Ctrl-C."""
    from velobuild.serve import preview

    url = address(listener, prefix)

    def ready() -> None:
        context.result(f"Serving {url}  (Ctrl-C ends it)", {"url": url})
        if open_browser:
            webbrowser.open(url)

    preview.serve(out, listener, prefix=prefix, ready=ready)


def address(listener: socket.socket, prefix: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{prefix}/"
