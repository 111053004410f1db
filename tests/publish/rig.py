"""A program that builds a small site again and again, and dies on purpose. Prints what it found as JSON.

    rig.py build ROOT MODE                   one build of the next version; exit code as the command line gives it
    rig.py kills ROOT MODE COUNT SEED        builds, until COUNT were killed (SIGKILL) at a random moment
    rig.py calls ROOT MODE                   a build killed at its 1st, 2nd, … file operation, until one survives
    rig.py naive ROOT                        the same deaths for a build that writes into the live folder: the control
    rig.py read ROOT                         read the page "index.html" until standard input ends

MODE is `release` or `in-place`. After each death the live site must be whole, and the next build must succeed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from velobuild.errors import VelobuildError
from velobuild.model.outputs import Phase
from velobuild.publish.inplace import InPlace
from velobuild.publish.lock import SiteLock
from velobuild.publish.releases import Releases
from velobuild.publish.shelf import Shelf

PAGES = 12
# What Python tells an audit hook about; each is a moment at which the build may die.
CALLS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.utime", "os.chmod"}
CALLS |= {"os.listdir", "os.scandir", "shutil.rmtree", "os.truncate", "fcntl.lockf"}


def home(root: Path, mode: str) -> Releases | InPlace:
    if mode == "in-place":
        return InPlace(root / ".velobuild", root / "public")
    return Releases(root / ".velobuild", root / "public", keep=3)


def contents(version: int) -> dict[str, str]:
    """The whole site of a version: some pages change, one is missing, a file becomes a folder and back."""
    style = f"body{{order:{version // 2}}}"
    asset = f"assets/style-{sha256(style.encode()).hexdigest()[:8]}.css"
    pages = {asset: style}
    for number in range(PAGES):
        if number != version % PAGES:
            state = f"version {version}" if (number + version) % 3 == 0 else "constant"
            pages[f"posts/p{number}/index.html"] = f"page {number} {state}\n" + "x" * 3_000 + "\nend"
    pages["flip" if version % 2 else "flip/index.html"] = "flip"
    pages["index.html"] = f"version {version}\nneeds {asset}\n" + "x" * 3_000 + "\nend"
    return pages


def build(root: Path, mode: str) -> int:
    """Publish the version after the live one; returns its number."""
    with SiteLock(root / ".velobuild"), home(root, mode).begin() as staging:
        version = int(staging.live.meta["version"]) + 1 if staging.live else 1
        for path, text in contents(version).items():
            old = staging.live.files.get(path) if staging.live else None
            if old and old.sha256 == sha256(text.encode()).hexdigest() and staging.keep(path):
                continue
            phase = Phase.ASSETS if path.startswith("assets/") else Phase.PAGES
            staging.write(path, text.encode(), Phase.LISTS if path == "index.html" else phase)
        staging.publish({"version": str(version)})
    return version


def served(root: Path) -> dict[str, str]:
    out = root / "public"
    files = [Path(folder) / name for folder, _, names in os.walk(out) for name in names]
    return {file.relative_to(out).as_posix(): file.read_text() for file in files}


def live_version(root: Path) -> int:
    """0 if there is no site."""
    index = root / "public" / "index.html"
    return int(index.read_text().split()[1]) if index.exists() else 0


def faults(root: Path, mode: str, before: int) -> list[str]:
    """What is wrong with the live site after a build of the version after `before` was cut short or ended."""
    if mode == "in-place":
        return _faults_in_place(root, before)
    now = live_version(root)
    if now not in (before, before + 1):
        return [f"version {now} after {before}"]
    if now == 0:
        return [] if not (root / "public").exists() else ["a link to nothing"]
    wrong = [f"version {now} is a mixture"] if served(root) != contents(now) else []
    live = home(root, mode).live()
    if live is None or live.release is None:
        return [*wrong, "no manifest"]
    return [*wrong, *Shelf(root / ".velobuild", root / "public").faults(live.release)]


def _faults_in_place(root: Path, before: int) -> list[str]:
    """Old and new files may stand side by side, but each is whole, and the home page's asset is there."""
    old, new = contents(before) if before else {}, contents(before + 1)
    found = served(root)
    wrong = [path for path, text in found.items() if text not in (old.get(path), new.get(path))]
    if "index.html" in found and found["index.html"].split()[3] not in found:
        wrong.append("index.html needs an asset that is not there")
    return wrong


