"""Numbered releases behind one link: `public` → `.velobuild/releases/7`. A new one goes live by renaming the link.

The order of a publication (`commit`) is the whole of its safety: manifest and files are flushed before the folder
gets its number, the folder before the link moves, and nothing old is removed until the link has moved. Whatever is
cut short before the link's rename leaves a folder that no link names, and the next `begin` removes it.

Whoever calls anything that writes (`begin`, `rollback`, `resume`) holds the `SiteLock`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from velobuild.errors import OutputError
from velobuild.model.outputs import Phase
from velobuild.model.ports import Clock, utc_now
from velobuild.publish import disk, history, manifest, update
from velobuild.publish.disk import disk_errors, remove_tree
from velobuild.publish.history import History
from velobuild.publish.manifest import Manifest, ReleaseInfo
from velobuild.publish.place import check_one_disk, check_place, foreign
from velobuild.publish.shelf import TEMPORARY, Shelf, no_release
from velobuild.publish.staging import Staging, Writer, write_file
from velobuild.publish.update import Update, log_of, updates_in

__all__ = ["Releases", "Staging", "Writer", "write_file"]

KEPT_ON_A_FULL_DISK = 2
PLENTY_BYTES = 8 << 30
"""With so much left, half a million pages fit twice: then the sizes of the live ones need not be added up."""
ReleaseInfos = list[ReleaseInfo]


class Releases:
    """The releases of one site. `keep` counts the live one; the live and the previous one are never removed."""

    shares_inodes = True

    def __init__(self, state: Path, out: Path, *, keep: int = 5, clock: Clock = utc_now) -> None:
        self._state = state.absolute()
        self._out = out.absolute()
        self._keep = max(keep, KEPT_ON_A_FULL_DISK)
        self._clock = clock
        self._shelf = Shelf(self._state, self._out)

    def preflight(self) -> None:
        """Whether a release could be published here. Changes nothing.

        Raises OutputError: VB6003 if `out` is somebody else's, VB6002 if it cannot be written or lies across file
        systems, VB6001 if the disk has too little room (twice the pages of the live release).
        """
        self._check_place()
        if len(self._shelf.numbers()) <= KEPT_ON_A_FULL_DISK:  # else `begin` can make room first
            self._check_space()

    def live(self) -> Manifest | None:
        """What is live now; None if nothing is, or if its manifest cannot be trusted (all is then written anew)."""
        return self._shelf.live()

    def complete(self) -> None:
        """Finish an update of the live release that was cut short; a release itself is live or it is not."""
        update.complete(self._state)

    def identity(self) -> str | None:
        """Which folder is live, told without reading what it holds; None if nothing is."""
        number = self._shelf.live_number()
        return None if number is None else f"{number}:{self._shelf.folder(number).stat().st_ino}"

    def update(self) -> Update:
        """Change a few files of the live release: the caller has looked that there is one."""
        number = self._shelf.live_number()
        assert number is not None
        folder = self._shelf.folder(number)
        staging = self._shelf.folders / f"{TEMPORARY}update"
        return Update(self._state, folder, self._shelf.manifest_file(number), staging=staging, now=self._clock())

    def updates(self) -> int:
        """How many updates the live release got since it was published: a rollback takes all of them back."""
        number = self._shelf.live_number()
        return 0 if number is None else updates_in(log_of(self._shelf.manifest_file(number)))

    def begin(self) -> Staging:
        """An empty folder for the next release, after what earlier runs left unfinished was removed.

        Raises OutputError, as `preflight`.
        """
        self._check_place()
        self.complete()
        with disk_errors("the folder for a new release cannot be made", self._state):
            self._shelf.tidy(self._keep)
            try:
                self._check_space()
            except OutputError:
                if not self.make_room():
                    raise
                self._check_space()
            folder = self._shelf.folders / f"{TEMPORARY}{self._shelf.highest_number() + 1}"
            folder.mkdir()
            folder.chmod(disk.FOLDER_MODE)
        live_folder = self._shelf.folder(self._shelf.live_number() or 0)  # there is never a release 0
        return Staging(self, folder, live=self.live(), live_folder=live_folder, now=self._clock())

    def rollback(self, to: int | None = None) -> ReleaseInfo:
        """Make an older release live again at once, after a check of every byte, and hold it until `resume`.

        Without `to` it is the newest one older than the live one. Raises GuardRefused VB5005 (there is none) or
        VB5004 (it is damaged), OutputError; the live site is then as it was.
        """
        self._check_place()
        self.complete()
        with disk_errors("the site could not be rolled back", self._out):
            self._shelf.tidy(self._keep)
            live = self._shelf.live_number()
            number = self._before(live) if to is None else to
            chosen = self._shelf.trusted_manifest(number)
            if faults := self._shelf.faults(number):
                what = f"release {number} is not as it was published: {', '.join(faults[:5])}"
                raise manifest.damaged(what, self._shelf.folder(number))
            now = self._shelf.history()
            # The hold is written before the link moves: killed in between, it names a release that is not live and
            # counts for nothing. The other way round the next build would undo the rollback.
            history.write(self._shelf.record, History(now.highest, now.previous if live == number else live, number))
            if live != number:
                self._outdate(chosen, self.live())
                self._swap(number)
        return self._shelf.describe(number)

    def held(self) -> int | None:
        """The release that a rollback chose, as long as it is live and `resume` was not called.

        `begin` and `publish` do not look at it: whoever builds asks here first, and says so.
        """
        held = self._shelf.history().held
        return held if held is not None and held == self._shelf.live_number() else None

    def resume(self) -> None:
        """End the hold of a rollback. Raises OutputError."""
        now = self._shelf.history()
        if now.held is not None:
            with disk_errors("the hold could not be ended", self._shelf.record):
                history.write(self._shelf.record, History(now.highest, now.previous))

    def make_room(self) -> bool:
        """Remove all releases but the live and the previous one; False if there was none to remove."""
        return self._shelf.prune(KEPT_ON_A_FULL_DISK)

    def restamp(self, live: Manifest) -> None:
        """Store other `meta` with the live release."""
        assert live.release is not None
        with disk_errors("the manifest could not be written", self._shelf.manifests):
            file = self._shelf.manifest_file(live.release)
            disk.replace_file(file, manifest.encode(live))
            log_of(file).unlink(missing_ok=True)  # the manifest holds its updates now

    def commit(self, folder: Path, new: Manifest, old: Manifest | None) -> int:
        """Number the staged folder and make it live. On a failure before the link's rename nothing is left of it."""
        number = int(folder.name.removeprefix(TEMPORARY))
        new = Manifest(number, new.files, new.meta, new.created_at, self._shelf.live_number())
        try:
            with disk_errors("the release could not be published", self._shelf.folder(number)):
                self._store_manifest(new)
                disk.flush(folder, new.files)
                folder.rename(self._shelf.folder(number))
                disk.sync_folder(self._shelf.folders)
                # Prepared now, so that after the swap a rename is all that is left, and a full disk cannot stop it.
                complete_record = history.prepare(self._shelf.record, History(number, new.previous))
                self._swap(number)
                complete_record()
        except BaseException as error:
            if self._shelf.live_number() != number:
                self._withdraw(number, folder)
            elif isinstance(error, OutputError):
                what = f"release {number} is live, but the disk may not keep it after a power cut: {error}"
                raise OutputError(what, code=error.code, where=str(self._out), hint=error.hint) from error
            raise
        with suppress(OSError, OutputError):  # what cannot be removed now is removed by the next build
            self._shelf.prune(self._keep)
        return number

    def _store_manifest(self, new: Manifest) -> None:
        assert new.release is not None
        file = self._shelf.manifest_file(new.release)
        try:
            disk.replace_file(file, manifest.encoded(new))
        except OSError as error:
            if error.errno not in disk.FULL or not self.make_room():
                raise
            disk.replace_file(file, manifest.encoded(new))
        if not manifest.holds(file, new):
            raise OutputError("the manifest that was written cannot be read back", code="VB6002", where=str(file))

    def _swap(self, number: int) -> None:
        """Let `out` name another release. The rename is the one moment in which the site changes."""
        with disk_errors("the folder of the output could not be made", self._out):
            disk.make_folder(self._out.parent)
        place = os.path.realpath(self._out.parent)
        target = os.path.relpath(os.path.realpath(self._shelf.folder(number)), place)
        link = self._out.with_name(f"{self._shelf.link_prefix()}{number}")
        with disk_errors("the link to the release could not be made", self._out):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        try:
            if disk.is_folder(self._out):
                self._out.rmdir()  # it is empty; one that got files since the preflight stays, and this fails
            link.replace(self._out)  # not unlink and symlink, which leave a moment without a site
        except BaseException:
            with suppress(OSError):
                link.unlink()
            raise
        disk.sync_folder(self._out.parent)

    def _withdraw(self, number: int, folder: Path) -> None:
        with suppress(OSError):
            self._shelf.manifest_file(number).unlink(missing_ok=True)
            log_of(self._shelf.manifest_file(number)).unlink(missing_ok=True)
        for left in (folder, self._shelf.folder(number)):
            remove_tree(left, ignore_errors=True)

    def _outdate(self, chosen: Manifest, live: Manifest | None) -> None:
        """The mtime rule for a rollback: a file that replaces other bytes must be younger than they are.

        Only the inode's time is set, and no file of the live release is among them: its bytes at that path differ.
        """
        now_s = int(self._clock().timestamp())
        chosen_folder = self._shelf.folder(chosen.release or 0)
        live_folder = self._shelf.folder(self._shelf.live_number() or 0)
        for path, file in chosen.files.items():
            if live is not None and path in live.files and live.files[path].sha256 == file.sha256:
                continue
            old = disk.look(live_folder / path)
            mtime_s = max(now_s, int(old.st_mtime) + 1) if old else now_s
            os.utime(chosen_folder / path, (mtime_s, mtime_s), follow_symlinks=False)
        disk.flush(chosen_folder, chosen.files)

    def _check_place(self) -> None:
        with disk_errors("the output folder cannot be looked at", self._out):
            check_place(self._state, self._out)
            check_one_disk(self._state, self._shelf.folders)
            check_one_disk(self._state, self._shelf.manifests)
            if disk.is_link(self._out):
                if self._shelf.number_behind(self._out) is None:
                    raise foreign(f"{self._out.name} is a link to somewhere else: {self._out.readlink()}", self._out)
            elif disk.is_folder(self._out):
                if names := os.listdir(self._out):
                    raise foreign("the output folder holds files that velobuild did not publish", self._out, names)
            elif disk.look(self._out):
                raise foreign(f"{self._out.name} is a file", self._out)

    def _check_space(self) -> None:
        if self._shelf.live_number() is None:
            return
        with disk_errors("the free space cannot be told", self._shelf.folders):
            disk_now = os.statvfs(self._shelf.folders)
        free_bytes = disk_now.f_bavail * disk_now.f_frsize
        if free_bytes >= PLENTY_BYTES or (live := self.live()) is None:
            return
        pages_bytes = sum(file.size_bytes for file in live.files.values() if file.phase is not Phase.ASSETS)
        if free_bytes < 2 * pages_bytes:
            raise OutputError(
                f"the disk has {free_bytes:,} bytes left; a build may need {2 * pages_bytes:,}",
                code="VB6001",
                where=str(self._shelf.folders),
                hint="free some space, or lower build.keep_releases",
            )

    def _before(self, live: int | None) -> int:
        older = [number for number in self._shelf.numbers() if live is None or number < live]
        if not older:
            raise no_release("there is no older release", self._shelf.folders)
        return older[-1]

    # Last, since from here on `list` means this method.
    def list(self) -> ReleaseInfos:
        """The kept releases, newest first. A damaged manifest shows as None in `files` and `size_bytes`."""
        highest = max(self._shelf.history().highest, self._shelf.live_number() or 0)
        return [self._shelf.describe(number) for number in reversed(self._shelf.numbers()) if number <= highest]
