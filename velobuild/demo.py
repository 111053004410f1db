"""The main job in one command: a development CMS with sample posts, a read-only key, a built site, and a way to look.

Nothing here is a shortcut: the site is pulled over HTTP through the same door as from any VeloCMS.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from velobuild.config.load import load
from velobuild.config.schema import ListenConfig, Loaded
from velobuild.config.shipped import folder
from velobuild.devcms import DevCms, Running, Switches
from velobuild.devcms.seed import seed
from velobuild.devcms.server import find_pocketbase
from velobuild.errors import ConfigError
from velobuild.model.outputs import BuildReport
from velobuild.model.ports import Progress, Warn
from velobuild.pipeline import BuildOptions, build

KEY_NAME = "demo, read-only"
CALLS_A_MINUTE = 100
SECRET_VARIABLE = ListenConfig().secret_env
SITE_PARTS = ("velobuild.toml", "pages", "templates", "static", "locales")


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is ready: the site is built, the CMS runs until `close`."""

    folder: Path
    loaded: Loaded
    running: Running
    report: BuildReport
    posts: int
    seconds: float

    def close(self) -> None:
        self.running.stop()


def prepare_demo(
    target: Path,
    *,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    warn: Warn,
    progress: Progress | None,
    base_url: str,
    cache: Path | None,
    hook_url: str | None = None,
) -> Demo:
    """Start the CMS, seed it, make a key, and build the example site into `target`, an empty or new folder.

    With a `hook_url` the CMS gets it as its webhook, before the build: what is edited meanwhile is delivered too.

    Raises ConfigError VB1106 (folder not empty) or VB1501 (extra `demo` missing), and what `build` raises.
    """
    if target.exists() and any(target.iterdir()):
        raise ConfigError(
            f"the folder {target} is not empty", code="VB1106", where="--folder", hint="choose a new or empty folder"
        )
    find_pocketbase()  # Before anything is written: without the extra, the folder stays as it is.
    started = time.monotonic()
    example = folder("example_site")
    site = target / "site"
    site.mkdir(parents=True)
    for name in SITE_PARTS:
        part = example / name
        if part.is_dir():
            shutil.copytree(part, site / name)
        elif part.exists():
            shutil.copy2(part, site / name)
    running = DevCms(target / "cms").start()
    try:
        seeded = seed(running, example / "cms").posts
        key = running.create_key(KEY_NAME)
        running.set_switches(Switches(rate_limit=CALLS_A_MINUTE, hourly_limit=0))
        say(f"A development CMS runs at {running.url} with {seeded} posts.")
        say(f"Its key `{KEY_NAME}` may make {CALLS_A_MINUTE} calls a minute, as a real one.")
        variables = {"VELOCMS_SITE_URL": running.url, "VELOCMS_API_KEY": key, "VELOBUILD_BASE_URL": base_url}
        if hook_url is not None:
            variables[SECRET_VARIABLE] = running.add_webhook(hook_url)
        write_dotenv(site / ".env", variables)
        loaded = load(site / "velobuild.toml", directory=site, environment={**environment, **variables}, env_name=None)
        report = build(loaded, BuildOptions(), cache=cache, warn=warn, progress=progress)
    except BaseException:
        running.stop()
        raise
    return Demo(target, loaded, running, report, seeded, time.monotonic() - started)


def write_dotenv(file: Path, variables: Mapping[str, str]) -> None:
    """Keep what the site needs beside it, for its owner's eyes: so `velobuild -C SITE serve` and `build` work later."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
        lines.writelines(f"{name}={value}\n" for name, value in variables.items())
