"""What was made, on its way into the trace: rows are written once the release is live, and wait here until then."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO

from velobuild.graph.packing import row_of
from velobuild.graph.trace import Made
from velobuild.model.outputs import OutputFile, Phase, Target
from velobuild.model.reads import Answer, Footprint, Reads
from velobuild.publish.disk import disk_errors

IN_MEMORY_BYTES = 1 << 20
"""An update of a few pages touches no disk for this."""
LENGTH_BYTES = 4


class Spool:
    """Outputs in their order: in memory while they are few, then in a file of `folder` without a name, so that nothing
    is left of it however the build ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._few: list[bytes] = []
        self._few_bytes = 0
        self._file: IO[bytes] | None = None
        self._length = 0

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        """How many outputs wait."""
        return self._length

    def add(self, made: Iterable[Made]) -> None:
        """Raises OutputError if the disk is full."""
        rows = [_row(one) for one in made]
        chunk = marshal.dumps(rows)  # at once: what many of them have in common is written once
        self._length += len(rows)
        self._few.append(chunk)
        self._few_bytes += len(chunk)
        if self._few_bytes > IN_MEMORY_BYTES:
            self._put_down()

    def __iter__(self) -> Iterator[Made]:
        """From the first. Raises OutputError if the disk fails."""
        return chain.from_iterable(map(_made, chain(self._put_down_before(), self._few)))

    def _put_down_before(self) -> Iterator[bytes]:
        if self._file is not None:
            with disk_errors("what was made cannot be read back", self._folder):
                self._file.seek(0)
                while length := self._file.read(LENGTH_BYTES):
                    yield self._file.read(int.from_bytes(length, "big"))

    def _put_down(self) -> None:
        import tempfile  # which the usual update does without

        with disk_errors("what was made cannot be kept", self._folder):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the spool
            for chunk in self._few:
                self._file.write(len(chunk).to_bytes(LENGTH_BYTES, "big"))
                self._file.write(chunk)
            self._file.flush()
        self._few.clear()
        self._few_bytes = 0


def _row(one: Made) -> tuple[object, ...]:
    file, reads = one.file, one.reads
    of_file = (file.path, file.sha256, file.size_bytes, str(file.phase))
    return row_of(one.target), of_file, (reads.posts, reads.queries, reads.keys), one.reason, one.render_us, one.failed


def _made(chunk: bytes) -> Iterator[Made]:
    for target, (path, sha256, size_bytes, phase), reads, *more in marshal.loads(chunk):  # noqa: S302 - our own bytes
        yield Made(Target(*target), OutputFile(path, sha256, size_bytes, Phase(phase)), Reads(*reads), *more)


class Answers:
    """Answers to queries as bytes, which take less than half of the room, until each is taken out, once."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def add(self, answers: Mapping[str, Answer]) -> None:
        for name, answer in answers.items():
            prints = [(one.facet, one.low, one.high, one.several) for one in answer.footprints]
            self._packed[name] = marshal.dumps((answer.fingerprint, prints))

    def take(self, name: str) -> Answer | None:
        """The answer, which is forgotten then; None if there is none."""
        packed = self._packed.pop(name, None)
        if packed is None:
            return None
        fingerprint, prints = marshal.loads(packed)  # noqa: S302 - our own bytes
        return Answer(fingerprint, tuple(Footprint(*one) for one in prints))
