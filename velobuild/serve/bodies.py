"""A request's body: how long it says it is, the whole of it within its limit, and what stands in it."""

from __future__ import annotations

from typing import Any

from starlette.types import Message, Receive

from velobuild.http.strict_json import NotJson, parse
from velobuild.serve.webhook import Headers, Unusable


class TooLarge(Exception):
    """The body is longer than it may be."""


class Gone(Exception):
    """The sender left before all of it was here."""


def announced_length(headers: Headers) -> int | None:
    """What Content-Length says; 0 where there is no body at all, None where only the end will tell."""
    if b"transfer-encoding" in headers:
        return None
    # The guard has seen to it that it is one number.
    values = headers.get(b"content-length", ())
    return int(values[0]) if values else 0


async def rest_of(message: Message, receive: Receive, limit: int) -> bytes:
    """The whole body, beginning with `message`; never more than `limit` bytes of it.

    Raises TooLarge, Gone.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone


def payload_of(body: bytes) -> Any:
    """Raises Unusable."""
    try:
        return parse(body)
    except NotJson as error:
        raise Unusable(str(error)) from error
