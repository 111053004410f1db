"""`velobuild demo`: the main job, from nothing to a site you can look at."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

import click

from velobuild.cli.context import Context
from velobuild.cli.serve import OPEN, PORT, address, run_preview


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where site and CMS are kept; a new folder is made without it.",
)
@click.option("--serve/--no-serve", default=True, help="Serve the site afterwards, or end after the build.")
@PORT
@OPEN
@click.pass_obj
def demo(context: Context, folder: Path | None, serve: bool, port: int | None, open_browser: bool) -> None:
    """Start a development CMS with sample posts, build a site from it over HTTP, and serve it."""
    from velobuild.cli.build import build_line, sync_line
    from velobuild.demo import prepare_demo
    from velobuild.serve.preview import bound

    target = (context.directory / folder) if folder else Path(tempfile.mkdtemp(prefix="velobuild-demo-"))
    with bound("127.0.0.1", port) as listener:
        url = address(listener, "")
        ready = prepare_demo(
            target,
            environment=context.environment,
            say=context.say,
            warn=context.warn,
            progress=context.progress,
            base_url=url.rstrip("/"),
            cache=context.cache,
        )
        try:
            if ready.report.sync is not None:
                context.say(sync_line(ready.report.sync))
            context.say(build_line(ready.report, f"{ready.loaded.out}/"))
            context.show_warnings()
            context.say(f"The whole demo took {ready.seconds:.1f} s. It lies in {target}:")
            context.say(f"  site   {ready.loaded.root}  (velobuild.toml, pages/, public/)")
            login = f"login {ready.running.email}  password {ready.running.password}"
            if serve:
                context.say(f"  CMS    {ready.running.dashboard_url}  {login}")
                run_preview(context, ready.loaded.out, listener, prefix="", open_browser=open_browser)
                return
            context.say(f"  CMS    {target / 'cms'}  {login}")
            context.say("The site's links begin with / and so want a web server; the CMS has ended and starts again:")
            program = quote(own_name(context.environment))
            context.say(f"  {program} -C {quote(str(ready.loaded.root))} serve")
            context.say(f"  {program} cms --data {quote(str(target / 'cms'))} start --port {ready.running.port}")
            index = ready.loaded.out / "index.html"
            context.result(str(index), {"site": str(ready.loaded.root), "index": str(index), "url": url})
        finally:
            ready.close()


def own_name(environment: Mapping[str, str]) -> str:
    """How a person calls this program from where they are: by its name, if that is on the PATH."""
    found = shutil.which("velobuild", path=environment.get("PATH", ""))
    return "velobuild" if found or not Path(sys.argv[0]).is_file() else str(Path(sys.argv[0]).absolute())
