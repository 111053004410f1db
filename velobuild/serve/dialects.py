"""The senders that are understood, each as a value: which headers it uses, what it signs, and what its events mean.

A payload is never content. It says that something may have changed and, at best, which post; the rest is asked of the
CMS. So every field is read with distrust: of the wrong type or too long, it is as if it were missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from velobuild.config.schema import SourceConfig
from velobuild.serve.webhook import (
    Dialect,
    Headers,
    Reading,
    Unusable,
    claim_bearer,
    claim_hex,
    claim_standard,
    claim_velocms,
    only,
    standard_key,
)

SMALL = 64 * 1024
LARGE = 4 * 1024 * 1024
"""PolyCMS sends whole models, bodies and all."""
ID = re.compile(r"[^\x00-\x20\x7f-\x9f\ud800-\udfff\ufffe\uffff]{1,255}")

VELOCMS_KINDS: Mapping[str, str] = {
    "post.published": "post.published",
    "post.updated": "post.updated",
    "post.deleted": "post.deleted",
    "post.unpublished": "post.unpublished",
    "comment.received": "comment.changed",
    "subscriber.added": "other",
    "subscriber.removed": "other",
    "subscriber.created": "other",
    "test.ping": "ping",
}
COMET_KINDS: Mapping[str, str] = {
    "content.created": "post.updated",
    "content.updated": "post.updated",
    "content.published": "post.published",
    "content.restored": "post.updated",
    "content.unpublished": "post.unpublished",
    "content.deleted": "post.deleted",
    "webhook.manual": "reconcile",
}
# `saving` and its kin are announced before anything is stored: what follows them is what counts.
POLY_KINDS: Mapping[str, str] = {
    "post.saved": "post.updated",
    "post.published": "post.published",
    "post.deleted": "post.deleted",
    "category.saved": "terms.changed",
    "category.deleted": "terms.changed",
    "tag.saved": "terms.changed",
    "tag.deleted": "terms.changed",
    "media.uploaded": "media.changed",
    "media.deleted": "media.changed",
    "settings.saved": "settings.changed",
}


def name(value: Any) -> str | None:
    """An id or slug as a payload gives it; numbers become text. None for what cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return str(value)
    return value if isinstance(value, str) and ID.fullmatch(value) else None


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unusable("it is not a JSON object")
    return value


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key, {})
    if isinstance(found, list) and not found:  # an empty PHP array
        return {}
    return _object(found)


def _event(payload: Mapping[str, Any], key: str) -> str:
    event = payload.get(key)
    if not isinstance(event, str) or not name(event):
        raise Unusable(f"it names no event: `{key}` is missing or no text")
    return event


def _of_post(reading: Reading) -> Reading:
    if reading.kind.startswith("post.") and reading.post_id is None and reading.slug is None:
        raise Unusable("it names no post")
    return reading


def read_velocms(payload: Any, headers: Headers) -> Reading:
    """Both shapes: fields below `payload` in variant v1, below `data` and without an id in the other."""
    body = _object(payload)
    event = _event(body, "event")
    fields = _part(body, "payload" if "payload" in body else "data")
    return _of_post(
        Reading(
            VELOCMS_KINDS.get(event, "other"),
            event,
            post_id=name(fields.get("post_id")),
            slug=name(fields.get("slug")),
            version=_version(fields, "updated", "updated_at"),
            delivery_id=name(body.get("id")),
            tenant_id=name(fields.get("tenant_id")),
        )
    )


def read_cometcms(payload: Any, headers: Headers) -> Reading:
    """It tells the entry's collection, whose name is the owner's to choose, and not of which workspace it is."""
    body = _object(payload)
    event = _event(body, "event")
    fields = _part(body, "data")
    kind = COMET_KINDS.get(event, "other")
    collection, post_id, slug = (name(fields.get(key)) for key in ("type", "id", "slug"))
    if kind.startswith("post.") and collection is None:
        return Reading("reconcile", event)
    return _of_post(Reading(kind, event, post_id, slug, collection=collection))


