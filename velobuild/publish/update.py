"""A few files of the live site change, the rest is not looked at: what an update costs does not grow with the site.

New bytes replace old ones by rename, never by opening a live file: older releases share its inode. The order is that of
a reader: files that pages show, pages, lists and feeds, and removals last. A journal is on the disk before the first
rename, so that whatever is cut short is completed by the next start. What the update did is a line in the log beside
the release's manifest; whoever reads the manifest reads both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from velobuild.errors import GuardRefused, OutputError
from velobuild.model.outputs import OutputChange, OutputFile, OutputKind, Phase
from velobuild.publish import disk, manifest
from velobuild.publish.disk import disk_errors, remove_tree
from velobuild.publish.guard import Guard, Staged
from velobuild.publish.manifest import PHASES, Manifest
from velobuild.publish.staging import Stamp

ORDER = (Phase.ASSETS, Phase.PAGES, Phase.LISTS)
LOG_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What one update did: files that were put, paths that were removed, and values of the release's `meta`."""

    puts: tuple[OutputFile, ...]
    removals: tuple[str, ...]
    meta: Mapping[str, str]
    patches: Mapping[str, Mapping[str, str | None]]
    """What changes inside values of `meta` that are JSON objects; None takes a name out."""
    base: str
    """The checksum of the manifest that it adds to: no other one is changed by it."""

    def encode(self) -> bytes:
        puts = [[file.path, file.sha256, file.size_bytes, str(file.phase)] for file in self.puts]
        text = json.dumps(
            [puts, list(self.removals), dict(self.meta), dict(self.patches), self.base], ensure_ascii=False
        )
        return json.dumps([hashlib.sha256(text.encode()).hexdigest(), text], ensure_ascii=False).encode() + b"\n"

    @staticmethod
    def decode(line: bytes) -> Entry | None:
        """None for a line that was cut short: the journal that was being completed has written it again."""
        try:
            sha256, text = json.loads(line)
            if hashlib.sha256(text.encode()).hexdigest() != sha256:
                return None
            puts, removals, meta, patches, base = json.loads(text)
            files = tuple(OutputFile(path, digest, size, PHASES[phase]) for path, digest, size, phase in puts)
            return Entry(files, tuple(removals), meta, patches, base)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def log_of(manifest_file: Path) -> Path:
    """Where the updates of a release are noted."""
    return manifest_file.with_suffix(".log")


def base_of(manifest_file: Path) -> str:
    """The checksum with which a manifest ends. Raises OSError; "" for what is no manifest."""
    with manifest_file.open("rb") as opened:
        opened.seek(0, os.SEEK_END)
        opened.seek(max(0, opened.tell() - 256))
        lines = opened.read().splitlines()
    try:
        return str(json.loads(lines[-1])["sha256"])
    except (ValueError, TypeError, KeyError, IndexError):
        return ""


def with_log(manifest: Manifest, manifest_file: Path) -> Manifest:
    """The manifest of a file with all updates since it was written. Raises OutputError."""
    log = log_of(manifest_file)
    with disk_errors("the log of updates cannot be read", log):
        try:
            lines = log.read_bytes().splitlines()
            base = base_of(manifest_file)
        except FileNotFoundError:
            return manifest
    files, meta = dict(manifest.files), dict(manifest.meta)
    patched: dict[str, dict[str, str | None]] = {}
    for line in lines:
        entry = Entry.decode(line)
        if entry is not None and entry.base == base:
            for path in entry.removals:
                files.pop(path, None)
            files.update({file.path: file for file in entry.puts})
            meta.update(entry.meta)
            for key, patch in entry.patches.items():
                patched.setdefault(key, json.loads(meta.get(key, "{}"))).update(patch)
    for key, values in patched.items():
        meta[key] = json.dumps({name: value for name, value in values.items() if value is not None}, ensure_ascii=False)
    return replace(manifest, files=files, meta=meta)


def updates_in(log: Path) -> int:
    """How many updates a release got since it was published. Raises OutputError."""
    with disk_errors("the log of updates cannot be read", log), suppress(FileNotFoundError):
        return sum(Entry.decode(line) is not None for line in log.read_bytes().splitlines())
    return 0


