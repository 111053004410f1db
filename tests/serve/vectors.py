"""Deliveries that must be taken, and deliveries that must not: what each dialect's signature is and is not.

The first of each dialect stand in the senders' own documents; the others are made from them here, with `hmac` alone.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

SECRET = "velobuild-test-secret"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SENT_S = 1_714_140_000
BODY_V1 = b'{"event":"post.published","timestamp":1714140000,"payload":{"post_id":"abc123","slug":"my-first-post"}}'
SIGNED_V1 = b"v1=bb1e267c4d7955813513332e1f5bca390031526beab849ed5f279b81c14dcd17"
BODY_RAW = (
    b'{"event":"post.published","timestamp":"2026-05-03T10:00:00Z","id":"dlv_01","data":{"slug":"my-first-post"}}'
)
SIGNED_RAW = b"c2ca0d8eddc51ecce854cac62aa1f8d16833558c130e6c32552fc3936d0f849d"
RAW_S = 1_777_802_400
BODY_COMET = (
    b'{"event":"content.published","occurred_at":"2026-05-03T12:00:00Z",'
    b'"data":{"type":"posts","id":"7K4p9xQ2mRw","slug":"how-to-cook-pasta"}}'
)
SIGNED_COMET = b"sha256=ebac7d82d7f37691ffd7873877e72a2fb1c50b669235f9d40aabc1337ebd988d"
COMET_S = 1_777_809_600
BODY_POLY = b'{"hook":"post.saved","args":[{"id":7,"slug":"hello"}]}'
SIGNED_POLY = b"beb4eea454d13ebea08ca02c1500c2c9923bb4dc231b967d55f85f71fa000ff0"
BODY_STANDARD = b'{"type":"post.updated","timestamp":"2024-04-26T14:00:00Z","data":{"id":"p1","slug":"soup"}}'


def mac(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, "sha256").hexdigest().encode()


def standard(id: bytes, sent: bytes, body: bytes, secret: str = STANDARD_SECRET) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return b"v1," + base64.b64encode(hmac.new(key, id + b"." + sent + b"." + body, "sha256").digest())


@dataclass(frozen=True)
class Vector:
    name: str
    dialect: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    taken: bool
    now_s: int = SENT_S
    secrets: tuple[str, ...] = (SECRET,)
    variant: Any = "auto"

    def but(self, name: str, taken: bool, **changes: Any) -> Vector:
        return replace(self, name=f"{self.dialect}: {name}", taken=taken, **changes)

    def header(self, number: int, value: bytes) -> tuple[tuple[bytes, bytes], ...]:
        headers = list(self.headers)
        headers[number] = (headers[number][0], value)
        return tuple(headers)


V1 = Vector(
    "velocms: variant v1 as documented",
    "velocms",
    ((b"X-VeloCMS-Signature", SIGNED_V1), (b"X-VeloCMS-Timestamp", b"1714140000")),
    BODY_V1,
    True,
)
RAW = Vector(
    "velocms: variant raw as documented", "velocms", ((b"X-VeloCMS-Signature", SIGNED_RAW),), BODY_RAW, True, RAW_S
)
COMET = Vector(
    "cometcms: as documented", "cometcms", ((b"X-CometCMS-Signature", SIGNED_COMET),), BODY_COMET, True, COMET_S
)
POLY = Vector("polycms: as documented", "polycms", ((b"X-PolyCMS-Signature", SIGNED_POLY),), BODY_POLY, True)
STANDARD = Vector(
    "standard: as documented",
    "standard",
    (
        (b"webhook-id", b"msg_1"),
        (b"webhook-timestamp", b"1714140000"),
        (b"webhook-signature", standard(b"msg_1", b"1714140000", BODY_STANDARD)),
    ),
    BODY_STANDARD,
    True,
    secrets=(STANDARD_SECRET,),
)
HUB = Vector(
    "hmac: sha256= in X-Hub-Signature-256",
    "hmac",
    ((b"X-Hub-Signature-256", b"sha256=" + mac(SECRET.encode(), BODY_STANDARD)),),
    BODY_STANDARD,
    True,
)
BEARER = Vector(
    "bearer: the secret itself", "bearer", ((b"Authorization", b"Bearer velobuild-test-secret"),), BODY_STANDARD, True
)


def timestamp_vectors() -> Iterator[Vector]:
    """What `int()` reads as a number, and a sender never sends; each is signed as it stands."""
    odd = {
        "a space before": b" 1714140000\x0c",
        "a sign": b"+1714140000",
        "an underscore": b"1_714140000",
        "full-width digits": "１７１４１４００００".encode(),
        "a fraction": b"1714140000.0",
        "an exponent": b"1714140e3",
        "a negative number": b"-1714140000",
        "milliseconds": b"1714140000000",
        "nine digits": b"171414000",
        "eleven digits": b"17141400000",
        "nothing": b"",
        "a word": b"now",
    }
    for name, value in odd.items():
        # Where it is another number, our clock shows it: not its distance is at fault, but its form.
        now_s = int(value) if value.isdigit() and value.isascii() else SENT_S
        signed = b"v1=" + mac(SECRET.encode(), b"v1:" + value + b":" + BODY_V1)
        headers = ((V1.headers[0][0], signed), (V1.headers[1][0], value))
        yield V1.but(f"the timestamp has {name}", False, headers=headers, now_s=min(now_s, 10**11))
        signature = standard(b"msg_1", value, BODY_STANDARD)
        headers = (STANDARD.headers[0], (b"webhook-timestamp", value), (b"webhook-signature", signature))
        yield STANDARD.but(f"the timestamp has {name}", False, headers=headers, now_s=min(now_s, 10**11))
    cut = BODY_V1.index(b":")
    yield V1.but(
        "the beginning of the body is moved into the timestamp",
        False,
        headers=V1.header(1, b"1714140000:" + BODY_V1[:cut]),
        body=BODY_V1[cut + 1 :],
    )


def signature_vectors() -> Iterator[Vector]:
    digits = SIGNED_V1[3:]
    malformed = {
        "empty": b"",
        "only v1=": b"v1=",
        "of version v0": b"v0=" + digits,
        "in upper case": b"v1=" + digits.upper(),
        "of sha256= and nothing": b"sha256=",
        "a megabyte": b"v1=" + b"a" * 1_000_000,
        "not ASCII": b"v1=" + "ä".encode() * 32,
        "with a NUL": b"v1=" + digits[:-1] + b"\0",
        "a digit short": b"v1=" + digits[:-1],
        "a digit long": b"v1=" + digits + b"0",
        "two in one header": SIGNED_V1 + b", " + SIGNED_V1,
        "one bit off": b"v1=" + (b"a" if digits[:1] != b"a" else b"b") + digits[1:],
    }
    for name, value in malformed.items():
        yield V1.but(f"the signature is {name}", False, headers=V1.header(0, value))
    yield V1.but("the signature stands twice", False, headers=(V1.headers[0], *V1.headers))
    yield V1.but("the timestamp stands twice", False, headers=(*V1.headers, V1.headers[1]))
    yield V1.but("the signature is missing", False, headers=V1.headers[1:])
    yield V1.but("the timestamp is missing", False, headers=V1.headers[:1])
    yield V1.but("one bit of the body is off", False, body=BODY_V1.replace(b"my-first", b"my-fyrst"))
    yield V1.but("the body is written anew", False, body=BODY_V1.replace(b":", b": "))
    yield V1.but("a newline is added", False, body=BODY_V1 + b"\n")
    yield V1.but("the secret is another", False, secrets=("another-secret-1234",))
    yield V1.but("the second secret is right", True, secrets=("another-secret-1234", SECRET))
    yield V1.but("the secret ends with a newline", True, secrets=(SECRET + "\n",))
    yield V1.but("variant v1 is pinned", True, variant="v1")
    yield V1.but("variant raw is pinned", False, variant="raw")
    yield V1.but("299 s old", True, now_s=SENT_S + 299)
    yield V1.but("301 s old", False, now_s=SENT_S + 301)
    yield V1.but("299 s ahead", True, now_s=SENT_S - 299)
    yield V1.but("301 s ahead", False, now_s=SENT_S - 301)
    captured = b"v1:1714140000:" + BODY_V1
    yield RAW.but("what variant v1 signed, as a body", False, headers=RAW.header(0, digits), body=captured)


def raw_vectors() -> Iterator[Vector]:
    yield RAW.but("raw after sha256=", True, headers=RAW.header(0, b"sha256=" + SIGNED_RAW))
    yield RAW.but("raw, pinned", True, variant="raw")
    yield RAW.but("raw, but variant v1 is pinned", False, variant="v1")
    yield RAW.but("raw, 301 s old by the body's time", False, now_s=RAW_S + 301)
    yield RAW.but("raw in upper case", False, headers=RAW.header(0, SIGNED_RAW.upper()))
    yield RAW.but("raw signature called v1", False, headers=(*RAW.header(0, b"v1=" + SIGNED_RAW), V1.headers[1]))
    yield COMET.but("without sha256=", False, headers=COMET.header(0, SIGNED_COMET[7:]))
    yield COMET.but("301 s old", False, now_s=COMET_S + 301)
    yield COMET.but("unsigned, as with an empty secret", False, headers=())
    yield COMET.but("one bit of the body is off", False, body=BODY_COMET.replace(b"posts", b"pests"))
    yield POLY.but("after sha256=", False, headers=POLY.header(0, b"sha256=" + SIGNED_POLY))
    yield POLY.but("written as Python writes it", False, body=BODY_POLY.replace(b",", b", "))
    escaped = b'{"hook":"post.saved","args":[{"id":7,"slug":"caf\\u00e9","url":"https:\\/\\/x"}]}'
    yield POLY.but("with PHP's escapes", True, headers=POLY.header(0, mac(SECRET.encode(), escaped)), body=escaped)
    yield POLY.but("in CometCMS's header", False, headers=((b"X-CometCMS-Signature", SIGNED_POLY),))
    yield HUB.but("without sha256=", False, headers=HUB.header(0, HUB.headers[0][1][7:]))
    yield HUB.but("sha1", False, headers=HUB.header(0, b"sha1=" + HUB.headers[0][1][7:47]))
    yield BEARER.but("another secret", False, headers=BEARER.header(0, b"Bearer velobuild-test-secre_"))
    yield BEARER.but("a part of the secret", False, headers=BEARER.header(0, b"Bearer velobuild-test-secre"))
    yield BEARER.but("Basic", False, headers=BEARER.header(0, b"Basic dmVsb2J1aWxk"))
    yield BEARER.but("nothing after Bearer", False, headers=BEARER.header(0, b"Bearer "))


def standard_vectors() -> Iterator[Vector]:
    right = STANDARD.headers[2][1]
    wrong = standard(b"msg_1", b"1714140000", b"{}")
    yield STANDARD.but("the right one is the second of two", True, headers=STANDARD.header(2, wrong + b" " + right))
    yield STANDARD.but("an asymmetric one beside it", True, headers=STANDARD.header(2, b"v1a,AAAA " + right))
    yield STANDARD.but("only another version", False, headers=STANDARD.header(2, b"v2" + right[2:]))
    yield STANDARD.but("no comma", False, headers=STANDARD.header(2, right.replace(b",", b"")))
    yield STANDARD.but("no base64", False, headers=STANDARD.header(2, b"v1,%%%"))
    yield STANDARD.but("the id is another", False, headers=STANDARD.header(0, b"msg_2"))
    yield STANDARD.but("the id is missing", False, headers=STANDARD.headers[1:])
    yield STANDARD.but("the id is empty", False, headers=STANDARD.header(0, b""))
    yield STANDARD.but("the id has a space", False, headers=STANDARD.header(0, b"msg 1"))
    yield STANDARD.but("301 s old", False, now_s=SENT_S + 301)
    yield STANDARD.but("301 s ahead", False, now_s=SENT_S - 301)
    yield STANDARD.but("299 s ahead", True, now_s=SENT_S - 299)
    yield STANDARD.but("the secret without whsec_", True, secrets=(STANDARD_SECRET.removeprefix("whsec_"),))
    yield STANDARD.but("the secret is another", False, secrets=("whsec_" + base64.b64encode(b"x" * 24).decode(),))
    yield STANDARD.but("one bit of the body is off", False, body=BODY_STANDARD.replace(b"soup", b"soap"))


VECTORS = (
    *(V1, RAW, COMET, POLY, STANDARD, HUB, BEARER),
    *timestamp_vectors(),
    *signature_vectors(),
    *raw_vectors(),
    *standard_vectors(),
)
