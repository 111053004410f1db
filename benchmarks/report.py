"""Figures → rows with what they must and should be → RESULTS.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Figures = Mapping[str, Any]
Results = Mapping[str, Figures]
TIMES, MS, MIB, PERCENT = "×", "ms", "MiB", "%"
DIGITS = {TIMES: 3, MS: 1, MIB: 0, PERCENT: 1}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `figures` gives a figure a turn from the results of `part`; without `must` the row is
    there to be read."""

    measure: str
    part: str
    unit: str
    figures: Callable[[Figures], Sequence[float]]
    must: float | None = None
    goal: float | None = None


def ratio(ours: str, theirs: str, value: str = "wall_s") -> Callable[[Figures], list[float]]:
    """Ours ÷ theirs, turn by turn."""

    def of(part: Figures) -> list[float]:
        pairs = zip(part["runs"][ours], part["runs"][theirs], strict=False)
        return [one[value] / other[value] for one, other in pairs if one and other]

    return of


def runs(name: str, value: str, scale: float) -> Callable[[Figures], list[float]]:
    return lambda part: [one[value] * scale for one in part["runs"][name] if one]


def watched(tool: str) -> Callable[[Figures], list[float]]:
    """A whole process of ours ÷ the time that the tool itself says it took, edit by edit."""

    def of(part: Figures) -> list[float]:
        pairs = zip(part["edits"]["fresh"], part["edits"][tool], strict=True)
        return [ours["wall_s"] / theirs["own_s"] for ours, theirs in pairs]

    return of


def warm(site: str, value: str) -> Callable[[Figures], list[float]]:
    return lambda part: [one[value] for one in part["edits"][site]]


def growth(value: str) -> Callable[[Figures], list[float]]:
    def of(part: Figures) -> list[float]:
        pairs = zip(part["edits"]["large"], part["edits"]["small"], strict=True)
        return [large[value] / small[value] for large, small in pairs]

    return of


def fresh_growth(part: Figures) -> list[float]:
    pairs = zip(part["fresh"]["large"], part["fresh"]["small"], strict=True)
    return [large["wall_s"] / small["wall_s"] for large, small in pairs]


def largest(*names: str) -> Callable[[Figures], list[float]]:
    """The most memory of any process, MiB."""
    return lambda part: [max(one["peak_bytes"] for name in names for one in part["runs"][name]) / 2**20]


