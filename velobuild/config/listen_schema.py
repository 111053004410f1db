"""The shape of the `[listen]` table as frozen values: how the webhook service listens, waits, checks and builds.

Apart from `config.schema` for its length; `config.schema` offers these names too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from velobuild.config.bounds import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenConfig:
    """`velobuild listen`: the webhook service. Nothing here changes a byte of the site."""

    address: str = "127.0.0.1:8787"
    """Where the service listens: an address of this machine and a port."""
    secret_env: str = "VELOBUILD_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
    """The environment variable that holds the webhook's secret; with `_2` it holds a second one."""
    secret_file: str | None = None
    """A file of mode 0600 with one webhook secret a line, relative to velobuild.toml."""
    dialects: tuple[Literal["velocms", "cometcms", "polycms", "standard", "hmac", "bearer"], ...] = ()
    """How the senders sign; empty, as the CMS of [source] does."""
    webhook_variant: Literal["auto", "v1", "raw"] = "auto"
    """Which of VeloCMS's two ways to sign is taken: `auto` takes both."""
    realtime: bool = True
    """PocketBase: hear of its changes from itself; then no webhook and no secret is needed."""
    tenant_id: str | None = None
    """VeloCMS: deliveries that name another tenant are ignored."""
    status_token_env: str = "VELOBUILD_STATUS_TOKEN"  # noqa: S105 - the name of a variable
    """The environment variable that holds the token of the status page, needed from other machines."""
    quiet_ms: Annotated[int, Bound(ge=0)] = 500
    """While many events arrive at once, a build waits until none came for so long, in milliseconds."""
    latest_s: Annotated[int, Bound(gt=0)] = 6
    """So many seconds after the last build the next one starts, even while events keep arriving."""
    poll_s: Annotated[int, Bound(ge=0)] = 0
    """Seconds between two looks at the whole CMS; 0 = as often as 5 % of `daily_calls` allow."""
    daily_calls: Annotated[int, Bound(gt=0)] = 10_000
    """The calls a day that the CMS's plan allows; most of them are left to events."""
    build_s: Annotated[int, Bound(gt=0)] = 600
    """A build that takes longer, in seconds, is ended."""
    build_memory_mb: Annotated[int, Bound(ge=0)] = 1_024
    """The memory that a build may use, in millions of bytes; 0 = no limit."""
    after: tuple[tuple[str, ...], ...] = ()
    """Commands that are run after something was published, each as a list of its words; no shell reads them."""
    degraded: tuple[tuple[str, ...], ...] = ()
    """Commands that are run when builds have begun to fail, to tell somebody; as those of `after`."""
    after_s: Annotated[int, Bound(gt=0)] = 60
    """A command of `after` or `degraded` that takes longer, in seconds, is ended."""
