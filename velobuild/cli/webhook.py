"""`velobuild webhook`: deliveries as the CMS would send them, to try a listener out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError, Diagnostic, OutputError

if TYPE_CHECKING:
    from velobuild.config.schema import Loaded, Secret
    from velobuild.serve.webhook_samples import Sample

DIALECTS = ("velocms", "cometcms", "polycms", "standard", "hmac", "bearer")
HINTS = {
    401: "the service has another secret or clock, or listens in another dialect; its log says which",
    404: "the address's last part must be the name of the site as the service knows it",
    405: "the address belongs to something else",
    413: "the body is larger than the dialect allows",
    503: "the service cannot write its queue: its log says why",
}
OPTIONS = (
    click.option("--slug", help="The slug of the post that the event names."),
    click.option("--post-id", metavar="ID", help="The id of the post that the event names."),
    click.option("--dialect", type=click.Choice(DIALECTS), help="How it is signed.  [default: as the site's CMS does]"),
    click.option("--variant", type=click.Choice(["v1", "raw"]), help="VeloCMS's way to sign.  [default: v1]"),
    click.option(
        "--body",
        "body_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Take the body from a file, byte for byte.",
    ),
    click.option("--skew", "skew_s", type=int, default=0, metavar="SECONDS", help="Be signed so much later than now."),
)


def delivery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery ready to be sent."""

    sample: Sample
    body: bytes
    headers: Mapping[str, str]


@click.group(help="Make and send test deliveries of the site's webhook.")
def webhook() -> None:
    pass


@webhook.command()
@click.argument("event", default="test.ping")
@delivery_options
@click.pass_obj
def sign(context: Context, /, event: str, **options: Any) -> None:
    """Print a delivery of EVENT (such as post.updated; default test.ping): its headers, an empty line, its body."""
    made = _prepared(context, event, **options)
    text = made.body.decode("utf-8", "backslashreplace")
    lines = [*(f"{name}: {value}" for name, value in made.headers.items()), "", text]
    context.result("\n".join(lines), {"headers": dict(made.headers), "body": text})


@webhook.command()
@click.argument("event", default="test.ping")
@click.option("--url", help="Where to.  [default: the service of this site on this machine]")
@delivery_options
@click.pass_obj
def send(context: Context, /, event: str, url: str | None, **options: Any) -> None:
    """Send a delivery of EVENT (such as post.updated; default test.ping) to the service. Ends with 6 if it refuses."""
    from urllib.parse import urlsplit

    from velobuild.config.checks import is_loopback
    from velobuild.http.delivery import deliver

    made = _prepared(context, event, **options)
    target = url or _own_address(context.loaded_for_this_machine)
    parts = urlsplit(target)
    if made.sample.dialect == "bearer" and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            "the secret would travel unencrypted",
            code="VB1301",
            where=target,
            hint="use https://, or a dialect that signs",
        )
    status, took_ms = deliver(target, made.headers, made.body)
    if status != 202:
        hint = HINTS.get(status, "is this the address of a velobuild service?")
        raise OutputError(f"the delivery was answered with {status}", code="VB6008", where=target, hint=hint)
    shown = {"url": target, "status": status, "took_ms": round(took_ms, 1), "delivery_id": made.sample.id}
    context.result(f"Accepted in {took_ms:.1f} ms: {event} → {target}", shown)


def _prepared(
    context: Context,
    event: str,
    *,
    slug: str | None,
    post_id: str | None,
    dialect: str | None,
    variant: Any,
    body_file: Path | None,
    skew_s: int,
) -> Prepared:
    from datetime import timedelta

    from velobuild.model.ports import utc_now
    from velobuild.serve.dialects import DIALECTS, of_sources
    from velobuild.serve.webhook import keys
    from velobuild.serve.webhook_samples import Sample, body, headers

    loaded = context.loaded_for_this_machine
    listen = loaded.config.listen
    sources = loaded.config.sources
    spoken = dialect or (listen.dialects or of_sources(source.type for source in sources))[0]
    secrets = _secrets(context, loaded)
    usable = keys(DIALECTS[spoken], secrets)
    secret = secrets[next(iter(usable))]
    sample = Sample(
        dialect=spoken,
        event=event,
        id=f"dlv_{uuid4().hex[:20]}",
        sent_at=utc_now() + timedelta(seconds=skew_s),
        post_id=post_id,
        slug=slug,
        variant=variant or ("raw" if listen.webhook_variant == "raw" else "v1"),
        collection=next((source.collections.posts for source in sources if source.type == "cometcms"), "posts"),
    )
    raw = body(sample) if body_file is None else body_file.read_bytes()
    return Prepared(sample, raw, headers(sample, secret.reveal().strip("\r\n"), raw))


def _secrets(context: Context, loaded: Loaded) -> tuple[Secret, ...]:
    from velobuild.config.webhook_secrets import read_webhook_secrets

    warnings: list[Diagnostic] = []
    found = read_webhook_secrets(loaded, environment=context.environment, warn=warnings)
    for warning in warnings:
        if warning not in context.warnings:
            context.warn(warning)
    return found


def _own_address(loaded: Loaded) -> str:
    """Where the service of this site listens: under the name that it wrote down when it started, if it ever did."""
    from velobuild.cli.listen import SITE
    from velobuild.serve.status import read_status

    status = read_status(loaded.state) or {}
    return f"http://{loaded.config.listen.address}/hooks/{status.get('site', SITE)}"
