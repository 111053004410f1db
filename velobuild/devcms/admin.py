"""The superuser's HTTP access to the running PocketBase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from velobuild.errors import ConfigError, SourceUnavailable

TIMEOUT_S = 30.0
RECORDS_PER_CALL = 500


class Admin:
    """Calls as superuser. Signs in at the first call, and again when the server no longer takes the sign-in."""

    def __init__(self, url: str, email: str, password: str) -> None:
        # Never through a proxy: the server is on this machine.
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._email = email
        self._password = password

    def close(self) -> None:
        self._client.close()

    def sign_in(self) -> None:
        """Raises: SourceUnavailable, if nobody answers there or it is not our server."""
        try:
            answer = self._client.post(
                "/api/collections/_superusers/auth-with-password",
                json={"identity": self._email, "password": self._password},
            )
        except httpx.HTTPError as error:
            raise _unreachable(str(self._client.base_url)) from error
        if answer.status_code != httpx.codes.OK:
            raise SourceUnavailable(
                "the development CMS did not take its own password",
                code="VB1502",
                where=str(self._client.base_url),
                hint="another server may hold the port; stop it, or choose another port with --port",
            )
        self._client.headers["Authorization"] = answer.json()["token"]

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer's JSON, None where it has none.

        Raises: ConfigError, if the server refuses the request; SourceUnavailable, if it does not answer.
        """
        if "Authorization" not in self._client.headers:
            self.sign_in()
        answer = self._send(method, path, arguments)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            self.sign_in()
            answer = self._send(method, path, arguments)
        if answer.is_error:
            raise ConfigError(
                f"the development CMS refused: {_reason(answer)}", code="VB1502", where=f"{method} {path}"
            )
        return answer.json() if answer.content else None

    def _send(self, method: str, path: str, arguments: Mapping[str, Any]) -> httpx.Response:
        try:
            return self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise _unreachable(str(self._client.base_url)) from error

    def records(self, collection: str, filter: str = "", sort: str = "created,id") -> list[dict[str, Any]]:
        """All records that the filter (in PocketBase's language) leaves, in that order."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            asked = {"page": page, "perPage": RECORDS_PER_CALL, "filter": filter, "sort": sort, "skipTotal": 1}
            items = self.call("GET", f"/api/collections/{collection}/records", params=asked)["items"]
            found += items
            if len(items) < RECORDS_PER_CALL:
                return found
            page += 1

    def create(self, collection: str, fields: Mapping[str, Any]) -> str:
        """Returns the new record's id."""
        made: str = self.call("POST", f"/api/collections/{collection}/records", json=dict(fields))["id"]
        return made

    def update(self, collection: str, id: str, fields: Mapping[str, Any]) -> None:
        self.call("PATCH", f"/api/collections/{collection}/records/{id}", json=dict(fields))

    def delete(self, collection: str, id: str) -> None:
        self.call("DELETE", f"/api/collections/{collection}/records/{id}")


def quoted(text: str) -> str:
    """A text as PocketBase's filter language writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _reason(answer: httpx.Response) -> str:
    """Why PocketBase refused, as `field: reason` where it names fields; a text of its own otherwise."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"HTTP status {answer.status_code}"
    fields = [f"{name}: {reason}" for name, reason in _field_reasons(body.get("data"))]
    return "; ".join(fields) or _as_clause(str(body.get("message") or f"HTTP status {answer.status_code}"))


def _field_reasons(found: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(found, dict):
        if isinstance(found.get("message"), str):
            yield name, _as_clause(found["message"])
        else:
            for inner, value in found.items():
                yield from _field_reasons(value, f"{name}.{inner}" if name else str(inner))


def _as_clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _unreachable(url: str) -> SourceUnavailable:
    return SourceUnavailable(
        "the development CMS does not answer",
        code="VB1502",
        where=url,
        hint="see `velobuild cms status`; start it with `velobuild cms start`",
    )
