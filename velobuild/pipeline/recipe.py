"""All that every page depends on and no key names: when any of it changes, everything is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache

from velobuild import __version__
from velobuild.config.schema import Config
from velobuild.graph.bodies import recipe_of
from velobuild.graph.site import Site
from velobuild.markup.versions import installed_versions
from velobuild.model.keys import fingerprint
from velobuild.render.theme import Theme

# Whose version can change bytes, beside the engines that a markup recipe names.
ENGINES = ("babel", "feedgen", "jinja2", "lxml", "markupsafe", "tzdata")
TRACE_VERSION = 2

_last: tuple[tuple[Config, Theme, frozenset[str]], Mapping[str, str]] | None = None


def recipe_parts(site: Site, theme: Theme, media_origins: frozenset[str]) -> Mapping[str, str]:
    """The parts by names that a person knows, as hashes.

    Those of the last question are kept: a long-lived process asks twice in each build, nearly always the same.
    """
    global _last
    inputs = site.config, theme, media_origins
    if _last is None or _last[0] != inputs:
        _last = inputs, _parts(site, theme, media_origins)
    return _last[1]


def _parts(site: Site, theme: Theme, media_origins: frozenset[str]) -> dict[str, str]:
    config = {f"[{name}] in velobuild.toml": value for name, value in plain_config(site.config).items()}
    engines = {f"the package {name}": version for name, version in _engines().items()}
    parts = {
        "velobuild itself": [TRACE_VERSION, __version__],
        **config,
        "the theme that is used": theme.name,
        "the theme's options": theme.options,
        "the theme's texts (locales)": theme.texts,
        "how bodies are prepared": [recipe_of(site.post_markup).hex(), recipe_of(site.page_markup).hex()],
        "the hosts from which media come": sorted(media_origins),
        **engines,
    }
    return {name: fingerprint(value).hex() for name, value in parts.items()}


@lru_cache(maxsize=1)
def _engines() -> dict[str, str]:
    return installed_versions(ENGINES)


def plain_config(config: Config) -> dict[str, object]:
    """The configuration without what changes no byte of the site."""
    values = asdict(config)
    for name in ("build", "limits", "listen"):
        values.pop(name)
    for source in (values["source"], *values["more_sources"]):
        for name in ("token_env", "token_file", "rate_limit"):
            source.pop(name)
    return values
