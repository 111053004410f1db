"""`POST /hooks/SITE`: the door by which events come in.

Size, then the grammar of the headers, then the signature, then freshness, then the queue; 202 when the event is on the
disk, and nothing is built before. Replies have no body and never say why: reasons are in the log and in `Seen`.

| reply | when |
|---|---|
| 202 | authentic and kept, whatever it says: a refusal would count towards the sender's giving up |
| 401 | not authentic, or not fresh |
| 404, 405 | no such site, not POST |
| 413 | larger than the dialect allows |
| 503 | authentic, but the disk does not take it now: the sender shall try again |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from time import monotonic

from starlette.types import Receive, Scope, Send

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError
from velobuild.model.ports import Clock
from velobuild.serve.bodies import Gone, TooLarge, announced_length, payload_of, rest_of
from velobuild.serve.dialects import DIALECTS, SMALL
from velobuild.serve.events import NO_WORK, Event, Letter
from velobuild.serve.queue import Queue
from velobuild.serve.queue_commit import PATIENCE_S, TRY_AGAIN_S, GroupCommit
from velobuild.serve.seen import Seen
from velobuild.serve.webhook import (
    Claim,
    Dialect,
    Headers,
    Reading,
    Refused,
    Unusable,
    Variant,
    body_time_s,
    keys,
    proven,
    skew_s,
)

PREFIX = "/hooks/"
LARGE_AT_ONCE = 4
"""Bodies above 64 KB that are in memory at one time; further ones wait, within their deadline."""
LOGGED_EVERY_S = 10.0
KINDS_LOGGED = 100
LOG = logging.getLogger("velobuild.serve.receiver")


@dataclass(frozen=True, slots=True)
class SiteHook:
    """What one site is told, and by whom. To reload the secrets, put another one into the mapping.

    `collections` are those of posts: an entry of any other may be shown by every page, so all is looked at.

    Raises ConfigError VB1205 for secrets that cannot be used, VB1101 for an unknown dialect.
    """

    dialects: tuple[str, ...]
    secrets: tuple[Secret, ...] = field(repr=False)
    variant: Variant = "auto"
    tenant_id: str | None = None
    collections: frozenset[str] = frozenset({"posts"})
    _keys: Mapping[str, Mapping[int, bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in self.dialects:
            if name not in DIALECTS:
                hint = f"known: {', '.join(DIALECTS)}"
                raise ConfigError(f"`{name}` is no dialect", code="VB1101", where="listen.dialects", hint=hint)
        object.__setattr__(self, "_keys", {name: keys(DIALECTS[name], self.secrets) for name in self.dialects})

    def dialect_of(self, headers: Headers) -> Dialect | None:
        """The first of the site's dialects whose header is there. No other is tried after it."""
        return next((DIALECTS[name] for name in self.dialects if DIALECTS[name].header in headers), None)

    def keys_of(self, dialect: Dialect) -> Mapping[int, bytes]:
        return self._keys[dialect.name]


