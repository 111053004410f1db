"""`build --verify`: the live site against a clean build of the same content by a process that knows nothing of before.

The clean build has a state folder of its own, with the entries and the fetched files of this one and nothing else: no
trace, no memo, no addresses but those that posts have left. The live site is only read.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest
from pathlib import Path

from velobuild.config.schema import Loaded
from velobuild.content.copying import copy_content
from velobuild.content.database import Connection, open_database
from velobuild.content.notes import SETTLED_AT
from velobuild.content.store import Store
from velobuild.errors import ContentProblem, Diagnostic, Severity, VelobuildError
from velobuild.graph.audit import ANEW
from velobuild.graph.builds import removal_of
from velobuild.graph.chains import gone_words
from velobuild.graph.explain import explain
from velobuild.graph.trace import Trace
from velobuild.media.uses import objects_of
from velobuild.model.ports import Warn
from velobuild.pipeline.building import build
from velobuild.pipeline.noting import LOST, UNSHOWN
from velobuild.pipeline.opening import opened, publisher_of
from velobuild.pipeline.run import BuildOptions

FOLDER = "verify"
LINE_MAX = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not what a clean build makes of it. `line` is the first that differs, from 1; 0 where there are no
    lines to compare. `why` says what the builds wrote down about the live file."""

    path: str
    what: str
    line: int
    live: str
    clean: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many files were compared, and which differ."""

    files: int
    differences: tuple[Difference, ...]


def verify(loaded: Loaded, *, warn: Warn) -> Verdict:
    """Compare the live site with a clean build, byte for byte. Holds the site, so that nothing changes meanwhile.

    Raises ContentProblem VB3001 while a post cannot be shown: its last good page is kept, which no clean build has.
    Raises what a build raises. The live site is not touched.
    """
    place = loaded.state / FOLDER
    twin = replace(
        loaded,
        config=replace(loaded.config, build=replace(loaded.config.build, out=os.fspath(place / "public"))),
        tokens=(),
        tokens_by_source={},
        state_at=place / "state",
    )
    with opened(loaded.state, wait=True, warn=warn) as connection:
        _refuse_kept_pages(connection)
        try:
            _prepare(connection, loaded, twin, warn)
            _build_apart(twin, _moment(connection))
            return _compare(connection, loaded, twin)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _refuse_kept_pages(connection: Connection) -> None:
    store, trace = Store(connection), Trace(connection)
    kept = any((store.note(name) or "[]") != "[]" for name in (UNSHOWN, LOST))
    if kept or trace.failed():
        raise ContentProblem(
            "the site cannot be compared with a clean build while a post cannot be shown",
            code="VB3001",
            hint="mend the posts that the build's warnings name, or take them out, and verify again",
        )


def _moment(connection: Connection) -> datetime | None:
    """The time of the last build, which decides what is due."""
    text = Store(connection).note(SETTLED_AT)
    return None if text is None else datetime.fromisoformat(text)


def _prepare(connection: Connection, loaded: Loaded, twin: Loaded, warn: Warn) -> None:
    shutil.rmtree(twin.state.parent, ignore_errors=True)
    with closing(open_database(twin.state, warn=warn)) as target:
        copy_content(connection, target)
    for folder, _, names in os.walk(objects_of(loaded.state)):
        place = objects_of(twin.state) / Path(folder).relative_to(objects_of(loaded.state))
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                os.link(Path(folder, name), place / name)
            except OSError:  # a file system without links
                shutil.copyfile(Path(folder, name), place / name)


def _build_apart(twin: Loaded, now: datetime | None) -> None:
    """Build in a process of its own: whatever this one remembers in its modules must not help."""
    options = BuildOptions(offline=True, clean=True, allow_shrink=True, now=now)
    utf8 = ("-X", "utf8") if sys.flags.utf8_mode else ()
    ended = subprocess.run(
        [sys.executable, *utf8, "-m", "velobuild.pipeline.verifying"],
        input=pickle.dumps((twin, options)),
        stdout=subprocess.PIPE,
        cwd=Path.cwd(),
        check=False,
    )
    problem = pickle.loads(ended.stdout) if ended.stdout else None  # noqa: S301 - our own child wrote it
    if isinstance(problem, VelobuildError):
        raise problem
    if ended.returncode != 0:
        raise ContentProblem("the clean build was ended from outside", code="VB9001", hint="verify again")


def main() -> int:
    """The clean build's process: what to do comes on stdin; what it raised goes to stdout."""
    loaded, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    try:
        build(loaded, options, cache=None)
    except VelobuildError as error:
        sys.stdout.buffer.write(pickle.dumps(error))
        return error.exit_code
    return 0


