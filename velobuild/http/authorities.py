"""Whose certificates are trusted: read once by each process."""

from __future__ import annotations

import functools
import ssl


@functools.cache
def public_authorities() -> ssl.SSLContext:
    """The well-known certificate authorities, whatever the environment says.

    To load them takes longer than a whole build of one post, so all connections of a process share them.
    """
    import httpx  # Slow to load; a build that has no file to fetch does without it.

    return httpx.create_ssl_context(trust_env=False)
