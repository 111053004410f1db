"""Targets become files in the staging folder; a single bad post never takes the site along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from velobuild.content.database import Connection
from velobuild.content.permalinks import assign, former_paths
from velobuild.errors import ContentProblem, Diagnostic, Severity
from velobuild.graph.reader import Reader
from velobuild.graph.routes import expand, reserved
from velobuild.graph.site import Site
from velobuild.media.needed import needed, open_library
from velobuild.model.outputs import Phase, Target
from velobuild.pipeline.run import Run
from velobuild.publish.releases import Staging, write_file
from velobuild.render.theme import Theme
from velobuild.render.workers import RenderFailed, RenderJob, render_all


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: pages, how many posts failed, and which of them have no last good page."""

    pages: int
    failed: int
    lost: frozenset[str]


def settle(run: Run, connection: Connection, site: Site, without: frozenset[str]) -> list[Diagnostic]:
    return assign(
        connection,
        urls=site.config.urls,
        zone=site.zone,
        as_of=site.as_of,
        reserved=reserved(Reader(connection, site)),
        without=without,
    )


def make(run: Run, connection: Connection, site: Site, theme: Theme, staging: Staging) -> Made:
    """Render everything into the staging folder. A post that alone fails keeps its last good page, or is lost.

    Raises ContentProblem if more than single posts fail.
    """
    known = {path: file.sha256 for path, file in staging.live.files.items()} if staging.live else {}
    targets = expand(Reader(connection, site), former_paths(connection))
    with run.phase("render"):
        failed = render(run, RenderJob(site, theme, staging.folder, known, write_file, targets), staging)
    lost = quarantine(run, failed, targets, staging)
    if not lost:
        for failure in failed:
            staging.keep(failure.target.path)
        with run.phase("assets"):
            added = add_files(run, connection, site, theme, staging)
            keep_files_of([failure.target.path for failure in failed], added, staging)
    return Made(
        sum(target.renderer == "template" and target.route != "redirect" for target in targets), len(failed), lost
    )


def render(run: Run, job: RenderJob, staging: Staging) -> list[RenderFailed]:
    failed: list[RenderFailed] = []
    done = 0
    again: list[str] = []
    written: dict[str, str] = {}
    warned: dict[tuple[str, str | None], Diagnostic] = {}
    for rendered in render_all(job, jobs=job.site.config.build.jobs):
        for file in rendered.written:
            staging.record(file)
            written[file.path] = file.sha256
        again += [file.path for file in rendered.same if staging.keep(file.path) is None]
        failed += rendered.failed
        done += len(rendered.written) + len(rendered.same)
        warned.update({(finding.what, finding.where): finding for finding in rendered.warnings})
        if run.progress is not None:
            run.progress("render", done, len(job.targets), None)
    for _, finding in sorted(warned.items(), key=lambda row: (row[0][0], row[0][1] or "")):
        run.warn(finding)
    if again:  # Somebody edited files of the live release: they are written anew, and no others.
        paths = set(again)
        targets = [target for target in job.targets if target.path in paths or target.renderer == "sitemap"]
        good = {path: sha256 for path, sha256 in {**job.live, **written}.items() if path not in paths}
        for rendered in render_all(RenderJob(job.site, job.theme, job.folder, good, job.write, targets), jobs=1):
            for file in rendered.written:
                staging.record(file)
    return failed


def quarantine(run: Run, failed: list[RenderFailed], targets: list[Target], staging: Staging) -> frozenset[str]:
    """Warn of posts that failed alone; the ids of those without a last good page.

    Raises ContentProblem if other pages failed, or all posts did: then the theme is at fault.
    """
    posts = [failure for failure in failed if failure.target.route == "post"]
    others = [failure for failure in failed if failure.target.route != "post"]
    post_count = sum(target.route == "post" for target in targets)
    if others or (posts and len(posts) == post_count):
        raise render_problem([failure.diagnostic for failure in (*others, *posts)])
    live = staging.live.files if staging.live else {}
    lost: set[str] = set()
    for failure in posts:
        kept = failure.target.path in live
        fate = "its last good page is kept" if kept else "the post is left out"
        run.warn(
            Diagnostic(
                failure.diagnostic.code,
                f"{failure.diagnostic.what}; {fate}",
                failure.diagnostic.where,
                failure.diagnostic.hint,
                Severity.WARNING,
                failure.diagnostic.excerpt,
            )
        )
        if not kept:
            lost.add(failure.target.params["id"])
    return frozenset(lost)


def render_problem(findings: list[Diagnostic]) -> ContentProblem:
    """All failures as one error: each mistake once, however many pages show it."""
    unique: dict[tuple[str, str, str], Diagnostic] = {}
    for finding in findings:
        unique.setdefault((finding.code, finding.what, (finding.where or "").partition(",")[0]), finding)
    first, *more = unique.values()
    return ContentProblem(
        first.what,
        code=first.code,
        where=first.where,
        hint=first.hint,
        excerpt=first.excerpt,
        more=tuple(more),
    )


def strict_refusal(warnings: list[Diagnostic]) -> ContentProblem:
    return ContentProblem(
        f"{len(warnings)} warning{'s' if len(warnings) > 1 else ''} in strict mode; the live site is kept",
        code="VB5006",
        hint="mend what the warnings name, or build without --strict",
        more=tuple(warnings),
    )


def add_files(run: Run, connection: Connection, site: Site, theme: Theme, staging: Staging) -> set[str]:
    """Put in the theme's static files and the media that are in use. Their paths."""
    added = {static.path for static in (*theme.assets.values(), *theme.verbatim.values())}
    for static in (*theme.assets.values(), *theme.verbatim.values()):
        if static.content is not None:
            staging.write(static.path, static.content, Phase.ASSETS)
        elif static.source is not None:
            staging.copy_in(static.path, static.source, static.sha256, Phase.ASSETS)
    reader = Reader(connection, site)
    library = open_library(connection, site, reader, clock=run.clock, warn=run.warn, progress=None)
    if library is None:
        return added
    used: dict[str, tuple[Path, str]] = {}
    for one in needed(connection, reader, recheck=frozenset()):
        asset = library.asset(one.url)
        if asset is not None:
            used[asset.path] = (library.object_path(asset), asset.sha256)
    for path, (source, sha256) in sorted(used.items()):
        staging.copy_in(path, source, sha256, Phase.ASSETS)
    return added | used.keys()


def keep_files_of(kept: Sequence[str], added: set[str], staging: Staging) -> None:
    """Pages that stay as they were go on showing the pictures and styles of their time."""
    live = staging.live.files if kept and staging.live else {}
    gone = {path for path, file in live.items() if file.phase is Phase.ASSETS} - added
    to_read = [path for path in kept if path in live]
    while gone and to_read:
        content = staging.live_bytes(to_read.pop())
        named = {path for path in gone if quote(path).encode() in content}
        gone -= named
        for path in sorted(named):
            staging.keep(path)
            if path.endswith(".css"):  # which may name fonts and pictures in turn
                to_read.append(path)
