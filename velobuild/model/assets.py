"""A media file as it is published, and where the knowledge of such files is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# 128 bits of the hash: short enough to read, far too many to collide by accident or by work.
NAME_HEX = 32


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that was fetched, checked and freed of metadata.

    `sha256` (lower-case hex) and `size_bytes` are of the bytes as published, which are seldom those that were served;
    `width_px` and `height_px` are as a browser shows the picture, or None for what is no picture. `extension` and
    `mime_type` come from the content, never from a name. `etag` and `last_modified` are the server's, for asking again.
    """

    url: str
    sha256: str
    extension: str
    mime_type: str
    size_bytes: int
    width_px: int | None
    height_px: int | None
    fetched_at: datetime
    etag: str | None = None
    last_modified: str | None = None

    @property
    def path(self) -> str:
        """Where the file lies in the published site, relative to its root."""
        return path_of(self.sha256, self.extension)


def path_of(sha256: str, extension: str) -> str:
    """Where a file with this hash lies in the published site, relative to its root."""
    return f"media/{sha256[:NAME_HEX]}.{extension}"


class AssetRows(Protocol):
    """The last good copy known for each URL. Asked and told by one thread alone."""

    def get(self, url: str) -> Asset | None: ...

    def put(self, asset: Asset) -> None:
        """Remember the asset under its URL, in place of any older one."""
        ...