class Receiver:
    """An ASGI application. `sites` may change while it runs; `wake` is told of a site when it has new work."""

    def __init__(
        self,
        sites: Mapping[str, SiteHook],
        queue: Queue,
        wake: Callable[[str], None],
        clock: Clock,
        *,
        patience_s: float = PATIENCE_S,
        try_again_s: float = TRY_AGAIN_S,
    ) -> None:
        self._sites = sites
        self._clock = clock
        self._commit = GroupCommit(queue, wake, clock, patience_s=patience_s, try_again_s=try_again_s)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._seen: dict[str, Seen] = {}
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}
        self._events_logged: set[tuple[str, str]] = set()

    def seen(self, site: str) -> Seen:
        """The counters of a site, alive."""
        return self._seen.setdefault(site, Seen())

    async def close(self) -> None:
        """Wait for the deliveries that are being kept. The server has stopped by then."""
        await self._commit.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return None
        path = scope["path"]
        site = path.removeprefix(PREFIX) if path.startswith(PREFIX) else None
        hook = self._sites.get(site) if site is not None else None
        if site is None or hook is None:
            return await _reply(send, 404, close=True)
        if scope["method"] != "POST":
            return await _reply(send, 405, close=True, allow=True)
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)

        dialect = hook.dialect_of(headers)
        limit = dialect.body_limit if dialect else SMALL
        announced = announced_length(headers)
        if announced is not None and announced > limit:
            self._refuse(site, "larger than allowed", signed=False)
            return await _reply(send, 413, close=True)
        claim: Claim | Refused = Refused("no signature of a dialect that is listened to")
        if dialect is not None:
            claim = dialect.claim(headers, hook.variant)
        if dialect is None or isinstance(claim, Refused):
            self._refuse(site, claim.why if isinstance(claim, Refused) else "", signed=dialect is not None)
            return await _reply(send, 401, close=announced != 0)
        return await self._read(_Delivery(site, hook, dialect, claim, headers, limit), receive, send)

    async def _read(self, delivery: _Delivery, receive: Receive, send: Send) -> None:
        large = False
        try:
            message = await receive()
            body = bytes(message.get("body", b""))
            if message["type"] == "http.disconnect":
                return None
            if message.get("more_body") or len(body) > SMALL:
                large = delivery.limit > SMALL
                if large:
                    await self._large.acquire()
                body = await rest_of(message, receive, delivery.limit)
            return await _reply(send, await self._judge(delivery, body))
        except TooLarge:
            self._refuse(delivery.site, "larger than allowed", signed=False)
            return await _reply(send, 413, close=True)
        except Gone:
            return None
        finally:
            if large:
                self._large.release()

    async def _judge(self, delivery: _Delivery, body: bytes) -> int:
        """The status for a whole body."""
        now = self._clock()
        site, dialect = delivery.site, delivery.dialect
        secret = proven(delivery.claim, delivery.hook.keys_of(dialect), body)
        if secret is None:
            return self._refuse(site, "the signature is not that of any secret", signed=True)
        letters: Sequence[Letter] = ()
        try:
            payload = payload_of(body)
            sent_at_s: float | None = delivery.claim.sent_at_s
            if sent_at_s is None and dialect.time is not None and isinstance(payload, dict):
                sent_at_s = body_time_s(payload.get(dialect.time))
            reading = dialect.read(payload, delivery.headers)
        except Unusable as error:
            sent_at_s = delivery.claim.sent_at_s
            reading = Reading("reconcile", "unusable")
            letters = (Letter(site, dialect.name, str(error), body, now),)
        off = None if sent_at_s is None else skew_s(sent_at_s, now)
        if off is not None:
            self.seen(site).skew_s = off
            line = f"valid signature, clock skew {off:.0f} s"
            return self._refuse(site, "valid signature, clock skew", line, signed=True)
        # One pending reconciliation is enough, so bodies of no use do not tell themselves apart.
        key = None if letters else reading.delivery_id or delivery.claim.delivery_id or sha256(body).hexdigest()
        event = self._event(delivery, reading, now, key)
        if not await self._commit.keep((event,), letters):
            return 503
        self._note(site, secret, event, bool(letters), now)
        return 202

    def _event(self, delivery: _Delivery, reading: Reading, now: datetime, key: str | None) -> Event:
        kind, wanted = reading.kind, delivery.hook.tenant_id
        if wanted is not None and reading.tenant_id not in (None, wanted):
            self._log_once(delivery.site, "a delivery for another tenant is ignored; this URL is registered there too")
            kind = "other"
        elif kind == "other":
            self._log_once(delivery.site, f"events `{reading.event[:64]!r}` need no build")
        name, post_id, slug = delivery.dialect.name, reading.post_id, reading.slug
        if reading.collection is not None and reading.collection not in delivery.hook.collections:
            kind, post_id, slug = kind if kind in NO_WORK else "reconcile", None, None
        return Event(delivery.site, name, kind, post_id, slug, reading.version, now, key)

    def _note(self, site: str, secret: int, event: Event, unusable: bool, now: datetime) -> None:
        seen = self.seen(site)
        seen.accepted += 1
        seen.unusable += unusable
        seen.by_secret[secret] += 1
        seen.accepted_at = now
        seen.begin_anew()
        if event.kind == "ping":
            seen.ping_at = now

    def _refuse(self, site: str, why: str, line: str | None = None, *, signed: bool) -> int:
        self.seen(site).refuse(why, self._clock(), signed=signed)
        # A flood of forgeries must not fill the disk with lines.
        last, silent = self._logged.get((site, why), (-LOGGED_EVERY_S, 0))
        if monotonic() - last < LOGGED_EVERY_S:
            self._logged[site, why] = last, silent + 1
        else:
            self._logged[site, why] = monotonic(), 0
            fields = {"site": site, "refused_silently": silent or None}
            LOG.warning("refused a delivery: %s", line or why, extra={"fields": fields})
        return 401

    def _log_once(self, site: str, line: str) -> None:
        if (site, line) not in self._events_logged and len(self._events_logged) < KINDS_LOGGED:
            self._events_logged.add((site, line))
            LOG.warning("%s", line, extra={"fields": {"site": site}})


@dataclass(frozen=True, slots=True)
class _Delivery:
    site: str
    hook: SiteHook
    dialect: Dialect
    claim: Claim
    headers: Headers
    limit: int


def application(
    sites: Mapping[str, SiteHook],
    queue: Queue,
    wake: Callable[[str], None],
    clock: Clock,
    *,
    patience_s: float = PATIENCE_S,
    try_again_s: float = TRY_AGAIN_S,
) -> Receiver:
    """The receiver as an ASGI application.

    A delivery is answered with 503 after `patience_s` seconds on the disk; a disk that refused is tried again after
    `try_again_s`, also if no further delivery comes.
    """
    return Receiver(sites, queue, wake, clock, patience_s=patience_s, try_again_s=try_again_s)


async def _reply(send: Send, status: int, *, close: bool = False, allow: bool = False) -> None:
    headers = [(b"content-length", b"0")]
    if close:
        headers.append((b"connection", b"close"))
    if allow:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
