"""`velobuild doctor`: look at everything that a build needs, and say what is wrong in the user's words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from velobuild.cli.context import Context
from velobuild.errors import OutputError, VelobuildError

if TYPE_CHECKING:
    from velobuild.config.schema import Loaded

ROOM_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `exit_code` is what the trouble would end a build with, 0 if it would not."""

    check: str
    verdict: Literal["ok", "warning", "error"]
    what: str
    hint: str | None = None
    code: str | None = None
    exit_code: int = 0


@click.command()
@click.pass_obj
def doctor(context: Context) -> int:
    """Find out why something does not work.

    Looks at the configuration, the secrets, the theme, the output folder and the disk, then asks the CMS (not with
    --offline). The exit code is that of the gravest error.
    """
    loaded = context.loaded  # what is wrong with it is more than a finding: nothing else could be looked at
    findings = [Finding("configuration", "ok", f"{loaded.file} is valid")]
    findings += looked("secrets", _secrets(loaded, offline=context.flags.offline))
    for check, look in (("theme", _theme), ("output", _output), ("disk", _room)):
        findings += looked(check, look(loaded))
    if context.flags.offline:
        findings.append(Finding("CMS", "ok", "not asked, because of --offline"))
    elif loaded.tokens or not loaded.config.source.needs_token:
        findings += looked("CMS", cms_findings(context, loaded))
    gravest = max((finding.exit_code for finding in findings), default=0)
    context.drop_warnings()  # they are findings here
    context.result(rendered(findings, colour=context.colour_of_result), _as_json(findings, gravest))
    return gravest


def rendered(findings: list[Finding], *, colour: bool = False) -> str:
    """A line for each finding, a second one for how to mend it, and one for the sum."""
    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    lines = []
    for finding in findings:
        mark = f"{finding.verdict:<7}"
        mark = click.style(mark, fg=colours[finding.verdict]) if colour else mark
        code = f" [{finding.code}]" if finding.code else ""
        lines.append(f"{mark}  {finding.check}: {finding.what}{code}")
        if finding.hint and finding.verdict != "ok":
            lines.append(f"         help: {finding.hint}")
    errors, warnings = (sum(f.verdict == verdict for f in findings) for verdict in ("error", "warning"))
    lines += [
        "",
        f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}" if errors or warnings else "All is well.",
    ]
    return "\n".join(lines)


def looked(check: str, findings: Iterator[Finding]) -> list[Finding]:
    """The check's findings; those of an error that it raises are the last ones."""
    seen = []
    try:
        for finding in findings:
            seen.append(finding)
    except VelobuildError as error:
        for found in error.diagnostics:
            what = f"{found.where}: {found.what}" if found.where else found.what
            seen.append(Finding(check, "error", what, found.hint, found.code, error.exit_code))
    return seen


def _secrets(loaded: Loaded, *, offline: bool) -> Iterator[Finding]:
    for warning in loaded.warnings:
        yield Finding("secrets", "warning", f"{warning.where}: {warning.what}", warning.hint, warning.code)
    if offline and not loaded.tokens:
        yield Finding("secrets", "ok", "no token, and none is needed with --offline")
        return
    if not loaded.require_tokens():
        local = all(source.type == "folder" for source in loaded.config.sources)
        what = "no token, and none is needed" if local else "no token: the CMS is read as everybody may"
        yield Finding("secrets", "ok", what)
        return
    origins = ", then ".join(token.origin for token in loaded.tokens)
    yield Finding("secrets", "ok", f"{_counted(len(loaded.tokens), 'token')}: {origins}")


def _theme(loaded: Loaded) -> Iterator[Finding]:
    from velobuild.render.theme import load_theme

    load_theme(loaded.config, loaded.root)
    theme = loaded.config.theme
    yield Finding("theme", "ok", f"{theme.path or theme.name}")


def _output(loaded: Loaded) -> Iterator[Finding]:
    build = loaded.config.build
    if build.publish == "release":
        from velobuild.publish.releases import Releases

        Releases(loaded.state, loaded.out, keep=build.keep_releases).preflight()
    else:
        from velobuild.publish.place import check_place

        check_place(loaded.state, loaded.out)
    yield Finding("output", "ok", f"{loaded.out} can be written ({build.publish})")


def _room(loaded: Loaded) -> Iterator[Finding]:
    place = loaded.out.parent
    while not place.exists():
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise OutputError(
            f"the disk cannot be looked at: {error.strerror}", code="VB6002", where=str(place), hint="check its mount"
        ) from error
    text = f"{free / 1e9:.1f} GB free at {place}"
    if free < ROOM_BYTES:
        yield Finding("disk", "warning", text, "pictures and kept releases need room; free some", "VB6001")
    else:
        yield Finding("disk", "ok", text)


def cms_findings(context: Context, loaded: Loaded) -> Iterator[Finding]:
    """What the CMS, its tokens and their rights look like. Raises VelobuildError if it cannot even be asked."""
    from velobuild.sources import open_source

    with open_source(loaded, cache=context.cache, warn=context.warn) as opened:
        for found in opened.diagnose():
            yield Finding(found.check, found.verdict.value, found.what, found.hint, found.code, found.exit_code)


def _as_json(findings: list[Finding], gravest: int) -> dict[str, Any]:
    return {"findings": [asdict(finding) for finding in findings], "exit_code": gravest}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
