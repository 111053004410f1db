"""A program that updates a small live site and dies on purpose. Prints what it found as JSON.

    update_rig.py update ROOT MODE            one update to the next version; exit code as the command line gives it
    update_rig.py calls ROOT MODE             an update killed at its 1st, 2nd, … file operation, until one survives
    update_rig.py completions ROOT MODE       the same, and each completion of it killed at every operation too
    update_rig.py fails ROOT MODE             an update whose 1st, 2nd, … rename or unlink fails, until none is left

MODE is `release` or `in-place`. A file `rows` stands for the database: it says which version the trace knows.
"""

from __future__ import annotations

import errno
import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.publish.conftest import snapshot
from tests.publish.rig import die_at, forked, home, live_version, served
from velobuild.errors import VelobuildError
from velobuild.model.outputs import OutputFile, Phase
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import write_file
from velobuild.publish.update import journal_of

POSTS = 3
FAILING = {"os.rename", "os.remove", "os.rmdir"}


def contents(version: int) -> dict[str, str]:
    """The whole site of a version: an asset and a page come and one of each goes, a page and the list change."""
    pages = {f"assets/style-{version}.css": f"asset {version}", "about/index.html": "constant"}
    for number in range(version, version + POSTS):
        pages[f"posts/p{number}/index.html"] = f"page {number}, seen by version {version if number % 2 else 'all'}"
    pages["index.html"] = f"version {version}\nneeds assets/style-{version}.css\nend"
    return pages


def phase_of(path: str) -> Phase:
    if path.startswith("assets/"):
        return Phase.ASSETS
    return Phase.LISTS if path == "index.html" else Phase.PAGES


def begin(root: Path, mode: str) -> None:
    """Two full publications, so that there is an older release, and the rows of the second."""
    for version in (1, 2):
        with SiteLock(root / ".velobuild"), home(root, mode).begin() as staging:
            for path, text in contents(version).items():
                staging.write(path, text.encode(), phase_of(path))
            staging.publish({"version": str(version), "posts": json.dumps({"a": "1"})})
    write_rows(root, 2)


def rows(root: Path) -> int:
    return int((root / ".velobuild" / "rows").read_text())


def write_rows(root: Path, version: int) -> None:
    new = root / ".velobuild" / "rows.new"
    new.write_text(str(version))
    new.replace(new.with_name("rows"))


def update(root: Path, mode: str) -> int:
    """Complete what was cut short, then bring the live site from the version of the rows to the next one."""
    with SiteLock(root / ".velobuild"):
        publisher = home(root, mode)
        publisher.preflight()
        publisher.complete()
        before = rows(root)
        old, new = contents(before), contents(before + 1)
        staged = publisher.update()
        try:
            puts = []
            for path, text in sorted(new.items()):
                if old.get(path) != text:
                    write_file(staged.folder, path, text.encode())
                    digest = sha256(text.encode()).hexdigest()
                    puts.append(OutputFile(path, digest, len(text.encode()), phase_of(path)))
            staged.publish(
                puts,
                sorted(old.keys() - new.keys()),
                {"version": str(before + 1)},
                {"posts": {"a": None, "b": str(before + 1)}},
                guards=[],
                commit=lambda: write_rows(root, before + 1),
            )
        finally:
            staged.discard()
    return before + 1


def complete(root: Path, mode: str) -> None:
    with SiteLock(root / ".velobuild"):
        publisher = home(root, mode)
        publisher.preflight()
        publisher.complete()


def faults_at_once(root: Path, before: int) -> list[str]:
    """What is wrong right after a death: each file is of one version, and a page's asset is there before the page."""
    old, new = contents(before), contents(before + 1)
    found = served(root)
    wrong = [path for path, text in found.items() if text not in (old.get(path), new.get(path))]
    wrong += sorted((old.keys() & new.keys()) - found.keys())
    if found["index.html"].split()[3] not in found:
        wrong.append("index.html needs an asset that is not there")
    return wrong


def faults(root: Path, mode: str, before: int) -> list[str]:
    """What is wrong after the next start has completed the update: the site is of one version, as its rows say."""
    version = live_version(root)
    wrong = [] if version in (before, before + 1) else [f"version {version} after {before}"]
    if rows(root) == before + 1 and version == before:
        wrong.append("the rows know what the site does not show")
    if served(root) != contents(version):
        wrong.append(f"version {version} is a mixture")
    live = home(root, mode).live()
    if live is None:
        return [*wrong, "no manifest"]
    told = {path: file.sha256 for path, file in live.files.items()}
    if told != {path: sha256(text.encode()).hexdigest() for path, text in served(root).items()}:
        wrong.append("the manifest with its log is not what is live")
    if live.meta["version"] != str(version):
        wrong.append(f"the manifest says version {live.meta['version']}")
    posts = {"a": "1"} if version == 2 else {"b": str(version)}
    if json.loads(live.meta["posts"]) != posts:
        wrong.append(f"the posts of the manifest are {live.meta['posts']}")
    if journal_of(root / ".velobuild").exists():
        wrong.append("the journal is still there")
    return wrong


