"""The style sheet for code in colour, as it is shipped: every build reads it, and few colour anything."""

from __future__ import annotations

from pathlib import Path


def shipped_stylesheet() -> str:
    """What `highlight.stylesheet` gives for the styles that velobuild uses."""
    return Path(__file__).with_name("highlight.css").read_text("utf-8")
