"""Targets become files in the staging folder; a single bad post never takes the site along."""

from __future__ import annotations

import gc
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from velobuild.content.database import Connection
from velobuild.content.permalinks import assign, former_paths
from velobuild.errors import ContentProblem, Diagnostic, Severity
from velobuild.graph.changes import Cause
from velobuild.graph.packing import PackedTargets
from velobuild.graph.reader import Reader
from velobuild.graph.routes import expand, reserved
from velobuild.graph.site import Site
from velobuild.graph.trace import Made
from velobuild.model.keys import canonical
from velobuild.model.outputs import Phase, Target
from velobuild.model.reads import Reads
from velobuild.pipeline.keeping import keep_files_of, keep_page, live_posts
from velobuild.pipeline.run import Run
from velobuild.pipeline.tracing import Plan, Tracing
from velobuild.publish.releases import Staging, Writer
from velobuild.render.theme import Theme
from velobuild.render.workers import CHUNK, Rendered, RenderFailed, RenderJob, render_all, worker_count


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made: pages, posts and as JSON where each of them is, how many posts failed, which of them have no last
    good page, and how many pages were rendered."""

    pages: int
    posts: int
    places: str
    failed: int
    lost: frozenset[str]
    rendered: int


def settle(run: Run, connection: Connection, site: Site, without: frozenset[str]) -> list[Diagnostic]:
    return assign(
        connection,
        urls=site.config.urls,
        zone=site.zone,
        as_of=site.as_of,
        reserved=reserved(Reader(connection, site)),
        without=without,
        exclude_tags=site.excluded_tags,
        sources=[source.name or "" for source in site.config.sources],
    )


def make(
    run: Run,
    connection: Connection,
    site: Site,
    theme: Theme,
    staging: Staging,
    tracing: Tracing,
    unshown: Mapping[str, Diagnostic],
) -> Outcome:
    """Put every page into the staging folder: rendered, or kept where nothing that it read has changed.

    A post that alone fails keeps its last good page, or is lost. `unshown` are posts whose body cannot be shown, and
    why. Raises ContentProblem if more than single posts fail.
    """
    known = {path: file.sha256 for path, file in staging.live.files.items()} if staging.live else {}
    targets = PackedTargets(expand(Reader(connection, site), former_paths(connection)))
    posts: dict[str, str] = {}
    pages = 0
    failed: list[RenderFailed] = []
    for target in targets:
        pages += target.renderer == "template" and target.route != "redirect"
        if target.route == "post":
            id = target.params["id"]
            posts[id] = target.path
            if id in unshown:
                failed.append(RenderFailed(target, unshown[id]))
    post_count, places = len(posts), canonical(posts).decode()
    del posts  # of which the pages of a large site know nothing, and are made with the memory
    plan = tracing.plan(targets, anew=_anew(run))
    broken = {failure.target.path for failure in failed}
    again = [path for path in plan.fresh if path not in broken and staging.keep(path) is None]
    for path in again:
        del plan.fresh[path]
        plan.causes[path] = Cause("file", path, "it was edited or removed")
    shown = targets
    if broken or plan.fresh:
        shown = PackedTargets(
            target for target in targets if plan.cause_of(target.path) is not None and target.path not in broken
        )
    del targets
    if worker_count(site.config.build.jobs, len(shown)):
        gc.collect()  # Readers go round in circles, and hold every path: workers would begin with all that.
    with run.phase("render"), Writer(staging.folder, staging.stamp) as write:
        job = RenderJob(site, theme, known, write, shown)
        failed += render(run, job, staging, tracing, plan)
    last = live_posts(staging.live)
    refuse_wide(failed, post_count)
    lost = {id for failure in failed if (id := failure.target.params["id"]) not in last}
    if not lost:
        for failure in failed:
            file = keep_page(staging, last[failure.target.params["id"]], failure.target.path)
            if file is None:
                lost.add(failure.target.params["id"])
            else:
                tracing.made([Made(failure.target, file, Reads(), Cause("failed", "").encode(), failed=True)], {})
    warn_of(run, failed, lost)
    if not lost:
        with run.phase("assets"):
            added = add_files(run, connection, site, theme, staging)
            keep_files_of([last[failure.target.params["id"]] for failure in failed], added, staging)
    return Outcome(pages, post_count, places, len(failed), frozenset(lost), len(shown))


def _anew(run: Run) -> str | None:
    """Why the user wants every page made anew."""
    if run.options.clean:
        return "--clean"
    if run.loaded.drafts:
        return "a preview with drafts, in which each page says what time it is"
    # Whether a warning counts must not depend on what was built before.
    return "--strict" if run.options.strict else None


def render(run: Run, job: RenderJob, staging: Staging, tracing: Tracing, plan: Plan) -> list[RenderFailed]:
    failed: list[RenderFailed] = []
    done = 0
    again: list[Target] = []
    warned: dict[tuple[str, str | None], Diagnostic] = {}
    for rendered in render_all(job, jobs=job.site.config.build.jobs):
        by_path = {target.path: target for target in job.targets[rendered.start : rendered.start + CHUNK]}
        for one in rendered.files:
            if one.mark is not None:
                staging.record(one.file, stamped=True, mark=one.mark)
            elif staging.keep(one.file.path) is None:
                again.append(by_path[one.file.path])
        tracing.made(_made(rendered, by_path, plan), rendered.answers)
        run.recording_us += rendered.recording_us
        failed += rendered.failed
        done += len(rendered.files)
        warned.update({(finding.what, finding.where): finding for finding in rendered.warnings})
        if run.progress is not None:
            run.progress("render", done, len(job.targets), None)
    for _, finding in sorted(warned.items(), key=lambda row: (row[0][0], row[0][1] or "")):
        run.warn(finding)
    if again:  # Somebody edited files of the live release: they are written anew, and no others.
        for rendered in render_all(RenderJob(job.site, job.theme, {}, job.write, again), jobs=1):
            for one in rendered.files:
                staging.record(one.file)
            failed += rendered.failed
    return failed


def _made(rendered: Rendered, by_path: Mapping[str, Target], plan: Plan) -> Iterator[Made]:
    for one in rendered.files:
        path, cause = one.file.path, plan.cause_of(one.file.path)
        assert cause is not None, path
        yield Made(by_path[path], one.file, one.reads, cause.encode(), one.render_us)


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
    from velobuild.media.needed import needed, open_library

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
