"""From a configuration to a source with its connections and its share of the rate limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from velobuild.config.schema import Loaded, SourceConfig
from velobuild.errors import ConfigError
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter, parse_rate
from velobuild.model.ports import Clock, Progress, Warn
from velobuild.sources.listing import no_progress
from velobuild.sources.velocms import VeloCms

API_PATH = "/api/v1"


class Opened:
    """A source and what must be closed after it."""

    def __init__(self, source: VeloCms, client: ApiClient, limiter: Limiter) -> None:
        self.source = source
        self.client = client
        self._limiter = limiter

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()
        self._limiter.close()


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
    base = api_base(config)
    limiter = Limiter(cache, fixed=None if config.rate_limit is None else parse_rate(config.rate_limit), clock=clock)
    try:
        client = ApiClient(base, loaded.tokens, limiter=limiter, clock=clock, warn=warn, sleep=sleep)
    except ConfigError:
        limiter.close()
        raise
    source = VeloCms(
        client, config, loaded.config.limits, clock=clock, warn=warn, progress=progress if progress else no_progress
    )
    return Opened(source, client, limiter)


def api_base(config: SourceConfig) -> str:
    """The API's base below the site's address, which may already end in it. Raises ConfigError VB1105."""
    if not config.url:
        raise ConfigError(
            "the CMS's address is missing",
            code="VB1105",
            where="source.url",
            hint="write source.url, or export VELOCMS_SITE_URL",
        )
    return config.url.rstrip("/").removesuffix(API_PATH).rstrip("/") + API_PATH
