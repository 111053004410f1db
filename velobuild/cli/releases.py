"""`velobuild releases`, `rollback` and `resume`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError

if TYPE_CHECKING:
    from velobuild.publish.manifest import ReleaseInfo


@click.command()
@click.pass_obj
def releases(context: Context) -> None:
    """List the releases that are kept."""
    from velobuild.pipeline.opening import publisher_of

    found = publisher_of(context.loaded_for_this_machine).list()
    lines = [_line(info) for info in found]
    if not lines and not context.flags.json:
        context.say("There is no release yet: `velobuild build` makes one")
        return
    context.result("\n".join(lines), [_plain(asdict(info)) for info in found])


@click.command()
@click.argument("release", type=click.IntRange(1), required=False)
@click.pass_obj
def rollback(context: Context, release: int | None) -> None:
    """Go back to an earlier release (the previous one, or number RELEASE), and stay there until `resume`."""
    from velobuild.pipeline.opening import publisher_of
    from velobuild.publish.lock import SiteLock
    from velobuild.publish.releases import Releases

    loaded = context.loaded_for_this_machine
    if loaded.config.build.publish == "in-place":
        raise ConfigError(
            "an in-place site keeps no releases to go back to",
            code="VB1107",
            where="build.publish",
            hint='`publish = "release"` keeps them',
        )
    with SiteLock(loaded.state):
        publisher = publisher_of(loaded)
        assert isinstance(publisher, Releases)
        publisher.complete()
        updates = publisher.updates()
        info = publisher.rollback(release)
    text = f"Release {info.number} is live; builds are held until `velobuild resume`"
    if updates:
        text += f" ({updates} single update{'s' * (updates > 1)} since the last full build went back with it)"
    context.result(text, {"release": info.number, "updates_undone": updates})


@click.command()
@click.pass_obj
def resume(context: Context) -> None:
    """Let builds go live again after a rollback."""
    from velobuild.pipeline.opening import publisher_of
    from velobuild.publish.lock import SiteLock

    with SiteLock(context.loaded_for_this_machine.state):
        publisher = publisher_of(context.loaded_for_this_machine)
        held = publisher.held()
        publisher.resume()
    text = "The site was not held" if held is None else "Builds go live again; the next one replaces what is live"
    context.result(text, {"held": held})


def _line(info: ReleaseInfo) -> str:
    """One release. A damaged manifest tells neither time nor size."""
    made = f"{info.created_at:%Y-%m-%d %H:%M:%S} UTC" if info.created_at else "damaged"
    files = "?" if info.files is None else str(info.files)
    marks = "".join(f"  {name}" for name, on in (("live", info.live), ("held", info.held)) if on)
    return f"{info.number:>6}  {made:<23}  {files:>7} files{marks}"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
