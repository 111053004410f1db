"""`build --profile`: where a build's time went, from the times that every build notes anyway."""

from __future__ import annotations

from dataclasses import replace

from velobuild.content.database import Connection
from velobuild.model.outputs import BuildReport, Cost, Profile
from velobuild.pipeline.run import Run

SHOWN = 10
BY_TEMPLATE = (
    "SELECT coalesce(template, renderer), sum(render_us) AS us, count(*) FROM output WHERE build = ? "
    "GROUP BY 1 ORDER BY us DESC, 1"
)
BY_OUTPUT = "SELECT url, render_us, 1 FROM output WHERE build = ? ORDER BY render_us DESC, path LIMIT ?"
TITLE = "SELECT title FROM post WHERE id = ?"


def with_profile(report: BuildReport, run: Run, connection: Connection, number: int) -> BuildReport:
    """The report with the profile of the build of this number, if one is wanted."""
    if not run.options.profile:
        return report
    templates = [Cost(*row) for row in connection.execute(BY_TEMPLATE, (number,))]
    outputs = [Cost(*row) for row in connection.execute(BY_OUTPUT, (number, SHOWN))]
    bodies = [
        Cost(str((connection.execute(TITLE, (id,)).fetchone() or [id])[0]), us)
        for us, id in sorted(run.bodies_us, reverse=True)[:SHOWN]
    ]
    render_us = sum(cost.us for cost in templates)
    writing_us = run.elapsed_ms.get("trace", 0) * 1000 + run.writing_us
    others_us = sum(ms for phase, ms in run.elapsed_ms.items() if phase != "render") * 1000
    recorded = run.recording_us + writing_us
    profile = Profile(
        rendered=sum(cost.count for cost in templates),
        render_us=render_us,
        recording_us=run.recording_us,
        writing_us=writing_us,
        recording_percent=round(100 * recorded / max(1, others_us + render_us + run.recording_us), 1),
        templates=tuple(templates),
        outputs=tuple(outputs),
        bodies=tuple(bodies),
    )
    return replace(report, profile=profile)
