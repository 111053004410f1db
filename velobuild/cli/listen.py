"""`velobuild listen`: the webhook service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from velobuild.cli.context import Context, parse_setting
from velobuild.errors import ConfigError, Diagnostic

if TYPE_CHECKING:
    from velobuild.serve.service import Served

SITE = "site"


@click.command()
@click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME=FOLDER",
    help="Serve the site in FOLDER as /hooks/NAME; may be repeated. Without it this site, as /hooks/site.",
)
@click.option("--address", metavar="HOST:PORT", help="Where to listen, in place of listen.address.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="VELOBUILD_LOG_FORMAT",
    help="How the log is written.",
)
@click.pass_obj
def listen(context: Context, sites: tuple[str, ...], address: str | None, log_format: str) -> None:
    """Take webhooks in, or hear PocketBase, and publish what is announced.

    SIGTERM drains and ends it; SIGHUP reads configuration and secrets anew.
    """
    import logging

    from velobuild.model.ports import utc_now
    from velobuild.serve.activation import handed_over, listening, url_of, without
    from velobuild.serve.hearing import is_told
    from velobuild.serve.logs import log_to
    from velobuild.serve.queue import FILE_NAME
    from velobuild.serve.service import Service

    loads = _loads(context, sites)
    served = {name: load() for name, load in loads.items()}
    first = next(iter(served.values())).loaded
    listeners = listening(address or first.config.listen.address, context.environment)
    first.state.mkdir(parents=True, exist_ok=True)
    service = Service(
        loads,
        served,
        queue_file=first.state / FILE_NAME,
        cache=context.cache,
        clock=utc_now,
        variables=without(context.environment),
    )
    level = logging.DEBUG if context.flags.verbose else logging.WARNING if context.flags.quiet else logging.INFO
    log_to(context.console.err, "json" if log_format == "json" else "text", lambda: service.secrets, level=level)
    addresses = [url_of(listener) for listener in listeners]
    urls = [f"{url}/hooks/{name}" for url in addresses for name, one in served.items() if one.hook is not None]
    told = [source.url for one in served.values() if is_told(one.loaded) for source in one.loaded.config.sources]
    lines = [f"Listening on {url}" for url in urls or addresses] + [f"Listening to {url}" for url in told if url]

    def ready() -> None:
        context.result("\n".join(lines), {"hooks": urls, "addresses": addresses})

    context.show_warnings()
    service.run(listeners, handed=handed_over(context.environment) > 0, ready=ready)


def _loads(context: Context, sites: tuple[str, ...]) -> dict[str, Callable[[], Served]]:
    """Site → what reads its configuration as it is now."""
    if not sites:
        return {SITE: lambda: _served(context, context.directory, config=context.flags.config)}
    loads: dict[str, Callable[[], Served]] = {}
    for text in sites:
        name, folder = parse_setting(text)
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or name in loads:
            raise ConfigError(
                f"`{name}` cannot be a site's name here",
                code="VB1107",
                where="--site",
                hint="each has a name of its own, of ASCII letters, digits, - and _",
            )
        loads[name] = lambda folder=folder: _served(context, context.directory / folder)  # type: ignore[misc]
    return loads


def _served(context: Context, folder: Path, *, config: Path | None = None) -> Served:
    """Raises ConfigError, for a secret that cannot be used too."""
    from velobuild.config.load import load
    from velobuild.config.webhook_secrets import read_status_token, read_webhook_secrets
    from velobuild.serve.dialects import of_sources
    from velobuild.serve.hearing import is_told
    from velobuild.serve.receiver import SiteHook
    from velobuild.serve.service import Served

    variables = context.environment
    file = config or (Path(variables["VELOBUILD_CONFIG"]) if variables.get("VELOBUILD_CONFIG") else None)
    loaded = load(
        file,
        directory=folder,
        environment=variables,
        overrides=context.flags.set,
        env_name=context.flags.env or variables.get("VELOBUILD_ENV") or None,
    )
    loaded.require_tokens()
    warnings: list[Diagnostic] = [*loaded.warnings]
    listen = loaded.config.listen
    secrets = read_webhook_secrets(loaded, environment=variables, warn=warnings)
    hook = None
    if secrets or not is_told(loaded):
        sources = loaded.config.sources
        dialects = listen.dialects or of_sources(source.type for source in sources)
        collections = frozenset(source.collections.posts for source in sources)
        hook = SiteHook(dialects, secrets, listen.webhook_variant, listen.tenant_id, collections)
    token = read_status_token(loaded, environment=variables, warn=warnings)
    for warning in dict.fromkeys(warnings):
        context.warn(warning)
    return Served(loaded, hook, (*loaded.tokens, *secrets), token)