def _compare(connection: Connection, loaded: Loaded, twin: Loaded) -> Verdict:
    live, clean = publisher_of(loaded).live(), publisher_of(twin).live()
    live_paths = frozenset(live.files if live else ())
    clean_paths = frozenset(clean.files if clean else ())
    found = []
    for path in sorted(live_paths | clean_paths):
        ours = _content(loaded.out, path) if path in live_paths else None
        theirs = _content(twin.out, path) if path in clean_paths else None
        if ours != theirs:
            found.append(_difference(path, ours, theirs, tuple(_why(connection, path, ours))))
    return Verdict(len(live_paths | clean_paths), tuple(found))


def _content(out: Path, path: str) -> bytes | None:
    with suppress(OSError):
        return (out / path).read_bytes()
    return None


def _difference(path: str, live: bytes | None, clean: bytes | None, why: tuple[str, ...]) -> Difference:
    if live is None or clean is None:
        what = (
            "is missing, and a clean build makes it" if live is None else "is there, and a clean build does not make it"
        )
        return Difference(path, what, 0, "", "", why)
    try:
        lines = zip_longest(live.decode().split("\n"), clean.decode().split("\n"), fillvalue="(the end)")
        for number, (ours, theirs) in enumerate(lines, 1):
            if ours != theirs:
                return Difference(path, "differs", number, *_around(ours, theirs), why)
    except UnicodeDecodeError:
        pass
    return Difference(path, f"differs: {len(live)} bytes, {len(clean)} in the clean build", 0, "", "", why)


def _around(live: str, clean: str) -> tuple[str, str]:
    """The part of two lines in which they begin to differ."""
    same = next((at for at, pair in enumerate(zip(live, clean, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, same - LINE_MAX // 4)
    mark = "…" if start else ""
    return mark + live[start : start + LINE_MAX], mark + clean[start : start + LINE_MAX]


def _why(connection: Connection, path: str, live: bytes | None) -> Iterator[str]:
    output = Trace(connection).at(path)
    if output is None:
        removal = removal_of(connection, path)
        if removal is not None:
            yield f"Build {removal[0].number} removed it. {gone_words(removal[1])}"
        else:
            yield "It is no page that velobuild has written down: a static or media file, or one that was missed."
        return
    if live is None or hashlib.sha256(live).hexdigest() != output.file.sha256:
        yield "The live file is not the one that velobuild wrote: somebody else changed or removed it."
    account = explain(connection, output)
    yield f"It was rendered in build {account.build}{' (the last one)' if account.in_last_build else ''}:"
    yield from account.chain
    if not account.in_last_build:
        yield "The last build did not render it:"
        yield from account.stayed or ("nothing that it reads had changed.",)


def as_problem(verdict: Verdict) -> ContentProblem:
    """The differences as one error."""
    first, *more = (
        Diagnostic(
            "VB9002",
            f"/{one.path} {one.what}",
            where=f"{one.path}:{one.line}" if one.line else one.path,
            excerpt=f"   live: {one.live}\n  clean: {one.clean}" if one.line else None,
            hint=" ".join((*one.why, ANEW)),
            severity=Severity.ERROR,
        )
        for one in verdict.differences
    )
    return ContentProblem(
        first.what, code=first.code, where=first.where, hint=first.hint, excerpt=first.excerpt, more=tuple(more)
    )


if __name__ == "__main__":
    sys.exit(main())
