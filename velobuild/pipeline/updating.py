"""A few changed posts become a few changed files of the live site, at a cost that does not grow with the site.

Whatever is not plainly of that kind (a new theme, an address that another post wanted, a body that cannot be shown) is
left to a full build, which walks through the whole site and renders what has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from velobuild.config.schema import Secret
from velobuild.content.database import Connection
from velobuild.content.dirty import PostBefore, marked
from velobuild.content.memo import Memo, memo_key
from velobuild.content.permalinks import assign_some
from velobuild.content.store import Store
from velobuild.errors import ContentProblem
from velobuild.graph.bodies import prepare_body, recipe_of, remember
from velobuild.graph.reader import Reader
from velobuild.graph.routes import reserved, tags_are_apart
from velobuild.graph.site import Site
from velobuild.graph.trace import Made
from velobuild.model.entries import Collection
from velobuild.model.outputs import OutputFile, Published, Target
from velobuild.pipeline.fetching import MediaMoves, fetch_some
from velobuild.pipeline.noting import FILES, PAGES, POSTS
from velobuild.pipeline.rest import is_whole
from velobuild.pipeline.run import Run
from velobuild.pipeline.tracing import Plan, Tracing
from velobuild.publish.guard import SecretScan, shrink
from velobuild.publish.inplace import InPlace
from velobuild.publish.releases import Releases, Writer
from velobuild.publish.update import Update
from velobuild.render.theme import Theme
from velobuild.render.workers import RenderJob, render_all

POSTS_MAX = 500
OUTPUTS_MAX = 2_000
IN_THE_WAY = frozenset({Collection.PAGES.value})


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did. `files` are those that stayed as they were; `rendered` counts pages, changed or not."""

    published: Published
    pages: int
    files: int
    rendered: int


def update(
    run: Run,
    connection: Connection,
    site: Site,
    theme: Theme,
    publisher: Releases | InPlace,
    *,
    file_tokens: Mapping[str, Callable[[], Secret]],
) -> Updated | None:
    """Bring the live site up to date by changing single files; None where the whole site must be walked through.

    Raises GuardRefused, OutputError; the live site is then as it was.
    """
    if run.options.clean or run.options.strict or site.preview_at is not None:
        return None
    release = publisher.identity()
    tracing = Tracing(connection, site, theme, release)
    if tracing.needs_all is not None:
        return None
    kinds = dict(connection.execute("SELECT kind, count(*) FROM dirty GROUP BY kind").fetchall())
    if kinds.keys() & IN_THE_WAY or kinds.get(Collection.POSTS.value, 0) > POSTS_MAX:
        return None
    with run.phase("prepare"):
        if not _settle(connection, site) or not _prepare(run, connection, site):
            return None
    with run.phase("media"):
        media = fetch_some(run, connection, site, tracing.reader, file_tokens=file_tokens)
    if media is None:
        return None
    with run.phase("plan"):
        tracing = Tracing(connection, site, theme, release)
        plan = tracing.plan_update()
    if plan is None or len(plan.targets) > OUTPUTS_MAX:
        return None
    if not plan.targets and not plan.gone and not media.puts and not media.removals:
        return _nothing(run, connection, theme, tracing)
    return _publish(run, connection, site, theme, publisher, tracing, plan, media)


def _settle(connection: Connection, site: Site) -> bool:
    reader = Reader(connection, site)
    return tags_are_apart(reader) and assign_some(
        connection,
        urls=site.config.urls,
        zone=site.zone,
        as_of=site.as_of,
        fixed=reserved(reader, terms=False),
        exclude_tags=site.excluded_tags,
    )


def _prepare(run: Run, connection: Connection, site: Site) -> bool:
    """Prepare the changed bodies; False if one cannot be shown."""
    memo, recipe = Memo(connection), recipe_of(site.post_markup)
    bodies = []
    for entry in marked(connection):
        if entry.kind != Collection.POSTS:
            continue
        row = connection.execute(
            "SELECT input FROM body JOIN permalink USING (post_id) WHERE post_id = ?", (entry.id,)
        ).fetchone()
        if row is None or (isinstance(entry.before, PostBefore) and entry.before.input == row[0]):
            continue
        try:
            body = prepare_body(connection, site, entry.id)
        except ContentProblem:
            return False
        if memo.get(memo_key(recipe, row[0])) is None:
            for finding in body.warnings:
                run.warn(finding)
        bodies.append(body)
        if run.options.profile:
            run.bodies_us.append((body.prepare_us, entry.id))
    remember(connection, bodies)
    return True


