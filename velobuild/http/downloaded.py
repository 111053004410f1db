"""What comes of a download, as values: they are known without all that it takes to speak to a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from velobuild.errors import SourceUnavailable

ATTEMPTS = 4


class TemporaryFailure(SourceUnavailable):
    """May go better at the next try. `of_host` tells whether the host itself seems to be at fault.

    `pause_s` is what the server asked for; `patience` multiplies our own pauses.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str,
        pause_s: float = 0.0,
        of_host: bool = True,
        tries: int = ATTEMPTS,
        patience: int = 1,
    ) -> None:
        super().__init__(what, code="VB4001", where=where, hint="it is tried again at the next build")
        self.pause_s = pause_s
        self.tries = tries
        self.patience = patience
        self.of_host = of_host


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said about a version of a file, verbatim."""

    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)

    @property
    def if_range(self) -> str | None:
        """What makes a server continue this very version; weak tags do not promise the same bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file at `path`, which is the caller's now."""

    path: Path
    size_bytes: int
    validators: Validators


@dataclass(frozen=True, slots=True)
class NotModified:
    """The server still has the version that we know."""