def after_next_build(root: Path, mode: str) -> list[str]:
    """What is wrong when the build after a death has ended: it must be whole and leave no trace of the dead one."""
    before = live_version(root) if mode == "release" else None
    version = build(root, mode)
    wrong = [] if before in (None, version - 1) else [f"version {version} after {before}"]
    if served(root) != contents(version):
        wrong.append("the next build is not whole")
    wrong += [str(path) for path in root.rglob("*tmp-*")]
    if (root / ".velobuild/journal.json").exists():
        wrong.append("the journal is still there")
    return wrong


def forked(action: Callable[[], object], deadline_s: float | None = None) -> bool:
    """Run it in a child, killed after `deadline_s`; whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            sys.stderr.flush()
            os._exit(1)
    if deadline_s is not None:
        time.sleep(deadline_s)  # the moment of death, not a wait for anything
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def kills(root: Path, mode: str, count: int, seed: int) -> dict[str, object]:
    """Build until `count` builds were killed. The time to live follows what it meets, so that about half are."""
    chance = random.Random(seed)
    started = time.perf_counter()
    for _ in range(3):
        build(root, mode)
    longest_s = (time.perf_counter() - started) / 3
    runs, killed, published, bad = 0, 0, 0, []
    while killed < count and runs < 20 * count:
        runs += 1
        before = live_version(root)
        ended = forked(lambda: build(root, mode), chance.uniform(0.0, longest_s))
        longest_s *= 0.97 if ended else 1.03
        killed += not ended
        wrong = faults(root, mode, before)
        published += live_version(root) > before
        if runs % 10 == 9 or mode == "in-place":
            wrong += after_next_build(root, mode)
        bad += [f"run {runs}: {what}" for what in wrong]
    bad += after_next_build(root, mode)
    return {"killed": killed, "published": published, "bad": bad}


def calls(root: Path, mode: str) -> dict[str, object]:
    build(root, mode)
    number, bad = 0, []
    while True:
        number += 1
        before = live_version(root)
        ended = forked(lambda at=number: (die_at(at), build(root, mode)))
        bad += [f"call {number}: {what}" for what in faults(root, mode, before)]
        bad += [f"after call {number}: {what}" for what in after_next_build(root, mode)]
        if ended:
            return {"killed": number - 1, "bad": bad}


def naive(root: Path) -> dict[str, object]:
    """How many of the deaths of a build that writes straight into the live folder leave a site that is no version."""
    out = root / "public"

    def write(version: int) -> None:
        for path, text in contents(version).items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text)
        for path in set(served(root)) - set(contents(version)):
            (out / path).unlink()

    write(1)
    number, bad = 0, 0
    while True:
        number += 1
        ended = forked(lambda at=number: (die_at(at), write(3)))
        bad += served(root) not in (contents(1), contents(3))
        if ended:
            return {"killed": number - 1, "bad": bad}
        write(1)


def die_at(number: int) -> None:
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in CALLS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def read(root: Path) -> dict[str, object]:
    """Read a page as a server would, again and again. A page is torn if it does not end as it began to be written."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    reads = missing = torn = versions = 0
    last = ""
    while not ended.is_set():
        reads += 1
        try:
            text = (root / "public" / "index.html").read_text()
        except OSError:
            missing += 1
            continue
        torn += not (text.startswith("version ") and text.endswith("\nend"))
        versions += text != last
        last = text
    return {"reads": reads, "missing": missing, "torn": torn, "versions": versions}


def main() -> int:
    command, root, mode, *numbers = [*sys.argv[1:], ""][:5]
    place = Path(root)
    if command == "build":
        os.access("/the-rig-begins", os.F_OK)  # a mark in the traces of system calls
        try:
            build(place, mode)
        except VelobuildError as error:
            sys.stderr.write(f"{error.code} {error}\n")
            return error.exit_code
        return 0
    if command == "kills":
        found = kills(place, mode, int(numbers[0]), int(numbers[1]))
    elif command == "calls":
        found = calls(place, mode)
    elif command == "naive":
        found = naive(place)
    else:
        found = read(place)
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