def rows(small: int, large: int) -> list[Row]:
    """All rows. `small` and `large` are numbers of posts: 10,000 and 100,000 in the whole run."""
    few, many = f"{small:,}", f"{large:,}"
    html, md = f"html-{small}", f"markdown-{small}"
    both = f"warm-{small}-{large}"
    everything = ("cold", "theme", "edit", "same")
    return [
        Row(f"cold {few}, HTML bodies, empty memo, ÷ Hugo", html, TIMES, ratio("cold", "hugo"), 0.85, 0.50),
        Row("the same with bodies memoised (a changed theme)", html, TIMES, ratio("theme", "hugo"), 0.45, 0.30),
        Row(f"cold {few}, Markdown, fast engine, ÷ Hugo", md, TIMES, ratio("fast", "hugo"), 0.45, 0.20),
        Row(f"cold {few}, Python-Markdown, extra and toc, ÷ Hugo", md, TIMES, ratio("narrow", "hugo"), 3.2, 2.0),
        Row("the same ÷ Pelican", md, TIMES, ratio("narrow", "pelican"), 0.5, 0.3),
        Row(f"cold {few}, Python-Markdown, every extension, ÷ Hugo", md, TIMES, ratio("full", "hugo")),
        Row("the same ÷ Pelican with extra and toc", md, TIMES, ratio("full", "pelican")),
        Row(f"cold {many}, HTML bodies, empty memo, ÷ Hugo", f"html-{large}", TIMES, ratio("cold", "hugo"), 0.85, 0.50),
        Row(f"cold {few}, fast engine, ÷ Eleventy", md, TIMES, ratio("fast", "eleventy"), 0.15, 0.06),
        Row(f"cold {few}, fast engine, ÷ Pelican", md, TIMES, ratio("fast", "pelican"), 0.10, 0.035),
        Row(
            f"one body edit, fresh process, {few}, ÷ `hugo server`",
            f"watchers-{small}",
            TIMES,
            watched("hugo"),
            0.03,
            0.012,
        ),
        Row(
            *("the same ÷ `hugo server --disableFastRender`", f"watchers-{small}", TIMES, watched("hugo_all")),
            *(0.03, 0.012),
        ),
        Row("the same ÷ `eleventy --incremental`", f"watchers-{small}", TIMES, watched("eleventy"), 0.015, 0.006),
        Row(f"one body edit, warm process, {few}: until the page is live", both, MS, warm("small", "live_ms"), 10, 2),
        Row(f"one body edit, warm process, {few}: all dependants", both, MS, warm("small", "all_ms"), 50, 10),
        Row(f"one body edit, warm process, {many}: until the page is live", both, MS, warm("large", "live_ms"), 10, 2),
        Row(f"one body edit, warm process, {many}: all dependants", both, MS, warm("large", "all_ms"), 50, 10),
        Row(f"growth from {few} to {many}: edit in a fresh process", both, TIMES, fresh_growth, 1.5, 1.0),
        Row(f"growth from {few} to {many}: page live, warm process", both, TIMES, growth("live_ms"), 1.5, 1.0),
        Row(f"growth from {few} to {many}: all dependants, warm process", both, TIMES, growth("all_ms"), 1.5, 1.0),
        Row(
            *(f"one new post with 5 tags, warm process, {many}: all dependants", both, MS),
            *(lambda part: [one["all_ms"] for one in part["new"]], 100, 20),
        ),
        Row(f"nothing changed, fresh process, {few}", html, MS, runs("same", "wall_s", 1e3), 150, 70),
        Row(f"largest process, {few}", html, MIB, largest(*everything), 100, 45),
        Row(f"largest process, {many}", f"html-{large}", MIB, largest(*everything), 250, 60),
        Row("`velobuild --version` ÷ a bare click program", "start", TIMES, ratio("velobuild", "bare"), 1.3, 1.1),
        Row(
            *("share of recording reads in a cold build's processor time", f"reads-{small}", PERCENT),
            *(lambda part: [part["recording_s"] / part["cpu_s"] * 100], 20, 10),
        ),
    ]


def figure(value: float, unit: str) -> str:
    text = f"{value:,.{DIGITS[unit]}f}"
    return text if unit == TIMES else f"{text} {unit}"


def table(wanted: Iterable[Row], results: Results) -> list[str]:
    lines = ["| measure, paired in one run | must | goal | measured | holds |", "|---|---|---|---|---|"]
    for row in wanted:
        bounds = ["" if bound is None else f"≤ {bound:g}" + ("" if row.unit == TIMES else f" {row.unit}")
                  for bound in (row.must, row.goal)]  # fmt: skip
        lines.append(f"| {row.measure} | {bounds[0]} | {bounds[1]} | {' | '.join(measured(row, results))} |")
    return lines


def measured(row: Row, results: Results) -> tuple[str, str]:
    """(median with its range, whether that holds)."""
    part = results.get(row.part)
    if part is None:
        return "not measured", ""
    if "failed" in part:
        return "failed, see below", ""
    found = row.figures(part)
    if not found:
        return "not measured", ""
    middle = median(found)
    text = f"**{figure(middle, row.unit)}**"
    if len(found) > 1:
        text += f" ({figure(min(found), row.unit)}–{figure(max(found), row.unit)}, {len(found)})"
    if row.must is None:
        return text, ""
    if middle > row.must:
        return text, "**no**"
    return text, "yes, and the goal" if row.goal is not None and middle <= row.goal else "yes"


