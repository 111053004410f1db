"""From a configuration to a source with its connections and its share of the rate limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from velobuild.config.schema import Loaded, SourceConfig
from velobuild.errors import ConfigError
from velobuild.http.client import ApiClient
from velobuild.http.errors import VELOCMS, ApiDialect
from velobuild.http.limiter import START, Limiter, Rate, parse_rate
from velobuild.model.ports import Clock, Progress, Source, Warn
from velobuild.sources.doctor import Finding, diagnose
from velobuild.sources.listing import no_progress
from velobuild.sources.posts import Tally
from velobuild.sources.velocms import VeloCms

API_PATH = "/api/v1"


class TallyingSource(Source, Protocol):
    """A source that tells what its last synchronisation did."""

    @property
    def tally(self) -> Tally: ...


class Opened:
    """A source and what must be closed after it. `diagnose` looks at the CMS for `velobuild doctor`.

    What speaks no HTTP has neither client nor limiter.
    """

    def __init__(
        self,
        source: TallyingSource,
        client: ApiClient | None,
        limiter: Limiter | None,
        diagnose: Callable[[], list[Finding]],
    ) -> None:
        self.source = source
        self.client = client
        self.diagnose = diagnose
        self._limiter = limiter

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        if self._limiter is not None:
            self._limiter.close()


def connect(
    loaded: Loaded,
    base: str,
    *,
    cache: Path | None,
    clock: Clock,
    warn: Warn,
    sleep: Callable[[float], None],
    dialect: ApiDialect = VELOCMS,
    start: Rate = START,
) -> tuple[ApiClient, Limiter]:
    """The client of the API at `base`, and the limiter that is to be closed after it. Raises ConfigError."""
    rate = loaded.config.source.rate_limit
    limiter = Limiter(cache, fixed=None if rate is None else parse_rate(rate), start=start, clock=clock)
    try:
        client = ApiClient(base, loaded.tokens, limiter=limiter, dialect=dialect, clock=clock, warn=warn, sleep=sleep)
    except ConfigError:
        limiter.close()
        raise
    return client, limiter


def open_velocms(
    loaded: Loaded,
    *,
    cache: Path | None,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> Opened:
    """Raises ConfigError."""
    config = loaded.config.source
    client, limiter = connect(loaded, api_base(config), cache=cache, clock=clock, warn=warn, sleep=sleep)
    source = VeloCms(
        client,
        config,
        loaded.config.limits,
        clock=clock,
        warn=warn,
        progress=progress if progress else no_progress,
        drafts=loaded.drafts,
    )
    return Opened(source, client, limiter, lambda: diagnose(client, comments=config.comments))


def api_base(config: SourceConfig) -> str:
    """The API's base below the site's address, which may already end in it. Raises ConfigError VB1105."""
    return site_of(config).removesuffix(API_PATH).rstrip("/") + API_PATH


def site_of(config: SourceConfig) -> str:
    """The CMS's address without a slash at its end. Raises ConfigError VB1105."""
    if not config.url:
        raise ConfigError(
            "the CMS's address is missing",
            code="VB1105",
            where="source.url",
            hint="write source.url, or export VELOCMS_SITE_URL",
        )
    return config.url.rstrip("/")
