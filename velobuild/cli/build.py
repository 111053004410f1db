"""`velobuild build` and `velobuild sync`."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from velobuild.cli.context import Context
from velobuild.cli.output import as_json
from velobuild.errors import ConfigError

if TYPE_CHECKING:
    from velobuild.model.outputs import BuildReport, SyncReport

ALLOW_SHRINK = click.option(
    "--allow-shrink", is_flag=True, default=False, help="Let more posts vanish at once than the guard allows."
)
WAIT = click.option("--wait", is_flag=True, default=False, help="Wait for another build of this site to end.")


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The output folder, in place of build.out.")
@click.option("--base-url", help="Where the site is published, in place of site.base_url.")
@click.option("--clean", is_flag=True, default=False, help="Render everything again, without the memo.")
@click.option("--jobs", type=click.IntRange(0), help="Worker processes, in place of build.jobs.")
@click.option("--verify", is_flag=True, default=False, help="Afterwards compare the site with a clean build.")
@click.option("--profile", is_flag=True, default=False, help="Show where the time went.")
@click.option("--strict", is_flag=True, default=False, help="Warnings count as errors: nothing is published.")
@click.option("--now", metavar="ISO", help="Build as if it were this time: decides which scheduled posts are due.")
@ALLOW_SHRINK
@WAIT
@click.pass_obj
def build(
    context: Context,
    out: Path | None,
    base_url: str | None,
    clean: bool,
    jobs: int | None,
    verify: bool,
    profile: bool,
    strict: bool,
    now: str | None,
    allow_shrink: bool,
    wait: bool,
) -> None:
    """Fetch what changed, render, publish. --offline renders what was fetched before."""
    context.override("build.out", None if out is None else os.fspath(out), flag="--out")
    context.override("site.base_url", base_url, flag="--base-url")
    context.override("build.jobs", jobs, flag="--jobs")
    loaded = context.loaded
    from velobuild.pipeline import BuildOptions
    from velobuild.pipeline import build as run_build

    options = BuildOptions(
        offline=context.flags.offline,
        allow_shrink=allow_shrink,
        strict=strict,
        clean=clean,
        wait=wait,
        now=None if now is None else moment(now),
        profile=profile,
    )
    report = run_build(loaded, options, cache=context.cache, warn=context.warn, progress=context.progress)
    if report.sync is not None:
        context.say(sync_line(report.sync))
    phases = ", ".join(f"{name} {ms} ms" for name, ms in report.elapsed_ms.items())
    context.detail(f"Took {phases}")
    context.show_warnings()
    if report.profile is not None:
        from velobuild.cli.profile import profile_text

        context.say(profile_text(report, report.profile))
    document = build_json(report, loaded.out)
    if not verify:
        context.result(build_line(report, shown(loaded.out, context.directory)), document)
        return
    from velobuild.pipeline.verifying import as_problem
    from velobuild.pipeline.verifying import verify as run_verify

    verdict = run_verify(loaded, warn=context.warn)
    if not verdict.differences:
        context.say(f"Verified: all {verdict.files} files are those of a clean build, byte for byte")
    line = build_line(report, shown(loaded.out, context.directory))
    context.result(line, {**document, "verify": asdict(verdict)})
    if verdict.differences:
        raise as_problem(verdict)


@click.command()
@ALLOW_SHRINK
@WAIT
@click.pass_obj
def sync(context: Context, allow_shrink: bool, wait: bool) -> None:
    """Fetch what changed, and nothing more. Stopped, it goes on where it stood."""
    loaded = context.loaded
    if context.flags.offline:
        raise ConfigError("`sync` cannot work offline", code="VB1107", where="--offline", hint="leave out --offline")
    from velobuild.pipeline.syncing import sync as run_sync

    report = run_sync(
        loaded, cache=context.cache, allow_shrink=allow_shrink, wait=wait, warn=context.warn, progress=context.progress
    )
    context.show_warnings()
    context.result(sync_line(report), sync_json(report))


def moment(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ConfigError VB1107."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no time", code="VB1107", where="--now", hint="write 2026-05-03T10:00:00+02:00"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def shown(path: Path, directory: Path) -> str:
    """A folder as a person would type it from where they are."""
    near = path.relative_to(directory) if path.is_relative_to(directory) else path
    return f"{near}/"


def build_line(report: BuildReport, out: str) -> str:
    """The one fact at the end of a build."""
    seconds = sum(report.elapsed_ms.values()) / 1000
    changed = report.created + report.rewritten
    if not changed and not report.removed:
        return f"Nothing to publish: {report.pages} pages are up to date in {seconds:.1f} s → {out}"
    release = f" (release {report.release})" if report.release is not None else ""
    files = f"{changed} file{'' if changed == 1 else 's'} changed, {report.unchanged} reused, {report.removed} removed"
    return f"Built {report.pages} pages ({files}) in {seconds:.1f} s → {out}{release}"


def sync_line(report: SyncReport) -> str:
    """What a synchronisation brought and cost."""
    posts = "1 post" if report.changed == 1 else f"{report.changed} posts"
    parts = [f"{posts} new or changed" if report.changed else "no post changed"]
    if report.removed:
        parts.append(f"{report.removed} removed")
    if report.members_only_skipped:
        parts.append(f"{report.members_only_skipped} for members left out")
    cost = f"{report.api_calls} API call{'' if report.api_calls == 1 else 's'}, {report.calls_today} today"
    if report.left_in_window is not None:
        cost += f"; {report.left_in_window} left in this window"
    return f"Synced: {', '.join(parts)} ({cost})"


def sync_json(report: SyncReport) -> dict[str, Any]:
    return {**asdict(report), "warnings": [as_json(warning) for warning in report.warnings]}


def build_json(report: BuildReport, out: Path) -> dict[str, Any]:
    """The report as one document."""
    return {
        "out": str(out),
        "revision": report.revision,
        "release": report.release,
        "pages": report.pages,
        "rendered": report.rendered,
        "created": report.created,
        "rewritten": report.rewritten,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "elapsed_ms": dict(report.elapsed_ms),
        "next_due_at": report.next_due_at.isoformat() if report.next_due_at else None,
        "sync": None if report.sync is None else sync_json(report.sync),
        "warnings": [as_json(warning) for warning in report.warnings],
        **({"profile": asdict(report.profile)} if report.profile is not None else {}),
    }