def seconds_table(results: Results) -> list[str]:
    """What the ratios are made of: seconds and memory of every command."""
    lines = ["| part | command | s | CPU s | largest process, MiB |", "|---|---|---|---|---|"]
    for name, part in results.items():
        for command, found in part.get("runs", {}).items():
            done = [one for one in found if one]
            if done:
                cells = [spread([one[key] for one in done]) for key in ("wall_s", "cpu_s")]
                most = max(one["peak_bytes"] for one in done) / 2**20
                lines.append(f"| {name} | {COMMANDS.get(command, command)} | {' | '.join(cells)} | {most:,.0f} |")
        for tool, found in part.get("edits", {}).items():
            if found and "own_s" in found[0]:
                peer = COMMANDS.get(tool, tool).partition(",")[0]
                done_s = spread([one["done_s"] for one in found])
                live_s = spread([one["live_s"] for one in found])
                own_s = spread([one["own_s"] for one in found])
                lines.append(
                    f"| {name} | edit, {peer}: {own_s} by its own account | live {live_s}, done {done_s} | | |"
                )
            elif found and "wall_s" in found[0]:
                lines.append(f"| {name} | edit, fresh process | {spread([one['wall_s'] for one in found])} | | |")
    return lines


COMMANDS = {
    "cold": "cold build",
    "hugo": "Hugo, cold build",
    "theme": "build after a change of the theme",
    "edit": "build after one edit",
    "same": "build with nothing changed",
    "fast": "cold build, fast engine",
    "narrow": "cold build, Python-Markdown with extra and toc",
    "full": "cold build, Python-Markdown with every extension",
    "eleventy": "Eleventy, cold build",
    "pelican": "Pelican, cold build",
    "hugo_all": "`hugo server --disableFastRender`",
    "velobuild": "`velobuild --version`",
    "bare": "the bare click program",
}


def spread(values: Sequence[float]) -> str:
    text = f"{median(values):.3f}" if max(values) < 1 else f"{median(values):.2f}"
    return f"{text} ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else text


def files(results: Results) -> list[str]:
    lines = []
    for name, part in results.items():
        for other, lists in part.get("files", {}).items():
            who, beside = ("velobuild", other) if " beside " not in other else other.split(" beside ")
            lines.append(
                f"- {name}: {who} writes {lists['ours']:,} files, {beside} {lists['theirs']:,}; "
                f"{lists['same']:,} have the same path. Only {who}: {told(lists['only_ours'])}. "
                f"Only {beside}: {told(lists['only_theirs'])}."
            )
    return lines


def told(names: Figures) -> str:
    few = [f"`{name}`" for name in names["others"][:8]]
    more = [f"{len(names['others']) - 8:,} more"] if len(names["others"]) > 8 else []
    pages = [f"{names['numbered']:,} numbered list pages"] if names["numbered"] else []
    return ", ".join([*few, *more, *pages]) or "none"


def markdown(made: Figures, results: Results, *, small: int, large: int) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    lines = [
        "# velobuild beside Hugo, Eleventy and Pelican",
        "",
        "Written by `benchmarks/run`; `benchmarks/README.md` says what is compared, and how.",
        "",
        f"- {made['date']}, commit {made['commit']}; {versions}",
        f"- {made['machine']}; the sites are built on {made['file_system']}",
        f"- load average before {made['load_before']:.1f}, after {made['load_after']:.1f}; "
        f"{made['took_s'] / 60:.0f} minutes: "
        + ", ".join(f"{name} {part.get('took_s', 0):.0f} s" for name, part in results.items()),
        "- **median** (smallest–largest, how many); a ratio is velobuild ÷ the other in one turn, of wall time",
        *(
            ["- **other programs were at work on this machine meanwhile: take the figures as directions**"]
            if made["busy"]
            else []
        ),
        "",
        *table(rows(small, large), results),
        "",
    ]
    failed = [f"- {name}: {part['failed']}" for name, part in results.items() if "failed" in part]
    lines += ["## What failed", "", *failed, ""] if failed else []
    lines += ["## Seconds", "", *seconds_table(results), ""]
    lines += ["## Files", "", *files(results), ""]
    return "\n".join(lines)
