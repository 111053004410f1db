"""One request and its whole answer, or an error of ours: where httpx's exceptions end."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable
from velobuild.http.errors import Retryable, header_count, printable

REPLY_BYTES_MAX = 20_000_000
EXCERPT_CHARS = 80
ERRNO = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """An answer as it came. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes


def exchange(transport: httpx.BaseTransport, request: httpx.Request, *, deadline_s: float) -> Exchanged:
    """Send the request and read the whole answer, whatever its status.

    Raises `Retryable` for what may pass; SourceUnavailable, ProtocolError or ConfigError for what will not.
    """
    where = str(request.url)
    answered = False
    try:
        response = transport.handle_request(request)
        answered = True
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Exchanged(response.status_code, headers, _whole_body(response, headers, where))
        finally:
            response.close()
    except httpx.TimeoutException as error:
        raise Retryable(
            SourceUnavailable(
                f"the CMS did not answer within {deadline_s:g} s",
                code="VB2101",
                where=where,
                hint="try again later; the live site was not touched",
            )
        ) from error
    except httpx.RemoteProtocolError as error:
        raise _broken(error, where, answered=answered) from error
    except httpx.NetworkError as error:
        raise _unreachable(error, request.url) from error
    except httpx.LocalProtocolError:
        # Its text may hold the whole header, so nothing of it is shown or kept.
        raise ConfigError("the request cannot be sent", code="VB1202", where=where) from None


def _whole_body(response: httpx.Response, headers: Mapping[str, str], where: str) -> bytes:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # A compressed answer may grow a thousandfold, and a cut one ends without an error: so none is taken.
        raise ProtocolError(
            f"the CMS compressed its answer ({printable(encoding, 20)}) although asked not to",
            code="VB2201",
            where=where,
            hint="switch off compression for /api/ in the proxy before the CMS",
        )
    declared = header_count(headers, "content-length")
    parts: list[bytes] = []
    size = declared if declared is not None and declared > REPLY_BYTES_MAX else 0
    if not size:
        for part in response.iter_raw():
            size += len(part)
            if size > REPLY_BYTES_MAX:
                break
            parts.append(part)
    if size > REPLY_BYTES_MAX:
        raise ProtocolError(
            f"the answer is larger than {REPLY_BYTES_MAX // 1_000_000} MB",
            code="VB2203",
            where=where,
            hint="is source.url the address of your CMS?",
        )
    if declared is not None and size != declared:
        raise Retryable(_cut(where, f"{size} of {declared} bytes came"))
    return b"".join(parts)


def _cut(where: str, what: str) -> ProtocolError:
    return ProtocolError(
        f"the answer was cut short: {what}", code="VB2202", where=where, hint="try again; nothing was used"
    )


def _broken(error: httpx.RemoteProtocolError, where: str, *, answered: bool) -> Exception:
    if answered:
        return Retryable(_cut(where, "the connection ended before the answer did"))
    if "disconnected" in str(error):
        return Retryable(
            SourceUnavailable(
                "the CMS closed the connection without an answer",
                code="VB2101",
                where=where,
                hint="try again later; the live site was not touched",
            )
        )
    return ProtocolError(
        f"what answers there does not speak HTTP as it should: {printable(str(error), EXCERPT_CHARS)}",
        code="VB2201",
        where=where,
        hint="is source.url right?",
    )


def _unreachable(error: httpx.NetworkError, url: httpx.URL) -> Exception:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return SourceUnavailable(
                f"the certificate of {url.host} is not trusted: {printable(cause.verify_message)}",
                code="VB2102",
                where=str(url),
                hint="renew the certificate, or write the name it was made for in source.url; it is never ignored",
            )
        cause = cause.__cause__ or cause.__context__
    return Retryable(
        SourceUnavailable(
            f"{url.scheme}://{url.netloc.decode()} could not be reached: "
            f"{printable(ERRNO.sub('', str(error)) or type(error).__name__)}",
            code="VB2101",
            where=str(url),
            hint="check the address and the network; the live site was not touched",
        )
    )