def read_polycms(payload: Any, headers: Headers) -> Reading:
    """The hook's first argument is the whole model; its id, slug and time are all that is looked at."""
    body = _object(payload)
    if "ping" in body or only(headers, b"x-polycms-event") == b"ping":
        return Reading("ping", "ping")
    event = _event(body, "hook")
    kind = POLY_KINDS.get(event, "other")
    if not kind.startswith("post."):
        return Reading(kind, event)
    arguments = body.get("args")
    model = _object(arguments[0] if isinstance(arguments, Sequence) and arguments else None)
    version = _version(model, "updated_at")
    return _of_post(Reading(kind, event, name(model.get("id")), name(model.get("slug")), version))


def read_any(payload: Any, headers: Headers) -> Reading:
    """A sender that nobody knows: events that VeloCMS also has are taken at their word, any other asks for all."""
    if not isinstance(payload, dict):
        raise Unusable("it is not a JSON object")
    event = next((found for key in ("type", "event") if (found := name(payload.get(key)))), "unnamed")
    fields = payload.get("data", payload.get("payload", {}))
    kind = VELOCMS_KINDS.get(event, "reconcile")
    if event in ("ping", "test.ping"):
        return Reading("ping", event)
    if kind.startswith("post.") and isinstance(fields, dict):
        post_id, slug = name(fields.get("post_id", fields.get("id"))), name(fields.get("slug"))
        if post_id or slug:
            return Reading(kind, event, post_id, slug, _version(fields, "updated", "updated_at"))
    return Reading("reconcile" if kind.startswith("post.") else kind, event)


def _version(fields: Mapping[str, Any], *keys: str) -> str | None:
    found = next((fields[key] for key in keys if isinstance(fields.get(key), str)), None)
    return found if found is not None and len(found) <= 64 and found.isascii() and found.isprintable() else None


VELOCMS = Dialect("velocms", b"x-velocms-signature", SMALL, claim_velocms, read_velocms, time="timestamp")
COMETCMS = Dialect(
    "cometcms",
    b"x-cometcms-signature",
    SMALL,
    claim_hex(b"x-cometcms-signature", b"sha256="),
    read_cometcms,
    time="occurred_at",
)
POLYCMS = Dialect("polycms", b"x-polycms-signature", LARGE, claim_hex(b"x-polycms-signature", b""), read_polycms)
STANDARD = Dialect("standard", b"webhook-signature", SMALL, claim_standard, read_any, key=standard_key)
HMAC = Dialect("hmac", b"x-hub-signature-256", SMALL, claim_hex(b"x-hub-signature-256", b"sha256="), read_any)
BEARER = Dialect("bearer", b"authorization", SMALL, claim_bearer, read_any)
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (VELOCMS, COMETCMS, POLYCMS, STANDARD, HMAC, BEARER)}
)

OF_SOURCE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "velocms": ("velocms",),
        # The API beneath a VeloCMS site, which sends VeloCMS's webhooks; a plain PocketBase sends none of its own.
        "pocketbase": ("velocms", "hmac"),
        "cometcms": ("cometcms",),
        "polycms": ("polycms",),
    }
)


ONE_SENDERS = frozenset({"velocms", "cometcms", "polycms"})
"""The dialects of one kind of CMS; any program may speak the others."""
REALTIME = "realtime"
"""In the place of a dialect, where PocketBase told of a change over the connection that we opened to it."""


def sources_by_dialect(sources: Iterable[SourceConfig]) -> dict[str, str]:
    """Dialect → name of the one source whose CMS can have sent it, for each dialect of which that is certain.

    What a source of a kind that is not known here may send, nobody knows, so that it could have sent anything.
    """
    kinds = [(source.name or "", source.type) for source in sources if source.type != "folder"]
    found = {}
    for dialect in ONE_SENDERS:
        senders = [name for name, kind in kinds if kind not in OF_SOURCE or dialect in OF_SOURCE[kind]]
        if len(senders) == 1:
            found[dialect] = senders[0]
    hearable = [name for name, kind in kinds if kind == "pocketbase"]
    if len(hearable) == 1:
        found[REALTIME] = hearable[0]
    return found


def of_source(source_type: str) -> tuple[str, ...]:
    """The dialects that a kind of source is listened to in, where the configuration names none."""
    return OF_SOURCE.get(source_type, ("hmac",))


def of_sources(source_types: Iterable[str]) -> tuple[str, ...]:
    """The same of a site's sources together. Beside a CMS no folder is listened to: nobody sends anything for it."""
    types = tuple(source_types)
    tellers = [kind for kind in types if kind != "folder"] or types
    return tuple(dict.fromkeys(name for kind in tellers for name in of_source(kind)))
