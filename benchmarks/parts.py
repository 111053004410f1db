"""What is measured: each part returns plain lists of figures, turn by turn, from which `report.py` makes the rows."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import corpus
from compare import BIN, HERE, QUIET, WORK, Unmeasured, copied, differ, listed, run
from peers import Command, Eleventy, Hugo, Pelican, Watcher

EDITED = 500
"""The first post that is edited: it is on no first page and not in the feed."""
WARM_EDITS, WARM_WAIT_S = 30, 60.0
FRESH_EDITS = 7
WATCHED_EDITS = 3
VERSION_TURNS = 31
Figures = dict[str, Any]


@dataclass(slots=True)
class Bench:
    """Sites, corpora and peers that parts share. `place` is where sites are built, `say` tells how far it is."""

    place: Path
    say: Callable[[str], None]
    turns: dict[str, int] = field(default_factory=dict)
    _loaded: dict[tuple[int, str], Path] = field(default_factory=dict)
    _built: dict[tuple[int, str], Path] = field(default_factory=dict)

    def corpus(self, post_count: int, form: str) -> Path:
        """The folder of a corpus; it is written once and kept between runs."""
        folder = WORK / f"corpus-{post_count}"
        (corpus.write if form == "html" else corpus.write_markdown)(folder, post_count)
        return folder

    def loaded(self, post_count: int, form: str) -> Path:
        """A site whose store holds the posts, of which nothing was built."""
        key = (post_count, form)
        if key not in self._loaded:
            source = self.corpus(post_count, form) / ("posts.json" if form == "html" else "posts-markdown.json")
            site = copied(HERE / "site", self.place / f"loaded-{form}-{post_count}")
            self.say(f"loading {post_count:,} posts as {form}")
            run([BIN / "python", HERE / "load.py", site, source])
            self._loaded[key] = site
        return self._loaded[key]

    def site(self, post_count: int, form: str, name: str, *, more: str = "") -> Path:
        """A copy of the loaded site; `more` goes to the end of its configuration."""
        site = copied(self.loaded(post_count, form), self.place / f"{form}-{post_count}" / name)
        file = site / "velobuild.toml"
        file.write_text(file.read_text("utf-8") + more, "utf-8")
        return site

    def built(self, post_count: int, form: str) -> Path:
        """A site that was built once, from whichever part built one first."""
        key = (post_count, form)
        if key not in self._built:
            site = self.site(post_count, form, "built", more=FAST if form == "markdown" else "")
            self.say(f"building {post_count:,} posts as {form}")
            run(build(site))
            self._built[key] = site
        return self._built[key]

    def keep(self, post_count: int, form: str, site: Path) -> None:
        self._built.setdefault((post_count, form), site)


FAST = '\n[content.markdown]\nengine = "pyromark"\n'
NARROW = "\n[content.markdown]\nsmart_quotes = false\n"


def build(site: Path) -> list[str | Path]:
    return [BIN / "velobuild", "-C", site, "--quiet", "build", "--offline"]


def timed(command: Command | list[str | Path]) -> Figures:
    """What one command cost, everything before it being on the disk."""
    os.sync()
    if isinstance(command, Command):
        return asdict(run(command.words, cwd=command.cwd, env=command.env))
    return asdict(run(command))


def in_turn(turn: int, *pieces: Callable[[], None]) -> None:
    """Run the pieces one right after the other, every other turn in the opposite order."""
    for piece in pieces if turn % 2 == 0 else pieces[::-1]:
        piece()


def samples(post_count: int) -> list[str]:
    return [f"posts/post-{number:06d}/index.html" for number in sorted({0, 1, EDITED, post_count - 1})]


def compared(ours: set[str], theirs: set[str]) -> Figures:
    """How far two lists of files are the same; numbered list pages are counted."""

    def told(names: set[str]) -> Figures:
        numbered = {name for name in names if "page/" in name}
        return {"numbered": len(numbered), "others": sorted(names - numbered)}

    figures: Figures = {"ours": len(ours), "theirs": len(theirs), "same": len(ours & theirs)}
    return {**figures, "only_ours": told(ours - theirs), "only_theirs": told(theirs - ours)}


def refuse_different(what: str, ours: Path, theirs: Path, post_count: int) -> None:
    """Raises Unmeasured if a page of a sample reads differently: then nothing would be compared."""
    wrong = differ(ours, theirs, samples(post_count))
    if wrong:
        raise Unmeasured(f"{what}: {', '.join(wrong)} do not say the same on both sides")


# --- cold builds of HTML, the changed theme, one edit and no change in a fresh process


def html(bench: Bench, post_count: int) -> Figures:
    hugo, content = Hugo(), bench.corpus(post_count, "html") / "html"
    runs: dict[str, list[Figures]] = {name: [] for name in ("cold", "hugo", "theme", "edit", "same")}
    figures: Figures = {"runs": runs}

    def cold(site: Path) -> None:
        runs["cold"].append(timed(build(site)))

    def cold_by_hugo(out: Path) -> None:
        runs["hugo"].append(timed(hugo.build(content, out)))

    for turn in range(bench.turns["html"]):
        site = bench.site(post_count, "html", f"turn-{turn + 1}")
        out = bench.place / f"html-{post_count}" / f"hugo-{turn + 1}"
        in_turn(
            turn,
            partial(cold, site),
            partial(cold_by_hugo, out),
        )
        if turn == 0:
            refuse_different("HTML", site / "public", out, post_count)
            figures["files"] = {"Hugo": compared(listed(site / "public"), listed(out))}
        footer = site / "theme" / "templates" / "footer.html"
        footer.write_text(footer.read_text("utf-8").replace("made up", "made up anew"), "utf-8")
        runs["theme"].append(timed(build(site)))
        for step in range(3):
            number = str((EDITED + 17 * step) % post_count)
            run([BIN / "python", HERE / "load.py", site, "--edit", number, str(post_count), str(step + 1)])
            runs["edit"].append(timed(build(site)))
            runs["same"].append(timed(build(site)))
        bench.keep(post_count, "html", site)
        last = {name: row[-1]["wall_s"] for name, row in runs.items()}
        bench.say(f"turn {turn + 1}: " + ", ".join(f"{name} {took:.2f} s" for name, took in last.items()))
    return figures


# --- cold builds of Markdown


def markdown(bench: Bench, post_count: int) -> Figures:
    """Every turn has the fast engine and Hugo; the slow ones are fewer."""
    hugo, eleventy, pelican = Hugo(), Eleventy(), Pelican()
    found = bench.corpus(post_count, "markdown")
    place = bench.place / f"markdown-{post_count}"
    names = ("fast", "hugo", "narrow", "full", "eleventy", "pelican")
    runs: dict[str, list[Figures | None]] = {name: [] for name in names}
    figures: Figures = {"runs": runs}
    for turn in range(bench.turns["markdown"]):
        sites = {"fast": bench.site(post_count, "markdown", f"fast-{turn}", more=FAST)}
        slow = turn < bench.turns["slow"]
        if slow:
            sites["narrow"] = bench.site(post_count, "markdown", f"narrow-{turn}", more=NARROW)
            sites["full"] = bench.site(post_count, "markdown", f"full-{turn}")
        outs = {name: place / f"{name}-{turn}" for name in ("hugo", "eleventy", "pelican")}
        commands: dict[str, Command | list[str | Path]] = {
            "fast": build(sites["fast"]),
            "hugo": hugo.build(found / "markdown", outs["hugo"]),
        }
        if slow:
            own = eleventy.site(found / "markdown", place / f"eleventy-site-{turn}")
            narrowed = [BIN / "python", HERE / "narrow.py", *build(sites["narrow"])[1:]]
            commands |= {
                "narrow": narrowed,
                "pelican": pelican.build(found / "pelican", outs["pelican"]),
                "eleventy": eleventy.build(own, outs["eleventy"]),
            }
            if turn == 0:
                commands["full"] = build(sites["full"])
        order = list(commands) if turn % 2 == 0 else list(commands)[::-1]
        took = {name: timed(commands[name]) for name in order}
        for name, row in runs.items():
            row.append(took.get(name))
        bench.say(f"turn {turn + 1}: " + ", ".join(f"{name} {one['wall_s']:.2f} s" for name, one in took.items()))
        if turn == 0:
            for name, site in sites.items():
                if name in took:
                    refuse_different(f"Markdown, {name}", site / "public", outs["hugo"], post_count)
            lists = {name: listed(out) for name, out in outs.items() if name in took}
            figures["files"] = {"Hugo": compared(listed(sites["fast"] / "public"), lists["hugo"])}
            for name in ("eleventy", "pelican"):
                if name in lists:
                    refuse_different(f"Markdown, {name}", outs[name], outs["hugo"], post_count)
                    figures["files"][f"{name} beside Hugo"] = compared(lists[name], lists["hugo"])
        bench.keep(post_count, "markdown", sites["fast"])
    return figures


# --- one edit: a fresh process beside the watchers of others


def watchers(bench: Bench, post_count: int) -> Figures:
    """Body edits in a fresh process, in `hugo server` in both of its modes, and in `eleventy --watch --incremental`."""
    found, site = bench.corpus(post_count, "markdown"), bench.built(post_count, "markdown")
    place = bench.place / f"watchers-{post_count}"
    place.mkdir()
    hugo, eleventy = Hugo(), Eleventy()
    own = eleventy.site(found / "markdown", place / "eleventy-site")
    contents = {name: copied(found / "markdown", place / f"content-{name}") for name in ("hugo", "hugo_all")}
    contents["eleventy"] = own / "src"
    watching = {
        "hugo": hugo.watch(contents["hugo"], place / "hugo"),
        "hugo_all": hugo.watch(contents["hugo_all"], place / "hugo_all", "--disableFastRender"),
        "eleventy": eleventy.watch(own, place / "eleventy"),
    }
    edits: dict[str, list[Figures]] = {name: [] for name in ("fresh", *watching)}
    with ExitStack() as opened:
        for watcher in watching.values():
            opened.enter_context(watcher)
        bench.say("all watchers stand")
        for step, number in enumerate([post_count // 2, post_count - 1, 0] * (WATCHED_EDITS // 3)):
            edit = (number, post_count, 1_000 + step)
            run([BIN / "python", HERE / "load.py", site, "--edit", *map(str, edit), "markdown"])
            edits["fresh"].append(timed(build(site)))
            for name, watcher in watching.items():
                edits[name].append(_watched(watcher, contents[name], place / name, *edit))
            told = (f"{name} {row[-1].get('own_s', row[-1].get('wall_s')):.2f} s" for name, row in edits.items())
            bench.say(f"edit {step + 1}: {', '.join(told)}")
    return {"edits": edits}


def _watched(watcher: Watcher, content: Path, out: Path, number: int, post_count: int, revision: int) -> Figures:
    post, mark = corpus.post(number, post_count, revision), f"edit-{revision}-of-{number}"
    # The date stays: another one is another edit than that of a body.
    post["updated"] = corpus.post(number, post_count)["updated"]
    text = f"{mark}\n\n{corpus.markdown(number, post_count, revision)}"
    page = out / "posts" / post["slug"] / "index.html"
    file = content / "posts" / f"{post['slug']}.md"
    live_s, done_s, own_s = watcher.edit(file, corpus.content_file(post, text), page, mark)
    return {"live_s": live_s, "done_s": done_s, "own_s": own_s}


# --- a process that stays warm


class Warm:
    """The other end of `warm.py`."""

    def __init__(self, site: Path, post_count: int) -> None:
        words = [BIN / "python", HERE / "warm.py", site, str(post_count)]
        self._process = subprocess.Popen(
            list(map(str, words)), env=QUIET, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, **order: Any) -> Figures:
        """Milliseconds from the content in hand to the live page and to the end of all. Raises Unmeasured."""
        page = Path(self._ask(order)["page"])
        mark = order["mark"].encode()
        seen: list[float] = []
        watching, answered = threading.Event(), threading.Event()
        looks = threading.Thread(target=_look, args=(page, mark, seen, watching, answered), daemon=True)
        looks.start()
        watching.wait()
        done = self._ask(None)
        looks.join(5)
        answered.set()
        if not seen:
            raise Unmeasured(f"{page} does not say {order['mark']}")
        figures = {"live_ms": (seen[0] - done["began"]) * 1e3, "all_ms": (done["ended"] - done["began"]) * 1e3}
        return {**figures, "apply_ms": (done["applied"] - done["began"]) * 1e3, "changed": done["changed"]}

    def _ask(self, order: Figures | None) -> Figures:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        bound = threading.Timer(WARM_WAIT_S, self._process.kill)
        bound.start()
        try:
            self._process.stdin.write((json.dumps(order) if order else "") + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            bound.cancel()
        if not line:
            raise Unmeasured("warm.py ended, or did not answer in time")
        answer: Figures = json.loads(line)
        return answer

    def end(self) -> int:
        """Ends the process. The bytes of its memory at most."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        _, _, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = 0
        return int(usage.ru_maxrss) * 1024


