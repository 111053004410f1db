"""The status for people: one page without scripts, and the same as JSON; for this machine, or with the token."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from html import escape
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from velobuild.config.schema import Secret

# Who is behind a proxy is not on this machine, though the proxy is.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem;display:block;overflow-x:auto}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;vertical-align:top}
th{font-weight:600}.bad{color:#b3261e;font-weight:600}@media(prefers-color-scheme:dark){.bad{color:#ff8a80}}
h1{margin-bottom:0}h2{margin-top:2rem}caption{text-align:left;font-weight:600;padding:.5rem 0}
"""


class Overview(Protocol):
    """What the pages show: the running service."""

    def overview(self) -> dict[str, Any]:
        """Site → its status, its queue, its door, as JSON's values."""
        ...

    def post(self, site: str, post: str) -> list[dict[str, Any]] | None:
        """The last events of a post by slug or id, the newest first; None for an unknown site."""
        ...

    def ready(self) -> bool:
        """Whether deliveries are taken and builds can start."""
        ...

    def metrics(self) -> tuple[bytes, str] | None:
        """The metrics and their content type; None where the extra is not installed."""
        ...


def pages(service: Overview, token: Callable[[], Secret | None]) -> Starlette:
    """The application beside the hooks."""

    def guarded(show: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            refused = refusal(request, token())
            response = refused if refused is not None else show(request)
            response.headers.update(HEADERS)
            return response

        return answer

    def overview(request: Request) -> Response:
        return HTMLResponse(page(service.overview()))

    def status(request: Request) -> Response:
        return JSONResponse(service.overview())

    def post(request: Request) -> Response:
        site, name = request.path_params["site"], request.path_params["post"]
        as_json = name.endswith(".json")
        found = service.post(site, name.removesuffix(".json"))
        if not found:
            return PlainTextResponse("no event has named this post\n", 404)
        return JSONResponse(found) if as_json else HTMLResponse(post_page(site, name, found))

    def metrics(request: Request) -> Response:
        found = service.metrics()
        if found is None:
            return PlainTextResponse("install velobuild with the extra `metrics`\n", 404)
        return Response(found[0], media_type=found[1])

    def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        return PlainTextResponse("ready\n") if service.ready() else PlainTextResponse("not ready\n", 503)

    return Starlette(
        routes=[
            Route("/", guarded(overview)),
            Route("/status.json", guarded(status)),
            Route("/sites/{site}/posts/{post:path}", guarded(post)),
            Route("/metrics", guarded(metrics)),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )


def refusal(request: Request, token: Secret | None) -> Response | None:
    """None for somebody on this very machine, or with the token."""
    if is_near(request.client.host if request.client else "", request.headers):
        return None
    if token is None:
        return PlainTextResponse("not found\n", 404)
    given = _given(request.headers.get("authorization", ""))
    if given is not None and hmac.compare_digest(given.encode(), token.reveal().encode()):
        return None
    return PlainTextResponse("a token is needed\n", 401, {"www-authenticate": 'Basic realm="velobuild"'})


def is_near(peer: str, headers: Mapping[str, str]) -> bool:
    """Whether the request comes from this machine: not by way of a proxy, nor of a name that leads here by a trick."""
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    return _loopback(peer) and not any(name in headers for name in FORWARDED) and _loopback(host.strip("[]"))


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _given(authorization: str) -> str | None:
    """The token of a Bearer header, or the password of a Basic one: what a browser asks a person for."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except binascii.Error:
        return None


def page(overview: Mapping[str, Any]) -> str:
    """All sites."""
    return _document("velobuild", "".join(_site(name, fares) for name, fares in overview.items()))


def _site(name: str, fares: Mapping[str, Any]) -> str:
    status, queue, door = fares["status"], fares["queue"], fares["door"]
    bad = status["state"] in ("degraded", "held")
    rows = [
        ("State", _marked(status["state"], bad)),
        ("Queue", f"{queue['new']} waiting, {queue['taken']} being built, {queue['dead']} dead letters"),
        ("Last event", _text(status["last_event_at"])),
        ("Last published", _text(status["last_published_at"])),
        ("Next look at the CMS", _text(status["next_look_at"])),
        ("Next scheduled post", _text(status["next_due_at"])),
        ("Next try", _text(status["next_try_at"])),
        ("Calls today", f"{status['calls_today']} of {status['daily_calls']}"),
        ("Calls left in this window", _text(status["left_in_window"])),
        ("Door", f"{door['accepted']} accepted, {door['refused']} refused, {door['unusable']} of no use"),
        ("Last ping", _text(door["ping_at"])),
        *(("Warning", _marked(text, True)) for text in status["warnings"]),
    ]
    if status["last_error"]:
        rows.append(("Last error", f"{_marked(status['last_error'], bad)} ({_text(status['last_error_at'])})"))
    facts = "".join(f'<tr><th scope="row">{label}</th><td>{value}</td></tr>' for label, value in rows)
    builds = "".join(_build(row) for row in status["builds"])
    events = "".join(_event(name, event) for event in fares["events"])
    return (
        f"<h2>{escape(name)}</h2><table>{facts}</table>"
        "<table><caption>Last builds</caption><tr><th>Started</th><th>Outcome</th><th>Took</th><th>Files</th>"
        f"<th>Why</th></tr>{builds}</table>"
        "<table><caption>Last events</caption><tr><th>Received</th><th>Event</th><th>Post</th><th>State</th>"
        f"<th>Live after</th></tr>{events}</table>"
    )


def _build(row: Mapping[str, Any]) -> str:
    files = f"{row['changed']} changed, {row['removed']} removed"
    why = ", ".join(row["reasons"][:5]) + (" …" if len(row["reasons"]) > 5 else "")
    outcome = _marked(f"failed: {row['error']}", True) if row["outcome"] == "failed" else _text(row["outcome"])
    cells = (_text(row["started_at"]), outcome, f"{row['took_ms']} ms", files, escape(why))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _event(site: str, event: Mapping[str, Any]) -> str:
    post = event["slug"] or event["post_id"]
    link = f'<a href="/sites/{quote(site)}/posts/{quote(post, safe="")}">{escape(post)}</a>' if post else ""
    after = f"{event['live_after_ms']} ms" if "live_after_ms" in event else ""
    state = event["state"] + (f" ({event['outcome']})" if event["outcome"] else "")
    cells = (_text(event["received_at"]), _text(event["kind"]), link, escape(state), after)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def post_page(site: str, post: str, records: list[dict[str, Any]]) -> str:
    """What became of one post's events."""
    stages = ("received_at", "fetched_at", "built_at", "published_at")
    head = "".join(f"<th>{label}</th>" for label in ("Event", "Received", "Fetched", "Built", "Published", "State"))
    rows = "".join(
        f"<tr><td>{_text(record['kind'])}</td>{''.join(f'<td>{_text(record[stage])}</td>' for stage in stages)}"
        f"<td>{_text(record['state'])}</td></tr>"
        for record in records
    )
    back = f'<p><a href="/">{escape(site)}</a></p>'
    return _document(f"{post} – velobuild", f"<h2>{escape(post)}</h2>{back}<table><tr>{head}</tr>{rows}</table>")


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f'<meta http-equiv="refresh" content="15"><style>{STYLE}</style></head>'
        f"<body><main><h1>velobuild</h1>{body}</main></body></html>"
    )


def _text(value: object) -> str:
    return "–" if value in (None, "") else escape(str(value))


def _marked(text: str, bad: bool) -> str:
    return f'<span class="bad">{escape(text)}</span>' if bad else escape(text)