def mtimes(root: Path) -> dict[str, float]:
    return {path: (root / "public" / path).stat().st_mtime for path in served(root)}


def younger(root: Path, before: dict[str, float], old: dict[str, str]) -> list[str]:
    """Files of other bytes that are not younger than what they replaced."""
    now = mtimes(root)
    text = served(root)
    return [
        f"{path} kept its time" for path in before.keys() & now if text[path] != old[path] and now[path] <= before[path]
    ]


class Trial:
    """One root that is made anew from a template for each death."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.mode = mode
        self.root = folder / "work"
        self.template = folder / "template"
        begin(self.root, mode)
        self.root.rename(self.template)

    def again(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root, symlinks=True, copy_function=_linked)
        self.older = snapshot(self.root / ".velobuild" / "releases" / "1") if self.mode == "release" else {}
        self.times, self.texts = mtimes(self.root), served(self.root)

    def judged(self) -> list[str]:
        """After a death: what is wrong now, after the completion, and after the next update."""
        wrong = faults_at_once(self.root, 2)
        complete(self.root, self.mode)
        wrong += faults(self.root, self.mode, 2) + younger(self.root, self.times, self.texts)
        known = rows(self.root)
        update(self.root, self.mode)
        wrong += faults(self.root, self.mode, known)
        if self.mode == "release" and snapshot(self.root / ".velobuild" / "releases" / "1") != self.older:
            wrong.append("an older release was touched")
        wrong += [str(path) for path in self.root.rglob("*tmp-*")]
        return wrong


def _linked(source: str, target: str) -> str:
    return shutil.copy2(source, target)


def calls(folder: Path, mode: str) -> dict[str, Any]:
    trial, number, bad, seen = Trial(folder, mode), 0, [], set()
    while True:
        number += 1
        trial.again()
        ended = forked(lambda at=number: (die_at(at), update(trial.root, mode)))
        seen.add(served(trial.root) == contents(2))
        bad += [f"call {number}: {what}" for what in trial.judged()]
        if ended:
            return {"killed": number - 1, "bad": bad, "seen": sorted(seen)}


def completions(folder: Path, mode: str) -> dict[str, Any]:
    trial, number, killed, bad = Trial(folder, mode), 0, 0, []
    while True:
        number += 1
        trial.again()
        if forked(lambda at=number: (die_at(at), update(trial.root, mode))):
            return {"killed": killed, "bad": bad}
        if not journal_of(trial.root / ".velobuild").exists():
            continue
        halfway = trial.root.with_name("halfway")
        shutil.rmtree(halfway, ignore_errors=True)
        shutil.move(trial.root, halfway)
        second = 0
        while True:
            second += 1
            shutil.rmtree(trial.root, ignore_errors=True)
            shutil.copytree(halfway, trial.root, symlinks=True)
            ended = forked(lambda at=second: (die_at(at), complete(trial.root, mode)))
            if mode == "release":
                trial.older = snapshot(trial.root / ".velobuild" / "releases" / "1")
            killed += not ended
            bad += [f"call {number}, completion {second}: {what}" for what in trial.judged()]
            if ended:
                break


def fail_at(number: int) -> None:
    """Let an operation that changes names fail, as a disk without room or with an error does."""
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in FAILING:
            left -= 1
            if left == 0:
                raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))

    sys.addaudithook(count)


def fails(folder: Path, mode: str) -> dict[str, Any]:
    trial, number, failed, bad = Trial(folder, mode), 0, 0, []
    while True:
        number += 1
        trial.again()
        outcome = trial.root.with_name("outcome")
        outcome.write_text("")

        def attempt(at: int = number, said: Path = outcome) -> None:
            fail_at(at)
            try:
                update(trial.root, mode)
            except VelobuildError as error:
                said.write_text(repr(error))
            except OSError as error:  # What the writing of the rows raised goes through as it is.
                said.write_text(repr(error) if "rows" not in str(error.filename) else "OutputError")

        assert forked(attempt)
        said = outcome.read_text()
        failed += bool(said)
        if said and "OutputError" not in said:
            bad.append(f"call {number}: {said}")
        bad += [f"call {number}: {what} ({said})" for what in trial.judged()]
        if number > 60:
            return {"failed": failed, "bad": bad}


def main() -> int:
    command, root, mode = sys.argv[1:4]
    if command == "update":
        try:
            update(Path(root), mode)
        except VelobuildError as error:
            sys.stderr.write(f"{error.code} {error}\n")
            return error.exit_code
        return 0
    found = {"calls": calls, "completions": completions, "fails": fails}[command](Path(root), mode)
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
