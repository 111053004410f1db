"""`velobuild cms`: the development CMS from the command line."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from velobuild.cli.context import Context
from velobuild.devcms import DevCms, Running, Switches
from velobuild.devcms.records import EVENTS, READ_SCOPES, SCOPES, Webhook
from velobuild.errors import ConfigError

DEFAULT_FOLDER = ".velobuild-cms"
DEFAULT_PORT = 8090
DATA = "velobuild.cms.data"


@click.group(help="A development CMS that speaks VeloCMS's API: a real PocketBase on this machine.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The folder in which it keeps everything.",
)
@click.pass_context
def cms(context: click.Context, data: Path) -> None:
    context.meta[DATA] = data


def _development(context: Context) -> DevCms:
    """The development CMS that `--data` names; looked up this late because `-C` may follow the command."""
    return DevCms(context.directory / click.get_current_context().meta[DATA])


def _attach(context: Context) -> Running:
    """The running server, let go of at the end of the command. Raises ConfigError VB1502 if it does not run."""
    running = _development(context).attach()
    click.get_current_context().call_on_close(running.close)
    return running


@cms.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), help=f"0 takes a free one.  [default: {DEFAULT_PORT}; the port it runs on]"
)
@click.pass_obj
def start(context: Context, port: int | None) -> None:
    """Start it in the background, and say where it is."""
    development = _development(context)
    running = development.running()
    if running is None or port is not None:
        running = development.start(DEFAULT_PORT if port is None else port)
    running.close()
    _result(context, _shown(running), _as_json(running))
    context.say("Next: velobuild cms seed FOLDER, then velobuild cms key create NAME")


@cms.command()
@click.pass_obj
def stop(context: Context) -> None:
    """Stop it. The content stays."""
    stopped = _development(context).stop()
    _result(context, "", {"stopped": stopped})
    context.say("Stopped." if stopped else "It was not running.")


@cms.command()
@click.pass_obj
def status(context: Context) -> None:
    """Say where it runs and what it holds. Ends with 2 if it does not run."""
    running = _attach(context)
    posts = running.posts()
    published = sum(post["status"] == "published" for post in posts)
    media, hooks = len(running.media()), len(running.webhooks())
    keys = sum(not key.revoked for key in running.api_keys())
    lines = [
        _shown(running),
        f"Posts      {len(posts)} ({published} published)",
        f"Media      {media}",
        f"Keys       {keys}",
        f"Webhooks   {hooks}",
    ]
    counts = {"posts": len(posts), "published": published, "media": media, "keys": keys, "webhooks": hooks}
    _result(context, "\n".join(lines), {**_as_json(running), **counts})


def _shown(running: Running) -> str:
    return (
        f"API        {running.url}/api/v1\n"
        f"Dashboard  {running.dashboard_url}\n"
        f"E-mail     {running.email}\n"
        f"Password   {running.password}"
    )


def _as_json(running: Running) -> dict[str, Any]:
    return {
        "url": running.url,
        "dashboard": running.dashboard_url,
        "email": running.email,
        "password": running.password,
    }


def _result(context: Context, text: str, value: Any) -> None:
    """What the command was asked for: as text, or as the one document that --json wants. No text prints nothing."""
    if text or context.flags.json:
        context.result(text, value)


@cms.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def seed(context: Context, folder: Path) -> None:
    """Fill it from FOLDER: posts/*.md with front matter, media/, settings.toml.

    Again, it changes only what differs.
    """
    from velobuild.devcms.seed import seed as fill

    seeded = fill(_attach(context), context.directory / folder)
    for warning in seeded.warnings:
        context.warn(warning)
    text = f"Seeded {seeded.posts} posts ({seeded.created} new, {seeded.changed} changed), {seeded.media} media files."
    counts = {"posts": seeded.posts, "created": seeded.created, "changed": seeded.changed, "media": seeded.media}
    _result(context, text, counts)


@cms.group()
def key() -> None:
    """Keys to the REST API."""


@key.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Again for each; the default reads.")
@click.pass_obj
def create_key(context: Context, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print it, this once: only its SHA-256 is kept.

    Without --scope it may read posts, media and site settings: all that velobuild needs.
    """
    made = _attach(context).create_key(name, scopes or READ_SCOPES)
    _result(context, made, {"name": name, "key": made})
    context.say("Keep it now: it is not shown again. velobuild reads it from VELOCMS_API_KEY.")


@key.command("list")
@click.pass_obj
def list_keys(context: Context) -> None:
    """Name the keys with their scopes."""
    keys = _attach(context).api_keys()
    lines = [f"{key.name}\t{'revoked' if key.revoked else 'valid'}\t{' '.join(key.scopes)}" for key in keys]
    _result(context, "\n".join(lines), [asdict(key) for key in keys])


@key.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke_key(context: Context, name: str) -> None:
    """Refuse the key from its next call on."""
    _attach(context).revoke_key(name)
    _result(context, "", {"revoked": name})
    context.say(f"Revoked {name}.")


@cms.group()
def webhook() -> None:
    """Addresses that are told when something changes."""


@webhook.command("add")
@click.argument("url")
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="Again for each; the default is all.")
@click.option("--variant", type=click.Choice(["v1", "raw"]), default="v1", show_default=True, help="How it is signed.")
@click.pass_obj
def add_webhook(context: Context, url: str, events: tuple[str, ...], variant: str) -> None:
    """Register URL and print the secret that signs its deliveries, this once."""
    secret = _attach(context).add_webhook(url, events or EVENTS, "raw" if variant == "raw" else "v1")
    _result(context, secret, {"url": url, "secret": secret})


@webhook.command("list")
@click.pass_obj
def list_webhooks(context: Context) -> None:
    """Name the webhooks: id, state, variant, address, events."""
    hooks = _attach(context).webhooks()
    lines = [f"{hook.id}\t{_state(hook)}\t{hook.variant}\t{hook.url}\t{' '.join(hook.events)}" for hook in hooks]
    _result(context, "\n".join(lines), [asdict(hook) for hook in hooks])


def _state(hook: Webhook) -> str:
    return "on" if hook.enabled else f"off after {hook.failures_in_a_row} failed deliveries"


@webhook.command("remove")
@click.argument("webhook")
@click.pass_obj
def remove_webhook(context: Context, webhook: str) -> None:
    """Forget WEBHOOK, named by its id or address, and its deliveries."""
    removed = _attach(context).remove_webhook(webhook)
    _result(context, "", {"removed": removed})
    context.say("Removed.")


@webhook.command("ping")
@click.argument("webhook")
@click.pass_obj
def ping(context: Context, webhook: str) -> None:
    """Send test.ping to WEBHOOK, named by its id or address."""
    delivery = _attach(context).ping_webhook(webhook)
    _result(context, delivery, {"delivery": delivery})


@webhook.command("deliveries")
@click.pass_obj
def deliveries(context: Context) -> None:
    """List the deliveries, oldest first: id, event, state, attempts, last status, last error."""
    found = _attach(context).deliveries()
    lines = [
        f"{sent.id}\t{sent.event}\t{sent.state}\t{sent.attempts}\t{sent.last_status}\t{sent.last_error}"
        for sent in found
    ]
    _result(context, "\n".join(lines), [asdict(sent) for sent in found])


@cms.command()
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--reset", is_flag=True, help="First put every switch back to its default.")
@click.pass_obj
def switch(context: Context, settings: tuple[str, ...], reset: bool) -> None:
    """Change how the API behaves, at once, and print all switches.

    For example: velobuild cms switch rate_limit=3 rate_window_ms=500 dates=space
    """
    running = _attach(context)
    switches = Switches() if reset else running.switches()
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"{setting!r} has no value", code="VB1107", hint="write it as name=value")
        switches = switches.with_text(name, value)
    if settings or reset:
        running.set_switches(switches)
    words = {True: "on", False: "off"}
    lines = [
        f"{name}={words[value] if isinstance(value, bool) else value}" for name, value in switches.stored().items()
    ]
    _result(context, "\n".join(lines), switches.stored())
