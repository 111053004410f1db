"""Targets become files in the staging folder; a single bad post never takes the site along."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from velobuild.content.database import Connection
from velobuild.content.permalinks import assign, former_paths
from velobuild.errors import ContentProblem, Diagnostic, Severity
from velobuild.graph.reader import Reader
from velobuild.graph.routes import expand, reserved
from velobuild.graph.site import Site
from velobuild.media.needed import needed, open_library
from velobuild.model.outputs import Phase
from velobuild.pipeline.keeping import keep_files_of, keep_page, live_posts
from velobuild.pipeline.run import Run
from velobuild.publish.releases import Staging, write_file
from velobuild.render.theme import Theme
from velobuild.render.workers import RenderFailed, RenderJob, render_all


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: pages, where each post is, how many posts failed, and which of them have no last good page."""

    pages: int
    posts: Mapping[str, str]
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
        sources=[source.name or "" for source in site.config.sources],
    )


def make(
    run: Run, connection: Connection, site: Site, theme: Theme, staging: Staging, unshown: Mapping[str, Diagnostic]
) -> Made:
    """Render everything into the staging folder. A post that alone fails keeps its last good page, or is lost.

    `unshown` are posts whose body cannot be shown, and why. Raises ContentProblem if more than single posts fail.
    """
    known = {path: file.sha256 for path, file in staging.live.files.items()} if staging.live else {}
    site = replace(site, unshown=frozenset(unshown))
    targets = expand(Reader(connection, site), former_paths(connection))
    posts = {target.params["id"]: target.path for target in targets if target.route == "post"}
    failed = [
        RenderFailed(target, unshown[target.params["id"]])
        for target in targets
        if target.route == "post" and target.params["id"] in unshown
    ]
    shown = [target for target in targets if target.route != "post" or target.params["id"] not in unshown]
    with run.phase("render"):
        failed += render(run, RenderJob(site, theme, staging.folder, known, write_file, shown), staging)
    last = live_posts(staging.live)
    refuse_wide(failed, len(posts))
    lost = {id for failure in failed if (id := failure.target.params["id"]) not in last}
    if not lost:
        lost = {
            id
            for failure in failed
            if not keep_page(staging, last[(id := failure.target.params["id"])], failure.target.path)
        }
    warn_of(run, failed, lost)
    if not lost:
        with run.phase("assets"):
            added = add_files(run, connection, site, theme, staging)
            keep_files_of([last[failure.target.params["id"]] for failure in failed], added, staging)
    pages = sum(target.renderer == "template" and target.route != "redirect" for target in targets)
    return Made(pages, posts, len(failed), frozenset(lost))


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
            failed += rendered.failed
    return failed


def refuse_wide(failed: list[RenderFailed], post_count: int) -> None:
    """Raises ContentProblem if other pages than posts failed, or all posts did: then the theme is at fault."""
    posts = [failure for failure in failed if failure.target.route == "post"]
    others = [failure for failure in failed if failure.target.route != "post"]
    if others or (posts and len(posts) == post_count):
        raise render_problem([failure.diagnostic for failure in (*others, *posts)])


def warn_of(run: Run, failed: list[RenderFailed], lost: Container[str]) -> None:
    """Say of each post that failed alone what became of it."""
    for failure in failed:
        left_out = failure.target.params["id"] in lost
        fate = "the post is left out" if left_out else "its last good page is kept"
        run.warn(replace(failure.diagnostic, what=f"{failure.diagnostic.what}; {fate}", severity=Severity.WARNING))


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
