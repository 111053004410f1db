"""`velobuild audit`: is everything that velobuild believes of the live site true?"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from velobuild.config.schema import Loaded
from velobuild.content.database import Connection
from velobuild.content.memo import Memo, memo_key
from velobuild.content.notes import SETTLED_AT
from velobuild.content.permalinks import former_paths
from velobuild.content.store import Store
from velobuild.errors import ConfigError, ContentProblem
from velobuild.graph.audit import ANEW, Finding, audit_entries, audit_keys, audit_rows, reads_differ
from velobuild.graph.bodies import prepare_body, recipe_of
from velobuild.graph.routes import expand
from velobuild.graph.site import Site
from velobuild.graph.trace import Output
from velobuild.model.outputs import UNMARKED, Mark, OutputFile, Phase
from velobuild.model.ports import Clock, Warn, utc_now
from velobuild.pipeline.noting import UNSHOWN
from velobuild.pipeline.opening import opened, publisher_of
from velobuild.pipeline.tracing import Tracing, same_target
from velobuild.publish.manifest import Manifest
from velobuild.render.theme import Theme, load_theme
from velobuild.render.workers import RenderJob, render_all

_T = TypeVar("_T")
NOT_WHAT_WAS_BUILT = "Visitors get something else than was built. `velobuild build` mends it."


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what is wrong. `pending` counts outputs that the next build renders anyway."""

    entries: int
    keys: int
    files: int
    files_read: int
    outputs: int
    rendered: int
    pending: int
    findings: tuple[Finding, ...]


def audit(
    loaded: Loaded, *, sample: int | None, wait: bool = False, clock: Clock = utc_now, warn: Warn = lambda finding: None
) -> Audit:
    """Look at all entries, keys and rows, and at `sample` files, bodies and pages (None: at all of them).

    Changes nothing, and holds the site meanwhile. Raises ConfigError VB1107 where there is nothing to look at, or where
    the next build makes every page anew; SiteLocked, OutputError.
    """
    with opened(loaded.state, wait=wait, warn=warn) as connection:
        return _Auditing(loaded, connection, sample, clock).run()


