"""`velobuild demo`: the main job, from nothing to a site you can look at."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from velobuild.cli.context import Context
from velobuild.cli.serve import OPEN, PORT, address

if TYPE_CHECKING:
    from velobuild.demo import Demo


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where site and CMS are kept; a new folder is made without it.",
)
@click.option("--serve/--no-serve", default=True, help="Keep the site live afterwards, or end after the build.")
@PORT
@OPEN
@click.pass_obj
def demo(context: Context, folder: Path | None, serve: bool, port: int | None, open_browser: bool) -> None:
    """Start a development CMS with sample posts, build a site from it over HTTP, and keep it live while you edit."""
    from velobuild.cli.build import build_line, sync_line
    from velobuild.demo import prepare_demo
    from velobuild.serve.activation import listening, url_of
    from velobuild.serve.preview import bound

    target = (context.directory / folder) if folder else Path(tempfile.mkdtemp(prefix="velobuild-demo-"))
    with ExitStack() as held:
        preview = held.enter_context(bound("127.0.0.1", port))
        url = address(preview, "")
        hooks = held.enter_context(listening("127.0.0.1:0", {})[0]) if serve else None
        ready = prepare_demo(
            target,
            environment=context.environment,
            say=context.say,
            warn=context.warn,
            progress=context.progress,
            base_url=url.rstrip("/"),
            cache=context.cache,
            hook_url=None if hooks is None else f"{url_of(hooks)}/hooks/site",
        )
        held.callback(ready.close)
        context.progress.close()
        if ready.report.sync is not None:
            context.say(sync_line(ready.report.sync))
        context.say(build_line(ready.report, f"{ready.loaded.out}/"))
        context.show_warnings()
        if hooks is not None:
            context.say(f"The site was ready after {ready.seconds:.1f} s.")
            run_live(context, ready, preview, hooks, open_browser=open_browser)
            return
        context.say(f"The whole demo took {ready.seconds:.1f} s. It lies in {target}:")
        context.say(f"  site   {ready.loaded.root}  (velobuild.toml, pages/, public/)")
        context.say(f"  CMS    {target / 'cms'}  login {ready.running.email}  password {ready.running.password}")
        context.say("The site's links begin with / and so want a web server; the CMS has ended and starts again:")
        program = quote(own_name(context.environment))
        context.say(f"  {program} -C {quote(str(ready.loaded.root))} serve")
        context.say(f"  {program} cms --data {quote(str(target / 'cms'))} start --port {ready.running.port}")
        index = ready.loaded.out / "index.html"
        context.result(str(index), {"site": str(ready.loaded.root), "index": str(index), "url": url})


def run_live(
    context: Context, ready: Demo, preview: socket.socket, hooks: socket.socket, *, open_browser: bool
) -> None:
    """Tell what there is to see, and keep it live until Ctrl-C."""
    import logging

    from velobuild.demo_live import LiveDemo
    from velobuild.model.ports import utc_now
    from velobuild.serve.activation import url_of
    from velobuild.serve.display import Lines
    from velobuild.serve.logs import log_to

    url, status, cms = address(preview, ""), url_of(hooks) + "/", ready.running
    # What goes wrong is said with the events; the service's own log is for those who ask for it.
    level = logging.DEBUG if context.flags.verbose else logging.CRITICAL
    log_to(context.console.err, "text", lambda: ready.loaded.tokens, level=level)
    lines = Lines(context.say, now=lambda: utc_now().astimezone(), colour=context.colour)
    live = LiveDemo(ready.loaded, lines, cache=context.cache, clock=utc_now, variables=context.environment)
    lines.table(
        [
            ("Site", f"{url}  (open it, and leave it open)"),
            ("Dashboard", f"{cms.dashboard_url}  login {cms.email}  password {cms.password}"),
            ("Listener", f"{status}  (its status page; the CMS delivers to /hooks/site)"),
            ("Folder", str(ready.folder)),
            ("End", "Ctrl-C"),
        ]
    )

    def told() -> None:
        login = {"dashboard": cms.dashboard_url, "email": cms.email, "password": cms.password}
        context.result(f"Serving {url}  (Ctrl-C ends it)", {"url": url, "status": status, **login})
        context.say("Edit a post in the dashboard (collection `posts`) and save it: the open page follows by itself.")
        if open_browser:
            webbrowser.open(url)

    live.run(preview, hooks, ready=told)


def own_name(environment: Mapping[str, str]) -> str:
    """How a person calls this program from where they are: by its name, if that is on the PATH."""
    found = shutil.which("velobuild", path=environment.get("PATH", ""))
    return "velobuild" if found or not Path(sys.argv[0]).is_file() else str(Path(sys.argv[0]).absolute())
