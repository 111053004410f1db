"""What every command is given: the flags, the configuration when it is first asked for, and a voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from velobuild.cli.output import Console, as_json, colour_wanted, json_text, live_wanted, render_errors, render_warnings
from velobuild.cli.progress import Display, Live, Plain, Silent
from velobuild.config.environment import cache_folder
from velobuild.errors import ConfigError, Diagnostic

if TYPE_CHECKING:
    from pathlib import Path

    from velobuild.config.cache import ConfigCache
    from velobuild.config.schema import Loaded, Secret


@dataclass(slots=True)
class Flags:
    """The global options, as far as they were given."""

    directory: Path | None = None
    config: Path | None = None
    env: str | None = None
    set: dict[str, str] = field(default_factory=dict)
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    progress: bool = True
    json: bool = False
    offline: bool = False


class Context:
    """Handed to commands by `click.pass_obj`.

    `say`, `detail`, `warn` and `progress` go to stderr; `result` is the one thing that goes to stdout.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        out: TextIO,
        err: TextIO,
        stdin: TextIO,
        directory: Path | None = None,
        enter: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        self.flags = Flags()
        self.environment = environment
        self.console = Console(out, err)
        self._stdin = stdin
        self._started_in = directory
        self._enter = enter
        self._labels: dict[str, str] = {}
        self._warnings: list[Diagnostic] = []
        self._warnings_shown = 0
        self._cache: ConfigCache | None = None
        self._tokens: tuple[Secret, ...] = ()

    @property
    def directory(self) -> Path:
        """Where the command works: that of -C, else where it was called. Absolute."""
        return (self._started_in or self._called_in) / (self.flags.directory or "")

    @cached_property
    def _called_in(self) -> Path:
        from pathlib import Path

        return Path.cwd()

    def work_in(self, folder: Path) -> None:
        """Obey -C. Raises ConfigError VB1107 for a folder that does not exist."""
        self.flags.directory = folder
        if not self.directory.is_dir():
            raise ConfigError("this folder does not exist", code="VB1107", where=f"-C {folder}", hint="check the path")
        self._enter(self.directory)

    @property
    def colour(self) -> bool:
        return colour_wanted(self.flags.color, self.environment, terminal=self._on_terminal)

    @property
    def colour_of_result(self) -> bool:
        """The same for stdout, which may go into a file while stderr does not."""
        return colour_wanted(self.flags.color, self.environment, terminal=self.console.out.isatty())

    @property
    def cache(self) -> Path | None:
        """The user's folder for what all sites share, such as the rate limiter's count."""
        return cache_folder(self.environment)

    @property
    def interactive(self) -> bool:
        """Whether there is somebody to ask."""
        return self._stdin.isatty() and self._on_terminal and not self.environment.get("CI")

    def override(self, key: str, value: object | None, *, flag: str) -> None:
        """Let a command's own flag set a key of velobuild.toml, before `loaded` is first used. None does nothing."""
        if "loaded" in self.__dict__:
            raise RuntimeError(f"{flag} came after the configuration was read")
        if value is not None:
            self.flags.set[key] = str(value)
            self._labels[key] = flag

    @cached_property
    def loaded(self) -> Loaded:
        """The configuration. Raises ConfigError with every finding."""
        return self._load(needs_cms=True)

    def reload(self) -> Loaded:
        """The configuration as it stands now, for a command that lives long. Raises ConfigError with every finding."""
        return self._load(needs_cms=True)

    @cached_property
    def loaded_for_this_machine(self) -> Loaded:
        """The configuration for what asks the CMS nothing: a rollback must not fail for want of its address."""
        return self._load(needs_cms=False)

    def _load(self, *, needs_cms: bool) -> Loaded:
        from pathlib import Path

        from velobuild.config.cache import ConfigCache
        from velobuild.config.load import load

        config = self.flags.config or self.environment.get("VELOBUILD_CONFIG")
        self._cache = self._cache or ConfigCache()
        loaded = load(
            Path(config) if config else None,
            directory=self.directory,
            environment=self.environment,
            overrides=self.flags.set,
            labels=self._labels,
            env_name=self.flags.env or self.environment.get("VELOBUILD_ENV") or None,
            needs_cms=needs_cms,
            cache=self._cache,
        )
        self._tokens = loaded.tokens
        for warning in loaded.warnings:
            self.warn(warning)
        return loaded

    @cached_property
    def progress(self) -> Display:
        """A `model.ports.Progress`."""
        if self.flags.quiet or not self.flags.progress:
            return Silent(self.console.write)
        if live_wanted(self.environment, terminal=self._on_terminal):
            return Live(self.console.err, self.console.write, colour=self.colour)
        return Plain(self.console.write)

    def say(self, line: str) -> None:
        """A line of talk; -q silences it."""
        if not self.flags.quiet:
            self._write(line)

    def detail(self, line: str) -> None:
        """A line that only -v wants."""
        if self.flags.verbose:
            self._write(line)

    def result(self, text: str, value: Any = None) -> None:
        """What the command was asked for: `text`, or with --json the one document `value` (None: the text as one)."""
        self._clear_progress()
        self.console.result(json_text(text if value is None else value) if self.flags.json else text)

    def warn(self, warning: Diagnostic) -> None:
        """Keep a warning; all are shown together at the end, grouped. A `model.ports.Warn`."""
        self._warnings.append(warning)

    def drop_warnings(self) -> None:
        """Show none of the warnings so far: the command's result holds them."""
        self._warnings_shown = len(self._warnings)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(self._warnings)

    def show_warnings(self) -> None:
        """Show the warnings that were not shown yet: for a command that ends in a last line of its own."""
        fresh = self._warnings[self._warnings_shown :]
        self._warnings_shown = len(self._warnings)
        if fresh and not self.flags.quiet:
            self._write(render_warnings(fresh, colour=self.colour, every=self.flags.verbose > 0))

    def show_errors(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """The end of a failure. With --json, and if there was no result, the findings are the result too."""
        self._clear_progress()
        self.console.write(render_errors(diagnostics, colour=self.colour))
        if self.flags.json and not self.console.has_result:
            self.console.result(json_text({"errors": [as_json(diagnostic) for diagnostic in diagnostics]}))

    def close(self) -> None:
        """Clear what is live and show what is due."""
        self._clear_progress()
        self.show_warnings()
        if self._cache is not None:
            # Now, for the first build of a site has made its state folder only after it knew its configuration.
            self._cache.keep(self._tokens)

    @property
    def _on_terminal(self) -> bool:
        return self.console.err.isatty()

    def _write(self, text: str) -> None:
        if "progress" in self.__dict__:
            self.progress.write(text)
        else:
            self.console.write(text)

    def _clear_progress(self) -> None:
        if "progress" in self.__dict__:
            self.progress.close()


def parse_setting(text: str) -> tuple[str, str]:
    """`key=value` of --set. Raises ConfigError VB1107."""
    key, equals, value = text.partition("=")
    if not equals or not all(part for part in key.strip().split(".")):
        raise ConfigError(
            "--set wants a key of velobuild.toml and a value",
            code="VB1107",
            where="--set",
            hint="such as --set build.out=dist",
        )
    return key.strip(), value
