"""A plain folder as the live site, for hosts and CI jobs that want one: changed files are renamed into it one by one.

Each file changes in one step, the site as a whole does not. So the order is fixed (assets, pages, lists, and removals
last: no page is live before what it shows), and before the first rename a journal is on the disk that says all there
is to do. Whatever interrupts the work, the next start rolls it forward; there is no way back, and no older release.

Only files that are in the manifest are ever replaced or removed. Whoever calls `begin` holds the `SiteLock`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from velobuild.errors import GuardRefused
from velobuild.model.outputs import OutputKind, Phase
from velobuild.model.ports import Clock, utc_now
from velobuild.publish import disk, manifest, update
from velobuild.publish.disk import disk_errors, remove_tree
from velobuild.publish.manifest import Manifest, ManifestDamaged, ReleaseInfo
from velobuild.publish.place import check_one_disk, check_place, check_writable, foreign
from velobuild.publish.shelf import TEMPORARY, no_release
from velobuild.publish.staging import Staging
from velobuild.publish.update import Update, log_of, take_off, with_log

ORDER = (Phase.ASSETS, Phase.PAGES, Phase.LISTS)
OUT_KEY = "velobuild.out"  # kept with the manifest: it speaks of this folder and of no other
ReleaseInfos = list[ReleaseInfo]


@dataclass(frozen=True, slots=True)
class Journal:
    """Everything that is left to do, and what is true when it is done. `puts` is a tuple of paths for each phase."""

    staged: str
    puts: tuple[tuple[str, ...], ...]
    removals: tuple[str, ...]
    after: Manifest

    def encode(self) -> bytes:
        after = manifest.encode(self.after).decode()
        return json.dumps([self.staged, self.puts, self.removals, after], ensure_ascii=False).encode()

    @classmethod
    def decode(cls, content: bytes) -> Journal:
        """Raises ManifestDamaged."""
        try:
            staged, puts, removals, after = json.loads(content)
            return cls(staged, tuple(map(tuple, puts)), tuple(removals), manifest.decode(after.encode()))
        except ManifestDamaged:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise ManifestDamaged("it is not written as a journal is") from error


class InPlace:
    """The live site in a plain folder. The same methods as `Releases`; there is only the present to list."""

    shares_inodes = False

    def __init__(self, state: Path, out: Path, *, clock: Clock = utc_now) -> None:
        self._state = state.absolute()
        self._out = out.absolute()
        self._clock = clock
        self._staging = self._state / "staging"
        self._manifest = self._state / "manifests" / "in-place.json"
        self._journal = self._state / "journal.json"

    def preflight(self) -> None:
        """Whether the folder could be published to. Changes nothing.

        Raises OutputError VB6002, VB6003; GuardRefused VB5004 if the journal is damaged.
        """
        with disk_errors("the output folder cannot be looked at", self._out):
            check_place(self._state, self._out)
            check_one_disk(self._staging, self._out)
            if disk.is_link(self._out):
                raise foreign(f"{self._out.name} is a link, but publishing in place needs a folder", self._out)
            if disk.look(self._out) and not disk.is_folder(self._out):
                raise foreign(f"{self._out.name} is a file", self._out)
            check_writable(self._out)
            self._pending()
            names = os.listdir(self._out) if disk.look(self._out) else []
        if names and self.live() is None:
            raise foreign("the output folder holds files that velobuild did not publish", self._out, names)

    def live(self) -> Manifest | None:
        """What is live; after an interruption, what will be once the next start has completed the journal.

        None if nothing was published to this folder, if it is gone, or if its manifest cannot be trusted.
        """
        if not self._out.is_dir():
            return None
        try:
            pending = self._pending()
            found = pending.after if pending else manifest.read(self._manifest)
            if found is not None and pending is None:
                found = with_log(found, self._manifest)
        except GuardRefused:
            return None
        return _without_out(found) if found and found.meta.get(OUT_KEY) == str(self._out) else None

    def complete(self) -> None:
        """Finish what an earlier run left half published. Raises OutputError, GuardRefused."""
        with disk_errors("the site is half published and could not be completed", self._out):
            self._complete()
        update.complete(self._state)

    def identity(self) -> str | None:
        """Which folder is live, told without reading what it holds; None if nothing is."""
        found = disk.look(self._out)
        return None if found is None or not self._manifest.exists() else f"{self._out}:{found.st_ino}"

    def update(self) -> Update:
        """Change a few files of the live folder: the caller has looked that it is ours."""
        staging = self._staging / f"{TEMPORARY}update"
        return Update(self._state, self._out, self._manifest, staging=staging, now=self._clock())

    def begin(self) -> Staging:
        """An empty folder for what changes, after an interrupted publication was completed.

        Raises OutputError and GuardRefused, as `preflight`.
        """
        self.preflight()
        with disk_errors("the folder for the next files cannot be made", self._state):
            self._complete()
            disk.make_folder(self._staging)
            disk.make_folder(self._manifest.parent)
            for left in [*self._staging.glob(f"{TEMPORARY}*"), *self._manifest.parent.glob(f"{TEMPORARY}*")]:
                remove_tree(left) if disk.is_folder(left) else left.unlink()
            self._journal.with_name(f"{TEMPORARY}{self._journal.name}").unlink(missing_ok=True)
            folder = self._staging / f"{TEMPORARY}next"
            folder.mkdir()
            folder.chmod(disk.FOLDER_MODE)
        return Staging(self, folder, live=self.live(), live_folder=self._out, now=self._clock())

    def rollback(self, to: int | None = None) -> ReleaseInfo:
        """Raises GuardRefused VB5005: a plain folder has no older release."""
        raise no_release('publishing "in-place" keeps no older release', self._out)

    def held(self) -> None:
        """There is no rollback, so there is no hold."""
        return

    def resume(self) -> None:
        """Does nothing, as `held` is always None."""

    def make_room(self) -> bool:
        """There is nothing to spare."""
        return False

    def restamp(self, live: Manifest) -> None:
        """Store other `meta` with the live files."""
        with disk_errors("the manifest could not be written", self._manifest):
            disk.replace_file(self._manifest, manifest.encode(self._with_out(live)))
            log_of(self._manifest).unlink(missing_ok=True)  # the manifest holds its updates now

    def commit(self, folder: Path, new: Manifest, old: Manifest | None) -> None:
        """Write the journal, then do what it says. Before the journal is on the disk a failure changes nothing; after
        it the site is between two states until the next start completes it, and the message says so."""
        try:
            with disk_errors("the site could not be published", self._out):
                journal = self._plan(folder, self._with_out(new), old)
                disk.flush(folder, [path for phase in journal.puts for path in phase])
                disk.replace_file(self._journal, journal.encode())
        except BaseException:
            with suppress(OSError):  # if that cannot be told, the journal may be there and need the folder
                if disk.look(self._journal) is None:
                    remove_tree(folder, ignore_errors=True)
            raise
        with disk_errors("the site is half published; the next build completes it", self._out):
            self._apply(journal)

    def _plan(self, folder: Path, new: Manifest, old: Manifest | None) -> Journal:
        """Raises OutputError VB6003 where a file of someone else stands in a new file's place."""
        changes = manifest.compare(old.files if old else manifest.NOTHING, new.files)
        staged = set(disk.files_below(folder))
        puts = tuple(tuple(sorted(path for path in staged if new.files[path].phase is phase)) for phase in ORDER)
        created = [change.path for change in changes if change.kind is OutputKind.CREATED]
        strangers = _strangers(self._out, created, old.files if old else manifest.NOTHING)
        if strangers:
            raise foreign("files of someone else stand where new ones belong", self._out, strangers)
        removals = tuple(change.path for change in changes if change.kind is OutputKind.REMOVED)
        return Journal(folder.name, puts, removals, new)

    def _pending(self) -> Journal | None:
        try:
            return Journal.decode(self._journal.read_bytes())
        except FileNotFoundError:
            return None
        except ManifestDamaged as error:
            raise GuardRefused(
                f"the journal of an interrupted publication cannot be trusted: {error}",
                code="VB5004",
                where=str(self._journal),
                hint="remove this file and build again: what is half published is then written anew",
            ) from error
        except OSError as error:
            raise disk.output_error(error, "the journal cannot be read", self._journal) from error

    def _complete(self) -> None:
        journal = self._pending()
        if journal is None:
            return
        if self._out.is_dir():
            self._apply(journal)
        else:  # Somebody removed the site: what it lacks now is more than the journal knows.
            self._journal.unlink()

    def _apply(self, journal: Journal) -> None:
        """Do all of it, or what is left of it: each step may have been done before. Raises OSError."""
        staged = self._staging / journal.staged
        removals = set(journal.removals)
        disk.make_folder(self._out)
        for paths in journal.puts:
            for path in paths:
                self._put(staged, path, removals)
            if paths:  # what is shown reaches the disk before what shows it
                disk.flush(self._out, paths)
        for path in journal.removals:
            take_off(self._out, path)
        if journal.removals:
            disk.flush(self._out, ())
        disk.make_folder(self._manifest.parent)
        disk.replace_file(self._manifest, manifest.encode(journal.after))
        log_of(self._manifest).unlink(missing_ok=True)
        self._journal.unlink()
        disk.sync_folder(self._state)
        remove_tree(staged, ignore_errors=True)

    def _put(self, staged: Path, path: str, removals: set[str]) -> None:
        if disk.look(staged / path) is None:
            return  # renamed before the interruption
        # `a` may become a folder, or the folder `a` a file: what was there goes first.
        for at, character in enumerate(path):
            if character == "/" and path[:at] in removals:
                take_off(self._out, path[:at])
        place = self._out / path
        if disk.is_folder(place):
            for gone in sorted(removals):
                if gone.startswith(f"{path}/"):
                    take_off(self._out, gone)
            for folder, _, _ in os.walk(place, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
        with disk.parent_of(staged, path) as (old, name), disk.parent_of(self._out, path, create=True) as (new, _):
            os.rename(name, name, src_dir_fd=old, dst_dir_fd=new)

    def _with_out(self, release: Manifest) -> Manifest:
        meta = {**release.meta, OUT_KEY: str(self._out)}
        return Manifest(None, release.files, meta, release.created_at, None)

    # Last, since from here on `list` means this method.
    def list(self) -> ReleaseInfos:
        """Always empty: nothing older is kept."""
        return []


def _without_out(release: Manifest) -> Manifest:
    meta = {key: value for key, value in release.meta.items() if key != OUT_KEY}
    return Manifest(None, release.files, meta, release.created_at, None)


def _strangers(out: Path, created: Iterable[str], ours: Container[str]) -> list[str]:
    """New paths whose place is taken by what we did not publish: a file or link above it, or anything at it."""
    found = []
    passable: dict[str, bool] = {}  # folders above new files, each looked at once
    for path in created:
        above = [path[:at] for at, character in enumerate(path) if character == "/"]
        for folder in above:
            if folder not in passable:
                passable[folder] = folder in ours or not disk.look(out / folder) or disk.is_folder(out / folder)
        if not all(passable[folder] for folder in above) or _is_occupied(out, path, ours):
            found.append(path)
    return found


def _is_occupied(out: Path, path: str, ours: Container[str]) -> bool:
    place = out / path
    if disk.look(place) is None:
        return False
    if disk.is_folder(place):
        return any(f"{path}/{name}" not in ours for name in disk.files_below(place))
    return path not in ours
