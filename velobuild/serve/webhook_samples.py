"""Deliveries as the senders make them, for trying a listener out: bodies and signatures of every dialect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from velobuild.errors import ConfigError
from velobuild.serve.dialects import DIALECTS
from velobuild.serve.webhook import base64_mac, hex_mac

Spoken = Literal["v1", "raw"]
COMET_EVENTS: Mapping[str, str] = {
    "post.published": "content.published",
    "post.updated": "content.updated",
    "post.unpublished": "content.unpublished",
    "post.deleted": "content.deleted",
    "test.ping": "webhook.manual",
}
POLY_EVENTS: Mapping[str, str] = {
    "post.published": "post.saved",
    "post.updated": "post.saved",
    "post.unpublished": "post.saved",
    "post.deleted": "post.deleted",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What a test delivery says. `variant` is VeloCMS's; `collection` is what CometCMS's posts are called."""

    dialect: str
    event: str
    id: str
    sent_at: datetime
    post_id: str | None = None
    slug: str | None = None
    variant: Spoken = "v1"
    collection: str = "posts"

    @property
    def at_s(self) -> int:
        return int(self.sent_at.timestamp())


def body(sample: Sample) -> bytes:
    """The body that the sender would send for the event. Raises ConfigError VB1107 for one that it does not know."""
    time = sample.sent_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    post = {name: value for name, value in (("post_id", sample.post_id), ("slug", sample.slug)) if value is not None}
    with_id = {("id" if name == "post_id" else name): value for name, value in post.items()}
    shown: dict[str, Any]
    if sample.dialect == "velocms" and sample.variant == "v1":
        shown = {"event": sample.event, "timestamp": sample.at_s, "payload": post}
    elif sample.dialect == "velocms":
        # This variant names no id of a post, only its slug.
        slug = {"slug": sample.slug} if sample.slug is not None else {}
        shown = {"event": sample.event, "timestamp": time, "id": sample.id, "data": slug}
    elif sample.dialect == "cometcms":
        event = _known(COMET_EVENTS, sample)
        shown = {"event": event, "occurred_at": time, "data": {"type": sample.collection, **with_id}}
    elif sample.dialect == "polycms" and sample.event == "test.ping":
        shown = {"ping": "pong", "timestamp": time, "message": "a test"}
    elif sample.dialect == "polycms":
        shown = {"hook": _known(POLY_EVENTS, sample), "args": [with_id]}
    else:
        shown = {"type": sample.event, "timestamp": time, "data": with_id}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def headers(sample: Sample, key_text: str, raw: bytes) -> Mapping[str, str]:
    """The headers with which the sender would send these bytes. Raises ValueError for a key that is none."""
    key = DIALECTS[sample.dialect].key(key_text)
    if sample.dialect == "velocms" and sample.variant == "v1":
        signature = hex_mac(key, b"v1:%d:%s" % (sample.at_s, raw)).decode()
        return {"X-VeloCMS-Signature": f"v1={signature}", "X-VeloCMS-Timestamp": str(sample.at_s)}
    if sample.dialect == "standard":
        signature = base64_mac(key, f"{sample.id}.{sample.at_s}.".encode() + raw).decode()
        return {
            "webhook-id": sample.id,
            "webhook-timestamp": str(sample.at_s),
            "webhook-signature": f"v1,{signature}",
        }
    signature = hex_mac(key, raw).decode()
    return {
        "velocms": {"X-VeloCMS-Signature": signature},
        "cometcms": {"X-CometCMS-Signature": f"sha256={signature}"},
        "polycms": {"X-PolyCMS-Signature": signature},
        "hmac": {"X-Hub-Signature-256": f"sha256={signature}"},
        "bearer": {"Authorization": f"Bearer {key_text}"},
    }[sample.dialect]


def _known(events: Mapping[str, str], sample: Sample) -> str:
    if sample.event in events:
        return events[sample.event]
    raise ConfigError(
        f"{sample.dialect} sends no event `{sample.event}`",
        code="VB1107",
        where="EVENT",
        hint=f"it sends {', '.join(events)}",
    )