def append(log: Path, entry: Entry) -> None:
    """Add a line, on the disk when this returns. Raises OSError."""
    content = entry.encode()
    file = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, disk.FILE_MODE)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        whole = b"\n" + content if torn else content
        if os.write(file, whole) != len(whole):
            raise OSError(28, "the log of updates could not be written whole", str(log))
        os.fsync(file)
    finally:
        os.close(file)


class Update:
    """One update in the making. Files are written below `folder`; `publish` makes them live."""

    def __init__(self, state: Path, live_folder: Path, manifest_file: Path, *, staging: Path, now: datetime) -> None:
        self.folder = staging
        self._live_folder = live_folder
        self._manifest_file = manifest_file
        self._log = log_of(manifest_file)
        self._journal = journal_of(state)
        self._now = now
        with disk_errors("the folder for an update cannot be made", staging):
            remove_tree(staging, ignore_errors=True)
            staging.parent.mkdir(parents=True, exist_ok=True)
            staging.mkdir()

    def copy_in(self, path: str, source: Path, sha256: str, phase: Phase = Phase.ASSETS) -> OutputFile:
        """A file with the bytes of `source`, which must have this hash. Raises OutputError."""
        with disk_errors("a file cannot be copied into the site", source), disk.open_regular(None, source) as opened:
            content = b"".join(disk.chunks_of(opened))
            if hashlib.sha256(content).hexdigest() != sha256:
                raise OutputError("a file is not what its hash says", code="VB6002", where=str(source))
            disk.create_file(self.folder, path, [content])
        return OutputFile(path, sha256, len(content), phase)

    def publish(
        self,
        puts: Sequence[OutputFile],
        removals: Sequence[str],
        meta: Mapping[str, str],
        patches: Mapping[str, Mapping[str, str | None]],
        *,
        guards: Sequence[Guard],
        commit: Callable[[], None],
    ) -> tuple[OutputChange, ...]:
        """Make the staged files live and take the removed ones away; `commit` writes the rows that describe them.

        Raises GuardRefused, OutputError, and what `commit` raises; the live site is then as it was. Once `commit` has
        returned, the update is done: now, or by the next start.
        """
        changes = self._changes(puts, removals)
        try:
            self._seal(puts)
            staged = Staged(self.folder, None, {file.path: file for file in puts}, changes)
            for guard in guards:
                guard(staged)
            with disk_errors("the update could not be prepared", self.folder):
                entry = Entry(tuple(puts), tuple(removals), dict(meta), patches, base_of(self._manifest_file))
                journal = json.dumps(
                    [self.folder.name, str(self._live_folder), str(self._log), entry.encode().decode()]
                )
                disk.replace_file(self._journal, journal.encode())
            try:
                commit()
            except BaseException:
                self._journal.unlink()
                raise
        except BaseException:
            self.discard()
            raise
        with disk_errors("the site is half updated; the next build completes it", self._live_folder):
            _apply(self.folder, self._live_folder, self._log, entry)
            self._journal.unlink()
            self._fold()
        self.discard()
        return changes

    def _fold(self) -> None:
        """A log that has grown long becomes part of the manifest: reading it must not take ever longer."""
        if self._log.stat().st_size < LOG_BYTES_MAX:
            return
        found = manifest.read(self._manifest_file)
        if found is not None:
            disk.replace_file(self._manifest_file, manifest.encode(with_log(found, self._manifest_file)))
            self._log.unlink()  # killed before this, the log speaks of a manifest that is no more, and does not count

    def discard(self) -> None:
        """Let go of the staged files, unless a journal is there: then the next start needs them."""
        with suppress(OSError):  # if that cannot be told, it may be there
            if disk.look(self._journal) is None:
                remove_tree(self.folder, ignore_errors=True)

    def _changes(self, puts: Sequence[OutputFile], removals: Sequence[str]) -> tuple[OutputChange, ...]:
        found = []
        for file in puts:
            there = disk.look(self._live_folder / file.path) is not None
            kind = OutputKind.REWRITTEN if there else OutputKind.CREATED
            found.append(OutputChange(file.path, kind, file.sha256, file.size_bytes))
        return (*found, *(OutputChange(path, OutputKind.REMOVED, None, 0) for path in removals))

    def _seal(self, puts: Sequence[OutputFile]) -> None:
        """Each staged file is what was written, has a time later than the file that it replaces, and is on the disk."""
        stamp = Stamp(self._live_folder, int(self._now.timestamp()))
        expected = {file.path: file for file in puts}
        with disk_errors("the update could not be prepared", self.folder), disk.Descent(self.folder) as descent:
            found = set(disk.files_below(self.folder))
            wrong = sorted(found ^ expected.keys())
            for path in sorted(found & expected.keys()):
                parent, name = descent.parent_of(path)
                with disk.open_regular(parent, name) as file:
                    if disk.digest(file) != expected[path].sha256:
                        wrong.append(path)
                    mtime_s = stamp(path)
                    os.utime(file, (mtime_s, mtime_s))
                    os.fsync(file)
        if wrong:
            raise OutputError(
                f"{len(wrong)} staged files are not what was written",
                code="VB6002",
                where=", ".join(wrong[:5]),
                hint="nothing was published; build again, and look at the disk if it happens twice",
            )


