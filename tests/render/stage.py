"""A blog with a small theme of its own, rendered without a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.graph.rig import CONFIG, Blog
from velobuild.config.schema import Config, ThemeConfig
from velobuild.render.renderers import Rendering
from velobuild.render.theme import Theme, load_theme

MANIFEST = 'name = "mine"\nversion = "1.0.0"\ndescription = "For tests."\nlicence = "MIT"\n'
EVERY = ("home", "list", "post", "tag", "tags", "archive", "year", "page", "404", "redirect")


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def themed(folder: Path, templates: Mapping[str, str], *, manifest: str = MANIFEST, config: Config = CONFIG) -> Blog:
    """A blog whose theme `mine` has these templates, and an empty one for every other kind of page."""
    files = {f"mine/templates/{name}.html": "empty" for name in EVERY}
    files |= {f"mine/templates/{name}": text for name, text in templates.items()}
    write(folder, {**files, "mine/theme.toml": manifest})
    return Blog(folder, replace(config, theme=replace(config.theme, path="mine")))


def theme_of(blog: Blog) -> Theme:
    return load_theme(blog.site.config, blog.site.root)


def rendered(blog: Blog, path: str) -> str:
    """The one file that a target becomes."""
    rendering = Rendering(blog.reader, theme_of(blog))
    name, content, _ = rendering.file(blog.by_path()[path])
    assert name == path
    return content.decode()


def whole(blog: Blog) -> dict[str, bytes]:
    """Every file that the renderers make."""
    rendering = Rendering(blog.reader, theme_of(blog))
    return {name: content for target in blog.targets() for name, content, _ in [rendering.file(target)]}


PLAIN = ThemeConfig(name="plain")
