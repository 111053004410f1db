"""The table of contents: sync → settle → prepare → media → render → publish.

Each step is a function of its own module; what one step hands to the next is a value of `model`.
"""

from __future__ import annotations

from velobuild.pipeline.building import build
from velobuild.pipeline.run import BuildOptions
from velobuild.pipeline.syncing import sync

__all__ = ["BuildOptions", "build", "sync"]
