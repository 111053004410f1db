"""The table of `build --profile`. Pure."""

from __future__ import annotations

from velobuild.model.outputs import BuildReport, Cost, Profile


def profile_text(report: BuildReport, profile: Profile) -> str:
    """Phases, the slowest templates, outputs and bodies, and what recording the reads took."""
    lines = ["Phases                     ms", *(f"  {name:<20} {ms:>6}" for name, ms in report.elapsed_ms.items())]
    lines += _table(f"Templates and renderers, {profile.rendered} outputs in all", profile.templates, counted=True)
    lines += _table("Slowest outputs", profile.outputs)
    lines += _table("Slowest bodies to prepare", profile.bodies)
    lines += [
        "",
        f"Recording what pages read: {profile.recording_percent} % of the work "
        f"({_ms(profile.recording_us)} ms to gather, {_ms(profile.writing_us)} ms to write)",
    ]
    return "\n".join(lines)


def _table(title: str, costs: tuple[Cost, ...], *, counted: bool = False) -> list[str]:
    if not costs:
        return []
    head = f"{'ms':>10}" + (f"{'outputs':>9}{'ms each':>9}" if counted else "")
    rows = [
        f"{_ms(cost.us):>10}"
        + (f"{cost.count:>9}{_ms(cost.us // cost.count):>9}" if counted else "")
        + f"  {cost.name}"
        for cost in costs
    ]
    return ["", title, head, *rows]


def _ms(us: int) -> str:
    return f"{us / 1000:.1f}"