def _nothing(run: Run, connection: Connection, theme: Theme, tracing: Tracing) -> Updated | None:
    """Nothing that a page shows has changed: the rows say so, and the live files are looked at."""
    if not is_whole(connection, theme, run.loaded.out):
        return None
    if not tracing.commit(tracing.release, run.warn, {}):
        return None
    store = Store(connection)
    return Updated(Published(None, ()), int(store.note(PAGES) or "0"), int(store.note(FILES) or "0"), 0)


def _publish(
    run: Run,
    connection: Connection,
    site: Site,
    theme: Theme,
    publisher: Releases | InPlace,
    tracing: Tracing,
    plan: Plan,
    media: MediaMoves,
) -> Updated | None:
    store = Store(connection)
    posts_before = int(store.note(POSTS) or "0")
    posts = posts_before + _difference(plan, "post")
    limits = site.config.limits
    shrink(
        posts_before, posts, percent=limits.shrink_percent, posts=limits.shrink_posts, allowed=run.options.allow_shrink
    )
    pages = int(store.note(PAGES) or "0") + _difference(plan, None)
    staged = publisher.update()
    try:
        with run.phase("render"):
            files = _render(run, site, theme, tracing, plan, staged)
        if files is None:
            return None
        copied = [staged.copy_in(path, *source) for path, source in sorted(media.puts.items())]
        removals = [*(output.target.path for output in plan.gone), *sorted(media.removals)]
        born = sum(cause.kind == "new" for cause in plan.causes.values())
        files_live = int(store.note(FILES) or "0") + born + len(copied) - len(removals)
        notes = {PAGES: str(pages), POSTS: str(posts), FILES: str(files_live)}
        gone = {output.target.params["id"]: None for output in plan.gone if output.target.route == "post"}
        paths = {target.params["id"]: target.path for target in plan.targets if target.route == "post"}
        with run.phase("publish"):
            changes = staged.publish(
                [*copied, *files],
                removals,
                {"pages": str(pages)},
                {"posts": {**gone, **paths}},
                guards=[SecretScan(run.loaded.tokens)],
                commit=lambda: _commit(tracing, run, notes),
            )
    finally:
        staged.discard()
    unchanged = files_live - len(files) - len(copied)
    return Updated(Published(None, changes), pages, unchanged, len(plan.targets))


def _commit(tracing: Tracing, run: Run, notes: dict[str, str]) -> None:
    started = time.perf_counter_ns()
    tracing.commit(tracing.release, run.warn, notes)
    run.writing_us += (time.perf_counter_ns() - started) // 1000


def _difference(plan: Plan, route: str | None) -> int:
    """By how many the pages of a route grow; of all pages that are no redirects without one."""

    def counts(target: Target) -> bool:
        if route is not None:
            return target.route == route
        return target.renderer == "template" and target.route != "redirect"

    born = sum(counts(target) for target in plan.targets if plan.causes[target.path].kind == "new")
    return born - sum(counts(output.target) for output in plan.gone)


def _render(
    run: Run, site: Site, theme: Theme, tracing: Tracing, plan: Plan, staged: Update
) -> list[OutputFile] | None:
    """The files whose bytes differ from the live ones, in the folder of the update; None if a page failed."""
    live = {target.path: output.file.sha256 for target in plan.targets if (output := tracing.trace.at(target.path))}
    by_path = {target.path: target for target in plan.targets}
    # What a reader waits for first: the pages of posts, then what lists them.
    targets = sorted(plan.targets, key=lambda target: target.route != "post")
    files: list[OutputFile] = []
    made: list[Made] = []
    with Writer(staged.folder) as write:
        for rendered in render_all(RenderJob(site, theme, live, write, targets), jobs=1):
            if rendered.failed:
                return None
            for one in rendered.files:
                path = one.file.path
                made.append(Made(by_path[path], one.file, one.reads, plan.causes[path].encode(), one.render_us))
                if not one.same:
                    files.append(one.file)
            for finding in rendered.warnings:
                run.warn(finding)
            tracing.made(made, rendered.answers)
            run.recording_us += rendered.recording_us
            made = []
    return files
