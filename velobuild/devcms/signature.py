"""How VeloCMS signs a webhook, in both of its documents' variants."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

Variant = Literal["v1", "raw"]


def headers(variant: Variant, secret: str, body: bytes, sent_at_s: int) -> Mapping[str, str]:
    """The headers of one attempt. The secret's own characters are the key, though they look like hex.

    `v1` signs the time of the attempt (Unix seconds) with the body, so that a late retry is still a fresh one; `raw`
    signs the body alone.
    """
    if variant == "raw":
        return {"X-VeloCMS-Signature": _hex(secret, body)}
    signed = b"v1:%d:%s" % (sent_at_s, body)
    return {"X-VeloCMS-Signature": "v1=" + _hex(secret, signed), "X-VeloCMS-Timestamp": str(sent_at_s)}


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, sha256).hexdigest()
