"""Whether a delivery is authentic: over the raw bytes, in constant time, against all secrets. Pure.

The order is that of the work it costs: a header's grammar is checked before the body is read (`Dialect.claim`), the
signature before the body is parsed (`proven`), and the time only of what proved authentic (`skew_s`), so that the log
can tell a clock that is off from a forgery.

A header's timestamp is ten ASCII digits and nothing else. What is signed is a concatenation, and with a looser grammar
an attacker could move the beginning of a signed body into the timestamp.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError

FRESH_S = 300
"""How far a delivery's time may lie from ours, either way, in seconds; the edge itself is fresh."""
SHORTEST_SECRET = 16
SIGNATURES_MAX = 16
V1_PREFIX = b"v1:"
STANDARD_PREFIX = "whsec_"

Variant = Literal["auto", "v1", "raw"]
Headers = Mapping[bytes, Sequence[bytes]]
"""Header names in lower case → their values, in order, as they came."""

HEX = re.compile(rb"[0-9a-f]{64}")
DIGITS = re.compile(rb"[0-9]{10}")
STANDARD_ID = re.compile(rb"[\x21-\x7e]{1,256}")
STANDARD_SIGNATURE = re.compile(rb"v1,([A-Za-z0-9+/]{43}=)")
BEARER = re.compile(rb"[Bb]earer ([\x21-\x7e]{1,1024})")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivery that is not taken. `why` is for the log: the sender is told nothing."""

    why: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request's headers claim: signatures, any of which may be right, and the time they were made.

    `proof` gives what the right signature would be, for a key and a body. `sent_at_s` is None where no header has it.
    """

    signatures: tuple[bytes, ...]
    proof: Callable[[bytes, bytes], bytes]
    sent_at_s: int | None = None
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a payload says. `kind` is that of `events.Event`; `event` is the sender's own word for it.

    `collection` is the CMS's name for what the entry is one of, where the sender tells of others than posts too.
    """

    kind: str
    event: str
    post_id: str | None = None
    slug: str | None = None
    version: str | None = None
    delivery_id: str | None = None
    tenant_id: str | None = None
    collection: str | None = None


class Unusable(ValueError):
    """An authentic body that says nothing we understand. Its text is for people who look at the dead letters."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of sender signs and speaks: a value, so that a further one is a further value.

    `header` (lower case) is the one by which its requests are known; `body_limit` is in bytes. `time` names the
    body's field with its own time, which counts where the signature covers no other.
    """

    name: str
    header: bytes
    body_limit: int
    claim: Callable[[Headers, Variant], Claim | Refused]
    read: Callable[[Any, Headers], Reading]
    key: Callable[[str], bytes] = str.encode
    time: str | None = None


# --- claims: the grammar of headers, before the body is read


def only(headers: Headers, name: bytes) -> bytes | None:
    """The header's one value; None if it is missing or stands twice."""
    values = headers.get(name, ())
    return values[0].strip(b" \t") if len(values) == 1 else None


def claim_velocms(headers: Headers, variant: Variant) -> Claim | Refused:
    """Both variants of VeloCMS. A header in the form of `v1` is never tried as the other."""
    given = only(headers, b"x-velocms-signature")
    if given is None:
        return Refused("the signature header is missing or stands twice")
    if not given.startswith(b"v1="):
        return Refused("variant v1 is wanted") if variant == "v1" else _raw(given, b"sha256=")
    if variant == "raw":
        return Refused("variant raw is wanted")
    sent = only(headers, b"x-velocms-timestamp")
    if sent is None or not DIGITS.fullmatch(sent):
        return Refused("the timestamp is not ten digits")
    if not HEX.fullmatch(given[3:]):
        return Refused("the signature is not 64 lower-case hexadecimal digits")
    prefix = V1_PREFIX + sent + b":"
    return Claim((given[3:],), lambda key, body: hex_mac(key, prefix + body), int(sent))


def claim_hex(header: bytes, prefix: bytes) -> Callable[[Headers, Variant], Claim | Refused]:
    """The claim of a sender that signs the raw body alone, in hexadecimal, after a prefix such as `sha256=`."""

    def claim(headers: Headers, variant: Variant) -> Claim | Refused:
        given = only(headers, header)
        if given is None:
            return Refused("the signature header is missing or stands twice")
        if not given.startswith(prefix):
            return Refused(f"the signature does not begin with {prefix.decode()}")
        return _raw(given, prefix)

    return claim


