"""Every public body is made ready for its page once, and whatever cannot be is known before anything is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from velobuild.content.database import Connection
from velobuild.content.memo import KEY_BYTES, Memo
from velobuild.errors import Diagnostic
from velobuild.graph.bodies import PreparedBody, page_key, prepare_page, remember, unprepared, warnings_of
from velobuild.graph.reader import Reader
from velobuild.graph.site import Site
from velobuild.pipeline.making import render_problem, settle
from velobuild.pipeline.run import Run
from velobuild.render.workers import prepare_bodies

REMEMBERED_TOGETHER = 512
"""Bodies of one transaction: each one writes the same few pages of the indexes anew."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The bodies of a build: posts that cannot be shown and why, and the memo rows that are in use."""

    unshown: Mapping[str, Diagnostic]
    in_use: bytes
    """Their keys, one after the other: a large site has many, and nobody asks before the pages are made."""
    prepared: int

    def sweep(self, connection: Connection) -> None:
        """Forget what no body gives any more; once the pages are made, since the trace compares with what was."""
        if self.prepared:
            keys = self.in_use
            Memo(connection).keep_only(keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES))


def prepare(run: Run, connection: Connection, site: Site) -> Ready:
    """Settle addresses and prepare bodies.

    Raises ContentProblem if no body can be shown at all: then the fault is not a post's.
    """
    if site.config.content.html == "trusted":
        run.warn(
            Diagnostic(
                "VB3007",
                "HTML from the CMS is published as it came",
                where="content.html",
                hint='`html = "sanitize"` protects your readers from whatever an author pastes',
            )
        )
    for finding in settle(run, connection, site, frozenset()):
        run.warn(finding)
    missing, keys = unprepared(connection, site)
    if run.options.strict:  # Whether a warning counts must not depend on what was built before.
        for finding in warnings_of(connection, {id: key for id, key in keys.items() if id not in set(missing)}):
            run.warn(finding)
    failed: dict[str, Diagnostic] = {}
    done = 0
    waiting: list[PreparedBody] = []
    for bodies in prepare_bodies(site, missing, jobs=site.config.build.jobs):
        waiting += bodies.prepared
        if len(waiting) >= REMEMBERED_TOGETHER:
            remember(connection, waiting)
            waiting.clear()
        done += len(bodies.prepared) + len(bodies.failed)
        if run.progress is not None and len(missing) > 1:
            run.progress("prepare", done, len(missing), None)
        for body in bodies.prepared:
            for finding in body.warnings:
                run.warn(finding)
        failed |= bodies.failed
        if run.options.profile:
            run.bodies_us += [(body.prepare_us, body.post_id) for body in bodies.prepared]
    remember(connection, waiting)
    page_keys = _prepare_pages(run, connection, site)
    if failed and len(failed) == len(keys):
        raise render_problem(list(failed.values()))
    return Ready(failed, b"".join(chain(keys.values(), page_keys)), len(missing))


def _prepare_pages(run: Run, connection: Connection, site: Site) -> list[bytes]:
    """The memo keys of the local pages' bodies, all of them prepared."""
    memo = Memo(connection)
    keys: list[bytes] = []
    for page in Reader(connection, site).pages:
        key = page_key(page, site)
        keys.append(key)
        if memo.get(key) is None or run.options.strict:
            prepared = prepare_page(page, site)
            memo.put({key: prepared.encoded})
            for finding in prepared.warnings:
                run.warn(finding)
    return keys
