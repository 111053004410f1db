"""How content becomes a site: `building` begins and ends a build, `steps` is the table of contents of what it does."""

from __future__ import annotations

from velobuild.pipeline.building import build
from velobuild.pipeline.run import BuildOptions

__all__ = ["BuildOptions", "build"]
