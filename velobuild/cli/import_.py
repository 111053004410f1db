"""`velobuild import`: another system's export as a folder of posts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from velobuild.cli.context import Context
from velobuild.errors import ContentProblem, Diagnostic, OutputError

if TYPE_CHECKING:
    from velobuild.importers.entries import Imported, LeftOut, OldSite

CONFIGURATION, BESIDE = "velobuild.toml", "imported.toml"

file_argument = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
into_option = click.option(
    "--into",
    metavar="FOLDER",
    default="content",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the posts.",
)


@click.group(name="import")
def import_() -> None:
    """Turn the export of another system into a folder of posts, pages and references to their media.

    Slugs, dates, tags, authors and ids stay; old addresses become the site's own or redirects. Nothing that exists is
    overwritten, and nothing is fetched.
    """


@import_.command()
@file_argument
@into_option
@click.pass_obj
def wxr(context: Context, file: Path, into: Path) -> None:
    """Import FILE, an export of WordPress (Tools → Export → All content)."""
    from velobuild.importers.wxr import Wxr

    _import(context, file, into, lambda place, left_out: Wxr(place, left_out))


@import_.command()
@file_argument
@into_option
@click.option("--url", metavar="URL", default=None, help="The address of the old site, which the export does not say.")
@click.pass_obj
def ghost(context: Context, file: Path, into: Path, url: str | None) -> None:
    """Import FILE, an export of Ghost (Settings → Import/Export)."""
    from velobuild.importers.ghost import Ghost

    _import(context, file, into, lambda place, left_out: Ghost(place, left_out, url=url))


def _import(context: Context, file: Path, into: Path, opened: Callable[[Path, LeftOut], Any]) -> None:
    from velobuild.importers.entries import finding
    from velobuild.importers.folder import configuration, write

    found: list[Diagnostic] = []

    def left_out(what: str, why: str) -> None:
        found.append(finding(what, why))
        context.warn(found[-1])

    place = context.directory / file
    try:
        export: Iterable[Imported] = opened(place, left_out)
        site: OldSite = export.site  # type: ignore[attr-defined]
        written = write(export, context.directory / into, site=site, left_out=left_out)
    except OSError as error:
        raise ContentProblem(
            f"the export cannot be read: {error.strerror}", code="VB3201", where=str(file), hint="check the path"
        ) from error
    fresh = not (context.directory / CONFIGURATION).exists()
    name = CONFIGURATION if fresh else BESIDE
    made = _write_once(context.directory / name, configuration(written, site=site, folder=into.as_posix(), whole=fresh))
    context.show_warnings()
    context.say(f"Imported {written.posts} posts and {written.pages} pages → {into.as_posix()}/")
    if made and fresh:
        context.say(f"{name} is written: look at it, then velobuild build")
    elif made:
        context.say(f"{name} is written: take its lines over into {CONFIGURATION}")
    else:
        context.say(f"{name} was there already and stays as it is")
    for host in sorted(written.media_hosts):
        context.say(f"The pictures still lie at {host}: build while it answers, and they are kept")
    context.result(
        str(context.directory / into),
        {
            "folder": str(context.directory / into),
            "posts": written.posts,
            "pages": written.pages,
            "configuration": name if made else None,
            "media_hosts": sorted(written.media_hosts),
            "left_out": [{"what": one.where, "why": one.what} for one in found],
        },
    )


def _write_once(file: Path, text: str) -> bool:
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise OutputError(
            f"{file.name} cannot be written: {error.strerror}",
            code="VB6002",
            where=str(file),
            hint="check the folder's permissions and the free space",
        ) from error
    return True
