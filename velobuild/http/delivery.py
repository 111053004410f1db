"""One POST to a listener, as a CMS would send it: for trying a webhook out."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import httpx

from velobuild.errors import OutputError
from velobuild.http.transport import DeadlineTransport

TIMEOUT_S = 10.0


def deliver(url: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float = TIMEOUT_S) -> tuple[int, float]:
    """(status, how long it took in ms). Redirects are not followed, and proxies not used: as the senders do.

    Raises OutputError VB6008 if nobody answers within `timeout_s` seconds.
    """
    transport = DeadlineTransport(timeout_s)
    began = perf_counter()
    try:
        sent = {"Host": httpx.URL(url).netloc.decode("ascii"), "Content-Type": "application/json", **headers}
        response = transport.handle_request(httpx.Request("POST", url, headers=sent, content=body))
        response.close()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OutputError(
            f"nobody answers at this address: {error}",
            code="VB6008",
            where=url,
            hint="is `velobuild listen` running, and is this its address?",
        ) from error
    finally:
        transport.close()
    return response.status_code, (perf_counter() - began) * 1000