def journal_of(state: Path) -> Path:
    return state / "update.json"


def complete(state: Path) -> None:
    """Finish an update that was cut short. Raises OutputError, GuardRefused VB5004 for a damaged journal."""
    file = journal_of(state)
    with disk_errors("the journal of an update cannot be read", file):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return
    try:
        staged, live, log, line = json.loads(content)
        entry = Entry.decode(line.encode())
        if entry is None:
            raise ValueError("its checksum does not fit")
    except (ValueError, TypeError, AttributeError) as error:
        raise GuardRefused(
            f"the journal of an interrupted update cannot be trusted: {error}",
            code="VB5004",
            where=str(file),
            hint="remove this file and build with --clean: what is half updated is then written anew",
        ) from error
    live_folder = Path(live)
    with disk_errors("the site is half updated and could not be completed", live_folder):
        if live_folder.is_dir():
            staging = _staging_of(live_folder, state, staged)
            _refuse_lost(staging, live_folder, entry, file)
            _apply(staging, live_folder, Path(log), entry)
            remove_tree(staging, ignore_errors=True)
        file.unlink()


def _refuse_lost(staged: Path, live_folder: Path, entry: Entry, journal: Path) -> None:
    """Raises GuardRefused VB5004 if a file is neither staged any more nor live: the log would say what is not so."""
    lost = [
        file.path
        for file in entry.puts
        if disk.look(staged / file.path) is None
        and (
            disk.look(live_folder / file.path) is None
            or disk.fingerprint_file(live_folder, file.path)[0] != file.sha256
        )
    ]
    if lost:
        raise GuardRefused(
            f"an interrupted update cannot be completed: {len(lost)} of its files are gone ({', '.join(lost[:3])})",
            code="VB5004",
            where=str(journal),
            hint="remove this file and build with --clean: what is half updated is then written anew",
        )


def _staging_of(live_folder: Path, state: Path, name: str) -> Path:
    for parent in (live_folder.parent, state / "staging"):
        if (parent / name).is_dir():
            return parent / name
    return live_folder.parent / name


def _apply(staged: Path, live_folder: Path, log: Path, entry: Entry) -> None:
    """Do all of it, or what is left of it: each step may have been done before. Raises OSError."""
    for phase in ORDER:
        for file in entry.puts:
            if file.phase is phase and disk.look(staged / file.path) is not None:
                _put(staged, live_folder, file.path)
    for path in entry.removals:
        take_off(live_folder, path)
    append(log, entry)


def _put(staged: Path, live_folder: Path, path: str) -> None:
    with disk.parent_of(staged, path) as (old, name), disk.parent_of(live_folder, path, create=True) as (new, _):
        os.rename(name, name, src_dir_fd=old, dst_dir_fd=new)


def take_off(live_folder: Path, path: str) -> None:
    """Remove a file of ours, and the folders that are empty then. A folder of that name is no longer that file."""
    try:
        with disk.parent_of(live_folder, path) as (parent, name):
            os.unlink(name, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    folder = (live_folder / path).parent
    while folder != live_folder:
        with suppress(OSError):
            folder.rmdir()
            folder = folder.parent
            continue
        return
