"""`velobuild events`: what the webhooks told, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError

if TYPE_CHECKING:
    from velobuild.config.schema import Loaded
    from velobuild.serve.events import Kept

LIMIT = 20


@click.command()
@click.option("--dead", is_flag=True, default=False, help="Only those that were of no use, with what they held.")
@click.option("--replay", "replay_id", type=click.IntRange(1), metavar="ID", help="Take an event in once more.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True, help="How many are shown.")
@click.pass_obj
def events(context: Context, dead: bool, replay_id: int | None, limit: int) -> None:
    """List the last events of the site, the newest first."""
    from contextlib import closing

    from velobuild.model.ports import utc_now
    from velobuild.serve.queue import Queue

    file, site = _queue_of(context.loaded_for_this_machine)
    with closing(Queue(file, utc_now)) as queue:
        if replay_id is not None:
            known = queue.one(replay_id)
            again = queue.replay(replay_id) if known is not None and known.event.site == site else None
            if again is None:
                raise ConfigError(
                    f"there is no event {replay_id}",
                    code="VB1107",
                    where="--replay",
                    hint="`velobuild events` and `velobuild events --dead` list them",
                )
            context.result(f"Event {replay_id} is queued again as {again.id}", {"replayed": replay_id, "id": again.id})
            return
        found = (queue.dead(site) if dead else queue.recent(site, limit))[:limit]
    if not found and not context.flags.json:
        context.say("There are no dead letters" if dead else "No event has come in yet")
        return
    context.result("\n".join(line for kept in found for line in _lines(kept)), [_plain(kept) for kept in found])


def _queue_of(loaded: Loaded) -> tuple[Path, str]:
    """The queue's file and the site's name in it: a service of several sites keeps one queue for all."""
    from velobuild.cli.listen import SITE
    from velobuild.serve.queue import FILE_NAME
    from velobuild.serve.status import read_status

    status = read_status(loaded.state) or {}
    file = Path(status["queue"]) if status.get("queue") else loaded.state / FILE_NAME
    if not file.is_file():
        raise ConfigError(
            "no service of this site has run here yet, so there are no events",
            code="VB1107",
            where=str(file),
            hint="`velobuild listen` takes them in",
        )
    return file, status.get("site", SITE)


def _lines(kept: Kept) -> list[str]:
    event = kept.event
    times = f" ×{kept.deliveries}" if kept.deliveries > 1 else ""
    state = kept.state if kept.outcome in (None, "built") else f"{kept.state} ({kept.outcome})"
    post = event.slug or event.post_id or ""
    lines = [f"{event.id:>6}  {event.received_at:%Y-%m-%d %H:%M:%S}  {state:<14}  {event.kind}{times}  {post}".rstrip()]
    if kept.why is not None:
        lines.append(f"        {event.dialect}: {kept.why}")
    if kept.body is not None:
        # What came from outside goes to a terminal escaped, and not at length.
        lines.append(f"        {kept.body[:200]!r}{' …' if len(kept.body) > 200 else ''}")
    return lines


def _plain(kept: Kept) -> dict[str, Any]:
    event = kept.event
    times = {
        "received_at": event.received_at,
        "fetched_at": kept.fetched_at,
        "built_at": kept.built_at,
        "published_at": kept.published_at,
        "finished_at": kept.finished_at,
    }
    return {
        "id": event.id,
        "site": event.site,
        "dialect": event.dialect,
        "kind": event.kind,
        "post_id": event.post_id,
        "slug": event.slug,
        "version": event.version,
        "delivery_id": event.delivery_id,
        "deliveries": kept.deliveries,
        "state": kept.state,
        "outcome": kept.outcome,
        "why": kept.why,
        "body": None if kept.body is None else kept.body.decode("utf-8", "backslashreplace"),
        **{name: None if time is None else time.isoformat() for name, time in times.items()},
    }
