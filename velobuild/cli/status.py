"""`velobuild status`: how the webhook service of this site fares, and whether a post is live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError


@click.command()
@click.option("--post", metavar="SLUG", help="What became of the last events of one post, by its slug or id.")
@click.pass_obj
def status(context: Context, post: str | None) -> None:
    """Show the queue, the last builds and what went wrong; works while no service runs, too."""
    from contextlib import closing

    from velobuild.model.ports import utc_now
    from velobuild.serve.queue import Queue
    from velobuild.serve.status import plain, post_json, queue_json, read_status

    loaded = context.loaded_for_this_machine
    found = read_status(loaded.state)
    if found is None or not found.get("queue") or not Path(found["queue"]).is_file():
        raise ConfigError(
            "no webhook service of this site has run yet",
            code="VB1107",
            where=str(loaded.state),
            hint="start one with `velobuild listen`",
        )
    with closing(Queue(Path(found["queue"]), utc_now)) as queue:
        if post is not None:
            records = post_json(queue.post_record(found["site"], post))
            context.result("\n".join(_stages(record) for record in records) or f"No event named {post}", records)
            return
        waiting = queue_json(queue, found["site"])
        ping = queue.last_ping(found["site"])
    found["last_ping_at"] = None if ping is None else plain(ping.event.received_at)
    context.result("\n".join(_lines(found, waiting)), {**found, "events": waiting})


def _stages(record: dict[str, Any]) -> str:
    """One event's way, with the milliseconds from its arrival to the page being live."""
    parts = [f"{record['kind']:<16} {record['state']}"]
    parts += [f"{stage} {record[f'{stage}_at'] or '–'}" for stage in ("received", "fetched", "built", "published")]
    if "live_after_ms" in record:
        parts.append(f"live after {record['live_after_ms']} ms")
    return "  ".join(parts)


def _lines(found: dict[str, Any], waiting: dict[str, int]) -> list[str]:
    running = f"running as process {found['pid']}" if found["running"] else "not running"
    lines = [
        f"Service: {running}, {found['state']}",
        f"Queue: {waiting['new']} waiting, {waiting['taken']} being built, {waiting['dead']} dead letters",
        f"Last event: {found['last_event_at'] or 'none'}",
        f"Last test delivery: {found['last_ping_at'] or 'none'}",
        f"Last published: {found['last_published_at'] or 'nothing yet'}",
        f"Calls today: {found['calls_today']} of {found['daily_calls']}",
    ]
    lines += [f"Next {what}: {found[key]}" for what, key in NEXT if found[key]]
    if found["last_error"]:
        lines.append(f"Last error: {found['last_error']} ({found['last_error_at']})")
    lines += [f"Warning: {text}" for text in found["warnings"]]
    for build in found["builds"][:5]:
        why = ", ".join(build["reasons"][:3])
        end = build["error"] or f"{build['changed']} changed, {build['removed']} removed"
        lines.append(f"Build {build['started_at']}: {build['outcome']} in {build['took_ms']} ms, {end} ({why})")
    return lines


NEXT = (("try", "next_try_at"), ("look at the CMS", "next_look_at"), ("scheduled post", "next_due_at"))
