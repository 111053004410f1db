"""The releases on disk: which there are, which one is live, whether they are whole; and taking old ones off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from velobuild.errors import GuardRefused
from velobuild.publish import disk, history, manifest
from velobuild.publish.disk import Identity, disk_errors, remove_tree
from velobuild.publish.history import History
from velobuild.publish.manifest import Manifest, ReleaseInfo
from velobuild.publish.update import log_of, with_log

TEMPORARY = ".tmp-"


class Shelf:
    """`releases/7` with `manifests/7.json` below `state`, and the link `out` that names one of them.

    Methods that change something raise OSError; their callers know what was being tried.
    """

    def __init__(self, state: Path, out: Path) -> None:
        self.folders = state / "releases"
        self.manifests = state / "manifests"
        self.record = state / "releases.json"
        self._out = out
        self._read: tuple[int, tuple[Identity, Identity | None], Manifest] | None = None

    def numbers(self) -> list[int]:
        """Of all folders, ascending."""
        return sorted(_numbers_in(self.folders, ""))

    def highest_number(self) -> int:
        """The highest that is or was in use, so that none is given twice: numbers do not follow the clock."""
        return max([self.history().highest, *self.numbers(), *_numbers_in(self.manifests, ".json")], default=0)

    def folder(self, number: int) -> Path:
        return self.folders / str(number)

    def manifest_file(self, number: int) -> Path:
        return self.manifests / f"{number}.json"

    def history(self) -> History:
        return history.read(self.record) or History(highest=max(self.numbers(), default=0))

    def live_number(self) -> int | None:
        number = self.number_behind(self._out)
        with disk_errors("the live release cannot be looked at", self._out):
            return number if number is not None and disk.is_folder(self.folder(number)) else None

    def number_behind(self, link: Path) -> int | None:
        """The release that a link names, whether or not it exists; None if it leads elsewhere, or is no link.

        Raises OutputError if that cannot be told: a live release taken for none would be pruned.
        """
        with disk_errors("the output link cannot be read", link):
            if not disk.is_link(link):
                return None
            target = link.parent / link.readlink()  # its `..` are the kernel's to follow: the parent may be a link
            try:
                ours = target.parent.samefile(self.folders)
            except (FileNotFoundError, NotADirectoryError):  # dangling, for .velobuild was removed: still ours
                ours = os.path.realpath(target.parent) == os.path.realpath(self.folders)
            return _number(target.name) if ours else None

    def live(self) -> Manifest | None:
        """None too where the manifest cannot be trusted."""
        number = self.live_number()
        with suppress(GuardRefused):
            return None if number is None else self.manifest(number)
        return None

    def manifest(self, number: int) -> Manifest | None:
        """Read once and kept as long as the file is the same. Raises GuardRefused VB5004 if it is damaged."""
        file = self.manifest_file(number)
        try:
            identity = (Identity.of(file.stat()), _identity(log_of(file)))
        except OSError:
            return self._read_anew(number)
        if self._read is None or self._read[:2] != (number, identity):
            found = self._read_anew(number)
            if found is None:
                return None
            self._read = (number, identity, found)
        return self._read[2]

    def _read_anew(self, number: int) -> Manifest | None:
        """The manifest with the updates since it was written."""
        file = self.manifest_file(number)
        found = manifest.read(file)
        return None if found is None else with_log(found, file)

    def trusted_manifest(self, number: int) -> Manifest:
        """Raises GuardRefused VB5005 if there is no such release, VB5004 if its manifest is lost or damaged."""
        found = self.manifest(number)
        if number not in self.numbers():
            raise no_release(f"there is no release {number}", self.folders)
        if found is None:
            raise manifest.damaged(f"release {number} has lost its manifest", self.manifest_file(number))
        return found

    def faults(self, number: int) -> tuple[str, ...]:
        """Paths of a release that are missing, changed, or not in its manifest. Raises as `trusted_manifest`."""
        expected = self.trusted_manifest(number).files
        folder = self.folder(number)
        with disk_errors("the release cannot be read", folder):
            wrong = set(disk.files_below(folder)) ^ set(expected)
        for path, file in expected.items():
            try:
                sha256, _ = disk.fingerprint_file(folder, path)
            except OSError:
                sha256 = ""
            if sha256 != file.sha256:
                wrong.add(path)
        return tuple(sorted(wrong))

    def describe(self, number: int) -> ReleaseInfo:
        live = self.live_number() == number
        held = live and self.history().held == number
        found: Manifest | None = None
        with suppress(GuardRefused):
            found = self._read_anew(number)
        if found is None:
            return ReleaseInfo(number, None, None, None, live, held)
        return ReleaseInfo(number, found.created_at, len(found.files), found.size_bytes, live, held)

    def tidy(self, keep: int) -> None:
        """The janitor: remove what a killed run left, releases that were never live, and those beyond `keep`."""
        disk.make_folder(self.folders)
        disk.make_folder(self.manifests)
        self._remove_temporary()
        live, recorded = self.live_number() or 0, history.read(self.record)
        highest = max(self.history().highest, live)
        if recorded is None:
            history.write(self.record, History(highest))
        elif live > recorded.highest:  # killed between the link's rename and the record's
            history.write(self.record, History(live, recorded.previous))
        for number in self.numbers():
            if number > highest:
                self.remove(number)
        for number in set(_numbers_in(self.manifests, ".json")) - set(self.numbers()):
            self.manifest_file(number).unlink()
        for number in set(_numbers_in(self.manifests, ".log")) - set(self.numbers()):
            log_of(self.manifest_file(number)).unlink()
        self.prune(keep)

    def prune(self, keep: int) -> bool:
        """Remove the oldest beyond `keep`, never the live one, the one before it, or one that is held."""
        live, now = self.live_number(), self.history()
        numbers = self.numbers()
        # The first line is enough: a build that reads back all that it published holds the site's files twice.
        before = None if live is None else manifest.previous_in(self.manifest_file(live))
        spared = {live, now.previous, now.held, before}
        others = [number for number in numbers if number not in spared]
        room = max(keep - (len(numbers) - len(others)), 0)
        gone = others[: max(len(others) - room, 0)]
        for number in gone:
            self.remove(number)
        return bool(gone)

    def remove(self, number: int) -> None:
        gone = self.folders / f"{TEMPORARY}gone-{number}"
        self.folder(number).rename(gone)  # first, for a half-removed folder must not look like a release
        self.manifest_file(number).unlink(missing_ok=True)
        log_of(self.manifest_file(number)).unlink(missing_ok=True)
        remove_tree(gone)

    def _remove_temporary(self) -> None:
        for folder in (self.folders, self.manifests):
            for left in folder.glob(f"{TEMPORARY}*"):
                remove_tree(left) if disk.is_folder(left) else left.unlink()
        self.record.with_name(f"{TEMPORARY}{self.record.name}").unlink(missing_ok=True)
        prefix = self.link_prefix()
        with suppress(FileNotFoundError):
            for name in os.listdir(self._out.parent):
                left = self._out.parent / name
                if name.startswith(prefix) and self.number_behind(left) is not None:
                    left.unlink()

    def link_prefix(self) -> str:
        """How the temporary links beside `out` begin."""
        return f".{self._out.name}{TEMPORARY}"


def _identity(file: Path) -> Identity | None:
    found = disk.look(file)
    return None if found is None else Identity.of(found)


def no_release(what: str, where: Path) -> GuardRefused:
    """VB5005."""
    hint = "`velobuild releases` lists those that are kept; build.keep_releases says how many"
    return GuardRefused(what, code="VB5005", where=str(where), hint=hint)


def _numbers_in(folder: Path, suffix: str) -> Iterator[int]:
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            number = _number(name.removesuffix(suffix)) if name.endswith(suffix) else None
            if number is not None:
                yield number


def _number(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() and not name.startswith("0") else None