def claim_standard(headers: Headers, variant: Variant) -> Claim | Refused:
    """Standard Webhooks 1.0: `id.timestamp.body`, base64, several signatures while a key is rotated."""
    id, sent = only(headers, b"webhook-id"), only(headers, b"webhook-timestamp")
    given = only(headers, b"webhook-signature")
    if id is None or not STANDARD_ID.fullmatch(id):
        return Refused("webhook-id is missing or malformed")
    if sent is None or not DIGITS.fullmatch(sent):
        return Refused("the timestamp is not ten digits")
    # Other versions than v1 stand beside it and are none of ours.
    matches = [STANDARD_SIGNATURE.fullmatch(one) for one in (given or b"").split(b" ")]
    signatures = tuple(match[1] for match in matches if match)[:SIGNATURES_MAX]
    if not signatures:
        return Refused("there is no v1 signature")
    prefix = id + b"." + sent + b"."
    return Claim(
        signatures, lambda key, body: base64_mac(key, prefix + body), int(sent), delivery_id=id.decode("ascii")
    )


def claim_bearer(headers: Headers, variant: Variant) -> Claim | Refused:
    """The secret itself: it proves who sends, and nothing about the body."""
    given = only(headers, b"authorization")
    match = BEARER.fullmatch(given or b"")
    if not match:
        return Refused("the Authorization header is missing or no bearer token")
    # Hashed on both sides, so that the comparison does not tell the secret's length.
    return Claim((sha256(match[1]).digest(),), lambda key, body: sha256(key).digest())


def _raw(given: bytes, prefix: bytes) -> Claim | Refused:
    given = given.removeprefix(prefix)
    if not HEX.fullmatch(given):
        return Refused("the signature is not 64 lower-case hexadecimal digits")
    return Claim((given,), _hex_of_raw)


def _hex_of_raw(key: bytes, body: bytes) -> bytes:
    if body.startswith(V1_PREFIX):
        # What variant v1 signs, sent as a body: a captured delivery would prove authentic for ever, without its time.
        return b""
    return hex_mac(key, body)


def hex_mac(key: bytes, signed: bytes) -> bytes:
    """HMAC-SHA256 in lower-case hexadecimal."""
    return hmac.digest(key, signed, "sha256").hex().encode()


def base64_mac(key: bytes, signed: bytes) -> bytes:
    """HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.digest(key, signed, "sha256"))


# --- keys


def standard_key(text: str) -> bytes:
    """The bytes behind `whsec_…`. Raises ValueError if it is not base64."""
    stripped = text.removeprefix(STANDARD_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64") from error
    if len(key) < SHORTEST_SECRET:
        raise ValueError(f"its key has fewer than {SHORTEST_SECRET} bytes")
    return key


def keys(dialect: Dialect, secrets: Sequence[Secret]) -> Mapping[int, bytes]:
    """Number of the secret → its key in a dialect; a secret that was made for another dialect is left out.

    Raises ConfigError VB1205 if there is none, or for one that is too short or was not copied well.
    """
    found: dict[int, bytes] = {}
    problem = None
    for number, secret in enumerate(secrets):
        text = _checked(secret)
        try:
            found[number] = dialect.key(text)
        except ValueError as error:
            problem = _no_key(secret, f"cannot be used for {dialect.name}: {error}")
    if found:
        return found
    raise problem or ConfigError(
        "no webhook secret was found",
        code="VB1205",
        where="listen.secret_env",
        hint="write VELOBUILD_WEBHOOK_SECRET=… into .env beside velobuild.toml (mode 0600)",
    )


def _checked(secret: Secret) -> str:
    # Files and copied lines end with one newline; any other is part of a mistake.
    text = secret.reveal().removesuffix("\n").removesuffix("\r")
    if re.search(r"[^\x20-\x7e]", text) or text != text.strip():
        raise _no_key(secret, "has a line break, a space at its end, or a character that is no printable ASCII")
    if len(text) < SHORTEST_SECRET:
        raise _no_key(secret, f"has fewer than {SHORTEST_SECRET} characters")
    return text


def _no_key(secret: Secret, why: str) -> ConfigError:
    return ConfigError(
        f"the webhook secret {why}",
        code="VB1205",
        where=secret.origin,
        hint="copy it from the CMS as it is shown there, without anything before or after it",
    )


# --- proof and time


def proven(claim: Claim, keys: Mapping[int, bytes], body: bytes) -> int | None:
    """The number of the secret that proves the claim, or None. Every one is tried, also after a hit."""
    found: int | None = None
    for number, key in keys.items():
        right = claim.proof(key, body)
        for given in claim.signatures:
            if hmac.compare_digest(right, given) and found is None:
                found = number
    return found


def skew_s(sent_at_s: float, now: datetime) -> float | None:
    """How many seconds the delivery's time is off, negative if in the past; None if it is fresh."""
    off = sent_at_s - now.timestamp()
    return None if abs(off) <= FRESH_S else off


def body_time_s(value: Any) -> float | None:
    """A body's own time as Unix seconds: a number, or a time as in RFC 3339. None if there is none.

    Raises Unusable for anything else: a delivery whose age nobody can tell names no post for us.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        return float(value)
    if isinstance(value, str) and TIME.fullmatch(value):
        try:
            # Fractions are cut to the six digits that Python 3.11 and the window of minutes can use.
            return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value)).astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            pass
    raise Unusable("its time is no time")