class _Auditing:
    """One audit under way."""

    def __init__(self, loaded: Loaded, connection: Connection, sample: int | None, clock: Clock) -> None:
        self._loaded = loaded
        self._connection = connection
        self._sample = sample
        publisher = publisher_of(loaded)
        live = publisher.live()
        store = Store(connection)
        moment = store.note(SETTLED_AT)
        unshown = frozenset(json.loads(store.note(UNSHOWN) or "[]"))
        as_of = clock() if moment is None else datetime.fromisoformat(moment)
        self._site = Site(loaded.root, loaded.state, loaded.config, as_of, unshown)
        self._theme: Theme = load_theme(loaded.config, loaded.root)
        self._tracing = Tracing(connection, self._site, self._theme, publisher.identity())
        why = self._tracing.whole
        if why is not None or live is None:
            raise ConfigError(
                f"there is nothing to audit: {why or 'no site is live'}",
                code="VB1107",
                where=str(loaded.state),
                hint="the next `velobuild build` makes every page anew; audit after it",
            )
        self._live: Manifest = live

    def run(self) -> Audit:
        connection, tracing = self._connection, self._tracing
        changed, pending = tracing.pending()
        outputs = list(tracing.trace.outputs())
        settled = [output for output in outputs if output.id not in pending and not output.failed]
        pages = self._some(settled)
        files = self._some(sorted(self._live.files))
        findings = [
            *audit_entries(connection),
            *audit_rows(connection),
            *audit_keys(connection, tracing.reader.answers, tracing.named, changed.keys),
            *self._files(outputs, frozenset(files)),
            *self._bodies(),
            *(() if self._waits() else self._routes(outputs)),
            *self._pages(pages),
        ]
        return Audit(
            entries=_count(connection, "SELECT count(*) FROM entry"),
            keys=_count(connection, "SELECT count(*) FROM key"),
            files=len(self._live.files),
            files_read=len(files),
            outputs=len(outputs),
            rendered=len(pages),
            pending=len(pending),
            findings=tuple(findings),
        )

    def _some(self, things: list[_T]) -> list[_T]:
        if self._sample is None or len(things) <= self._sample:
            return things
        chosen = random.sample(range(len(things)), self._sample)
        return [things[number] for number in sorted(chosen)]

    def _waits(self) -> bool:
        """Whether content waits for the next build, which may bring other pages."""
        return _count(self._connection, "SELECT count(*) FROM dirty") > 0

    def _files(self, outputs: list[Output], to_read: frozenset[str]) -> Iterator[Finding]:
        """The manifest against the rows of the trace, and the files against the manifest."""
        files = self._live.files
        for output in outputs:
            file = files.get(output.target.path)
            if file is None or (file.sha256, file.size_bytes) != (output.file.sha256, output.file.size_bytes):
                what = "the row of this output is not of the file that was published"
                yield Finding("row", output.target.url, what, f"Updates compare new bytes with the wrong ones. {ANEW}")
        known = {output.target.path for output in outputs}
        for path, file in sorted(files.items()):
            if path not in known and file.phase is not Phase.ASSETS:
                yield Finding("row", f"/{path}", "no row is about this page", f"Nothing updates or removes it. {ANEW}")
            fault = _fault(self._loaded.out / path, file, read=path in to_read)
            if fault is not None:
                yield Finding("file", f"/{path}", fault, NOT_WHAT_WAS_BUILT)

    def _bodies(self) -> Iterator[Finding]:
        """What was made of bodies, made once more."""
        connection, memo, recipe = self._connection, Memo(self._connection), recipe_of(self._site.post_markup)
        rows = connection.execute(
            "SELECT post_id, input, title FROM body JOIN permalink USING (post_id) JOIN post ON post.id = post_id "
            "WHERE post_id NOT IN (SELECT id FROM dirty WHERE kind = 'posts') ORDER BY post_id"
        ).fetchall()
        for id, input, title in self._some(rows):
            kept = memo.get(memo_key(recipe, bytes(input)))
            if id in self._site.unshown or kept is None:
                continue
            try:
                same = prepare_body(connection, self._site, id).encoded == kept
            except ContentProblem:
                same = False
            if not same:
                what = "what is kept of its prepared body is not what preparing it gives"
                yield Finding("entry", f"the post “{title}” (id {id})", what, f"Its page shows the wrong text. {ANEW}")

    def _routes(self, outputs: list[Output]) -> Iterator[Finding]:
        """The outputs that the site should have against those that it has."""
        there = {output.target.path: output.target for output in outputs}
        for target in expand(self._tracing.reader, former_paths(self._connection)):
            old = there.pop(target.path, None)
            if old is None:
                yield Finding("page", target.url, "there should be a page here", f"It was never made. {ANEW}")
            elif not same_target(old, target):
                what = "its template, or its place in its list, should be another"
                yield Finding("page", target.url, what, f"It shows what was true earlier. {ANEW}")
        for target in there.values():
            yield Finding("page", target.url, "there should be no page here", f"It was never removed. {ANEW}")

    def _pages(self, outputs: list[Output]) -> Iterator[Finding]:
        """Pages, rendered once more."""
        by_path = {output.target.path: output for output in outputs}
        live = {path: output.file.sha256 for path, output in by_path.items()}
        targets = [output.target for output in outputs]
        job = RenderJob(self._site, self._theme, live, _not_written, targets)
        for rendered in render_all(job, jobs=self._site.config.build.jobs):
            for failure in rendered.failed:
                yield Finding("page", failure.target.url, f"it fails now: {failure.diagnostic.what}", ANEW)
            for one in rendered.files:
                output = by_path[one.file.path]
                if not one.same:
                    what = "rendered once more, it is not what was published, though nothing that it reads changed"
                    yield Finding("page", output.target.url, what, f"Readers see an old page. {ANEW}")
                elif reads_differ(self._connection, output.id, one.reads):
                    what = "rendered once more, it reads other things than were written down"
                    yield Finding("page", output.target.url, what, f"A change may pass this page by. {ANEW}")


def _not_written(file: OutputFile, content: bytes) -> Mark:
    """Its hash is all that is wanted."""
    return UNMARKED


def _fault(place: Path, file: OutputFile, *, read: bool) -> str | None:
    try:
        if place.stat().st_size != file.size_bytes:
            return f"it has {place.stat().st_size} bytes, and {file.size_bytes} were published"
        if read and hashlib.sha256(place.read_bytes()).hexdigest() != file.sha256:
            return "its bytes are not those that were published"
    except OSError:
        return "it is not there"
    return None


def _count(connection: Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
