"""`velobuild audit`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from velobuild.cli.build import WAIT
from velobuild.cli.context import Context

if TYPE_CHECKING:
    from velobuild.graph.audit import Finding

SAMPLE = 200
EXIT_FOUND = 1


@click.command()
@click.option("--all", "every", is_flag=True, default=False, help="Read every file and render every page again.")
@click.option("--sample", type=click.IntRange(0), default=SAMPLE, show_default=True, help="So many of each, at random.")
@WAIT
@click.pass_obj
def audit(context: Context, every: bool, sample: int, wait: bool) -> int:
    """Check that the site is what velobuild believes it to be. Changes nothing; ends with 1 if anything is wrong.

    All entries, rows and answers are looked at, and the size of every file; of files, bodies and pages a sample is read
    and rendered again.
    """
    from velobuild.pipeline.auditing import audit as run_audit

    found = run_audit(context.loaded_for_this_machine, sample=None if every else sample, wait=wait, warn=context.warn)
    looked = (
        f"{found.entries} entries, {found.keys} keys, {found.outputs} outputs and {found.files} files; "
        f"{found.files_read} files were read and {found.rendered} pages rendered again"
    )
    if found.pending:
        looked += f"; {found.pending} outputs wait for the next build"
    count = len(found.findings)
    end = "nothing is wrong" if not count else f"{count} finding{'' if count == 1 else 's'}"
    lines = [line for finding in found.findings for line in _lines(finding)]
    context.result("\n".join([*lines, f"Audited {looked}: {end}"]), asdict(found))
    return EXIT_FOUND if count else 0


def _lines(finding: Finding) -> list[str]:
    # A key is for the document: what it stands for is told in words.
    head = "something that pages read" if finding.kind == "key" else f"{finding.kind} {finding.subject}"
    return [head, f"  {finding.what}", f"  {finding.matters}", ""]
