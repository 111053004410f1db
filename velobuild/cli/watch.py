"""`velobuild watch`: work on a site and see every change at once."""

from __future__ import annotations

import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from velobuild.cli.build import ALLOW_SHRINK, shown
from velobuild.cli.context import Context
from velobuild.cli.output import render_errors, render_warnings
from velobuild.cli.serve import HOST, OPEN, PORT, address

if TYPE_CHECKING:
    from velobuild.config.schema import Loaded


@click.command()
@click.option("--drafts", is_flag=True, default=False, help="Show drafts and posts of the future, in an output apart.")
@click.option(
    "--poll",
    "poll_s",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Ask the CMS so often, even where it could tell of changes by itself.",
)
@HOST
@PORT
@OPEN
@ALLOW_SHRINK
@click.pass_obj
def watch(
    context: Context,
    drafts: bool,
    poll_s: float | None,
    host: str,
    port: int | None,
    open_browser: bool,
    allow_shrink: bool,
) -> None:
    """Build, serve, and build again whenever the theme, the site's files or the CMS change. Open pages follow."""

    def load() -> Loaded:
        return replace(context.reload(), drafts=drafts)

    loaded = replace(context.loaded, drafts=drafts)
    from velobuild.model.ports import utc_now
    from velobuild.serve.display import Display
    from velobuild.serve.preview import bound
    from velobuild.serve.preview_live import LivePreview, Serving
    from velobuild.serve.reload import Hub
    from velobuild.serve.watch_loop import WatchLoop, WatchOptions
    from velobuild.serve.watch_places import prefix_of

    context.show_warnings()
    hub = Hub()
    listener = bound(host, port)
    preview = LivePreview(loaded.out, prefix_of(loaded), hub=hub, host=host, noindex=drafts)
    display = Display(
        context.say,
        now=lambda: utc_now().astimezone(),
        colour=context.colour,
        errors=lambda findings: render_errors(findings, colour=context.colour),
        warnings=lambda findings: render_warnings(findings, colour=context.colour),
    )
    loop = WatchLoop(
        load,
        loaded,
        WatchOptions(offline=context.flags.offline, allow_shrink=allow_shrink, poll_s=poll_s),
        cache=context.cache,
        preview=preview,
        hub=hub,
        display=display,
        progress=context.progress,
        settle_progress=context.progress.close,
    )
    url = address(listener, prefix_of(loaded))
    output = shown(loaded.out, context.directory)
    display.greet(
        [
            ("Site", f"{url}  (output in {output})"),
            ("Theme", ", then ".join(folder.name for folder in loop.folders[1:])),
            ("CMS", loop.how_the_cms_is_heard()),
            *([("Drafts", drafts_shown(loop.without_drafts()))] if drafts else []),
            ("End", "Ctrl-C"),
        ]
    )
    loop.first_build()
    with listener, Serving(preview, listener, hub):
        context.result(f"Serving {url}  (Ctrl-C ends it)", {"url": url})
        if open_browser:
            webbrowser.open(url)
        loop.run()


def drafts_shown(not_by: str) -> str:
    """What can be seen with --drafts. `not_by`: the kinds of source that list none."""
    missing = f"; {not_by} lists no drafts" if not_by else ""
    return f"shown, and posts of the future; never published from here{missing}"