def _look(page: Path, mark: bytes, seen: list[float], watching: threading.Event, answered: threading.Event) -> None:
    """Note when the file at `page` is another one that holds the mark."""

    def state() -> tuple[int, int]:
        try:
            found = os.stat(page)
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    before = state()
    watching.set()
    while not answered.is_set():
        if state() != before:
            now = time.monotonic()
            if mark in page.read_bytes():
                seen.append(now)
                return
            before = state()
        time.sleep(0.0002)


@contextmanager
def _warm(site: Path, post_count: int) -> Iterator[Warm]:
    process = Warm(site, post_count)
    try:
        yield process
    finally:
        if process._process.returncode is None:
            process._process.kill()
            process._process.wait()


def warm(bench: Bench, small: int, large: int) -> Figures:
    """Edits in two warm processes, of a small and of a large site, in turns; new posts in the large one; then edits in
    fresh processes, in turns as well."""
    sites = {"small": (bench.built(small, "html"), small), "large": (bench.built(large, "html"), large)}
    figures: Figures = {
        "small_posts": small,
        "large_posts": large,
        "edits": {},
        "new": [],
        "fresh": {},
        "peak_bytes": {},
    }
    with _warm(*sites["small"]) as first, _warm(*sites["large"]) as second:
        both = {"small": first, "large": second}
        for step in range(-2, WARM_EDITS):  # The first ones load what every later one finds loaded.
            for name, process in both.items():
                number = (EDITED + 37 * step) % sites[name][1]
                took = process.do(edit=number, revision=100 + step, mark=f"warm-edit-{step + 2}")
                if step >= 0:
                    figures["edits"].setdefault(name, []).append(took)
        for step in range(10):
            figures["new"].append(second.do(new=large + step, mark=f"new-post-{step}"))
        for name, process in both.items():
            figures["peak_bytes"][name] = process.end()
    for step in range(FRESH_EDITS):
        for name, (site, post_count) in sites.items():
            number = (EDITED + 41 * step) % post_count
            run([BIN / "python", HERE / "load.py", site, "--edit", str(number), str(post_count), str(500 + step)])
            figures["fresh"].setdefault(name, []).append(timed(build(site)))
    return figures


# --- the start, and the share of recording


def start(bench: Bench) -> Figures:
    runs: dict[str, list[Figures]] = {"velobuild": [], "bare": []}
    commands: dict[str, list[str | Path]] = {
        "velobuild": [BIN / "velobuild", "--version"],
        "bare": [BIN / "python", HERE / "bare_click.py", "--version"],
    }
    for turn in range(-1, VERSION_TURNS):
        for name, command in commands.items():
            took = asdict(run(command))
            if turn >= 0:  # The first one reads from the disk what the others find in memory.
                runs[name].append(took)
    return {"runs": runs}


def reads(bench: Bench, post_count: int) -> Figures:
    site = bench.site(post_count, "html", "sampled")
    run([BIN / "python", HERE / "sampled.py", site])
    said: Figures = json.loads((WORK / "said.txt").read_text("utf-8"))
    return said
